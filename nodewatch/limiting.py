"""What a job, or a build, may use at most on this node. Pure."""

from __future__ import annotations

from nodewatch.process import Limits
from nodewatch.queue import Claimed
from nodewatch.topology import Topology

#: Processes and threads: more than any solver has, and few enough for a fork bomb not to be the node's end.
_MOST_TASKS = 16384


def job_limits(claimed: Claimed, topology: Topology) -> Limits:
    """The CPUs of its cores, and what the job says of itself."""
    asked = claimed.job.resources
    cpus = topology.cpus(claimed.grant.cores)
    return Limits(cpus, asked.memory_bytes, _MOST_TASKS, asked.time_s)


def build_limits(claimed: Claimed, topology: Topology) -> Limits:
    """A build has the place of the job that it is for; its time and its memory are its own."""
    return Limits(topology.cpus(claimed.grant.cores), pids=_MOST_TASKS)
