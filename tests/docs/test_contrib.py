"""What contrib/ ships is what a machine accepts, and what the pages show of it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from nodewatch.config import read_config_file
from nodewatch.main import command as nodewatch
from nodewatch.owner import OwnerPolicy, Schedule, read_settings
from nodewatch.owner.settings import READERS
from spoold.main import command as spoold
from tests.docs.transcripts import REPOSITORY

CONTRIB = REPOSITORY / "contrib"
UNITS = sorted(CONTRIB.glob("*.service"))
LAB_PAGES = [REPOSITORY / "README.md", REPOSITORY / "docs" / "lab.md"]
PROGRAMS = {"nodewatch": nodewatch, "spoold": spoold}


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_is_one_for_systemd(unit: Path, tmp_path: Path) -> None:
    installed = tmp_path / unit.name
    # It looks for the program, which is elsewhere here.
    installed.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", unit.read_text(), flags=re.M))
    said = subprocess.run(["systemd-analyze", "verify", str(installed)], capture_output=True, text=True)
    assert (said.returncode, said.stdout + said.stderr) == (0, "")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_starts_a_program_that_understands_its_settings(unit: Path) -> None:
    text = unit.read_text()
    (program,) = re.findall(r"^ExecStart=/opt/distribute/bin/(\w+)$", text, re.M)
    known = {f"{program}_{param.name}".upper() for param in PROGRAMS[program].params}
    variables = set(re.findall(r"^Environment=(\w+)=", text, re.M))
    assert variables <= known | {"DISTRIBUTE_SPOOL"}
    assert "DISTRIBUTE_SPOOL" in variables


def test_the_node_s_configuration_with_every_line_in_force(tmp_path: Path) -> None:
    lines = re.findall(r"^# (\w+: .*)$", (CONTRIB / "nodewatch.yaml").read_text(), re.M)
    path = tmp_path / "nodewatch.yaml"
    path.write_text("\n".join(lines))
    values = read_config_file(path)
    assert len(values) == len(lines) > 5
    aside = read_settings(values)
    assert aside.owner and aside.schedule


@pytest.mark.parametrize("page", LAB_PAGES, ids=lambda page: page.name)
def test_pages_show_the_mount_that_is_shipped(page: Path) -> None:
    mount = (CONTRIB / "fstab").read_text().splitlines()[-1]
    assert " ".join(mount.split()) in page.read_text()


@pytest.mark.parametrize("page", LAB_PAGES, ids=lambda page: page.name)
def test_what_pages_name_is_shipped(page: Path) -> None:
    named = set(re.findall(r"contrib/([\w.]+\w)", page.read_text()))
    assert named <= {path.name for path in CONTRIB.iterdir()}
    assert {"exports", "fstab", "nodewatch.service", "spoold.service"} <= named


def test_the_export_is_one() -> None:
    (line,) = [line for line in (CONTRIB / "exports").read_text().splitlines() if line and line[0] != "#"]
    folder, clients = line.split()
    assert folder == (CONTRIB / "fstab").read_text().split()[-5]
    options = clients.partition("(")[2].rstrip(")").split(",")
    assert {"rw", "sync"} <= set(options)


def test_the_owner_s_settings_are_documented_with_their_defaults() -> None:
    text = (REPOSITORY / "docs" / "lab.md").read_text().split("## Stepping aside")[1].split("\n## ")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| `(.+?)` \|", text, re.M))
    owner = read_settings({"owner": {key: yaml.safe_load(value) for key, value in rows.items()}}).owner
    assert owner == OwnerPolicy()
    assert set(rows) == set(READERS)
    for schedule in re.findall(r"^available: \"(.+)\"$", text, re.M):
        assert Schedule.parse(schedule).ranges
