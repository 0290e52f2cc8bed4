"""`submit` of the Python API on a real spool: what it gives back, and what it refuses before anything is copied."""

from __future__ import annotations

import importlib
from importlib.metadata import EntryPoints
from pathlib import Path
from typing import Any

import pytest

import distribute_compute_config as distribute
from distribute_compute_config import DistributeError, JobFile, Progress, WrongType, WrongValue
from distribute_compute_config.building import submission
from spoold import submitting
from spoold.following import DropRejected
from spoold.progress import BatchProgress
from spoold.snapshot import find_batch, read_header
from spoold.spool import NoSpool, Settings, init_spool
from spoold.tickets import State
from tests.lab import Lab


def batch(name: str = "made", commands: dict[str, str] | None = None, **more: Any) -> JobFile:
    jobs = [
        distribute.command_job(job, command, **more)
        for job, command in (commands or {"one": "cat input/a.txt > distribute_save/b.txt"}).items()
    ]
    return distribute.command_config(
        distribute.metadata("anna", name, []), distribute.description(None, jobs)
    )


def test_a_batch_made_in_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text("from python\n")
    config = batch(required_files=[distribute.file("a.txt", relative=True)])
    with Lab(tmp_path / "lab") as lab:
        lab.node("alpha")
        submitted = distribute.submit(config, lab.spool.root, folder=tmp_path)
        assert (submitted.key, submitted.admitted) == ("anna/made", True)
        seen: list[Progress] = []
        ended = submitted.wait(30, progress=seen.append)
        assert ended == Progress(waiting=0, running=0, done=1, failed=0, cancelled=0, closed=True)
        assert (ended.succeeded, ended.total, seen[-1]) == (True, 1, ended)
        assert (submitted.results / "one" / "b.txt").read_text() == "from python\n"
        ref = find_batch(lab.spool, "anna", "made")
        assert ref is not None
        header = read_header(lab.spool, ref.folder)
        assert header is not None
        assert header.source == "anna/made"

        # The spool that DISTRIBUTE_SPOOL names, and paths that begin here.
        monkeypatch.setenv("DISTRIBUTE_SPOOL", str(lab.spool.root))
        monkeypatch.chdir(tmp_path)
        commands = {"good": "cat input/a.txt", "bad": "exit 3"}
        files = [distribute.file("a.txt", relative=True)]
        mixed = distribute.submit(batch("mixed", commands, required_files=files)).wait(30)
        assert (mixed.done, mixed.failed, mixed.succeeded, mixed.closed) == (1, 1, False, True)

        with pytest.raises(DistributeError, match=r"anna/made is there already: a name is used once"):
            distribute.submit(config)


def test_what_nobody_takes_in_is_submitted_all_the_same(tmp_path: Path) -> None:
    spool = init_spool(tmp_path / "spool", Settings())
    submitted = distribute.submit(batch(commands={"one": "ls"}), spool.root, patience_s=0)
    assert not submitted.admitted
    assert submitted.look() is None
    with pytest.raises(TimeoutError, match=r"anna/made hasn't ended within 0.1 s; it goes on"):
        submitted.wait(0.1)
    (drop,) = spool.layout.incoming.iterdir()
    assert drop.name.startswith("anna.made.")


def test_a_batch_is_awaited_that_is_taken_in_later(tmp_path: Path) -> None:
    with Lab(tmp_path / "lab") as lab:
        submitted = distribute.submit(batch(commands={"one": "ls"}), lab.spool.root, patience_s=0)
        assert submitted.look() is None
        lab.node("alpha")
        assert submitted.wait(30).succeeded
        seen = submitted.look()
        assert seen is not None
        assert seen.succeeded


def test_what_is_missing_is_told_before_anything_is_copied(tmp_path: Path) -> None:
    spool = init_spool(tmp_path / "spool", Settings())
    files = [distribute.file(f"no/{number}.txt", relative=True) for number in range(12)]
    with pytest.raises(WrongValue) as caught:
        distribute.submit(batch(required_files=files), spool.root, folder=tmp_path)
    lines = str(caught.value).splitlines()
    assert lines[0] == "submit(): 12 files can't be brought along"
    assert lines[1].startswith("  command.jobs[0].required_files[0]: ")
    said = "/no/0.txt can't be read: No such file or directory; write the path of a file that you can read"
    assert lines[1].endswith(said)
    assert lines[-1] == "  … and 2 more"
    with pytest.raises(WrongValue, match=r"submit\(\): a file can't be brought along"):
        distribute.submit(batch(required_files=files[:1]), spool.root, folder=tmp_path)
    assert list(spool.layout.incoming.iterdir()) == []


def test_without_a_spool_it_is_the_one_that_the_commands_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("DISTRIBUTE_SPOOL", raising=False)
    config = batch(commands={"one": "ls"})
    with pytest.raises(
        NoSpool, match=r"there is no spool= in the call, no DISTRIBUTE_SPOOL, and no .*config.yaml"
    ):
        distribute.submit(config)
    spool = init_spool(tmp_path / "spool", Settings())
    (tmp_path / "config" / "distribute").mkdir(parents=True)
    (tmp_path / "config" / "distribute" / "config.yaml").write_text(f"spool: {spool.root}\n")
    distribute.submit(config, patience_s=0)
    assert len(list(spool.layout.incoming.iterdir())) == 1


def test_a_wrong_call_is_told(tmp_path: Path) -> None:
    with pytest.raises(
        WrongType, match=r"submit\(\): config: .* is wanted, not 'distribute-jobs.yaml' \(str\)"
    ):
        distribute.submit("distribute-jobs.yaml", tmp_path)  # type: ignore[arg-type]
    with pytest.raises(WrongType, match=r"submit\(\): spool: a path"):
        distribute.submit(batch(), 3)  # type: ignore[arg-type]
    with pytest.raises(NoSpool, match="is not a spool"):
        distribute.submit(batch(commands={"one": "ls"}), tmp_path)


def test_more_jobs_than_the_spool_allows_are_refused(tmp_path: Path) -> None:
    spool = init_spool(tmp_path / "spool", Settings(max_jobs=2))
    with pytest.raises(DistributeError, match=r"anna/made has 3 jobs: a batch may have 2 in "):
        distribute.submit(batch(commands=dict.fromkeys("abc", "ls")), spool.root)


def test_what_the_steward_refuses_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Lab(tmp_path / "lab") as lab:
        lab.steward()
        config = batch(commands={"one": "ls"})
        distribute.submit(config, lab.spool.root)
        # As if both were submitted in the same moment.
        monkeypatch.setattr(submitting, "refuse", lambda *arguments: None)
        with pytest.raises(DropRejected, match="anna/made is there already"):
            distribute.submit(config, lab.spool.root)


def test_without_the_spools_package_it_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(submission, "entry_points", lambda **which: EntryPoints())
    with pytest.raises(DistributeError, match="no installed package offers to submit"):
        distribute.submit(batch(commands={"one": "ls"}), tmp_path)


def test_what_is_looked_up_is_the_spools_own() -> None:
    importlib.invalidate_caches()
    assert submission._find_submitter() is submitting.submit


def test_a_ticket_that_a_listing_misses_still_waits() -> None:
    seen = BatchProgress({State.DONE: 1, State.FAILED: 1, State.CLAIMED: 1}, jobs_total=4, finished=True)
    assert not seen.closed
    assert submitting._count(seen) == Progress(
        waiting=1, running=1, done=1, failed=1, cancelled=0, closed=False
    )
    whole = BatchProgress({State.DONE: 3, State.CANCELLED: 1}, jobs_total=4, finished=True)
    assert whole.closed
    assert not submitting._count(whole).succeeded
    assert not BatchProgress({State.DONE: 4}, jobs_total=4, finished=False).closed
