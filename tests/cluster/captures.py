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


def show(name: str) -> str:
    """A shell's words that print a capture, with the separator that the program was asked for, if any."""
    wanted = r'[[ "$*" =~ (~[0-9a-f]{16}~) ]] && wanted=${BASH_REMATCH[1]}'
    return f'{wanted}; text=$(<{FOLDER / name}); printf "%s\\n" "${{text//{SEPARATOR}/${{wanted-}}}}"'


def put_slurm(folder: Path) -> Path:
    """Make a folder with programs that answer as a Slurm whose jobs were captured."""
    folder.mkdir()
    for name, text in {"sbatch": "echo slurm 22.05.8", "squeue": show("slurm-squeue.txt")}.items():
        (folder / name).write_text(f"#!/bin/bash\n{text}\n")
        (folder / name).chmod(0o755)
    return folder
