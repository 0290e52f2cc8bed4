"""What a node's jobs have used of the machine's load: also those that have ended, and never less than before."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from nodewatch.process import Launcher, RunSpec, read_exit
from nodewatch.scratch import Scratch
from nodewatch.supervisor import Supervisor
from tests.support import wait_until

BURN = "import time, sys\nwhile time.process_time() < float(sys.argv[1]): pass\n"


def spec(folder: Path, code: str, *arguments: str) -> RunSpec:
    argv = (sys.executable, "-S", "-c", code, *arguments)
    return RunSpec(argv, folder, dict(os.environ), folder / "out", folder / "out")


def test_spent(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "scratch", 0)
    scratch.make(tmp_path / "spool")
    supervisor = Supervisor(scratch)
    before_s, used_s = supervisor.spent_s(), 0.0
    assert before_s == 0.0
    with Launcher() as launcher:
        for number in range(4):
            folder = tmp_path / f"run{number}"
            folder.mkdir()
            run = launcher.launch(folder, spec(tmp_path, BURN, "0.5"))
            supervisor.add(folder.name, run)
            try:
                if number == 0:
                    wait_until(lambda: supervisor.spent_s() > 0.2)
                while not run.wait(0.02):
                    now_s = supervisor.spent_s()
                    assert now_s >= before_s
                    before_s = now_s
            finally:
                supervisor.remove(folder.name)
                run.close()
            ended = read_exit(folder)
            assert ended is not None and ended.exit_code == 0
            used_s += ended.user_cpu_s + ended.system_cpu_s
            assert supervisor.spent_s() >= used_s >= 0.5 * (number + 1)
    assert supervisor.spent_s() - used_s < 0.2
