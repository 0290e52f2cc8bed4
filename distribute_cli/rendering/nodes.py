"""The workstations as a table."""

from __future__ import annotations

from collections.abc import Iterator

from distribute_cli.output import Line, Part, Table
from distribute_cli.reports.nodes import Life, NodeReport, NodesReport, say_pause, say_paused
from distribute_cli.words import join, say_duration, say_size
from spoold.node_records import RunningJob

_COLUMNS = ("NODE", "STATE", "CORES", "MEMORY", "GPUS", "DOES", "CAPABILITIES", "NOTES")
_GPUS = _COLUMNS.index("GPUS")


def draw_nodes(report: NodesReport) -> Iterator[Part]:
    """A row a workstation, then the room in the spool."""
    if report.nodes:
        rows = [_row(node, report.at) for node in report.nodes]
        if any(node.gpus for node in report.nodes):
            yield Table(_COLUMNS, rows, ("CORES", "MEMORY", "GPUS"))
        else:
            yield Table(_without_gpus(_COLUMNS), [_without_gpus(row) for row in rows], ("CORES", "MEMORY"))
    else:
        yield Line("no workstation has joined this spool; start nodewatch on one")
    yield Line("")
    yield Line(f"spool {report.spool}: {say_size(report.free_bytes)} of {say_size(report.total_bytes)} free")
    if any(node.life is Life.SILENT for node in report.nodes):
        yield Line("silent is an estimate: it compares this computer's clock with the file server's")


def _row(node: NodeReport, now: float) -> tuple[str, ...]:
    return (
        node.name,
        say_life(node),
        _say_lent(node.cores, [job.cores for job in _at_work(node)]),
        say_size(node.memory_bytes) if node.memory_bytes else "",
        _say_lent(node.gpus, [job.gpus for job in _at_work(node)]),
        ", ".join(_say_job(job, now) for job in node.jobs) or ("idle" if node.life is Life.LIVE else ""),
        ", ".join(node.capabilities),
        "; ".join(_notes(node, now)),
    )


def _without_gpus(row: tuple[str, ...]) -> tuple[str, ...]:
    return row[:_GPUS] + row[_GPUS + 1 :]


def _at_work(node: NodeReport) -> list[RunningJob]:
    """The jobs that have cores; a node of an earlier version doesn't say how many."""
    return [job for job in node.jobs if job.cores and job.phase != "uploading"]


def _say_lent(all_there_is: int, taken: list[int]) -> str:
    """``4``, or ``3/4`` while three of them are taken."""
    if not all_there_is:
        return ""
    return f"{sum(taken)}/{all_there_is}" if sum(taken) else str(all_there_is)


def say_life(node: NodeReport) -> str:
    """``live``, ``silent for 5 min``, ``stopped``, ``stopped, its job goes on``."""
    if node.leaving:
        return "stopped, its job goes on" if len(node.jobs) == 1 else "stopped, its jobs go on"
    if node.life is Life.SILENT and node.silent_s is not None:
        return f"silent for {say_duration(node.silent_s)}"
    return node.life.value


def _say_job(job: RunningJob, now: float) -> str:
    if job.phase == "running":
        # Not since when it is in this phase: that is since its last pause.
        lasts = "" if job.started_at is None else f", started {say_duration(now - job.started_at)} ago"
    else:
        # A node of an earlier version says only since when the job is there.
        lasts = "" if job.phase_since is None else f" {say_duration(now - job.phase_since)}"
    return f"{job.namespace}/{job.batch}/{job.job} ({job.phase}{lasts})"


def _notes(node: NodeReport, now: float) -> Iterator[str]:
    if node.paused_until is not None:
        yield say_pause(node, now)
    for pause in node.pauses:
        yield f"{join(pause.targets)} {say_paused(pause.until, pause.by, now)}"
    if node.pausing:
        yield "pause asked for"
    if node.draining:
        yield "draining: takes no more jobs"
    if node.holding:
        yield f"takes no more jobs: {node.holding}"
    if node.spool_full:
        yield "could not write to the spool: no space"
    for quarantine in node.quarantines:
        what = "suspends" if quarantine.provisional else "is in quarantine for"
        yield f"{what} {quarantine.namespace}/{quarantine.batch}: its jobs fail here"
    yield from node.troubles
