"""Images for tests, built once from this machine's own files; and who may be there to run them."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

from filelock import FileLock

from distribute_compute_config.container import BINARIES

_ROOT = Path(__file__).parents[3]
_BUILD_SCRIPT = _ROOT / "examples" / "apptainer" / "build-image.sh"
_IMAGES = _ROOT / "build" / "images"
_HEAD = "Bootstrap: localimage\nFrom: root\n\n"

#: A job is the script that it brings as ``input/job.sh``; the only argument is the number of cores.
RUNS_ITS_INPUT = f'{_HEAD}%apprun distribute\n    exec /bin/sh /input/job.sh "$@"\n'
#: An image with an app, but not the one that runs a job.
LACKS_THE_APP = f"{_HEAD}%apprun solve\n    echo solved\n"


def explain_lack() -> str:
    """Why no image can be built or run here; empty if nothing is missing."""
    wanted = {
        "apptainer": "",
        "mksquashfs": "squashfs-tools",
        "squashfuse_ll": "squashfuse",
        "busybox": "busybox-static",
    }
    missing = [package or program for program, package in wanted.items() if not shutil.which(program)]
    if not missing:
        return ""
    return f"needs {', '.join(missing)}; as root on Debian 12: tests/lab/apptainer/install.sh"


def build_image(definition: str) -> Path:
    """The image of a definition that begins with ``root``; built if no test did so before."""
    parts = [definition.encode(), _BUILD_SCRIPT.read_bytes(), _version(BINARIES[0])]
    name = hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
    image = _IMAGES / f"{name}.sif"
    _IMAGES.mkdir(parents=True, exist_ok=True)
    with FileLock(_IMAGES / f"{name}.lock"):
        if not image.exists():
            _build(definition, image)
    return image


def _build(definition: str, image: Path) -> None:
    source, draft = image.with_suffix(".def"), image.with_suffix(".new")
    source.write_text(definition)
    done = subprocess.run(["sh", str(_BUILD_SCRIPT), str(source), str(draft)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    draft.chmod(0o644)
    draft.rename(image)


def _version(binary: str) -> bytes:
    return subprocess.run([binary, "--version"], capture_output=True, check=True).stdout
