"""Ids of jobs that a spool doesn't know: nobody may notice that a job waits for one of them for ever."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress

from cluster import logme
from cluster.errors import ClusterError
from cluster.spools.ids import parse_id
from cluster.spools.reading import SpoolReader
from spoold.codec import RecordError


def find_unknown(reader: SpoolReader, job_ids: Collection[str]) -> list[str]:
    """Those of these ids that no job in the spool has, or had. Raises OSError, RecordError."""
    asked = {one for one in job_ids if parse_id(one) is not None}
    # RACE: what is admitted during a look may be seen in neither place; after it, it is.
    for _ in range(2):
        if asked:
            asked -= reader.look(asked).keys()
    return sorted(asked)


def tell_of_unknown(reader: SpoolReader, name: str, after: Sequence[str]) -> None:
    """Warn of ids that no job has yet, where others may submit what is waited for."""
    unknown: list[str] = []
    # What can't be read is told when the job is dropped there.
    with suppress(OSError, RecordError):
        unknown = find_unknown(reader, after)
    if unknown:
        logme.log(f"job {name} waits for {', '.join(unknown)}, which nobody has submitted yet", "warn")


def refuse_unknown(reader: SpoolReader, name: str, after: Sequence[str]) -> None:
    """Raises ClusterError if the job ``name`` would wait for one that was never submitted."""
    try:
        unknown = find_unknown(reader, after)
    except (OSError, RecordError) as error:
        raise ClusterError(f"job {name} can't be submitted", f"its queue can't be read: {error}") from error
    if unknown:
        raise ClusterError(
            f"job {name} can't wait for {', '.join(unknown)}",
            "no such job was submitted here, or it ended long ago",
            "see: distribute queue --state all",
        )
