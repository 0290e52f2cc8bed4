"""Which queue jobs go to: Slurm's, Torque's, this machine's own, or a lab's spool.

``MODE`` is that of the whole package; it may be set by hand: ``cluster.modes.MODE = "slurm"``.
"""

from __future__ import annotations

import os
from enum import StrEnum

from cluster import logme
from cluster.backends.torque import Dialect, read_dialect
from cluster.errors import ClusterError, CommandError, CommandTimeout
from cluster.run import Finished, cmd, which
from cluster.settings import get_option

VARIABLE = "CLUSTER_QUEUE"
AUTO = "auto"
#: An answer to ``--version`` takes milliseconds; without one for so long something is wrong.
ANSWER_TIMEOUT_S = 10.0
_NORMAL = "normal"


class Mode(StrEnum):
    """A kind of queue. ``normal`` is another word for ``local``, and equal to it."""

    SLURM = "slurm"
    TORQUE = "torque"
    LOCAL = "local"
    DISTRIBUTE = "distribute"

    @classmethod
    def _missing_(cls, value: object) -> Mode | None:
        return cls.LOCAL if value == _NORMAL else None

    def __eq__(self, other: object) -> bool:
        return str.__eq__(self, self.LOCAL.value if other == _NORMAL else other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__


#: The mode of this package; None: not known yet.
MODE: Mode | str | None = None


def read_mode(name: str) -> Mode:
    """The mode of that name. Raises ClusterError naming those that there are."""
    try:
        return Mode(name)
    except ValueError:
        names = ", ".join(Mode)
        where = f"it is said by a call, {VARIABLE}, or the option queue_type of the config file"
        raise ClusterError(f"{name!r} is no queue", f"there are {names}", where) from None


def current_mode(queue: Mode | str | None = None) -> Mode:
    """The mode to use: ``queue`` if it is given, else ``MODE``, which is found out when it isn't known.

    Raises ClusterError for one that doesn't exist.
    """
    chosen = queue or MODE
    return get_cluster_environment() if chosen in (None, AUTO) else read_mode(str(chosen))


def get_cluster_environment(queue: Mode | str | None = None) -> Mode:
    """Find out which queue this machine submits to, and make it the mode of this package.

    It is ``queue``, else what the variable CLUSTER_QUEUE says, else the option ``queue_type`` of the config
    file; where that says ``auto``, Slurm or Torque if their programs answer, else this machine itself.

    Raises ClusterError for a queue that doesn't exist, CommandTimeout if a program doesn't answer.
    """
    global MODE
    wanted = queue or os.environ.get(VARIABLE) or str(get_option("queue", "queue_type"))
    found = _detect() if wanted == AUTO else read_mode(wanted)
    logme.log(f"the queue is {found}", "debug")
    MODE = found
    return found


def _detect() -> Mode:
    # Slurm first: Debian's slurm-wlm-torque puts qsub and qstat into PATH over it.
    if is_slurm():
        return Mode.SLURM
    return Mode.TORQUE if pbs_dialect() else Mode.LOCAL


def is_slurm() -> bool:
    """Whether Slurm's ``sbatch`` is here and set up. Raises CommandTimeout."""
    answer = _ask("sbatch")
    if answer is None:
        return False
    if answer.code == 0 and answer.stdout.startswith("slurm"):
        return True
    logme.log(f"sbatch is here, and Slurm isn't set up: {_last_line(answer)}", "warn")
    return False


def pbs_dialect() -> Dialect | None:
    """Who answers as ``qstat``; None if nobody does, or only Slurm's imitation. Raises CommandTimeout."""
    if which("qsub") is None or (answer := _ask("qstat")) is None:
        return None
    dialect = read_qstat_version(answer)
    if dialect is None:
        logme.log(f"qstat is here, and is neither Torque's nor OpenPBS's: {_last_line(answer)}", "debug")
    return dialect


def read_qstat_version(answer: Finished) -> Dialect | None:
    """Whose answer to ``qstat --version`` this is; None if it isn't Torque's or OpenPBS's own. Pure."""
    dialect = read_dialect(answer.stdout + answer.stderr)
    return dialect if answer.code == 0 and dialect is not Dialect.IMITATION else None


def _ask(program: str) -> Finished | None:
    """Its answer to ``--version``; None if it isn't here. Raises CommandTimeout: silence says nothing."""
    if which(program) is None:
        return None
    try:
        return cmd([program, "--version"], timeout_s=ANSWER_TIMEOUT_S)
    except CommandTimeout as error:
        raise CommandTimeout(
            error.what,
            "so it isn't known whether this is a cluster",
            f"try again, or choose the queue: export {VARIABLE}=local (or slurm, torque, distribute)",
        ) from error
    except CommandError as error:
        logme.log(str(error), "warn")
        return None


def _last_line(answer: Finished) -> str:
    lines = (answer.stderr or answer.stdout).strip().splitlines()
    return lines[-1] if lines else f"no answer, exit code {answer.code}"
