"""cluster.logme: levels, where messages go, and what they look like."""

from __future__ import annotations

import io
import logging
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from cluster import logme

_SAY = "from cluster import logme; logme.MIN_LEVEL = {least!r}; logme.log({text!r}, {level!r})"


def said(text: str, level: str = "info", least: str = "info") -> str:
    program = _SAY.format(text=text, level=level, least=least)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr


def test_a_message_has_a_time_stamp_and_its_level() -> None:
    stamp, _, rest = said("hello").partition(" INFO --> ")
    assert rest == "hello\n"
    assert len(stamp) == len("2026-11-28 07:45:01.123")


def test_min_level_decides_and_changes_at_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["verbose", "debug", "info", "warn", "error", "critical"]
    for least, name in enumerate(names):
        monkeypatch.setattr(logme, "MIN_LEVEL", name)
        text = io.StringIO()
        for level in names:
            logme.log(level, level, text)
        assert [line.split()[-1] for line in text.getvalue().splitlines()] == names[least:]


def test_other_words_for_levels() -> None:
    assert logme.read_level("Warning") is logme.Level.WARN
    assert logme.read_level("normal") is logme.Level.INFO
    assert logme.read_level(logging.ERROR) is logme.Level.ERROR
    with pytest.raises(ValueError, match="'loud' is not a level; there are verbose, debug, info"):
        logme.log("x", "loud")


def test_a_log_file_takes_it_instead(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(2):
        logme.log(number, "warn", tmp_path / "log")
    assert [line[-10:] for line in (tmp_path / "log").read_text().splitlines()] == [
        "WARN --> 0",
        "WARN --> 1",
    ]
    assert caplog.records == []
    logme.log("to another", "error", logging.getLogger("another"))
    assert caplog.messages == ["to another"]


def test_a_program_that_sets_up_logging_gets_them(caplog: pytest.LogCaptureFixture) -> None:
    logme.log("here", "critical")
    assert caplog.record_tuples == [("cluster", logging.CRITICAL, "here")]
    assert caplog.records[0].levelname == "CRITICAL"


def test_what_others_wrote_doesn_t_steer_the_terminal() -> None:
    assert said("a\x1b[2Jb\nc").endswith("a\\x1b[2Jb\nc\n")


def test_colours_on_a_terminal_only() -> None:
    assert "\x1b[" not in said("hello", "error")
    leader, follower = pty.openpty()
    program = _SAY.format(text="[bold]x", level="error", least="info")
    environment = {key: text for key, text in os.environ.items() if key not in ("NO_COLOR", "COLUMNS")}
    try:
        subprocess.run(
            [sys.executable, "-c", program], stderr=follower, env={**environment, "TERM": "xterm"}, check=True
        )
        shown = os.read(leader, 1000).decode()
    finally:
        os.close(leader)
        os.close(follower)
    assert "\x1b[31mERROR\x1b[0m --> [bold]x" in shown
