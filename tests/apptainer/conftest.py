"""A lab with an image, once for the user who runs the tests, and once, if that is root, for one who isn't."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.apptainer.container_lab import ContainerLab
from tests.lab import FAST
from tests.lab.apptainer import LACKS_THE_APP, RUNS_ITS_INPUT, build_image, explain_lack
from tests.lab.unprivileged import NOBODY

USERS = ("own", "nobody")


@pytest.fixture(scope="session")
def image() -> Path:
    """The image whose app runs ``input/job.sh``."""
    return _image(RUNS_ITS_INPUT)


@pytest.fixture(scope="session")
def image_without_app() -> Path:
    return _image(LACKS_THE_APP)


def _image(definition: str) -> Path:
    lack = explain_lack()
    if lack:
        pytest.skip(lack)
    return build_image(definition)


@pytest.fixture(scope="module", params=USERS)
def uid(request: pytest.FixtureRequest) -> int | None:
    """Who the daemons are; None: whoever runs the tests."""
    if request.param == "own":
        return None
    if os.geteuid() != 0:
        pytest.skip("only root can start a daemon of another user")
    return NOBODY


@pytest.fixture(scope="module")
def shared(image: Path, uid: int | None) -> Iterator[ContainerLab]:
    """One node, ``alpha``, for all tests of a module; each has batches of its own."""
    yield from _make_lab(image, uid, start=True)


@pytest.fixture
def lab(image: Path, uid: int | None) -> Iterator[ContainerLab]:
    """Without daemons."""
    yield from _make_lab(image, uid, start=False)


def _make_lab(image: Path, uid: int | None, start: bool) -> Iterator[ContainerLab]:
    # Not below pytest's folder, which is closed to others.
    folder = Path(tempfile.mkdtemp(prefix="containers-"))
    folder.chmod(0o755)
    if uid is not None:
        os.chown(folder, uid, uid)
    try:
        with ContainerLab(folder / "lab", replace(FAST, lease_s=60.0), image=image, uid=uid) as lab:
            if start:
                lab.node("alpha")
            yield lab
    finally:
        shutil.rmtree(folder)
