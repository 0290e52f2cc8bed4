"""cluster.run: programs without a shell, and files compressed or not."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.errors import CommandError, CommandTimeout
from cluster.run import (
    check_pid,
    cmd,
    count_lines,
    is_exe,
    open_zipped,
    split_file,
    which,
    write_iterable,
)
from tests.support import wait_until


def test_a_program_s_end_and_output() -> None:
    script = "import sys; print(sys.stdin.read()); print('e', file=sys.stderr); sys.exit(3)"
    code, stdout, stderr = cmd([sys.executable, "-c", script], stdin="in")
    assert (code, stdout, stderr) == (3, "in\n", "e\n")


def test_a_text_is_split_as_a_shell_would() -> None:
    assert cmd("echo 'a  b' \"|\" c").stdout == "a  b | c\n"
    assert cmd("echo", "one word").stdout == "one word\n"
    assert cmd("echo", ["$HOME; `id`", Path("x")]).stdout == "$HOME; `id` x\n"


@pytest.mark.parametrize("text", ["ls | wc", "ls|wc", "ls > out", "true && false", "sleep 1 &", "a; b"])
def test_what_needs_a_shell_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="needs a shell for") as caught:
        cmd(text)
    assert "cmd(['bash', '-c'," in str(caught.value)


@pytest.mark.parametrize("command", ["no-such-program-here x", "", ["/etc"], ["a\0b"]])
def test_what_can_t_be_started_is_named(command: str | list[str]) -> None:
    with pytest.raises(CommandError, match="can't be started"):
        cmd(command)


def test_tries_until_it_works(tmp_path: Path) -> None:
    script = f"echo x >> {tmp_path}/n; test $(wc -l < {tmp_path}/n) = 3"
    assert cmd(["bash", "-c", script], tries=5).code == 0
    assert count_lines(tmp_path / "n") == 3
    assert cmd(["bash", "-c", f"echo x >> {tmp_path}/m; false"], tries=2).code == 1
    assert count_lines(tmp_path / "m") == 2


def test_a_program_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    script = f"sleep 1000 & echo $! > {tmp_path}/pid; wait"
    began = time.monotonic()
    with pytest.raises(CommandTimeout, match=r"gave no answer within 0.5 s"):
        cmd(["bash", "-c", script], timeout_s=0.5)
    assert time.monotonic() - began < 5
    child = int((tmp_path / "pid").read_text())
    wait_until(lambda: not _lives(child))


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_child_that_left_the_session_holds_nobody_up(tmp_path: Path) -> None:
    script = f"setsid sleep 30 & echo $! > {tmp_path}/pid; wait"
    began = time.monotonic()
    try:
        with pytest.raises(CommandTimeout):
            cmd(["bash", "-c", script], timeout_s=0.5)
        assert time.monotonic() - began < 10
    finally:
        os.kill(int((tmp_path / "pid").read_text()), 9)


def test_programs_are_found(tmp_path: Path) -> None:
    assert which("bash") == "/usr/bin/bash" or which("bash") == "/bin/bash"
    assert which("no-such-program-here") is None
    plain = tmp_path / "plain"
    plain.touch(0o644)
    assert not is_exe(plain)
    assert not is_exe(tmp_path)
    assert is_exe(sys.executable)


def test_a_pid_is_checked() -> None:
    process = subprocess.Popen(["sleep", "30"])
    try:
        assert check_pid(process.pid)
    finally:
        process.kill()
        process.wait()
    assert not check_pid(process.pid)
    assert check_pid(1)
    # To kill(2) these are whole groups.
    assert not check_pid(0)
    assert not check_pid(-1)
    assert not check_pid(2**70)


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "a.txt.bz2", "a.txt.xz"])
def test_files_are_opened_by_what_they_are(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with open_zipped(path, "w") as file:
        file.write("häß\n")
    assert (path.read_bytes() == "häß\n".encode()) == (name == "a.txt")
    renamed = path.rename(tmp_path / "anything")
    with open_zipped(renamed) as file:
        assert file.read() == "häß\n"


def test_what_is_open_stays_and_binary_modes_are_refused(tmp_path: Path) -> None:
    text = io.StringIO()
    assert open_zipped(text) is text
    with pytest.raises(ValueError, match="'rb'"):
        open_zipped(tmp_path / "a", "rb")


@given(lines=st.integers(0, 30), parts=st.integers(1, 12), header=st.booleans())
def test_a_split_file_is_the_whole_file(
    tmp_path_factory: pytest.TempPathFactory, lines: int, parts: int, header: bool
) -> None:
    path = tmp_path_factory.mktemp("split") / "data.txt.gz"
    body = [f"line {number}" for number in range(lines)]
    write_iterable(["head", *body] if header else body, path)
    paths = split_file(path, parts, keep_header=header)
    assert len(paths) == max(1, min(parts, lines))
    assert all(part.name == f"data.txt.split_{n:04}.gz" for n, part in enumerate(paths, 1))
    texts = [open_zipped(part).read().splitlines() for part in paths]
    if header:
        assert all(text.pop(0) == "head" for text in texts)
    assert [line for text in texts for line in text] == body
    assert max(map(len, texts)) - min(map(len, texts)) <= 1


def test_a_split_goes_where_it_is_told(tmp_path: Path) -> None:
    write_iterable("abc", tmp_path / "x")
    (tmp_path / "out").mkdir()
    assert split_file(tmp_path / "x", 3, tmp_path / "out")[2].read_text() == "c\n"
    with pytest.raises(ValueError, match="0 parts"):
        split_file(tmp_path / "x", 0)


def test_an_iterable_is_written_line_by_line() -> None:
    text = io.StringIO()
    write_iterable((number for number in range(3)), text)
    assert text.getvalue() == "0\n1\n2\n"
