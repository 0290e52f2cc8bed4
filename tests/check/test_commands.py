"""`distribute fsck` and `distribute verify`, typed on a spool that daemons made."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from distribute_cli.exit_codes import ExitCode
from distribute_cli.main import cli
from spoold.spool import Settings
from tests.spool.lab import NOBODY, Lab, as_user, make_lab


@pytest.fixture
def quick(fast_folder: Path) -> Lab:
    """Two looks follow each other closely where daemons rescan often."""
    lab = make_lab(fast_folder, Settings(heartbeat_s=0.5, lease_s=2.0, rescan_s=0.05))
    ref = lab.submit("b", {"a": "", "p": ""})
    lab.complete(ref, "a")
    return lab


def run(lab: Lab, *arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(cli, ["--spool", str(lab.spool.root), *arguments])
    assert result.exit_code == code, result.output
    return result


def run_json(lab: Lab, *arguments: str, code: int = 0) -> Any:
    return json.loads(run(lab, *arguments, "--json", code=code).stdout)


def test_a_legal_spool(quick: Lab) -> None:
    result = run(quick, "fsck", "--checksums")
    assert (result.stdout, result.stderr) == ("", f"{quick.spool.root} is as it should be\n")
    assert run_json(quick, "fsck") == {"spool": str(quick.spool.root), "errors_left": 0, "findings": []}


def test_an_error_is_named_then_repaired(quick: Lab) -> None:
    (quick.spool.layout.batch("ns", "b").path / "pending/p~1").unlink()
    before = run(quick, "fsck", code=ExitCode.UNSOUND)
    assert before.stdout.splitlines() == [
        "error: batches/ns/b has no ticket of the job p; it becomes pending/p~1001",
        "  repair it with: distribute fsck --repair",
    ]
    assert before.stderr == f"1 error and 0 notes in {quick.spool.root}\n"
    after = run(quick, "fsck", "--repair")
    assert after.stdout.splitlines()[1] == "  repaired"
    assert after.stderr.endswith("; 1 repaired\n")
    run(quick, "fsck")


def test_a_note_alone_is_no_failure(quick: Lab) -> None:
    leftover = quick.spool.layout.tmp / "x"
    leftover.touch()
    os.utime(leftover, (1.0, 1.0))
    (found,) = run_json(quick, "fsck")["findings"]
    assert (found["severity"], found["kind"], found["path"]) == ("note", "tmp-left", "tmp/x")
    assert found["fate"] == "repairable"
    (found,) = run_json(quick, "fsck", "--repair")["findings"]
    assert found["fate"] == "repaired"
    assert not leftover.exists()


def test_what_is_left_to_people_says_what_to_type(quick: Lab) -> None:
    hostile = quick.spool.layout.batch("ns", "b").path / "x\x1b[2J; rm y\n"
    hostile.touch()
    said = run(quick, "fsck", "--repair", code=ExitCode.UNSOUND).stdout
    assert len(said.splitlines()) == 2
    assert "\x1b" not in said
    assert f"rm -r '{quick.spool.layout.batch('ns', 'b').path}/x" in said
    assert hostile.exists()


@pytest.mark.parametrize("damage", ["content", "size", "gone"])
def test_the_step_that_is_named_mends_a_damaged_input(quick: Lab, tmp_path: Path, damage: str) -> None:
    (tmp_path / "mesh.dat").write_text("nodes and edges")
    job = f"required_files: [{tmp_path}/mesh.dat]"
    quick.submit("needs", {"a": job})
    (stored,) = (quick.spool.root / "store").glob("*/*")
    stored.chmod(0o644)
    stored.write_text("nodes or edges!"[: 15 if damage == "content" else 7])
    stored.chmod(0o444)
    if damage == "gone":
        stored.unlink()
    said = run(quick, "fsck", "--checksums", code=ExitCode.UNSOUND).stdout.splitlines()
    assert "it is mesh.dat of ns/needs" in said[0]
    assert said[1].startswith("  submit mesh.dat, as it was, with a new batch")
    quick.submit("again", {"a": job})
    assert stored.read_text() == "nodes and edges"
    run(quick, "fsck", "--checksums")


@pytest.mark.skipif(os.geteuid() != 0, reason="is another user, which only root may be")
def test_anybody_may_look_and_only_the_owner_repairs(quick: Lab) -> None:
    def look() -> None:
        run(quick, "fsck")
        denied = run(quick, "fsck", "--repair", code=1)
        assert "isn't yours to repair" in denied.stderr
        assert "sudo -u root distribute --spool" in denied.stderr

    as_user(NOBODY, look)


def test_results_that_are_as_recorded(quick: Lab) -> None:
    for target in ("ns", "ns/b", "ns/b/a"):
        said = run(quick, "verify", target)
        assert said.stdout == ""
        assert said.stderr.startswith(f"{target}: 1 result, 3 files (")
        assert said.stderr.endswith("): all as recorded\n")


def test_a_changed_result_is_named(quick: Lab) -> None:
    path = quick.spool.layout.archived_job("ns", "b", "a") / "out.txt"
    path.write_text("changed")
    said = run(quick, "verify", "ns/b", code=ExitCode.UNSOUND)
    assert said.stdout == f"{path} has 7 bytes, and had 6\n"
    report = run_json(quick, "verify", "ns/b/a", code=ExitCode.UNSOUND)
    assert report["differences"] == [{"path": str(path), "kind": "size", "what": "has 7 bytes, and had 6"}]


@pytest.mark.parametrize("target", ["other", "ns/other", "ns/b/p", "ns/b/other"])
def test_what_isnt_there_cant_be_verified(quick: Lab, target: str) -> None:
    assert run(quick, "verify", target, code=ExitCode.NOT_FOUND).stderr.startswith("error: there is no ")
