"""The engines of Slurm and Torque before stand-ins: programs that print captures, fail, or hang."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from cluster.engines import asking
from cluster.engines.slurm import SlurmEngine
from cluster.engines.torque import TorqueEngine
from cluster.errors import ClusterError, CommandTimeout
from cluster.failures import WaitTimeout
from cluster.job import Job
from cluster.modes import Mode
from cluster.naming import FileKind
from cluster.queue import Queue, torque_queue_parser
from cluster.records import NEVER_SATISFIED
from cluster.states import JobState
from cluster.submitting import submit_file
from tests.cluster.captures import show
from tests.cluster.conftest import Program

HANGS = "exec /bin/sleep 1000"
NO_DATABASE = "echo 'Slurm accounting storage is disabled' >&2; exit 1"
UNKNOWN_ID = "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1"
TORQUE_VERSION = "printf 'Version: 6.1.3\\n' >&2"
OPENPBS_VERSION = "echo pbs_version = 23.06.06"


def log_words(program: Program, name: str, text: str) -> Path:
    """A stand-in that also notes its words, a line each call."""
    path = program(name, "")
    log = path.with_name(f"{name}.log")
    program(name, f'echo "$*" >>{log}\n{text}')
    return log


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that doesn't answer within a second hangs: only for those that do hang."""
    monkeypatch.setattr(asking, "ANSWER_S", 1.0)


class TestSlurm:
    """``squeue``, and what else may know."""

    def test_squeue_alone_answers_for_what_it_shows(self, program: Program) -> None:
        log = log_words(program, "squeue", show("slurm-squeue.txt"))
        poll = SlurmEngine().poll(["15", "22_2", "22_3"])
        assert poll.answered
        assert {one: job.exitcode for one, job in poll.jobs.items()} == {"15": 7, "22_2": 3, "22_3": 0}
        assert "--jobs=15,22 " in f"{log.read_text().strip()} ", "an array is asked about once"

    def test_more_jobs_than_a_command_line_holds(self, program: Program) -> None:
        log = log_words(program, "squeue", show("slurm-squeue.txt"))
        program("sacct", NO_DATABASE)
        poll = SlurmEngine().poll([str(10_000_000 + number) for number in range(30_000)] + ["15"])
        assert (poll.answered, poll.jobs["15"].exitcode) == (True, 7)
        assert len(log.read_text().splitlines()) == 7

    def test_an_array_as_a_whole(self, program: Program) -> None:
        program("squeue", show("slurm-squeue.txt"))
        whole = SlurmEngine().poll(["22"]).jobs["22"]
        assert (whole.state, whole.exitcode, whole.nodes) == (JobState.FAILED, 3, ("n1",))

    def test_the_database_knows_what_the_controller_has_forgotten(self, program: Program) -> None:
        program("squeue", UNKNOWN_ID)
        program("sacct", show("slurm-sacct.txt"))
        poll = SlurmEngine().poll(["9_2", "987"])
        assert poll.answered
        assert poll.asked == {"9_2", "987"}
        assert {one: job.exitcode for one, job in poll.jobs.items()} == {"9_2": 3}

    def test_without_a_database_jobcomp_is_read(self, program: Program) -> None:
        program("squeue", UNKNOWN_ID)
        noise = show("slurm-sacct-completion.err")
        completions = f"{show('slurm-sacct-completion.txt')}; ({noise}) >&2; exit 1"
        program("sacct", f'case "$*" in *--completion*) {completions};; *) {NO_DATABASE};; esac')
        poll = SlurmEngine().poll(["17", "24", "22", "22_1"])
        assert {one: job.exitcode for one, job in poll.jobs.items()} == {"17": 44}

    def test_scontrol_is_asked_where_squeue_does_not_know_our_question(self, program: Program) -> None:
        program("squeue", "echo 'squeue: error: Invalid job format specification' >&2; exit 1")
        program("scontrol", show("slurm-scontrol-running.txt"))
        poll = SlurmEngine().poll(["39"])
        assert poll.answered
        assert poll.jobs["39"].state is JobState.RUNNING

    def test_a_slurm_that_is_away_is_unanswered(self, program: Program) -> None:
        down = "echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1"
        program("squeue", down)
        program("scontrol", down)
        poll = SlurmEngine().poll(["39"])
        assert (poll.answered, poll.asked, dict(poll.jobs)) == (False, frozenset(), {})
        assert "Unable to contact slurm controller" in poll.why

    @pytest.mark.usefixtures("hurried")
    def test_a_slurm_that_hangs_is_unanswered_in_time(self, program: Program) -> None:
        program("squeue", HANGS)
        began_s = time.monotonic()
        poll = SlurmEngine().poll(["39"])
        assert not poll.answered
        assert "gave no answer within 1 s" in poll.why
        assert time.monotonic() - began_s < 10

    def test_what_a_command_says_is_in_the_error(self, program: Program, tmp_path: Path) -> None:
        program("sbatch", "echo 'sbatch: error: invalid partition specified: nope' >&2; exit 1")
        with pytest.raises(ClusterError, match="sbatch failed: sbatch: error: invalid partition specified"):
            Job("true", path=tmp_path, qtype="slurm", partition="nope").submit()

    def test_an_answer_without_an_id_is_an_error(self, program: Program, tmp_path: Path) -> None:
        program("sbatch", "echo 'Welcome to the cluster'")
        with pytest.raises(ClusterError, match="sbatch gave no job id: it said 'Welcome to the cluster'"):
            Job("true", path=tmp_path, qtype="slurm").submit()

    @pytest.mark.usefixtures("hurried")
    def test_a_queue_that_hangs_is_an_error(self, program: Program) -> None:
        program("squeue", HANGS)
        with pytest.raises(CommandTimeout, match="gave no answer within 1 s"):
            Queue(qtype="slurm")

    def test_the_queue_has_what_ended_long_ago(self, program: Program) -> None:
        program("squeue", show("slurm-squeue.txt"))
        program("sacct", show("slurm-sacct.txt"))
        queue = Queue(qtype="slurm")
        assert len(queue) == 16 + 11
        assert sorted(queue.queued) == ["19", "20", "7"]
        assert sorted(queue.running) == ["28"]
        assert set(queue.completed) | set(queue.failed) == set(queue.ended)
        assert queue[16].exitcode == 137
        assert 9 not in queue

    def test_submitting_waits_for_room_in_the_queue(self, program: Program, tmp_path: Path) -> None:
        program("sbatch", "echo 39")
        program("squeue", show("slurm-squeue.txt"))
        program("sacct", NO_DATABASE)
        queue = Queue(qtype="slurm")
        assert (queue.can_submit(5), queue.can_submit(4)) == (True, False)
        with pytest.raises(WaitTimeout, match="the queue has 4 jobs after 0 s: fewer than 4 were wanted"):
            queue.wait_to_submit(4, timeout=0)
        assert Job("true", path=tmp_path, qtype="slurm").submit(wait_on_max=5).id == "39"


class TestWaitingForAHangingQueue:
    """``wait`` keeps its own time, and a job file's exit code ends a job without its queue."""

    @pytest.fixture
    def job(self, program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
        program("sbatch", "echo 39")
        program("squeue", HANGS)
        job = Job("true", path=tmp_path, qtype="slurm").submit()
        monkeypatch.setattr(asking, "ANSWER_S", 1.0)
        return job

    def test_it_ends_in_time_and_the_job_has_not_failed(self, job: Job) -> None:
        began_s = time.monotonic()
        with pytest.raises(WaitTimeout, match=r"job true \(39\) is pending"):
            job.wait(0.2)
        assert time.monotonic() - began_s < 5
        with pytest.raises(WaitTimeout, match=r"job true \(39\) is unknown"):
            job.wait(4)
        assert not job.state.is_ended

    def test_the_exit_code_counts(self, job: Job) -> None:
        job.plan.files.written(FileKind.EXIT).write_text("0\n")
        assert job.wait(20)
        assert job.exitcode == 0

    def test_a_signal_ends_the_wait(self, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupt(seconds: float) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("cluster.waiting.sleep", interrupt)
        with pytest.raises(KeyboardInterrupt):
            job.wait(20)


class TestTorque:
    """``qstat`` of both dialects, played from captures."""

    def qstat(self, version: str, main: str, text: str) -> str:
        """``main`` answers for -x or JSON, ``text`` for the plain form."""
        return f'case "$*" in --version) {version};; *"-F json"*|"-x -f -t") {main};; *) {text};; esac'

    def test_torque_by_xml(self, program: Program) -> None:
        program("qstat", self.qstat(TORQUE_VERSION, show("torque-qstat-x.xml"), "exit 3"))
        poll = TorqueEngine().poll(["5.vm", "6.vm", "13.vm", "99.vm"])
        assert poll.answered
        assert poll.jobs.keys() == {"5.vm", "6.vm", "13.vm"}
        assert poll.jobs["6.vm"].reason == NEVER_SATISFIED
        assert poll.jobs["13.vm"].state is JobState.TIMEOUT

    def test_a_torque_that_refuses_xml_is_read_as_text(self, program: Program) -> None:
        refusal = "echo 'usage: qstat [-f [-1]]' >&2; exit 2"
        program("qstat", self.qstat(TORQUE_VERSION, refusal, show("torque-qstat-ft.txt")))
        poll = TorqueEngine().poll(["9[3].vm", "9[4].vm"])
        assert {one: job.exitcode for one, job in poll.jobs.items()} == {"9[3].vm": 3, "9[4].vm": 0}

    def test_an_array_as_a_whole(self, program: Program) -> None:
        program("qstat", self.qstat(TORQUE_VERSION, "exit 3", show("torque-qstat-ft.txt")))
        whole = TorqueEngine().poll(["9[].vm"]).jobs["9[].vm"]
        assert (whole.state, whole.exitcode) == (JobState.FAILED, 3)

    def test_openpbs_by_json_is_asked_about_our_jobs_only(self, program: Program) -> None:
        text = self.qstat(OPENPBS_VERSION, f"{show('pbs-qstat-xf.json')}; exit 35", "exit 3")
        log = log_words(program, "qstat", text)
        poll = TorqueEngine().poll(["7.vm", "11.vm", "14[2].vm"])
        assert {one: job.exitcode for one, job in poll.jobs.items()} == {"7.vm": 7, "11.vm": None}
        assert log.read_text().splitlines()[-1] == "-x -f -t -F json 11.vm 14[].vm 7.vm"

    def test_an_openpbs_whose_json_is_broken_is_read_as_text(self, program: Program) -> None:
        broken = """echo '{"Jobs": {"7.vm": {"Job_Name": "say "hi""}}}'"""
        program("qstat", self.qstat(OPENPBS_VERSION, broken, show("pbs-qstat-xf.txt")))
        assert TorqueEngine().poll(["7.vm"]).jobs["7.vm"].exitcode == 7

    def test_an_answer_that_nobody_can_read_is_unanswered(self, program: Program) -> None:
        program("qstat", self.qstat(TORQUE_VERSION, "echo nonsense", "echo nonsense"))
        poll = TorqueEngine().poll(["7.vm"])
        assert not poll.answered
        assert "can't be read: nonsense" in poll.why

    @pytest.mark.usefixtures("hurried")
    def test_a_torque_that_hangs_is_unanswered_in_time(self, program: Program) -> None:
        program("qstat", HANGS)
        began_s = time.monotonic()
        assert not TorqueEngine().poll(["7.vm"]).answered
        assert time.monotonic() - began_s < 10

    def test_a_job_goes_by_qsub(self, program: Program, tmp_path: Path) -> None:
        program("qstat", self.qstat(TORQUE_VERSION, show("torque-qstat-x.xml"), "exit 3"))
        log = log_words(program, "qsub", "echo 5.vm")
        job = Job("exit 7", path=tmp_path, qtype="torque", cores=2, mem="1GB", depends=["3.vm"]).submit()
        assert log.read_text().strip() == f"-W depend=afterok:3.vm {job.plan.files.script.name}"
        assert "#PBS -l nodes=1:ppn=2" in job.plan.files.script.read_text()
        assert job.wait(20) is False
        assert (job.state, job.exitcode) == (JobState.FAILED, 7)

    def test_a_job_that_may_have_been_submitted(self, program: Program, tmp_path: Path) -> None:
        program("qstat", self.qstat(TORQUE_VERSION, show("torque-qstat-x.xml"), "exit 3"))
        program("qsub", HANGS)
        with pytest.raises(
            CommandTimeout, match="nobody knows whether job exit was submitted: qsub"
        ) as raised:
            Job("exit 7", path=tmp_path, qtype="torque").submit()
        assert "before you submit it again: distribute queue" in str(raised.value)
        script = tmp_path / "script.sh"
        script.write_text("true\n")
        with pytest.raises(CommandTimeout, match=r"nobody knows whether .*script\.sh was submitted"):
            submit_file(script, qtype="torque")

    def test_deleting_what_has_ended_is_no_error(self, program: Program) -> None:
        log = log_words(program, "qdel", "echo 'qdel: Request invalid for state of job' >&2; exit 170")
        TorqueEngine().cancel(["5.vm"])
        assert log.read_text() == "5.vm\n"

    def test_the_queue(self, program: Program) -> None:
        program("qstat", self.qstat(TORQUE_VERSION, show("torque-qstat-x-running.xml"), "exit 3"))
        queue = Queue(partition="batch", qtype=Mode.TORQUE)
        assert (queue.users, queue.partitions) == ({"pbslab"}, {"batch"})
        assert sorted(queue.running) == ["10.vm", "3.vm"]
        assert len(Queue("somebody else", qtype=Mode.TORQUE)) == 0
        rows = {row.job_id: row.state for row in torque_queue_parser(partition="batch")}
        assert rows["3.vm"] is JobState.RUNNING and set(rows) == set(queue)
