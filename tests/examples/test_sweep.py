"""The sweep example: what its page says is typed on a lab of real daemons, and the motions are the published ones."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest

from distribute_compute_config import load_file
from spoold.snapshot import read_record
from tests.docs.transcripts import REPOSITORY, Sandbox, Step, find_missing, make_sandbox, read_page
from tests.lab import Lab

EXAMPLE = REPOSITORY / "examples" / "sweep"
#: Baker and Gollub: after how many pushes the motion repeats.
PUBLISHED = {"1.070": 2, "1.150": None, "1.350": 1, "1.450": 2, "1.470": 4}
SVG = "{http://www.w3.org/2000/svg}"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up.
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A folder in which everything of the page was typed, each output as it is shown."""
    folder = tmp_path_factory.mktemp("sweep")
    with Lab(folder / "lab") as lab:
        sandbox = make_sandbox(lab, folder / "home")
        steps = [item for item in read_page((EXAMPLE / "README.md").read_text()) if isinstance(item, Step)]
        assert len(steps) == 3
        for step in steps:
            said = sandbox.do(step)
            missing = find_missing(step.shown, said)
            assert missing is None, f"$ {step.command}\nshown, not said: {missing}\nsaid:\n{said}"
        yield sandbox


@pytest.fixture
def results(typed: Sandbox) -> Path:
    return typed.home / "distribute-results" / "examples" / "pendulum"


def test_a_name_that_is_taken_is_told_without_a_traceback(typed: Sandbox) -> None:
    said = typed.do(Step("python3 examples/sweep/sweep.py", (), exit_code=1))
    assert said.splitlines()[-2:] == [
        "error: examples/pendulum is there already: a name is used once",
        "  give this batch another batch_name, or look at the first: distribute status examples/pendulum",
    ]


def test_a_hundred_jobs_ran_side_by_side_on_both_nodes(typed: Sandbox) -> None:
    lab = typed.lab
    records = [
        read_record(lab.spool, folder)
        for folder in (lab.spool.layout.archive / "examples" / "pendulum").glob("push*")
    ]
    done = [one for one in records if one is not None]
    assert len(done) == 100
    assert {one.attempt for one in done} == {1}
    assert {one.node for one in done} == {"alpha", "beta"}
    assert {one.cores for one in done} == {1}
    overlapping = [
        one for one in done if any(one.started_at < other.started_at < one.ended_at for other in done)
    ]
    assert len(overlapping) > 50


def test_the_motions_are_the_published_ones(results: Path) -> None:
    found = {push: json.loads((results / f"push{push}" / "summary.json").read_text()) for push in PUBLISHED}
    assert {push: case["period"] for push, case in found.items()} == PUBLISHED
    assert {push: f"{case['push']:.3f}" for push, case in found.items()} == {push: push for push in PUBLISHED}


def test_the_picture_shows_every_job(typed: Sandbox) -> None:
    picture = ElementTree.parse(typed.home / "pendulum.svg").getroot()
    path = picture.find(f"{SVG}path")
    assert path is not None
    across = {point.split()[0] for point in path.attrib["d"].split("M")[1:]}
    assert len(across) == 100


def test_the_job_file_that_was_written_is_what_was_submitted(typed: Sandbox) -> None:
    written = load_file(typed.home / "pendulum.yaml").jobfile
    submitted = typed.lab.spool.layout.archive / "examples" / "pendulum" / "job.yaml"
    assert load_file(submitted).jobfile == written
    assert [job.name for job in written.jobs][::99] == ["push1.000", "push1.495"]


def test_a_motion_that_never_repeats_has_no_period() -> None:
    pendulum = load("pendulum")
    assert pendulum.find_period([(0.0, speed) for speed in (1, 2, 3, 1, 2, 3, 1, 2, 3)]) == 3
    assert pendulum.find_period([(0.0, speed / 7) for speed in range(64)]) is None
    # A turn more is the same place.
    assert pendulum.find_period([(3.1415, 1.0), (-3.1415, 1.0)] * 8) == 1
