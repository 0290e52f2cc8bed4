"""`distribute pause` and `distribute resume`."""

from __future__ import annotations

import errno
import os
import signal
import socket
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from nodewatch.process.pausing import PauseRequest
from spoold.codec import encode
from spoold.snapshot import read_node
from tests.cli.conftest import Run, SpoolBuilder
from tests.cli.daemons import end, on_terminal, started
from tests.support import umask, wait_until


def here(builder: SpoolBuilder, name: str) -> Path:
    """A node of this machine; returns the path of its pause mark."""
    builder.node(name)
    info = read_node(builder.spool, name)
    assert info is not None
    folder = builder.spool.layout.node(name)
    folder.info.write_bytes(encode(replace(info, host=socket.gethostname())))
    return folder.pause


def test_a_private_umask_hides_the_pause_from_nobody(run: Run, builder: SpoolBuilder) -> None:
    mark = here(builder, "alpha")
    with umask(0o077):
        run("pause", "--detach")
    assert stat.S_IMODE(mark.stat().st_mode) == 0o644


def test_this_machine_s_node(run: Run, builder: SpoolBuilder) -> None:
    mark = here(builder, "alpha")
    builder.node("beta")
    said = run("pause", "--detach", "--duration", "1h30m10s").stdout
    assert said.startswith("alpha is paused for 1h30m10s, until ")
    assert "distribute resume --node alpha" in said
    assert PauseRequest.parse(mark.read_text()) == PauseRequest(5410.0)
    assert os.listdir(mark.parent) == [n for n in os.listdir(mark.parent) if not n.startswith(".")]
    assert run("resume").stdout == "alpha goes on\n"
    assert not mark.exists()
    assert run("resume").stdout == "alpha isn't paused\n"


def test_an_hour_unless_it_is_said(run: Run, builder: SpoolBuilder) -> None:
    mark = here(builder, "alpha")
    run("pause", "--detach")
    assert PauseRequest.parse(mark.read_text()).duration_s == 3600
    run("pause", "--detach", "--duration", "4h")
    assert PauseRequest.parse(mark.read_text()).duration_s == 4 * 3600


def test_only_some_jobs(run: Run, builder: SpoolBuilder) -> None:
    mark = here(builder, "alpha")
    said = run(
        "pause", "--detach", "--job", "anna/hello/one", "--job", "bert/other", "--duration", "2h"
    ).stdout
    assert said.startswith("anna/hello/one and bert/other on alpha are paused for 2h, until ")
    request = PauseRequest.parse(mark.read_text())
    assert request == PauseRequest(7200, "", ("anna/hello/one", "bert/other"))
    assert (
        "anna/hello/one on alpha is paused for 1h"
        in run("pause", "--detach", "--job", "anna/hello/one").stdout
    )
    assert PauseRequest.parse(mark.read_text()).targets == ("anna/hello/one",)


def test_jobs_that_no_node_would_read(run: Run, builder: SpoolBuilder) -> None:
    mark = here(builder, "alpha")
    assert "isn't of the form NAMESPACE/BATCH[/JOB]" in run("pause", "--job", "one", code=2).stderr
    many = [argument for n in range(50) for argument in ("--job", f"anna/{'b' * 90}/j{n}")]
    assert "50 jobs are too many" in run("pause", "--detach", *many, code=2).stderr
    assert not mark.exists()


@pytest.mark.parametrize(
    ("duration", "said"), [("4h1s", "at most 4h"), ("soon", "accepted: 2h"), ("0s", "accepted: 2h")]
)
def test_durations_that_no_node_honours(run: Run, builder: SpoolBuilder, duration: str, said: str) -> None:
    mark = here(builder, "alpha")
    assert said in run("pause", "--detach", "--duration", duration, code=2).stderr
    assert not mark.exists()


def test_another_machine_s_node(run: Run, builder: SpoolBuilder) -> None:
    builder.node("beta", silent_s=None)
    result = run("pause", "--detach", "--node", "beta")
    assert builder.spool.layout.node("beta").pause.exists()
    assert "the daemon of beta doesn't seem to run" in result.stderr


def test_which_node_must_be_clear(run: Run, builder: SpoolBuilder) -> None:
    error = run("pause", code=4).stderr
    assert "no node has ever joined" in error
    assert error.endswith("  start nodewatch on a workstation\n")
    builder.node("beta")
    assert "say which: distribute pause --node beta" in run("pause", code=4).stderr
    assert "did you mean beta?" in run("resume", "--node", "bata", code=4).stderr
    here(builder, "alpha")
    here(builder, "gamma")
    error = run("pause", code=1).stderr
    assert "2 nodes are on this machine: alpha and gamma" in error
    assert "distribute pause --node alpha" in error


def test_ctrl_c_lets_it_go_on(run: Run, builder: SpoolBuilder) -> None:
    mark = here(builder, "alpha")
    with started(builder.spool, "pause") as process:
        assert process.stdout is not None and process.stderr is not None
        process.stderr.readline()
        assert mark.exists()
        code, out, _ = end(process, signal.SIGINT)
    assert code == 0
    assert out.endswith("alpha goes on\n")
    assert not mark.exists()


def test_ctrl_c_on_a_terminal(run: Run, builder: SpoolBuilder) -> None:
    mark = here(builder, "alpha")
    with on_terminal(builder.spool, "pause", "--duration", "2h") as terminal:
        terminal.read_until("1:59")
        assert mark.exists()
        terminal.type(b"\x03")
        terminal.read_until("alpha goes on")
        assert terminal.process.wait(20) == 0
    assert not mark.exists()


def test_closing_the_terminal_does_no_harm(run: Run, builder: SpoolBuilder) -> None:
    mark = here(builder, "alpha")
    with on_terminal(builder.spool, "pause", "--duration", "2h") as terminal:
        terminal.read_until("1:59")
        terminal.close()
        assert terminal.process.wait(20) == -signal.SIGHUP
    assert PauseRequest.parse(mark.read_text()).duration_s == 7200
    assert run("resume").stdout == "alpha goes on\n"


def test_it_ends_by_itself(run: Run, builder: SpoolBuilder) -> None:
    mark = here(builder, "alpha")
    assert run("pause", "--duration", "0.2s").stdout.endswith("alpha goes on\n")
    assert not mark.exists()


def test_somebody_resumes_from_elsewhere(run: Run, builder: SpoolBuilder) -> None:
    mark = here(builder, "alpha")
    with started(builder.spool, "pause") as process:
        wait_until(mark.exists)
        run("resume")
        out, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert out.endswith("alpha goes on\n")


def test_a_later_pause_is_not_ended_by_the_first(run: Run, builder: SpoolBuilder) -> None:
    mark = here(builder, "alpha")
    with started(builder.spool, "pause") as process:
        assert process.stderr is not None
        process.stderr.readline()
        run("pause", "--detach", "--duration", "3h")
        code, out, _ = end(process, signal.SIGINT)
    assert code == 0
    assert "was paused anew meanwhile" in out
    assert PauseRequest.parse(mark.read_text()).duration_s == 3 * 3600


def test_a_pause_in_the_scratch_folder_is_named(run: Run, builder: SpoolBuilder) -> None:
    builder.node("beta", paused_until=2e10, paused_by="scratch")
    said = run("resume", "--node", "beta").stdout
    assert "by a file in its scratch folder" in said


@pytest.mark.parametrize("by", ["owner (somebody is at its keyboard)", "schedule (lent Sat-Sun)"])
def test_a_node_that_stepped_aside(run: Run, builder: SpoolBuilder, by: str) -> None:
    builder.node("beta", paused_until=2e10, paused_by=by)
    said = run("resume", "--node", "beta").stdout
    assert by.partition(" ")[2] in said
    assert "goes on by itself" in said


def test_a_daemon_that_has_not_noticed_yet(run: Run, builder: SpoolBuilder) -> None:
    builder.node("beta", paused_until=2e10, paused_by="spool (strange)")
    assert "resumed already" in run("resume", "--node", "beta").stdout


def test_a_pause_of_somebody_else(run: Run, builder: SpoolBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = here(builder, "alpha")
    mark.touch()

    def refuse(*paths: object) -> bool:
        # What a sticky folder answers to anybody but the owners.
        raise PermissionError(1, "Operation not permitted", str(mark))

    monkeypatch.setattr("spoold.fsops.FileOps.move", refuse)
    assert "may replace it" in run("pause", "--detach", code=1).stderr
    assert os.listdir(mark.parent) == [n for n in os.listdir(mark.parent) if not n.startswith(".")]
    monkeypatch.setattr("spoold.fsops.FileOps.unlink", refuse)
    assert "may remove it" in run("resume", code=1).stderr


def test_a_full_spool_keeps_nothing_of_a_pause(
    run: Run, builder: SpoolBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = here(builder, "alpha")
    before = sorted(os.listdir(mark.parent))

    def refuse(kernel: object, fd: int, data: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("spoold.calls.Kernel.write", refuse)
    assert "no space for" in run("pause", "--detach", code=1).stderr
    assert sorted(os.listdir(mark.parent)) == before


def test_a_folder_in_the_place_of_a_mark(run: Run, builder: SpoolBuilder) -> None:
    mark = here(builder, "alpha")
    mark.mkdir()
    assert f"{mark} is a folder, not a file; remove it with: rm -r {mark}" in run("nodes").stdout
    assert f"rm -r {mark}" in run("pause", "--detach", code=1).stderr
    assert run("resume").stdout == "alpha goes on\n"
    drain = mark.with_name("drain")
    (drain / "x").mkdir(parents=True)
    assert f"rm -r {drain}" in run("drain", "alpha", "--undo", code=1).stderr
    (drain / "x").rmdir()
    run("drain", "alpha", "--undo")
    assert not [name for name in os.listdir(mark.parent) if name.startswith((".", "pause", "drain"))]
