"""``Executor``: jobs behind the interface of ``concurrent.futures``.

A thread hands on what was submitted: calls that come together go to the queue as one array, so hundreds cost
it one job. The thread ends when all futures are done; a program that ends meanwhile waits for it.
"""

from __future__ import annotations

import concurrent.futures
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from cluster.functions.packing import Call
from cluster.functions.runner import call_after
from cluster.functions.work import Calls, FunctionWork
from cluster.job import Job
from cluster.job_files import remove
from cluster.modes import Mode, current_mode
from cluster.waiting import rest_s

_GATHER_S = 0.02
_ARRAY_MAX = 1000


@dataclass(slots=True, eq=False)
class _Order:
    """A call that was asked for, and who is told of its result."""

    call: Call
    future: Future[Any] = field(default_factory=Future)
    _begun: bool | None = None

    def begin(self) -> bool:
        """Tell the future that the call has begun; False, now and ever after, if it was cancelled before."""
        if self._begun is None:
            self._begun = self.future.set_running_or_notify_cancel()
        return self._begun

    def fail(self, error: BaseException) -> None:
        """Tell the future what the call came to."""
        if self.begin():
            self.future.set_exception(error)


@dataclass(eq=False)
class _Batch:
    """Orders that went to the queue as one job; those still open by their task's number."""

    job: Job
    open: dict[int, _Order] = field(default_factory=dict)
    dropped: set[int] = field(default_factory=set)


class Executor(concurrent.futures.Executor):
    """Runs calls as jobs of a queue.

    At most ``max_workers`` of them are in the queue at a time; None: all. ``initializer(*initargs)`` is
    called before each call, in its process. ``qtype`` and ``options`` are as for ``Job``.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        initializer: Callable[..., Any] | None = None,
        initargs: Iterable[Any] = (),
        *,
        qtype: str | Mode | None = None,
        **options: Any,
    ) -> None:
        if max_workers is not None and max_workers < 1:
            raise ValueError(f"max_workers={max_workers}: there must be at least one")
        self._mode = current_mode(qtype)
        self._options = options
        self._most = max_workers
        self._first: tuple[Callable[..., Any], tuple[Any, ...]] | None = (
            (initializer, tuple(initargs)) if initializer else None
        )
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._waiting: list[_Order] = []
        self._batches: list[_Batch] = []
        self._thread: threading.Thread | None = None
        self._closed = False
        # What is wrong with the options is told here, to whoever wrote them.
        Job(Calls(()), qtype=self._mode, **options)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Have ``fn(*args, **kwargs)`` called in a job. Raises RuntimeError after ``shutdown()``."""
        call = Call(fn, args, kwargs)
        if self._first is not None:
            call = Call(call_after, (*self._first, fn, args, kwargs))
        order = _Order(call)
        order.future.add_done_callback(self._notice)
        with self._lock:
            if self._closed:
                raise RuntimeError("cannot schedule new futures after shutdown")
            self._waiting.append(order)
            self._wake.set()
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="cluster executor")
                self._thread.start()
        return order.future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; ``wait`` for those there are; ``cancel_futures``: cancel what hasn't begun."""
        with self._lock:
            self._closed = True
            thread = self._thread
            orders = [*self._waiting, *(one for batch in self._batches for one in batch.open.values())]
        if cancel_futures:
            for order in orders:
                order.future.cancel()
        if wait and thread is not None:
            thread.join()

    def _notice(self, future: Future[Any]) -> None:
        """What was cancelled here is cancelled in the queue at once."""
        if future.cancelled():
            self._wake.set()

    def _work(self) -> None:
        woken_s = time.monotonic()
        while True:
            if self._wake.wait(_rest(self._batches, woken_s)):
                self._wake.clear()
                woken_s = time.monotonic()
                # More may come at once: together they cost the queue one job.
                time.sleep(_GATHER_S)
            self._submit_waiting()
            for batch in self._batches:
                _settle(batch)
            with self._lock:
                self._batches = [batch for batch in self._batches if batch.open]
                if not self._batches and not self._waiting:
                    self._thread = None
                    return

    def _submit_waiting(self) -> None:
        busy = sum(len(batch.open) for batch in self._batches)
        room = max(0, _ARRAY_MAX if self._most is None else min(_ARRAY_MAX, self._most - busy))
        with self._lock:
            orders, self._waiting = self._waiting[:room], self._waiting[room:]
        wanted = [order for order in orders if not order.future.cancelled() or order.begin()]
        if wanted:
            self._batches += self._submit(wanted)

    def _submit(self, orders: list[_Order]) -> list[_Batch]:
        """As one array; if that fails, one by one, so that each future is told its own reason."""
        try:
            job = Job(Calls(tuple(one.call for one in orders)), qtype=self._mode, **self._options).submit()
        except Exception as error:  # noqa: BLE001 - handed to whoever waits for the result
            if len(orders) > 1:
                return [batch for order in orders for batch in self._submit([order])]
            orders[0].fail(error)
            return []
        return [_Batch(job, dict(enumerate(orders)))]


def _rest(batches: list[_Batch], began_s: float) -> float:
    poll_s = min((batch.job.poll_s for batch in batches), default=0.0)
    return rest_s(poll_s, time.monotonic() - began_s)


def _settle(batch: _Batch) -> None:
    """Tell the futures of a batch how their calls stand."""
    try:
        batch.job.look(None)
        _cancel_dropped(batch)
    except Exception as error:  # noqa: BLE001 - handed to whoever waits for the results
        for order in batch.open.values():
            order.fail(error)
        batch.open.clear()
        return
    for task, order in list(batch.open.items()):
        state = batch.job.standing_of(task).state
        if state.is_ended:
            del batch.open[task]
            _finish(batch.job, task, order)
        elif state.is_running:
            order.begin()
    if not batch.open:
        with suppress(OSError):
            remove(batch.job.plan, scripts=True, outputs=True)


def _cancel_dropped(batch: _Batch) -> None:
    """Cancel in the queue what was cancelled here."""
    for task, order in batch.open.items():
        if order.future.cancelled() and task not in batch.dropped:
            batch.dropped.add(task)
            batch.job.cancel_task(task)


def _finish(job: Job, task: int, order: _Order) -> None:
    if not order.begin():
        return
    assert isinstance(job.work, FunctionWork)
    try:
        value = job.work.read_task(job, task)
    except BaseException as error:  # noqa: BLE001 - it is what the call came to
        order.future.set_exception(error)
    else:
        order.future.set_result(value)
