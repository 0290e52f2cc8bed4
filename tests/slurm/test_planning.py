"""The folder as values: which files, in which order what is submitted, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from distribute_cli.slurm.material import Circumstances, Filled, Material
from distribute_cli.slurm.plan import Cluster, CopiedFile, Export, FilledFile, TextFile
from distribute_cli.slurm.planning import NoSection, plan_export
from distribute_compute_config import DistributeError, load_text
from spoold.records import Input

META = "meta: {batch_name: b, namespace: n}\n"
SLURM = 'slurm: {time: "1:00:00"}\n'
PYTHON = "python:\n  initialize: {build_file: b.py}\n  jobs: [{name: j, file: r.py}]\n"
CHAIN = (
    "command:\n  jobs:\n"
    "    - {name: last, command: x, depends: [mid, first]}\n"
    "    - {name: mid, command: x, depends: [first]}\n"
    "    - {name: first, command: x}\n"
)
WHO = Circumstances("anna", 1000, 1.0, "1.2.3", {"__main__.py": "…"})


def plan(text: str, as_array: bool = False, cluster: Cluster | None = None) -> Export:
    loaded = load_text(text, "f")
    contents = {one.path: Input(one.path, f"sha of {one.path}", 3) for one in loaded.inputs()}
    filled = {
        (one.path, one.values): Filled(Input(one.name, "sha", 2), repr(one.values).encode())
        for one in loaded.inputs()
        if one.values
    }
    return plan_export(loaded, Material(contents, filled), WHO, cluster or Cluster(), as_array)


def text_of(export: Export, path: str) -> str:
    (found,) = [file.text for file in export.files if isinstance(file, TextFile) and file.path == path]
    return found


def json_of(export: Export, path: str) -> Any:
    return json.loads(text_of(export, path))


def test_a_python_batch_is_built_first() -> None:
    export = plan(META + SLURM + PYTHON)
    assert [(one.name, one.after) for one in export.submissions] == [("(build)", ()), ("j", ("(build)",))]
    assert "exec python3 -B -m runner build\n" in text_of(export, "build/job.sh")
    assert "exec python3 -B -m runner job j\n" in text_of(export, "jobs/j/job.sh")
    copied = {file.path: file.source for file in export.files if isinstance(file, CopiedFile)}
    assert copied == {"build/build.py": "b.py", "jobs/j/job.py": "r.py"}


def test_jobs_come_after_those_that_they_depend_on() -> None:
    export = plan(META + SLURM + CHAIN)
    assert [(one.name, one.after) for one in export.submissions] == [
        ("first", ()),
        ("mid", ("first",)),
        ("last", ("mid", "first")),
    ]
    script = text_of(export, "schedule_jobs.sh")
    assert script.endswith("submit last jobs/last jobs/last/job.sh mid first\n")


def test_a_long_chain_is_no_trouble() -> None:
    jobs = [f"    - {{name: j{n}, command: x, depends: [j{n + 1}]}}\n" for n in range(3000)]
    text = META + SLURM + "command:\n  jobs:\n" + "".join(jobs) + "    - {name: j3000, command: x}\n"
    assert [one.name for one in plan(text).submissions][:2] == ["j3000", "j2999"]


def test_templates_are_filled_in_and_named_by_their_alias() -> None:
    text = (
        META
        + SLURM
        + (
            "command:\n  jobs:\n    - name: 'j{n}'\n      sweep: {n: [1, 2]}\n      command: x\n"
            "      required_files: [{path: a.in, alias: a.txt, template: true}, {path: 'c{n}', alias: c}]\n"
        )
    )
    export = plan(text)
    filled = {file.path: file.content for file in export.files if isinstance(file, FilledFile)}
    assert filled == {f"jobs/j{n}/input/a.txt": f"(('n', '{n}'),)".encode() for n in (1, 2)}
    assert {file.path: file.source for file in export.files if isinstance(file, CopiedFile)} == {
        "jobs/j1/input/c": "c1",
        "jobs/j2/input/c": "c2",
    }


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (META + PYTHON, "it has no slurm: section"),
        (META + PYTHON.replace("r.py", "r.py, slurm: {time: 1}"), "its build has no slurm: section"),
        (META + CHAIN.replace("first, command: x", "first, command: x, slurm: {}"), "last has no slurm:"),
    ],
)
def test_a_batch_that_says_nothing_of_slurm_is_told_the_least(text: str, why: str) -> None:
    with pytest.raises(NoSection) as caught:
        plan(text)
    assert caught.value.why == why
    assert 'slurm: {time: "1:00:00"}' in caught.value.hint


def test_a_section_a_job_is_enough_without_a_build() -> None:
    text = META + "command: {jobs: [{name: a, command: x, slurm: {}}, {name: b, command: x, slurm: {}}]}"
    assert len(plan(text).submissions) == 2


SWEEP = (
    "command:\n  jobs:\n    - {name: 'j{n}', command: x, sweep: {n: [1, 2, 3]}, slurm: {job_name: 'n{n}'}}\n"
)


def test_jobs_that_ask_for_the_same_are_one_array() -> None:
    export = plan(META + SLURM + SWEEP, as_array=True)
    assert [(one.name, one.tasks) for one in export.submissions] == [("array-1", 3)]
    script = text_of(export, "arrays/array-1/job.sh")
    assert "#SBATCH --array=0-2\n" in script
    assert "#SBATCH --job-name=b\n" in script
    assert "#SBATCH --output=slurm-%A_%a.out\n" in script
    assert text_of(export, "arrays/array-1/tasks") == "j1\nj2\nj3\n"
    assert not [file.path for file in export.files if file.path == "jobs/j1/job.sh"]


def test_other_options_and_each_thousand_are_another_array() -> None:
    other = "    - {name: big, command: x, slurm: {cpus_per_task: 8}}\n"
    values = list(range(1001))
    export = plan(META + SLURM + SWEEP.replace("[1, 2, 3]", str(values)) + other, as_array=True)
    assert [(one.name, one.tasks) for one in export.submissions] == [
        ("array-1", 1000),
        ("array-2", 1),
        ("array-3", 1),
    ]


def test_an_array_waits_for_the_build() -> None:
    export = plan(META + SLURM + PYTHON, as_array=True)
    assert [(one.name, one.after) for one in export.submissions][1:] == [("array-1", ("(build)",))]


def test_jobs_that_wait_for_one_another_are_no_array() -> None:
    with pytest.raises(DistributeError, match="last depends on mid") as caught:
        plan(META + SLURM + CHAIN, as_array=True)
    assert "leave out --array" in caught.value.hint


def test_what_is_not_carried_over_is_told() -> None:
    meta = "meta: {batch_name: b, namespace: n, capabilities: [gcc], after: [n/a], matrix: '@a:b'}\n"
    notes = plan(meta + "slurm: {}\ncommand: {jobs: [{name: j, command: x}]}\n").notes
    for note, start in zip(
        notes,
        ["capabilities (gcc)", "after (n/a)", "matrix", "1 job without time (j)", "1 job without cores (j)"],
        strict=True,
    ):
        assert note.startswith(start)
    assert notes[0] in text_of(
        plan(meta + "slurm: {}\ncommand: {jobs: [{name: j, command: x}]}\n"), "README.md"
    )
    full = "slurm: {cpus_per_task: 1, time: 1}\ncommand: {jobs: [{name: j, command: x}]}\n"
    assert plan(META + full).notes == ()


@pytest.mark.parametrize(
    ("cluster", "told"),
    [
        (Cluster(), "USER@HOST:DIR"),
        (Cluster(username="anna"), "USER@HOST:DIR"),
        (Cluster("anna", "hpc", "~/a b"), "'anna@hpc:a b'"),
        (Cluster(address="hpc", destination="/x"), "hpc:/x"),
    ],
)
def test_how_to_fetch_is_told_as_far_as_it_is_known(cluster: Cluster, told: str) -> None:
    export = plan(META + SLURM + PYTHON, cluster=cluster)
    assert f"distribute pull --from {told} n/b" in text_of(export, "README.md")


def test_modules_are_loaded_by_a_login_shell() -> None:
    text = META + 'slurm: {modules: [gcc/12.2, "a\'$b"]}\ncommand: {jobs: [{name: j, command: x}]}\n'
    script = text_of(plan(text), "jobs/j/job.sh")
    assert script.startswith("#!/bin/bash -l\n")
    assert "module load gcc/12.2 || exit 1\nmodule load 'a'\"'\"'$b' || exit 1\n" in script


def test_another_build_has_another_id() -> None:
    more = PYTHON.replace("build_file: b.py", "build_file: b.py, required_files: [c]")
    texts = (PYTHON, PYTHON.replace("b.py", "other.py"), more, more.replace("[c]", "[d]"), PYTHON)
    ids = [json_of(plan(META + SLURM + text), "export.json")["build_id"] for text in texts]
    assert len(set(ids)) == 4
    assert ids[0] == ids[-1]


def test_the_runner_is_told_what_a_node_reads_from_the_batch() -> None:
    text = (
        "meta: {batch_name: b, namespace: n, retries: 2, resume: true, on_evict: USR1}\n"
        + SLURM
        + ("command: {jobs: [{name: j, command: 'a {cores}', resources: {time: 90s}}]}\n")
    )
    export = plan(text)
    assert json_of(export, "export.json") == {
        "format": 1,
        "namespace": "n",
        "batch": "b",
        "submitter": "anna",
        "version": "1.2.3",
        "build": None,
        "build_id": "",
        "links": True,
    }
    found = json_of(export, "jobs/j/job.json")
    assert found["argv"] == ["/bin/sh", "-c", "a {cores}"]
    assert (found["time_s"], found["retries"], found["on_evict"], found["resume"]) == (90, 2, "SIGUSR1", True)
    assert found["limit_s"] == 3600
