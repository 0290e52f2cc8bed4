"""Sweeps: what they make, how they are limited, and what is said of one that is wrong."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from distribute_compute_config import (
    CommandJob,
    File,
    JobFileError,
    LoadedJobFile,
    Mark,
    dump_text,
    json_schema,
    load_text,
    missing_inputs,
    template_files,
)
from distribute_compute_config.sweeps import substitute
from distribute_compute_config.template_files import SIZE_MAX_BYTES, BadTemplate, read_template

HEAD = "meta: {batch_name: b, namespace: n}\ncommand:\n  jobs:\n"


def job(sweep: str, more: str = "", name: str = "'re{re}-n{n}'") -> str:
    return f"{HEAD}    - name: {name}\n      command: ./solve\n      sweep: {sweep}\n{more}"


def load(sweep: str, more: str = "", name: str = "'re{re}-n{n}'") -> LoadedJobFile:
    return load_text(job(sweep, more, name), "f")


def names(loaded: LoadedJobFile) -> list[str]:
    return [one.name for one in loaded.jobfile.jobs]


def complaints(text: str, jobs_max: int = 10_000) -> list[str]:
    with pytest.raises(JobFileError) as caught:
        load_text(text, "f", jobs_max)
    return [str(one).removeprefix("f:") for one in caught.value.problems]


PRODUCT = ["re100-n64", "re100-n128", "re400-n64", "re400-n128"]


@pytest.mark.parametrize(
    ("sweep", "made"),
    [
        ("{re: [100, 400], n: [64, 128]}", PRODUCT),
        ("{product: {re: [100, 400], n: [64, 128]}}", PRODUCT),
        ("{zip: {re: [100, 400], n: [64, 128]}}", ["re100-n64", "re400-n128"]),
        ("{re: [1.0, 1e3, '010', x], n: ['']}", ["re1.0-n", "re1e3-n", "re010-n", "rex-n"]),
    ],
)
def test_a_sweep_is_expanded_in_the_order_of_the_file(sweep: str, made: list[str]) -> None:
    assert names(load(sweep)) == made


def test_a_value_stands_wherever_a_parameter_is_mentioned_and_nowhere_else() -> None:
    text = (
        (
            HEAD
            + "    - {name: 'mesh{n}', command: 'mesh {n} ${HOME} {other} {{n}} {n:d}', sweep: {n: [64, 128]}}\n"
            + "    - name: 'run{n}-{re}'\n"
            + "      command: ./solve\n"
            + "      sweep: {re: [x], n: [64]}\n"
            + "      depends: ['mesh{n}']\n"
            + "      required_files: ['{n}.dat', {path: 'in/{n}.json', alias: 'in{n}.json'}]\n"
        )
        .replace("['{n}']\n      depends", "['{m}']\n      depends")
        .replace("'{m}'", "x")
    )
    mesh, other, run = load_text(text, "f").jobfile.jobs
    assert isinstance(mesh, CommandJob)
    assert mesh.command == "mesh 64 ${HOME} {other} {64} {n:d}"
    assert other.name == "mesh128"
    assert (run.name, run.depends) == ("run64-x", ("mesh64",))
    assert run.required_files == (File(path="64.dat"), File(path="in/64.json", alias="in64.json"))
    assert run.sweep == (("re", "x"), ("n", "64"))


def test_what_a_value_brings_is_not_replaced_again() -> None:
    assert substitute("{a}{b}", {"a": "{b}", "b": "{a}"}) == "{b}{a}"
    assert substitute("{a.__class__} {0} {} {a!r}", {"a": "x"}) == "{a.__class__} {0} {} {a!r}"


def test_places_are_those_of_the_file() -> None:
    loaded = load("{re: [1, 2], n: [3]}", "    - {name: last, command: x}\n")
    assert names(loaded) == ["re1-n3", "re2-n3", "last"]
    assert [loaded.mark(("command", "jobs", i, "name")) for i in range(3)] == [
        Mark(4, 13),
        Mark(4, 13),
        Mark(7, 14),
    ]


WRONG = {
    "no parameters": ("{}", "6:14: command.jobs[0].sweep: parameters and their values are wanted"),
    "a list": ("[re]", "6:14: command.jobs[0].sweep: parameters and their values are wanted"),
    "an empty product": ("{product: {}}", "6:24: command.jobs[0].sweep.product: parameters and their values"),
    "a parameter called zip": ("{zip: [1]}", "6:15: command.jobs[0].sweep.zip: no parameter can be called zip"),
    "one called product inside": (
        "{zip: {product: [1]}}",
        "6:21: command.jobs[0].sweep.zip.product: no parameter can be called product",
    ),
    "zip beside another": ("{zip: {re: [1]}, n: [2]}", "6:31: command.jobs[0].sweep.n: zip stands alone"),
    "a parameter with a blank": ("{r e: [1]}", "6:15: command.jobs[0].sweep.r e: 'r e' is no name of a param"),
    "no list": ("{re: 1}", "6:19: command.jobs[0].sweep.re: a list of at least one value is wanted"),
    "no value": ("{re: []}", "6:19: command.jobs[0].sweep.re: a list of at least one value is wanted"),
    "nothing": ("{re: [~]}", "6:20: command.jobs[0].sweep.re[0]: YAML reads ~ as nothing; put it in quotes"),
    "a truth": ("{re: [true]}", '6:20: command.jobs[0].sweep.re[0]: YAML reads true as a truth value; put it in'),
    "a list in it": ("{re: [1, [2]]}", "6:23: command.jobs[0].sweep.re[1]: a value is text or a number"),
    "a long one": (f"{{re: [{'x' * 1001}]}}", "6:20: command.jobs[0].sweep.re[0]: the value is longer than 1000"),
    "a trap": ("{re: [010], n: [1]}", "6:20: 010: some YAML readers take it for an octal number"),
    "uneven lists": (
        "{zip: {re: [1, 2], n: [1]}}",
        "6:36: command.jobs[0].sweep.zip.n: re has 2 values and n has 1, zip wants as many of each; ",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("sweep", "said"), WRONG.values(), ids=WRONG)
def test_a_wrong_sweep_is_told_what_and_where(sweep: str, said: str) -> None:
    (found,) = complaints(job(sweep))
    assert found.startswith(said)


def test_two_combinations_of_one_name_are_both_named() -> None:
    (found,) = complaints(job("{re: [1], n: [1, 2], k: [5]}", name="'re{re}'"))
    assert found.startswith("4:13: command.jobs[0].name: two combinations give the name 're1': ")
    assert found.endswith("re=1 n=1 k=5 and re=1 n=2 k=5; mention {n} in the name")
    (found,) = complaints(job("{re: [1, 1], n: [1]}"))
    assert found.endswith("re=1 n=1 and re=1 n=1; write each value once")


def test_a_mistake_of_all_combinations_is_told_once() -> None:
    (found,) = complaints(job("{re: [1, 2], n: [3, 4]}", name="'re{re}/{n}{m}'"))
    assert found.startswith("4:13: command.jobs[0].name: 're1/3{m}' is no valid name")
    (found,) = complaints(job("{re: [1, 2], n: [3, 4]}", "      depends: ['x{re}']\n"))
    assert found.startswith("7:17: command.jobs[0].depends[0]: there is no job 'x1' in this file")


def test_a_name_of_another_job_is_told_with_its_number_in_the_file() -> None:
    more = "    - {name: a, command: x}\n    - {name: re2-n3, command: x}\n"
    (found,) = complaints(job("{re: [1, 2], n: [3]}", more))
    assert found.startswith("8:14: command.jobs[2].name: the name 're2-n3' belongs to job 1 already")


def test_a_value_that_makes_a_bad_name_is_refused() -> None:
    (found,) = complaints(job("{re: ['a/b'], n: [1]}"))
    assert found.startswith("4:13: command.jobs[0].name: 'rea/b-n1' is no valid name")


def too_many(count: int) -> str:
    return ", ".join(map(str, range(count)))


@pytest.mark.parametrize(
    ("sweep", "said"),
    [
        (
            f"{{re: [{too_many(1000)}], n: [{too_many(1000)}]}}",
            "6:14: command.jobs[0].sweep: the sweep makes 1000000 jobs, and a batch may have 10000; ",
        ),
        (
            "{" + ", ".join(f"p{i}: [{too_many(100)}]" for i in range(200)) + "}",
            "6:14: command.jobs[0].sweep: the sweep makes more than 1000000000000 jobs, and a batch may",
        ),
        (f"{{re: [{too_many(10**6)}]}}", "6:58910: sweep: the list has more than 10000 values, and a batch"),
        (f"{{zip: {{re: [{too_many(10**6)}]}}}}", "6:58916: sweep: the list has more than 10000 values, and"),
    ],
    ids=["a million", "without end", "a long list", "a long list to zip"],
)
def test_a_million_jobs_by_accident_are_refused_at_once(sweep: str, said: str) -> None:
    before_s = time.process_time()
    (found,) = complaints(job(sweep))
    # Measured: 0.1 s of CPU and less; expanded it would be a minute and gigabytes.
    assert time.process_time() - before_s < 3
    assert found.startswith(said)


def test_the_limit_counts_all_jobs_and_may_be_another() -> None:
    text = job("{re: [1, 2], n: [3, 4]}", "    - {name: last, command: x}\n")
    assert len(load_text(text, "f", 5).jobfile.jobs) == 5
    assert complaints(job("{re: [1, 2], n: [3, 4]}"), 3)[0].startswith(
        "6:14: command.jobs[0].sweep: the sweep makes 4 jobs, and a batch may have 3; "
    )


def test_what_would_be_gigabytes_is_refused_before_it_is_made() -> None:
    long = f"      required_files: ['{'{n}' * 20000}']\n"
    (found,) = complaints(job(f"{{re: [{too_many(90)}], n: [{too_many(100)}]}}", long))
    assert found.startswith("6:14: command.jobs[0].sweep: the sweep makes 9000 jobs, which are too long")
    constant = "".join(f", p{i}: [1]" for i in range(200))
    (found,) = complaints(job(f"{{re: [{too_many(90)}], n: [{too_many(100)}]{constant}}}"))
    assert found.startswith("6:14: command.jobs[0].sweep: the sweep makes 9000 jobs, which are too long")
    many = "      required_files: [" + ", ".join(f"f{i}" for i in range(200)) + "]\n"
    (found,) = complaints(job(f"{{re: [{too_many(90)}], n: [{too_many(100)}]}}", many))
    assert found.startswith("6:14: command.jobs[0].sweep: the sweep makes 9000 jobs, which are too long")


values = st.lists(st.text("abc{}0.", max_size=4), min_size=1, max_size=4, unique=True)


@given(st.dictionaries(st.sampled_from(["a", "b", "re", "n_2"]), values, min_size=1))
def test_a_product_has_every_combination_once(sweep: dict[str, list[str]]) -> None:
    data = {"name": "x", "command": " ".join(f"{{{one}}}" for one in sweep) + ".", "sweep": sweep}
    text = yaml.safe_dump({"meta": {"batch_name": "b", "namespace": "n"}, "command": {"jobs": [data]}})
    expected = list(itertools.product(*sweep.values()))
    if len(expected) > 1:
        assert "two combinations give the name 'x'" in complaints(text)[0]
        return
    (made,) = load_text(text, "f").jobfile.jobs
    assert isinstance(made, CommandJob)
    in_order = dict(sorted(sweep.items()))
    assert dict(made.sweep) == {name: one[0] for name, one in in_order.items()}
    assert made.command == " ".join(one[0] for one in sweep.values()) + "."


odd = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["a", "{a}", "zip", "b{a}{zip}", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["a", "zip", "product", "path", "alias", "template", "1"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)
KEYS = ["name", "command", "sweep", "depends", "required_files", "file", "resume"]


@given(
    st.sampled_from(["python", "command", "apptainer"]), st.lists(st.dictionaries(st.sampled_from(KEYS), odd))
)
def test_whatever_stands_in_a_sweep_it_loads_or_is_told(kind: str, jobs: list[dict[str, Any]]) -> None:
    data = {"meta": {"batch_name": "b", "namespace": "n"}, kind: {"jobs": jobs}}
    try:
        load_text(yaml.safe_dump(data), "f")
    except JobFileError as error:
        assert all(one.line >= 1 for one in error.problems)


def test_ten_thousand_jobs_are_made_in_seconds() -> None:
    before_s = time.process_time()
    loaded = load(f"{{re: [{too_many(100)}], n: [{too_many(100)}]}}", TEMPLATE)
    # Measured: 0.4 s of CPU; quadratic work anywhere would take minutes.
    assert len(loaded.inputs()) == len(loaded.jobfile.jobs) == 10_000
    assert time.process_time() - before_s < 15


def test_an_expanded_job_file_dumps_and_loads_back_equal() -> None:
    jobfile = load("{re: [100, 1.0], n: [64]}").jobfile
    assert load_text(dump_text(jobfile), "f").jobfile == jobfile


def test_in_python_a_sweep_is_one_combination() -> None:
    one = CommandJob(name="a", command="x", sweep={"n": ["1"]})  # type: ignore[arg-type]
    assert one.sweep == (("n", "1"),)
    assert hash(one) == hash(one.model_copy())
    with pytest.raises(ValidationError, match="a sweep is expanded when a file is loaded"):
        CommandJob(name="a", command="x", sweep={"n": ["1", "2"]})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sweep", "right"),
    [
        ({"re": [1, 2.5, "x"]}, True),
        ({"product": {"re": [1]}}, True),
        ({"zip": {"re": [1], "n": [1]}}, True),
        (None, True),
        ({}, False),
        ({"zip": [1]}, False),
        ({"zip": {"re": [1]}, "n": [1]}, False),
        ({"re": []}, False),
        ({"re": [True]}, False),
        ({"1re": [1]}, False),
    ],
)
def test_the_schema_knows_every_form(sweep: Any, right: bool) -> None:
    jobs = [{"name": "re{re}", "command": "x", "sweep": sweep, "depends": ["a{re}"]}]
    data = {"meta": {"batch_name": "b", "namespace": "n"}, "command": {"jobs": jobs}}
    assert jsonschema.Draft202012Validator(json_schema()).is_valid(data) is right


# Templates

TEMPLATE = "      required_files: [{path: in.json.in, alias: in.json, template: true}]\n"


def test_a_template_is_an_input_with_the_values_of_its_job() -> None:
    loaded = load("{re: [1, 2], n: [3]}", TEMPLATE)
    assert [(one.path, one.name, dict(one.values)) for one in loaded.inputs()] == [
        ("in.json.in", "in.json", {"re": "1", "n": "3"}),
        ("in.json.in", "in.json", {"re": "2", "n": "3"}),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            HEAD + "    - {name: a, command: x, required_files: [{path: f, template: true}]}\n",
            "4:56: command.jobs[0].required_files[0].template: without a sweep nothing fills in a template; ",
        ),
        (
            "meta: {batch_name: b, namespace: n}\ncommand:\n"
            "  initialize: {required_files: [{path: f, template: true}]}\n"
            "  jobs: [{name: a, command: x}]\n",
            "3:43: command.initialize.required_files[0].template: without a sweep nothing fills in a template; ",
        ),
        (
            "meta: {batch_name: b, namespace: n}\npython:\n  initialize: {build_file: b.py}\n"
            "  jobs: [{name: 'a{n}', sweep: {n: [1, 2]}, file: {path: f, template: true}}]\n",
            "4:61: python.jobs[0].file.template: only files in required_files of a job can be templates; ",
        ),
        (
            job("{re: [1], n: [1]}", "      required_files: [{path: f, template: yes}]\n"),
            "7:44: yes: some YAML readers take it for the truth value true",
        ),
        (
            job("{re: [1], n: [1]}", "      required_files: [{path: f, template: 1}]\n"),
            "7:44: command.jobs[0].required_files[0].template: true or false is wanted, not 1; ",
        ),
    ],
    ids=["no sweep", "initialize", "a script", "a trap", "a number"],
)
def test_a_template_in_the_wrong_place_is_told(text: str, said: str) -> None:
    assert complaints(text)[0].startswith(said)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'{"re": {re}}', ""),
        (b"{rem} {n:d} ${x}", "the template mentions none of {re}, {n}"),
        (b"\xff{re}", "a template is text in UTF-8, and byte 1 isn't"),
        (b"{re}" + b" " * SIZE_MAX_BYTES, f"a template has at most {SIZE_MAX_BYTES} bytes"),
        (
            b"{re}" * (SIZE_MAX_BYTES // 4),
            f"filled in, the template has more than {SIZE_MAX_BYTES}",
        ),
    ],
    ids=["good", "no parameter", "no text", "too large", "grows too large"],
)
def test_a_template_is_looked_at_before_it_is_submitted(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "in.json.in").write_bytes(content)
    problems = missing_inputs(load("{re: [10000], n: [3]}", TEMPLATE), tmp_path)
    assert bool(problems) is bool(why)
    for one in problems:
        assert why in one.why
        assert (one.line, one.column, one.what) == (7, 31, "command.jobs[0].required_files[0]")


def test_templates_of_a_batch_have_a_limit_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in.json.in").write_text("{n}" + 95 * " ")
    loaded = load(f"{{re: [1, 2], n: [{too_many(100)}]}}", TEMPLATE)
    monkeypatch.setattr(template_files, "TOTAL_MAX_BYTES", 10 * 96 + 90 * 97)
    assert missing_inputs(loaded, tmp_path) == []
    monkeypatch.setattr(template_files, "TOTAL_MAX_BYTES", 10 * 96 + 90 * 97 - 1)
    (problem,) = set(missing_inputs(loaded, tmp_path))
    assert problem.why == "filled in, the templates of the batch have more than 9689 bytes together"


def test_a_template_keeps_all_other_braces() -> None:
    template = read_template('{"re": {re}, "n": [{n}], "other": {}, "é": "{x}"}'.encode())
    assert (
        template.render((("re", "100"), ("n", "6")))
        == '{"re": 100, "n": [6], "other": {}, "é": "{x}"}'.encode()
    )
    assert template.choose((("re", "1"), ("z", "2"))) == (("re", "1"),)
    with pytest.raises(BadTemplate):
        template.render((("z", "1"),))
