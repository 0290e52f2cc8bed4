"""What a build and a job find on a node, as the documents for users say it, and what is archived."""

from __future__ import annotations

import hashlib
import os
import stat

from spoold.tickets import State
from tests.lab import Lab

# Both tell what they see: every path below them, folders with a slash.
SEE = """
import os, sys
for folder, folders, files in os.walk("."):
    folders.sort()
    for name in sorted(files) + [f + "/" for f in folders]:
        print(os.path.join(folder, name)[2:])
"""
BUILD = (
    SEE
    + """
from initial_files import helper
helper.check()
os.makedirs("solver/src")
open("solver/src/main.f90", "w").write("end")
open("input/left_by_the_build", "w").close()
open("distribute_save/left_by_the_build", "w").close()
open("builds", "a").write("built\\n")
"""
)
RUN = (
    SEE
    + """
from input import helper
print("argv", sys.argv)
print(open("input/config.json").read())
open("input/left_by_the_job", "w").close()
open("distribute_save/" + open("input/config.json").read(), "w").write(os.environ["DISTRIBUTE_JOB"])
print(open("builds").read().count("built"), "build")
print("a trouble", file=sys.stderr)
"""
)
#: Neither the node's own mark nor Python's cache is anybody's business.
OURS = (".distribute-built", "__pycache__")


def seen(text: str) -> list[str]:
    return sorted(
        line for line in text.splitlines() if "argv" not in line and not any(o in line for o in OURS)
    )


def python_batch(lab: Lab, name: str, **jobs: dict[str, object]) -> str:
    entries = [{"name": job, "file": "run.py", **fields} for job, fields in jobs.items()]
    initialize = {
        "build_file": {"path": "./make_it.py"},
        "required_files": [{"path": "helper.py"}, {"path": "file999.txt", "alias": "file2.txt"}],
    }
    files = {
        "make_it.py": BUILD,
        "run.py": RUN,
        "helper.py": "def check(): pass\n",
        "file999.txt": "999",
        "one.json": "one",
        "two.json": "two",
    }
    meta = {"batch_name": name, "namespace": "lab", "matrix": None, "capabilities": ["python3"]}
    return lab.drop(name, {"meta": meta, "python": {"initialize": initialize, "jobs": entries}}, files)


def test_a_python_batch_finds_the_folders_of_the_documents(shared: Lab) -> None:
    key = python_batch(
        shared,
        "hit3d",
        job_1={"required_files": [{"path": "one.json", "alias": "config.json"}, {"path": "two.json"}]},
        job_2={"file": {"path": "run.py"}, "required_files": [{"path": "two.json", "alias": "config.json"}]},
    )
    assert shared.wait_finished(key) == {State.DONE: ["job_1~1@alpha", "job_2~1@alpha"]}
    archive = shared.spool.layout.archived_batch("lab", "hit3d")
    given = ["helper.py", "file2.txt"]
    at_build = seen((archive / "hit3d_build_output-alpha.txt").read_text())
    assert at_build == sorted(
        ["build.py", "distribute_save/", "initial_files/", "input/"]
        + [f"{folder}/{name}" for folder in ("initial_files", "input") for name in given]
    )
    # build.py still stands beside job.py: the tree is as the build left it, input/ and distribute_save/ aside.
    at_run = sorted(
        [*at_build, "job.py", "builds", "solver/", "solver/src/", "solver/src/main.f90", "input/config.json"]
    )
    first = shared.text(key, "job_1", "stdout.txt")
    assert seen(first) == sorted([*at_run, "input/two.json", "one", "1 build"])
    assert "argv ['./job.py', '2']" in first
    second = shared.text(key, "job_2", "stdout.txt")
    assert seen(second) == sorted([*at_run, "two", "1 build"])
    # Nothing that the build or the other job left in distribute_save.
    assert sorted(os.listdir(shared.archived(key, "job_2"))) == [
        ".job.json",
        "stderr.txt",
        "stdout.txt",
        "two",
    ]
    assert shared.text(key, "job_2", "two") == "job_2"
    assert shared.text(key, "job_1", "stderr.txt") == "a trouble\n"
    assert shared.build_record(key, "alpha", ok=True).ok


def test_a_record_says_how_a_job_went(shared: Lab) -> None:
    key = shared.batch(
        "recorded",
        {"a": "python3 -c 'sum(range(10**7)); x = b\"1\" * 10**8'; mkdir distribute_save/sub; "
         "echo 1 > distribute_save/sub/x; cp /bin/true distribute_save/tool; echo s > distribute_save/stdout.txt"},
    )  # fmt: skip
    shared.wait_finished(key)
    record = shared.record(key, "a")
    assert (record.exit_code, record.signal, record.attempt, record.node, record.cores) == (
        0,
        None,
        1,
        "alpha",
        2,
    )
    assert record.user_cpu_s + record.system_cpu_s > 0.05
    assert record.peak_memory_bytes > 10**8
    assert record.started_at < record.ended_at
    assert record.wall_s > 0
    folder = shared.archived(key, "a")
    listed = {file.path: file for file in record.files}
    assert sorted(listed) == ["saved-stdout.txt", "stderr.txt", "stdout.txt", "sub/x", "tool"]
    for path, file in listed.items():
        content = (folder / path).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file.size_bytes, file.sha256)
    assert stat.S_IMODE((folder / "tool").stat().st_mode) == 0o755
    assert stat.S_IMODE((folder / "sub/x").stat().st_mode) == 0o644


def test_a_command_batch_builds_in_its_tree_and_finds_its_inputs_there(shared: Lab) -> None:
    source = (
        '#include <stdio.h>\nint main(int n, char **a) { FILE *f = fopen(a[1], "r"); putchar(fgetc(f)); }'
    )
    key = shared.batch(
        "compiled",
        {
            "a": {"command": "./solver input.json > $DISTRIBUTE_SAVE/x",
                  "required_files": [{"path": "a.json", "alias": "input.json"}]},
            "b": {"command": "./solver input/input.json > distribute_save/x; env",
                  "required_files": [{"path": "b.json", "alias": "input.json"}]},
            "c": "test ! -e input.json && test -z \"$(ls distribute_save)\" && cat input/solver.c solver.c > both",
        },
        build="cc -o solver solver.c && echo built",
        files={"solver.c": source, "a.json": "A", "b.json": "B"},
    )  # fmt: skip
    assert shared.wait_finished(key) == {State.DONE: ["a~1@alpha", "b~1@alpha", "c~1@alpha"]}
    assert (shared.text(key, "a", "x"), shared.text(key, "b", "x")) == ("A", "B")
    environment = dict(line.partition("=")[::2] for line in shared.text(key, "b", "stdout.txt").splitlines())
    assert environment["OMP_NUM_THREADS"] == environment["DISTRIBUTE_CORES"] == "2"
    assert environment["DISTRIBUTE_SAVE"].endswith("/work/lab/compiled/distribute_save")
    output = shared.spool.layout.build_output("lab", "compiled", "alpha")
    assert output.read_text() == "built\n"


def test_inputs_are_those_of_the_submission(shared: Lab) -> None:
    """The drop is gone by then, and what a job did to its inputs is undone for the next."""
    spoil = "cat file; echo spoilt > input/file; rm -rf initial_files/file"
    key = shared.batch("spoilt", {"a": spoil, "b": spoil, "c": spoil}, files={"file": "whole\n"})
    shared.wait_finished(key)
    assert [shared.text(key, job, "stdout.txt") for job in "abc"] == ["whole\n"] * 3
