"""Submitting an export with the ``sbatch`` of this machine, as its ``schedule_jobs.sh`` does."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from distribute_cli.slurm.plan import Submission
from distribute_cli.slurm.scripts import SUBMITTED
from distribute_compute_config.errors import DistributeError

#: sbatch answers within milliseconds, and tries for a minute where its controller is away.
_PATIENCE_S = 300.0


class SubmissionFailed(DistributeError):
    """``sbatch`` would not take a job; the message lists what was submitted and what wasn't."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """What Slurm has: the id of the job by which it knows ``name``."""

    name: str
    id: str


def require_sbatch() -> str:
    """The path of sbatch. Raises DistributeError."""
    found = shutil.which("sbatch")
    if found is None:
        raise DistributeError(
            "there is no sbatch on this machine",
            "nothing was written or submitted",
            "leave out --submit, bring the folder to the cluster with its rsync_upload.sh, and type there: "
            "./schedule_jobs.sh",
        )
    return found


def submit_all(
    sbatch: str, folder: Path, submissions: Sequence[Submission], advance: Callable[[], None]
) -> tuple[Submitted, ...]:
    """Submit each in its turn; ids are noted in the export at once. Raises SubmissionFailed."""
    ids: dict[str, str] = {}
    for one in submissions:
        try:
            ids[one.name] = _submit(sbatch, folder, one, [ids[name] for name in one.after])
        except (OSError, subprocess.SubprocessError, _Refused) as error:
            raise _explain(str(error), folder, one, submissions, ids) from error
        with (folder / SUBMITTED).open("a") as opened:
            opened.write(f"{one.name}\t{ids[one.name]}\n")
        advance()
    return tuple(Submitted(name, number) for name, number in ids.items())


class _Refused(Exception):
    """What sbatch said on its standard error."""


def _submit(sbatch: str, folder: Path, one: Submission, after: Sequence[str]) -> str:
    argv = [sbatch, "--parsable", f"--chdir={folder / one.folder}"]
    if after:
        argv += [f"--dependency=afterok:{':'.join(after)}", "--kill-on-invalid-dep=yes"]
    done = subprocess.run(
        [*argv, one.script], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, errors="replace", timeout=_PATIENCE_S,
    )  # fmt: skip
    # With several clusters it is ID;CLUSTER.
    number = done.stdout.strip().partition(";")[0]
    if done.returncode or not number.isdecimal():
        raise _Refused(
            done.stderr.strip() or f"sbatch ended with {done.returncode}, and said {done.stdout!r}"
        )
    return number


def _explain(
    said: str, folder: Path, failed: Submission, submissions: Iterable[Submission], ids: dict[str, str]
) -> SubmissionFailed:
    rest = [one.name for one in submissions if one.name not in ids]
    again = shlex.quote(f"{folder}/schedule_jobs.sh")
    return SubmissionFailed(
        f"sbatch would not take {failed.name}",
        said,
        "\n".join(
            [
                f"submitted: {', '.join(f'{name} ({number})' for name, number in ids.items()) or 'nothing'}",
                f"not submitted: {', '.join(rest)}",
                f"to submit the rest, mend what sbatch says and type: {again}",
            ]
        ),
    )
