"""Chaos on a spool: ``python -m tests.chaos --minutes 10 --nodes 4 --seed 1``.

Real daemons, random work, daemons that are killed, frozen and cut off every few seconds; then a checker decides
whether each job has exactly one result. Exit code 1 and the seed if not; the history is kept. With
``--spool-kind nfs`` the nodes are guests of this machine, with real NFS clients and a server; exit code 77 where
there can't be any.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.chaotic.campaign import Campaign, Plan
from tests.chaotic.excerpt import explain
from tests.chaotic.guest_site import GuestSite, NoGuests, guests
from tests.chaotic.history import Kind
from tests.chaotic.mutant import MUTATIONS
from tests.chaotic.troubles import GUEST_TROUBLES

_SKIPPED = 77


def main() -> int:
    options = _parse()
    folder = Path(tempfile.mkdtemp(prefix=f"chaos-{options.seed}-", dir=options.folder))
    print(
        f"chaos: {options.minutes:g} minutes, {options.nodes} nodes on {options.spool_kind}, seed {options.seed}, "
        f"in {folder}",
        flush=True,
    )
    with ExitStack() as stack:
        try:
            campaign = _plan(options, folder, stack)
        except NoGuests as error:
            print(f"skipped, as there are no guests with NFS here: {error}")
            return _SKIPPED
        findings = campaign.run()
    print(summarize(campaign))
    if findings:
        print(f"seed {options.seed}: {len(findings)} violations; history: {campaign.history.path}")
        print("\n".join(explain(findings, campaign.history.events)))
        return 1
    shutil.rmtree(folder)
    return 0


def _plan(options: argparse.Namespace, folder: Path, stack: ExitStack) -> Campaign:
    seconds = 60 * options.minutes
    if options.spool_kind == "local":
        return Campaign(folder, Plan(seconds, options.nodes, options.seed, mutation=options.mutation))
    bed = stack.enter_context(guests(folder / "bed", options.nodes, options.nfs_version))
    plan = Plan(seconds, options.nodes, options.seed, 0.2, 0.3, GUEST_TROUBLES, lease_s=8.0, settle_s=300.0)
    return Campaign(folder, plan, GuestSite(bed, plan.settings, random.Random(options.seed)))


def summarize(campaign: Campaign) -> str:
    """What went on, in one line."""
    events = campaign.history.events
    counts = {kind: sum(event.kind is kind for event in events) for kind in Kind}
    jobs = sum(len(batch.jobs) for batch in campaign.submitter.planned.values())
    return (
        f"{len(campaign.submitter.planned)} batches, {jobs} jobs; daemons down {counts[Kind.DOWN]} times, cut off "
        f"{counts[Kind.FROZEN]}, by themselves {counts[Kind.ENDED]}, runners killed {counts[Kind.RUNNER_KILLED]}, "
        f"paused {counts[Kind.PAUSED]}; attempts that were not the first {campaign.losses()}, commands "
        f"{counts[Kind.COMMANDED]}, stalls of the machine {counts[Kind.STALLED]}"
    )


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--spool-kind", choices=["local", "nfs"], default="local")
    parser.add_argument("--nfs-version", choices=["4.2", "3"], default="4.2")
    parser.add_argument("--mutation", choices=["", *MUTATIONS], default="", help="must be found; local only")
    parser.add_argument("--folder", type=Path, help="where the spool and the history go; kept on failure")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
