"""Lives with a fault, and how each of them must end."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator

from spoold.checking import Severity, check
from spoold.checking.verification import find_results, verify
from spoold.sweeping import sweep
from tests.spool.faulty import READS, Call, Fault, Plan
from tests.spool.lab import Lab
from tests.spool.life import ENDS, Life, archived

Make = Callable[[], Lab]


def record(make: Make, kind: type[Life] = Life) -> list[Call]:
    """The calls of a life without any fault."""
    plan = Plan()
    lab = make()
    life = kind(lab, plan)
    life.submit()
    life.run()
    check_end(lab)
    return plan.calls


def check_legal(lab: Lab) -> None:
    """Nothing is wrong that a sweep wouldn't mend, and every input is there."""
    found = check(lab.spool, checksums=True, wait=lambda _: None)
    assert not [finding for finding in found if finding.severity is Severity.ERROR]


def check_end(lab: Lab, repeated: bool = False) -> None:
    """One terminal ticket a job, its result once and whole, and no trace of what went wrong.

    ``repeated``: an attempt that was archived may have been run again, since its ticket was set back.
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
    assert check(lab.spool, checksums=True, wait=lambda _: None) == []
    results = find_results(lab.spool, "ns", "b", None)
    assert [difference for place in results for difference in verify(place)] == []
    names = os.listdir(archived(lab))
    assert {"batch.json", "job.yaml", "a", "c", "d", "l"} <= set(names)
    earlier = sorted(name.partition("~")[0] for name in names if "~" in name)
    assert earlier == ["a", "d"] or (repeated and {"a", "d"} <= set(earlier))


def points(calls: list[Call]) -> Iterator[tuple[int, Call, Fault]]:
    """Each call that changes something with each fault; of readings, each kind once a process."""
    seen: set[Call] = set()
    for number, call in enumerate(calls, 1):
        if call.name in READS and call in seen:
            continue
        seen.add(call)
        yield from ((number, call, fault) for fault in call.faults())


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
        check_end(lab)
    except AssertionError as error:
        error.add_note(f"call {number} {fault}")
        raise
    shutil.rmtree(lab.spool.root)
