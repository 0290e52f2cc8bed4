"""The contract on a real Slurm."""

from __future__ import annotations

import getpass
import signal
from pathlib import Path

import pytest

from cluster.failures import DependencyFailed, WaitTimeout
from cluster.modes import Mode
from cluster.queue import Queue, check_queue, slurm_queue_parser, wait
from cluster.states import JobState
from cluster.submitting import submit
from tests.cluster.contract import LONG_S, QueueContract
from tests.cluster.on_slurm import submit_to
from tests.cluster.test_pages import ON_A_CLUSTER, run_page
from tests.lab.slurm import SlurmLab
from tests.support import wait_until


@pytest.fixture
def mode(slurm_lab: SlurmLab, monkeypatch: pytest.MonkeyPatch) -> Mode:
    return submit_to(slurm_lab, Mode.SLURM, monkeypatch)


class TestSlurm(QueueContract):
    def test_a_held_job_is_shown_as_held(self, mode: Mode, slurm_lab: SlurmLab, tmp_path: Path) -> None:
        held = slurm_lab.run("sbatch", "--parsable", "--hold", "--wrap=true", cwd=tmp_path).stdout.strip()
        try:
            assert Queue("self")[held].state is JobState.HELD
            with pytest.raises(WaitTimeout, match=f"job {held} is held"):
                wait(held, 3)
        finally:
            slurm_lab.run("scancel", held)

    def test_a_job_that_waits_for_ever_is_cancelled(
        self, mode: Mode, slurm_lab: SlurmLab, tmp_path: Path
    ) -> None:
        bad = slurm_lab.run("sbatch", "--parsable", "--wrap=exit 3", cwd=tmp_path).stdout.strip()
        job = submit("touch ran", path=tmp_path, depends=int(bad))
        with pytest.raises(DependencyFailed, match="was cancelled: a job failed that it depends on"):
            job.get(LONG_S)
        assert not (tmp_path / "ran").exists()

    def test_a_controller_that_hangs_hides_no_end(
        self, mode: Mode, slurm_lab: SlurmLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("cluster.engines.asking.ANSWER_S", 1.0)
        job = submit("touch began; until [ -e go ]; do sleep 0.1; done", path=tmp_path)
        wait_until((tmp_path / "began").exists, LONG_S)
        controller = slurm_lab.daemons["slurmctld"]
        controller.send_signal(signal.SIGSTOP)
        try:
            with pytest.raises(WaitTimeout, match="is unknown"):
                job.wait(3)
            assert not job.state.is_ended
            (tmp_path / "go").touch()
            assert job.wait(LONG_S)
            assert job.exitcode == 0
        finally:
            controller.send_signal(signal.SIGCONT)

    def test_a_job_says_what_the_queue_saw(self, mode: Mode, tmp_path: Path) -> None:
        job = submit("true", path=tmp_path, cores=2)
        assert job.wait(LONG_S)
        assert job.id
        seen = job.queue_info[job.id]
        assert (seen.partition, seen.threads, len(seen.nodes)) == ("debug", 2, 1)

    def test_the_page_about_jobs(self, mode: Mode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        run_page(ON_A_CLUSTER)

    def test_the_mode_is_found(self, mode: Mode) -> None:
        assert check_queue() is Mode.SLURM
        assert {row.userid for row in slurm_queue_parser("self")} <= {getpass.getuser()}
