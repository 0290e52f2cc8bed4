"""Following what a job prints, from its node's live copy to the archive, without losing or repeating a byte.

The live copy is a beginning of what the archive holds later, so an offset in one is an offset in the other.
Files are opened anew for every look: on NFS that is what asks the server for what is new.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path

from distribute_cli.errors import NotFound
from distribute_cli.reading.files import open_listed, open_regular
from spoold.snapshot import BatchRef, find_batch, read_builds
from spoold.spool import Spool
from spoold.tickets import State, Ticket, parse_tickets

_PIECE_BYTES = 1 << 20
_WAITING = (State.HELD, State.PENDING)


class Stream(Enum):
    """One of the two outputs of a job; the value is part of file names."""

    STDOUT = "stdout"
    STDERR = "stderr"


Emit = Callable[[Stream, bytes], None]


def find_ticket(spool: Spool, batch: BatchRef, job: str) -> tuple[State, Ticket] | None:
    """The job's newest ticket; None if it moved while this looked for it, or there is no such job."""
    found: tuple[State, Ticket] | None = None
    for state in State:
        # By prefix first: a batch may have thousands of tickets.
        names = [name for name in spool.ops.names(batch.folder.state(state)) if name.startswith(f"{job}~")]
        for ticket in parse_tickets(names):
            if found is None or found[1].attempt <= ticket.attempt:
                found = (state, ticket)
    return found


def emit_archived(place: Path, stream: Stream, emit: Emit) -> None:
    """All that is archived of a stream in an attempt's folder; nothing if there is none."""
    opened = open_regular(place / f"{stream.value}.txt")
    if opened is not None:
        with opened:
            while piece := opened.read(_PIECE_BYTES):
                emit(stream, piece)


class Tail:
    """Emits what a job has printed since the last ``step``; ``tell`` gets remarks for people.

    Without ``explain`` they say nothing of why it waits or didn't run.
    """

    def __init__(
        self,
        spool: Spool,
        batch: BatchRef,
        job: str,
        streams: Sequence[Stream],
        emit: Emit,
        tell: Callable[[str], None],
        explain: bool = True,
    ) -> None:
        self._spool, self._batch, self._job = spool, batch, job
        self._streams, self._emit, self._tell, self._explain = streams, emit, tell, explain
        self._offsets = dict.fromkeys(streams, 0)
        self._last: tuple[State, Ticket] | None = None
        self._known: set[Path] = set()

    def step(self) -> bool:
        """Emit what is new; True once the job has ended and all of it was emitted. Raises NotFound."""
        now = self._look()
        if now is None:
            return False
        state, ticket = now
        if self._last is not None and self._last[1].attempt != ticket.attempt:
            self._start_over(self._last[1], ticket)
        if self._explain and self._last != now:
            self._remark(state, ticket)
        self._last = now
        if ticket.node is not None:
            for stream in self._streams:
                self._emit_new(stream, self._place(state, ticket, stream))
        return state.terminal

    def _look(self) -> tuple[State, Ticket] | None:
        ref = find_batch(self._spool, self._batch.namespace, self._batch.batch)
        if ref is None:
            raise NotFound(f"{self._batch.key} is gone", f"from {self._spool.root}", "see: distribute status")
        return find_ticket(self._spool, ref, self._job)

    def _place(self, state: State, ticket: Ticket, stream: Stream) -> Path:
        namespace, batch, layout = self._batch.namespace, self._batch.batch, self._spool.layout
        if state.terminal:
            return layout.archived_job(namespace, batch, ticket.job) / f"{stream.value}.txt"
        return layout.node(ticket.node or "").log(namespace, batch, ticket, stream.value)

    def _start_over(self, old: Ticket, new: Ticket) -> None:
        """What the old attempt printed to its end is in the archive if it ended with an error."""
        layout, ref = self._spool.layout, self._batch
        kept = layout.archived_attempt(ref.namespace, ref.batch, old)
        for stream in self._streams:
            self._emit_new(stream, kept / f"{stream.value}.txt")
        self._offsets = dict.fromkeys(self._streams, 0)
        self._tell(f"attempt {old.attempt} of {self._job} is over; attempt {new.attempt} starts over")

    def _remark(self, state: State, ticket: Ticket) -> None:
        job = f"{self._batch.key}/{self._job}"
        if state in _WAITING:
            self._tell(f"{self._job} is {state.value}; to see why: distribute explain {job}")
        elif state.terminal and ticket.node is None:
            verb = "failed" if state is State.FAILED else f"was {state.value}"
            self._tell(f"{self._job} {verb} without having run; to see why: distribute explain {job}")
            if state is State.FAILED and self._failed_to_build():
                self._tell(f"what its build printed: distribute logs --build {self._batch.key}")

    def _failed_to_build(self) -> bool:
        ref = find_batch(self._spool, self._batch.namespace, self._batch.batch)
        return ref is not None and bool(read_builds(self._spool, ref.folder).failed)

    def _emit_new(self, stream: Stream, path: Path) -> None:
        top = self._spool.root
        opened = open_regular(path) if path in self._known else open_listed(self._spool, top, path)
        if opened is None:
            return
        self._known.add(path)
        with opened:
            # A restarted daemon may write the live copy anew: until it is longer there is nothing new.
            opened.seek(self._offsets[stream])
            while piece := opened.read(_PIECE_BYTES):
                self._offsets[stream] += len(piece)
                self._emit(stream, piece)
