"""The cache of inputs: each content is fetched once, checked, and kept while there is room."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from threading import Barrier, BrokenBarrierError, Thread

import pytest

from nodewatch.cache import Cache, CorruptObject, copy_checked
from spoold.records import Input
from spoold.spool import Spool, init_spool
from spoold.store import add_object
from spoold.tickets import State
from tests.lab import FAST, Lab


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return init_spool(tmp_path / "spool", FAST)


def put(spool: Spool, folder: Path, text: str) -> Input:
    source = folder / "source"
    source.write_text(text)
    with open(source, "rb", buffering=0) as opened:
        return add_object(spool, opened, "input", executable=False)


def test_the_longest_unused_goes_first(spool: Spool, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", most_bytes=25)
    one, two, three = (put(spool, tmp_path, letter * 10) for letter in "abc")
    for age_s, wanted in ((300, one), (200, two)):
        path = cache.fetch(spool, wanted)
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - age_s))
    # Used again: now `two` is the older one, and goes for `three`. What isn't in the store is served from here.
    spool.layout.store_object(one.sha256).unlink()
    assert cache.fetch(spool, one).read_text() == "a" * 10
    assert cache.fetch(spool, three).read_text() == "c" * 10
    assert {path.name for path in (tmp_path / "cache").iterdir()} == {one.sha256, three.sha256}
    # Larger than the whole cache, and yet it must be had.
    large = put(spool, tmp_path, "d" * 100)
    assert cache.fetch(spool, large).read_text() == "d" * 100
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [large.sha256]


def test_what_is_lent_stays_and_is_there_once(spool: Spool, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", most_bytes=15)
    image, other = (put(spool, tmp_path, letter * 10) for letter in "ab")
    cache.lend(spool, image, tmp_path / "lent")
    os.utime(tmp_path / "lent", (0, 0))
    # Another daemon finds it lent, too.
    cache = Cache(tmp_path / "cache", most_bytes=15)
    cache.fetch(spool, other)
    cache.lend(spool, image, tmp_path / "again")
    assert (tmp_path / "lent").samefile(tmp_path / "again")
    for name in ("lent", "again"):
        (tmp_path / name).unlink()
    cache.make_room(10)
    assert {path.name for path in (tmp_path / "cache").iterdir()} <= {other.sha256}
    with pytest.raises(FileNotFoundError):
        cache.lend(spool, image, tmp_path / "nowhere" / "lent")


def test_what_comes_is_not_removed_for_what_others_want(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = Cache(tmp_path / "cache", most_bytes=15)
    image, rename = put(spool, tmp_path, "a" * 10), os.rename

    def make_room_first(source: Path, target: Path) -> None:
        cache.make_room(10)
        rename(source, target)

    monkeypatch.setattr(os, "rename", make_room_first)
    assert cache.fetch(spool, image).read_text() == "a" * 10
    # What a daemon left that was killed goes.
    (tmp_path / "cache" / f".{image.sha256}.left").touch()
    Cache(tmp_path / "cache", most_bytes=15)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [image.sha256]


def test_a_cache_on_another_disk_lends_too(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(source: Path, target: Path) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), target)

    image = put(spool, tmp_path, "image")
    monkeypatch.setattr(os, "link", fail)
    Cache(tmp_path / "cache", most_bytes=100).lend(spool, image, tmp_path / "lent")
    assert (tmp_path / "lent").read_text() == "image"


def test_two_who_want_it_at_once_bring_it_once(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = Cache(tmp_path / "cache", most_bytes=1000)
    image = put(spool, tmp_path, "image")
    both, brought = Barrier(2), []

    def bring(source: Path, target: Path, sha256: str) -> None:
        brought.append(target)
        # The second one would come here too, if it didn't wait for us.
        with suppress(BrokenBarrierError):
            both.wait(0.3)
        copy_checked(source, target, sha256)

    monkeypatch.setattr("nodewatch.cache.copy_checked", bring)
    names = [tmp_path / "one", tmp_path / "two"]
    threads = [Thread(target=cache.lend, args=(spool, image, name)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(brought) == 1
    assert names[0].samefile(names[1])


@pytest.mark.parametrize("damage", ["change", "remove"])
def test_a_damaged_object_is_never_handed_out(spool: Spool, tmp_path: Path, damage: str) -> None:
    cache = Cache(tmp_path / "cache", most_bytes=1000)
    wanted = put(spool, tmp_path, "whole")
    place = spool.layout.store_object(wanted.sha256)
    place.unlink()
    if damage == "change":
        place.write_text("whale")
    with pytest.raises(CorruptObject, match=str(place)):
        cache.fetch(spool, wanted)
    assert not list((tmp_path / "cache").iterdir())


def test_in_a_lab(lab: Lab, tmp_path: Path) -> None:
    """Fetched once for many jobs; a running job keeps its inputs when the cache is emptied for others."""
    lab.steward()
    go = tmp_path / "go"
    wait = f"while ! test -e {go}; do sleep 0.05; done; cat input/*"
    jobs = dict.fromkeys("bcd", "cat input/*") | {"a": wait}
    files = {"one": "1" * 3000, "two": "2" * 3000}
    key = lab.batch(
        "cached", {"a": {"command": wait, "priority": 1}, **{j: jobs[j] for j in "bcd"}}, files=files
    )
    node = lab.node("alpha", "--no-steward", "--cache-size", "4000")
    lab.wait(lambda: lab.phase("alpha") == "running", 20, "it runs")
    assert sum(path.stat().st_size for path in (node.scratch / "cache").iterdir()) <= 4000
    for path in (node.scratch / "cache").iterdir():
        path.unlink()
    # What the node has of the batch serves all its jobs: the store isn't needed any more.
    for path in lab.spool.root.glob("store/*/*"):
        path.unlink()
    go.touch()
    lab.wait_finished(key)
    assert {lab.text(key, job, "stdout.txt") for job in "abcd"} == {"1" * 3000 + "2" * 3000}
    assert node.terminate() == 0

    key = lab.batch("damaged", {"a": "cat input/file"}, files={"file": "whole"})
    lab.wait(lambda: lab.tickets(key), 10, "it is admitted")
    (damaged,) = lab.spool.root.glob("store/*/*")
    damaged.chmod(0o644)
    damaged.write_text("whale")
    lab.node("alpha", "--no-steward", ready=False)
    lab.wait(lambda: str(damaged) in " ".join(lab.status("alpha").troubles), 10, "the node says so")
    # It isn't the job's fault: it waits for another try, here or on another node, and not in a hurry.
    assert lab.state(key, "a") in (State.PENDING, State.CLAIMED)
    damaged.write_text("whole")
    lab.wait_finished(key)
    assert lab.text(key, "a", "stdout.txt") == "whole"
