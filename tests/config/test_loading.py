"""Files that load: the seeds in all their spellings, the templates, and what the loaded file tells."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from distribute_compute_config import (
    Eviction,
    File,
    JobFile,
    JobFileError,
    Kind,
    Mark,
    Resources,
    effective_eviction,
    effective_priority,
    effective_resources,
    effective_retries,
    load_file,
    load_text,
    template,
)

SEEDS = Path(__file__).parent / "seeds"
META = "meta:\n  batch_name: a\n  namespace: b\n"
PYTHON = (
    META
    + "python:\n  initialize:\n    build_file: build.py\n  jobs:\n    - name: job_1\n      file: run.py\n"
)


def test_the_seed_loads() -> None:
    loaded = load_file(SEEDS / "python-jobs.yaml")
    jobfile = loaded.jobfile
    assert jobfile.kind is Kind.PYTHON
    assert jobfile.section is jobfile.python
    assert jobfile.meta.batch_name == "your_jobset_name"
    assert jobfile.meta.matrix is None
    assert jobfile.meta.capabilities == ("gfortran", "python3", "apptainer")
    assert jobfile.python is not None
    assert jobfile.python.initialize.build_file == File(path="/path/to/build.py")
    assert [file.name for file in jobfile.jobs[0].required_files] == [
        "job_configuration_file.json",
        "input.json",
    ]
    assert loaded.mark(("python", "jobs", 0, "name")) == Mark(21, 13)
    assert loaded.source == str(SEEDS / "python-jobs.yaml")
    assert loaded.text == (SEEDS / "python-jobs.yaml").read_text()


def test_the_seed_that_is_only_a_section_loads_below_a_meta() -> None:
    section = (SEEDS / "python-section.yaml").read_text()
    jobfile = load_text(META + section, "x").jobfile
    assert [job.required_files for job in jobfile.jobs] == [(File(path="file3.txt"),), ()]
    with pytest.raises(JobFileError, match=r"^x:1:1: meta: it is missing; write meta:$"):
        load_text(section, "x")


def test_a_tab_in_the_indentation_has_its_own_message() -> None:
    with pytest.raises(JobFileError) as caught:
        load_file(SEEDS / "introduction-tab.yaml")
    (problem,) = caught.value.problems
    assert (problem.line, problem.column, problem.what) == (12, 1, "tab")
    assert "only spaces" in problem.why
    assert problem.instead.startswith("write spaces instead")


def test_an_unquoted_matrix_user_has_its_own_message() -> None:
    with pytest.raises(JobFileError) as caught:
        load_file(SEEDS / "unquoted-matrix.yaml")
    (problem,) = caught.value.problems
    assert (problem.line, problem.column, problem.what) == (4, 11, "@matrx_id:matrix.org")
    assert problem.instead == 'put it in quotes: "@matrx_id:matrix.org"'


def test_the_seeds_load_once_mended() -> None:
    intro = (SEEDS / "introduction-tab.yaml").read_text().replace("\t  path", "      path")
    assert load_text(intro, "x").jobfile.python is not None
    quoted = (
        (SEEDS / "unquoted-matrix.yaml").read_text().replace("@matrx_id:matrix.org", '"@matrx_id:matrix.org"')
    )
    jobfile = load_text(quoted, "x").jobfile
    assert jobfile.meta.matrix == "@matrx_id:matrix.org"
    assert jobfile.kind is Kind.APPTAINER


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("build_file: build.py", "build_file: {path: build.py}"),
        ("build_file: build.py", "build_file: {path: build.py, alias: ~}"),
        ("build_file: build.py", "build_file:\n      path: build.py"),
        ("file: run.py", "file: {path: run.py, alias: ~}"),
        ("file: run.py", "file: run.py\n      required_files: ~"),
        ("file: run.py", "file: run.py\n      required_files:"),
        ("file: run.py", "file: run.py\n      required_files: []"),
        ("file: run.py", "file: run.py\n      depends: ~"),
        ("batch_name: a", "batch_name: 'a'\n  matrix: ~\n  capabilities: ~"),
        ("batch_name: a", "batch_name: a\n  matrix:\n  capabilities: []\n  resources: ~"),
        ("meta:", "---\nmeta:"),
        ("meta:", "%YAML 1.2\n---\n# a comment\nmeta:"),
        ("meta:", "command: ~\napptainer: null\nmeta:"),
        ("\n", "\r\n"),
        ("run.py\n", "run.py\n...\n"),
    ],
)
def test_every_spelling_means_the_same(written: str, meant: str) -> None:
    assert written in PYTHON
    assert load_text(PYTHON.replace(written, meant), "x").jobfile == load_text(PYTHON, "x").jobfile


def test_a_sif_and_required_files_may_be_bare_paths() -> None:
    def write(sif: str, file: str) -> JobFile:
        initialize = f"apptainer:\n  initialize:\n    sif: {sif}\n    required_files: [{file}]\n"
        return load_text(META + initialize + "  jobs: [{name: j}]\n", "x").jobfile

    assert write("a.sif", "b.json") == write("{path: a.sif}", "{path: b.json}")


def test_a_command_batch_needs_no_initialize() -> None:
    jobfile = load_text(
        META + "command:\n  jobs:\n    - {name: j, command: './solver input.json'}\n", "x"
    ).jobfile
    assert jobfile.kind is Kind.COMMAND
    assert jobfile.command is not None
    assert jobfile.command.initialize is None
    assert jobfile.command.jobs[0].command == "./solver input.json"


@pytest.mark.parametrize("kind", Kind)
def test_each_template_loads(kind: Kind) -> None:
    assert load_text(template(kind), "x").jobfile.kind is kind


def test_the_python_template_is_the_seed() -> None:
    seed = load_file(SEEDS / "python-jobs.yaml").jobfile
    assert load_text(template(Kind.PYTHON), "x").jobfile == seed


def test_quantities_have_several_forms() -> None:
    written = PYTHON.replace(
        "batch_name: a", "batch_name: a\n  resources: {memory: 1.5GiB, time: 1h30m, cores: 4, gpus: 0}"
    )
    other = PYTHON.replace(
        "batch_name: a", 'batch_name: a\n  resources: {memory: 1536M, time: "1:30:00", cores: 4, gpus: 0}'
    )
    third = PYTHON.replace(
        "batch_name: a", "batch_name: a\n  resources: {memory: 1610612736, time: 5400, cores: 4, gpus: 0}"
    )
    meant = Resources(cores=4, memory=1536 * 1024**2, gpus=0, time=5400.0)
    assert [load_text(text, "x").jobfile.meta.resources for text in (written, other, third)] == [meant] * 3


def test_what_a_job_sets_goes_before_its_batch() -> None:
    text = (
        PYTHON.replace(
            "batch_name: a", "batch_name: a\n  priority: 3\n  retries: 2\n  resources: {cores: 4, memory: 8G}"
        )
        + "    - {name: job_2, file: run.py, priority: 0, retries: 0, resources: {cores: 1, time: 2h}}\n"
    )
    jobfile = load_text(text, "x").jobfile
    first, second = jobfile.jobs
    assert [effective_priority(jobfile, job) for job in (first, second)] == [3, 0]
    assert [effective_retries(jobfile, job) for job in (first, second)] == [2, 0]
    assert effective_resources(jobfile, first) == Resources(cores=4, memory=8 * 1024**3)
    assert effective_resources(jobfile, second) == Resources(cores=1, memory=8 * 1024**3, time=7200.0)


def test_one_batch_before_needs_no_list() -> None:
    def after(written: str) -> tuple[str, ...]:
        return load_text(
            PYTHON.replace("batch_name: a", f"batch_name: a\n  after: {written}"), "x"
        ).jobfile.meta.after

    assert after("anna/meshes") == after("[anna/meshes]") == ("anna/meshes",)
    assert after("~") == after("[]") == ()


def test_a_job_goes_before_its_batch_when_it_is_evicted() -> None:
    meta = "batch_name: a\n  on_evict: USR2\n  evict_grace: 1m\n  resume: true"
    text = PYTHON.replace("batch_name: a", meta)
    text += "    - {name: b, file: f, on_evict: SIGHUP, evict_grace: 2.5, resume: false}\n"
    jobfile = load_text(text, "x").jobfile
    assert [effective_eviction(jobfile, job) for job in jobfile.jobs] == [
        Eviction("SIGUSR2", 60.0, True),
        Eviction("SIGHUP", 2.5, False),
    ]
    plain = load_text(PYTHON, "x").jobfile
    assert effective_eviction(plain, plain.jobs[0]) == Eviction(None, None, False)


def test_without_resources_all_are_none() -> None:
    jobfile = load_text(PYTHON, "x").jobfile
    assert effective_resources(jobfile, jobfile.jobs[0]) == Resources()


def test_a_mark_of_what_is_not_written_is_the_nearest_thing_around_it() -> None:
    loaded = load_text(PYTHON, "x")
    assert loaded.mark(("python", "jobs", 0, "priority")) == Mark(8, 7)
    assert loaded.mark(("python", "jobs", 7)) == Mark(8, 5)
    assert loaded.mark(("python", "jobs", 0, "name", "deeper")) == Mark(8, 13)
    assert loaded.mark(()) == Mark(1, 1)


def test_a_column_counts_characters() -> None:
    with pytest.raises(JobFileError) as caught:
        load_text(
            "meta: {batch_name: a, 'näme 𝛑': 1, namespace: b, matrix: me}\n"
            + PYTHON[PYTHON.index("python:") :],
            "x",
        )
    assert [(one.line, one.column) for one in caught.value.problems] == [(1, 23), (1, 58)]


def test_a_file_that_cannot_be_read_is_one_problem(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    for name, why in {
        "absent": "No such file or directory",
        "pipe": "not a regular file",
        ".": "not a regular file",
        "loop": "Too many levels of symbolic links",
    }.items():
        path = tmp_path / name
        with pytest.raises(JobFileError) as caught:
            load_file(path)
        said = f"{path}:1:1: job file: it can't be read: {why}; give the path of a job file; "
        assert str(caught.value) == f"{said}a new one: distribute template python"


def test_a_file_that_is_no_utf8_is_told_where(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes("meta:\n  # größe: \xff".encode("latin-1"))
    with pytest.raises(JobFileError) as caught:
        load_file(path)
    assert str(caught.value) == f"{path}:2:7: encoding: byte 0xf6 is not UTF-8; save the file as UTF-8"


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "huge.yaml"
    with path.open("wb") as sparse:
        sparse.truncate(1 << 40)
    with pytest.raises(JobFileError, match="larger than 10485760 bytes"):
        load_file(path)
