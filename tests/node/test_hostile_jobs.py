"""Jobs that end badly or leave a mess: their output is kept, and the next job finds nothing of it.

The node may not override file modes, so that what a job locks is locked for it too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from spoold.records import Outcome
from spoold.tickets import State
from tests.lab import Lab, may_not_override


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("lab") / "lab") as lab:
        # A root who may not do all can start no containers.
        lab.node("alpha", "--without", "apptainer", before=may_not_override())
        yield lab


#: What must hold for the next job, whatever the one before did.
NEXT = (
    "test -d input -a ! -L input && test -d distribute_save -a ! -L distribute_save "
    '&& test -z "$(ls -A distribute_save)" && cat input/file && echo fine > distribute_save/x'
)


def run_then_next(lab: Lab, name: str, command: str, within_s: float = 60.0) -> str:
    """Run a command, and then, in the same tree, a job that needs it whole; returns the batch's key."""
    jobs = {"a": command, "b": {"command": NEXT, "priority": -1}}
    key = lab.batch(name, jobs, files={"file": "whole\n"})
    lab.wait_finished(key, within_s)
    assert lab.state(key, "b") is State.DONE, lab.text(key, "b", "stderr.txt")
    assert (lab.text(key, "b", "stdout.txt"), lab.text(key, "b", "x")) == ("whole\n", "fine\n")
    assert lab.record(key, "b").attempt == 1
    return key


def test_an_exit_code(strict: Lab) -> None:
    key = run_then_next(strict, "exits", "echo out; echo err >&2; echo 1 > distribute_save/x; exit 3")
    record = strict.record(key, "a")
    assert (record.outcome, record.exit_code, record.reason) == (Outcome.FAILED, 3, "exit code 3")
    assert strict.state(key, "a") is State.FAILED
    assert [strict.text(key, "a", name) for name in ("stdout.txt", "stderr.txt", "x")] == [
        "out\n",
        "err\n",
        "1\n",
    ]


def test_a_signal(strict: Lab) -> None:
    key = run_then_next(strict, "signalled", "echo out; kill -SEGV $$")
    record = strict.record(key, "a")
    assert (record.signal, record.reason) == (11, "killed by signal 11 (SIGSEGV)")
    assert (strict.state(key, "a"), strict.text(key, "a", "stdout.txt")) == (State.FAILED, "out\n")


def test_200_mb_of_output(strict: Lab) -> None:
    key = run_then_next(strict, "talks", "head -c 200000000 /dev/zero; exit 1")
    assert (strict.archived(key, "a") / "stdout.txt").stat().st_size == 200_000_000
    assert not list(strict.spool.layout.node("alpha").logs.rglob("*.stdout"))


DAEMON = (
    "import os, time; os.fork() and os._exit(0); os.setsid(); os.fork() and os._exit(0); time.sleep(1000)"
)


def test_children_that_stay(strict: Lab) -> None:
    leave = f"setsid sleep 1000 & nohup sleep 1000 > /dev/null & python3 -c '{DAEMON}'; sleep 0.1"
    key = run_then_next(strict, "children", leave)
    assert strict.state(key, "a") is State.DONE
    assert not strict.living()


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("no-save", "rm -rf distribute_save"),
        ("save-is-file", "rm -rf distribute_save; echo x > distribute_save"),
        ("save-is-link", "rm -rf distribute_save; ln -s {outside} distribute_save"),
        ("input-is-link", "rm -rf input; ln -s {outside} input"),
        ("input-is-file", "rm -rf input; echo x > input"),
        ("input-is-fifo", "rm input/file; mkfifo input/file"),
        ("file-is-link", "rm input/file; ln -s {outside}/file input/file; ln -sf {outside}/file initial_files/file"),
        ("file-is-folder", "rm input/file; mkdir -p input/file/x; rm initial_files/file; mkdir initial_files/file"),
        ("no-tree", "rm -rf $PWD"),
        ("locked-input", "mkdir -p input/x/y; touch input/x/y/z; chmod 0 input/x/y input/x input"),
        ("locked-save", "echo 1 > distribute_save/x; mkdir distribute_save/y; chmod 0 distribute_save/* distribute_save"),
        ("locked-tree", "chmod 0 $PWD"),
    ],
)  # fmt: skip
def test_folders_that_a_job_spoils(strict: Lab, tmp_path: Path, name: str, command: str) -> None:
    """Outside of its tree nothing is read, changed or removed."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("precious")
    key = run_then_next(strict, name, command.format(outside=outside))
    assert strict.state(key, "a") is State.DONE
    assert ([p.name for p in outside.iterdir()], (outside / "file").read_text()) == (["file"], "precious")
    assert not (strict.archived(key, "a") / "file").exists()


def test_what_cannot_be_archived_is_named(strict: Lab, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    key = run_then_next(
        strict,
        "strange",
        f"cd distribute_save; echo 1 > real; ln -s real inside; ln -s {secret} outside; ln -s / root; "
        "mkfifo pipe; ln -s nowhere dangling; echo 2 > locked; chmod 0 locked; mkdir dir; echo 3 > dir/x; chmod 0 dir",
    )
    assert strict.state(key, "a") is State.DONE
    folder = strict.archived(key, "a")
    assert sorted(os.listdir(folder)) == [
        ".job.json", "dir", "inside", "locked", "real", "stderr.txt", "stdout.txt",
    ]  # fmt: skip
    assert [(folder / n).read_text() for n in ("real", "inside", "locked", "dir/x")] == [
        "1\n",
        "1\n",
        "2\n",
        "3\n",
    ]
    skipped = strict.record(key, "a").skipped
    assert sorted(line.partition(":")[0] for line in skipped) == ["dangling", "outside", "pipe", "root"]


def test_folders_without_end(strict: Lab) -> None:
    """Deeper than a path may be long, and than Python calls may be nested; and longer than an archive's path."""
    dig = "import os; [(os.mkdir(x), os.chdir(x)) for x in [{name!r}] * {depth}]; open('x', 'w')"
    key = run_then_next(
        strict,
        "deep",
        "cd distribute_save; echo 1 > x; "
        + "; ".join(
            f'(python3 -c "{dig.format(name=n, depth=d)}")' for n, d in [("d", 3000), ("l" * 200, 15)]
        )
        + "; cp -r d ../input",
    )
    assert strict.text(key, "a", "x") == "1\n"
    skipped = strict.record(key, "a").skipped
    assert sorted(line[:3] for line in skipped) == ["d/d", "lll"]


def test_nothing_is_left_on_the_node(strict: Lab) -> None:
    """Comes last: of all the attempts above, however they ended, nothing remains on the disk."""
    key = strict.batch("last", {"a": "true"})
    strict.wait_finished(key)
    daemon = strict.daemons[0]
    strict.wait(lambda: not daemon.attempts(), 20.0, "the attempts are gone")
    assert not strict.status("alpha").troubles


@pytest.mark.parametrize(
    "deed",
    ["printf '\\377' > {}", "mkdir {}", "mkfifo {}", "ln -s /dev/zero {}", "ln -s {} {}"],
    ids=range(5),
)
def test_the_mark_of_a_built_tree(strict: Lab, deed: str, request: pytest.FixtureRequest) -> None:
    """Whatever a job puts in its place, other jobs of the batch are done, and others' too."""
    mark = ".distribute-built"
    jobs = {"a": f"rm {mark}; {deed.replace('{}', mark)}", "b": {"command": "cat built", "priority": -1}}
    key = strict.batch(f"mark{request.node.callspec.id}", jobs, build="echo whole > built")
    strict.wait_finished(key)
    assert strict.tickets(key) == {State.DONE: ["a~1@alpha", "b~1@alpha"]}
    assert strict.text(key, "b", "stdout.txt") == "whole\n"
