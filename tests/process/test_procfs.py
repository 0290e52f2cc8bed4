"""Looking at all processes while others come and go."""

from __future__ import annotations

import os
import subprocess
import time

from nodewatch.process.runner import procfs

LOOKS = 20


def test_strangers_that_come_all_the_time_hold_up_no_look() -> None:
    """As on a workstation where somebody compiles: processes start faster than a look takes."""
    churn = "i=0; while [ $i -lt 100000 ]; do /bin/true & /bin/true & wait; i=$((i+1)); done"
    child = subprocess.Popen(["sleep", "600"])
    strangers = [subprocess.Popen(["/bin/sh", "-c", churn], start_new_session=True) for _ in range(2)]
    try:
        began_s = time.monotonic()
        for _ in range(LOOKS):
            found = procfs.survey(
                procfs.look, lambda processes: [one for one in processes if one.pid == child.pid]
            )
            assert [one.pid for one in found] == [child.pid]
        assert time.monotonic() - began_s < LOOKS * 1.0
    finally:
        for process in (child, *strangers):
            process.kill()
            process.wait()


def test_a_process_that_hides_in_its_children_is_found() -> None:
    """Of what came after the list something had ended before it was viewed: then it is listed anew."""
    lists = [[1, 2], [1, 2, 3], [1, 2, 3, 4]]
    me = procfs.look(os.getpid())
    assert me

    def view(pid: int) -> procfs.Process | None:
        return None if pid in (2, 3) else me._replace(pid=pid)

    listed = iter(lists)
    original = procfs._list_pids
    procfs._list_pids = lambda: next(listed, lists[-1])
    try:
        found = procfs.survey(view, lambda processes: [one for one in processes if one.pid == 4])
    finally:
        procfs._list_pids = original
    assert [one.pid for one in found] == [4]
