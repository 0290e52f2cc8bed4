"""What sbatch is told of a job, and that it understands it so."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distribute_cli.slurm.options import (
    Request,
    read_time,
    render_options,
    request_build,
    request_jobs,
    write_time,
)
from distribute_compute_config import JobFile, load_text
from tests.config.strategies import lines
from tests.lab.slurm import SlurmLab

META = "meta: {batch_name: b, namespace: n, MORE}\n"


def load(job: str, section: str = "{}", meta: str = "priority: 0") -> JobFile:
    """A batch of one job that also has these keys."""
    text = META.replace("MORE", meta) + f"slurm: {section}\n"
    return load_text(f"{text}command:\n  jobs:\n    - {{name: j, command: x, {job}}}\n", "f").jobfile


def request(jobfile: JobFile) -> Request:
    return next(found for _, found in request_jobs(jobfile))


def options(jobfile: JobFile) -> dict[str, str]:
    found = dict(request(jobfile).options)
    common = {"job-name": "j", "output": "slurm-%j.out", "requeue": "", "open-mode": "append"}
    return {name: value for name, value in found.items() if common.get(name) != value}


EVERY = (
    '{job_name: a b, output: "%x.txt", nodes: 2, ntasks: 4, cpus_per_task: 3, mem_per_cpu: 2G, '
    'hint: nomultithread, time: "2:00:00", partition: p, account: a, qos: q, constraint: "x&y", '
    "gres: gpu:a100:1, mail_user: a@b, mail_type: [BEGIN, END], modules: [gcc]}"
)


def test_every_key_has_its_option() -> None:
    assert options(load("slurm: {}", EVERY)) == {
        "job-name": "a b",
        "output": "%x.txt",
        "nodes": "2",
        "ntasks": "4",
        "cpus-per-task": "3",
        "mem-per-cpu": "2G",
        "hint": "nomultithread",
        "time": "2:00:00",
        "partition": "p",
        "account": "a",
        "qos": "q",
        "constraint": "x&y",
        "gres": "gpu:a100:1",
        "mail-user": "a@b",
        "mail-type": "BEGIN,END",
    }


def test_resources_count_where_slurm_says_nothing() -> None:
    asked = "resources: {cores: 4, memory: 1500000000, gpus: 2, time: 1h}"
    assert options(load(asked)) == {
        "cpus-per-task": "4",
        "mem": "1431M",
        "gres": "gpu:2",
        "time": "0-01:02:00",
    }
    assert options(load(asked, EVERY))["cpus-per-task"] == "3"
    assert "mem" not in options(load(asked, EVERY))


def test_the_time_is_for_all_attempts() -> None:
    jobfile = load("resources: {time: 1h}, retries: 2")
    assert options(jobfile)["time"] == "0-03:02:00"
    assert request(jobfile).limit_s == 3 * 3600 + 120


def test_a_job_that_names_nothing_leaves_all_to_the_cluster() -> None:
    jobfile = load("depends: []")
    assert options(jobfile) == {}
    assert request(jobfile).limit_s is None


def test_eviction_and_priority_have_options_of_slurm() -> None:
    evicting = load("on_evict: USR1, evict_grace: 90s")
    assert options(evicting) == {"signal": "B:USR1@90"}
    text = META.replace("MORE", "priority: 5") + "slurm: {}\ncommand: {jobs: [{name: j, command: x}, "
    two = load_text(text + "{name: k, command: x, priority: -2}]}", "f").jobfile
    nices = [dict(found.options).get("nice") for _, found in request_jobs(two)]
    assert nices == [None, "7"]


def test_the_build_asks_for_no_graphics_card_of_its_jobs() -> None:
    jobfile = load("slurm: {}", "{partition: p, modules: [gcc]}", "resources: {cores: 2, gpus: 1}")
    found = request_build(jobfile)
    assert dict(found.options)["job-name"] == "b-build"
    assert {"gres", "cpus-per-task"} & dict(found.options).keys() == {"cpus-per-task"}
    assert found.modules == ("gcc",)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30", 1800),
        ("30:10", 1810),
        ("1:00:00", 3600),
        ("2-00", 172800),
        ("2-01:30", 178200),
        ("1-00:00:05", 86405),
    ],
)
def test_times_are_read_as_slurm_does(text: str, seconds: float) -> None:
    assert read_time(text) == seconds


@given(st.integers(1, 10**7))
def test_a_written_time_reads_back(seconds: int) -> None:
    assert read_time(write_time(seconds)) == seconds


HOSTILE = [
    *("a b'c\"d$#x", "#x", "a\\b", "a\\", 'a " --nice=5', "x --uid=0", "é ü", "`id`", "'q", 'a  b\\"c'),
    *("=", ":", "a;b", " lead", "trail ", "$(id)", "%%", "\\\\"),
]


def test_sbatch_reads_each_value_as_it_is(slurm_lab: SlurmLab, tmp_path: Path) -> None:
    scripts = []
    for number, name in enumerate(HOSTILE):
        written = render_options((("job-name", name), ("comment", name), ("output", "/dev/null")))
        path = tmp_path / f"{number}.sh"
        path.write_text(f"#!/bin/sh\n{written}true\n")
        scripts.append(path)
    ids = [slurm_lab.run("sbatch", "--parsable", str(path)).stdout.strip() for path in scripts]
    listed = slurm_lab.run(
        "squeue", "--states=all", "--noheader", f"--jobs={','.join(ids)}", "--format=%i|%j|%k"
    )
    found = [line.split("|") for line in listed.stdout.splitlines()]
    assert sorted((int(one), *rest) for one, *rest in found) == [
        (int(one), name, name) for one, name in zip(ids, HOSTILE, strict=True)
    ]


@given(lines)
def test_a_value_stays_on_its_line(value: str) -> None:
    assert render_options((("job-name", value),)).count("\n") == 1
