"""Whether this machine can run images: a program is here that takes our options and starts a container."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from distribute_compute_config.container import BINARIES, OPTIONS
from distribute_compute_config.errors import DistributeError

_FUSE = Path("/dev/fuse")
_SYSTEM = ("/usr", "/bin", "/lib", "/lib64")
_POINTS = ("dev", "etc", "home", "proc", "sys", "tmp", "var/tmp")
_LONGEST_S = 20.0
_MEND = "it must be 1.1 or later; what else it needs: docs/apptainer.md"


class EngineUnusable(DistributeError):
    """A program that runs images is here, and can't."""


def find_engine() -> str | None:
    """The program that runs images here, by its name in PATH; None if there is none."""
    return next((name for name in BINARIES if shutil.which(name)), None)


def try_engine(binary: str) -> None:
    """Start a container that does nothing, as this user; some 0.1 s. Raises EngineUnusable."""
    with tempfile.TemporaryDirectory(prefix="distribute-try-") as folder:
        root, work = Path(folder, "root"), Path(folder, "work")
        work.mkdir()
        system = [path for path in _SYSTEM if Path(path).is_dir()]
        for path in (*_POINTS, *(path[1:] for path in system)):
            Path(root, path).mkdir(parents=True)
        argv = [binary, "exec", *OPTIONS, "--workdir", str(work), "--bind", ",".join(system)]
        _try([*argv, str(root), "/bin/true"], binary)
    if os.geteuid() != 0 and not os.access(_FUSE, os.R_OK | os.W_OK) and not _is_privileged(binary):
        why = f"{_FUSE} can't be opened, by which the images of this user are mounted"
        raise EngineUnusable(f"{binary} can't run images", why, f"as root: chmod 666 {_FUSE}")


def _try(argv: list[str], binary: str) -> None:
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=_LONGEST_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineUnusable(f"{binary} can't run images", str(error), f"type: {binary} --version") from error
    if done.returncode:
        raise EngineUnusable(f"{binary} can't run images", _find_cause(done), _MEND)


def _find_cause(done: subprocess.CompletedProcess[bytes]) -> str:
    """The line that says it: after a wrong option comes a page on the right ones."""
    said = [line for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
    errors = [line for line in said if line.upper().startswith(("FATAL", "ERROR"))]
    return " ".join([*errors, *said[-1:], f"exit code {done.returncode}"][0].split())


def _is_privileged(binary: str) -> bool:
    """Whether it mounts images as root does, by a program with the set-user-ID bit."""
    done = subprocess.run([binary, "buildcfg"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return any(line.endswith("SUID_INSTALL=1") for line in done.stdout.splitlines())
