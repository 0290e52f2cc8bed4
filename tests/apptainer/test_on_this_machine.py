"""`distribute run` of an apptainer batch: the same containers, with no lab."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from distribute_cli.commands.pull import JOB_FILE
from tests.cli.desk import Desk, wait_for_line


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Desk(tmp_path / "my desk") as desk:
        yield desk


def write_batch(desk: Desk, image: Path, script: str) -> None:
    job = {"name": "one", "required_files": [{"path": "one.sh", "alias": "job.sh"}]}
    section = {"initialize": {"sif": str(image), "required_mounts": ["/deep/er"]}, "jobs": [job]}
    meta = {"namespace": "desk", "batch_name": "boxed"}
    desk.write(JOB_FILE, json.dumps({"meta": meta, "apptainer": section}))
    desk.write("one.sh", script)


def test_its_results_and_its_exact_command(desk: Desk, image: Path) -> None:
    write_batch(desk, image, "touch /deep/er/x; pwd; echo $1 > /distribute_save/cores")
    out, err = desk.run("--verbose", "--cores", "2")
    assert out == "/\n"
    assert desk.read("one", "cores") == "2\n"
    shown = next(line for line in err.splitlines() if line.startswith("one$ "))
    assert shown.startswith("one$ apptainer run --pid ")
    assert "--app distribute" in shown and ":/distribute_save:rw" in shown and ":/deep/er:rw" in shown
    assert shown.endswith(" 2")


def test_ctrl_c_ends_a_container(desk: Desk, image: Path) -> None:
    write_batch(desk, image, "echo half > /distribute_save/half; echo begun; while :; do sleep 0.1; done")
    process = desk.start()
    wait_for_line(process, "begun")
    process.send_signal(signal.SIGINT)
    err = process.communicate(timeout=40)[1]
    assert process.returncode == 130, err
    assert desk.left_behind() == []
    assert desk.read("one", "half") == "half\n"
    assert str(desk.folder) not in Path("/proc/self/mountinfo").read_text()


def test_without_apptainer_nothing_is_made(
    desk: Desk, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_batch(desk, image, "true")
    monkeypatch.setenv("PATH", str(tmp_path))
    _, err = desk.run(code=1)
    assert "this machine can't run images: there is no apptainer or singularity in PATH" in err
    assert not (desk.folder / "distribute-run").exists()


def test_an_apptainer_that_fails_is_told_with_what_helps_here(
    desk: Desk, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_batch(desk, image, "true")
    program = tmp_path / "apptainer"
    program.write_text("#!/bin/sh\necho 'FATAL:   no user namespaces' >&2; exit 255\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    _, err = desk.run(code=1)
    assert err.splitlines()[-2:] == [
        "error: apptainer can't run images: FATAL: no user namespaces",
        "  it must be 1.1 or later; what else it needs: docs/apptainer.md",
    ]
