"""Images and mounts with which nothing can be run are refused before a node has anything to do with them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from distribute_cli.images import ask_apptainer
from distribute_compute_config import JobFileError, load_with_inputs
from tests.lab import Lab
from tests.lab.apptainer import LACKS_THE_APP, build_image
from tests.sif_files import hide_apps, write_sif
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


_SLEEP = "12345.678"
#: Doesn't match the line that it stands in.
_PATTERN = f"[{_SLEEP[0]}]{_SLEEP[1:]}"
#: Its shell and its ``ls`` say that it has the app unless they see our environment or our processes.
CURIOUS = f"""Bootstrap: localimage
From: root

%setup
    for name in sh ls; do
        rm $APPTAINER_ROOTFS/bin/$name
        printf '%s\\n' '#!/bin/busybox sh' 'cat /proc/[0-9]*/cmdline | grep -q {_PATTERN} && echo processes' \\
            '[ -z "$SECRET" ] || echo environment' 'echo distribute' >$APPTAINER_ROOTFS/bin/$name
        chmod 755 $APPTAINER_ROOTFS/bin/$name
    done
%apprun distribute
    exec /bin/busybox true
"""


def test_an_image_that_is_only_looked_at_sees_nothing(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that says nothing of its apps has to be run to know them."""
    monkeypatch.setenv("SECRET", "x")
    curious = tmp_path / "a.sif"
    curious.write_bytes(build_image(CURIOUS).read_bytes())
    hide_apps(curious)
    sleeper = subprocess.Popen(["sleep", _SLEEP])
    try:
        assert ask_apptainer(curious) == {"distribute"}
    finally:
        sleeper.kill()
        sleeper.wait()


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
