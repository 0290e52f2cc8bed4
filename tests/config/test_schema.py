"""The JSON Schema accepts what loading accepts, and refuses what it can see to be wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, given, settings

from distribute_compute_config import JobFile, Kind, dump_text, json_schema, template
from tests.config.strategies import jobfiles

SEEDS = Path(__file__).parent / "seeds"
META = "meta: {batch_name: a, namespace: b}\n"


def accepts(text: str) -> bool:
    validator = jsonschema.Draft202012Validator(json_schema())
    return bool(validator.is_valid(yaml.safe_load(text)))


def walk(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        for value in schema.values():
            yield from walk(value)
    if isinstance(schema, list):
        for value in schema:
            yield from walk(value)


def test_it_is_a_schema_in_json() -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(json.dumps(json_schema())))


def test_every_key_has_a_description() -> None:
    for definition in json_schema()["$defs"].values():
        assert definition["description"]
        for key, field in definition["properties"].items():
            assert field.get("description") or key in ("initialize", "jobs"), (definition["title"], key)


def test_no_object_takes_unknown_keys() -> None:
    objects = [part for part in walk(json_schema()) if part.get("type") == "object" and "properties" in part]
    assert len(objects) > 10
    assert all(part.get("additionalProperties") is False for part in objects)


@pytest.mark.parametrize("kind", Kind)
def test_it_accepts_the_templates(kind: Kind) -> None:
    assert accepts(template(kind))


def test_it_accepts_the_seed() -> None:
    assert accepts((SEEDS / "python-jobs.yaml").read_text())


@pytest.mark.parametrize(
    "text",
    [
        META + "python: {initialize: {build_file: {path: b}}, jobs: [{name: j, file: f, required_files: ~}]}",
        META
        + "python: {initialize: {build_file: b}, jobs: [{name: j, file: {path: f, alias: ~}, depends: ~}]}",
        META + "command: {jobs: [{name: j, command: x, required_files: [a, {path: b}]}]}",
        META
        + "command: {initialize: ~, jobs: [{name: j, command: x, resources: {memory: 2000000, time: 90}}]}",
        META + "command: {jobs: [{name: j, command: x, resources: {memory: 2G, time: '1:00:00', gpus: 0}}]}",
        META + "apptainer: {initialize: {sif: {path: a}, required_mounts: ~}, jobs: [{name: j}]}\npython: ~",
    ],
)
def test_it_accepts_every_spelling(text: str) -> None:
    JobFile.model_validate(yaml.safe_load(text))
    assert accepts(text)


@pytest.mark.parametrize(
    "text",
    [
        META,
        META + "python: ~",
        "command: {jobs: [{name: j, command: x}]}",
        META + "command: {jobs: []}",
        META + "command: {jobs: [{name: j, command: x, comand: y}]}",
        META + "command: {jobs: [{name: j/k, command: x}]}",
        META + "command: {jobs: [{name: j, command: x, retries: -1}]}",
        META + "command: {jobs: [{name: j, command: ''}]}",
        META + "python: {initialize: {build_file: 3}, jobs: [{name: j, file: f}]}",
        META
        + "command: {jobs: [{name: j, command: x}]}\napptainer: {initialize: {sif: a}, jobs: [{name: j}]}",
    ],
)
def test_it_refuses_what_a_schema_can_see(text: str) -> None:
    assert not accepts(text)


@settings(
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None, max_examples=25
)
@given(jobfiles())
def test_it_accepts_every_dumped_job_file(jobfile: JobFile) -> None:
    assert accepts(dump_text(jobfile))
