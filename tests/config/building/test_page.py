"""Every signature and every example of the reference page holds."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

import distribute_compute_config as distribute
from distribute_compute_config import (
    ApptainerConfig,
    Description,
    File,
    Initialize,
    Job,
    Meta,
    WrongValue,
    load_file,
)
from tests.config.building.page import TEXT, Signature, read_examples, read_signatures

SIGNATURES = list(read_signatures())
EXAMPLES = read_examples()


def run(name: str, root: str = "/root") -> dict[str, Any]:
    """What an example defines. Two slips of the page are mended: a name that it doesn't import, and its root."""
    code = EXAMPLES[name].replace(
        "distribute_compute_config as config", "distribute_compute_config as distribute"
    )
    defined: dict[str, Any] = {}
    exec(code.replace("/root/", f"{root}/"), defined)
    return defined


def test_the_page_is_read_whole() -> None:
    assert [one.name for one in SIGNATURES] == [
        "apptainer_config", "metadata", "description", "file", "initialize", "job", "write_config_to_file",
    ]  # fmt: skip
    assert list(EXAMPLES) == ["metadata", "description", "file", "initialize", "job"]
    assert TEXT.count("import distribute_compute_config") == len(EXAMPLES)
    assert SIGNATURES[3].parameters == (("path", None), ("relative", "False"), ("alias", "None"))


@pytest.mark.parametrize("page", SIGNATURES, ids=lambda page: page.name)
def test_a_function_has_the_parameters_of_the_page(page: Signature) -> None:
    here = inspect.signature(getattr(distribute, page.name))
    positional = [one for one in here.parameters.values() if one.kind is one.POSITIONAL_OR_KEYWORD]
    defaults = [None if one.default is one.empty else repr(one.default) for one in positional]
    assert [(one.name, default) for one, default in zip(positional, defaults, strict=True)] == list(
        page.parameters
    )
    assert here.return_annotation.split(" | ")[0] == (page.returns or "None")
    # What was added can be left out.
    more = [one for one in here.parameters.values() if one not in positional]
    assert all(one.kind is one.VAR_KEYWORD or one.default is not one.empty for one in more)


def test_the_classes_of_the_page_are_there() -> None:
    for name in ("Meta", "File", "Job", "Initialize", "Description", "ApptainerConfig"):
        assert name in TEXT
        assert isinstance(getattr(distribute, name), type)


def test_the_example_of_metadata() -> None:
    meta = run("metadata")["meta"]
    assert type(meta) is Meta
    assert (meta.namespace, meta.batch_name, meta.capabilities, meta.matrix) == (
        "test_namespace", "test_batch", ("apptainer",), "@matrx_id:matrix.org",
    )  # fmt: skip


def test_the_example_of_description() -> None:
    made = run("description")
    assert (type(made["description"]), type(made["initialize"])) == (Description, Initialize)
    assert made["description"].initialize is made["initialize"]
    assert made["initialize"].sif.path == "./some/path/to/file.sif"
    (job,) = made["description"].jobs
    assert job == made["job_1"]
    assert job.name == "job_1"
    assert [(file.path, file.name) for file in job.required_files] == [
        ("./path/to/config1.json", "config.json")
    ]


def test_the_example_of_file_where_the_folders_are_there(tmp_path: Path) -> None:
    there = tmp_path / "path" / "to" / "config3.json"
    there.parent.mkdir(parents=True)
    there.write_text("{}")
    made = run("file", str(tmp_path))
    assert {type(made[f"config_file_{number}"]) for number in (1, 2, 3)} == {File}
    assert made["config_file_1"].name == "config.json"
    assert made["config_file_2"].name == "config2.json"
    assert made["config_file_3"].name == "config3.json"
    assert made["config_file_3"].path == str(there)


def test_the_example_of_file_where_they_are_not(tmp_path: Path) -> None:
    with pytest.raises(WrongValue, match=r"config3.json' can't be read: No such file or directory"):
        run("file", str(tmp_path))


def test_the_example_of_initialize() -> None:
    made = run("initialize")["initialize"]
    assert type(made) is Initialize
    assert made.sif.path == "./path/to/some/container.sif"
    assert [(one.path, one.name) for one in made.required_files] == [
        ("./path/to/some/file.h5", "initial_condition.h5")
    ]
    assert made.required_mounts == ("/solver/extra_mount",)


def test_the_example_of_job() -> None:
    made = run("job")["job_1"]
    assert type(made) is Job
    assert (made.name, [file.name for file in made.required_files]) == ("job_1", ["config.json"])


def test_what_the_page_assembles_is_written_and_read_back(tmp_path: Path) -> None:
    meta = run("metadata")["meta"]
    config = distribute.apptainer_config(meta, run("description")["description"])
    assert type(config) is ApptainerConfig
    distribute.write_config_to_file(config, str(tmp_path / "distribute-jobs.yaml"))
    assert load_file(tmp_path / "distribute-jobs.yaml").jobfile == config


def test_a_name_is_unique_in_its_batch() -> None:
    meta, made = run("metadata")["meta"], run("description")
    twice = distribute.description(made["initialize"], [made["job_1"], made["job_1"]])
    with pytest.raises(WrongValue, match=r"jobs\[1\].name: the name 'job_1' belongs to job 1 already"):
        distribute.apptainer_config(meta, twice)
