"""The steward on real folders: kills, lapsed nodes, retries, batches that can't be tended."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from filelock import SoftFileLease

from spoold.claims import claim
from spoold.codec import RecordError, encode
from spoold.layout import BatchFolder
from spoold.leases import LeaseWatch, make_lease, try_acquire
from spoold.losses import Loss, read_losses
from spoold.marks import remove_ineffective
from spoold.records import Outcome, RetryRequest
from spoold.retrying import carry_out, depths_of
from spoold.snapshot import BatchRef, kill_reason, read_jobs, read_node
from spoold.spool import Settings, Spool
from spoold.steward import Steward
from spoold.tickets import State, Ticket
from tests.spool.conftest import needs_root
from tests.spool.lab import NOBODY, Crash, Disk, Lab, as_user, crash_at, job_file, make_lab, once
from tests.support import wait_until

Make = Callable[[], Lab]
OTHER = 12345
#: File times are as coarse as that.
CLOCK_TICK_S = 0.01
#: Long enough for a holder that a busy machine keeps waiting.
LEASE = Settings(heartbeat_s=0.2, lease_s=2.5)


# Releasing, cancelling, closing


def test_a_batch_from_its_first_job_to_its_end(lab: Lab) -> None:
    ref = lab.submit("b", {"a": "", "c": "depends: [a]", "d": "depends: [c]", "e": "depends: [x]", "x": ""})
    steward = lab.sweep()
    lab.complete(ref, "a")
    lab.complete(ref, "x", Outcome.FAILED)
    assert steward.sweep()
    assert lab.tickets(ref) == {
        "held": ["d~1"],
        "pending": ["c~1"],
        "done": ["a~1@n1"],
        "failed": ["x~1@n1"],
        "cancelled": ["e~1"],
    }
    assert not steward.sweep()
    lab.complete(ref, "c")
    lab.sweep(steward)
    lab.complete(ref, "d")
    lab.sweep(steward)
    assert lab.ref("b").finished
    assert os.listdir(lab.spool.layout.batches) == []


def test_the_steward_closes_nothing_of_which_a_ticket_is_missing(lab: Lab) -> None:
    ref = lab.submit("b", {"a": "", "c": ""})
    lab.complete(ref, "a")
    ticket = lab.claim(ref, "c")
    hidden = lab.scratch / str(ticket)
    ref.folder.ticket(State.CLAIMED, ticket).rename(hidden)
    lab.sweep(times=3)
    assert not lab.ref("b").finished
    hidden.rename(ref.folder.ticket(State.DONE, ticket))
    lab.sweep()
    assert lab.ref("b").finished


def test_a_batch_that_cannot_be_tended_holds_up_no_other(lab: Lab) -> None:
    refs = {name: lab.submit(name, {"j": "", "k": "depends: [j]"}) for name in ("a", "b", "c", "d")}
    for ref in refs.values():
        lab.complete(ref, "j")
    refs["a"].folder.header.write_text("{")
    refs["b"].folder.jobs.write_text("[]")
    (refs["c"].folder.state(State.PENDING) / "k~1").mkdir()
    (refs["c"].folder.state(State.PENDING) / "k~1" / "in the way").touch()
    lab.sweep()
    assert lab.tickets(refs["d"]) == {"pending": ["k~1"], "done": ["j~1@n1"]}


def test_a_finished_batch_in_the_way_holds_up_no_other(lab: Lab) -> None:
    refs = {name: lab.submit(name, {"j": ""}) for name in ("a", "b")}
    (lab.spool.layout.finished / "ns" / "a" / "x").mkdir(parents=True)
    for ref in refs.values():
        lab.complete(ref, "j")
    lab.sweep()
    assert os.listdir(lab.spool.layout.batches / "ns") == ["a"]


# Kills


@needs_root
@pytest.mark.parametrize(
    ("mark", "owner", "hit"),
    [
        ("kill", NOBODY, True),
        ("kill", 0, True),
        ("kill", OTHER, False),
        ("kill~a", NOBODY, True),
        ("kill~a", OTHER, False),
        ("kill~zz", NOBODY, False),
        ("killed", NOBODY, False),
    ],
)
def test_only_its_submitter_the_service_and_root_cancel_a_batch(
    lab: Lab, mark: str, owner: int, hit: bool
) -> None:
    ref = lab.submit("b", {"a": ""}, NOBODY)
    (ref.folder.path / mark).write_text("wrong mesh\n")
    os.chown(ref.folder.path / mark, owner, owner)
    lab.sweep()
    assert lab.tickets(lab.ref("b")) == ({"cancelled": ["a~1"]} if hit else {"pending": ["a~1"]})


@needs_root
@pytest.mark.parametrize("name", ["kill", "kill~a"])
@pytest.mark.parametrize("make", [Path.touch, Path.mkdir, os.mkfifo], ids=["file", "folder", "pipe"])
def test_a_stranger_s_kill_is_in_nobody_s_way(lab: Lab, name: str, make: Callable[[Path], None]) -> None:
    mark = lab.submit("b", {"a": ""}, NOBODY).folder.path / name
    make(mark)
    os.chown(mark, OTHER, OTHER)
    lab.sweep()
    assert not os.path.lexists(mark)
    assert lab.private() == []
    as_user(NOBODY, mark.touch)
    lab.sweep()
    assert lab.tickets(lab.ref("b")) == {"cancelled": ["a~1"]}


@needs_root
def test_a_kill_that_replaces_a_stranger_s_counts(lab: Lab) -> None:
    """Between the steward's look and its rename."""
    ref = lab.submit("b", {"a": ""}, NOBODY)
    mark = ref.folder.kill()
    as_user(NOBODY, mark.touch)
    assert not remove_ineffective(lab.spool, mark, NOBODY)
    assert (mark.stat().st_uid, mark.stat().st_nlink) == (NOBODY, 1)
    assert not remove_ineffective(lab.spool, ref.folder.kill("a"), NOBODY)


def test_a_kill_waits_for_the_node_that_runs_the_job(lab: Lab) -> None:
    ref = lab.submit("b", {"a": "", "c": "", "d": "depends: [a]"})
    lab.claim(ref, "a")
    ref.folder.kill().write_text(" a reason \nmore")
    lab.sweep()
    assert lab.tickets(ref) == {"claimed": ["a~1@n1"], "cancelled": ["c~1", "d~1"]}
    assert kill_reason(lab.spool, ref.folder, "a") == "a reason"


def test_a_reason_is_read_from_a_plain_file_only(lab: Lab, tmp_path: Path) -> None:
    ref = lab.submit("b", {"a": ""})
    (tmp_path / "secret").write_text("secret")
    assert kill_reason(lab.spool, ref.folder, "a") == ""
    ref.folder.kill().symlink_to(tmp_path / "secret")
    assert kill_reason(lab.spool, ref.folder, "a") == ""
    os.mkfifo(ref.folder.kill("a"))
    assert kill_reason(lab.spool, ref.folder, "a") == ""
    ref.folder.kill("a").unlink()
    ref.folder.kill("a").mkdir()
    assert kill_reason(lab.spool, ref.folder, "a") == ""


def test_a_mark_that_is_a_second_name_of_a_file_cancels_nothing(lab: Lab) -> None:
    """Anybody may give a file of the submitter's such a name."""
    ref = lab.submit("b", {"a": ""})
    ref.folder.kill().hardlink_to(ref.folder.header)
    lab.sweep()
    assert lab.tickets(ref) == {"pending": ["a~1"]}


# Lapsed nodes


class Holder:
    """A process with a node's lease."""

    def __init__(self, lab: Lab, node: str, host: str) -> None:
        arguments = [sys.executable, "-m", "tests.spool.lease_holder", str(lab.spool.root), node, host]
        self._process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        assert self._process.stdout.readline() == "holding\n"

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        assert self._process.stdout
        self._process.stdout.close()


@pytest.fixture
def short(fast_folder: Path) -> Lab:
    return make_lab(fast_folder, LEASE)


@pytest.fixture
def hold(short: Lab) -> Iterator[Callable[[str, str], Holder]]:
    holders = []

    def start(node: str, host: str) -> Holder:
        holders.append(Holder(short, node, host))
        return holders[-1]

    yield start
    for holder in holders:
        holder.kill()


def claimed(lab: Lab, node: str) -> BatchRef:
    ref = lab.submit("b", {"a": ""})
    lab.claim(ref, "a", node)
    return ref


@pytest.mark.parametrize("host", ["elsewhere", ""])
def test_a_dead_nodes_job_is_given_back_after_its_lease_and_not_before(
    short: Lab, hold: Callable[[str, str], Holder], host: str
) -> None:
    """On the steward's own host too, where the lock's library would see at once that the holder is dead."""
    ref = claimed(short, "n1")
    holder = hold("n1", host or socket.gethostname())
    steward = Steward(short.reopen())
    alive_s = time.monotonic() + LEASE.lease_s + 3 * LEASE.heartbeat_s

    def seen() -> dict[str, list[str]]:
        steward.sweep()
        return short.tickets(ref)

    wait_until(lambda: seen() != {"claimed": ["a~1@n1"]} or time.monotonic() > alive_s)
    assert short.tickets(ref) == {"claimed": ["a~1@n1"]}
    holder.kill()
    # From its last refresh on, which may have been a while before: Unix seconds.
    refreshed_at = short.spool.layout.node("n1").lease.stat().st_mtime
    wait_until(lambda: seen() == {"pending": ["a~2"]}, what="the job is given back")
    assert time.time() - refreshed_at >= LEASE.lease_s - CLOCK_TICK_S
    steward.close()
    assert not list(short.spool.layout.node("n1").path.glob("lease*"))


def test_a_node_without_any_lease_is_given_its_time_too(short: Lab) -> None:
    """Its daemon was stopped and left its job running: the next daemon shall find that."""
    ref = claimed(short, "ghost")
    steward, began_s = Steward(short.reopen()), time.monotonic()

    def given_back() -> bool:
        steward.sweep()
        return short.tickets(ref) == {"pending": ["a~2"]}

    wait_until(given_back)
    assert time.monotonic() - began_s >= LEASE.lease_s


def test_a_sweep_that_is_cut_off_holds_no_dead_nodes_lease(
    short: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lease that stayed the steward's would look like a living node's, for ever."""
    ref = short.submit("b", {"a": "", "c": ""})
    for job, node in (("a", "n1"), ("c", "n2")):
        short.claim(ref, job, node)
    taken: list[SoftFileLease] = []

    def fail_at_the_second(lease: SoftFileLease) -> bool:
        taken.append(lease)
        if len(taken) == 2:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return try_acquire(lease)

    monkeypatch.setattr("spoold.steward.try_acquire", fail_at_the_second)
    steward, failures = Steward(short.reopen()), []

    def given_back() -> bool:
        try:
            steward.sweep()
        except OSError as error:
            failures.append(error)
        return short.tickets(ref) == {"pending": ["a~2", "c~2"]}

    wait_until(given_back, what="both jobs are given back")
    assert len(failures) == 1


@pytest.mark.parametrize("name", ["lease", "node.json"])
def test_a_pipe_where_a_record_or_a_lease_goes_blocks_nobody(short: Lab, name: str) -> None:
    ref = claimed(short, "n1")
    folder = short.spool.layout.node("n1").path
    folder.mkdir()
    os.mkfifo(folder / name)
    with pytest.raises(RecordError) if name == "node.json" else nullcontext():
        read_node(short.spool, "n1")
    steward = Steward(short.reopen())

    def given_back() -> bool:
        steward.sweep()
        return short.tickets(ref) == {"pending": ["a~2"]}

    wait_until(given_back)


def test_two_stewards_give_a_job_back_once(short: Lab, hold: Callable[[str, str], Holder]) -> None:
    ref = claimed(short, "n1")
    hold("n1", "elsewhere").kill()
    stewards = [Steward(short.reopen()) for _ in range(2)]

    def given_back() -> bool:
        for steward in stewards:
            steward.sweep()
        return short.tickets(ref) != {"claimed": ["a~1@n1"]}

    wait_until(given_back)
    for _ in range(3):
        given_back()
    assert short.tickets(ref) == {"pending": ["a~2"]}


def test_a_node_cannot_come_back_while_its_jobs_are_given_away(
    short: Lab, hold: Callable[[str, str], Holder]
) -> None:
    claimed(short, "n1")
    hold("n1", "elsewhere").kill()
    path = short.spool.layout.node("n1").lease
    refused: list[bool] = []

    def hook(when: str, number: int, operation: str, paths: tuple[Path, ...]) -> None:
        if operation == "rename" and paths[0].name == "a~1@n1":
            refused.append(not try_acquire(make_lease(path, LEASE)))

    steward = Steward(short.reopen(hook))
    wait_until(lambda: steward.sweep() and refused)
    assert all(refused)
    steward.sweep()
    back = make_lease(path, LEASE)
    assert try_acquire(back)
    back.release()


def test_who_lost_a_nodes_lease_meanwhile_gives_nothing_back(
    short: Lab, hold: Callable[[str, str], Holder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The steward stood still in the middle of its sweep, and the node came back."""
    ref = claimed(short, "n1")
    hold("n1", "elsewhere").kill()
    path = short.spool.layout.node("n1").lease
    back = make_lease(path, LEASE)

    def come_back(spool: Spool, folder: BatchFolder) -> list[Loss]:
        path.unlink()
        assert try_acquire(back)
        return read_losses(spool, folder)

    # What was lost before is read between the lease and the rename.
    monkeypatch.setattr("spoold.steward.read_losses", come_back)
    steward = Steward(short.reopen())
    wait_until(lambda: (steward.sweep(), back.is_locked)[1], what="the steward took the lease")
    assert short.tickets(ref) == {"claimed": ["a~1@n1"]}
    assert read_losses(short.spool, ref.folder) == []
    back.release()


def test_time_counts_only_while_the_observer_looks(tmp_path: Path) -> None:
    lease, watch = tmp_path / "lease", LeaseWatch(longest_gap_s=15.0)
    lease.touch()
    assert watch.look(lease, 0.0) == 0.0
    assert watch.look(lease, 10.0) == 10.0
    # The observer's host, or the file server, stood still for an hour.
    assert watch.look(lease, 3610.0) == 25.0
    os.utime(lease, (1, 1))
    assert watch.look(lease, 3620.0) == 0.0
    lease.unlink()
    assert watch.look(lease, 3621.0) == 0.0
    assert watch.look(lease, 3631.0) == 10.0
    lease.touch()
    assert watch.look(lease, 3632.0) == 0.0


def test_another_lease_duration_is_no_reason_to_stop(
    short: Lab, hold: Callable[[str, str], Holder], caplog: pytest.LogCaptureFixture
) -> None:
    hold("n1", "elsewhere")
    other = Settings(heartbeat_s=0.2, lease_s=9.0)
    assert not try_acquire(make_lease(short.spool.layout.node("n1").lease, other))
    assert "restart every daemon" in caplog.text


# Retries


def request(lab: Lab, *tickets: str, uid: int = 0, batch: str = "b", name: str = "r") -> None:
    path = lab.spool.layout.incoming / f"{name}.retry"
    path.write_bytes(encode(RetryRequest("ns", batch, tickets)))
    os.chown(path, uid, uid)


def ended(lab: Lab) -> BatchRef:
    """``a`` failed, so ``c`` and ``d`` were cancelled; ``e`` is done; the batch is finished."""
    ref = lab.submit("b", {"d": "depends: [c]", "c": "depends: [a]", "a": "", "e": ""})
    lab.complete(ref, "a", Outcome.FAILED)
    lab.complete(ref, "e")
    lab.sweep(times=3)
    assert lab.ref("b").finished
    return ref


ALL = ("a~1@n1", "c~1", "d~1")


def test_a_finished_batch_is_opened_again_and_ends_well(lab: Lab) -> None:
    ref = ended(lab)
    request(lab, *ALL)
    lab.sweep()
    assert not lab.ref("b").finished
    assert lab.tickets(ref) == {"held": ["c~2", "d~2"], "pending": ["a~2"], "done": ["e~1@n1"]}
    for job in ("a", "c", "d"):
        lab.complete(ref, job)
        lab.sweep()
    assert lab.ref("b").finished
    assert lab.tickets(lab.ref("b")) == {"done": ["a~2@n1", "c~2@n1", "d~2@n1", "e~1@n1"]}
    assert (lab.incoming(), lab.rejected()) == ([], {})


def test_a_request_names_attempts_so_that_a_repeat_does_nothing(lab: Lab) -> None:
    ref = ended(lab)
    assert carry_out(lab.spool, RetryRequest("ns", "b", ALL), 0)
    lab.complete(ref, "a", Outcome.FAILED)
    before = lab.tickets(ref)
    ref.folder.kill().touch()
    assert carry_out(lab.spool, RetryRequest("ns", "b", ALL), 0)
    assert lab.tickets(ref) == before
    assert ref.folder.kill().exists()
    assert carry_out(lab.spool, RetryRequest("ns", "b", ("e~1@n1", "zz~1")), 0)
    assert lab.tickets(ref) == before


def test_a_repeat_opens_no_finished_batch(lab: Lab) -> None:
    ended(lab)
    assert carry_out(lab.spool, RetryRequest("ns", "b", ("e~1@n1",)), 0)
    assert lab.ref("b").finished


@needs_root
def test_only_its_submitter_the_service_and_root_retry(lab: Lab) -> None:
    ref = lab.submit("b", {"a": "", "c": ""}, NOBODY)
    lab.complete(ref, "a", Outcome.FAILED)
    request(lab, "a~1@n1", uid=OTHER)
    lab.sweep()
    assert "ns/b belongs to nobody: only its submitter may retry it" in lab.rejected()["r.retry"]
    assert lab.tickets(ref) == {"pending": ["c~1"], "failed": ["a~1@n1"]}
    request(lab, "a~1@n1", uid=NOBODY, name="own")
    lab.sweep()
    assert lab.tickets(ref) == {"pending": ["a~2", "c~1"]}


def test_a_folder_where_a_kill_goes_cancels_nothing_and_keeps_nobody_from_a_retry(lab: Lab) -> None:
    ref = lab.submit("b", {"a": ""})
    ref.folder.kill().mkdir()
    ref.folder.kill("a").mkdir()
    lab.sweep()
    ticket = lab.complete(ref, "a", Outcome.FAILED)
    lab.sweep()
    assert carry_out(lab.spool, RetryRequest("ns", "b", (str(ticket),)), 0)
    lab.sweep()
    assert lab.tickets(lab.ref("b")) == {"pending": ["a~2"]}


def test_a_kill_and_failed_builds_of_the_past_do_not_hit_the_next_attempt(lab: Lab) -> None:
    ref = lab.submit("b", {"a": "", "c": ""})
    ref.folder.kill("a").touch()
    ref.folder.build_mark("n1", ok=False).touch()
    ref.folder.build_mark("n2", ok=True).touch()
    lab.sweep()
    assert lab.tickets(ref) == {"pending": ["c~1"], "cancelled": ["a~1"]}
    request(lab, "a~1")
    lab.sweep()
    assert lab.tickets(ref) == {"pending": ["a~2", "c~1"]}
    assert not ref.folder.kill("a").exists()
    assert os.listdir(ref.folder.builds) == ["n2.ok"]


def test_dependencies_move_first(lab: Lab) -> None:
    ref = ended(lab)
    moved: list[str] = []

    def hook(when: str, number: int, operation: str, paths: tuple[Path, ...]) -> None:
        if when == "before" and operation == "rename" and "~" in paths[0].name:
            moved.append(paths[0].name)

    assert carry_out(lab.reopen(hook), RetryRequest("ns", "b", tuple(reversed(ALL))), 0)
    assert moved == list(ALL)
    jobs = read_jobs(lab.spool, ref.folder)
    assert jobs is not None
    assert depths_of(jobs.jobs) == {"a": 0, "e": 0, "c": 1, "d": 2}


def retry_operations(make: Make) -> int:
    lab = make()
    ended(lab)
    request(lab, *ALL)
    disk = Disk(lab.spool.root)
    spool = lab.reopen()
    Steward(type(spool)(spool.layout, disk, spool.settings), lab.clock).sweep()
    return disk.count


def check_retried(lab: Lab) -> None:
    lab.sweep()
    ref = lab.ref("b")
    assert not ref.finished
    assert lab.tickets(ref) == {"held": ["c~2", "d~2"], "pending": ["a~2"], "done": ["e~1@n1"]}
    assert (lab.incoming(), lab.rejected()) == ([], {})


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_steward_that_dies_during_a_retry(make: Make, when: str) -> None:
    for number in range(1, retry_operations(make) + 1):
        lab = make()
        ended(lab)
        request(lab, *ALL)
        with pytest.raises(Crash):
            lab.steward(crash_at(when, number)).sweep()
        check_retried(lab)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_steward_that_closes_during_a_retry(make: Make, when: str) -> None:
    """Another one, that sees only ended jobs, or carries out the request too."""
    for number in range(1, retry_operations(make) + 1):
        lab = make()
        ended(lab)
        request(lab, *ALL)
        lab.steward(once(lambda: lab.steward().sweep(), number, when)).sweep()  # noqa: B023
        check_retried(lab)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("runs", [False, True])
def test_a_retry_during_a_close(make: Make, when: str, runs: bool) -> None:
    """The closing steward has seen every job's end; meanwhile one is retried, and maybe runs already."""
    for number in range(1, 6):
        lab = make()
        ref = lab.submit("b", {"a": ""})
        ticket = lab.complete(ref, "a", Outcome.FAILED)
        acted: list[object] = []

        def retry(lab: Lab = lab, ref: BatchRef = ref, acted: list[object] = acted) -> None:
            request(lab, "a~1@n1")
            lab.steward().sweep()
            acted.append(claim(lab.spool, ref.folder, Ticket("a", 2), "n2") if runs else None)

        assert ticket == Ticket("a", 1, "n1")
        lab.steward(once(retry, number, when)).sweep()
        assert acted
        lab.sweep()
        assert not lab.ref("b").finished, number
        expected = {"claimed": ["a~2@n2"]} if acted[0] else {"pending": ["a~2"]}
        assert (lab.tickets(ref), lab.incoming()) == (expected, []), number


# Full disks


def test_a_full_disk_stops_admission_and_nothing_else(lab: Lab) -> None:
    import errno

    ref = lab.submit("b", {"a": "", "c": "depends: [a]"})
    lab.complete(ref, "a")
    lab.drop("d.yaml", job_file("d", {"x": ""}))

    def full(when: str, number: int, operation: str, paths: tuple[Path, ...]) -> None:
        if operation in ("write", "copy", "mkdir"):
            raise OSError(errno.ENOSPC, "No space left on device")

    lab.sweep(lab.steward(full), times=3)
    assert lab.tickets(ref) == {"pending": ["c~1"], "done": ["a~1@n1"]}
    assert (lab.incoming(), lab.rejected()) == (["d.yaml"], {})
    lab.sweep()
    assert lab.ref("d")
