"""The spool's disk: errors for what was done, full disks, names in the way, readers beside a writer."""

from __future__ import annotations

import errno
import io
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from spoold import calls, faults, renaming
from spoold.fsops import FileOps, SpoolFull
from spoold.sweeping import sweep_private
from tests.spool.lab import Lab

Fail = Callable[..., None]
LYING = [errno.ENOENT, errno.EIO, errno.ESTALE]


@pytest.fixture
def ops(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> FileOps:
    monkeypatch.setattr(faults, "FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr(renaming, "FIRST_PAUSE_S", 0.0)
    return FileOps(lab.spool.root)


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> Fail:
    """``fail("rename", errno.EIO, done=True)``: the call of ``os`` does its work or not, and raises."""

    def arrange(call: str, number: int, done: bool, times: int = 1, module: Any = os) -> None:
        real, left = getattr(module, call), times

        def faulty(*arguments: Any, **options: Any) -> Any:
            nonlocal left
            if left == 0:
                return real(*arguments, **options)
            left -= 1
            if done:
                real(*arguments, **options)
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(module, call, faulty)

    return arrange


def files(ops: FileOps) -> tuple[Path, Path]:
    source, target = ops.root / "batches" / "source", ops.root / "finished" / "target"
    source.touch()
    return source, target


# Renames


def test_a_rename_is_done_once(ops: FileOps) -> None:
    source, target = files(ops)
    assert ops.move(source, target)
    assert not ops.move(source.with_name("never"), target.with_name("never"))
    assert target.exists()


@pytest.mark.parametrize("number", LYING)
def test_a_rename_that_was_done_and_reported_as_an_error_was_done(
    ops: FileOps, fail: Fail, number: int
) -> None:
    source, target = files(ops)
    fail("rename", number, done=True)
    assert ops.move(source, target)
    assert target.exists()
    assert not source.exists()


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE])
def test_a_rename_that_was_not_done_is_tried_again(ops: FileOps, fail: Fail, number: int) -> None:
    source, target = files(ops)
    fail("rename", number, done=False, times=2)
    assert ops.move(source, target)
    assert target.exists()


def test_a_file_system_that_does_not_recover_is_an_error(ops: FileOps, fail: Fail) -> None:
    source, target = files(ops)
    fail("rename", errno.EIO, done=False, times=100)
    with pytest.raises(OSError, match="Input/output"):
        ops.move(source, target)
    assert source.exists()


def test_somebody_else_was_first(ops: FileOps) -> None:
    source, target = files(ops)
    source.rename(source.with_name("theirs"))
    assert not ops.move(source, target)


def test_the_folder_of_the_target_is_missing(ops: FileOps) -> None:
    source, target = files(ops)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        ops.move(source, target.parent / "missing" / "target")
    assert source.exists()


def test_a_full_folder_in_the_way_is_left_alone(ops: FileOps) -> None:
    source, target = ops.root / "batches" / "source", ops.root / "finished" / "target"
    for folder in (source, target):
        folder.mkdir()
        (folder / "file").write_text(folder.name)
    with pytest.raises(FileExistsError):
        ops.move(source, target)
    assert (source / "file").read_text() == "source"
    assert (target / "file").read_text() == "target"


def test_a_file_in_the_way_of_a_folder(ops: FileOps) -> None:
    source, target = ops.root / "batches" / "source", ops.root / "finished" / "target"
    source.mkdir()
    target.touch()
    with pytest.raises(FileExistsError):
        ops.move(source, target)


@pytest.mark.parametrize("call", ["rename"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_no_space_for_a_rename(ops: FileOps, fail: Fail, call: str, number: int) -> None:
    source, target = files(ops)
    fail(call, number, done=False)
    with pytest.raises(SpoolFull, match=r"no space for .*target"):
        ops.move(source, target)


def test_a_folder_that_vanishes_before_the_rename(ops: FileOps, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = ops.root / "batches" / "source", ops.root / "finished" / "ns" / "target"
    source.touch()
    real, left = os.rename, 2

    def rename(one: Path, other: Path) -> None:
        nonlocal left
        if left:
            left -= 1
            other.parent.rmdir()
        real(one, other)

    monkeypatch.setattr(os, "rename", rename)
    assert ops.move_in(source, target)
    assert target.exists()
    assert left == 0


def test_a_folder_that_always_vanishes(ops: FileOps, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = ops.root / "batches" / "source", ops.root / "finished" / "ns" / "target"
    source.touch()
    real = os.rename

    def rename(one: Path, other: Path) -> None:
        other.parent.rmdir()
        real(one, other)

    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(FileNotFoundError, match="keeps vanishing"):
        ops.move_in(source, target)
    assert source.exists()


# Replacing


@pytest.mark.parametrize("number", LYING)
def test_a_replacement_that_was_done_and_reported_as_an_error(ops: FileOps, fail: Fail, number: int) -> None:
    path = ops.root / "nodes" / "record"
    path.write_bytes(b"old")
    fail("replace", number, done=True)
    ops.replace(path, b"new")
    assert path.read_bytes() == b"new"
    assert ops.names(ops.tmp) == []


def test_a_replacement_where_no_folder_is(ops: FileOps) -> None:
    with pytest.raises(FileNotFoundError):
        ops.replace(ops.root / "nodes" / "missing" / "record", b"new")
    assert ops.names(ops.tmp) == []


@pytest.mark.parametrize("call", ["replace", "open"])
def test_a_replacement_without_space_leaves_the_old_content(ops: FileOps, fail: Fail, call: str) -> None:
    path = ops.root / "nodes" / "record"
    path.write_bytes(b"old")
    fail(call, errno.ENOSPC, done=False)
    with pytest.raises(SpoolFull):
        ops.replace(path, b"new")
    assert path.read_bytes() == b"old"
    assert ops.names(ops.tmp) == []


def test_a_reader_beside_a_writer_sees_the_old_content_or_the_new(ops: FileOps) -> None:
    path = ops.root / "nodes" / "record"
    contents = [bytes([65 + i]) * (100_000 + i) for i in range(4)]
    ops.replace(path, contents[0])
    stop, seen = threading.Event(), set()

    def read() -> None:
        while not stop.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for i in range(200):
        ops.replace(path, contents[i % 4])
    stop.set()
    reader.join()
    assert seen <= set(contents)
    assert len(seen) > 1


# Space


class Full(io.BytesIO):
    """A source in the middle of which the disk is full."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell():
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().read(4)


def test_no_space_while_copying_writing_and_making(ops: FileOps, fail: Fail) -> None:
    with pytest.raises(SpoolFull):
        ops.copy_new(Full(b"12345678"), ops.private())
    fail("mkdir", errno.ENOSPC, done=False, times=2)
    with pytest.raises(SpoolFull):
        ops.make_folder(ops.root / "batches" / "ns")
    with pytest.raises(SpoolFull):
        ops.make_new_folder(ops.root / "batches" / "ns")
    fail("link", errno.EDQUOT, done=False)
    with pytest.raises(SpoolFull):
        ops.link_new(*files(ops))
    fail("open", errno.ENOSPC, done=False)
    with pytest.raises(SpoolFull):
        ops.write_new(ops.private(), b"data")


def test_a_failure_of_the_flush_is_told(ops: FileOps, monkeypatch: pytest.MonkeyPatch) -> None:
    class Kernel:
        def syncfs(self, fd: int) -> int:
            calls.ctypes.set_errno(errno.EIO)
            return -1

    ops.flush()
    monkeypatch.setattr(calls, "_libc", Kernel())
    with pytest.raises(OSError, match="Input/output"):
        ops.flush()


# Links and new files


def test_a_link_to_a_taken_name(ops: FileOps) -> None:
    source, target = files(ops)
    target.write_text("theirs")
    assert not ops.link_new(source, target)
    assert target.read_text() == "theirs"


def test_a_link_that_was_made_and_reported_as_there_already(ops: FileOps, fail: Fail) -> None:
    source, target = files(ops)
    fail("link", errno.EEXIST, done=True)
    assert ops.link_new(source, target)


def test_new_files_are_never_others(ops: FileOps) -> None:
    path = ops.root / "incoming" / "mark"
    ops.write_new(path, b"mine")
    for again in (lambda: ops.write_new(path, b""), lambda: ops.create(path)):
        with pytest.raises(FileExistsError):
            again()
    assert path.read_bytes() == b"mine"


def test_a_private_file_follows_no_link_and_keeps_nothing(ops: FileOps, tmp_path: Path) -> None:
    """Its name is nobody else's, so an exclusive creation, which is two messages on NFS, would tell nothing."""
    other, path = tmp_path / "other", ops.private()
    other.write_bytes(b"theirs")
    path.symlink_to(other)
    with pytest.raises(OSError, match="symbolic"):
        ops.write_new(path, b"mine")
    assert other.read_bytes() == b"theirs"
    path.unlink()
    ops.write_new(path, b"what an interrupted try left")
    ops.write_new(path, b"mine")
    assert path.read_bytes() == b"mine"


def test_a_copy_tells_size_hash_and_progress(ops: FileOps) -> None:
    told: list[int] = []
    copied = ops.copy_new(io.BytesIO(b"abc"), ops.private(), progress=told.append)
    assert copied.size_bytes == sum(told) == 3
    assert copied.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


# Folders


def test_folders_are_made_up_to_the_spools_own(ops: FileOps) -> None:
    ops.make_folder(ops.root / "nodes" / "n" / "logs" / "ns" / "b")
    assert (ops.root / "nodes" / "n" / "logs" / "ns" / "b").is_dir()


def test_nothing_is_made_where_the_spool_is_not_mounted(tmp_path: Path) -> None:
    ops = FileOps(tmp_path / "spool")
    for root_is_there in (False, True):
        if root_is_there:
            ops.root.mkdir()
        for path in ("batches/ns", "nodes/n", "archive/.staging/ns/b/j~1@n"):
            with pytest.raises(FileNotFoundError):
                ops.make_folder(ops.root / path)
            with pytest.raises(FileNotFoundError):
                ops.make_new_folder(ops.root / path)
        assert os.listdir(tmp_path) == (["spool"] if root_is_there else [])
    assert os.listdir(ops.root) == []


def test_a_shared_folder_whose_maker_died_before_it_set_the_mode_gets_it(ops: FileOps) -> None:
    path = ops.root / "nodes" / "n"
    path.mkdir(mode=0o755)
    ops.make_folder(path, 0o1777)
    assert path.stat().st_mode & 0o7777 == 0o1777
    plain = ops.root / "batches" / "ns"
    plain.mkdir(mode=0o700)
    ops.make_folder(plain)
    assert plain.stat().st_mode & 0o7777 == 0o700


def test_a_new_folder_is_new(ops: FileOps) -> None:
    ops.make_new_folder(ops.root / "archive" / "ns" / "b")
    with pytest.raises(FileExistsError):
        ops.make_new_folder(ops.root / "archive" / "ns" / "b")


@pytest.mark.parametrize("times", [1, 1000])
def test_a_folder_whose_parent_is_swept_meanwhile(
    ops: FileOps, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    path, real, left = ops.root / "archive" / ".staging" / "ns" / "b" / "j~1@n", Path.mkdir, times

    def mkdir(self: Path, *arguments: Any) -> None:
        nonlocal left
        if self == path and left and path.parent.exists():
            left -= 1
            path.parent.rmdir()
        real(self, *arguments)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    if times == 1:
        ops.make_new_folder(path)
        assert path.is_dir()
    else:
        with pytest.raises(FileNotFoundError, match="keeps vanishing"):
            ops.make_new_folder(path)


def test_only_an_empty_folder_is_removed(ops: FileOps) -> None:
    folder = ops.root / "batches" / "ns"
    (folder / "b").mkdir(parents=True)
    assert not ops.remove_empty(folder)
    (folder / "b").rmdir()
    assert ops.remove_empty(folder)
    assert not ops.remove_empty(folder)


def test_nobody_sees_half_of_a_tree_that_is_removed(ops: FileOps) -> None:
    folder = ops.root / "archive" / "ns"
    (folder / "b" / "j").mkdir(parents=True)
    steps: list[tuple[str, bool]] = []

    class Watched(FileOps):
        @contextmanager
        def step(self, operation: str, *paths: Path) -> Iterator[None]:
            yield
            steps.append((operation, folder.exists()))

    assert Watched(ops.root).remove_tree(folder)
    assert steps == [("rename", False), ("rmtree", False)]
    assert not ops.remove_tree(folder)
    assert ops.names(ops.tmp) == []


# Reading and leftovers


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE])
def test_a_stale_handle_is_opened_again(ops: FileOps, fail: Fail, number: int) -> None:
    path = ops.root / "nodes" / "record"
    path.write_bytes(b"content")
    fail("listdir", number, done=False)
    assert ops.names(path.parent) == ["record"]
    fail("open", number, done=False, times=2, module=io)
    assert ops.read(path) == b"content"
    assert ops.read(path.with_name("missing")) is None
    assert ops.read(path / "below") is None
    assert ops.names(path.with_name("missing")) == []


def test_leftovers_are_swept_by_the_servers_clock(lab: Lab) -> None:
    ops, tmp = lab.spool.ops, lab.spool.layout.tmp
    now = ops.server_time()
    for name, age_h in {"old": 25, "young": 23, "older": 48}.items():
        path = tmp / name
        if name == "older":
            (path / "deep").mkdir(parents=True)
            (path / "deep" / "file").touch()
        else:
            path.touch()
        os.utime(path, (now - age_h * 3600,) * 2)
    sweep_private(lab.spool)
    assert lab.private() == ["young"]
    assert abs(ops.server_time() - now) < 5
