"""A batch's folder and its tickets: what isn't legal in a sight. Pure but for the modes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from spoold.access import identity_of
from spoold.checking.findings import (
    Finding,
    Kind,
    MakeFolder,
    MoveBatch,
    PutTicket,
    SetMode,
    error,
    shell,
)
from spoold.checking.legal import (
    BATCH_FILES,
    BATCH_FOLDERS,
    batch_type,
    builder_of,
    holder_is_wrong,
    parse_ticket,
)
from spoold.checking.looking import Read, Type, list_folder, look_at, read_record
from spoold.checking.sights import Placed, Sight
from spoold.layout import FILE_MODE, JOBS_NAME, SHARED_MODE
from spoold.losses import parse_loss
from spoold.records import BuildRecord, JobRecord, Outcome
from spoold.spool import Spool
from spoold.tickets import State, Ticket

#: So far ahead of all known attempts is one that is made anew: no ticket's name is used twice.
ATTEMPTS_APART = 1000


def judge_batch(spool: Spool, sight: Sight) -> Iterator[Finding]:
    """All that is wrong with the folder, its records and its tickets; results apart."""
    yield from _judge_folder(spool, sight)
    yield from _judge_records(spool, sight)
    yield from _judge_names(sight)
    yield from _judge_builds(sight)
    yield from _judge_losses(sight)
    if sight.jobs.value is None:
        return
    yield from _judge_doubled(sight)
    yield from (_lost(spool, sight, job) for job in sorted(sight.lost))
    if sight.finished:
        yield from _judge_work(spool, sight)


def _judge_folder(spool: Spool, sight: Sight) -> Iterator[Finding]:
    folder = sight.folder.path
    for name, type in sorted(sight.names.items()):
        yield from judge_entry(folder / name, type, batch_type(name))
    for name, mode in BATCH_FOLDERS.items():
        if name not in sight.names:
            yield error(
                Kind.FOLDER_MISSING, folder / name, "is missing", repair=MakeFolder(folder / name, mode)
            )
        else:
            yield from judge_mode(spool, folder / name, mode)
    yield from judge_mode(spool, folder, SHARED_MODE)


def judge_entry(path: Path, found: Type, expected: Type | None) -> Iterator[Finding]:
    """A name that nothing is called so, or that stands for something else."""
    if expected is None:
        what = (
            "is a link that nobody follows" if found is Type.LINK else f"is a {found.value} of no known name"
        )
        yield error(Kind.UNKNOWN, path, what, by_hand_remove(path))
    elif found is not expected:
        yield error(
            Kind.WRONG_TYPE,
            path,
            f"is a {found.value}, and should be a {expected.value}",
            f"move it away: {shell('mv', path, '/somewhere/else')}",
        )


def by_hand_remove(path: Path) -> str:
    return f"if nobody needs it: {shell('rm', '-r', path)}"


def judge_mode(spool: Spool, path: Path, mode: int) -> Iterator[Finding]:
    """A wrong mode or owner of a file or folder; links and what isn't there are left to others."""
    facts, owner = look_at(path), look_at(spool.root)
    if facts is None or owner is None or not facts.plain:
        return
    if facts.uid != owner.uid:
        ours, theirs = identity_of(owner.uid).name, identity_of(facts.uid).name
        chown = f"as root: {shell('chown', '-h', ours, path)}"
        yield error(Kind.OWNER, path, f"belongs to {theirs}, and should to {ours}", chown)
    elif facts.mode != mode:
        what = f"has mode {facts.mode:04o}, and should have {mode:04o}"
        yield error(Kind.MODE, path, what, repair=SetMode(path, mode))


def _judge_records(spool: Spool, sight: Sight) -> Iterator[Finding]:
    archive = spool.layout.archived_batch(sight.namespace, sight.batch)
    for name in BATCH_FILES:
        path = sight.folder.path / name
        copy = f"restore it: {shell('cp', archive / name, path)}"
        if name not in sight.names:
            lost = "nothing else tells the jobs: restore it from a backup"
            yield error(Kind.RECORD_MISSING, path, "is missing", lost if name == JOBS_NAME else copy)
        yield from judge_mode(spool, path, FILE_MODE)
    for record, path in ((sight.header, sight.folder.header), (sight.jobs, sight.folder.jobs)):
        if record.problem:
            yield error(Kind.UNREADABLE, path, f"can't be read: {record.problem}", "restore it from a backup")
    header, jobs = sight.header.value, sight.jobs.value
    if header and (header.namespace, header.batch) != (sight.namespace, sight.batch):
        yield error(Kind.RECORD_OTHER, sight.folder.header, f"is of the batch {header.key}", "move it back")
    if header and jobs and header.jobs_total != len(jobs.jobs):
        yield error(
            Kind.RECORD_OTHER,
            sight.folder.header,
            f"says {header.jobs_total} jobs, and {JOBS_NAME} has {len(jobs.jobs)}",
            "restore both from a backup",
        )


def _judge_names(sight: Sight) -> Iterator[Finding]:
    for state, entries in sight.states.items():
        for name, type in sorted((entries or {}).items()):
            path = sight.folder.state(state) / name
            ticket = parse_ticket(name)
            yield from judge_entry(path, type, Type.FILE if ticket else None)
            if ticket and sight.jobs.value and ticket.job not in sight.specs:
                yield error(
                    Kind.UNKNOWN_JOB,
                    path,
                    "is a ticket of a job that the batch doesn't have",
                    by_hand_remove(path),
                )
            if ticket and holder_is_wrong(state, ticket):
                yield _wrong_holder(sight, state, ticket)


def _wrong_holder(sight: Sight, state: State, ticket: Ticket) -> Finding:
    path = sight.folder.ticket(state, ticket)
    again = sight.folder.ticket(State.PENDING, ticket.next_attempt())
    what = "names a node, where nobody has it yet" if ticket.node else "names no node"
    return error(Kind.HOLDER, path, what, f"to run the job again: {shell('mv', path, again)}")


def _judge_builds(sight: Sight) -> Iterator[Finding]:
    folder = sight.folder.builds
    for name, type in sorted((list_folder(folder) or {}).items()):
        path, node = folder / name, builder_of(name)
        yield from judge_entry(path, type, Type.FILE if node else None)
        if node and type is Type.FILE:
            record = read_record(BuildRecord, path)
            wrong = record.value and (record.value.node != node or record.value.ok != name.endswith(".ok"))
            if record.problem or wrong:
                problem = record.problem or "it is of another node, or of another outcome"
                yield error(
                    Kind.UNREADABLE, path, problem, f"the node builds anew after: {shell('rm', path)}"
                )


def _judge_losses(sight: Sight) -> Iterator[Finding]:
    folder = sight.folder.losses
    for name, type in sorted((list_folder(folder) or {}).items()):
        loss = parse_loss(name)
        known = loss is not None and loss.ticket.job in sight.specs
        yield from judge_entry(folder / name, type, Type.FILE if known else None)


def _judge_doubled(sight: Sight) -> Iterator[Finding]:
    for job, placed in sorted(sight.doubled.items()):
        newest = max(placed, key=lambda one: (one[1].attempt, list(State).index(one[0])))
        for state, ticket in placed:
            if (state, ticket) == newest:
                continue
            path, kept = sight.folder.ticket(state, ticket), sight.folder.ticket(*newest)
            yield error(
                Kind.TWO_TICKETS,
                path,
                f"is a second ticket of {job}, beside {kept}",
                f"if that one is right: {shell('rm', path)}",
            )


def _lost(spool: Spool, sight: Sight, job: str) -> Finding:
    placed = new_ticket(sight, job)
    if placed is None:
        what = f"has no ticket of the job {job}, and its result can't be read"
        step = f"mend {spool.layout.archived_job(sight.namespace, sight.batch, job)} first"
        return error(Kind.LOST_TICKET, sight.folder.path, what, step, job=job)
    state, ticket = placed
    repair = PutTicket(sight.namespace, sight.batch, sight.folder, state, ticket)
    what = f"has no ticket of the job {job}; it becomes {state.value}/{ticket}"
    return error(Kind.LOST_TICKET, sight.folder.path, what, repair=repair, job=job)


def new_ticket(sight: Sight, job: str) -> Placed | None:
    """Where a ticket that was lost belongs; None if what would tell can't be read.

    An archived result tells. Without one the job runs again, under an attempt that nobody can have; but not
    in a batch that has ended, where `distribute retry` is for people to ask for.
    """
    result = sight.results.get(job, Read())
    record = result.value
    if (
        sight.archive is None
        or (record is None and job in sight.results)
        or not _is_sound(sight, record, job)
    ):
        return None
    staged = [ticket.attempt for ticket in map(parse_ticket, sight.staged) if ticket and ticket.job == job]
    newest = max([record.attempt if record else 0, sight.kept.get(job, 0), *staged])
    if record and record.attempt == newest:
        return State(record.outcome.value), Ticket(job, newest, record.node)
    attempt = (newest // ATTEMPTS_APART + 1) * ATTEMPTS_APART + 1
    if sight.finished:
        return State.CANCELLED, Ticket(job, attempt)
    waits = sight.specs[job].depends or (sight.header.value and sight.header.value.after)
    return State.HELD if waits else State.PENDING, Ticket(job, attempt)


def _is_sound(sight: Sight, record: JobRecord | None, job: str) -> bool:
    """Whether a record can be what a ticket's name is made of."""
    if record is None:
        return True
    ours = (record.namespace, record.batch, record.job) == (sight.namespace, sight.batch, job)
    return ours and parse_ticket(str(Ticket(job, record.attempt, record.node))) is not None


def _judge_work(spool: Spool, sight: Sight) -> Iterator[Finding]:
    if any(not state.terminal for state, _ in sight.tickets()):
        target = spool.layout.batch(sight.namespace, sight.batch).path
        what = "has jobs that haven't ended, and lies among the finished batches"
        repair = MoveBatch(sight.folder.path, target)
        yield error(Kind.FINISHED_WITH_WORK, sight.folder.path, what, repair=repair)


def ends_so(state: State, outcome: Outcome) -> bool:
    """Whether a ticket in ``state`` fits a result of that outcome."""
    return state.value == outcome.value
