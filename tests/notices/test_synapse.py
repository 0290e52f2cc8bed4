"""Real daemons, and a real home server: a notice reaches its user, once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event
from urllib.parse import quote

import pytest

from spoold.notices.channels import MatrixChannel, Outcome, Verdict
from spoold.notices.records import Box
from spoold.notices.settings import parse_settings
from tests.lab import Lab, program
from tests.lab.synapse.server import PROGRAM, Account, Server, serve
from tests.notices.arranging import (
    QUICK,
    SUMMARY,
    all_text,
    configure,
    free_port,
    matrix_section,
    notices,
    wait_for,
)

pytestmark = [
    pytest.mark.skipif(not PROGRAM.exists(), reason="no Synapse here; it is installed by: make test"),
    pytest.mark.timeout(180),
]
DYING = (sys.executable, str(Path(__file__).with_name("dying.py")))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("synapse")) as running:
        yield running


_count = iter(range(1000))


@pytest.fixture
def bot(server: Server) -> Account:
    return server.register(f"bot{next(_count)}")


@pytest.fixture
def anna(server: Server) -> Account:
    return server.register(f"anna{next(_count)}")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Lab(tmp_path, QUICK) as one:
        yield one


def tell_by(lab: Lab, bot: Account) -> None:
    configure(lab, matrix=matrix_section(lab, bot.server.url, bot.user, bot.token))


def end_batches(lab: Lab, anna: Account, *names: str, command: str = "true") -> None:
    keys = [lab.batch(name, {"j": command}, matrix=anna.user) for name in names]
    for key in keys:
        lab.wait_finished(key)


# What a person sees


def test_a_notice_reaches_its_user(lab: Lab, bot: Account, anna: Account) -> None:
    tell_by(lab, bot)
    lab.node("n1")
    failing = "echo starting; env; echo '<no> room & more' >&2; exit 3"
    key = lab.batch("b", {"good": "true", "bad": failing}, matrix=anna.user)
    lab.wait_finished(key)
    wait_for(lab, Box.SENT)
    (message,) = anna.messages()
    lines = message["body"].splitlines()
    assert lines[0].startswith("lab/b has ended after ")
    assert lines[0].endswith(": 1 done, 1 failed")
    assert "- bad failed on n1 after 1s: exit code 3" in lines
    assert "    <no> room & more" in lines
    assert lines[-1] == "Fetch the results: distribute pull lab/b"
    assert "&lt;no&gt; room &amp; more" in message["formatted_body"]

    # The next one comes in the same room; nobody but the token's owner has seen the token.
    end_batches(lab, anna, "c")
    wait_for(lab, Box.SENT, 2)
    assert len(anna.messages()) == 2
    assert len(anna.rooms()) == len(bot.rooms()) == 1
    assert bot.token not in lab.text(key, "bad", "stdout.txt")
    holders = [path.name for path, data in all_text(lab.folder) if bot.token.encode() in data]
    assert holders == ["token"]


def test_a_batch_that_is_retried_and_ends_again_is_told_again(lab: Lab, bot: Account, anna: Account) -> None:
    from spoold.codec import encode
    from spoold.records import RetryRequest

    tell_by(lab, bot)
    lab.node("n1")
    end_batches(lab, anna, "b", command=f"test -e {lab.folder}/there")
    wait_for(lab, Box.SENT)
    (lab.folder / "there").touch()
    (lab.spool.layout.incoming / "r.retry").write_bytes(encode(RetryRequest("lab", "b", ("j~1@n1",))))
    wait_for(lab, Box.SENT, 2)
    first, second = (message["body"].splitlines()[0] for message in anna.messages())
    assert first.endswith("1 failed") and second.endswith("1 done")


def test_two_stewards_tell_once(lab: Lab, bot: Account, anna: Account) -> None:
    tell_by(lab, bot)
    for daemon in (lab.node("n1"), lab.node("n2"), lab.steward()):
        assert daemon.process.poll() is None
    names = [f"b{number}" for number in range(4)]
    end_batches(lab, anna, *names)
    wait_for(lab, Box.SENT, len(names))
    told = sorted(message["body"].split()[0] for message in anna.messages())
    assert told == [f"lab/{name}" for name in names]
    assert len(anna.rooms()) == 1


# Crashes


@pytest.mark.parametrize("token", ["same", "new"])
def test_a_steward_that_is_killed_before_it_notes_it_tells_once(
    lab: Lab, server: Server, bot: Account, anna: Account, token: str
) -> None:
    """With a new token the home server can't know the transaction: then the messages tell."""
    tell_by(lab, bot)
    dying = lab.steward(before=DYING)
    dying.wait_for("steward of")
    lab.node("n1", "--no-steward")
    end_batches(lab, anna, "b")
    assert dying.wait(30.0) == -9
    (notice,) = notices(lab, Box.WAITING)
    assert notice.tries == 1
    (message,) = anna.messages()
    if token == "new":
        login = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": bot.user}}
        made = bot.ask("POST", "login", {**login, "password": bot.password})
        tell_by(lab, replace(bot, token=made["access_token"]))
    lab.steward()
    (sent,) = wait_for(lab, Box.SENT)
    assert sent.tries == 2
    assert [one["event_id"] for one in anna.messages()] == [message["event_id"]]


def test_a_home_server_that_is_down_delays_notices_and_no_jobs(lab: Lab, tmp_path: Path) -> None:
    folder, port = tmp_path / "synapse", free_port()
    with serve(folder, port) as server:
        bot, anna = server.register("bot"), server.register("anna")
    tell_by(lab, bot)
    lab.node("n1")
    end_batches(lab, anna, "b", "c")
    lab.wait(lambda: notices(lab, Box.WAITING)[0].trouble, 20.0, "the first try has failed")
    assert "Cannot connect" in notices(lab, Box.WAITING)[0].trouble
    with serve(folder, port):
        wait_for(lab, Box.SENT, 2)
        assert len(anna.messages()) == 2


def test_a_limit_delays_and_loses_nothing(lab: Lab, server: Server, bot: Account, anna: Account) -> None:
    server.limit(server.register(f"admin{next(_count)}", admin=True), bot.user, 1, 1)
    tell_by(lab, bot)
    node = lab.node("n1")
    names = [f"b{number}" for number in range(3)]
    end_batches(lab, anna, *names)
    wait_for(lab, Box.SENT, len(names))
    assert sorted(message["body"].split()[0] for message in anna.messages()) == [
        f"lab/{name}" for name in names
    ]
    assert "M_LIMIT_EXCEEDED" in node.said


# Refusals


def test_an_encrypted_room_gets_nothing(lab: Lab, bot: Account, anna: Account) -> None:
    tell_by(lab, bot)
    node = lab.node("n1")
    end_batches(lab, anna, "b")
    wait_for(lab, Box.SENT)
    assert len(anna.messages()) == 1
    (room,) = anna.rooms()
    anna.encrypt(room)
    end_batches(lab, anna, "c")
    lab.wait(lambda: notices(lab, Box.FAILED), 20.0, "it is refused")
    (notice,) = notices(lab, Box.FAILED)
    assert f"matrix: the room {room} is encrypted, and nothing is sent there in plain text" in notice.trouble
    assert f"{anna.user} may leave it" in notice.trouble
    assert notice.trouble in node.said
    assert len(anna.messages()) == 1
    assert len(anna.rooms()) == 1


def test_a_token_that_all_can_read_isnt_used_until_it_is_safe(lab: Lab, bot: Account, anna: Account) -> None:
    configure(lab, matrix=matrix_section(lab, bot.server.url, bot.user, bot.token, mode=0o644))
    node = lab.node("n1")
    end_batches(lab, anna, "b")
    node.wait_for(f"chmod 600 {lab.folder}/token")
    assert anna.messages() == []
    (lab.folder / "token").chmod(0o600)
    wait_for(lab, Box.SENT)
    assert len(anna.messages()) == 1
    assert bot.token not in node.said


# Rooms


def tell(folder: Path, bot: Account, to: str, id: str = "1" * 32, tries: int = 1) -> Outcome:
    token = folder / "token"
    token.write_text(bot.token)
    token.chmod(0o600)
    values = {"homeserver": bot.server.url, "user": bot.user, "token_file": str(token)}
    settings = parse_settings({"matrix": values}, folder / "notify.yaml").matrix
    assert settings is not None
    return MatrixChannel(settings).tell(replace(SUMMARY, id=id, matrix=to), tries, Event())


def test_a_repeated_transaction_is_one_message(tmp_path: Path, bot: Account, anna: Account) -> None:
    first, second = (tell(tmp_path, bot, anna.user) for _ in range(2))
    assert (first.verdict, first.made, second.verdict, second.made) == (
        Verdict.TOLD,
        True,
        Verdict.TOLD,
        False,
    )
    assert len(anna.messages()) == 1


def test_another_host_knows_the_room(tmp_path: Path, bot: Account, anna: Account) -> None:
    made = tell(tmp_path, bot, anna.user)
    direct = bot.ask("GET", f"user/{quote(bot.user)}/account_data/m.direct")
    assert direct == {anna.user: [made.room]}


def test_a_room_that_a_crash_left_unnoted_is_found_again(tmp_path: Path, bot: Account, anna: Account) -> None:
    made = tell(tmp_path, bot, anna.user)
    bot.ask("PUT", f"user/{quote(bot.user)}/account_data/m.direct", {})
    found = tell(tmp_path, bot, anna.user, "2" * 32)
    assert (found.verdict, found.room, found.made) == (Verdict.TOLD, made.room, False)
    assert len(bot.rooms()) == 1


def test_who_left_the_room_is_invited_again(tmp_path: Path, bot: Account, anna: Account) -> None:
    room = tell(tmp_path, bot, anna.user).room
    anna.accept()
    anna.ask("POST", f"rooms/{quote(room)}/leave", {})
    assert tell(tmp_path, bot, anna.user, "2" * 32).room == room
    assert anna.invitations() == [room]


def test_a_room_that_the_sender_left_is_replaced(tmp_path: Path, bot: Account, anna: Account) -> None:
    room = tell(tmp_path, bot, anna.user).room
    bot.ask("POST", f"rooms/{quote(room)}/leave", {})
    again = tell(tmp_path, bot, anna.user, "2" * 32)
    assert (again.verdict, again.made, again.room == room) == (Verdict.TOLD, True, False)


def test_who_leaves_an_encrypted_room_gets_another(tmp_path: Path, bot: Account, anna: Account) -> None:
    """Not the first one: its alias leads to a room in which nothing can be told."""
    room = tell(tmp_path, bot, anna.user).room
    anna.accept()
    anna.encrypt(room)
    assert tell(tmp_path, bot, anna.user, "2" * 32).verdict is Verdict.REFUSED
    anna.ask("POST", f"rooms/{quote(room)}/leave", {})
    second = tell(tmp_path, bot, anna.user, "3" * 32)
    assert (second.verdict, second.made, second.room == room) == (Verdict.TOLD, True, False)
    assert anna.invitations() == [second.room]
    assert tell(tmp_path, bot, anna.user, "4" * 32).room == second.room


def test_who_cant_be_invited_is_refused_and_leaves_no_rooms_behind(tmp_path: Path, bot: Account) -> None:
    outcomes = [tell(tmp_path, bot, "@anna:nowhere.test", f"{count:032}") for count in range(3)]
    assert {outcome.verdict for outcome in outcomes} == {Verdict.REFUSED}
    assert "M_FORBIDDEN" in outcomes[-1].why
    assert len(bot.rooms()) <= 1


def test_who_doesnt_exist_is_refused(tmp_path: Path, bot: Account) -> None:
    outcome = tell(tmp_path, bot, "@nobody:lab.test")
    assert (outcome.verdict, outcome.why) == (Verdict.REFUSED, "there is no user @nobody:lab.test")
    assert bot.rooms() == []


def test_a_token_of_another_user_or_of_nobody_isnt_used(tmp_path: Path, bot: Account, anna: Account) -> None:
    outcome = tell(tmp_path, replace(bot, token=anna.token), anna.user)
    assert (outcome.verdict, outcome.everybody) == (Verdict.LATER, True)
    assert f"is {anna.user}'s" in outcome.why
    outcome = tell(tmp_path, replace(bot, token="secret_token"), anna.user)
    assert (outcome.verdict, outcome.everybody) == (Verdict.LATER, True)
    assert "M_UNKNOWN_TOKEN" in outcome.why and "secret_token" not in outcome.why


# Trying out


def test_the_way_is_tried_out(lab: Lab, bot: Account, anna: Account) -> None:
    tell_by(lab, bot)

    def notify(to: str) -> tuple[int, str]:
        environ = {"PATH": os.environ["PATH"], "HOME": str(lab.folder), "LANG": "C.UTF-8"}
        argv = [program("distribute"), "notify", "--test", to]
        done = subprocess.run(argv, env=environ, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    code, said = notify(anna.user)
    (room,) = anna.invitations()
    assert (code, f"sent to {anna.user} in the room {room}, which is new" in said) == (0, True), said
    code, said = notify(anna.user)
    assert (code, "which is new" in said) == (0, False), said
    assert [message["body"].split(".")[0] for message in anna.messages()] == [
        "This is a test of the notices of distribute"
    ] * 2
    assert notify("@nobody:lab.test")[0] == 1
    anna.encrypt(room)
    code, said = notify(anna.user)
    assert (code, f"refused: the room {room} is encrypted" in said) == (1, True), said
    assert bot.token not in said
