"""What a run shows while it goes on: the output of its jobs as they print it, remarks, and a bar."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import TracebackType
from typing import IO

import click

from distribute_cli.output import clean, make_progress
from distribute_cli.tailing import Stream

_COLOURS = ("cyan", "yellow", "green", "magenta", "blue")
_LABEL_MAX = 24
#: A line that is longer is shown in pieces.
_LINE_MAX_BYTES = 1 << 16


class Screen:
    """Use it with ``with``. If jobs are ``labelled``, each line of their output has the job's name in front.

    With ``stdout_is_taken`` everything goes to standard error. ``muted``: no more output and no bar.
    """

    def __init__(self, labelled: Sequence[str] = (), stdout_is_taken: bool = False) -> None:
        self.muted = False
        self._numbers = {job: number for number, job in enumerate(labelled)}
        self._width = min(max(map(len, labelled), default=0), _LABEL_MAX)
        self._stdout_is_taken = stdout_is_taken
        self._rests: dict[tuple[str, Stream], bytes] = {}
        self._mid_line = False
        self._bar = make_progress(unit_is_bytes=False)
        self._bar.live.transient = True
        self._task = self._bar.add_task("", total=None)

    def __enter__(self) -> Screen:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    @property
    def labels(self) -> bool:
        """Whether several jobs may be shown at a time."""
        return bool(self._numbers)

    def begin_job(self, job: str, number: int, total: int) -> None:
        """Say which job's output follows, unless each line does."""
        if total > 1 and not self.labels:
            self.tell(f"[{number}/{total}] {job}")

    def emit(self, job: str, stream: Stream, data: bytes) -> None:
        """What ``job`` has printed, be it a part of a line."""
        if not self.labels:
            self._write(stream, data)
            return
        *lines, rest = (self._rests.pop((job, stream), b"") + data).split(b"\n")
        if len(rest) > _LINE_MAX_BYTES:
            lines, rest = [*lines, rest], b""
        self._rests[job, stream] = rest
        self._write_lines(job, stream, lines)

    def end_job(self, job: str) -> None:
        """``job`` prints no more: show what it left without the end of a line."""
        for stream in Stream:
            if rest := self._rests.pop((job, stream), b""):
                self._write_lines(job, stream, [rest])

    def tell(self, text: str) -> None:
        """A line for people, on standard error."""
        if self._mid_line:
            text = f"\n{text}"
        self._bar.stop()
        self._mid_line = False
        click.echo(text, err=True)

    def draw(self, doing: str, ended: int, total: int) -> None:
        """The bar, if there is a terminal for it and a line to draw it on."""
        if self.muted or self._bar.disable:
            return
        self._bar.update(self._task, description=clean(doing), completed=ended, total=total)
        if not self._mid_line:
            self._bar.start()

    def _write_lines(self, job: str, stream: Stream, lines: list[bytes]) -> None:
        if lines:
            label = self._label(job, stream).encode()
            self._write(stream, b"".join(label + line + b"\n" for line in lines))

    def _write(self, stream: Stream, data: bytes) -> None:
        if self.muted:
            return
        self._bar.stop()
        click.echo(data, nl=False, err=self._target(stream) is sys.stderr)
        if self._target(stream).isatty():
            self._mid_line = not data.endswith(b"\n")

    def _target(self, stream: Stream) -> IO[str]:
        return sys.stderr if self._stdout_is_taken or stream is Stream.STDERR else sys.stdout

    def _label(self, job: str, stream: Stream) -> str:
        label = f"{job:<{self._width}} | "
        colour = _COLOURS[self._numbers.get(job, 0) % len(_COLOURS)]
        return click.style(label, fg=colour) if self._target(stream).isatty() else label
