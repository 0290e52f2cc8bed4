"""Where another machine's archive is, and how rsync is asked for it. Pure."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from distribute_cli.exit_codes import ExitCode
from distribute_compute_config.errors import DistributeError

FORMS = "write user@host:DIR, host:DIR, or /DIR on this machine"
# No part can begin with '-': ssh would take it for an option. HOST:: and rsync:// are rsync's own daemon.
_remote = re.compile(
    r"(?:(?P<user>\w[^@:/\s]*)@)?(?P<host>\w[\w.-]*|\[[0-9A-Fa-f:.]+\]):(?P<dir>(?!:|//).+)", re.ASCII
)
_RECORDS = ("/*/", "/*/.job.json", "/job.yaml", "/*_build_output-*.txt")
_COMMON = ("rsync", "--times", "--secluded-args", "--timeout=120")


class BadRemote(DistributeError):
    """What was given to --from names no folder."""

    exit_code = ExitCode.USAGE


@dataclass(frozen=True, slots=True)
class Remote:
    """A folder on another machine, or with an empty ``login`` on this one.

    It is an export, a spool or the archive of one.
    """

    login: str
    folder: str

    @property
    def name(self) -> str:
        return f"{self.login}:{self.folder}" if self.login else self.folder

    def candidates(self, namespace: str, batch: str) -> tuple[str, ...]:
        """Where the batch may be, as rsync names places."""
        start = f"{self.login}:" if self.login else ""
        base = self.folder.rstrip("/")
        return tuple(f"{start}{base}{inner}/{namespace}/{batch}/" for inner in ("/archive", ""))


def parse_remote(text: str) -> Remote:
    """Raises BadRemote."""
    if any(unicodedata.category(character) == "Cc" for character in text):
        raise BadRemote(f"--from {text!r} names no folder", "it holds a control character", FORMS)
    if text.startswith("/"):
        return Remote("", text)
    found = _remote.fullmatch(text)
    if found is None:
        raise BadRemote(f"--from {text!r} names no folder", "", FORMS)
    login = f"{found['user']}@{found['host']}" if found["user"] else found["host"]
    # A relative path begins at the home folder; nobody expands a ~ there.
    return Remote(login, found["dir"].removeprefix("~/") or ".")


def records_argv(place: str, target: str) -> tuple[str, ...]:
    """Fetches what tells which files there are: each result's record, and the batch's own files."""
    filters = [*(f"--include={one}" for one in _RECORDS), "--exclude=*"]
    return (*_COMMON, *_shell(place), "--recursive", "--prune-empty-dirs", *filters, "--", place, target)


def files_argv(place: str, target: str) -> tuple[str, ...]:
    """Fetches the files named on standard input, a NUL after each; what is half there is completed."""
    listed = ("--from0", "--files-from=-", "--perms", "--partial", "--info=progress2", "--no-human-readable")
    return (*_COMMON, *_shell(place), *listed, "--", place, target)


def _shell(place: str) -> tuple[str, ...]:
    return () if place.startswith("/") else ("--rsh=ssh",)
