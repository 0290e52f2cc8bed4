"""What the options of a job come to on a real Slurm."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.modes import Mode, get_cluster_environment
from cluster.options import options_to_string
from cluster.run import cmd
from tests.lab.slurm import SlurmLab

ODD = r"""it's # 1 \ "q" $HOME `id` a;b|c&d *[a]?{1,2} ~ \n -- ä"""


@pytest.fixture(autouse=True)
def slurm(slurm_lab: SlurmLab, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in slurm_lab.env.items():
        monkeypatch.setenv(name, value)


def test_it_is_found() -> None:
    assert get_cluster_environment() is Mode.SLURM


def test_sbatch_reads_what_was_given(tmp_path: Path) -> None:
    given = {
        "cores": 2,
        "nodes": 2,
        "mem": "0.1G",
        "time": "2-01:00:30",
        "begin": "now+1hour",
        "export": "A=1,B",
        "hint": "nomultithread",
        "mail_type": "begin,end",
        "mail_user": "anna@example.org",
        "nice": 5,
        "comment": ODD,
        "outfile": tmp_path / "out put #1.txt",
    }
    script = tmp_path / "script.sh"
    script.write_text(f"#!/bin/bash\n{options_to_string(given)}\ntrue\n")
    submitted = cmd(["sbatch", "--parsable", script], timeout_s=20)
    assert submitted.code == 0, submitted.stderr
    job = submitted.stdout.strip()
    try:
        shown = cmd(["scontrol", "show", "job", job], timeout_s=20).stdout
    finally:
        assert cmd(["scancel", job], timeout_s=20).code == 0
    for said in (
        f"Comment={ODD}",
        f"StdOut={tmp_path}/out put #1.txt",
        "TimeLimit=2-01:01:00",  # in whole minutes
        "CPUs/Task=2",
        "NumNodes=2-2",
        "MinMemoryNode=103M",
        "Nice=5",
        "Reason=BeginTime",
        "MailUser=anna@example.org MailType=BEGIN,END",
    ):
        assert said in shown, shown
