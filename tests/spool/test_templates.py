"""Sweeps at admission: jobs as usual, and templates that become objects of the store."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from distribute_compute_config import load_file
from spoold.bundles import collect, drop_bundle
from spoold.records import JobSpec
from spoold.snapshot import read_header, read_jobs
from spoold.spool import Settings
from tests.spool.lab import Lab, make_lab

TEXT = """\
meta: {batch_name: b, namespace: ns}
command:
  initialize: {required_files: [in.json]}
  jobs:
    - name: "re{re}-n{n}"
      command: ./solve {re}
      sweep: {re: [100, 1.0], n: [64, 128]}
      required_files:
        - {path: in.json, alias: "{n}.json", template: true}
        - {path: plain.json}
"""
RAW = '{"n": {n}, "é": {}}'


@pytest.fixture
def lab(fast_folder: Path) -> Lab:
    return make_lab(fast_folder)


def write(folder: Path, template: bytes = RAW.encode()) -> Path:
    folder.mkdir()
    (folder / "job.yaml").write_text(TEXT)
    (folder / "in.json").write_bytes(template)
    (folder / "in.json").chmod(0o755)
    (folder / "plain.json").write_text("{n}")
    return folder


def jobs_of(lab: Lab) -> list[JobSpec]:
    jobs = read_jobs(lab.spool, lab.ref("b").folder)
    assert jobs is not None
    return list(jobs.jobs)


def check_admitted(lab: Lab) -> None:
    assert lab.rejected() == {}
    jobs = jobs_of(lab)
    assert [(job.name, job.command) for job in jobs] == [
        ("re100-n64", "./solve 100"),
        ("re100-n128", "./solve 100"),
        ("re1.0-n64", "./solve 1.0"),
        ("re1.0-n128", "./solve 1.0"),
    ]
    store = lab.spool.layout.store_object
    for job in jobs:
        n = job.name.rpartition("n")[2]
        filled, plain = job.inputs
        assert (filled.name, plain.name) == (f"{n}.json", "plain.json")
        assert store(filled.sha256).read_text() == f'{{"n": {n}, "é": {{}}}}'
        assert (filled.size_bytes, filled.executable) == (len(store(filled.sha256).read_bytes()), True)
        assert store(plain.sha256).read_text() == "{n}"
    # One object a content: the template doesn't mention re.
    assert len({job.inputs[0].sha256 for job in jobs}) == 2
    header = read_header(lab.spool, lab.ref("b").folder)
    assert header is not None
    assert header.jobs_total == 4
    assert store(header.initial_files[0].sha256).read_text() == RAW
    assert sorted(lab.tickets(lab.ref("b"))["pending"]) == sorted(f"{job.name}~1" for job in jobs)


def test_a_folder_with_a_sweep_is_admitted_as_its_jobs(lab: Lab) -> None:
    write(lab.spool.layout.incoming / "b")
    lab.sweep()
    check_admitted(lab)


def test_a_bundle_with_a_sweep_is_admitted_as_its_jobs(lab: Lab, tmp_path: Path) -> None:
    base = write(tmp_path / "here")
    hashed: list[int] = []
    bundle = collect(load_file(base / "job.yaml"), base, hashed.append)
    assert sum(hashed) == sum(path.stat().st_size for path in base.glob("*.json")), "each file once"
    assert set(bundle.files) == {"in.json", "plain.json"}
    drop_bundle(lab.spool, bundle, "b")
    lab.sweep()
    check_admitted(lab)


def test_a_template_that_was_changed_in_the_bundle_is_refused(lab: Lab, tmp_path: Path) -> None:
    base = write(tmp_path / "here")
    only_template = TEXT.replace("  initialize: {required_files: [in.json]}\n", "")
    (base / "job.yaml").write_text(only_template)
    drop = drop_bundle(lab.spool, collect(load_file(base / "job.yaml"), base), "b")
    changed = drop.read_bytes().replace(RAW.encode(), RAW.replace("n", "m", 1).encode())
    assert changed != drop.read_bytes()
    tarfile.open(fileobj=io.BytesIO(changed)).close()
    drop.write_bytes(changed)
    lab.sweep()
    assert "it changed while it was bundled" in lab.rejected()["b.bundle"]


@pytest.mark.parametrize(
    ("template", "why"),
    [
        (b"{m}", "the template mentions none of {re}, {n}"),
        (b"{n}\xff", "a template is text in UTF-8, and byte 4 isn't"),
        (b"{n}" + bytes(1 << 20), "a template has at most 1048576 bytes"),
    ],
    ids=["no parameter", "no text", "too large"],
)
def test_a_template_that_is_none_is_rejected_with_its_place(lab: Lab, template: bytes, why: str) -> None:
    write(lab.spool.layout.incoming / "b", template)
    lab.sweep()
    reason = lab.rejected()["b"]
    assert f"b/job.yaml:9:18: command.jobs[0].required_files[0]: in.json: {why}" in reason
    assert reason.count("job.yaml:9:") == 1


def test_a_template_that_is_missing_is_rejected_with_its_place(lab: Lab) -> None:
    (write(lab.spool.layout.incoming / "b") / "in.json").unlink()
    lab.sweep()
    reason = lab.rejected()["b"]
    assert "b/job.yaml:3:33: command.initialize.required_files[0]: in.json: " in reason


def test_a_sweep_is_limited_by_the_spool(fast_folder: Path) -> None:
    lab = make_lab(fast_folder, Settings(max_jobs=3))
    write(lab.spool.layout.incoming / "b")
    lab.sweep()
    assert (
        "b/job.yaml:7:14: command.jobs[0].sweep: the sweep makes 4 jobs, and a batch may have 3"
        in (lab.rejected()["b"])
    )
