"""Why no node takes what is pending: capabilities, builds, and what the capable nodes do. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from distribute_cli.errors import near_names
from distribute_cli.reports.explanation import Cause, Evidence, Reason
from distribute_cli.reports.nodes import Life, NodeReport, say_pause, say_paused
from distribute_cli.reports.ranking import explain_order
from distribute_cli.words import count, join, say_duration
from distribute_compute_config.container import BINARIES, CAPABILITY
from distribute_compute_config.sif import ARCHITECTURES
from nodewatch.process.pausing import hits
from spoold.node_records import Quarantine


def explain_nodes(evidence: Evidence, pending: Sequence[str]) -> Iterator[Reason]:
    """The reasons for ``pending`` jobs of one batch; none if there are no such jobs."""
    if not pending:
        return
    jobs = tuple(pending)
    wanted = evidence.seen.header.needs
    if not evidence.nodes:
        text = f"no workstation has joined {evidence.spool} yet; start nodewatch on one"
        yield Reason(Cause.NO_NODE, text, jobs)
        return
    kind = evidence.seen.header.kind
    if kind not in evidence.runnable:
        yield Reason(Cause.KIND, f"nodes of this version run no {kind} batches", jobs)
        return
    live = [node for node in evidence.nodes if node.life is Life.LIVE]
    if not live:
        others = join([f"{node.name} is {_say_life(node)}" for node in evidence.nodes])
        yield Reason(Cause.NO_NODE, f"no workstation is alive: {others}", jobs)
    else:
        yield from _explain_capabilities(evidence, wanted, live, jobs)
    for node in evidence.nodes:
        if set(wanted) <= set(node.capabilities):
            yield _explain_node(evidence, node, jobs)
    for name, text in explain_order(live, evidence.waiting, evidence.seen.header.key, jobs[0]):
        yield Reason(Cause.ORDER, text, jobs[:1], name)


def _explain_capabilities(
    evidence: Evidence, wanted: Sequence[str], live: Sequence[NodeReport], jobs: tuple[str, ...]
) -> Iterator[Reason]:
    offered = {one for node in live for one in node.capabilities}
    missing = [one for one in wanted if one not in offered]
    for one in missing:
        holders = [f"{n.name} has it, but is {_say_life(n)}" for n in evidence.nodes if one in n.capabilities]
        told = f" ({join(holders)})" if holders else ""
        text = f"no live node has the capability {one}{told}{_advise(evidence, one, live)}"
        yield Reason(Cause.CAPABILITY, text, jobs, capability=one)
    if not missing and not any(set(wanted) <= set(node.capabilities) for node in live):
        lacks = [
            f"{node.name} lacks {join([one for one in wanted if one not in node.capabilities])}"
            for node in live
        ]
        text = f"no live node has all of {join(wanted, at_most=99)}: {join(lacks)}"
        yield Reason(Cause.COMBINATION, text, jobs)


def _advise(evidence: Evidence, missing: str, live: Sequence[NodeReport]) -> str:
    """What could be done about a capability that no live node has; begins with a semicolon, or is empty."""
    offered = {one for node in live for one in node.capabilities}
    if missing == CAPABILITY:
        said = [(node.name, one) for node in live for one in node.troubles if one.startswith(BINARIES)]
        told = "".join(f"; {name} says: {text}" for name, text in said)
        return told or "; install Apptainer on one and start its nodewatch anew"
    if missing == evidence.seen.header.architecture:
        others = " or ".join(sorted(offered & set(ARCHITECTURES.values())))
        return f", for which its image was built; the live ones could run one for {others}"
    near = near_names(missing, offered)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _explain_node(evidence: Evidence, node: NodeReport, jobs: tuple[str, ...]) -> Reason:
    """What keeps a node that has all capabilities."""
    for build in evidence.seen.traces.failed_builds:
        if build.node == node.name:
            output = evidence.build_outputs.get(node.name)
            where = f"; see {output}" if output else ""
            text = f"the build failed on {node.name}: {build.reason or 'no reason given'}{where}"
            return Reason(Cause.BUILD_FAILED, text, jobs, node.name)
    for quarantine in node.quarantines:
        header = evidence.seen.header
        if (quarantine.namespace, quarantine.batch) == (header.namespace, header.batch):
            return Reason(Cause.QUARANTINE, _say_quarantine(node, quarantine), jobs, node.name)
    for pause in node.pauses:
        if all(hits(pause.targets, f"{evidence.seen.header.key}/{job}") for job in jobs):
            which = f"{join(jobs)} {'is' if len(jobs) == 1 else 'are'}"
            told = f"on {node.name} {which} {say_paused(pause.until, pause.by, evidence.at)}"
            return Reason(Cause.NODE_PAUSED, told, jobs, node.name)
    cause, text = _hindrance(node, evidence.at)
    return Reason(cause, f"{node.name} could run {count(len(jobs), 'job')}, but {text}", jobs, node.name)


def _say_quarantine(node: NodeReport, quarantine: Quarantine) -> str:
    failed = "jobs of this batch failed in a row within seconds"
    if quarantine.provisional:
        return f"on {node.name} {failed}; it takes more once it is known how they fare on other nodes"
    return (
        f"{node.name} is in quarantine for this batch: there {failed}, and on another node they don't; "
        f"when it is mended, type: distribute nodes --clear {node.name}"
    )


def _hindrance(node: NodeReport, now: float) -> tuple[Cause, str]:
    if node.life is not Life.LIVE:
        return Cause.NODE_SILENT, f"is {_say_life(node)}"
    if node.paused_until is not None:
        return Cause.NODE_PAUSED, f"is {say_pause(node, now)}"
    if node.draining:
        return Cause.NODE_DRAINING, "is draining: it takes no more jobs"
    if node.holding:
        return Cause.NODE_HOLDING, f"takes no more jobs: {node.holding}"
    if node.spool_full:
        return Cause.NODE_FULL, "couldn't write to the spool for want of space"
    told = "; ".join(node.troubles)
    if node.scratch_full:
        return Cause.NODE_SCRATCH_FULL, f"its scratch folder has too little room left. It says: {told}"
    if node.jobs:
        doing = [f"{job.namespace}/{job.batch}/{job.job} ({job.phase})" for job in node.jobs]
        # One that is being uploaded has left its cores.
        free = node.cores - sum(job.cores or node.cores for job in node.jobs if job.phase != "uploading")
        left = f"; {free} of its {node.cores} cores are free" if free > 0 else ""
        return Cause.NODE_BUSY, f"is busy with {join(doing)}{left}"
    if node.pausing:
        return Cause.NODE_PAUSED, "was asked to pause"
    if told:
        return Cause.NODE_FREE, f"hasn't yet. It says: {told}"
    return Cause.NODE_FREE, "hasn't yet: it is free, and should within seconds"


def _say_life(node: NodeReport) -> str:
    if node.life is Life.SILENT and node.silent_s is not None:
        return f"silent for {say_duration(node.silent_s)}"
    return node.life.value
