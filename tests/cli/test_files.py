"""template, schema and check: the commands that need no spool."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run, SpoolBuilder

JOB_FILE = """\
meta:
  batch_name: cavity
  namespace: anna
  capabilities: [gcc, python3]
command:
  initialize:
    build: make
    required_files: [Makefile]
  jobs:
    - name: one
      command: ./solver
      required_files: [{path: one.json, alias: input.json}]
    - name: two
      command: ./solver
      required_files: [{path: one.json, alias: input.json}]
"""


@pytest.mark.parametrize("kind", ["python", "command", "apptainer"])
def test_a_template_loads(run: Run, kind: str) -> None:
    text = run("template", kind).stdout
    Path("job.yaml").write_text(text)
    checked = run("check", "job.yaml", code=1).stdout
    # Its inputs aren't here; beside that there is nothing to say.
    assert all("can't be read" in line for line in checked.splitlines())


def test_a_template_goes_to_a_new_file_only(run: Run) -> None:
    run("template", "python", "--output", "mine.yaml")
    assert Path("mine.yaml").read_text() == run("template", "python").stdout
    assert "is there already" in run("template", "command", "--output", "mine.yaml", code=1).stderr
    assert Path("mine.yaml").read_text() == run("template", "python").stdout


def test_the_schema_is_a_json_schema(run: Run) -> None:
    schema = json.loads(run("schema").stdout)
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert "meta" in schema["properties"]


def test_check_sums_up_a_good_file(run: Run) -> None:
    Path("job.yaml").write_text(JOB_FILE)
    Path("Makefile").write_text("all:\n")
    Path("one.json").write_text("{}" * 1024)
    said = run("check", "job.yaml").stdout
    expected = "job.yaml: ok: anna/cavity, 2 jobs (command), needs gcc, python3, 2 input files (2.0 KiB)\n"
    assert said == expected


def test_check_tells_all_mistakes_of_all_files(run: Run) -> None:
    Path("a.yaml").write_text(JOB_FILE)
    Path("b.yaml").write_text(JOB_FILE.replace("batch_name", "batchname").replace("two", "one"))
    result = run("check", "a.yaml", "b.yaml", code=1)
    lines = result.stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == ["a.yaml"] * 3 + ["b.yaml"] * 6
    assert any(line.startswith("b.yaml:2:3: ") and "did you mean batch_name" in line for line in lines)
    assert result.stderr.endswith("9 mistakes in 2 files\n")


def test_check_as_json(run: Run) -> None:
    Path("a.yaml").write_text(JOB_FILE)
    (check,) = json.loads(run("check", "a.yaml", "--json", code=1).stdout)["files"]
    assert check["batch"] is None
    assert check["problems"][0].keys() == {"line", "column", "what", "why", "instead"}
    Path("Makefile").touch()
    Path("one.json").touch()
    (check,) = json.loads(run("check", "a.yaml", "--json").stdout)["files"]
    assert check["problems"] == []
    assert check["batch"]["jobs"] == 2


def test_check_of_a_file_that_is_not_there(run: Run) -> None:
    assert run("check", "none.yaml", code=1).stdout.startswith("none.yaml:1:1: job file: ")


SWEEP = """\
meta: {batch_name: b, namespace: n}
command:
  jobs:
    - {name: "re{re}", command: ./solve, sweep: {re: [%s]}}
    - {name: last, command: ./plot, depends: [re0]}
"""


def test_check_tells_of_many_small_sweeps_in_one_line(run: Run) -> None:
    job = '    - {name: "re%d", command: ./solve, sweep: {re: [%d]}}\n'
    head = "meta: {batch_name: b, namespace: n}\ncommand:\n  jobs:\n"
    Path("job.yaml").write_text(head + "".join(job % (number, number) for number in range(100)))
    said = run("check", "job.yaml").stdout.splitlines()
    assert said[1:] == ["  100 sweeps make one job each, the first is re0  re=0"]
    Path("job.yaml").write_text(head + job % (0, 0))
    assert run("check", "job.yaml").stdout.splitlines()[1] == "  the sweep on line 4 makes 1 job:"


def test_check_shows_what_a_sweep_makes(run: Run, run_json: Callable[..., Any]) -> None:
    Path("job.yaml").write_text(SWEEP % ", ".join(map(str, range(12))))
    said = run("check", "job.yaml").stdout.splitlines()
    assert said[0].startswith("job.yaml: ok: n/b, 13 jobs (command)")
    assert said[1] == "  the sweep on line 4 makes 12 jobs:"
    assert said[2] == "    re0  re=0"
    assert said[-1] == "    and 2 more, the last is re11"
    assert len(said) == 13
    (sweep,) = run_json("check", "job.yaml")["files"][0]["batch"]["sweeps"]
    assert [(job["name"], job["values"]) for job in sweep["jobs"]] == [
        (f"re{n}", {"re": str(n)}) for n in range(12)
    ]


def test_check_knows_the_limit_of_the_spool(run: Run, builder: SpoolBuilder) -> None:
    Path("job.yaml").write_text(SWEEP % "0, 1, 2")
    run("check", "job.yaml")
    settings = builder.spool.layout.settings
    settings.write_text(settings.read_text().replace("max_jobs: 10000", "max_jobs: 2"))
    said = run("check", "job.yaml", code=1).stdout
    assert "job.yaml:4:61: sweep: the list has more than 2 values, and a batch may have as many jobs" in said
    assert "more than 2 values" in run("add", "job.yaml", code=1).stderr
    settings.write_text("")
    run("check", "job.yaml")
