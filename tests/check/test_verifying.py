"""The archive's checksums: every way in which a result can differ from its record."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from spoold.checking import verification
from spoold.checking.verification import Wrong, find_results, verify
from spoold.publication import finish, keep_attempt, publish, stage
from spoold.records import Outcome
from spoold.tickets import State
from tests.spool.lab import Lab


@pytest.fixture
def result(lab: Lab) -> Path:
    """The archived folder of ``ns/b/a``: out.txt, in/er.txt, the streams and the record."""
    ref = lab.submit("b", {"a": "", "c": ""})
    ticket = lab.claim(ref, "a")
    stage(lab.spool, lab.result(ref, ticket, files={"out.txt": "abc", "in/er.txt": "inner"}))
    assert publish(lab.spool, ref.folder, ticket)
    finish(lab.spool, ref.folder, "ns", "b", ticket)
    return lab.spool.layout.archived_job("ns", "b", "a")


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def linked(path: Path) -> None:
    """A link to the very same content."""
    path.rename(path.with_name("moved.txt"))
    path.symlink_to("moved.txt")


WAYS: dict[str, tuple[Callable[[Path], object], set[tuple[str, Wrong]]]] = {
    "nothing": (lambda r: None, set()),
    "missing": (lambda r: (r / "out.txt").unlink(), {("out.txt", Wrong.MISSING)}),
    "longer": (lambda r: (r / "in/er.txt").write_text("innermost"), {("in/er.txt", Wrong.SIZE)}),
    "other": (lambda r: (r / "out.txt").write_text("abd"), {("out.txt", Wrong.SHA256)}),
    "more": (lambda r: (r / "in/more").touch(), {("in/more", Wrong.UNRECORDED)}),
    "linked": (
        lambda r: linked(r / "out.txt"),
        {("out.txt", Wrong.NO_FILE), ("moved.txt", Wrong.UNRECORDED)},
    ),
    "linked folder": (
        lambda r: linked(r / "in"),
        {("in/er.txt", Wrong.MISSING), ("in", Wrong.UNRECORDED), ("moved.txt/er.txt", Wrong.UNRECORDED)},
    ),
    "pipe": (lambda r: os.mkfifo(r / "pipe"), {("pipe", Wrong.UNRECORDED)}),
    "record gone": (lambda r: (r / ".job.json").unlink(), {(".job.json", Wrong.RECORD)}),
    "record broken": (lambda r: (r / ".job.json").write_text("{"), {(".job.json", Wrong.RECORD)}),
    "record of another": (
        lambda r: edit(r / ".job.json", '"job":"a"', '"job":"c"'),
        {(".job.json", Wrong.RECORD)},
    ),
    "record leads out": (
        lambda r: edit(r / ".job.json", '"path":"out.txt"', '"path":"../../../../spool.yaml"'),
        {("../../../../spool.yaml", Wrong.MISSING), ("out.txt", Wrong.UNRECORDED)},
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_difference_is_named(lab: Lab, result: Path, way: str) -> None:
    spoil, expected = WAYS[way]
    spoil(result)
    (place,) = find_results(lab.spool, "ns", "b", "a")
    assert {(str(d.path), d.kind) for d in verify(place)} == {(f"{result}/{p}", k) for p, k in expected}


def test_progress_is_told_every_byte(lab: Lab, result: Path) -> None:
    (place,) = find_results(lab.spool, "ns", "b", "a")
    read: list[int] = []
    assert verify(place, read.append) == []
    assert sum(read) == place.size_bytes == sum(f["size_bytes"] for f in json.loads(_record(result))["files"])


def _record(result: Path) -> bytes:
    return (result / ".job.json").read_bytes()


def test_earlier_attempts_belong_to_a_job(lab: Lab, result: Path) -> None:
    ref = lab.ref("b")
    tried = lab.claim(ref, "c")
    stage(lab.spool, lab.result(ref, tried, Outcome.FAILED))
    keep_attempt(lab.spool, "ns", "b", tried)
    found = find_results(lab.spool, "ns", None, None)
    assert [(place.name, verify(place)) for place in found] == [("a", []), ("c~1", [])]
    assert [place.name for place in find_results(lab.spool, "ns", "b", "c")] == ["c~1"]
    assert find_results(lab.spool, "ns", "b", "d") == []


def test_a_result_that_is_set_aside_meanwhile_is_followed(
    lab: Lab, result: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job is retried and ends while its first result is being read."""
    ref = lab.ref("b")
    (place,) = find_results(lab.spool, "ns", "b", "a")
    compare, retried = verification._compare, []

    def retry_first(place: verification.Place, progress: object) -> object:
        if not retried:
            retried.append(place)
            ticket = next(iter(ref.folder.state(State.DONE).iterdir()))
            ticket.rename(ref.folder.state(State.PENDING) / "a~2")
            lab.complete(ref, "a")
        return compare(place, progress)  # type: ignore[arg-type]

    monkeypatch.setattr(verification, "_compare", retry_first)
    assert verify(place) == []
    assert retried
    assert (result.parent / "a~1").is_dir()
