"""The codec of records: round trips, added fields, and everything that must be refused."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spoold.codec import RecordError, decode, encode
from spoold.node_records import NodeInfo, NodeStatus
from spoold.records import (
    BatchHeader,
    BatchJobs,
    BuildRecord,
    BundleManifest,
    Input,
    JobRecord,
    Outcome,
    RetryRequest,
)

KINDS = [
    BatchHeader,
    BatchJobs,
    BuildRecord,
    BundleManifest,
    JobRecord,
    NodeInfo,
    NodeStatus,
    RetryRequest,
]
texts = st.text(max_size=12)
numbers = st.floats(allow_nan=False, allow_infinity=False)
st.register_type_strategy(str, texts)
st.register_type_strategy(float, numbers)
records = st.one_of([st.builds(kind) for kind in KINDS])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)

HEADER = BatchHeader(1, "id", "ns", "b", "command", "anna", 1000, 1.5, "b.yaml", 2)
RECORD = JobRecord("ns", "b", "j", 1, "n", Outcome.DONE, "", 1.0, 2.0, 1.0, versions={"python": "3.11"})


@given(records)
def test_a_record_is_read_as_it_was_written(record: Any) -> None:
    data = encode(record)
    assert decode(type(record), data, "here") == record
    assert data.endswith(b"}\n")
    assert b"\n" not in data[:-1]


@given(records, st.dictionaries(texts.map(lambda t: f"later_{t}"), json_values, max_size=3))
def test_fields_of_a_later_version_are_passed_over(record: Any, added: dict[str, Any]) -> None:
    values = json.loads(encode(record)) | added
    assert decode(type(record), json.dumps(values).encode(), "here") == record


@pytest.mark.parametrize("missing", [f.name for f in fields(BatchHeader)][:10])
def test_a_missing_field_is_an_error_that_names_the_file(missing: str) -> None:
    values = json.loads(encode(HEADER))
    del values[missing]
    with pytest.raises(RecordError, match=r"batch\.json is no BatchHeader"):
        decode(BatchHeader, json.dumps(values).encode(), "batch.json")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("format", "1"),
        ("format", 1.0),
        ("format", True),
        ("submitter", None),
        ("submitter_uid", "0"),
        ("submitted_at", "1.5"),
        ("submitted_at", True),
        ("submitted_at", 10**400),
        ("capabilities", "gpu"),
        ("capabilities", [1]),
        ("capabilities", {"gpu": 1}),
        ("build_script", "build.py"),
        ("build_script", {"name": "build.py"}),
        ("initial_files", [None]),
    ],
)
def test_an_ill_typed_field_is_an_error(name: str, value: Any) -> None:
    values = json.loads(encode(HEADER)) | {name: value}
    with pytest.raises(RecordError):
        decode(BatchHeader, json.dumps(values).encode(), "batch.json")


@pytest.mark.parametrize("outcome", ["lost", None, 1, ["done"], {}])
def test_an_unknown_outcome_is_an_error(outcome: Any) -> None:
    values = json.loads(encode(RECORD)) | {"outcome": outcome}
    with pytest.raises(RecordError):
        decode(JobRecord, json.dumps(values).encode(), ".job.json")


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"null", b"3", b'"x"', b"\xff\xfe\x00", b"[" * 100_000, b'{"a":' * 100_000]
)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_record_at_all(kind: type, data: bytes) -> None:
    with pytest.raises(RecordError):
        decode(kind, data, "here")


@given(st.sampled_from(KINDS), json_values)
def test_any_json_is_read_or_refused(kind: type, value: Any) -> None:
    try:
        record = decode(kind, json.dumps(value).encode(), "here")
    except RecordError:
        return
    assert decode(kind, encode(record), "here") == record


def test_an_integer_is_a_number_too() -> None:
    values = json.loads(encode(HEADER)) | {"submitted_at": 7}
    assert decode(BatchHeader, json.dumps(values).encode(), "here").submitted_at == 7.0


def test_whether_a_batch_needs_a_build() -> None:
    script = Input("build.py", "ab" * 32, 1)
    assert not HEADER.needs_build
    assert replace(HEADER, build_command="make").needs_build
    assert replace(HEADER, build_script=script).needs_build
    assert HEADER.key == "ns/b"
