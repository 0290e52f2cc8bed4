"""Real daemons: a command that is told, and whatever hangs or fails holds up no batch and no daemon."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import psutil
import pytest

from spoold.notices.channels import COMMAND_TRIES, CommandChannel, Verdict
from spoold.notices.records import Box
from spoold.notices.settings import CommandSettings
from tests.lab import Lab
from tests.notices.arranging import (
    QUICK,
    SUMMARY,
    configure,
    deaf_server,
    matrix_section,
    notices,
    wait_for,
    wait_for_child,
)
from tests.support import wait_until

ANNA = "@anna:lab.test"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Lab(tmp_path, QUICK) as one:
        yield one


def program(folder: Path, *lines: str) -> str:
    path = folder / "tell"
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)
    return str(path)


def test_a_command_gets_each_end_as_json(lab: Lab) -> None:
    configure(lab, command=[program(lab.folder, 'cat > "$1.$$"'), str(lab.folder / "told; $(id)")])
    lab.node("n1")
    good = lab.batch("good", {"j": "true"})
    bad = lab.batch("bad", {"j": "echo why >&2; exit 3", "k": "true"}, matrix=ANNA)
    for key in (good, bad):
        lab.wait_finished(key)
    wait_for(lab, Box.SENT, 2)
    told = {
        one["batch"]: one
        for one in (json.loads(path.read_text()) for path in lab.folder.glob("told; $(id).*"))
    }
    assert set(told) == {"good", "bad"}
    assert (told["good"]["matrix"], told["bad"]["matrix"]) == (None, ANNA)
    assert told["bad"]["counts"] == {"done": 1, "failed": 1, "cancelled": 0}
    (failed,) = told["bad"]["failed"]
    assert (failed["job"], failed["node"], failed["exit_code"], failed["stderr"]) == ("j", "n1", 3, ["why"])
    assert told["bad"]["spool"] == str(lab.spool.root)


def test_a_command_that_fails_is_run_again_and_then_given_up(tmp_path: Path) -> None:
    channel = CommandChannel(CommandSettings((program(tmp_path, "echo no mail today; exit 75"),)))
    outcomes = [channel.tell(SUMMARY, tries, Event()) for tries in (1, COMMAND_TRIES)]
    assert [outcome.verdict for outcome in outcomes] == [Verdict.LATER, Verdict.REFUSED]
    assert outcomes[0].why == f"{tmp_path}/tell ended with exit code 75: no mail today"
    assert not outcomes[0].everybody


def test_a_command_that_isnt_there_or_hangs_is_said(tmp_path: Path) -> None:
    outcome = CommandChannel(CommandSettings(("/no/such/program",))).tell(SUMMARY, 1, Event())
    assert outcome.why == "/no/such/program can't be run: No such file or directory"
    hanging = CommandSettings((program(tmp_path, "exec sleep 600"),), 0.5)
    assert CommandChannel(hanging).tell(SUMMARY, 1, Event()).why == f"{tmp_path}/tell didn't end within 0.5 s"


def test_what_hangs_holds_up_no_batch_and_no_daemon(lab: Lab) -> None:
    """A home server that takes the connection and says nothing, and a command that never ends."""
    with deaf_server() as url:
        configure(lab, matrix=matrix_section(lab, url, "@bot:lab.test", "token"))
        node = lab.node("n1")
        lab.wait_finished(lab.batch("first", {"j": "true"}, matrix=ANNA))
        child = wait_for_child(node.pid, "spoold.notices.matrix")
        began_s = time.monotonic()
        lab.wait_finished(lab.batch("second", {"j": "true"}, matrix=ANNA))
        assert time.monotonic() - began_s < 20
        assert psutil.pid_exists(child), "the first notice is being told still"
        began_s = time.monotonic()
        assert node.terminate() == 0
        assert time.monotonic() - began_s < 15
        wait_until(lambda: not psutil.pid_exists(child), what="what told it is gone")
        assert len(notices(lab, Box.WAITING)) == 2


def test_a_command_that_hangs_ends_with_its_daemon(lab: Lab) -> None:
    configure(lab, command=[program(lab.folder, "sleep 600 & wait")], command_timeout="10m")
    steward = lab.steward()
    lab.node("n1", "--no-steward")
    for name in ("first", "second"):
        lab.wait_finished(lab.batch(name, {"j": "true"}))
    child = wait_for_child(steward.pid, "sleep")
    began_s = time.monotonic()
    assert steward.terminate() == 0
    assert time.monotonic() - began_s < 15
    wait_until(lambda: not psutil.pid_exists(child), what="what it had started is gone")


def test_a_daemon_that_has_nothing_to_tell_knows_nothing_of_matrix(lab: Lab) -> None:
    configure(lab, matrix=matrix_section(lab, "https://matrix.example.org", "@bot:lab.test", "token"))
    node = lab.node("n1")
    lab.wait_finished(lab.batch("b", {"j": "true"}))
    lab.wait(lambda: not notices(lab, Box.WAITING), 20.0, "what nobody asked for is removed")
    maps = Path(f"/proc/{node.pid}/maps").read_text()
    assert "aiohttp" not in maps and "/_ssl." not in maps
    assert psutil.Process(node.pid).num_threads() < 20


def test_a_node_of_this_machine_alone_tells_nobody(lab: Lab) -> None:
    configure(lab, command=["/bin/true"])
    node = lab.node("n1", "--no-notices")
    lab.wait_finished(lab.batch("b", {"j": "true"}, matrix=ANNA))
    assert node.terminate() == 0
    assert len(notices(lab, Box.WAITING)) == 1
    assert "notif" not in node.said
    lab.steward()
    wait_for(lab, Box.SENT)


def test_wrong_settings_are_said_and_stop_nothing(lab: Lab) -> None:
    configure(lab, matrix={"homeserver": "https://matrix.example.org"})
    node = lab.node("n1")
    lab.wait_finished(lab.batch("b", {"j": "true"}, matrix=ANNA))
    node.wait_for("matrix.user is missing")
    lab.wait(lambda: "matrix.user is missing" in notices(lab, Box.WAITING)[0].trouble, 20.0, "it is noted")
