"""One job file, by a spool with two nodes, by a real Slurm and by `distribute run`: equal archives, file by file."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from spoold.spool import init_spool
from tests.lab import FAST, Lab, program
from tests.lab.apptainer import RUNS_ITS_INPUT, build_image, explain_lack
from tests.lab.slurm import SlurmLab
from tests.slurm.archives import read_archive, record_keys
from tests.slurm.exporting import describe, distribute, export, read_ids, schedule, write_batch
from tests.support import find_runs

EXAMPLE = Path(__file__).parents[2] / "examples" / "slurm" / "distribute-jobs.yaml"

PYTHON = """\
meta: {batch_name: python, namespace: lab, retries: 1}
slurm: {time: "0:10:00"}
python:
  initialize:
    build_file: make it.py
    required_files: [{path: "a solver.c", alias: solver.c}]
  jobs:
    - name: "re{re}"
      sweep: {re: [100, 400]}
      file: run.py
      required_files: [{path: settings.in, alias: settings.json, template: true}]
    - {name: failing, file: fail.py}
    - {name: after-failing, file: run.py, depends: [failing]}
    - name: after
      file: run.py
      depends: [re100, re400]
      resources: {time: 60s}
      required_files: [{path: settings.json}]
"""
PYTHON_FILES = {
    "make it.py": (
        "import pathlib, sys\n"
        "print(sorted(p.name for p in pathlib.Path('.').iterdir()), pathlib.Path('input/solver.c').read_text())\n"
        "print('to stderr', file=sys.stderr, flush=True)\n"
        "pathlib.Path('solver').write_text('built')\n"
        "pathlib.Path('initial_files/solver.c').write_text('changed by the build')\n"
    ),
    "a solver.c": "int main;",
    "settings.in": '{"re": {re}}',
    "settings.json": "{}",
    "run.py": (
        "import json, os, pathlib, sys\n"
        "save = pathlib.Path('distribute_save')\n"
        "assert os.environ['DISTRIBUTE_SAVE'] == str(save.absolute()), os.environ['DISTRIBUTE_SAVE']\n"
        "assert os.environ['DISTRIBUTE_CORES'] == sys.argv[1] == os.environ['OMP_NUM_THREADS']\n"
        "names = 'NAMESPACE BATCH JOB ATTEMPT'.split()\n"
        "print([os.environ['DISTRIBUTE_' + name] for name in names], len(sys.argv), list(save.iterdir()))\n"
        "print(sorted(p.name for p in pathlib.Path('.').iterdir()  if p.name[0] != '.'), file=sys.stderr)\n"
        "for path in sorted(pathlib.Path('input').iterdir()): print(path, path.read_text())\n"
        "(save / 'deep' / 'er').mkdir(parents=True)\n"
        "(save / 'deep' / 'er' / 'field $x.txt').write_text(pathlib.Path('solver').read_text())\n"
        "(save / 'link').symlink_to('deep/er/field $x.txt')\n"
        "(save / 'out').symlink_to('/etc/passwd')\n"
        "os.mkfifo(save / 'pipe')\n"
        "(save / 'stdout.txt').write_text('mine')\n"
        "(save / 'run.sh').write_text('#!/bin/sh')\n"
        "(save / 'run.sh').chmod(0o700)\n"
        "(save / 'empty').mkdir()\n"
    ),
    "fail.py": "import os, pathlib\npathlib.Path('distribute_save/half').write_text(os.environ['DISTRIBUTE_ATTEMPT'])\nraise SystemExit(3)\n",
}
COMMAND = """\
meta: {batch_name: command, namespace: lab}
slurm: {time: "0:10:00"}
command:
  initialize:
    build: "cat words.txt; echo 'echo \\"$@\\"' >say; chmod +x say"
    required_files: [words.txt, tool.sh]
  jobs:
    - name: quoted
      command: "./say \\"it's $HOME\\" '{cores} {tree} \\\\$x' | sed \\"s|$HOME|HOME|\\"; cat own.txt words.txt; ./tool.sh"
      required_files: [{path: "my $own 'file'.txt", alias: own.txt}]
    - {name: missing, command: ./no-such-program}
    - {name: killed, command: "kill -9 $$"}
    - {name: too-long, command: "sleep 60", resources: {time: 1s}}
    - {name: leaving, command: "sleep 1000 & echo done >distribute_save/x"}
"""
COMMAND_FILES = {
    "words.txt": "some words\n",
    "tool.sh": "#!/bin/sh\necho tool\n",
    "my $own 'file'.txt": "own\n",
}
APPTAINER = """\
meta: {batch_name: apptainer, namespace: lab, retries: 1}
slurm: {time: "0:10:00"}
apptainer:
  initialize:
    sif: IMAGE
    required_files: [words.txt]
    required_mounts: [/solver/out put]
  jobs:
    - name: mounted
      resources: {cores: 1}
      required_files: [{path: mounted.sh, alias: job.sh}]
    - name: failing
      required_files: [{path: failing.sh, alias: job.sh}]
    - name: too-long
      required_files: [{path: long.sh, alias: job.sh}]
      resources: {time: 5s}
"""
APPTAINER_FILES = {
    "words.txt": "some words\n",
    "mounted.sh": (
        "echo $1 $DISTRIBUTE_CORES $DISTRIBUTE_JOB $DISTRIBUTE_SAVE $HOME $PWD; ls -A /input /distribute_save /tmp\n"
        "cat /input/words.txt >/distribute_save/words; echo x >'/solver/out put/x' && ls /solver; touch /solver/y\n"
        "env | grep -v -e ^SLURM -e ^CUDA | cut -d = -f 1 | sort\n"
    ),
    "failing.sh": "echo $DISTRIBUTE_ATTEMPT >/distribute_save/attempt; kill -9 $$\n",
    "long.sh": "trap 'echo ended >/distribute_save/x; exit 4' TERM; sleep 1000 & wait\n",
}
#: Nothing in the name of a folder is read by a shell, by sbatch or by a container.
FOLDER = 'o\'ut $dir: "x",y'
PLAIN = """\
meta: {batch_name: plain, namespace: lab}
command:
  jobs:
    - {name: one, command: "echo $DISTRIBUTE_JOB >distribute_save/x", slurm: {ntasks: 2}}
"""


@dataclass(frozen=True)
class Case:
    """A batch: where its job file is, and how those of its jobs end in Slurm that don't succeed."""

    batch: str
    jobfile: Path
    states: Mapping[str, str]


def make_cases(folder: Path) -> list[Case]:
    image = "none.sif" if explain_lack() else str(build_image(RUNS_ITS_INPUT))
    texts = {
        "python": (PYTHON, PYTHON_FILES),
        "command": (COMMAND, COMMAND_FILES),
        "plain": (PLAIN, {}),
        "apptainer": (APPTAINER.replace("IMAGE", image), APPTAINER_FILES),
    }
    jobfiles = {name: write_batch(folder / f"{name}'s in put", *texts[name]) for name in texts}
    contained = Case("lab/apptainer", jobfiles["apptainer"], dict.fromkeys(("failing", "too-long"), "FAILED"))
    return [
        Case("lab/python", jobfiles["python"], {"failing": "FAILED", "after-failing": "CANCELLED"}),
        Case("lab/command", jobfiles["command"], dict.fromkeys(("missing", "killed", "too-long"), "FAILED")),
        Case("lab/plain", jobfiles["plain"], {}),
        Case("examples/rods", EXAMPLE, {}),
        *([] if explain_lack() else [contained]),
    ]


@dataclass(frozen=True)
class Runs:
    """The same batches in three places, each run to its end by its own means."""

    base: Path
    cases: Sequence[Case]
    lab: Lab
    alone: Mapping[str, subprocess.Popen[bytes]]

    def export(self, case: Case) -> Path:
        return self.base / case.batch / FOLDER

    def save_dir(self, case: Case) -> Path:
        return self.base / case.batch / "alone"


@pytest.fixture(scope="module")
def runs(slurm_lab: SlurmLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """Each case is exported and submitted, added to a lab of two nodes, and run alone, all side by side."""
    base = tmp_path_factory.mktemp("equal")
    with Lab(base / "lab") as lab, ExitStack() as stack:
        runs = Runs(base, make_cases(base), lab, alone := {})
        lab.steward()
        for case in runs.cases:
            schedule(slurm_lab, export(case.jobfile, runs.export(case)))
            done = distribute("--spool", lab.spool.root, "add", case.jobfile, "--json", cwd=base)
            assert done.returncode == 0, done.stderr
            argv = [program("distribute"), "run", str(case.jobfile), "--save-dir", str(runs.save_dir(case))]
            alone[case.batch] = stack.enter_context(
                subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            )
        for node in ("alpha", "beta"):
            lab.node(node)
        yield runs


@pytest.mark.parametrize("number", range(5), ids=["python", "command", "plain", "example", "apptainer"])
def test_slurm_a_spool_and_a_single_machine_archive_the_same(
    slurm_lab: SlurmLab, runs: Runs, number: int
) -> None:
    if number == len(runs.cases):
        pytest.skip(explain_lack())
    case = runs.cases[number]
    folder = runs.export(case)
    ids = read_ids(folder)
    ended = slurm_lab.wait_ended(*ids.values(), within_s=100)
    states = {name: ended[one] for name, one in ids.items() if ended[one] != "COMPLETED"}
    assert states == case.states, describe(folder)
    runs.lab.wait_finished(case.batch, within_s=100)
    assert runs.alone[case.batch].wait(100) == (5 if case.states else 0)

    by_spool, by_slurm = runs.lab.spool.root / "archive" / case.batch, folder / "archive" / case.batch
    expected = read_archive(by_spool)
    for archive in (by_slurm, runs.save_dir(case) / "archived_files"):
        found = read_archive(archive)
        assert found.keys() == expected.keys()
        for path, content in expected.items():
            assert found[path] == content, archive / path
        assert record_keys(archive) == record_keys(by_spool)
    assert not list((folder / "work").iterdir())
    assert not find_runs(folder)


def test_a_spool_finds_nothing_wrong_in_it(slurm_lab: SlurmLab, runs: Runs, tmp_path: Path) -> None:
    folder = runs.export(runs.cases[0])
    slurm_lab.wait_ended(*read_ids(folder).values())
    spool = init_spool(tmp_path / "spool", FAST)
    shutil.copytree(folder / "archive" / "lab", spool.layout.archive / "lab")
    done = distribute("--spool", spool.root, "verify", "lab/python", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)["files"] > 20
