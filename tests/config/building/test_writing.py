"""What the Python API writes is what it was told: `distribute check` accepts it, and it loads back equal."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import distribute_compute_config as distribute
from distribute_compute_config import (
    AnyJob,
    CommandDescription,
    CommandJob,
    File,
    JobFile,
    JobFileError,
    Kind,
    PythonJob,
    WrongType,
    WrongValue,
    load_file,
    load_text,
    syntax,
)
from distribute_compute_config.building import writing
from distribute_compute_config.strict import StrictModel
from tests.config.strategies import jobfiles

_unhurried = settings(
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
    deadline=None,
)
CONFIGS = {
    Kind.APPTAINER: distribute.apptainer_config,
    Kind.PYTHON: distribute.python_config,
    Kind.COMMAND: distribute.command_config,
}


def given_fields(model: StrictModel | None, *without: str) -> dict[str, Any]:
    """What was set in a model, by the name of its keyword."""
    if model is None:
        return {}
    return {name: getattr(model, name) for name in type(model).model_fields if name not in without}


def build_file(file: File) -> File:
    # What is absolute would have to be there.
    if os.path.isabs(file.path):
        return file
    return distribute.file(file.path, relative=True, alias=file.alias, template=file.template)


def build_job(job: AnyJob) -> AnyJob:
    options = given_fields(job, "name", "required_files", "file", "command", "sweep")
    files = [build_file(one) for one in job.required_files]
    sweep = {name: [value] for name, value in job.sweep} or None
    if isinstance(job, PythonJob):
        made = distribute.python_job(job.name, build_file(job.file), files, sweep=sweep, **options)
    elif isinstance(job, CommandJob):
        made = distribute.command_job(job.name, job.command, files, sweep=sweep, **options)
    else:
        made = distribute.job(job.name, files, sweep=sweep, **options)
    return made if sweep is None else made[0]


def build(drawn: JobFile) -> JobFile:
    """The same job file by the functions of the Python API alone."""
    start, meta = drawn.section.initialize, drawn.meta
    files = [build_file(one) for one in start.required_files] if start else []
    begun: Any = None
    if drawn.kind is Kind.APPTAINER:
        begun = distribute.initialize(build_file(start.sif), files, list(start.required_mounts))
    elif drawn.kind is Kind.PYTHON:
        begun = distribute.python_initialize(build_file(start.build_file), files)
    elif start is not None:
        begun = distribute.command_initialize(start.build, files)
    options = given_fields(meta, "namespace", "batch_name", "capabilities", "matrix")
    if meta.resources:
        options["resources"] = distribute.resources(**given_fields(meta.resources))
    made = distribute.metadata(
        meta.namespace, meta.batch_name, list(meta.capabilities), meta.matrix, **options
    )
    section = distribute.description(begun, [build_job(job) for job in drawn.jobs])
    slurm = None if drawn.slurm is None else distribute.slurm(**given_fields(drawn.slurm))
    return CONFIGS[drawn.kind](made, section, slurm=slurm)


@settings(_unhurried, max_examples=80)
@given(drawn=jobfiles())
def test_every_job_file_can_be_built_and_what_is_written_loads_back_equal(
    drawn: JobFile, tmp_path: Path
) -> None:
    config = build(drawn)
    assert config == drawn
    distribute.write_config_to_file(config, tmp_path / "distribute-jobs.yaml")
    assert load_file(tmp_path / "distribute-jobs.yaml").jobfile == config


_values = st.one_of(
    st.integers(),
    st.floats(),
    st.sampled_from(["x", "y", "1e3", "010", "{a}", "{c}"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=9),
)
_texts = st.lists(st.sampled_from(["a", "-", "{a}", "{b}", "{c}", "{", "}", "${a}", " "]), max_size=6).map(
    "".join
)


@settings(_unhurried, max_examples=80)
@given(
    values=st.dictionaries(
        st.sampled_from(["a", "b"]), st.lists(_values, min_size=1, max_size=3), min_size=1, max_size=2
    ),
    command=_texts.map("x{}".format),
    name=st.sampled_from(["j", "j{a}", "j.{a}-{b}"]),
    zip_them=st.booleans(),
)
def test_a_sweep_makes_the_jobs_that_it_makes_in_a_job_file(
    values: dict[str, list[object]], name: str, command: str, zip_them: bool, tmp_path: Path
) -> None:
    try:
        sweep = distribute.sweep(values, zip=zip_them)
    except WrongValue:
        return
    texts = {name: list(listed) for name, listed in sweep.written().parameters}
    text = {"name": name, "command": command, "sweep": {"zip" if zip_them else "product": texts}}
    file = yaml.safe_dump(
        {"meta": {"batch_name": "b", "namespace": "n"}, "command": {"jobs": [text]}}, sort_keys=False
    )
    try:
        expected: Any = load_text(file, "x").jobfile.jobs
    except JobFileError as error:
        expected = error.problems[0].why
    try:
        made: Any = distribute.command_job(name, command, sweep=sweep)
    except WrongValue as error:
        assert error.why == expected
        return
    assert made == expected
    assert len(made) == len(sweep)
    config = distribute.command_config(distribute.metadata("n", "b", []), distribute.description(None, made))
    distribute.write_config_to_file(config, tmp_path / "job.yaml")
    assert load_file(tmp_path / "job.yaml").jobfile == config


def config(command: str = "ls", **more: Any) -> JobFile:
    jobs = [distribute.command_job("one", command, **more)]
    return distribute.command_config(distribute.metadata("n", "b", []), distribute.description(None, jobs))


def test_a_file_that_is_there_is_replaced_and_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text("old\n" * 1000)
    path.chmod(0o640)
    before = path.stat().st_ino
    distribute.write_config_to_file(config(), str(path))
    assert load_file(path).jobfile == config()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert path.stat().st_ino != before, "by a rename"
    assert os.listdir(tmp_path) == ["job.yaml"]


def test_a_new_file_has_the_mode_that_files_have_here(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    distribute.write_config_to_file(config(), tmp_path / "job.yaml")
    assert (tmp_path / "job.yaml").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_nothing_is_left_of_a_writing_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "job.yaml").write_text("old")

    def fail(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="No space left"):
        distribute.write_config_to_file(config(), tmp_path / "job.yaml")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"job.yaml": "old"}


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("somebody else's")
    (tmp_path / "job.yaml").symlink_to("other.yaml")
    with pytest.raises(
        WrongValue, match=r"job.yaml is a link to other.yaml\n  give the path that it leads to"
    ):
        distribute.write_config_to_file(config(), tmp_path / "job.yaml")
    assert (tmp_path / "other.yaml").read_text() == "somebody else's"


def test_a_place_where_nothing_can_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(WrongValue, match=r"is a folder\n  write '.*/distribute-jobs.yaml'"):
        distribute.write_config_to_file(config(), tmp_path)
    with pytest.raises(WrongValue, match=r"there is no folder .*/no\n  make it: mkdir -p"):
        distribute.write_config_to_file(config(), tmp_path / "no" / "job.yaml")
    with pytest.raises(WrongType, match="path: a path"):
        distribute.write_config_to_file(config(), None)  # type: ignore[arg-type]


def test_relative_paths_begin_at_the_folder_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, elsewhere = tmp_path / "there", tmp_path / "elsewhere"
    (there / "data").mkdir(parents=True)
    (there / "data" / "a.json").write_text("{}")
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    made = config(required_files=[distribute.file("data/a.json", relative=True)])
    distribute.write_config_to_file(made, there / "job.yaml")
    distribute.write_config_to_file(made, "job.yaml")
    assert distribute.missing_inputs(load_file(there / "job.yaml"), there) == []
    assert [one.why for one in distribute.missing_inputs(load_file("job.yaml"), elsewhere)] == [
        f"{elsewhere}/data/a.json can't be read: No such file or directory"
    ]


def test_what_would_not_be_read_back_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = CommandJob(name="one", command="{a}", sweep={"a": ["1"]})
    odd = JobFile(meta=distribute.metadata("n", "b", []), command=CommandDescription(jobs=(job,)))
    with pytest.raises(WrongValue, match="mentions a parameter of its own sweep"):
        distribute.write_config_to_file(odd, tmp_path / "job.yaml")
    monkeypatch.setattr(syntax, "SIZE_MAX_BYTES", 1000)
    with pytest.raises(JobFileError, match="the text is longer than 1000 characters; split the batch"):
        distribute.write_config_to_file(config("x" * 1000), tmp_path / "job.yaml")
    assert os.listdir(tmp_path) == []


def test_more_jobs_than_usual_are_the_spools_to_judge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "JOBS_MAX", 3)
    some = [distribute.command_job(f"{name}{{n}}", "ls", sweep={"n": [1, 2]}) for name in ("a", "b")]
    many = distribute.command_config(distribute.metadata("n", "b", []), distribute.description(None, some))
    distribute.write_config_to_file(many, tmp_path / "job.yaml")
    assert load_file(tmp_path / "job.yaml").jobfile == many
