"""Runs a daemon with a mutation of the protocol: ``mutant.py MUTATION PROGRAM ARGUMENTS``.

Each mutation is a mistake that somebody could make; the checker must notice what comes of it.
"""

from __future__ import annotations

import runpy
import shutil
import sys
from collections.abc import Callable


def claim_by_copy() -> None:
    """A ticket is copied and flushed, then its first name removed: two nodes can do so at once, and both have it."""
    from nodewatch import queue
    from spoold.layout import BatchFolder
    from spoold.spool import Spool
    from spoold.tickets import State, Ticket

    def claim(spool: Spool, folder: BatchFolder, ticket: Ticket, node: str) -> Ticket | None:
        mine = ticket.held_by(node)
        source = folder.ticket(State.PENDING, ticket)
        try:
            shutil.copyfile(source, folder.ticket(State.CLAIMED, mine))
            spool.ops.flush()
        except FileNotFoundError:
            return None
        source.unlink(missing_ok=True)
        return mine

    queue.claim = claim


def no_heartbeat() -> None:
    """A lease is taken, and never refreshed."""
    from filelock import SoftFileLease

    SoftFileLease._start_heartbeat = lambda self, *arguments: None  # type: ignore[method-assign]


def any_lease() -> None:
    """A steward takes the jobs of any node that it finds, however well that lives."""
    from spoold.steward import Steward

    Steward._take_lease = lambda self, node: True  # type: ignore[method-assign]
    Steward._has_taken = lambda self, node: True  # type: ignore[method-assign]


def no_fence() -> None:
    """A node archives its result whether its job is still its own or not."""
    from nodewatch import uploading
    from spoold.publication import publish

    def publish_anyway(*arguments: object) -> bool:
        publish(*arguments)  # type: ignore[arg-type]
        return True

    uploading.publish = publish_anyway


def no_saves() -> None:
    """What a job saved is left behind; both outputs and the record are archived, so nothing is missing."""
    from spoold import publication

    publication._walk = lambda root: iter(())


MUTATIONS: dict[str, Callable[[], None]] = {
    mutation.__name__: mutation for mutation in (claim_by_copy, no_heartbeat, any_lease, no_fence, no_saves)
}

if __name__ == "__main__":
    MUTATIONS[sys.argv[1]]()
    sys.argv = sys.argv[2:]
    runpy.run_path(sys.argv[0], run_name="__main__")
