"""distribute logs: each step of a job's life is one event, and every byte comes once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from distribute_cli.tailing import Stream, Tail
from spoold.layout import BatchFolder
from spoold.records import Outcome
from spoold.snapshot import find_batch
from spoold.tickets import State
from tests.cli.conftest import Launch, Run, SpoolBuilder
from tests.support import wait_until

KEY = "anna/cavity"


class Follower:
    """A tail whose emissions are kept."""

    def __init__(self, builder: SpoolBuilder, *streams: Stream) -> None:
        self.seen: dict[Stream, bytes] = dict.fromkeys(Stream, b"")
        self.told: list[str] = []
        batch = find_batch(builder.spool, "anna", "cavity")
        assert batch is not None
        self.tail = Tail(builder.spool, batch, "a", streams or [Stream.STDOUT], self._emit, self.told.append)

    def _emit(self, stream: Stream, data: bytes) -> None:
        self.seen[stream] += data

    def step(self) -> tuple[bool, bytes]:
        ended = self.tail.step()
        return ended, self.seen[Stream.STDOUT]


@pytest.fixture
def folder(builder: SpoolBuilder) -> BatchFolder:
    return builder.batch(KEY, {State.PENDING: ["a~1"]})


def test_a_whole_life(builder: SpoolBuilder, folder: BatchFolder) -> None:
    follower = Follower(builder)
    assert follower.step() == (False, b"")
    assert follower.step() == (False, b"")
    assert follower.told == ["a is pending; to see why: distribute explain anna/cavity/a"]
    builder.move(folder, State.PENDING, "a~1", State.CLAIMED, "a~1@alpha")
    assert follower.step() == (False, b"")
    log = builder.live_log(KEY, "a~1@alpha", "one\n")
    assert follower.step() == (False, b"one\n")
    log.write_text("one\ntwo\n")
    assert follower.step() == (False, b"one\ntwo\n")
    assert follower.step() == (False, b"one\ntwo\n")
    builder.move(folder, State.CLAIMED, "a~1@alpha", State.PUBLISHING, "a~1@alpha")
    builder.result(KEY, "a~1@alpha", {"stdout.txt": "one\ntwo\nthree\n", "stderr.txt": ""})
    log.unlink()
    assert follower.step() == (False, b"one\ntwo\n")
    builder.move(folder, State.PUBLISHING, "a~1@alpha", State.DONE, "a~1@alpha")
    assert follower.step() == (True, b"one\ntwo\nthree\n")


def test_a_live_copy_that_is_written_anew_is_not_repeated(builder: SpoolBuilder, folder: BatchFolder) -> None:
    builder.move(folder, State.PENDING, "a~1", State.CLAIMED, "a~1@alpha")
    log = builder.live_log(KEY, "a~1@alpha", "one\ntwo\n")
    follower = Follower(builder)
    follower.step()
    log.write_text("one\n")
    follower.step()
    log.write_text("one\ntwo\nthree\n")
    assert follower.step()[1] == b"one\ntwo\nthree\n"


def test_a_requeue_starts_over(builder: SpoolBuilder, folder: BatchFolder) -> None:
    builder.move(folder, State.PENDING, "a~1", State.CLAIMED, "a~1@alpha")
    builder.live_log(KEY, "a~1@alpha", "first ")
    follower = Follower(builder)
    follower.step()
    builder.move(folder, State.CLAIMED, "a~1@alpha", State.PENDING, "a~2")
    follower.step()
    assert follower.told[0] == "attempt 1 of a is over; attempt 2 starts over"
    builder.move(folder, State.PENDING, "a~2", State.CLAIMED, "a~2@beta")
    builder.live_log(KEY, "a~2@beta", "second")
    assert follower.step() == (False, b"first second")


def test_a_failed_attempt_is_shown_to_its_end(builder: SpoolBuilder, folder: BatchFolder) -> None:
    builder.move(folder, State.PENDING, "a~1", State.CLAIMED, "a~1@alpha")
    builder.live_log(KEY, "a~1@alpha", "so ")
    follower = Follower(builder)
    follower.step()
    builder.result(KEY, "a~1@alpha", {"stdout.txt": "so far\n"}, folder="a~1", outcome=Outcome.FAILED)
    builder.move(folder, State.CLAIMED, "a~1@alpha", State.CLAIMED, "a~2@beta")
    builder.live_log(KEY, "a~2@beta", "again\n")
    assert follower.step() == (False, b"so far\nagain\n")


def test_a_batch_that_is_closed_meanwhile(builder: SpoolBuilder, folder: BatchFolder) -> None:
    follower = Follower(builder)
    follower.step()
    builder.move(folder, State.PENDING, "a~1", State.DONE, "a~1@alpha")
    builder.result(KEY, "a~1@alpha", {"stdout.txt": "out"})
    target = builder.spool.layout.finished_batch("anna", "cavity").path
    target.parent.mkdir()
    os.rename(folder.path, target)
    assert follower.step() == (True, b"out")


def test_both_streams_after_the_end(builder: SpoolBuilder, run: Run) -> None:
    builder.batch(KEY, {State.FAILED: ["a~1@alpha"]}, finished=True)
    builder.result(KEY, "a~1@alpha", {"stdout.txt": "out\n", "stderr.txt": "err\n"})
    both = run("logs", f"{KEY}/a")
    assert (both.stdout, both.stderr) == ("out\n", "err\n")
    assert run("logs", f"{KEY}/a", "--stdout").output == "out\n"
    only = run("logs", f"{KEY}/a", "--stderr")
    assert (only.stdout, only.stderr) == ("err\n", "")
    assert run("logs", f"{KEY}/a", "-f", "--stdout").output == "out\n"


def test_bytes_are_passed_on_as_they_are(builder: SpoolBuilder, run: Run) -> None:
    builder.batch(KEY, {State.DONE: ["a~1@alpha"]}, finished=True)
    place = builder.result(KEY, "a~1@alpha", {})
    data = bytes(range(256)) * 9000
    (place / "stdout.txt").write_bytes(data)
    assert run("logs", f"{KEY}/a", "--stdout").stdout_bytes == data


def test_a_job_that_never_ran(builder: SpoolBuilder, run: Run) -> None:
    builder.batch(KEY, {State.CANCELLED: ["a~1"]}, finished=True)
    why = "to see why: distribute explain anna/cavity/a\n"
    assert run("logs", f"{KEY}/a", "-f").stderr == f"a was cancelled without having run; {why}"


def test_a_job_whose_build_failed(builder: SpoolBuilder, run: Run) -> None:
    folder = builder.batch(KEY, {State.FAILED: ["a~1"]}, finished=True)
    builder.build(folder, "alpha", ok=False)
    why, printed = run("logs", f"{KEY}/a").stderr.splitlines()
    assert why == "a failed without having run; to see why: distribute explain anna/cavity/a"
    assert printed == "what its build printed: distribute logs --build anna/cavity"


def test_follow_as_a_process(
    builder: SpoolBuilder, folder: BatchFolder, launch: Launch, tmp_path: Path
) -> None:
    with open(tmp_path / "out", "w") as out, open(tmp_path / "err", "w") as err:
        process = launch("logs", f"{KEY}/a", "-f", stdout=out, stderr=err)
    wait_until(lambda: "a is pending" in (tmp_path / "err").read_text())
    builder.move(folder, State.PENDING, "a~1", State.CLAIMED, "a~1@alpha")
    builder.live_log(KEY, "a~1@alpha", "one\n")
    wait_until(lambda: (tmp_path / "out").read_text() == "one\n")
    builder.result(KEY, "a~1@alpha", {"stdout.txt": "one\ntwo\n"})
    builder.move(folder, State.CLAIMED, "a~1@alpha", State.DONE, "a~1@alpha")
    assert process.wait(timeout=20) == 0
    assert (tmp_path / "out").read_text() == "one\ntwo\n"


def test_an_earlier_attempt(builder: SpoolBuilder, run: Run) -> None:
    builder.batch(KEY, {State.FAILED: ["a~2@beta"]}, finished=True)
    builder.result(KEY, "a~1@alpha", {"stdout.txt": "first\n", "stderr.txt": "bad\n"}, folder="a~1")
    builder.result(KEY, "a~2@beta", {"stdout.txt": "second\n"})
    first = run("logs", f"{KEY}/a", "--attempt", 1)
    assert (first.stdout, first.stderr) == ("first\n", "bad\n")
    assert run("logs", f"{KEY}/a", "--attempt", 1, "--stderr").stdout == "bad\n"
    assert run("logs", f"{KEY}/a", "--attempt", 2).stdout == "second\n"
    error = run("logs", f"{KEY}/a", "--attempt", 3, code=4).stderr
    assert "no attempt 3 of anna/cavity/a is in the archive: there are: 1 and 2" in error
    run("logs", f"{KEY}/a", "--attempt", 1, "-f", code=2)


def test_links_and_pipes_among_the_logs_are_not_read(
    builder: SpoolBuilder, folder: BatchFolder, run: Run
) -> None:
    builder.move(folder, State.PENDING, "a~1", State.CLAIMED, "a~1@alpha")
    log = builder.live_log(KEY, "a~1@alpha", "")
    log.unlink()
    log.symlink_to("/etc/passwd")
    os.mkfifo(log.with_suffix(".stderr"))
    assert run("logs", f"{KEY}/a").output == ""


def test_build_output(builder: SpoolBuilder, folder: BatchFolder, run: Run) -> None:
    assert "no build output" in run("logs", KEY, "--build", code=4).stderr
    output = builder.spool.layout.build_output
    output("anna", "cavity", "alpha").write_text("cc solver.c\n")
    assert run("logs", KEY, "--build").stdout == "cc solver.c\n"
    output("anna", "cavity", "beta").write_text("cc: error\n")
    assert run("logs", KEY, "--build").stdout == "==> alpha <==\ncc solver.c\n==> beta <==\ncc: error\n"
    builder.move(folder, State.PENDING, "a~1", State.CLAIMED, "a~1@beta")
    assert run("logs", f"{KEY}/a", "--build").stdout == "cc: error\n"


def test_what_cannot_be_asked_for(builder: SpoolBuilder, folder: BatchFolder, run: Run) -> None:
    run("logs", KEY, code=2)
    run("logs", f"{KEY}/a", "--build", "-f", code=2)
    assert "did you mean" not in run("logs", f"{KEY}/zzz", code=4).stderr
    assert "did you mean anna/cavity?" in run("logs", "anna/cavitie/a", code=4).stderr
