"""Following a batch on the private spool to its end: output, progress, and each result as it comes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from distribute_cli.output import clean
from distribute_cli.reading.batch import read_batch
from distribute_cli.reports.running import RunReport, report_run, say_build, say_end
from distribute_cli.running.command_log import CommandLog
from distribute_cli.running.save_dir import SaveDir
from distribute_cli.running.screen import Screen
from distribute_cli.tailing import Stream, Tail
from distribute_cli.words import join
from distribute_compute_config.errors import DistributeError
from spoold.codec import decode
from spoold.following import DropRejected, look_for
from spoold.local_node import NODE, LocalNode, NodeFailed
from spoold.polling import poll
from spoold.private import PrivateSpool
from spoold.records import BatchHeader, BuildRecord, JobRecord
from spoold.snapshot import (
    BatchRef,
    find_batch,
    read_builds,
    read_header,
    read_jobs,
    read_node,
    read_record,
    read_status,
    read_tickets,
)
from spoold.tickets import State, Ticket

_LOOK_EVERY_S = 0.1
#: Looking takes at most this share of the time, however many jobs there are.
_SHARE = 0.1
_CHECK_EVERY_S = 1.0
_MOST_STARTS = 3
_AT_WORK = (State.CLAIMED, State.PUBLISHING)


class Follower:
    """Shows what becomes of the batch ``key`` that ``drop`` holds; moves results to ``save`` as they come.

    With ``commands`` it also shows what is executed. ``check`` may raise whenever a look begins.
    """

    def __init__(
        self,
        private: PrivateSpool,
        node: LocalNode,
        key: str,
        drop: Path,
        save: SaveDir,
        screen: Screen,
        commands: CommandLog | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._spool, self._node, self._drop = private.spool, node, drop
        self._namespace, _, self._batch = key.partition("/")
        self._save, self._screen, self._commands, self._check = save, screen, commands, check
        self._header: BatchHeader | None = None
        self._tails: dict[str, Tail] = {}
        self._ended: dict[str, JobRecord | None] = {}
        self._look_s = self._check_s = time.monotonic()
        self._starts = 0
        self._troubles: set[str] = set()
        self._building = self._built = False
        self._positions: dict[str, int] = {}

    def follow(self, within_s: float) -> bool:
        """Until the batch has ended, or for so many seconds; whether it has.

        Raises NodeFailed, or DistributeError if the job file is refused.
        """
        return bool(poll(lambda: self._step() or None, within_s, _LOOK_EVERY_S))

    def cancel(self) -> bool:
        """Ask for the end of all jobs that haven't ended; False if there are none."""
        ref = self._find()
        if ref is None or ref.finished:
            return False
        kill = ref.folder.kill()
        if kill.name not in self._spool.ops.names(ref.folder.path):
            self._spool.ops.write_new(kill, b"distribute run was ended\n")
        return True

    def collect(self) -> RunReport:
        """Move what is left of the archive, and report. Raises NotFound if there is no batch."""
        seen = read_batch(self._spool, self._namespace, self._batch)
        archived = self._spool.layout.archived_batch(self._namespace, self._batch)
        for name in self._spool.ops.names(archived):
            if not name.startswith("."):
                self._save.keep(archived / name)
        records = {job: record for job, record in self._ended.items() if record}
        output = self._save.results / self._build_output().name
        return report_run(seen, records, self._save.results, output if output.exists() else None)

    def _step(self) -> bool:
        self._check()
        started_s = time.monotonic()
        if started_s < self._look_s:
            return False
        if started_s >= self._check_s:
            self._check_s = started_s + _CHECK_EVERY_S
            self._check_node()
        ended = self._look()
        self._look_s = started_s + (time.monotonic() - started_s) / _SHARE
        return ended

    def _find(self) -> BatchRef | None:
        return find_batch(self._spool, self._namespace, self._batch)

    def _look(self) -> bool:
        ref = self._find()
        if ref is None:
            self._require_welcome()
            return False
        header = self._header or self._learn(ref)
        if header is None:
            return False
        self._show_build(ref, header)
        latest = read_tickets(self._spool, ref.folder).latest()
        for state, ticket in sorted(latest.values(), key=self._rank):
            may_print = ticket.node is not None and (self._built or not header.needs_build)
            if (may_print or state.terminal) and self._is_turn(ticket.job):
                self._show_job(ref, header, state, ticket)
        self._draw(header, latest)
        return ref.finished and len(self._ended) == header.jobs_total

    def _learn(self, ref: BatchRef) -> BatchHeader | None:
        jobs, header = read_jobs(self._spool, ref.folder), read_header(self._spool, ref.folder)
        if jobs is None or header is None:
            # RACE: it was closed since we found it.
            return None
        self._require_able(header)
        self._positions = {job.name: position for position, job in enumerate(jobs.jobs)}
        self._header = header
        return header

    def _require_able(self, header: BatchHeader) -> None:
        """Raises DistributeError if an image is for machines of another kind: nobody would ever run it."""
        info = read_node(self._spool, NODE)
        lacking = [one for one in header.needs if info and one not in info.capabilities]
        if lacking:
            raise DistributeError(
                f"this machine can't run {header.key}",
                f"it isn't, or hasn't, {join(lacking)}",
                "submit it to a lab with a machine that can: distribute add",
            )

    def _require_welcome(self) -> None:
        """Raises DistributeError if the job file was refused."""
        try:
            look_for(self._spool, self._drop)
        except DropRejected as error:
            *reason, _ = error.hint.splitlines()
            raise DistributeError(
                "the job file was refused", "\n".join(reason), "see: distribute check"
            ) from error

    def _show_job(self, ref: BatchRef, header: BatchHeader, state: State, ticket: Ticket) -> None:
        record = None
        if ticket.node is not None:
            tail = self._tail(ref, header, ticket.job)
            self._show_commands(ticket.job)
            if not tail.step():
                return
            place = self._spool.layout.archived_job(self._namespace, self._batch, ticket.job)
            record = read_record(self._spool, place)
            self._save.keep(place)
        self._ended[ticket.job] = record
        self._tails.pop(ticket.job, None)
        self._screen.end_job(ticket.job)
        self._screen.tell(clean(say_end(ticket.job, state, record)))

    def _rank(self, one: tuple[State, Ticket]) -> tuple[bool, int]:
        """What has ended goes before what runs since, and all goes as the job file has it."""
        state, ticket = one
        return not state.terminal, self._positions.get(ticket.job, 0)

    def _is_turn(self, job: str) -> bool:
        """Where lines aren't labelled, one job after the other is shown: the next one may run already."""
        free = self._screen.labels or not self._tails or job in self._tails
        return free and job not in self._ended

    def _tail(self, ref: BatchRef, header: BatchHeader, job: str) -> Tail:
        if job not in self._tails:
            number = len(self._tails) + len(self._ended) + 1
            self._screen.begin_job(job, number, header.jobs_total)

            def emit(stream: Stream, data: bytes) -> None:
                # What printed that was executed before.
                self._show_commands(job)
                self._screen.emit(job, stream, data)

            tell = self._screen.tell
            self._tails[job] = Tail(self._spool, ref, job, list(Stream), emit, tell, explain=False)
        return self._tails[job]

    def _show_commands(self, job: str | None) -> None:
        """What was executed since the last time for ``job``, or to build."""
        for typed in self._commands.take(job) if self._commands else ():
            self._screen.tell(clean(f"{job or 'build'}$ {typed}"))

    def _show_build(self, ref: BatchRef, header: BatchHeader) -> None:
        if self._built or not header.needs_build:
            return
        self._show_commands(None)
        builds = read_builds(self._spool, ref.folder)
        mark = ref.folder.build_mark(NODE, NODE in builds.ok)
        data = self._spool.ops.read(mark) if NODE in builds.ok | builds.failed else None
        if data is None:
            return
        self._built = True
        self._show_commands(None)
        output = (self._spool.ops.read(self._build_output()) or b"").decode(errors="replace")
        for line in say_build(decode(BuildRecord, data, mark), output):
            self._screen.tell(clean(line))

    def _build_output(self) -> Path:
        return self._spool.layout.build_output(self._namespace, self._batch, NODE)

    def _draw(self, header: BatchHeader, latest: Mapping[str, tuple[State, Ticket]]) -> None:
        running = [job for job, (state, _) in latest.items() if state in _AT_WORK]
        doing = "building" if self._building and not self._built else join(running)
        self._screen.draw(f"{header.key}: {doing or 'waiting'}", len(self._ended), header.jobs_total)

    def _check_node(self) -> None:
        """A node that died is replaced; its jobs go on. Raises NodeFailed if it does so again and again."""
        self._starts += self._node.ensure()
        if self._starts > _MOST_STARTS:
            raise NodeFailed("the node keeps ending", self._node.last_lines())
        status = read_status(self._spool, NODE)
        if status is None:
            return
        self._building = any(job.phase == "building" for job in status.jobs)
        for trouble in set(status.troubles) - self._troubles:
            self._screen.tell(clean(f"warning: {trouble}"))
        self._troubles |= set(status.troubles)
