"""What only this machine's own queue does, and what functions need beside the contract."""

from __future__ import annotations

import concurrent.futures
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import cluster
from cluster.engines import local_client
from cluster.engines.local import LocalEngine
from cluster.errors import ClusterError
from cluster.failures import DependencyFailed, JobFailed, WaitTimeout
from cluster.functions.errors import ResultError, Unpicklable
from cluster.job import Job
from cluster.jobqueue import JobQueue
from cluster.modes import Mode
from cluster.spools import environments, tidying
from cluster.submitting import submit
from spoold.snapshot import find_batch, list_batches
from tests.cluster.on_local import local_queue, stop
from tests.support import wait_until

LONG_S = 60.0


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def engine(state: Path) -> Iterator[LocalEngine]:
    with pytest.MonkeyPatch.context() as patch, local_queue(state, patch) as engine:
        yield engine


@pytest.fixture(autouse=True)
def here(engine: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLUSTER_QUEUE", "local")


def make_hold(folder: Path) -> Any:
    """The same with its code: nobody there has this module."""

    def wait(name: str, folder: str = str(folder)) -> str:
        import time
        from pathlib import Path

        Path(folder, f"{name}-began").touch()
        while not Path(folder, "go").exists():
            time.sleep(0.02)
        return name

    return wait


class TestExecutor:
    def test_what_has_not_begun_can_be_cancelled(self, tmp_path: Path) -> None:
        wait = make_hold(tmp_path)
        with cluster.Executor() as executor:
            futures = [executor.submit(wait, name) for name in ("a", "b", "c")]
            wait_until(lambda: len(list(tmp_path.glob("*-began"))) == 2, LONG_S)
            wait_until(lambda: sum(future.running() for future in futures) == 2, LONG_S)
            late = next(future for future in futures if not future.running())
            assert late.cancel() and not any(one.cancel() for one in futures if one is not late)
            assert concurrent.futures.wait([late], LONG_S).done, "it is cancelled in the queue, too"
            (tmp_path / "go").touch()
        assert [len(future.result()) for future in futures if future is not late] == [1, 1]
        assert late.cancelled() and len(list(tmp_path.glob("*-began"))) == 2

    def test_no_more_than_max_workers_are_in_the_queue(self, tmp_path: Path, engine: LocalEngine) -> None:
        wait = make_hold(tmp_path)
        with cluster.Executor(max_workers=1) as executor:
            futures = [executor.submit(wait, name) for name in ("a", "b")]
            wait_until((tmp_path / "a-began").exists, LONG_S)
            queue = cluster.Queue("self")
            assert len(queue.running) + len(queue.queued) == 1, "and there is a second core"
            assert futures[1].cancel()
            (tmp_path / "go").touch()
            assert futures[0].result(LONG_S) == "a"
        assert not (tmp_path / "b-began").exists()

    def test_shutdown_can_cancel_what_waits(self, tmp_path: Path) -> None:
        wait = make_hold(tmp_path)
        executor = cluster.Executor(max_workers=2)
        futures = [executor.submit(wait, name) for name in ("a", "b", "c")]
        wait_until(lambda: len(list(tmp_path.glob("*-began"))) == 2, LONG_S)
        wait_until(lambda: futures[0].running() and futures[1].running(), LONG_S)
        executor.shutdown(wait=False, cancel_futures=True)
        (tmp_path / "go").touch()
        executor.shutdown()
        assert [future.cancelled() for future in futures] == [False, False, True]

    def test_an_initializer_is_called_in_the_process_of_each_call(self) -> None:
        def prepare(value: str) -> None:
            import os

            os.environ["PREPARED"] = value

        def read() -> str | None:
            import os

            return os.environ.get("PREPARED")

        with cluster.Executor(initializer=prepare, initargs=("yes",)) as executor:
            assert [future.result(LONG_S) for future in [executor.submit(read), executor.submit(read)]] == [
                "yes",
                "yes",
            ]

    def test_one_call_that_cannot_be_sent_fails_alone(self) -> None:
        import threading

        with cluster.Executor() as executor:
            good, bad = executor.submit(pow, 2, 5), executor.submit(print, threading.Lock())
            assert good.result(LONG_S) == 32
            with pytest.raises(Unpicklable, match=r"arguments\[0\]\[0\], a _thread\.lock"):
                bad.result(LONG_S)

    def test_options_that_no_job_has_are_told_at_once(self) -> None:
        with pytest.raises(cluster.OptionsError, match="'coers'"):
            cluster.Executor(coers=2)
        with pytest.raises(ValueError, match="at least one"):
            cluster.Executor(max_workers=0)


class TestDependencies:
    """Of jobs that aren't here: nobody would notice that they are waited for."""

    @pytest.mark.parametrize("depends", ["root/none-1", ["root/none-1"]])
    def test_a_job_that_was_never_submitted(self, depends: object) -> None:
        with pytest.raises(
            ClusterError, match=r"job pow can't wait for root/none-1: no such job was submitted"
        ):
            submit(pow, [2, 3], depends=depends)

    def test_a_job_of_another_queue(self, tmp_path: Path) -> None:
        other = JobQueue(cores=1)
        wait = make_hold(tmp_path)
        try:
            elsewhere = other.add(wait, ["a"])
            with pytest.raises(ClusterError, match=f"can't wait for {elsewhere.id}"):
                submit(pow, [2, 3], depends=elsewhere)
        finally:
            (tmp_path / "go").touch()
            other.wait(timeout=LONG_S)
            stop(local_client(1).engine)

    def test_a_script_after_no_job(self, tmp_path: Path) -> None:
        (tmp_path / "script.sh").write_text("true\n")
        with pytest.raises(ClusterError, match=r"script\.sh can't wait for root/none-1"):
            cluster.submit_file(tmp_path / "script.sh", "root/none-1")

    def test_jobs_that_wait_run_or_have_ended(self, tmp_path: Path) -> None:
        wait = make_hold(tmp_path)
        first = submit(wait, ["a"])
        second = submit(pow, [2, 3], depends=str(first.id))
        third = submit(pow, [2, 4], depends=[str(first.id), str(second.id)])
        (tmp_path / "go").touch()
        assert third.get(LONG_S) == 16
        assert submit(pow, [2, 5], depends=str(first.id)).get(LONG_S) == 32


class TestMessages:
    @pytest.mark.parametrize(
        ("args", "kwargs", "message"),
        [(3, None, "args=3 isn't a list"), ([], [1], r"kwargs=\[1\] is no dict of arguments")],
    )
    def test_arguments_that_are_none(self, args: Any, kwargs: Any, message: str) -> None:
        with pytest.raises(TypeError, match=message):
            submit(pow, args, kwargs)

    def test_an_exit_code_is_told_once(self, tmp_path: Path) -> None:
        with pytest.raises(JobFailed, match=r"failed with exit code 3\n  see"):
            submit("exit 3", path=tmp_path).get(LONG_S)

    def test_advice_is_given_in_keywords(self, tmp_path: Path) -> None:
        with pytest.raises(JobFailed, match=r"it ran for longer than 1s; ask for more with time='2s'"):
            submit("sleep 50", time="0:00:01", path=tmp_path).get(LONG_S)
        with pytest.raises(JobFailed, match=r"out of memory: .*; ask for more with mem='100M'"):
            submit(lambda: len(bytearray(400_000_000)), mem="50MB").get(LONG_S)

    def test_a_result_that_is_gone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("cluster.job.get_option", lambda *names: 0)
        job = submit(pow, [2, 3])
        assert job.wait(LONG_S)
        job.clean()
        with pytest.raises(ResultError, match=r"the job has completed, and there is no .*result"):
            job.get()

    def test_what_has_ended_is_cancelled_without_a_word(self) -> None:
        job = submit(pow, [2, 3])
        assert job.get(LONG_S) == 8
        assert job.cancel().get() == 8


class TestJobQueue:
    def test_cores_dependencies_and_results(self, tmp_path: Path) -> None:
        def append(word: str, folder: str = str(tmp_path)) -> str:
            with open(f"{folder}/order", "a") as file:
                file.write(word)
            with open(f"{folder}/order") as file:
                return file.read()

        queue = JobQueue()
        first = queue.add(append, ["a"])
        second = queue.add(append, kwargs={"word": "b"}, dependencies=[first], cores=2)
        assert queue.get(second, LONG_S) == "ab"
        assert queue.wait(timeout=LONG_S) and queue.done
        assert queue["".join(str(first.id))] is first and list(queue) == [first, second]
        assert repr(queue).endswith("0 queued, 0 running, 2 completed, 0 failed>")
        queue.clear()
        assert len(queue) == 0 and not first.plan.files.folder.exists()

    def test_the_queue_of_all_programs(self) -> None:
        job = cluster.JQUEUE.add(pow, [2, 6])
        assert cluster.JQUEUE.get(job, LONG_S) == 64
        assert job.id in cluster.Queue("self").completed
        cluster.JQUEUE.clear()

    def test_a_queue_of_its_own_has_cores_of_its_own(self, tmp_path: Path) -> None:
        queue = JobQueue(cores=1)
        try:
            wait = make_hold(tmp_path)
            jobs = [queue.add(wait, [name]) for name in ("a", "b")]
            wait_until(lambda: list(tmp_path.glob("*-began")), LONG_S)
            wait_until(lambda: len(queue.update().running) == 1 and len(queue.queued) == 1, LONG_S)
            with pytest.raises(ClusterError, match="wants 2 cores, and jobs on this machine have 1"):
                queue.add(wait, ["c"], cores=2)
            (tmp_path / "go").touch()
            assert [queue.get(job, LONG_S) for job in jobs] == ["a", "b"]
        finally:
            engine = local_client(1).engine
            assert isinstance(engine, LocalEngine)
            stop(engine)
            local_client.cache_clear()

    def test_what_depends_on_a_failed_job(self) -> None:
        queue = JobQueue()
        second = queue.add(lambda: 2, dependencies=queue.add(lambda: 1 / 0))
        with pytest.raises(DependencyFailed):
            queue.get(second, LONG_S)
        assert queue.wait(timeout=LONG_S) is False


def test_each_job_comes_as_soon_as_it_has_ended(tmp_path: Path) -> None:
    slow, quick = submit(make_hold(tmp_path), ["slow"]), submit(lambda: "quick")
    both = cluster.as_completed([slow, quick], timeout=LONG_S)
    assert next(both).get() == "quick"
    with pytest.raises(WaitTimeout, match=r"1 job hasn't ended within 0\.2 s"):
        next(cluster.as_completed([slow], timeout=0.2))
    (tmp_path / "go").touch()
    assert [job.get() for job in both] == ["slow"]


def test_a_script_without_a_guard_works(tmp_path: Path, state: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import cluster\n"
        "from helper import FACTOR\n"
        "class Pair:\n"
        "    def __init__(self, a): self.a = a\n"
        "def work(pair): return Pair(pair.a * FACTOR)\n"
        "results = cluster.map(work, [Pair(1), Pair(2)]).get(60)\n"
        "print([type(one) is Pair and one.a for one in results])\n"
    )
    (tmp_path / "helper.py").write_text("FACTOR = 10\n")
    cluster.config_file.set_option("jobqueue", "threads", 2)
    environment = {**os.environ, "XDG_STATE_HOME": str(state), "CLUSTER_QUEUE": "normal"}
    # From another folder: the modules beside the script are found nevertheless.
    done = subprocess.run(
        [sys.executable, str(script)], env=environment, cwd="/", capture_output=True, text=True, timeout=100
    )
    assert (done.returncode, done.stdout) == (0, "[10, 20]\n"), done.stderr


def test_jobs_run_in_my_folder_and_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SECRET_TOKEN", "it's\n$HOME")
    monkeypatch.setenv("OMP_NUM_THREADS", "64")

    def look() -> tuple[str, str | None, str | None]:
        import os

        return os.getcwd(), os.environ.get("SECRET_TOKEN"), os.environ.get("OMP_NUM_THREADS")

    assert submit(look, cores=2).get(LONG_S) == (str(tmp_path), "it's\n$HOME", "2")
    kept = list(environments.keep(tmp_path / "kept", {"TOKEN": "x"}).parent.iterdir())
    assert [path.stat().st_mode & 0o777 for path in kept] == [0o600]
    assert not list(tmp_path.glob("look*")), "nothing is left in the folder"


def test_more_cores_than_there_are_is_told_at_once() -> None:
    with pytest.raises(ClusterError, match=r"wants 3 cores, and jobs on this machine have 2\n.*threads"):
        submit(lambda: 1, cores=3)
    with pytest.raises(ClusterError, match="wants 1P of memory, and this machine has"):
        submit(lambda: 1, mem="1024TB")


def test_a_machine_that_never_heard_of_partitions_takes_the_job() -> None:
    job = submit(lambda: 1, partition="long", nodes=1, features=["haswell"], account="x", time="1:00:00")
    assert job.get(LONG_S) == 1


def test_a_result_is_there_for_another_process(tmp_path: Path) -> None:
    job = submit(lambda: {"x": 1}, path=tmp_path)
    job.wait(LONG_S)
    assert cluster.wait(str(job.id), LONG_S)
    assert job.get() is job.get()


def test_only_what_is_old_is_forgotten(engine: LocalEngine) -> None:
    job = submit(lambda: 1)
    assert job.get(LONG_S) == 1
    spool = engine.private.spool
    namespace, batch = str(job.id).split("/")
    wait_until(lambda: (ref := find_batch(spool, namespace, batch)) and ref.finished)
    now = time.time()
    tidying.forget_old(spool, now + tidying.BATCH_KEPT_S - 60)
    tidying.sweep_files(now + tidying.FILES_KEPT_S - 60)
    assert find_batch(spool, namespace, batch) and job.plan.files.folder.exists()
    tidying.forget_old(spool, now + tidying.BATCH_KEPT_S + 60)
    tidying.sweep_files(now + tidying.FILES_KEPT_S + 60)
    assert list_batches(spool, finished=True) == []
    assert not spool.layout.archived_batch(namespace, batch).exists()
    assert not job.plan.files.folder.exists()
    assert submit(lambda: 2).get(LONG_S) == 2


def test_an_array_of_no_calls(tmp_path: Path) -> None:
    job = Job(cluster.functions.work.Calls(()), qtype=Mode.LOCAL)
    assert (job.get(LONG_S), job.id) == ([], None)


def test_a_state_folder_that_cannot_be_made_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with pytest.raises(
        ClusterError, match=r"can't be made: .*\n  choose another place: export XDG_STATE_HOME"
    ):
        submit(lambda: 1)
