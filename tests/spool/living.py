"""Lives with a fault, and how each of them must end."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace

from spoold.checking import Finding, Kind, Severity, check
from spoold.checking.verification import find_results, verify
from spoold.notices import outbox
from spoold.notices.records import Box, make_notice
from spoold.snapshot import read_header, read_tickets
from spoold.sweeping import sweep
from tests.spool.faulty import KILLED_AFTER, READS, Call, Fault, Plan
from tests.spool.lab import Lab
from tests.spool.life import ENDS, Life, archived

CALLS = ("reading", "renaming", "making")
SAMPLE = 250
Make = Callable[[], Lab]
Point = tuple[int, Call, Fault]


def record(make: Make, kind: type[Life] = Life) -> list[Call]:
    """The calls of a life without any fault."""
    plan = Plan()
    lab = make()
    life = kind(lab, plan)
    life.submit()
    life.run()
    check_end(lab, life.node)
    return plan.calls


def check_legal(lab: Lab) -> None:
    """Nothing is wrong that a sweep wouldn't mend, and every input is there."""
    found = check(lab.spool, checksums=True, wait=lambda _: None)
    # A node makes its folder, opens it to all, and then says what it is; its next start mends that.
    errors = [one for one in found if one.severity is Severity.ERROR and not _is_young_node(lab, one)]
    assert not errors, errors


def _is_young_node(lab: Lab, finding: Finding) -> bool:
    return finding.kind is Kind.NODE_MISSING or finding.path.parent == lab.spool.layout.nodes


def check_end(lab: Lab, node: str, repeated: bool = False) -> None:
    """One terminal ticket a job, its result once and whole, and no trace of what went wrong.

    Of what the nodes say of themselves only that of ``node``, the last one, matters. ``repeated``: an attempt
    that was archived may have been run again, since its ticket was set back.
    """
    ref = lab.ref("b")
    tickets = {
        name.partition("~")[0]: (state, name) for state, names in lab.tickets(ref).items() for name in names
    }
    assert {job: state for job, (state, _) in tickets.items()} == ENDS
    assert (lab.incoming(), lab.rejected()) == ([], {})
    for path in lab.spool.layout.tmp.iterdir():
        os.utime(path, (0, 0))
    sweep(lab.spool)
    assert not list(lab.spool.layout.archive.glob(".staging/**/*@*"))
    nodes = lab.spool.layout.nodes
    found = check(lab.spool, checksums=True, wait=lambda _: None)
    wrong = [one for one in found if one.path.is_relative_to(nodes / node) or nodes not in one.path.parents]
    assert not wrong, wrong
    _check_notices(lab)
    results = find_results(lab.spool, "ns", "b", None)
    assert [difference for place in results for difference in verify(place)] == []
    names = os.listdir(archived(lab))
    assert {"batch.json", "job.yaml", "a", "c", "d", "l", "t"} <= set(names)
    earlier = sorted(name.partition("~")[0] for name in names if "~" in name)
    assert earlier == ["a", "d"] or (repeated and {"a", "d"} <= set(earlier))


def _check_notices(lab: Lab) -> None:
    """One of this end; those of an earlier end tell fewer attempts."""
    ref = lab.ref("b")
    header, latest = read_header(lab.spool, ref.folder), read_tickets(lab.spool, ref.folder).latest()
    assert header is not None
    wanted = make_notice(header, latest, 0.0)
    found = {notice.name: notice for notice in outbox.read_all(lab.spool, Box.WAITING)}
    assert sorted(found) == outbox.list_names(lab.spool, Box.WAITING), "a notice can't be read"
    assert replace(found.pop(wanted.name), ended_at=0.0) == wanted
    assert all(notice.attempts < wanted.attempts for notice in found.values())


def kind_of(call: Call) -> str:
    """One of ``CALLS``."""
    if call.name in READS:
        return "reading"
    return "renaming" if call.name in ("rename", "link", "unlink", "rmdir") else "making"


def points(calls: list[Call]) -> Iterator[Point]:
    """Each call that changes something with each fault; of readings, each kind once a process."""
    seen: set[Call] = set()
    for number, call in enumerate(calls, 1):
        if call.name in READS and call in seen:
            continue
        seen.add(call)
        yield from ((number, call, fault) for fault in call.faults())


def fails(calls: list[Call], kind: str) -> list[Point]:
    """The points at which a call of this kind fails, and its process lives."""
    return [one for one in points(calls) if one[2] is not KILLED_AFTER and kind_of(one[1]) == kind]


def sample(found: list[Point]) -> list[Point]:
    """Some of them, always the same; not every n-th one, which might always be the same fault."""
    chosen = random.Random(1).sample(range(len(found)), min(SAMPLE, len(found)))
    return [found[index] for index in sorted(chosen)]


def live_through(
    make: Make, number: int, fault: Fault, comes_back: bool = True, kind: type[Life] = Life
) -> None:
    """A life whose call ``number`` has this fault ends as it should."""
    lab = make()
    life = kind(lab, Plan(number, fault), comes_back)
    life.on_crash = lambda: check_legal(lab)
    life.submit()
    try:
        life.run()
        check_end(lab, life.node)
    except AssertionError as error:
        error.add_note(f"call {number} {fault}")
        raise
    shutil.rmtree(lab.spool.root)
