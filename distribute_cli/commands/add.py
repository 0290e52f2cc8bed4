"""`distribute add JOBFILE`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from distribute_cli.context import current_spool, spool_option
from distribute_cli.errors import Incomplete
from distribute_cli.output import json_option, make_progress, print_json, print_table, say, tell
from distribute_cli.words import say_size
from distribute_compute_config.errors import DistributeError

if TYPE_CHECKING:
    from distribute_cli.reports.overview import Counts
    from distribute_cli.submitting import NodeOffer, Plan
    from distribute_compute_config import LoadedJobFile
    from spoold.spool import Spool

_JOBS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Submission:
    """What `add --json` prints. ``state`` is ``planned``, ``waiting``, ``admitted`` or ``ended``."""

    state: str
    plan: Plan
    drop: Path | None = None
    counts: Counts | None = None


@click.command()
@click.argument("jobfile", type=click.Path(path_type=Path))
@click.option("--dry", is_flag=True, help="Show what would be submitted, and which nodes could run it.")
@click.option("--wait", is_flag=True, help="Wait until the batch has ended.")
@json_option
@spool_option
def command(jobfile: Path, dry: bool, wait: bool, as_json: bool) -> None:
    """Submit the batch that JOBFILE describes, with all files that it names.

    The files are read now, as you: what you change afterwards changes nothing for this batch.
    """
    if dry and wait:
        raise click.UsageError("--dry submits nothing, so there is nothing to --wait for")
    spool = current_spool()
    loaded = _load(jobfile, spool.settings.max_jobs)
    _refuse(spool, loaded)
    plan = _plan(spool, loaded, jobfile.absolute().parent)
    for warning in plan.warnings:
        tell(f"warning: {warning}")
    if dry:
        print_json(Submission("planned", plan)) if as_json else _show(plan)
        return
    submission = _submit(spool, loaded, jobfile, plan, wait)
    if as_json:
        print_json(submission)
    _tell_end(submission, jobfile, quiet=as_json)


def _submit(spool: Spool, loaded: LoadedJobFile, jobfile: Path, plan: Plan, wait: bool) -> Submission:
    """Whoever ends this is told what becomes of the batch. Raises DropRejected."""
    from spoold.following import name_drop

    name = name_drop(plan.key)
    try:
        drop, size_bytes = _drop(spool, loaded, jobfile, plan, name)
        submission = _follow(spool, plan, drop, size_bytes)
        return _wait(spool, submission, drop) if wait else submission
    except KeyboardInterrupt:
        tell(f"\n{_describe_leaving(spool, plan, name)}")
        raise


def _load(jobfile: Path, jobs_max: int) -> LoadedJobFile:
    """Raises JobFileError with every mistake and every file that isn't there."""
    from distribute_compute_config import load_with_inputs

    return load_with_inputs(jobfile, jobs_max)


def _plan(spool: Spool, loaded: LoadedJobFile, base: Path) -> Plan:
    from distribute_cli.images import look_at_image
    from distribute_cli.submitting import plan
    from spoold.awaiting import read_standing

    sizes_bytes = {one.path: (base / one.path).stat().st_size for one in loaded.inputs()}
    awaited = {key: read_standing(spool, key) for key in loaded.jobfile.meta.after}
    image = look_at_image(loaded, base)
    planned = plan(loaded, sizes_bytes, _offers(spool), awaited, image.architecture)
    return replace(planned, warnings=(*planned.warnings, image.doubt)) if image.doubt else planned


def _offers(spool: Spool) -> list[NodeOffer]:
    from distribute_cli.reading.nodes import read_node_reports
    from distribute_cli.reports.nodes import Life
    from distribute_cli.submitting import NodeOffer

    return [
        NodeOffer(one.name, one.life is Life.LIVE, one.cores, one.memory_bytes, one.capabilities, one.gpus)
        for one in read_node_reports(spool)
    ]


def _refuse(spool: Spool, loaded: LoadedJobFile) -> None:
    """Raises DistributeError: it has too many jobs, or its name is taken."""
    from spoold.submitting import refuse

    refuse(spool, loaded)


def _show(plan: Plan) -> None:
    from distribute_cli.submitting import describe_needs, summarise
    from distribute_cli.words import join
    from distribute_compute_config.sweeps import say_values

    say(summarise(plan))
    jobs = plan.jobs[:_JOBS_SHOWN]
    rows: list[tuple[str, ...]] = [(job.name, describe_needs(job), ", ".join(job.depends)) for job in jobs]
    columns: tuple[str, ...] = ("job", "needs", "after")
    if any(job.values for job in plan.jobs):
        values = [say_values(tuple(job.values.items())) for job in jobs]
        columns, rows = (*columns, "values"), [(*row, one) for row, one in zip(rows, values, strict=True)]
    print_table(columns, rows)
    if len(plan.jobs) > _JOBS_SHOWN:
        say(f"and {len(plan.jobs) - _JOBS_SHOWN} more")
    say()
    if plan.inputs:
        sizes = [(one.path, say_size(one.size_bytes)) for one in plan.inputs]
        print_table(("input", "size"), sizes, right=("size",))
        say()
    if plan.capabilities:
        offers = [(one.name, join(one.nodes) or "no live node") for one in plan.capabilities]
        print_table(("capability", "live nodes that have it"), offers)
    if plan.after:
        say(f"after: {join(plan.after, at_most=99)}")
    say(f"could run on: {join(plan.nodes) or 'no live node'}")
    say("nothing was submitted")


def _drop(spool: Spool, loaded: LoadedJobFile, jobfile: Path, plan: Plan, name: str) -> tuple[Path, int]:
    """Read the inputs and put them into the drop box, whole; its path there and their size, bytes."""
    from distribute_cli.submitting import summarise
    from spoold.bundles import collect, drop_bundle
    from spoold.fsops import SpoolFull

    with make_progress() as progress:
        reading = progress.add_task("reading inputs", total=plan.input_bytes)
        bundle = collect(loaded, jobfile.absolute().parent, lambda size: progress.advance(reading, size))
        writing = progress.add_task("copying to the spool", total=bundle.size_bytes)
        try:
            drop = drop_bundle(spool, bundle, name, lambda size: progress.advance(writing, size))
        except SpoolFull as error:
            raise _no_room(spool, bundle.size_bytes) from error
    tell(f"submitted {summarise(plan)}")
    return drop, bundle.size_bytes


def _describe_leaving(spool: Spool, plan: Plan, name: str) -> str:
    """What becomes of a batch whose submitter doesn't wait any more, at whatever moment that was."""
    from spoold.snapshot import find_batch

    # RACE: the drop first; what is taken in between these two looks is a batch in the second.
    dropped = any(one.startswith(name) for one in spool.ops.names(spool.layout.incoming))
    if dropped or find_batch(spool, plan.namespace, plan.batch):
        return f"{plan.key} is submitted and goes on without you; see: distribute status {plan.key}"
    return f"{plan.key} isn't submitted; see: distribute status"


def _no_room(spool: Spool, size_bytes: int) -> DistributeError:
    import shutil

    free = say_size(shutil.disk_usage(spool.root).free)
    return DistributeError(
        f"the spool {spool.root} is full ({free} free)",
        f"nothing was submitted; the inputs have {say_size(size_bytes)}",
        "make room there, or have a quota raised, and type this again",
    )


def _follow(spool: Spool, plan: Plan, drop: Path, size_bytes: int) -> Submission:
    """Raises DropRejected."""
    from distribute_cli.following import describe_waiting, follow
    from spoold.following import Fate

    if follow(spool, drop, size_bytes) is Fate.TAKEN_IN:
        return Submission("admitted", plan, drop)
    tell(describe_waiting(spool))
    return Submission("waiting", plan, drop)


def _wait(spool: Spool, submission: Submission, drop: Path) -> Submission:
    """Raises DropRejected."""
    from distribute_cli.ending import wait_for_end
    from spoold.following import look_for
    from spoold.polling import FOR_EVER_S, poll

    poll(lambda: look_for(spool, drop), FOR_EVER_S)
    plan = submission.plan
    return replace(submission, state="ended", counts=wait_for_end(spool, plan.namespace, plan.batch))


def _tell_end(submission: Submission, jobfile: Path, quiet: bool) -> None:
    """What came of it and what to type next; raises Incomplete if not every job is done."""
    from distribute_cli.ending import describe

    plan, counts = submission.plan, submission.counts
    lines = [f"see it run: distribute status {plan.key} --watch"] if counts is None else []
    if counts is None and submission.state == "admitted":
        lines.insert(0, f"admitted {plan.key}")
    if counts is not None:
        lines.append(f"{plan.key} has ended: {describe(counts)}")
    if not quiet:
        for line in [*lines, f"fetch the results: distribute pull {jobfile}"]:
            say(line)
    if counts is not None and counts.done < counts.total:
        raise Incomplete(
            f"{plan.key}: {describe(counts)} of {counts.total}",
            "",
            f"see why: distribute status {plan.key}\nrun those again: distribute retry {plan.key}",
        )
