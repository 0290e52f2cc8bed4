"""The power fails while people are told: whoever begins again tells it, once as far as a home server counts.

Each beginning of the calls is replayed on a model of the disk, with contents that weren't flushed lost or cut,
and with any of the renames since the last flush taken back.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from spoold.fsops import FileOps
from spoold.notices.channels import Outcome, Verdict
from spoold.spool import Spool, open_spool
from tests.notices.test_telling import TOLD, Channel, Scene, arrange
from tests.spool.faulty import READS, Call, FaultyKernel, Plan
from tests.spool.lab import Disk as LabDisk
from tests.spool.lab import Lab, make_lab
from tests.spool.stable import Disk, keep_half, keep_nothing
from tests.spool.test_power_loss import disordered


@pytest.mark.usefixtures("hurry")
def test_nothing_is_lost_and_nothing_told_twice(fast_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    later = Outcome(Verdict.LATER, "away")
    scene = arrange(make_lab(fast_folder / "lived"), monkeypatch, [Channel(outcomes=[later, TOLD])])
    scene.end_batch()
    before = Disk.load(scene.lab.spool.root)
    calls = [call for call in record(scene) if call.name not in READS]
    replayed = 0
    for end, lost in [*((end, frozenset[int]()) for end in range(len(calls) + 1)), *disordered(calls)]:
        for keep in (keep_nothing, keep_half):
            disk = before.copy()
            disk.replay(calls[:end], lost)
            folder = fast_folder / f"left{(replayed := replayed + 1)}"
            folder.mkdir()
            disk.write_to(folder, keep)
            again = arrange(Lab(open_spool(folder, LabDisk(folder)), fast_folder), monkeypatch, [Channel()])
            was_sent = again.counts() == (0, 1, 0)
            again.change(next_at=0.0)
            again.teller().tell_all()
            assert (len(again.channels[0].received), again.counts()) == (int(not was_sent), (0, 1, 0)), (
                end,
                lost,
            )
    assert replayed > 60


def record(scene: Scene) -> list[Call]:
    """The calls of two tries, of which the second succeeds."""
    plan, spool = Plan(), scene.lab.spool
    ops = FileOps(spool.root, FaultyKernel(plan, "steward"))
    for _ in range(2):
        scene.teller(Spool(spool.layout, ops, spool.settings)).tell_all()
        scene.change(next_at=0.0)
    assert scene.counts() == (0, 1, 0)
    return plan.calls
