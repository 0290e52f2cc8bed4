"""Does what stands on the disk agree with ``spool-layout.md``? Findings, their repairs, and checksums.

- ``findings``: what can be said. ``legal``: which names stand where. Pure.
- ``looking``: reading the disk without following a link, whatever lies there.
- ``sights``: a batch as it was seen. ``batches``, ``results``: judging that. Pure.
- ``places``, ``objects``: the rest of the spool, and the inputs.
- ``inspection``: all of it, twice where something seems wrong. ``repairing``: the safe repairs.
- ``verification``: the archive's checksums.
"""

from spoold.checking.findings import Finding, Kind, Severity
from spoold.checking.inspection import check

__all__ = ["Finding", "Kind", "Severity", "check"]
