"""The environment that somebody submits in, for the jobs that he submits: as a cluster hands it on.

A file a content, which shells read: ``export NAME='value'``. Only its owner can, for there may be secrets.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shlex
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
#: What a node decides for each job, and what is true of one process only.
_LEFT_OUT = frozenset(
    {
        *(f"DISTRIBUTE_{name}" for name in ("NAMESPACE", "BATCH", "JOB", "ATTEMPT", "NODE", "CORES")),
        *("DISTRIBUTE_SAVE", "DISTRIBUTE_RUN"),
        *("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
        *("NUMEXPR_NUM_THREADS", "PWD", "OLDPWD", "SHLVL", "_", "CLUSTER_TASK", "PYTHONUNBUFFERED"),
    }
)
_LEFT_OUT_PREFIXES = ("NODEWATCH_", "SLURM_", "PBS_", "PYTEST_")


def render(environment: Mapping[str, str]) -> str:
    """The text of the file. Pure."""
    lines = [
        f"export {name}={shlex.quote(value)}"
        for name, value in sorted(environment.items())
        if _NAME.fullmatch(name) and name not in _LEFT_OUT and not name.startswith(_LEFT_OUT_PREFIXES)
    ]
    return "\n".join([*lines, ""])


def keep(folder: Path, environment: Mapping[str, str]) -> Path:
    """The file of an environment in ``folder``, which is made if it isn't there. Raises OSError."""
    data = render(environment).encode(errors="surrogateescape")
    path = folder / f"{hashlib.sha256(data).hexdigest()}.sh"
    with suppress(FileNotFoundError):
        # Who tidies up sees that it is in use.
        os.utime(path)
        return path
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    private = folder / f".{secrets.token_hex(8)}"
    with open(private, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(data)
    private.replace(path)
    return path
