"""Real answers of real batch systems, and readers for them.

``slurm-*`` are of Slurm 22.05, ``torque-*`` of Torque 6.1, ``pbs-*`` of OpenPBS 23.06, ``imitation-*`` of
the ``qstat`` that Debian's slurm-wlm-torque puts over Slurm. What stands in the way of reading (search paths)
is shortened; nothing else is changed.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent / "samples"

#: The separator with which the captures of ``squeue`` and ``sacct`` were made.
SEPARATOR = "~0123456789abcdef~"


def read(name: str) -> str:
    """The text of a capture."""
    return (FOLDER / name).read_text()
