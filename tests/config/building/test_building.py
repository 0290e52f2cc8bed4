"""What the functions of the Python API make easier than writing a job file, and that they are documented."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from click.testing import CliRunner

import distribute_compute_config as distribute
from distribute_cli.main import cli
from distribute_compute_config import Job, JobFile, Meta, Slurm
from distribute_compute_config.building import keywords

FUNCTIONS = (
    "apptainer_config", "command_config", "command_initialize", "command_job", "description", "file",
    "initialize", "job", "metadata", "python_config", "python_initialize", "python_job", "resources", "slurm",
    "submit", "sweep", "write_config_to_file",
)  # fmt: skip


def batch(name: str = "b") -> JobFile:
    jobs = [distribute.command_job("one", "ls")]
    return distribute.command_config(distribute.metadata("n", name, []), distribute.description(None, jobs))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_parameter_and_every_error_is_documented(name: str) -> None:
    function = getattr(distribute, name)
    assert inspect.isfunction(function)
    text = inspect.getdoc(function) or ""
    for parameter in inspect.signature(function).parameters:
        assert f"``{parameter}``" in text, f"{name}: {parameter}"
    assert re.search(r"^Raises WrongType\b", text, re.M), name


def test_all_names_can_be_imported_at_once() -> None:
    names: dict[str, object] = {}
    exec("from distribute_compute_config import *", names)
    assert {*FUNCTIONS, "ApptainerConfig", "Meta"} <= names.keys()


def test_types_of_names_imported_at_once_are_checked(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(
        "from distribute_compute_config import *\n\njob('one', 'input.json')\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", "/dev/null", "--follow-imports=silent", "script.py"],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(Path(distribute.__file__).parents[1])},
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith('script.py:3: error: Argument 2 to "job" has incompatible type "str"')


@pytest.mark.parametrize("keys", [keywords.BatchKeywords, keywords.JobKeywords, keywords.SlurmKeywords])
def test_every_keyword_is_documented(keys: type) -> None:
    for name in keys.__annotations__:
        assert f"``{name}``" in (keys.__doc__ or ""), name


def test_keywords_are_the_keys_of_a_job_file() -> None:
    assert set(keywords.SlurmKeywords.__annotations__) == set(Slurm.model_fields)
    named = {"namespace", "batch_name", "capabilities", "matrix"}
    assert set(keywords.BatchKeywords.__annotations__) == set(Meta.model_fields) - named
    assert set(keywords.JobKeywords.__annotations__) == set(Job.model_fields) - {
        "name",
        "required_files",
        "sweep",
    }


def test_importing_the_package_loads_nothing_until_a_function_is_used() -> None:
    code = (
        "import sys, distribute_compute_config as d; "
        "print({'pydantic', 'yaml', 'spoold', 'numbers'} & set(sys.modules)); "
        "d.slurm(nodes=1); print('spoold' in sys.modules, type(d.slurm).__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n") == ["set()", "False function", ""]


def test_a_job_may_depend_on_jobs_and_on_all_of_a_sweep() -> None:
    first = distribute.command_job("first", "ls")
    many = distribute.command_job("re{re}", "ls", sweep={"re": [100, 400]}, depends=[first])
    last = distribute.command_job("last", "ls", depends=many)
    assert [one.depends for one in many] == [("first",), ("first",)]
    assert last.depends == ("re100", "re400")
    made = distribute.description(None, [first, many, last])
    assert [one.name for one in made.jobs] == ["first", "re100", "re400", "last"]


def test_a_batch_may_come_after_configs_and_names() -> None:
    assert distribute.metadata("n", "b", [], after=batch("mesh")).after == ("n/mesh",)
    assert distribute.metadata("n", "b", [], after=[batch("mesh"), "m/other"]).after == ("n/mesh", "m/other")
    assert distribute.metadata("n", "b", [], after="m/other").after == ("m/other",)


def test_nothing_may_be_said_as_none() -> None:
    plain = distribute.job("a", [])
    said = distribute.job("a", [], depends=None, resources=None, slurm=None, sweep=None)  # type: ignore[arg-type]
    assert said == plain


def test_durations_may_be_timedeltas() -> None:
    assert distribute.resources(time=timedelta(hours=1, minutes=30)) == distribute.resources(time="1h30m")
    made = distribute.job("a", [], resources={"time": timedelta(hours=2)}, evict_grace=timedelta(seconds=30))
    assert made.resources == distribute.resources(time="2h")
    assert made.evict_grace == 30


def test_sections_may_be_dicts() -> None:
    made = distribute.job("a", [], resources={"cores": 4}, slurm={"nodes": 2})
    assert made.resources == distribute.resources(cores=4)
    assert made.slurm == distribute.slurm(nodes=2)


def test_scripts_may_be_paths_or_files(tmp_path: Path) -> None:
    as_path, as_file = Path("a/run.py"), distribute.file("a/run.py", relative=True)
    assert distribute.python_job("j", as_path) == distribute.python_job("j", as_file)
    assert distribute.python_initialize("a/run.py") == distribute.python_initialize(as_file)
    assert distribute.initialize(as_path, [], []) == distribute.initialize(as_file, [], [])


class LikeNumpy(float):
    """As numpy's float64: a float whose ``repr`` isn't a number."""

    def __repr__(self) -> str:
        return f"np.float64({float(self)})"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (100, "100"),
        (0.1, "0.1"),
        (1e-3, "0.001"),
        (1e22, "1e+22"),
        (LikeNumpy(0.5), "0.5"),
        (Decimal("0.10"), "0.10"),
        (Fraction(1, 3), "1/3"),
        ("010", "010"),
        ("", ""),
        (Path("a/b"), "a/b"),
    ],
)
def test_values_of_a_sweep_are_written_as_they_are(value: object, text: str) -> None:
    (job,) = distribute.command_job("j", "run {x} {y}", sweep={"x": [value]})
    assert (job.sweep, job.command) == ((("x", text),), f"run {text} {{y}}")


def test_a_sweep_can_be_looped_over_with_its_own_values() -> None:
    both = distribute.sweep(re=[100, 400], name=["a", "b"])
    assert (len(both), list(both)[1]) == (4, {"re": 100, "name": "b"})
    zipped = distribute.sweep({"re": [100, 400]}, n=(0.5, 1.5), zip=True)
    assert (len(zipped), list(zipped)) == (2, [{"re": 100, "n": 0.5}, {"re": 400, "n": 1.5}])


def test_check_accepts_each_kind(tmp_path: Path) -> None:
    for name in ("build.py", "run.py", "in_1.json", "in_2.json", "Makefile", "a.sif"):
        (tmp_path / name).write_text("{n}\n")
    made = distribute.file(tmp_path / "Makefile")
    swept = distribute.file("in_{n}.json", relative=True, alias="in.json", template=True)
    sweep = distribute.sweep(n=[1, 2])
    meta = distribute.metadata("n", "b", ["python3"], "@a:b.org", resources=distribute.resources(cores=1))
    configs = [
        distribute.python_config(
            meta,
            distribute.description(
                distribute.python_initialize("build.py", [made]),
                distribute.python_job("j{n}", "run.py", [swept], sweep=sweep),
            ),
        ),
        distribute.command_config(
            meta,
            distribute.description(
                distribute.command_initialize("make", [made]),
                distribute.command_job("j{n}", "./solver {n}", [swept], sweep=sweep),
            ),
        ),
        distribute.apptainer_config(
            meta,
            distribute.description(
                distribute.initialize("a.sif", [made], ["/solver/out"]),
                distribute.job("j{n}", [swept], sweep=sweep),
            ),
            slurm=distribute.slurm(partition="compute"),
        ),
    ]
    for config in configs:
        distribute.write_config_to_file(config, tmp_path / "distribute-jobs.yaml")
        done = CliRunner().invoke(cli, ["check", "--json", str(tmp_path / "distribute-jobs.yaml")])
        (checked,) = json.loads(done.stdout)["files"]
        # Where images are looked into, one of text is found out.
        assert [one for one in checked["problems"] if "sif" not in one["what"]] == []
