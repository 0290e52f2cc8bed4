"""A drop is admitted once and whole, or rejected whole with every reason; never half, never twice."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from distribute_compute_config.loading import load_bytes
from spoold.admission import clear, take_in
from spoold.bundles import collect, drop_bundle
from spoold.codec import encode
from spoold.drops import look_at
from spoold.records import Outcome, RetryRequest
from spoold.snapshot import find_batch, read_header, read_jobs
from spoold.spool import Settings
from tests.spool.conftest import needs_root
from tests.spool.lab import NOBODY, Clock, Crash, Disk, Lab, as_user, crash_at, job_file, make_lab, once, tree

Make = Callable[[], Lab]
ONE = {"a": ""}


def needing(path: str, batch: str = "b") -> str:
    return job_file(batch, {"a": f"required_files: [{{path: '{path}', alias: in.dat}}]"})


def store(lab: Lab) -> list[bytes]:
    return [p.read_bytes() for p in sorted((lab.spool.root / "store").rglob("*")) if p.is_file()]


# The ordinary case


def test_a_job_file_becomes_a_batch_and_is_cleared(lab: Lab) -> None:
    ref = lab.submit("b", {"a": "priority: 3, retries: 2", "c": "depends: [a]"})
    assert lab.tickets(ref) == {"held": ["c~1"], "pending": ["a~1"]}
    header, jobs = read_header(lab.spool, ref.folder), read_jobs(lab.spool, ref.folder)
    assert header is not None and jobs is not None
    assert (header.submitter_uid, header.jobs_total, header.kind) == (os.getuid(), 2, "command")
    assert [(j.name, j.priority, j.retries, j.depends) for j in jobs.jobs] == [
        ("a", 3, 2, ()),
        ("c", 0, 0, ("a",)),
    ]
    assert (lab.incoming(), lab.private(), lab.rejected()) == ([], [], {})


@needs_root
def test_the_submitter_is_the_owner_of_the_file(lab: Lab) -> None:
    header = read_header(lab.spool, lab.submit("b", ONE, NOBODY).folder)
    assert header is not None
    assert (header.submitter_uid, header.submitter) == (NOBODY, "nobody")


def test_inputs_are_snapshotted(lab: Lab, tmp_path: Path) -> None:
    given = tmp_path / "in.dat"
    given.write_text("first")
    given.chmod(0o755)
    lab.drop("b.yaml", needing(str(given)))
    lab.sweep()
    given.write_text("second")
    jobs = read_jobs(lab.spool, lab.ref("b").folder)
    assert jobs is not None
    (entry,) = jobs.jobs[0].inputs
    stored = lab.spool.layout.store_object(entry.sha256)
    assert (entry.name, entry.size_bytes, entry.executable) == ("in.dat", 5, True)
    assert stored.read_text() == "first"
    assert stored.stat().st_mode & 0o777 == 0o444


@pytest.mark.parametrize("left", [b"", b"\0" * len("content"), b"Content"])
def test_a_store_object_damaged_by_a_power_failure_is_mended(lab: Lab, tmp_path: Path, left: bytes) -> None:
    (tmp_path / "in.dat").write_text("content")
    lab.drop("b.yaml", needing(str(tmp_path / "in.dat")))
    lab.sweep()
    (stored,) = [p for p in (lab.spool.root / "store").rglob("*") if p.is_file()]
    stored.chmod(0o644)
    stored.write_bytes(left)
    lab.drop("c.yaml", needing(str(tmp_path / "in.dat"), "c"))
    lab.sweep()
    assert lab.ref("c")
    assert store(lab) == [b"content"]
    (stored,) = [p for p in (lab.spool.root / "store").rglob("*") if p.is_file()]
    assert stored.stat().st_mode & 0o777 == 0o444


def test_a_store_object_that_is_whole_stays(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "in.dat").write_text("content")
    inodes = set()
    for batch in ("b", "c"):
        lab.drop(f"{batch}.yaml", needing(str(tmp_path / "in.dat"), batch))
        lab.sweep()
        (stored,) = [p for p in (lab.spool.root / "store").rglob("*") if p.is_file()]
        inodes.add(stored.stat().st_ino)
    assert len(inodes) == 1


# When a drop is complete


def test_a_drop_settles_first(lab: Lab) -> None:
    lab.drop("b.yaml", job_file("b", ONE))
    steward = lab.steward()
    for _ in range(3):
        steward.sweep()
    assert steward.expects_change
    assert find_batch(lab.spool, "ns", "b") is None
    lab.clock.now_s += 2.0
    steward.sweep()
    assert not steward.expects_change
    assert find_batch(lab.spool, "ns", "b")


def test_half_a_file_is_neither_admitted_nor_rejected(lab: Lab) -> None:
    text = job_file("b", ONE)
    steward = lab.steward()
    with open(lab.spool.layout.incoming / "b.yaml", "w") as file:
        file.write(text[: len(text) // 2])
        file.flush()
        # Far longer than it takes to settle: on a local disk whoever has it open is seen.
        lab.sweep(steward, times=5)
        assert (lab.incoming(), lab.rejected(), find_batch(lab.spool, "ns", "b")) == (["b.yaml"], {}, None)
        file.write(text[len(text) // 2 :])
    lab.sweep(steward)
    assert lab.tickets(lab.ref("b")) == {"pending": ["a~1"]}


def test_a_slow_copy_on_a_shared_disk_settles_by_its_changes(lab: Lab) -> None:
    text, path = job_file("b", ONE), lab.spool.layout.incoming / "b.yaml"
    steward = lab.steward()
    for end in range(10, len(text), 25):
        path.write_text(text[:end])
        steward.sweep()
        lab.clock.now_s += 1.9
    assert (lab.rejected(), find_batch(lab.spool, "ns", "b")) == ({}, None)
    path.write_text(text)
    lab.sweep(steward)
    assert lab.ref("b")


def test_a_drop_that_arrives_by_rename_under_a_hidden_name(lab: Lab) -> None:
    hidden = lab.drop(".b.yaml.part", job_file("b", ONE))
    steward = lab.sweep(times=4)
    assert lab.incoming() == [".b.yaml.part"]
    hidden.rename(hidden.with_name("b.yaml"))
    lab.sweep(steward)
    assert lab.ref("b")


def test_a_writer_that_comes_between_two_calls_does_not_kill_the_steward(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel signals the holder of a read lease when a writer comes: by default that ends a process."""
    from spoold import drops

    path = lab.drop("b.yaml", job_file("b", ONE))
    drop = look_at(lab.spool, "b.yaml")
    assert drop is not None
    real = drops.fcntl.fcntl

    def fcntl(handle: int, command: int, value: int = 0) -> int:
        if (command, value) == (drops.fcntl.F_SETLEASE, drops.fcntl.F_UNLCK):
            with pytest.raises(BlockingIOError):
                os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        return real(handle, command, value)

    monkeypatch.setattr(drops.fcntl, "fcntl", fcntl)
    as_user(os.getuid(), lambda: drops.being_written(drop))


def test_files_that_are_no_drops_are_left_alone(lab: Lab, tmp_path: Path) -> None:
    incoming = lab.spool.layout.incoming
    target = lab.scratch / "linked.yaml"
    target.write_text(job_file("linked", ONE))
    (incoming / "link.yaml").symlink_to(target)
    (incoming / "linked").symlink_to(lab.scratch)
    os.mkfifo(incoming / "pipe.yaml")
    (incoming / "mesh.dat").write_text("an input")
    (incoming / ".hidden.yaml").write_text("{")
    names = lab.incoming()
    steward = lab.sweep(times=4)
    assert (lab.incoming(), lab.rejected()) == (names, {})
    assert find_batch(lab.spool, "ns", "linked") is None
    assert not steward.expects_change


def test_a_file_swapped_while_it_is_read_is_looked_at_again(lab: Lab) -> None:
    """Its owner was told by what was opened first: it isn't the owner of what was opened next."""
    lab.drop("b.yaml", job_file("b", ONE))
    drop = look_at(lab.spool, "b.yaml")
    assert drop is not None
    other = lab.drop(".other", job_file("c", ONE))
    other.rename(drop.path)
    assert take_in(lab.spool, drop) is None
    assert (lab.incoming(), lab.rejected()) == (["b.yaml"], {})
    lab.sweep()
    assert lab.ref("c")
    assert find_batch(lab.spool, "ns", "b") is None


# Bad input


BAD_TEXTS = {
    "broken": ("meta: [\n", r"broken\.yaml:\d+:\d+: "),
    "empty": ("", r"empty\.yaml:1:1: job file: it is empty"),
    "binary": ("\0\1\2", r"binary\.yaml:\d+:\d+: "),
    "slash": (job_file("a/b", ONE), r"slash\.yaml:1:20: meta\.batch_name: .*a name is"),
    "dots": (job_file("..", ONE), r"meta\.batch_name: .*a name is"),
    "hidden": (job_file(".b", ONE), r"meta\.batch_name: .*a name is"),
    "control": (job_file('"a\\x07b"', ONE), r"meta\.batch_name: .*a name is"),
    "long": (job_file("b" * 300, ONE), r"meta\.batch_name: .*a name is"),
    "job": (job_file("b", {"'../x'": ""}), r"command\.jobs\[0\]\.name: .*a name is"),
    "twice": (job_file("b", {"a": "", "'a'": ""}), r"belongs to job"),
    "depends": (job_file("b", {"a": "depends: [zz]"}), r"there is no job"),
    "surrogate": (job_file('"\\ud800"', ONE), r"surrogate\.yaml:\d+:\d+: "),
    "path": (needing("\\ud800/x\\0"), r"path\.yaml:\d+:\d+: "),
    "header": (job_file("b", {"batch.json": ""}), r"no job can be called batch\.json"),
    "output": (job_file("b", {"b_build_output-n1.txt": ""}), r"no job can be called"),
}


@pytest.mark.parametrize("name", BAD_TEXTS)
def test_a_bad_job_file_is_rejected_whole_and_the_steward_goes_on(lab: Lab, name: str) -> None:
    import re

    text, pattern = BAD_TEXTS[name]
    before = {p: c for p, c in tree(lab.spool.root).items() if not p.startswith("rejected/")}
    lab.drop(f"{name}.yaml", text)
    steward = lab.sweep()
    assert re.search(pattern, lab.rejected()[f"{name}.yaml"]), lab.rejected()
    assert (lab.spool.layout.rejected / f"{name}.yaml").read_text() == text
    assert {p: c for p, c in tree(lab.spool.root).items() if not p.startswith("rejected/")} == before
    lab.drop("good.yaml", job_file("good", ONE))
    lab.sweep(steward)
    assert lab.ref("good")
    assert not steward.expects_change


def test_a_reason_is_on_stable_storage_before_its_drop_leaves(lab: Lab) -> None:
    done: list[str] = []

    def hook(when: str, number: int, operation: str, paths: tuple[Path, ...]) -> None:
        if when == "after" and (operation in ("replace", "flush") or paths[0].name == "b.yaml"):
            done.append(operation)

    lab.drop("b.yaml", "{")
    lab.sweep(lab.steward(hook))
    assert done == ["replace", "flush", "rename"]
    assert lab.rejected()["b.yaml"]


def nested_headers(kind: bytes) -> bytes:
    entry = tarfile.TarInfo("name")
    entry.type, entry.size = kind, 512
    return (entry.tobuf(tarfile.GNU_FORMAT) + b"11 path=ab\n".ljust(512, b"\0")) * 2000


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE])
def test_a_bundle_of_nested_headers_is_rejected(lab: Lab, kind: bytes) -> None:
    (lab.spool.layout.incoming / "x.bundle").write_bytes(nested_headers(kind))
    lab.sweep()
    assert "is no bundle" in lab.rejected()["x.bundle"]


@pytest.mark.parametrize(
    ("manifest", "why"),
    [
        ("{", "isn't JSON"),
        ('{"source": "x"}', "of another form"),
        ('{"source": "x", "files": []}', "of another form"),
        ('{"source": "x", "files": {"a": {"name": "a"}}}', ""),
    ],
)
def test_a_bundle_with_a_broken_manifest(lab: Lab, manifest: str, why: str) -> None:
    with tarfile.open(lab.spool.layout.incoming / "x.bundle", "w:") as tar:
        entry = tarfile.TarInfo("manifest.json")
        entry.size = len(manifest)
        tar.addfile(entry, io.BytesIO(manifest.encode()))
    lab.sweep()
    reason = lab.rejected()["x.bundle"]
    assert reason.startswith("x.bundle is no bundle: its manifest.json is no BundleManifest: ")
    assert why in reason
    for word in ("Error:", "__init__", "attribute"):
        assert word not in reason


@pytest.mark.parametrize("name", ["x.yaml", "x.retry"])
def test_a_file_of_somebody_else_under_a_second_name_says_nothing(lab: Lab, name: str) -> None:
    ref = lab.submit("b", ONE)
    ticket = lab.complete(ref, "a", Outcome.FAILED)
    own = lab.scratch / name
    own.write_bytes(
        job_file("other", ONE).encode()
        if name == "x.yaml"
        else encode(RetryRequest("ns", "b", (str(ticket),)))
    )
    (lab.spool.layout.incoming / name).hardlink_to(own)
    lab.sweep()
    assert "is a hard link" in lab.rejected()[name]
    assert lab.tickets(lab.ref("b")) == {"failed": ["a~1@n1"]}
    assert find_batch(lab.spool, "ns", "other") is None


@needs_root
def test_nobody_gets_a_foot_in_a_batch_that_is_being_made(lab: Lab) -> None:
    """Its folder is open to all only once everything stands in it."""
    tried = []

    def plant(when: str, number: int, operation: str, paths: tuple[Path, ...]) -> None:
        for place in lab.spool.layout.tmp.glob("*/.admitted"):
            if not (place / "losses").exists():
                tried.append(place)
                with pytest.raises(AssertionError, match="PermissionError"):
                    as_user(NOBODY, (place / "mine").mkdir)

    lab.drop("b.yaml", job_file("b", ONE))
    lab.sweep(lab.steward(plant))
    assert tried
    assert lab.ref("b").folder.path.stat().st_mode & 0o7777 == 0o1777


def test_a_bundle_whose_header_claims_gigabytes_is_rejected(lab: Lab) -> None:
    entry = tarfile.TarInfo("name")
    entry.type, entry.size = tarfile.XHDTYPE, 1 << 34
    with open(lab.spool.layout.incoming / "x.bundle", "wb") as file:
        file.write(entry.tobuf(tarfile.GNU_FORMAT))
        file.truncate(entry.size + 4096)
    lab.sweep()
    assert "has 17179869184 bytes" in lab.rejected()["x.bundle"]


def test_every_error_is_told_with_its_line(lab: Lab) -> None:
    lab.drop("b.yaml", job_file("a/b", {"a": "nice: 3", "c": "depends: [zz], retries: x"}))
    lab.sweep()
    text = lab.rejected()["b.yaml"]
    places = [line.split(": ")[0] for line in text.splitlines() if line.startswith("b.yaml:")]
    assert [p.split(":")[1] for p in places] == ["1", "4", "5", "5"], text
    assert "submitted by" in text


def test_every_missing_input_is_told_with_its_path(lab: Lab, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_text("x")
    jobs = {
        "a": f"required_files: [{tmp_path}/gone.dat, {there}]",
        "c": f"required_files: [{tmp_path}, missing.dat]",
        "d": "required_files: [{path: /dev/zero, alias: zero}, ../spool.yaml]",
    }
    lab.drop("b.yaml", job_file("b", jobs))
    lab.sweep()
    text = lab.rejected()["b.yaml"]
    for expected in (
        f"b.yaml:4:51: command.jobs[0].required_files[0]: {tmp_path}/gone.dat: no such file or directory",
        f"{tmp_path}: not a regular file",
        "missing.dat: no such file or directory; it is looked for beside the job file in incoming/",
        "/dev/zero: not a regular file",
        "../spool.yaml: it leaves the folder of the job file",
    ):
        assert expected in text, text
    assert str(there) not in text
    assert find_batch(lab.spool, "ns", "b") is None


def test_missing_inputs_are_told_beside_the_mistakes_of_the_text(lab: Lab, tmp_path: Path) -> None:
    lab.drop("b.yaml", needing(f"{tmp_path}/gone.dat").replace("command: ", "comand: ", 1))
    lab.sweep()
    text = lab.rejected()["b.yaml"]
    assert "comand: there is no such key" in text
    place = f"command.jobs[0].required_files[0]: {tmp_path}/gone.dat"
    assert f"{place}: no such file or directory; write the path of a file that you can read" in text
    assert store(lab) == []


@needs_root
@pytest.mark.parametrize("way", ["straight", "through a link", "by a link"])
def test_nobody_learns_which_files_are_in_a_folder_that_is_closed_to_him(lab: Lab, way: str) -> None:
    lab.scratch.chmod(0o755)
    closed = lab.scratch / "closed"
    closed.mkdir(mode=0o700)
    (closed / "there").write_text("x")
    (lab.scratch / "open").write_text("open")
    (closed / "there.link").symlink_to(lab.scratch / "open")
    (lab.scratch / "way").symlink_to("closed")
    place = lab.scratch / "way" if way == "through a link" else closed
    ending = ".link" if way == "by a link" else ""
    answers = set()
    for name in ("there", "gone"):
        lab.drop(f"{name}.yaml", needing(f"{place}/{name}{ending}", name), NOBODY)
        lab.sweep()
        answers.add(lab.rejected()[f"{name}.yaml"].split("\n\n")[0].replace(name, "NAME"))
    (answer,) = answers
    assert f"may not look into {closed};" in answer


@needs_root
def test_links_and_dots_are_followed_as_their_owner_would(lab: Lab) -> None:
    lab.scratch.chmod(0o755)
    (lab.scratch / "in").mkdir(mode=0o755)
    (lab.scratch / "data").write_text("data")
    (lab.scratch / "in" / "up").symlink_to("../data")
    (lab.scratch / "loop").symlink_to("loop")
    lab.drop("up.yaml", needing(f"{lab.scratch}/in/../in/up", "up"), NOBODY)
    lab.drop("loop.yaml", needing(f"{lab.scratch}/loop", "loop"), NOBODY)
    lab.sweep()
    assert store(lab) == [b"data"]
    assert "too many levels of symbolic links" in lab.rejected()["loop.yaml"]


def test_a_pipe_named_as_an_input_blocks_nobody(lab: Lab, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    lab.drop("b.yaml", needing(str(tmp_path / "pipe")))
    lab.sweep()
    assert "not a regular file" in lab.rejected()["b.yaml"]


def test_too_many_jobs(fast_folder: Path) -> None:
    lab = make_lab(fast_folder, Settings(max_jobs=2))
    lab.drop("b.yaml", job_file("b", {"a": "", "c": "", "d": ""}))
    lab.sweep()
    assert "3 jobs: a batch may have 2" in lab.rejected()["b.yaml"]


@pytest.mark.parametrize("name", ["a\n\x1b[31mb.yaml", "a\tb.bundle", "\udcff.yaml"])
def test_a_drop_with_a_strange_name(lab: Lab, caplog: pytest.LogCaptureFixture, name: str) -> None:
    lab.drop(name, job_file("b", ONE))
    lab.sweep()
    (reason,) = lab.rejected().values()
    assert "it holds a control character, or another one that can't be shown" in reason
    assert caplog.messages
    assert all(message.isprintable() for message in caplog.messages)
    assert lab.incoming() == []


@pytest.mark.parametrize("ending", [".yaml", ".retry", ".bundle"])
def test_the_longest_name_of_a_drop_can_be_rejected(lab: Lab, ending: str) -> None:
    name = "é" * ((255 - len(ending)) // 2) + ending
    lab.drop(name, "{")
    steward = lab.sweep()
    ((kept, reason),) = lab.rejected().items()
    assert reason
    assert (lab.spool.layout.rejected / kept).read_text() == "{"
    assert lab.incoming() == []
    assert not steward.expects_change


def test_a_second_rejected_drop_of_one_name_keeps_the_first(lab: Lab) -> None:
    for text in ("[1", "[2", "[3"):
        lab.drop("b.yaml", text)
        lab.sweep()
    kept = [p.read_text() for p in lab.spool.layout.rejected.iterdir() if "reason" not in p.name]
    assert sorted(kept) == ["[1", "[2", "[3"]
    assert len(lab.rejected()) == 3


# Whose files


@needs_root
@pytest.mark.parametrize("way", ["file", "folder", "link", "beside"])
def test_a_bare_job_file_may_name_only_what_its_owner_can_read(lab: Lab, tmp_path: Path, way: str) -> None:
    # pytest's own folders are closed to others.
    place = lab.scratch / "secrets"
    place.mkdir(mode=0o755)
    secret = place / "secret"
    secret.write_text("root's secret")
    secret.chmod(0o600)
    named = secret
    if way == "folder":
        secret.chmod(0o644)
        place.chmod(0o700)
    elif way == "link":
        named = lab.scratch / "innocent"
        named.symlink_to(secret)
    elif way == "beside":
        named = lab.spool.layout.incoming / "secret"
        secret.rename(named)
    lab.drop("b.yaml", needing("secret" if way == "beside" else str(named)), NOBODY)
    lab.sweep()
    assert "may not" in lab.rejected()["b.yaml"]
    assert store(lab) == []
    assert find_batch(lab.spool, "ns", "b") is None


@needs_root
def test_what_the_owner_can_read_is_taken(lab: Lab) -> None:
    lab.scratch.chmod(0o755)
    for name, mode, uid in (("open", 0o644, 0), ("own", 0o600, NOBODY)):
        path = lab.scratch / name
        path.write_text(name)
        path.chmod(mode)
        os.chown(path, uid, 0)
        lab.drop(f"{name}.yaml", needing(str(path), name), NOBODY)
    lab.sweep()
    assert lab.rejected() == {}
    assert sorted(store(lab)) == [b"open", b"own"]


# Bundles


def test_a_bundle_is_on_stable_storage_when_its_owner_is_told(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: (done.append("fsync"), real(handle)))

    def hook(when: str, number: int, operation: str, paths: tuple[Path, ...]) -> None:
        if when == "after":
            done.append(operation)

    loaded = load_bytes(job_file("b", ONE).encode(), "job.yaml")
    drop_bundle(lab.reopen(hook), collect(loaded, lab.scratch), "bundled")
    assert done == ["fsync", "write", "link", "flush", "unlink"]
    lab.sweep()
    assert lab.ref("b")


# Folders


def folder_drop(lab: Lab, text: str, name: str = "drop") -> Path:
    folder = lab.spool.layout.incoming / name
    folder.mkdir()
    (folder / "job.yaml").write_text(text)
    return folder


def test_a_folder_with_its_inputs(lab: Lab) -> None:
    folder = folder_drop(lab, needing("mesh/in.dat"))
    (folder / "mesh").mkdir()
    (folder / "mesh" / "in.dat").write_text("mesh")
    lab.sweep()
    assert lab.ref("b")
    assert store(lab) == [b"mesh"]
    assert (lab.incoming(), lab.private()) == ([], [])


def test_a_folder_settles_with_all_that_is_in_it(lab: Lab) -> None:
    folder = folder_drop(lab, needing("deep/in.dat"))
    (folder / "deep").mkdir()
    steward = lab.steward()
    for size in range(1, 5):
        (folder / "deep" / "in.dat").write_text("x" * size)
        steward.sweep()
        lab.clock.now_s += 1.9
    assert find_batch(lab.spool, "ns", "b") is None
    lab.sweep(steward)
    assert store(lab) == [b"xxxx"]


@pytest.mark.parametrize("path", ["../secret", "deep/../../secret", "link", "out/secret"])
def test_a_folder_reaches_nothing_outside(lab: Lab, path: str) -> None:
    (lab.spool.layout.incoming / "secret").write_text("beside")
    folder = folder_drop(lab, needing(path))
    (folder / "deep").mkdir()
    (folder / "link").symlink_to("../secret")
    (folder / "out").symlink_to("..")
    lab.sweep()
    reason = lab.rejected()["drop"]
    assert f"{path}: " in reason
    assert ("is a link, and links aren't followed here" in reason) is (path in ("link", "out/secret"))
    assert store(lab) == []
    assert (lab.spool.layout.rejected / "drop" / "job.yaml").exists()


@pytest.mark.parametrize("count", [0, 2])
def test_a_folder_without_one_job_file(lab: Lab, count: int) -> None:
    folder = lab.spool.layout.incoming / "drop"
    folder.mkdir()
    for index in range(count):
        (folder / f"{index}.yaml").write_text(job_file(f"b{index}", ONE))
    steward = lab.sweep()
    found = "0.yaml, 1.yaml" if count else "none"
    assert f"found: {found}" in lab.rejected()["drop"]
    (lab.spool.layout.rejected / "drop").rename(lab.spool.layout.incoming / "again")
    (lab.spool.layout.incoming / "again" / "distribute-jobs.yaml").write_text(job_file("named", ONE))
    lab.sweep(steward)
    assert lab.ref("named")


def test_a_folder_nested_deeper_than_calls_can_be(lab: Lab) -> None:
    folder = lab.spool.layout.incoming / "deep"
    subprocess.run(["mkdir", "-p", folder / "/".join(["d"] * 1500)], check=True)
    (folder / "job.yaml").write_text(job_file("b", ONE))
    lab.sweep(times=3)
    assert lab.ref("b")
    assert lab.incoming() == lab.private() == []


@needs_root
def test_a_folder_that_only_its_owner_can_move_is_dealt_with_once(fast_folder: Path) -> None:
    """The service user isn't root in a lab, and to move a folder one must be allowed to write in it."""
    os.chown(fast_folder, NOBODY, NOBODY)
    as_user(NOBODY, lambda: make_lab(fast_folder))
    incoming = fast_folder / "spool" / "incoming"
    for name, text in {"good": job_file("b", ONE), "bad": "{", "closed": job_file("c", ONE)}.items():
        (incoming / name).mkdir()
        (incoming / name / "job.yaml").write_text(text)
    (incoming / "closed").chmod(0o700)

    def serve() -> None:
        from spoold.spool import open_spool

        lab = Lab(open_spool(fast_folder / "spool"), fast_folder / "scratch", Clock())
        steward = lab.sweep()
        assert lab.ref("b")
        assert sorted(lab.rejected()) == ["bad", "closed"]
        assert not steward.expects_change
        notes = {p: p.stat().st_mtime_ns for p in lab.spool.layout.rejected.iterdir()}
        lab.sweep(steward, times=3)
        assert {p: p.stat().st_mtime_ns for p in lab.spool.layout.rejected.iterdir()} == notes
        assert (lab.private(), lab.incoming()) == ([], ["bad", "closed", "good"])

    as_user(NOBODY, serve)


# Duplicates


def test_a_batch_of_that_name_is_refused_and_nothing_is_touched(lab: Lab) -> None:
    ref = lab.submit("b", ONE)
    before = {p: c for p, c in tree(lab.spool.root).items() if not p.startswith("rejected/")}
    for name, text in {"again.yaml": job_file("b", {"z": ""}), "b.yaml": job_file("b", ONE)}.items():
        lab.drop(name, text)
        lab.sweep()
        assert "ns/b is there already: submitted by" in lab.rejected()[name]
    assert {p: c for p, c in tree(lab.spool.root).items() if not p.startswith("rejected/")} == before
    assert lab.tickets(ref) == {"pending": ["a~1"]}


def test_the_name_stays_taken_when_the_batch_has_ended(lab: Lab) -> None:
    ref = lab.submit("b", ONE)
    lab.complete(ref, "a")
    lab.sweep()
    assert lab.ref("b").finished
    lab.drop("b.yaml", job_file("b", ONE))
    lab.sweep()
    assert "is there already" in lab.rejected()["b.yaml"]


def test_the_very_same_file_copied_again_is_refused_too(lab: Lab) -> None:
    """With ``cp -p`` it has its old time, and the file system likes to give it its old inode."""
    lab.submit("b", ONE)
    for _ in range(3):
        path = lab.drop("b.yaml", job_file("b", ONE))
        os.utime(path, (1, 1))
        lab.sweep()
    assert len(lab.rejected()) == 3


def test_two_drops_of_one_name_at_the_same_time(lab: Lab) -> None:
    lab.drop("one.yaml", job_file("b", {"one": ""}))
    lab.drop("two.yaml", job_file("b", {"two": ""}))
    lab.sweep()
    assert lab.tickets(lab.ref("b")) == {"pending": ["one~1"]}
    assert list(lab.rejected()) == ["two.yaml"]


def test_a_later_drop_of_that_name_is_not_cleared_with_the_earlier_one(lab: Lab) -> None:
    """A steward that stood still clears what it admitted, not what came after."""
    lab.drop("b.yaml", job_file("b", ONE))
    drop = look_at(lab.spool, "b.yaml")
    assert drop is not None
    drop.path.unlink()
    lab.drop("b.yaml", job_file("c", ONE))
    clear(lab.reopen(), drop)
    lab.sweep()
    assert lab.ref("c")
    assert (lab.incoming(), lab.private()) == ([], [])


# Requests


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[" * 100_000,
        encode(RetryRequest("ns", "b", ("garbage",))),
        encode(RetryRequest("ns", "b", ("\ud800~1",))),
        encode(RetryRequest("../ns", "b", ("a~1@n",))),
        encode(RetryRequest("ns", "b\0", ())),
        encode(RetryRequest("ns", "unknown", ())),
        b'{"namespace":"ns","batch":"b","tickets":"a~1@n"}',
    ],
)
def test_a_broken_request_is_rejected(lab: Lab, data: bytes) -> None:
    lab.submit("b", ONE)
    (lab.spool.layout.incoming / "r.retry").write_bytes(data)
    lab.sweep(times=1)
    assert list(lab.rejected()) == ["r.retry"]
    assert lab.tickets(lab.ref("b")) == {"pending": ["a~1"]}


# Stewards that die, and two at once


def setting(make: Make, tmp_path: Path) -> Lab:
    lab = make()
    given = tmp_path / "in.dat"
    given.write_text("input")
    lab.drop("b.yaml", job_file("b", {"a": f"required_files: [{given}]", "c": "depends: [a]"}))
    return lab


def operations(make: Make, tmp_path: Path) -> int:
    """How many operations an undisturbed admission takes."""
    lab = setting(make, tmp_path)
    disk = Disk(lab.spool.root)
    steward = lab.steward()
    steward._spool = type(lab.spool)(lab.spool.layout, disk, lab.spool.settings)
    lab.sweep(steward)
    return disk.count


def check_admitted_once(lab: Lab) -> None:
    assert lab.tickets(lab.ref("b")) == {"held": ["c~1"], "pending": ["a~1"]}
    archived = lab.spool.layout.archived_batch("ns", "b")
    assert sorted(os.listdir(archived)) == ["batch.json", "job.yaml"]
    assert (lab.incoming(), lab.rejected()) == ([], {})
    assert store(lab) == [b"input"]


def test_a_steward_that_dies_at_any_operation(make: Make, tmp_path: Path) -> None:
    most = operations(make, tmp_path)
    assert most > 20
    for number in range(1, most + 1):
        for when in ("before", "after"):
            lab = setting(make, tmp_path)
            with pytest.raises(Crash):
                lab.sweep(lab.steward(crash_at(when, number)))
            lab.sweep()
            check_admitted_once(lab)
            assert len(lab.private()) <= 2


def test_two_stewards_at_one_drop_in_every_order(make: Make, tmp_path: Path) -> None:
    for number in range(1, operations(make, tmp_path) + 1):
        for when in ("before", "after"):
            lab = setting(make, tmp_path)
            second = lab.steward()
            second.sweep()
            acted: list[object] = []
            lab.sweep(lab.steward(once(lambda: acted.append(lab.sweep(second, 1)), number, when)))  # noqa: B023
            assert acted
            lab.sweep()
            check_admitted_once(lab)
            assert lab.private() == []


def test_one_steward_stands_still_while_the_batch_is_run_and_closed(make: Make, tmp_path: Path) -> None:
    most = operations(make, tmp_path)
    for number in range(1, most + 1):
        lab = setting(make, tmp_path)
        run_whole = _runner(lab)
        lab.sweep(lab.steward(once(run_whole, number)))
        run_whole()
        ref = lab.ref("b")
        assert ref.finished
        assert lab.tickets(ref) == {"done": ["a~1@n1", "c~1@n1"]}
        assert (lab.incoming(), lab.rejected(), lab.private()) == ([], {}, []), number


def _runner(lab: Lab) -> Callable[[], None]:
    def run_whole() -> None:
        lab.sweep()
        for job in ("a", "c"):
            ref = lab.ref("b")
            if not ref.finished:
                lab.complete(ref, job)
                lab.sweep()

    return run_whole


def test_another_drop_takes_the_name_at_any_operation(make: Make, tmp_path: Path) -> None:
    for number in range(1, operations(make, tmp_path) + 1):
        lab = setting(make, tmp_path)
        other = lab.drop(".other", job_file("b", {"z": ""}))

        def submit_other(lab: Lab = lab, other: Path = other) -> None:
            other.rename(other.with_name("other.yaml"))
            drop = look_at(lab.spool, "other.yaml")
            assert drop is not None
            take_in(lab.reopen(), drop)

        lab.sweep(lab.steward(once(submit_other, number)))
        lab.sweep()
        ref = lab.ref("b")
        first, second = {"held": ["c~1"], "pending": ["a~1"]}, {"pending": ["z~1"]}
        won = lab.tickets(ref)
        assert won in (first, second)
        assert list(lab.rejected()) == (["other.yaml"] if won == first else ["b.yaml"]), number
        assert lab.private() == []
