"""Which names stand where: the tables of ``spool-layout.md`` as functions. Pure."""

from __future__ import annotations

import re

from distribute_compute_config.names import NAME_PATTERN, is_name
from spoold.checking.looking import Type
from spoold.layout import (
    FOLDER_MODE,
    HEADER_NAME,
    JOB_FILE_NAME,
    JOBS_NAME,
    KILL_NAME,
    OUTBOX_NAME,
    ROOT_FOLDERS,
    SETTINGS_NAME,
)
from spoold.tickets import State, Ticket

#: The folders of a batch, with their modes; the batch's own is ``SHARED_MODE``.
BATCH_FOLDERS = dict.fromkeys([*(state.value for state in State), "builds", "losses"], FOLDER_MODE)
BATCH_FILES = (HEADER_NAME, JOBS_NAME, JOB_FILE_NAME)
ARCHIVE_FILES = (HEADER_NAME, JOB_FILE_NAME)
ADMITTED, STAGING, SAVES = ".admitted", ".staging", ".resume"
REASON = ".reason.txt"

#: In these states a ticket names the node that has or had the job; in those of FREE it may do without.
HOLDING = frozenset({State.CLAIMED, State.PUBLISHING, State.DONE})
FREE = frozenset({State.FAILED, State.CANCELLED})

_NODE_FILES = frozenset({"node.json", "running.json", "holder.json", "pause", "drain", "clear", "spool-full"})
# While an expired lease is taken, a file named after it stands beside it.
_LEASE = re.compile(r"(steward\.)?lease(\.(break|restore)\.[0-9]+\.[0-9a-f]+)?")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LOG = re.compile(rf"({NAME_PATTERN}~[1-9][0-9]{{0,8}})\.(stdout|stderr)", re.ASCII)
_BUILD = re.compile(rf"({NAME_PATTERN})\.(ok|failed)", re.ASCII)


def is_lease(name: str, base: str) -> bool:
    """Whether ``name`` is the lease ``base``, or one that is just being taken."""
    return name.startswith(base) and _LEASE.fullmatch(name) is not None


def root_type(name: str) -> Type | None:
    """What ``name`` in a spool's root must be; None if it isn't known."""
    if name in ROOT_FOLDERS or name == OUTBOX_NAME:
        return Type.FOLDER
    return Type.FILE if name == SETTINGS_NAME or is_lease(name, "steward.lease") else None


def batch_type(name: str) -> Type | None:
    """What ``name`` in a batch's folder must be; None if it isn't known."""
    if name in BATCH_FOLDERS:
        return Type.FOLDER
    mark, separator, job = name.partition("~")
    kill = mark == KILL_NAME and (not separator or is_name(job))
    return Type.FILE if name in BATCH_FILES or kill else None


def node_type(name: str) -> Type | None:
    """What ``name`` in a node's folder must be; None if it isn't known."""
    if name == "logs":
        return Type.FOLDER
    return Type.FILE if name in _NODE_FILES or is_lease(name, "lease") else None


def archive_type(name: str, batch: str, jobs: frozenset[str]) -> Type | None:
    """What ``name`` in the archive's folder of a batch must be; None if it isn't known."""
    if name in ARCHIVE_FILES or is_build_output(name, batch):
        return Type.FILE
    attempt = parse_attempt(name)
    known = name == ADMITTED or name in jobs or (attempt is not None and attempt.job in jobs)
    return Type.FOLDER if known else None


def is_build_output(name: str, batch: str) -> bool:
    start, end = f"{batch}_build_output-", ".txt"
    return name.startswith(start) and name.endswith(end) and is_name(name[len(start) : -len(end)])


def parse_attempt(name: str) -> Ticket | None:
    """The attempt that ``JOB~ATTEMPT`` names."""
    ticket = parse_ticket(name)
    return ticket if ticket and ticket.node is None else None


def parse_ticket(name: str) -> Ticket | None:
    try:
        return Ticket.parse(name)
    except ValueError:
        return None


def parse_log(name: str) -> Ticket | None:
    """The attempt whose live output ``name`` is."""
    match = _LOG.fullmatch(name)
    return parse_attempt(match[1]) if match else None


def builder_of(name: str) -> str | None:
    """The node that ``NODE.ok`` or ``NODE.failed`` names."""
    match = _BUILD.fullmatch(name)
    return match[1] if match else None


def is_object(name: str, folder: str) -> bool:
    """Whether ``name`` in ``store/FOLDER`` can be an input."""
    return _SHA256.fullmatch(name) is not None and name.startswith(folder)


def holder_is_wrong(state: State, ticket: Ticket) -> bool:
    """Whether the holder's part of a ticket's name can't stand in that folder."""
    if state in FREE:
        return False
    return (ticket.node is not None) is not (state in HOLDING)
