"""An upload that is cut off, or too late: the archive has the result once and whole, the disk is tidied."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from threading import Event

from nodewatch.attempts import AttemptFolder
from nodewatch.capacity import Grant
from nodewatch.outcomes import Setback, nothing_ran
from nodewatch.queue import Claimed
from nodewatch.uploading import Upload, Uploader
from spoold.claims import give_back
from spoold.losses import LossCause
from spoold.snapshot import read_header, read_jobs
from spoold.tickets import State
from tests.lab import Lab
from tests.spool.lab import make_lab

SIZE_BYTES = 3_000_000
DYING = (sys.executable, str(Path(__file__).with_name("dying.py")), "amid copy @alpha/large")


def test_a_daemon_dies_within_a_file(lab: Lab, tmp_path: Path) -> None:
    lab.steward()
    log = tmp_path / "log"
    save = f"head -c {SIZE_BYTES} /dev/urandom > distribute_save/large; sha256sum < distribute_save/large"
    key = lab.batch("large", {"a": f"echo $DISTRIBUTE_ATTEMPT >> {log}; {save}"})
    died = lab.node("alpha", "--no-steward", before=DYING, ready=False)
    assert died.wait() == -9, died.said
    staged = lab.spool.layout.staging_root / "lab/large/a~1@alpha/large"
    assert 0 < staged.stat().st_size < SIZE_BYTES
    assert lab.tickets(key) == {State.CLAIMED: ["a~1@alpha"]}
    lab.node("alpha", "--no-steward", ready=False)
    assert lab.wait_finished(key) == {State.DONE: ["a~1@alpha"]}
    assert log.read_text() == "1\n", "it didn't run again"
    assert [path.name for path in lab.archived(key, "a").parent.iterdir() if path.is_dir()] == ["a"]
    record = next(file for file in lab.record(key, "a").files if file.path == "large")
    digest = hashlib.sha256((lab.archived(key, "a") / "large").read_bytes()).hexdigest()
    assert lab.text(key, "a", "stdout.txt").split()[0] == record.sha256 == digest


def test_what_is_lost_after_its_batch_was_closed(tmp_path: Path) -> None:
    """The job was given away and done meanwhile: nothing is left to note, and nothing to try again."""
    lab = make_lab(tmp_path)
    ref = lab.submit("b", {"a": ""})
    header, jobs = read_header(lab.spool, ref.folder), read_jobs(lab.spool, ref.folder)
    assert header
    assert jobs
    ticket = lab.claim(ref, "a", "n1")
    assert give_back(lab.spool, ref.folder, ticket)
    lab.complete(ref, "a", node="n2")
    lab.sweep()
    assert lab.ref("b").finished
    folder = AttemptFolder(tmp_path / "a~1")
    folder.path.mkdir()
    done = Event()
    uploader = Uploader(lab.spool, "n1", done.set)
    uploader.start()
    claimed = Claimed(ref, header, jobs.jobs[0], ticket, Grant((0,)))
    uploader.put(Upload(claimed, folder, nothing_ran("", 0.0), Setback("it vanished", LossCause.LOST)))
    assert done.wait(20.0), uploader.trouble
    uploader.close(20.0)
    assert not folder.path.exists()
