"""The models built from Python: frozen, strict, and whole."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from pydantic import ValidationError

import distribute_compute_config as config
from distribute_compute_config import (
    CommandDescription,
    CommandJob,
    File,
    JobFile,
    Kind,
    Meta,
    Resources,
    load_text,
)

META = Meta(batch_name="a", namespace="b")


def test_a_contradiction_is_refused_in_python_too() -> None:
    jobs = (CommandJob(name="j", command="x"), CommandJob(name="j", command="{y}", depends=("k",)))
    with pytest.raises(ValidationError) as caught:
        JobFile(meta=META, command=CommandDescription(jobs=jobs))
    (error,) = caught.value.errors()
    assert "command.jobs[1].name: the name 'j' belongs to job 1 already" in error["msg"]
    assert "command.jobs[1].depends[0]: there is no job 'k'" in error["msg"]


def test_braces_in_a_value_stand_in_the_message_as_they_are() -> None:
    with pytest.raises(ValidationError, match=r"'\{why\}' is no valid name"):
        File(path="a", alias="{why}")


def test_a_job_file_needs_one_section() -> None:
    with pytest.raises(ValidationError, match="python, command and apptainer are all missing"):
        JobFile(meta=META)


def test_models_are_frozen_and_hashable() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        META.batch_name = "other"  # type: ignore[misc]
    assert hash(META) == hash(Meta(batch_name="a", namespace="b"))


def test_a_file_is_called_by_its_alias_or_the_end_of_its_path() -> None:
    assert File(path="a/b.json").name == "b.json"
    assert File(path="a/b.json", alias="c.json").name == "c.json"


def test_an_override_takes_only_what_is_set() -> None:
    base = Resources(cores=4, gpus=1)
    assert base.override(None) is base
    assert base.override(Resources(gpus=0)) == Resources(cores=4, gpus=0)


def test_every_public_name_can_be_had() -> None:
    assert {name for name in dir(config) if name[0].isalpha()} >= set(config._HOMES)
    for name in config._HOMES:
        assert getattr(config, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'Nonsense'"):
        config.Nonsense  # type: ignore[attr-defined]  # noqa: B018


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = (
        "import sys, distribute_compute_config, distribute_compute_config.names, "
        "distribute_compute_config.quantities; print({'pydantic', 'yaml'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_file_of_ten_thousand_jobs_loads_in_seconds() -> None:
    job = "    - name: j{0}\n      command: ./x\n      required_files:\n        - {{path: a{0}, alias: i}}\n"
    text = "meta: {batch_name: a, namespace: b}\ncommand:\n  jobs:\n" + "".join(
        map(job.format, range(10_000))
    )
    before_s = time.process_time()
    loaded = load_text(text, "x")
    # Measured: 1.3 s of CPU; quadratic work anywhere would take minutes.
    assert time.process_time() - before_s < 15
    assert len(loaded.jobfile.jobs) == len(loaded.inputs()) == 10_000
    assert loaded.jobfile.kind is Kind.COMMAND
