"""The container of a single run, without a node around it."""

from __future__ import annotations

from pathlib import Path

import pytest

from distribute_compute_config.container import ENVIRONMENT, Folders, container_argv
from nodewatch.process import ExitRecord, Launcher, Run, RunSpec, read_exit, stop
from tests.support import wait_until

ENDS_AT_ONCE = "trap 'exit 3' TERM; touch distribute_save/up; while :; do :; done"
ROUNDS = 12


def start(launcher: Launcher, image: Path, top: Path, script: str) -> Run:
    """A job in ``top``, with a mount on ``/far/er``."""
    places = {one: top / one for one in ("save", "input", "work", "mount", "run")}
    for folder in places.values():
        folder.mkdir(parents=True)
    (places["input"] / "job.sh").write_text(script)
    named = [str(places[one]) for one in ("save", "input", "work")]
    argv = container_argv(
        Folders(str(image), *named, ((str(places["mount"]), "/far/er"),)), cores=3, gpu=False
    )
    environment = {"PATH": "/usr/bin", **ENVIRONMENT}
    run_dir = places["run"]
    spec = RunSpec(argv, top, environment, run_dir / "stdout.txt", run_dir / "stderr.txt", contained=True)
    return launcher.launch(run_dir, spec)


def finish(run: Run) -> ExitRecord:
    with run:
        assert run.wait(20)
    ended = read_exit(run.run_dir)
    assert ended is not None
    return ended


@pytest.mark.parametrize("name", ["with, comma:colon", 'quote"', "back\\slash", "blank $HOME 'x'"])
def test_folders_may_have_any_name(image: Path, tmp_path: Path, name: str) -> None:
    top = tmp_path / name
    with Launcher() as launcher:
        run = start(launcher, image, top, 'echo "$1" > distribute_save/cores; touch /far/er/here')
        ended = finish(run)
    assert (ended.exit_code, ended.leftovers_killed) == (0, 0), (top / "run" / "stderr.txt").read_text()
    assert (top / "save" / "cores").read_text() == "3\n"
    assert (top / "mount" / "here").exists()


def test_a_job_that_ends_at_once_when_it_is_told_to_has_its_own_exit_code(
    image: Path, tmp_path: Path
) -> None:
    """Whatever signal reaches those who pass it on in that moment."""
    codes = []
    with Launcher() as launcher:
        for number in range(ROUNDS):
            top = tmp_path / str(number)
            run = start(launcher, image, top, ENDS_AT_ONCE)
            wait_until((top / "save" / "up").exists)
            stop(run, "enough")
            codes.append(finish(run).exit_code)
    assert codes == [3] * ROUNDS
