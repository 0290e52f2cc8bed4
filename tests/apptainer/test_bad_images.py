"""Images and mounts with which nothing can be run are refused before a node has anything to do with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from distribute_compute_config import JobFileError, load_with_inputs
from tests.lab import Lab
from tests.lab.apptainer import LACKS_THE_APP
from tests.sif_files import write_sif
from tests.support import wait_until


def test_a_real_image_without_the_app_is_refused(
    image: Path, image_without_app: Path, tmp_path: Path
) -> None:
    text = (
        "meta: {{batch_name: b, namespace: n}}\napptainer: {{initialize: {{sif: {}}}, jobs: [{{name: a}}]}}\n"
    )
    path = tmp_path / "jobs.yaml"
    path.write_text(text.format(image))
    load_with_inputs(path)
    path.write_text(text.format(image_without_app))
    with pytest.raises(JobFileError, match="no app distribute, which runs a job; it has solve"):
        load_with_inputs(path)
    assert "%apprun solve" in LACKS_THE_APP


@pytest.mark.parametrize(("content", "why"), [("text", "but a text file"), ("apps", "it has none at all")])
def test_what_was_dropped_by_hand_is_looked_at_too(tmp_path: Path, content: str, why: str) -> None:
    with Lab(tmp_path / "lab") as lab:
        lab.steward()
        box = tmp_path / "box.sif"
        box.write_text("no image")
        if content == "apps":
            write_sif(box, apps=())
        section = {"initialize": {"sif": str(box)}, "jobs": [{"name": "a"}]}
        lab.drop("bad", {"meta": {"namespace": "lab", "batch_name": "bad"}, "apptainer": section})
        reason = lab.spool.layout.rejected / "bad.reason.txt"
        wait_until(reason.exists, what="it is rejected")
        assert why in reason.read_text()
        assert "apptainer build" in reason.read_text()
