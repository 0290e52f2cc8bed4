"""What the system asks of a file server, and how soon it reacts over NFS; measured on real kernel clients.

    python -m bench.nfs [--seconds 60] [--drops 20] [--json FILE]

It takes root and what ``tests/nfs`` takes. What is measured, and how, is told in ``docs/nfs.md``. The exit
code is 0 when everything could be measured, whether the goals were met or not.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from bench.dispatching.report import describe_machine
from bench.remote.measuring import ADD, COPY, measure_idle, measure_jobs, measure_waits
from bench.remote.report import Report, print_report, to_json
from tests.nfs.bed import Bed, why_impossible
from tests.nfs.bed.packages import Unavailable, prepare

_KIT = Path(__file__).parents[1] / ".nfs-bed"
_VERSIONS = ("4.2", "3")


def main() -> int:
    options = _parse(sys.argv[1:])
    progress = Console(stderr=True)
    try:
        why = why_impossible()
        if why:
            raise Unavailable(why)
        kit = prepare(_KIT)
    except Unavailable as error:
        progress.print(f"no guests with NFS: {error}", style="red", markup=False)
        return 1
    with tempfile.TemporaryDirectory(prefix="nfs-") as folder, Bed(Path(folder), kit) as bed:
        report = Report(describe_machine(Path(folder)))
        for nfs in options.versions:
            _measure(report, bed, nfs, options, progress)
    print_report(report, Console())
    if options.json:
        options.json.write_text(to_json(report))
    return 0


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.nfs", description="Cost and latency on NFS.")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long idle nodes are watched (60)")
    parser.add_argument("--drops", type=int, default=20, help="drops of each kind (20)")
    parser.add_argument(
        "--versions", nargs="+", choices=_VERSIONS, default=_VERSIONS, help="versions of NFS (both)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    return parser.parse_args(arguments)


def _measure(report: Report, bed: Bed, nfs: str, options: argparse.Namespace, progress: Console) -> None:
    for client in bed.clients:
        client.mount(f"vers={nfs}")
    progress.print(f"NFS {nfs}: idle nodes")
    report.idle += measure_idle(bed, nfs, options.seconds)
    progress.print(f"NFS {nfs}: jobs")
    report.jobs.append(measure_jobs(bed, nfs))
    for way in (ADD, COPY):
        progress.print(f"NFS {nfs}: from {way} to the start elsewhere")
        report.waits.append(measure_waits(bed, nfs, way, options.drops))


if __name__ == "__main__":
    sys.exit(main())
