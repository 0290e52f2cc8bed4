"""The image of a job file that is checked or added: for which machines it is, and what it doesn't tell."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from distribute_compute_config.container import APP, BINARIES, ENVIRONMENT, OPTIONS
from distribute_compute_config.regular_files import open_regular
from distribute_compute_config.sif import BadImage, Image, read_image, require_app
from nodewatch.folders import remove
from spoold.notices.programs import run_program

if TYPE_CHECKING:
    from distribute_compute_config import LoadedJobFile
    from distribute_compute_config.inputs import InputFile

_LONGEST_S = 60.0
#: Where an image has its apps: https://sci-f.github.io
_APPS = "/scif/apps"
_PASSED = ("PATH", "HOME", "LANG")


@dataclass(frozen=True, slots=True)
class ImageView:
    """``architecture`` as ``uname -m`` says it, None if any will do; ``doubt`` is a warning, or empty."""

    architecture: str | None = None
    doubt: str = ""


def look_at_image(loaded: LoadedJobFile, base: Path) -> ImageView:
    """Of a job file whose files are there; one of another kind has no image.

    Where an image doesn't say what apps it has, apptainer looks into it, if that is installed. Raises
    JobFileError if it lacks the one that runs a job, and OSError.
    """
    mention = next((one for one in loaded.inputs() if one.loc[-1] == "sif"), None)
    if mention is None:
        return ImageView()
    path = base / mention.path
    with open_regular(path) as opened:
        image = read_image(opened)
    if image.apps is not None:
        return ImageView(image.architecture)
    apps = ask_apptainer(path)
    if apps is None:
        doubt = f"{mention.path} doesn't say whether it has the app {APP}, which runs a job"
        return ImageView(
            image.architecture, f"{doubt}; to be sure, build it again with apptainer 1.1 or later"
        )
    _require(Image(image.architecture, apps), loaded, mention)
    return ImageView(image.architecture)


def ask_apptainer(path: Path) -> frozenset[str] | None:
    """The apps of an image; None if that can't be found out here.

    Its own ``ls`` lists them, and may do anything else: it sees no more of this machine than a job would.
    ``apptainer inspect`` would run the image's shell with our environment and among our processes.
    """
    binary = next((name for name in BINARIES if shutil.which(name)), None)
    if binary is None:
        return None
    known = {name: os.environ[name] for name in _PASSED if name in os.environ}
    work = Path(tempfile.mkdtemp(prefix="distribute-look-"))
    argv = [binary, "exec", *OPTIONS, "--workdir", str(work), str(path), "/bin/ls", _APPS]
    try:
        ended = run_program(argv, b"", _LONGEST_S, Event(), {**known, **ENVIRONMENT})
    except OSError:
        return None
    finally:
        remove(work)
    return frozenset(ended.output.decode(errors="replace").split()) if ended.code == 0 else None


def _require(image: Image, loaded: LoadedJobFile, mention: InputFile) -> None:
    from distribute_compute_config import JobFileError
    from distribute_compute_config.problems import Problem, describe_loc

    try:
        require_app(image)
    except BadImage as error:
        problem = Problem(loaded.source, *mention.mark, describe_loc(mention.loc), error.why, error.instead)
        raise JobFileError([problem]) from error
