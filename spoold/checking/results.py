"""The archive's folder of a batch against its tickets: what isn't legal in a sight. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from spoold.checking.batches import by_hand_remove, ends_so, judge_entry, judge_mode
from spoold.checking.findings import Finding, FinishTicket, Kind, SweepStaging, error, note, shell
from spoold.checking.legal import archive_type, parse_attempt, parse_ticket
from spoold.checking.looking import Read
from spoold.checking.sights import Sight
from spoold.layout import FOLDER_MODE, HEADER_NAME, JOB_FILE_NAME, RECORD_NAME
from spoold.records import JobRecord
from spoold.spool import Spool
from spoold.tickets import State, Ticket


def judge_results(spool: Spool, sight: Sight) -> Iterator[Finding]:
    """All that is wrong with what the archive and the staging folder hold of the batch."""
    place = spool.layout.archived_batch(sight.namespace, sight.batch)
    if sight.archive is None:
        remove = shell("rm", "-r", sight.folder.path)
        yield error(
            Kind.ARCHIVE_MISSING,
            place,
            "is missing, with every result of the batch",
            f"restore it from a backup, or if the batch shall go: {remove}",
        )
        return
    yield from judge_mode(spool, place, FOLDER_MODE)
    yield from _judge_names(sight, place)
    yield from _judge_header(sight, place)
    yield from _judge_records(sight, place)
    for state, ticket in sight.tickets():
        if ticket.job in sight.specs and ticket.job not in sight.doubled:
            yield from _judge_ticket(spool, sight, place, state, ticket)
    yield from _judge_staged(spool, sight)


def _judge_names(sight: Sight, place: Path) -> Iterator[Finding]:
    if sight.jobs.value is None:
        return
    jobs = frozenset(sight.specs)
    for name, type in sorted((sight.archive or {}).items()):
        yield from judge_entry(place / name, type, archive_type(name, sight.batch, jobs))


def _judge_header(sight: Sight, place: Path) -> Iterator[Finding]:
    ours, copy = sight.header.value, sight.archived_header
    for name in (HEADER_NAME, JOB_FILE_NAME):
        if name not in (sight.archive or {}):
            restore = shell("cp", sight.folder.path / name, place / name)
            yield error(Kind.RECORD_MISSING, place / name, "is missing", f"restore it: {restore}")
    if copy.problem:
        restore = shell("cp", sight.folder.header, place / HEADER_NAME)
        yield error(
            Kind.UNREADABLE, place / HEADER_NAME, f"can't be read: {copy.problem}", f"restore it: {restore}"
        )
    if ours and copy.value and ours.id != copy.value.id:
        what = f"is of another submission than {sight.folder.header}"
        yield error(Kind.RECORD_OTHER, place / HEADER_NAME, what, "restore the right one from a backup")


def _judge_records(sight: Sight, place: Path) -> Iterator[Finding]:
    """Each result folder has a record, and that is of this batch and job, and of its attempt."""
    for name, record in sorted(sight.results.items()):
        path = place / name / RECORD_NAME
        attempt = parse_attempt(name)
        if record.missing:
            yield error(
                Kind.RECORD_MISSING,
                path,
                "is missing: nothing else tells what this is",
                by_hand_remove(path.parent),
            )
        elif record.value is None:
            yield error(Kind.UNREADABLE, path, f"can't be read: {record.problem}", "restore it from a backup")
        elif not _is_of(sight, record.value, attempt.job if attempt else name) or (
            attempt and attempt.attempt != record.value.attempt
        ):
            yield error(
                Kind.RESULT_OTHER,
                path,
                f"is of {_name(record.value)}",
                f"move it away: {shell('mv', path.parent, '/somewhere/else')}",
            )


def _is_of(sight: Sight, record: JobRecord, job: str) -> bool:
    return (record.namespace, record.batch, record.job) == (sight.namespace, sight.batch, job)


def _name(record: JobRecord) -> str:
    return f"{record.namespace}/{record.batch}/{record.job}, attempt {record.attempt}"


def _judge_ticket(spool: Spool, sight: Sight, place: Path, state: State, ticket: Ticket) -> Iterator[Finding]:
    path = sight.folder.ticket(state, ticket)
    record = sight.results.get(ticket.job, Read())
    attempt = record.value.attempt if record.value else 0
    newest = max(attempt, sight.kept.get(ticket.job, 0))
    if newest > ticket.attempt or (newest == attempt == ticket.attempt and not _has_result(state, ticket)):
        what = f"is older than what the archive has: attempt {newest}"
        yield error(
            Kind.RESULT_AHEAD,
            path,
            what,
            f"look at {place / ticket.job}, and move the ticket to where it belongs",
        )
    elif state is State.PUBLISHING:
        yield _judge_published(sight, path, ticket, record)
    elif state.terminal and ticket.node and not record.problem:
        yield from _judge_ended(sight, path, place, state, ticket, record)


def _has_result(state: State, ticket: Ticket) -> bool:
    """Whether the archive may have the result of that very ticket."""
    return state is State.PUBLISHING or (state.terminal and ticket.node is not None)


def _judge_published(sight: Sight, path: Path, ticket: Ticket, record: Read[JobRecord]) -> Finding:
    staged = sight.staged.get(str(ticket), Read())
    here = record.value is not None and record.value.attempt == ticket.attempt
    if here or staged.value is not None:
        return note(
            Kind.PUBLISHING,
            path,
            "is published and not yet where it ends; the steward goes on with it",
            repair=_finish(sight, ticket),
        )
    again = shell("mv", path, sight.folder.ticket(State.PENDING, ticket.next_attempt()))
    why = staged.problem or "it is neither staged nor archived"
    return error(Kind.RESULT_MISSING, path, f"has no result: {why}", f"to run the job again: {again}")


def _judge_ended(
    sight: Sight, path: Path, place: Path, state: State, ticket: Ticket, record: Read[JobRecord]
) -> Iterator[Finding]:
    found, staged = record.value, sight.staged.get(str(ticket), Read()).value
    if found and (found.attempt, found.node) == (ticket.attempt, ticket.node):
        if not ends_so(state, found.outcome):
            right = sight.folder.ticket(State(found.outcome.value), ticket)
            what = f"has a result that says {found.outcome.value}"
            yield error(Kind.RESULT_OTHER, path, what, f"if that is right: {shell('mv', path, right)}")
    elif staged and ends_so(state, staged.outcome):
        # A power failure may take back the rename that let it appear, and not the one after it.
        what = "has a result that is staged and not archived"
        yield error(Kind.RESULT_MISSING, path, what, repair=_finish(sight, ticket))
    else:
        what = f"and {place / ticket.job} is {f'of {_name(found)}' if found else 'missing'}"
        kind = Kind.RESULT_OTHER if found else Kind.RESULT_MISSING
        yield error(kind, path, f"says {state.value}, {what}", _restore(sight, state, path, ticket))


def _restore(sight: Sight, state: State, path: Path, ticket: Ticket) -> str:
    retry = shell("distribute", "retry", f"{sight.namespace}/{sight.batch}", "--job", ticket.job)
    if state is State.DONE:
        failed = sight.folder.ticket(State.FAILED, ticket)
        retry = f"{shell('mv', path, failed)} && {retry}"
    return f"restore the result from a backup, or run the job again: {retry}"


def _finish(sight: Sight, ticket: Ticket) -> FinishTicket:
    return FinishTicket(sight.namespace, sight.batch, sight.folder, ticket)


def _judge_staged(spool: Spool, sight: Sight) -> Iterator[Finding]:
    """What the steward's next sweep of staging folders removes."""
    states = (State.CLAIMED, State.PUBLISHING)
    alive = {str(ticket) for state, ticket in sight.tickets() if state in states}
    needed = {str(ticket) for state, ticket in sight.tickets() if state.terminal}
    folder = spool.layout.staging_root / sight.namespace / sight.batch
    for name in sorted(sight.staged.keys() - alive - needed):
        if parse_ticket(name):
            what = "is a staged result that doesn't count; the steward sweeps it"
            yield note(Kind.STAGING_LEFT, folder / name, what, repair=SweepStaging())
