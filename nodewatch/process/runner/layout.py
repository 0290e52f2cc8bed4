"""What lies in a run folder, and how the one page that says everything about its run is divided.

=================  =====================================================================================
``exit.PID``       the page, as the runner of that pid makes it ready
``started.json``   the same page once more: a second name, which it gets whole and which only one can get
``exit.json``      ``exit.PID`` after the end of the run: the page now holds the record
``cgroup``         only if the run has a control group: the path of its folder
``runner.txt``     only if the runner itself failed: why
=================  =====================================================================================

The page has three lines, each padded with blanks: who started when, written before it gets its second name;
the exit record, and until that stands the session of a job in a container; the reason of a stop request.
Each has one writer, who never touches the others' lines, so a request that comes while the record is being
written does no harm. And as each run has its own page, a runner that serves the next run already doesn't find
there what was asked of the one before.

The page is written, not only allocated, before the job starts, so that a full disk can't lose the record. It
is not flushed to stable storage: that costs 0.2 ms on a fast disk and 5 to 30 ms on a spinning one, and it
would only matter when the machine dies, which ends the job too. A page that such a crash leaves blank or torn
doesn't parse, and so is no record.
"""

from __future__ import annotations

import errno
import json
import os

STARTED = "started.json"
EXIT = "exit.json"
GROUP = "cgroup"
TROUBLE = "runner.txt"

STARTED_BYTES = 256
RECORD_BYTES = 2816
REQUEST_BYTES = 1024
REQUEST_OFFSET = STARTED_BYTES + RECORD_BYTES
TEXT_BYTES = 600  # two texts of a record, each escaped to twice its size, still fit beside its numbers

RUN_VARIABLE = "DISTRIBUTE_RUN"
SESSION = "session"

_NO_RECORD = _NO_REQUEST = ""


def shorten(text: str) -> str:
    """One printable line of at most ``TEXT_BYTES`` bytes."""
    line = "".join(char if char.isprintable() else " " for char in text)
    return line.encode("utf-8", "replace")[:TEXT_BYTES].decode("utf-8", "ignore")


def write_request(page_fd: int, reason: str) -> None:
    os.pwrite(page_fd, _line(shorten(reason), REQUEST_BYTES), REQUEST_OFFSET)


class Page:
    """The page of one run, held open by its runner until the record stands."""

    def __init__(self, run_dir: str, started: str) -> None:
        """Take the folder for a run. Raises FileExistsError if it has had one, for it never has two, and
        OSError, ENOSPC above all."""
        self._draft = f"exit.{os.getpid()}"
        self._folder_fd = os.open(run_dir, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._fd = self._create(started)
        except OSError:
            os.close(self._folder_fd)
            raise

    def _create(self, started: str) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
        page_fd = os.open(self._draft, flags, 0o644, dir_fd=self._folder_fd)
        try:
            page = _line(started, STARTED_BYTES) + _line(_NO_RECORD, RECORD_BYTES)
            page += _line(_NO_REQUEST, REQUEST_BYTES)
            if os.write(page_fd, page) != len(page):
                raise OSError(errno.ENOSPC, "no room for the exit record")
            os.link(self._draft, STARTED, src_dir_fd=self._folder_fd, dst_dir_fd=self._folder_fd)
        except OSError:
            os.close(page_fd)
            os.unlink(self._draft, dir_fd=self._folder_fd)
            raise
        return page_fd

    def note_group(self, path: str) -> None:
        """Raises OSError."""
        group_fd = os.open(GROUP, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644, dir_fd=self._folder_fd)
        try:
            os.write(group_fd, os.fsencode(path) + b"\n")
        finally:
            os.close(group_fd)

    def forget_group(self) -> None:
        try:
            os.unlink(GROUP, dir_fd=self._folder_fd)
        except FileNotFoundError:
            return

    def note_session(self, pid: int, start: int) -> None:
        """Whose session the job is, where its record will stand."""
        line = json.dumps({SESSION: [pid, start]})
        os.pwrite(self._fd, _line(line, RECORD_BYTES), STARTED_BYTES)

    def withdraw(self) -> None:
        """Nothing was started: leave the folder as it was."""
        os.unlink(STARTED, dir_fd=self._folder_fd)
        os.unlink(self._draft, dir_fd=self._folder_fd)

    def read_request(self) -> str:
        """The reason of a stop request, empty while there is none."""
        return os.pread(self._fd, REQUEST_BYTES, REQUEST_OFFSET).decode("utf-8", "replace").strip()

    def write_record(self, record: dict[str, object]) -> None:
        """Fill in the record, and give the page its final name. Raises OSError; it may be tried again."""
        os.pwrite(self._fd, _line(json.dumps(record, ensure_ascii=False), RECORD_BYTES), STARTED_BYTES)
        os.rename(self._draft, EXIT, src_dir_fd=self._folder_fd, dst_dir_fd=self._folder_fd)

    def close(self) -> None:
        os.close(self._fd)
        os.close(self._folder_fd)


def _line(text: str, size_bytes: int) -> bytes:
    return text.encode("utf-8", "replace").ljust(size_bytes - 1) + b"\n"
