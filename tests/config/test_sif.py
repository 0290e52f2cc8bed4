"""What is read of an image, and what of one that is none or can't run a job."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pytest

from distribute_compute_config import JobFileError, load_with_inputs
from distribute_compute_config.sif import HEADER, BadImage, FileSystem, Image, read_image, require_app
from tests.sif_files import write_sif

JOB_FILE = (
    "meta: {batch_name: b, namespace: n}\napptainer:\n  initialize:\n    sif: box.sif\n  jobs: [{name: j}]\n"
)


def read(path: Path) -> Image:
    with open(path, "rb") as opened:
        return read_image(opened)


@pytest.mark.parametrize(("number", "name"), [(b"02", "x86_64"), (b"04", "aarch64"), (b"01", None)])
def test_an_image_says_for_which_machines_it_is(tmp_path: Path, number: bytes, name: str | None) -> None:
    image = read(write_sif(tmp_path / "a.sif", architecture=number))
    assert image == Image(name, frozenset({"distribute"}))
    require_app(image)


def test_one_that_says_nothing_of_its_apps_is_let_in(tmp_path: Path) -> None:
    image = read(write_sif(tmp_path / "a.sif", apps=None))
    assert image.apps is None
    require_app(image)


def test_one_that_says_too_much_is_not_read_into_memory(tmp_path: Path) -> None:
    """Its JSON would take some hundred MiB there."""
    image = read(write_sif(tmp_path / "a.sif", apps=(f"a{number}" for number in range(200_000))))
    assert image.apps is None


@pytest.mark.parametrize(
    ("apps", "has"),
    [((), "it has none at all"), (("b", "a"), "it has a, b"), (("a\nb",), "it has 'a\\nb'")],
)
def test_one_without_the_app_is_refused(tmp_path: Path, apps: tuple[str, ...], has: str) -> None:
    with pytest.raises(BadImage) as caught:
        require_app(read(write_sif(tmp_path / "a.sif", apps)))
    assert caught.value.why == f"the image has no app distribute, which runs a job; {has}"
    assert "%apprun distribute" in caught.value.instead
    assert "apptainer build" in caught.value.instead


def test_one_that_can_not_be_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadImage, match="encrypted"):
        read(write_sif(tmp_path / "a.sif", file_system=FileSystem.ENCRYPTED_SQUASHFS))
    with pytest.raises(BadImage, match="no file system"):
        read(write_sif(tmp_path / "a.sif", use=3))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is no SIF image, it is empty"),
        ("Bootstrap: docker\nFrom: debian:12 – für uns\n".encode(), "it is no SIF image but a text file"),
        (b"hsqs" + bytes(200), "it is no SIF image but a bare squashfs file system"),
        (bytes(200), "it is no SIF image"),
    ],
)
def test_what_is_none_is_named(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "box.sif").write_bytes(content)
    (tmp_path / "jobs.yaml").write_text(JOB_FILE)
    with pytest.raises(JobFileError) as caught:
        load_with_inputs(tmp_path / "jobs.yaml")
    (problem,) = caught.value.problems
    assert (problem.line, problem.what) == (4, "apptainer.initialize.sif")
    assert problem.why == f"{tmp_path}/box.sif: {why}"
    assert problem.instead == "build one: apptainer build IMAGE.sif DEFINITION.def"


def test_an_image_is_looked_at_in_a_file_with_other_mistakes(tmp_path: Path) -> None:
    (tmp_path / "box.sif").write_text("no image")
    (tmp_path / "jobs.yaml").write_text(JOB_FILE.replace("name: j", "nam: j"))
    with pytest.raises(JobFileError) as caught:
        load_with_inputs(tmp_path / "jobs.yaml")
    assert any("a text file" in one.why for one in caught.value.problems)


def test_a_damaged_image_is_refused_and_never_more(tmp_path: Path) -> None:
    whole = write_sif(tmp_path / "a.sif").read_bytes()
    draw = random.Random(1)
    with pytest.raises(BadImage, match="damaged or cut short"):
        read_image(io.BytesIO(whole[:-1]))
    for _ in range(300):
        broken = bytearray(whole[: draw.choice([len(whole), draw.randrange(len(whole))])])
        for _ in range(draw.randrange(1, 5)):
            at = draw.choice([draw.randrange(HEADER.size), draw.randrange(len(whole))])
            if at < len(broken):
                broken[at] = draw.randrange(256)
        try:
            read_image(io.BytesIO(broken))
        except BadImage as error:
            assert error.why
            assert error.instead
