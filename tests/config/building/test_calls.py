"""A call of the Python API that can't be right says which parameter of which function, and what to write."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import distribute_compute_config as distribute
from distribute_compute_config import DistributeError, WrongType, WrongValue

IMAGE = distribute.initialize("x.sif", [], [])
JOB = distribute.job("a", [])
META = distribute.metadata("ns", "b", [])


def relative(path: str, alias: str | None = None) -> distribute.File:
    return distribute.file(path, relative=True, alias=alias)


WRONG_TYPES: list[tuple[Callable[[], Any], str]] = [
    (lambda: distribute.metadata("ns", "b", "gpu"), "metadata(): capabilities: a list is wanted, not 'gpu' (str)"),
    (lambda: distribute.metadata("ns", 3, []), "metadata(): batch_name: text (str) is wanted, not 3 (int)"),
    (lambda: distribute.metadata("ns", "b", [1]), "capabilities[0]: text (str) is wanted, not 1 (int)"),
    (lambda: distribute.metadata("ns", "b", [], 7), "matrix_username: text (str) is wanted, not 7 (int)"),
    (lambda: distribute.metadata("ns", "b", [], retires=2), "has no parameter 'retires'\n  did you mean retries?"),
    (lambda: distribute.metadata("ns", "b", [], matrix="@a:b"), "metadata() has no parameter 'matrix'"),
    (lambda: distribute.metadata("ns", "b", [], retries="2"), "retries: a whole number (int) is wanted, not '2' (str)"),
    (lambda: distribute.metadata("ns", "b", [], retries=True), "retries: a whole number (int) is wanted, not True (bool)"),
    (lambda: distribute.metadata("ns", "b", [], resume=1), "resume: True or False is wanted, not 1 (int)"),
    (lambda: distribute.metadata("ns", "b", [], resources=4), "what resources(...) returns, or a dict, is wanted, not 4 (int)"),
    (lambda: distribute.metadata("ns", "b", [], resources={"core": 4}), "resources has no key 'core'\n  did you mean cores?"),
    (lambda: distribute.metadata("ns", "b", [], after=[3]), "after[0]: a config, or \"NAMESPACE/BATCH\" is wanted, not 3 (int)"),
    (lambda: distribute.file(3), "file(): path: a path (str or pathlib.Path) is wanted, not 3 (int)"),
    (lambda: distribute.file(b"a"), "file(): path: a path (str or pathlib.Path) is wanted, not b'a' (bytes)"),
    (lambda: distribute.file("a", "yes"), "file(): relative: True or False is wanted, not 'yes' (str)"),
    (lambda: distribute.file("a", True, 3), "file(): alias: text (str) is wanted, not 3 (int)"),
    (lambda: distribute.file("a", True, template=1), "file(): template: True or False is wanted, not 1 (int)"),
    (lambda: distribute.job("a", "x.json"), "job(): required_files: a list is wanted, not 'x.json' (str)\n  a list holds files: write [file(...)]"),
    (lambda: distribute.job("a", relative("x")), "job(): required_files: a list is wanted, not a File"),
    (lambda: distribute.job("a", None), "job(): required_files: a list is wanted, not None"),
    (lambda: distribute.job("a", ["x.json"]), "required_files[0]: what file(...) returns is wanted, not 'x.json' (str)\n  write file('x.json', relative=True)"),
    (lambda: distribute.job("a", [], command="x"), "job() has no parameter 'command'\n  make the job with command_job()"),
    (lambda: distribute.job("a", [], depends="b"), "job(): depends: a list is wanted, not 'b' (str)"),
    (lambda: distribute.job("a", [], depends=[3]), "job(): depends[0]: a job or its name is wanted, not 3 (int)"),
    (lambda: distribute.job("a", [], slurm={"node": 1}), "job(): slurm has no key 'node'\n  did you mean nodes?"),
    (lambda: distribute.job("a", [], sweep=[1]), "sweep: what sweep(...) returns, or a dict of lists is wanted, not [1] (list)"),
    (lambda: distribute.job("a", [], sweep={"re": 1}), "job(): sweep(): re: a list is wanted, not 1 (int)"),
    (lambda: distribute.python_job("a", 3), "python_job(): file: a path (str or pathlib.Path) is wanted, not 3 (int)"),
    (lambda: distribute.command_job("a", ["ls"]), "command_job(): command: text (str) is wanted, not ['ls'] (list)"),
    (lambda: distribute.slurm(node=1), "slurm() has no parameter 'node'\n  did you mean nodes?"),
    (lambda: distribute.initialize(3, [], []), "initialize(): sif_path: a path (str or pathlib.Path) is wanted, not 3 (int)"),
    (lambda: distribute.initialize("x", [], "/a"), "initialize(): required_mounts: a list is wanted, not '/a' (str)"),
    (lambda: distribute.description("x.sif", [JOB]), "description(): initialize: what initialize(...), python_initialize(...) or command_initialize(...) returns is wanted, not 'x.sif' (str)"),
    (lambda: distribute.description(None, [JOB]), "command_initialize(...) returns is wanted, not None"),
    (lambda: distribute.description(IMAGE, JOB), "description(): jobs: a list is wanted, not a Job\n  write [job_1]"),
    (lambda: distribute.description(IMAGE, [distribute.command_job("a", "b")]), "jobs[0]: what job(...) returns is wanted, not a CommandJob"),
    (lambda: distribute.apptainer_config({}, None), "apptainer_config(): meta: what metadata(...) returns is wanted, not {} (dict)"),
    (lambda: distribute.python_config(META, distribute.description(IMAGE, [JOB])), "description: what description(...) returns for jobs made by python_job() is wanted, not a Description"),
    (lambda: distribute.apptainer_config(META, distribute.description(IMAGE, [JOB]), slurm=3), "slurm: what slurm(...) returns, or a dict, is wanted, not 3 (int)"),
    (lambda: distribute.write_config_to_file(META, "x"), "write_config_to_file(): config: what apptainer_config(...)"),
    (lambda: distribute.sweep(re="abc"), "sweep(): re: a list is wanted, not 'abc' (str)"),
    (lambda: distribute.sweep(re=[1, None]), "sweep(): re[1]: text or a number is wanted, not None"),
    (lambda: distribute.sweep(re=[True]), "sweep(): re[0]: text or a number is wanted, not True (bool)"),
    (lambda: distribute.sweep([1]), "sweep(): values: a dict of lists is wanted, not [1] (list)"),
    (lambda: distribute.sweep(re=[1], zip="yes"), "sweep(): zip: True or False is wanted, not 'yes' (str)"),
]  # fmt: skip

WRONG_VALUES: list[tuple[Callable[[], Any], str]] = [
    (lambda: distribute.metadata("ns", "b b", []), "metadata(): batch_name: 'b b' is no valid name"),
    (lambda: distribute.metadata("ns", "b", [], "bob"), "metadata(): matrix_username: 'bob' is no Matrix user"),
    (lambda: distribute.metadata("ns", "b", [], retries=1000), "retries: 1000 is too large\n  write 100 or less"),
    (lambda: distribute.metadata("ns", "b", [], priority=-1001), "priority: -1001 is too small\n  write -1000 or more"),
    (lambda: distribute.metadata("ns", "b", [], after="x"), "metadata(): after[0]: 'x' is no batch"),
    (lambda: distribute.resources(cores=0), "resources(): cores: 0 is too small\n  write 1 or more"),
    (lambda: distribute.resources(memory="lots"), "resources(): memory: 'lots'"),
    (lambda: distribute.resources(time=timedelta(0)), "resources(): time: "),
    (lambda: distribute.file("a.json"), f"file(): path: 'a.json' is a relative path\n  write '{os.getcwd()}/a.json', or relative=True"),
    (lambda: distribute.file("~/a.json"), "'~/a.json' isn't absolute: ~ is not expanded"),
    (lambda: distribute.file("/tmp", relative=True), "file(): relative: '/tmp' is an absolute path"),
    (lambda: distribute.file("/tmp"), "file(): path: '/tmp' can't be read: not a regular file"),
    (lambda: distribute.file("", relative=True), "file(): path: it is empty"),
    (lambda: distribute.file("a\nb", relative=True), "holds a control character"),
    (lambda: relative("a", "x y"), "file(): alias: 'x y' is no valid name"),
    (lambda: relative("a", "x y{re}"), "file(): alias: 'x yx' is no valid name"),
    (lambda: distribute.job("a", [relative("a b.json")]), "the file would be called 'a b.json' in input/"),
    (lambda: distribute.job("a", [relative("x", "in_{re}")]), "job(): required_files[0].alias: 'in_{re}' is no valid name"),
    (lambda: distribute.job("a{re}", []), "job(): name: 'a{re}' is no valid name"),
    (lambda: distribute.job("a", [], sweep={"re": [1, 2]}), "job(): name: two combinations give the name 'a': re=1 and re=2\n  mention {re} in the name"),
    (lambda: distribute.job("a{re}", [], sweep={"re": range(10_001)}), "job(): sweep: the sweep makes 10001 jobs, and a batch may have 10000"),
    (lambda: distribute.job("a", [], slurm={"nodes": 0}), "job(): slurm.nodes: 0 is too small"),
    (lambda: distribute.command_job("a", " "), "command_job(): command: it is empty"),
    (lambda: distribute.initialize("x", [], ["a"]), "initialize(): required_mounts[0]: 'a' is no absolute path"),
    (lambda: distribute.initialize("x", [], ["/input"]), "would hide what distribute puts there"),
    (lambda: distribute.description(IMAGE, []), "description(): jobs: the list is empty"),
    (lambda: distribute.sweep(), "sweep(): parameters: there are none"),
    (lambda: distribute.sweep(re=[]), "sweep(): re: the list is empty"),
    (lambda: distribute.sweep({"a b": [1]}), "sweep(): 'a b': a parameter has letters, digits and '_'"),
    (lambda: distribute.sweep(product=[1]), "and isn't called product or zip"),
    (lambda: distribute.sweep(re=[1, 2], n=[1], zip=True), "sweep(): zip: re has 2, n has 1 values"),
    (lambda: distribute.sweep(a=["{b}"], b=[1]), "sweep(): a[0]: '{b}' mentions a parameter of this sweep"),
    (lambda: distribute.sweep(a=itertools.count()), "sweep(): a: it has more than 1000000 items"),
    (lambda: distribute.sweep(a=["x" * 1001]), "sweep(): a[0]: it has more than 1000 characters"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "said"), WRONG_TYPES)
def test_a_wrong_type_is_named(call: Callable[[], Any], said: str) -> None:
    with pytest.raises(WrongType) as caught:
        call()
    assert said in str(caught.value)


@pytest.mark.parametrize(("call", "said"), WRONG_VALUES)
def test_a_wrong_value_is_told(call: Callable[[], Any], said: str) -> None:
    with pytest.raises(WrongValue) as caught:
        call()
    assert said in str(caught.value)


def test_errors_are_those_that_python_programs_catch() -> None:
    assert issubclass(WrongType, TypeError)
    assert issubclass(WrongValue, ValueError)
    assert issubclass(WrongType, DistributeError)
    assert issubclass(WrongValue, DistributeError)


def test_contradictions_of_a_whole_batch_are_told_together() -> None:
    jobs = [JOB, JOB, distribute.job("c", [], depends=["missing"])]
    with pytest.raises(WrongValue) as caught:
        distribute.apptainer_config(META, distribute.description(IMAGE, jobs))
    assert "apptainer.jobs[1].name: the name 'a' belongs to job 1 already" in str(caught.value)
    assert "apptainer.jobs[2].depends[0]: there is no job 'missing'" in str(caught.value)


def test_a_file_without_relative_is_absolute_and_there(tmp_path: Path) -> None:
    with pytest.raises(WrongValue, match="No such file or directory"):
        distribute.file(tmp_path / "a.json")
    (tmp_path / "a.json").write_text("{}")
    assert distribute.file(tmp_path / "a.json").path == str(tmp_path / "a.json")
    # What a sweep makes of its path isn't known yet.
    assert distribute.file(tmp_path / "{re}.json").path == str(tmp_path / "{re}.json")
