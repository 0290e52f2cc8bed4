"""The marks that steer a workstation: `pause` and `drain` in its folder; whose they are, and which node's."""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

from distribute_cli.errors import NotFound, did_you_mean
from distribute_cli.reading.nodes import read_node_reports, see_node
from distribute_cli.reports.nodes import NodeReport, report_node
from distribute_cli.words import join
from distribute_compute_config.errors import DistributeError
from spoold.access import identity_of
from spoold.layout import FILE_MODE
from spoold.snapshot import list_nodes
from spoold.spool import Spool


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark that we made, told from a later one of its name."""

    path: Path
    inode: int
    mtime_ns: int

    def is_there(self) -> bool:
        """Whether it is still this very mark."""
        try:
            info = self.path.lstat()
        except FileNotFoundError:
            return False
        return (info.st_ino, info.st_mtime_ns) == (self.inode, self.mtime_ns)


class AnothersMark(DistributeError):
    """A mark was made by somebody else: only that person and the service user may remove it."""


class NoMark(DistributeError):
    """A folder stands where a mark should."""


def require_node(spool: Spool, name: str) -> str:
    """``name``, if there is such a node. Raises NotFound, naming those with a name like it."""
    known = list_nodes(spool)
    if name not in known:
        hint = did_you_mean(name, known) or "see all of them with: distribute nodes"
        raise NotFound(f"there is no node {name}", f"in {spool.root}", hint)
    return name


def choose_node(spool: Spool, typed: str | None, command: str) -> str:
    """The node that was typed, else the one of this machine. Raises NotFound, or DistributeError if it
    isn't clear which one is meant; ``command`` is what to type again."""
    if typed is not None:
        return require_node(spool, typed)
    host = socket.gethostname()
    here = [report.name for report in read_node_reports(spool) if report.host == host]
    if len(here) == 1:
        return here[0]
    if here:
        raise DistributeError(
            f"{len(here)} nodes are on this machine", join(here), f"say which: {command} --node {here[0]}"
        )
    known = list_nodes(spool)
    raise NotFound(
        f"no node is on this machine ({host})",
        f"nodes of {spool.root}: {join(known)}" if known else f"no node has ever joined {spool.root}",
        f"say which: {command} --node {known[0]}" if known else "start nodewatch on a workstation",
    )


def look_at_node(spool: Spool, name: str, now: float) -> NodeReport:
    """The report of one node at Unix time ``now``."""
    return report_node(see_node(spool, name), spool.settings.lease_s, now)


def put_mark(spool: Spool, mark: Path, text: str) -> Mark:
    """Make ``mark``, or replace one of ours in one rename, so that it is never seen missing.

    Raises AnothersMark, NoMark or SpoolFull.
    """
    hidden = mark.with_name(f".{mark.name}.{secrets.token_hex(4)}")
    try:
        spool.ops.write_new(hidden, text.encode())
        # Others must be able to read it, whatever this person's umask is.
        spool.ops.set_mode(hidden, FILE_MODE)
        info = hidden.lstat()
        spool.ops.move(hidden, mark)
    except BaseException as error:
        # Also on a full disk, and at Ctrl-C: nobody else would ever remove it.
        spool.ops.unlink(hidden)
        if isinstance(error, PermissionError):
            raise _anothers(mark, "replace") from error
        if isinstance(error, FileExistsError | IsADirectoryError):
            raise _no_mark(mark) from error
        raise
    return Mark(mark, info.st_ino, info.st_mtime_ns)


def remove_mark(spool: Spool, mark: Path) -> bool:
    """False if there is none; an empty folder of that name counts as one. Raises AnothersMark or NoMark."""
    try:
        return _remove(spool, mark)
    except PermissionError as error:
        raise _anothers(mark, "remove") from error


def _remove(spool: Spool, mark: Path) -> bool:
    try:
        return spool.ops.unlink(mark)
    except IsADirectoryError as error:
        if not spool.ops.remove_empty(mark):
            raise _no_mark(mark) from error
        return True


def is_marked(spool: Spool, mark: Path) -> bool:
    return mark.name in spool.ops.names(mark.parent)


def _no_mark(mark: Path) -> NoMark:
    return NoMark(f"{mark} is a folder", "a file is wanted there", f"remove it first: rm -r {mark}")


def _anothers(mark: Path, deed: str) -> AnothersMark:
    owner = identity_of(mark.lstat().st_uid).name
    service = identity_of(mark.parent.stat().st_uid).name
    return AnothersMark(
        f"{mark} was made by {owner}",
        f"you are {identity_of(os.geteuid()).name}, and only {owner} and {service} may {deed} it",
        f"ask {owner}",
    )
