"""What a job used, once its processes are gone and while its control group still stands."""

from __future__ import annotations

from . import procfs
from .groups import Group
from .sweeping import Brood
from .watching import Watch


def measure(
    brood: Brood, group: Group | None, watch: Watch, before: tuple[int, int] | None
) -> dict[str, object]:
    """The figures of the record. ``before`` is what was transferred when the job began, None if unknown."""
    user_cpu_s, system_cpu_s = (group.cpu_s() if group else None) or (brood.user_cpu_s, brood.system_cpu_s)
    counted = group.peak_memory_bytes() if group else None
    seen = max(brood.peak_memory_bytes, watch.peak_memory_bytes)
    oom_kills, by_limit = group.oom_kills() if group else (0, False)
    read_bytes, written_bytes = _transferred(group, before)
    return {
        "user_cpu_s": user_cpu_s,
        "system_cpu_s": system_cpu_s,
        "peak_memory_bytes": seen if counted is None else max(counted, watch.peak_memory_bytes),
        "read_bytes": read_bytes,
        "written_bytes": written_bytes,
        "memory_limit_bytes": watch.limit_bytes,
        "over_memory": watch.over or (oom_kills > 0 and by_limit),
        "oom_kills": oom_kills,
    }


def _transferred(group: Group | None, before: tuple[int, int] | None) -> tuple[int | None, int | None]:
    """The larger of both counts: a controller doesn't see what is still to be written when the job has ended,
    and the processes' own count goes to the parent, which may not want it (SIGCHLD ignored)."""
    counted, after = group.transferred_bytes() if group else None, procfs.read_transfers()
    own = (after[0] - before[0], after[1] - before[1]) if before and after else None
    both = [count for count in (counted, own) if count is not None]
    if not both:
        return None, None
    return max(count[0] for count in both), max(count[1] for count in both)
