"""Each system as a context manager that gives a function: (function, inputs) → results, two calls at a time.

They are imported when they are used: some take seconds, and not all are installed everywhere.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

WORKERS = 2
Function = Callable[[int], int]
CallAll = Callable[[Function, Sequence[int]], list[int]]


@contextmanager
def _private_queue(folder: Path) -> Iterator[None]:
    """This machine's own queue with two cores, new, in ``folder``; its node ends with it."""
    os.environ |= {"XDG_STATE_HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "CLUSTER_QUEUE": "local"}
    from cluster.engines import client_for
    from cluster.engines.local import LocalEngine
    from cluster.modes import Mode

    engine = client_for(Mode.LOCAL).engine
    assert isinstance(engine, LocalEngine)
    engine.cores = WORKERS
    try:
        yield
    finally:
        engine.node.stop(60)


@contextmanager
def _map(folder: Path) -> Iterator[CallAll]:
    import cluster

    with _private_queue(folder):
        yield lambda function, inputs: cluster.map(function, inputs).get(3600)


@contextmanager
def _chunks(folder: Path) -> Iterator[CallAll]:
    import cluster

    with _private_queue(folder):
        yield lambda function, inputs: cluster.map(function, inputs, chunksize=20).get(3600)


@contextmanager
def _executor(folder: Path) -> Iterator[CallAll]:
    import cluster

    with _private_queue(folder), cluster.Executor() as executor:
        yield lambda function, inputs: list(executor.map(function, inputs))


@contextmanager
def _dask(folder: Path) -> Iterator[CallAll]:
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=WORKERS, threads_per_worker=1, dashboard_address=None, local_directory=str(folder)
        ) as workers,
        Client(workers) as client,
    ):
        # pure=False: it would call once what it is asked twice.
        yield lambda function, inputs: client.gather(client.map(function, inputs, pure=False))


@contextmanager
def _parsl(folder: Path) -> Iterator[CallAll]:
    import parsl
    from parsl.config import Config
    from parsl.executors import HighThroughputExecutor
    from parsl.providers import LocalProvider

    # Its programs are looked for in PATH, also where the environment isn't activated.
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    executor = HighThroughputExecutor(
        address="127.0.0.1",
        max_workers_per_node=WORKERS,
        provider=LocalProvider(init_blocks=1, max_blocks=1),
        encrypted=False,
    )
    with parsl.load(Config(executors=[executor], run_dir=str(folder))):

        def call_all(function: Function, inputs: Sequence[int]) -> list[int]:
            app = parsl.python_app(function)
            return [future.result() for future in [app(one) for one in inputs]]

        yield call_all


@contextmanager
def _submitit(folder: Path) -> Iterator[CallAll]:
    from submitit import LocalExecutor

    executor = LocalExecutor(folder)

    def call_all(function: Function, inputs: Sequence[int]) -> list[int]:
        # It starts all that it is given at once: here two at a time.
        jobs: list[Any] = []
        for one in inputs:
            # force_check: it looks once a second else.
            while sum(not job.done(force_check=True) for job in jobs[-4 * WORKERS :]) >= WORKERS:
                time.sleep(0.005)
            jobs.append(executor.submit(function, one))
        return [job.result() for job in jobs]

    yield call_all


@contextmanager
def _pool(folder: Path) -> Iterator[CallAll]:
    with ProcessPoolExecutor(WORKERS, get_context("spawn")) as executor:
        yield lambda function, inputs: list(executor.map(function, inputs))


@dataclass(frozen=True, slots=True)
class System:
    """``package`` is what has to be installed for it, ``process`` who has a process of his own."""

    name: str
    start: Callable[[Path], AbstractContextManager[CallAll]]
    package: str
    process: str

    @property
    def is_installed(self) -> bool:
        return importlib.util.find_spec(self.package) is not None


SYSTEMS = (
    System("cluster.map", _map, "cluster", "each call"),
    System("cluster.map, chunksize 20", _chunks, "cluster", "20 calls"),
    System("cluster.Executor", _executor, "cluster", "each call"),
    System("submitit, local", _submitit, "submitit", "each call"),
    System("dask.distributed", _dask, "distributed", "a worker"),
    System("parsl, high throughput", _parsl, "parsl", "a worker"),
    System("ProcessPoolExecutor", _pool, "concurrent", "a worker"),
)
