"""A spool's whole life: whoever stops anywhere, what stands there then is legal."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from spoold.checking import Kind, Severity, check
from spoold.layout import Layout
from spoold.spool import Settings, Spool, init_spool
from spoold.tickets import Ticket
from tests.spool.lab import Clock, Disk, Lab
from tests.spool.test_layout_document import live


def no_wait(seconds: float) -> None:
    """Nobody goes on meanwhile."""


class Inspector(Disk):
    """Checks the whole spool before and after each operation, as if everybody had stopped there for good."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.errors: list[str] = []
        self.notes: set[Kind] = set()
        self.looks = 0

    def inspect(self, when: str, number: int, operation: str, paths: tuple[Path, ...]) -> None:
        self.looks += 1
        # With a disk of its own: its operations aren't looked at.
        for finding in check(Spool(Layout(self.root), Disk(self.root), Settings()), wait=no_wait):
            if finding.severity is Severity.NOTE:
                self.notes.add(finding.kind)
            elif finding.kind is not Kind.NODE_MISSING:
                # A node makes its folder, takes its lease there, and then says what it is.
                self.errors.append(f"{when} {operation} {paths}: {finding.path} {finding.what}")


def test_every_step_of_a_life_leaves_a_legal_spool(fast_folder: Path) -> None:
    (fast_folder / "scratch").mkdir()
    before = os.umask(0o077)
    try:
        spool = init_spool(fast_folder / "spool", Settings())
    finally:
        os.umask(before)
    inspector = Inspector(spool.root)
    lab = Lab(Spool(spool.layout, inspector, spool.settings), fast_folder / "scratch", Clock())
    lab.reopen = lambda hook=None: lab.spool  # type: ignore[method-assign]
    inspector.hook = inspector.inspect
    live(lab)
    assert inspector.errors == []
    assert inspector.looks > 200
    assert {Kind.PUBLISHING, Kind.ADMISSION_LEFT} <= inspector.notes
    inspector.hook = None
    # What `live` has given up is told for as long as it lies there.
    assert [one.kind for one in check(lab.spool, checksums=True, wait=no_wait)] == [Kind.NOTICE_FAILED]


def test_the_work_of_a_check_grows_with_the_jobs_and_no_faster(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = 200
    ref = lab.submit("b", {f"j{number}": "" for number in range(jobs)})
    for number in range(0, jobs, 2):
        lab.complete(ref, f"j{number}")
    parsed: list[str] = []
    parse = Ticket.parse
    monkeypatch.setattr(Ticket, "parse", lambda text: parsed.append(text) or parse(text))
    assert check(lab.spool, wait=no_wait) == []
    assert jobs < len(parsed) < 10 * jobs
