"""``distribute notify``: who wasn't told yet, and trying out the way."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spoold.notices.outbox import give_up, put
from spoold.notices.records import Notice
from tests.cli.conftest import Run, SpoolBuilder

ANNA = "@anna:lab.test"


def notice(number: int, matrix: str | None = ANNA, **values: Any) -> Notice:
    return Notice(f"{number:032x}", "anna", f"b{number}", "drop", 1, matrix, 100.0 + number, **values)


@pytest.fixture
def config(tmp_path: Path) -> Callable[..., Path]:
    def write(**values: Any) -> Path:
        path = tmp_path / "config" / "distribute" / "notify.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
        return path

    return write


def test_nobody_waits(run: Run) -> None:
    result = run("notify")
    assert (result.stdout, result.stderr) == ("", "nobody waits to be told\n")


def test_who_waits_and_who_was_given_up(
    builder: SpoolBuilder, run: Run, run_json: Callable[..., Any]
) -> None:
    spool = builder.spool
    put(spool, notice(1))
    put(spool, notice(2, tries=3, next_at=time.time() + 601, trouble="matrix: it doesn't answer\x1b[2J"))
    put(spool, notice(3, matrix=None))
    put(spool, notice(4))
    give_up(spool, notice(4), "matrix: there is no user @anna:lab.test")
    result = run("notify")
    lines = [line.partition("; ")[2] or line for line in result.stdout.splitlines()]
    assert lines == [
        f"telling {ANNA} was given up",
        f"  matrix: there is no user {ANNA}",
        f"{ANNA} is to be told after 3 tries, in 10 min",
        "  matrix: it doesn't answer\\x1b[2J",
        f"{ANNA} is to be told",
    ]
    assert result.stderr == "2 notices waiting, 1 given up\n"
    assert [
        (one["batch"], one["state"], one["next_at"] is None) for one in run_json("notify")["notices"]
    ] == [
        ("b4", "failed", True),
        ("b2", "waiting", False),
        ("b1", "waiting", True),
    ]


@pytest.mark.parametrize("user", ["@anna", "anna", "@anna:", "@a b:c"])
def test_a_user_without_a_server_is_refused(run: Run, user: str) -> None:
    assert "write @user:server" in run("notify", "--test", user, code=2).stderr


def test_without_settings_there_is_no_way_to_try(run: Run, tmp_path: Path) -> None:
    error = run("notify", "--test", ANNA, code=1).stderr
    assert f"{tmp_path}/config/distribute/notify.yaml or /etc/distribute/notify.yaml" in error


def test_settings_that_are_wrong(run: Run, config: Callable[..., Path]) -> None:
    path = config(matrx={})
    assert (
        f"{path}: unknown key 'matrx'\n  did you mean matrix?" in run("notify", "--test", ANNA, code=1).stderr
    )


def test_a_command_is_tried_out(run: Run, tmp_path: Path, config: Callable[..., Path]) -> None:
    program = tmp_path / "tell"
    program.write_text(f"#!/bin/sh\ncat > {tmp_path}/told\n")
    program.chmod(0o755)
    config(command=[str(program)])
    result = run("notify", "--test", ANNA)
    assert result.stdout == "command: it ended with exit code 0\n"
    assert "nothing was sent to @anna:lab.test" in result.stderr
    told = json.loads((tmp_path / "told").read_text())
    assert (told["event"], told["matrix"]) == ("test", ANNA)
    program.write_text("#!/bin/sh\necho no mail >&2\nexit 3\n")
    assert "tell ended with exit code 3: no mail" in run("notify", "--test", ANNA, code=1).stderr


def test_a_token_that_all_can_read_is_refused(run: Run, tmp_path: Path, config: Callable[..., Path]) -> None:
    token = tmp_path / "token"
    token.write_text("secret_token")
    token.chmod(0o644)
    config(matrix={"homeserver": "http://127.0.0.1:9", "user": "@bot:lab.test", "token_file": str(token)})
    result = run("notify", "--test", ANNA, code=1)
    assert f"chmod 600 {token}" in result.stderr
    assert "secret_token" not in result.output
