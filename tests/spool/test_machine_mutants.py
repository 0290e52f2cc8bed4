"""The state machine is able to fail: each of these mistakes in the protocol is found by it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from spoold import claims, publication, retrying, saves, steward
from spoold.layout import BatchFolder
from spoold.publication import LostResult, finish
from spoold.records import Outcome
from spoold.snapshot import BatchRef
from spoold.spool import Spool
from spoold.tickets import State, Ticket
from tests.spool import test_machine
from tests.spool.lab import Lab
from tests.spool.witness import Witness

#: Minutes, where others need the machine too.
pytestmark = pytest.mark.timeout(400)
QUICK = settings(
    test_machine.SETTINGS,
    max_examples=1000,
    phases=[Phase.generate],
    database=None,
    suppress_health_check=list(HealthCheck),
)


def claim_by_copy(spool: Spool, folder: BatchFolder, ticket: Ticket, node: str) -> Ticket | None:
    mine = ticket.held_by(node)
    if ticket.attempt_name not in spool.ops.names(folder.state(State.PENDING)):
        return None
    spool.ops.create(folder.ticket(State.CLAIMED, mine))
    spool.ops.unlink(folder.ticket(State.PENDING, ticket))
    return mine


def give_back_as_it_was(spool: Spool, folder: BatchFolder, ticket: Ticket) -> Ticket | None:
    again = replace(ticket, node=None)
    moved = spool.ops.move(folder.ticket(State.CLAIMED, ticket), folder.ticket(State.PENDING, again))
    return again if moved else None


def back_off_as_it_was(spool: Spool, folder: BatchFolder, ticket: Ticket) -> Ticket | None:
    again = replace(ticket, node=None)
    moved = spool.ops.move(folder.ticket(State.CLAIMED, ticket), folder.ticket(State.HELD, again))
    return again if moved else None


def publish_without_fence(spool: Spool, folder: BatchFolder, ticket: Ticket) -> bool:
    published = folder.ticket(State.PUBLISHING, ticket)
    if not spool.ops.move(folder.ticket(State.CLAIMED, ticket), published):
        spool.ops.write_new(published, b"")
    return True


def publish_deafly(spool: Spool, folder: BatchFolder, ticket: Ticket) -> bool:
    """Whatever came of the rename, the result counts."""
    spool.ops.move(folder.ticket(State.CLAIMED, ticket), folder.ticket(State.PUBLISHING, ticket))
    return True


def finish_by_copy(spool: Spool, folder: BatchFolder, namespace: str, batch: str, ticket: Ticket) -> Outcome:
    """Twice done, it archives twice: the staged result stays."""
    staging, kept = spool.layout.staging(namespace, batch, ticket), spool.ops.private()
    if staging.is_dir():
        shutil.copytree(staging, kept)
    outcome = finish(spool, folder, namespace, batch, ticket)
    if kept.is_dir():
        spool.ops.move(kept, spool.layout.archived_attempt(namespace, batch, ticket))
    return outcome


def set_nothing_aside(spool: Spool, namespace: str, batch: str, ticket: Ticket, target: Path) -> None:
    """The result of the attempt before is removed instead."""
    spool.ops.remove_tree(target)


def reopen_nothing(spool: Spool, ref: BatchRef) -> BatchRef:
    return ref


def sweep_all_saves(spool: Spool, namespace: str, batch: str) -> None:
    for save in spool.ops.names(spool.layout.saves_root / namespace / batch):
        spool.ops.remove_tree(spool.layout.saves_root / namespace / batch / save)


Places = tuple[tuple[object, str], ...]

MUTANTS: dict[str, tuple[Places, Callable[..., object]]] = {
    "claim": (((claims, "claim"),), claim_by_copy),
    "give back": (((claims, "give_back"), (steward, "give_back")), give_back_as_it_was),
    "back off": (((claims, "back_off"),), back_off_as_it_was),
    "publish": (((publication, "publish"),), publish_without_fence),
    "publish deafly": (((publication, "publish"),), publish_deafly),
    "finish": (((publication, "finish"), (steward, "finish")), finish_by_copy),
    "set aside": (((publication, "_set_aside"),), set_nothing_aside),
    "sweep saves": (((saves, "sweep_batch"),), sweep_all_saves),
    "reopen": (((retrying, "_reopen"),), reopen_nothing),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_machine_finds(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    places, instead = MUTANTS[mutant]
    for owner, name in places:
        monkeypatch.setattr(owner, name, instead)
    # What stops an actor is as good a finding as what an invariant says.
    with pytest.raises((AssertionError, LostResult)):
        run_state_machine_as_test(test_machine.SpoolMachine, settings=QUICK)


def test_the_witness_misses_the_fence(lab: Lab) -> None:
    """A result of an attempt that was given back, while the next one waits: nobody saw it published."""
    witness = Witness(lab.spool, ["b"])
    ref = lab.submit("b", {"a": ""})
    witness.look()
    ticket = lab.claim(ref, "a")
    assert claims.give_back(lab.spool, ref.folder, ticket)
    publication.stage(lab.spool, lab.result(ref, ticket, Outcome.FAILED))
    layout = lab.spool.layout
    lab.spool.ops.move(layout.staging("ns", "b", ticket), layout.archived_job("ns", "b", "a"))
    with pytest.raises(AssertionError, match="archived and never published"):
        witness.look()
