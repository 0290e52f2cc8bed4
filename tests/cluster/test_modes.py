"""Which queue a machine has, found out from what its programs answer."""

from __future__ import annotations

import time

import pytest

from cluster import config_file, modes
from cluster.backends.torque import Dialect
from cluster.errors import ClusterError, CommandTimeout
from cluster.modes import Mode, current_mode, get_cluster_environment
from cluster.settings import SETTINGS
from tests.cluster.conftest import Program

SLURM = "echo slurm-wlm 22.05.8"
# As Debian's slurm-wlm-torque answers.
IMITATION = "echo 'Unknown option: version' >&2; echo 'Usage:' >&2; exit 2"
TORQUE = "printf 'Version: 6.1.3\\nCommit: 7d7d13\\n' >&2"
OLD_TORQUE = "echo version: 2.5.12"
OPENPBS = "echo pbs_version = 23.06.06"
UNCONFIGURED = "echo 'sbatch: fatal: Could not establish a configuration source' >&2; exit 1"


@pytest.mark.parametrize(
    ("programs", "found"),
    [
        ({}, Mode.LOCAL),
        ({"sbatch": SLURM}, Mode.SLURM),
        ({"sbatch": SLURM, "qsub": "true", "qstat": IMITATION}, Mode.SLURM),
        ({"qsub": "true", "qstat": IMITATION}, Mode.LOCAL),
        ({"qsub": "true"}, Mode.LOCAL),
        ({"qsub": "true", "qstat": TORQUE}, Mode.TORQUE),
        ({"qsub": "true", "qstat": OLD_TORQUE}, Mode.TORQUE),
        ({"qsub": "true", "qstat": OPENPBS}, Mode.TORQUE),
        ({"sbatch": UNCONFIGURED}, Mode.LOCAL),
        ({"sbatch": f"{SLURM}; exit 1"}, Mode.LOCAL),
        ({"sbatch": UNCONFIGURED, "qsub": "true", "qstat": TORQUE}, Mode.TORQUE),
    ],
)
def test_what_the_programs_answer(program: Program, programs: dict[str, str], found: Mode) -> None:
    for name, text in programs.items():
        program(name, text)
    assert get_cluster_environment() is found
    assert modes.MODE is found
    assert current_mode() is found


@pytest.mark.parametrize(
    ("text", "dialect"),
    [(TORQUE, Dialect.TORQUE), (OLD_TORQUE, Dialect.TORQUE), (OPENPBS, Dialect.OPENPBS), (IMITATION, None)],
)
def test_torque_and_openpbs_are_told_apart(program: Program, text: str, dialect: Dialect | None) -> None:
    program("qsub", "true")
    program("qstat", text)
    assert modes.pbs_dialect() is dialect


def test_a_broken_slurm_is_told(program: Program, caplog: pytest.LogCaptureFixture) -> None:
    program("sbatch", UNCONFIGURED)
    get_cluster_environment()
    assert "Could not establish a configuration source" in caplog.text


def test_a_program_that_hangs_is_an_error_and_no_answer(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    program("sbatch", "exec /bin/sleep 1000")
    monkeypatch.setattr(modes, "ANSWER_TIMEOUT_S", 0.3)
    began = time.monotonic()
    with pytest.raises(CommandTimeout, match=r"sbatch --version gave no answer within 0.3 s"):
        get_cluster_environment()
    assert time.monotonic() - began < 5
    assert modes.MODE is None


def test_who_says_which_queue_goes_first(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    program("sbatch", SLURM)
    config_file.set_option("queue", "queue_type", "torque")
    assert get_cluster_environment() is Mode.TORQUE
    monkeypatch.setenv(modes.VARIABLE, "distribute")
    assert get_cluster_environment() is Mode.DISTRIBUTE
    assert get_cluster_environment("local") is Mode.LOCAL
    monkeypatch.setenv(modes.VARIABLE, "auto")
    assert get_cluster_environment() is Mode.SLURM


def test_the_mode_may_be_set_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modes, "MODE", "torque")
    assert current_mode() is Mode.TORQUE
    assert current_mode("slurm") is Mode.SLURM
    monkeypatch.setattr(modes, "MODE", "pbs")
    with pytest.raises(ClusterError, match="'pbs' is no queue: there are slurm, torque, local, distribute"):
        current_mode()


def test_normal_is_local() -> None:
    assert Mode("normal") is Mode.LOCAL
    assert "normal" == Mode.LOCAL == "local"
    assert Mode.SLURM != "normal"
    assert {Mode.LOCAL: 1}["local"] == 1


def test_the_config_file_knows_all_modes() -> None:
    words = SETTINGS["queue"]["queue_type"].words
    assert {str(read) for read in map(Mode, set(words) - {modes.AUTO})} == set(Mode)
