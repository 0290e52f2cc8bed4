"""What becomes of a notice: told once whatever fails, told later, refused, overtaken, too old."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event

import pytest

from spoold.checking import check
from spoold.codec import encode
from spoold.fsops import FileOps
from spoold.notices import outbox, telling
from spoold.notices.channels import Outcome, Verdict
from spoold.notices.notifier import Notifier
from spoold.notices.records import EXPIRY_S, Box, Notice
from spoold.notices.settings import BadSettings, Settings
from spoold.notices.summary import Summary
from spoold.notices.telling import Teller
from spoold.records import RetryRequest
from spoold.spool import Spool
from tests.spool.faulty import FaultyKernel, Plan
from tests.spool.lab import Crash, Lab, job_file
from tests.spool.living import points
from tests.support import wait_until

TOLD = Outcome(Verdict.TOLD)
USER = "'@anna:lab.test'"


@dataclass
class Channel:
    """Gives ``outcomes`` one after the other, the last one for ever; a message of one id counts once."""

    name: str = "matrix"
    outcomes: list[Outcome] = field(default_factory=lambda: [TOLD])
    calls: list[tuple[str, int]] = field(default_factory=list)
    received: dict[str, Summary] = field(default_factory=dict)

    def tell(self, summary: Summary, tries: int, stop: Event) -> Outcome:
        self.calls.append((summary.key, tries))
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if outcome.verdict is Verdict.TOLD:
            self.received[summary.id] = summary
        return outcome


@dataclass
class Scene:
    """A spool with batches that have ended, and what tells of it."""

    lab: Lab
    channels: list[Channel]

    def end_batch(self, name: str = "b", matrix: str = USER) -> None:
        self.lab.drop(f"{name}.yaml", job_file(name, {"j": ""}, f"matrix: {matrix}"))
        self.lab.sweep()
        self.lab.complete(self.lab.ref(name), "j")
        self.lab.sweep()

    def teller(self, spool: Spool | None = None) -> Teller:
        return Teller(spool or self.lab.spool, Event(), Event(), Event())

    def all(self, box: Box) -> list[Notice]:
        return outbox.read_all(self.lab.spool, box)

    def change(self, **values: object) -> None:
        for notice in self.all(Box.WAITING):
            outbox.note(self.lab.spool, replace(notice, **values))  # type: ignore[arg-type]

    def counts(self) -> tuple[int, int, int]:
        waiting, sent, failed = (len(self.all(box)) for box in Box)
        return waiting, sent, failed


@pytest.fixture
def scene(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Scene:
    return arrange(lab, monkeypatch, [Channel()])


def arrange(lab: Lab, monkeypatch: pytest.MonkeyPatch, channels: list[Channel]) -> Scene:
    monkeypatch.setattr(telling, "find_settings", lambda: Path("/notify.yaml"))
    monkeypatch.setattr(telling, "read_settings", lambda path: Settings())
    monkeypatch.setattr(telling, "list_channels", lambda settings, to: channels if to else channels[1:])
    return Scene(lab, channels)


def test_an_end_is_told_once(scene: Scene) -> None:
    scene.end_batch()
    teller = scene.teller()
    teller.tell_all()
    teller.tell_all()
    assert scene.channels[0].calls == [("ns/b", 1)]
    assert scene.counts() == (0, 1, 0)


def test_what_a_steward_that_stood_still_puts_again_isnt_told(scene: Scene) -> None:
    scene.end_batch()
    (notice,) = scene.all(Box.WAITING)
    scene.teller().tell_all()
    outbox.put(scene.lab.spool, notice)
    scene.teller().tell_all()
    assert len(scene.channels[0].calls) == 1
    assert scene.counts() == (0, 1, 0)


def test_an_end_that_isnt_closed_yet_waits(scene: Scene) -> None:
    scene.end_batch()
    lab = scene.lab
    finished, live = lab.spool.layout.finished_batch("ns", "b").path, lab.spool.layout.batch("ns", "b").path
    lab.spool.ops.move_in(finished, live)
    scene.teller().tell_all()
    assert (scene.channels[0].calls, scene.counts()) == ([], (1, 0, 0))
    lab.sweep()
    scene.teller().tell_all()
    assert (len(scene.channels[0].calls), scene.counts()) == (1, (0, 1, 0))


def test_an_end_that_was_overtaken_by_a_retry_isnt_told(scene: Scene) -> None:
    from spoold.records import Outcome as JobOutcome

    lab = scene.lab
    lab.drop("b.yaml", job_file("b", {"j": ""}, f"matrix: {USER}"))
    lab.sweep()
    lab.complete(lab.ref("b"), "j", JobOutcome.FAILED)
    lab.sweep()
    (lab.spool.layout.incoming / "r.retry").write_bytes(encode(RetryRequest("ns", "b", ("j~1@n1",))))
    lab.sweep()
    scene.teller().tell_all()
    assert (scene.channels[0].calls, scene.counts()) == ([], (0, 0, 0))
    lab.complete(lab.ref("b"), "j")
    lab.sweep()
    scene.teller().tell_all()
    (summary,) = scene.channels[0].received.values()
    assert summary.counts == {"done": 1, "failed": 0, "cancelled": 0}


def test_a_notice_of_a_batch_that_was_replaced_isnt_told(scene: Scene) -> None:
    scene.end_batch()
    scene.change(batch_id="another drop")
    scene.teller().tell_all()
    assert (scene.channels[0].calls, scene.counts()) == ([], (0, 0, 0))


def test_a_notice_that_cant_be_told_keeps_no_other_from_it(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    lab = scene.lab
    for name in ("broken", "fine", "gone"):
        scene.end_batch(name)
    lab.spool.layout.finished_batch("ns", "broken").header.write_text("{}")
    shutil.rmtree(lab.spool.layout.finished_batch("ns", "gone").path)
    scene.teller().tell_all()
    assert scene.channels[0].calls == [("ns/fine", 1)]
    troubles = {notice.batch: notice.trouble for notice in scene.all(Box.WAITING)}
    assert "is no BatchHeader" in troubles["broken"]
    assert troubles["gone"] == "the batch isn't in the spool any more"
    assert "Traceback" not in caplog.text


def test_a_bug_ends_no_daemon_and_delays_no_other_notice(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("b", "c"):
        scene.end_batch(name)
    asked = iter([ZeroDivisionError("a bug")])

    def gather(spool: Spool, notice: Notice) -> Summary | None:
        for error in asked:
            raise error
        return real(spool, notice)

    real = telling.gather
    monkeypatch.setattr(telling, "gather", gather)
    scene.teller().tell_all()
    assert scene.counts() == (1, 1, 0)
    assert "ZeroDivisionError" in scene.all(Box.WAITING)[0].trouble
    assert "a bug" in caplog.text


def test_settings_that_vanish_lose_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when an editor replaces the file."""
    scene.end_batch()
    monkeypatch.setattr(telling, "find_settings", lambda: None)
    scene.teller().tell_all()
    assert scene.counts() == (1, 0, 0)


def test_a_damaged_notice_is_removed_once_its_batch_was_closed(scene: Scene) -> None:
    scene.end_batch()
    (notice,) = scene.all(Box.WAITING)
    damaged = scene.lab.spool.layout.notices("waiting") / replace(notice, id="0" * 32).name
    damaged.write_bytes(b"")
    scene.teller().tell_all()
    assert not damaged.exists()
    other = damaged.with_name(damaged.name.replace("~b~", "~unknown~"))
    other.write_bytes(b"")
    scene.teller().tell_all()
    assert other.exists()


def test_a_server_that_is_away_is_asked_again_later_and_not_for_each_notice(scene: Scene) -> None:
    scene.end_batch("b")
    scene.end_batch("c")
    channel = scene.channels[0]
    channel.outcomes = [Outcome(Verdict.LATER, "it doesn't answer", everybody=True), TOLD]
    teller = scene.teller()
    teller.tell_all()
    teller.tell_all()
    assert channel.calls == [("ns/b", 1)]
    (first, second) = scene.all(Box.WAITING)
    assert (first.tries, first.trouble) == (1, "matrix: it doesn't answer")
    assert 0 < first.next_at - time.time() < 60
    assert (second.tries, second.trouble) == (0, "")
    # Another host, or the same one after a restart, goes by what stands in the notice.
    scene.teller().tell_all()
    assert channel.calls[1:] == [("ns/c", 1)]
    scene.change(next_at=0.0)
    scene.teller().tell_all()
    assert channel.calls[2:] == [("ns/b", 2)]
    assert scene.counts() == (0, 2, 0)


def test_the_longer_it_was_tried_the_longer_it_rests_also_after_a_restart(scene: Scene) -> None:
    scene.end_batch()
    scene.channels[0].outcomes = [Outcome(Verdict.LATER, "it doesn't answer", everybody=True)]
    rests = []
    for _ in range(12):
        scene.teller().tell_all()
        (notice,) = scene.all(Box.WAITING)
        rests.append(notice.next_at - time.time())
        scene.change(next_at=0.0)
    assert rests[0] < 60 < 1000 < rests[8] < 5000
    assert max(rests) < 5000


def test_a_server_that_names_a_time_is_heeded(scene: Scene) -> None:
    scene.end_batch()
    scene.channels[0].outcomes = [Outcome(Verdict.LATER, "too fast", everybody=True, retry_after_s=2000.0)]
    scene.teller().tell_all()
    (notice,) = scene.all(Box.WAITING)
    assert 1990 < notice.next_at - time.time() < 2300


def test_a_refusal_is_final_and_kept_with_its_reason(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.end_batch()
    scene.channels[0].outcomes = [Outcome(Verdict.REFUSED, "the room is encrypted")]
    scene.teller().tell_all()
    scene.teller().tell_all()
    (notice,) = scene.all(Box.FAILED)
    assert notice.trouble == "matrix: the room is encrypted"
    assert len(scene.channels[0].calls) == 1
    assert "the room is encrypted" in caplog.text


def test_what_was_refused_and_is_moved_back_is_tried_again_at_once(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = Outcome(Verdict.REFUSED, "the room is encrypted")
    matrix, command = Channel("matrix", [refused, TOLD]), Channel("command")
    scene = arrange(lab, monkeypatch, [matrix, command])
    scene.end_batch()
    scene.teller().tell_all()
    (found,) = check(lab.spool, wait=lambda _: None)
    subprocess.run(shlex.split(found.next.partition(": ")[2]), check=True)
    scene.teller().tell_all()
    assert (len(matrix.calls), len(command.calls), scene.counts()) == (2, 1, (0, 1, 0))


def test_each_channel_is_asked_until_it_is_done_with(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    later = Outcome(Verdict.LATER, "away", everybody=True)
    matrix, command = Channel("matrix", [later, TOLD]), Channel("command")
    scene = arrange(lab, monkeypatch, [matrix, command])
    scene.end_batch()
    scene.teller().tell_all()
    scene.change(next_at=0.0)
    scene.teller().tell_all()
    assert (len(matrix.calls), len(command.calls), scene.counts()) == (2, 1, (0, 1, 0))


def test_one_channels_refusal_is_told_after_the_other_has_told(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    later, refused = Outcome(Verdict.LATER, "away"), Outcome(Verdict.REFUSED, "exit code 1")
    scene = arrange(lab, monkeypatch, [Channel("matrix", [later, TOLD]), Channel("command", [refused])])
    scene.end_batch()
    scene.teller().tell_all()
    assert scene.counts() == (1, 0, 0)
    scene.change(next_at=0.0)
    scene.teller().tell_all()
    assert [notice.trouble for notice in scene.all(Box.FAILED)] == ["command: exit code 1"]


def test_what_nobody_wants_to_hear_is_removed(scene: Scene) -> None:
    scene.end_batch(matrix="~")
    scene.teller().tell_all()
    assert (scene.channels[0].calls, scene.counts()) == ([], (0, 0, 0))


def test_settings_that_are_wrong_delay_and_are_told(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    scene.end_batch()

    def refuse(path: Path) -> Settings:
        raise BadSettings("the token file isn't safe", "others may read it", "type: chmod 600 token")

    with monkeypatch.context() as patching:
        patching.setattr(telling, "read_settings", refuse)
        teller = scene.teller()
        teller.tell_all()
        teller.tell_all()
    assert caplog.text.count("nobody can be told") == 1
    assert "others may read it; type: chmod 600 token" in scene.all(Box.WAITING)[0].trouble
    teller.tell_all()
    assert scene.counts() == (0, 1, 0)


@pytest.mark.parametrize(("matrix", "counts"), [(USER, (0, 0, 1)), ("~", (0, 0, 0))])
@pytest.mark.parametrize("configured", [True, False])
def test_what_is_too_old_is_given_up(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, configured: bool, matrix: str, counts: tuple[int, int, int]
) -> None:
    from spoold.notices import notifier

    scene.end_batch(matrix=matrix)
    scene.change(ended_at=time.time() - EXPIRY_S - 1)
    monkeypatch.setattr(notifier, "find_settings", lambda: Path("/notify.yaml") if configured else None)
    notices = Notifier(scene.lab.spool)
    notices.look(in_office=True)
    wait_until(lambda: scene.counts() == counts)
    notices.close()
    assert scene.channels[0].calls == []
    assert all("for a week" in notice.trouble for notice in scene.all(Box.FAILED))


def test_without_settings_it_waits_for_another_host_and_says_so_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from spoold.notices import notifier

    monkeypatch.setattr(notifier, "find_settings", lambda: None)
    notices = Notifier(scene.lab.spool)
    for name in ("b", "c"):
        scene.end_batch(name)
        notices.look(in_office=True, closed=True)
    assert scene.counts() == (2, 0, 0)
    assert caplog.text.count("no notify.yaml here") == 1


def test_an_idle_look_is_one_listing_and_seldom(lab: Lab) -> None:
    plan = Plan()
    spool = Spool(
        lab.spool.layout, FileOps(lab.spool.root, FaultyKernel(plan, "steward")), lab.spool.settings
    )
    notices = Notifier(spool)
    for _ in range(100):
        notices.look(in_office=True)
    assert [call.name for call in plan.calls] == ["listdir"]


@pytest.mark.usefixtures("hurry")
def test_every_call_may_fail_or_be_the_last_one(
    make: Callable[[], Lab], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever becomes of the calls of who tells: the message arrives, once, and is noted."""
    plan = Plan()
    tell_with_fault(arrange(make(), monkeypatch, [Channel()]), plan)
    found = list(points(plan.calls))
    assert len(found) > 60
    for number, call, fault in found:
        scene = arrange(make(), monkeypatch, [Channel()])
        tell_with_fault(scene, Plan(number, fault))
        assert (len(scene.channels[0].received), scene.counts()) == (1, (0, 1, 0)), (number, call, fault)


def tell_with_fault(scene: Scene, plan: Plan) -> None:
    scene.end_batch()
    spool = scene.lab.spool
    kernel = FaultyKernel(plan, "steward")
    try:
        scene.teller(Spool(spool.layout, FileOps(spool.root, kernel), spool.settings)).tell_all()
    except Crash:
        kernel.abandon()
    except Exception:  # noqa: BLE001 - the daemon logs it, and looks again later
        pass
    scene.change(next_at=0.0)
    scene.teller().tell_all()
