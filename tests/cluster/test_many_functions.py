"""Hundreds of functions through this machine's own queue, whose node is killed in the middle."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

import cluster
from cluster.modes import Mode
from tests.cluster.on_local import local_queue, node_pid
from tests.support import wait_until

MANY = 500


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_hundreds_of_functions_are_called_once_each_also_when_the_node_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()

    def square(x: int, where: str = str(marks)) -> int:
        import os

        # A line a call, whoever makes it.
        handle = os.open(f"{where}/{x}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(handle, b"called\n")
        os.close(handle)
        return x * x

    with local_queue(tmp_path / "state", monkeypatch, cores=4) as engine:
        job = cluster.map(square, range(MANY), qtype=Mode.LOCAL)
        killed = []
        for share in (MANY // 4, MANY // 2):
            wait_until(lambda share=share: len(os.listdir(marks)) >= share, within_s=200)  # type: ignore[misc]
            killed.append(node_pid(engine))
            os.kill(killed[-1], signal.SIGKILL)
            wait_until(lambda: not engine.node.lives(), within_s=20)
            # Whoever waits sees to it that a node lives.
            job.update()
            wait_until(lambda: job.update() and engine.node.lives(), within_s=20)
        assert job.get(200) == [x * x for x in range(MANY)]
        assert len(set(killed)) == 2
    calls = {name: (marks / name).read_text().count("called") for name in os.listdir(marks)}
    assert calls == {str(x): 1 for x in range(MANY)}
