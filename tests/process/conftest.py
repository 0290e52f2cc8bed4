"""A place for runs in which no process may be left behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from nodewatch.process import (
    Delegation,
    ExitRecord,
    Launcher,
    Limits,
    Run,
    RunSpec,
    adopt,
    read_exit,
    stop,
    sweep,
)
from tests.process.grouped import groups_of_our_own
from tests.support import find_runs, wait_until

NO_LIMITS = Limits()


class Bench:
    """Starts runs below one folder, and knows how to end them all."""

    def __init__(self, folder: Path, launcher: Launcher) -> None:
        self.folder = folder
        self.launcher = launcher
        self._runs: list[Run] = []

    def new_dir(self, name: str = "") -> Path:
        run_dir = self.folder / (name or f"run{sum(1 for _ in self.folder.iterdir())}")
        run_dir.mkdir()
        return run_dir

    def spec(self, run_dir: Path, *argv: str, grace_s: float = 10.0, **env: str) -> RunSpec:
        return RunSpec(
            argv=argv,
            cwd=run_dir,
            env={"PATH": os.environ["PATH"], **env},
            stdout=run_dir / "stdout.txt",
            stderr=run_dir / "stderr.txt",
            grace_s=grace_s,
        )

    def start(self, *argv: str, grace_s: float = 10.0, **env: str) -> Run:
        return self.start_limited(NO_LIMITS, *argv, grace_s=grace_s, **env)

    def start_limited(self, limits: Limits, *argv: str, grace_s: float = 10.0, **env: str) -> Run:
        run_dir = self.new_dir()
        spec = replace(self.spec(run_dir, *argv, grace_s=grace_s, **env), limits=limits)
        run = self.launcher.launch(run_dir, spec)
        self._runs.append(run)
        return run

    def run(self, *argv: str, limits: Limits = NO_LIMITS) -> ExitRecord:
        return finish(self.start_limited(limits, *argv))

    def living(self) -> list[tuple[int, str]]:
        """(pid, command line) of all that carry the mark of a run below our folder."""
        return find_runs(self.folder)

    def end_all(self) -> None:
        for run_dir in self.folder.iterdir():
            if run := adopt(run_dir):
                with run:
                    stop(run, "the test is over")
                wait_until(lambda folder=run_dir: not has_runner(folder))  # type: ignore[misc]
            # What has a record left nothing; each sweep looks at all processes of the machine.
            if read_exit(run_dir) is None:
                sweep(run_dir)
        for started in self._runs:
            finish_quietly(started)


def finish_quietly(run: Run) -> None:
    """Let go of a run that has ended, and not before its runner has said so: else that isn't reaped."""
    try:
        run.wait(20.0)
    except ValueError:
        return  # the test has let go of it
    run.close()


def has_runner(run_dir: Path) -> bool:
    run = adopt(run_dir)
    if run is not None:
        run.close()
    return run is not None


def finish(run: Run, within_s: float = 20.0) -> ExitRecord:
    """Wait for the end of a run; its record."""
    with run:
        assert run.wait(within_s), f"{run} goes on after {within_s} s"
    record = read_exit(run.run_dir)
    assert record is not None, sorted(run.run_dir.iterdir())
    return record


def wait_for_line(run: Run, line: str) -> None:
    output = run.run_dir / "stdout.txt"
    wait_until(lambda: line in output.read_text().splitlines(), what=f"{line!r} in {output}")


@contextmanager
def open_bench(folder: Path, delegation: Delegation | None) -> Iterator[Bench]:
    folder.mkdir()
    with Launcher(delegation) as launcher:
        bench = Bench(folder, launcher)
        yield bench
        left_by_test = bench.living()
        bench.end_all()
    wait_until(lambda: not bench.living(), what=f"all gone of {left_by_test}")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with open_bench(tmp_path / "runs", None) as bench:
        yield bench


@pytest.fixture
def grouped(tmp_path: Path) -> Iterator[Bench]:
    """Each run has a control group, with whatever controllers are there."""
    with groups_of_our_own() as delegation, open_bench(tmp_path / "runs", delegation) as bench:
        yield bench
