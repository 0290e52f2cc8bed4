"""What a job's process is started with. Pure but for the daemon's own environment, which is an argument."""

from __future__ import annotations

from collections.abc import Mapping

from distribute_compute_config import container
from nodewatch.capacity import Grant
from nodewatch.trees import Tree
from spoold.records import BatchHeader, JobSpec
from spoold.tickets import Ticket

#: What a job gets of the daemon's own environment; the rest may hold secrets.
_PASSED = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "TZ", "CC")
#: Paths of the machine, which mean nothing in a container.
_OUTSIDE = ("TMPDIR", "CC", "SHELL")
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"


def make_environment(
    own: Mapping[str, str], header: BatchHeader, ticket: Ticket, tree: Tree, grant: Grant
) -> dict[str, str]:
    """The variables of a build or a job."""
    cores = len(grant.cores)
    hidden = _OUTSIDE if header.image else ()
    passed = {name: own[name] for name in _PASSED if name in own and name not in hidden}
    return {
        "PATH": _DEFAULT_PATH,
        **passed,
        **dict.fromkeys(_THREADS, str(cores)),
        **_show_gpus(grant),
        # Output that appears line by line can be followed with `distribute logs -f`.
        "PYTHONUNBUFFERED": "1",
        "DISTRIBUTE_NAMESPACE": header.namespace,
        "DISTRIBUTE_BATCH": header.batch,
        "DISTRIBUTE_JOB": ticket.job,
        "DISTRIBUTE_ATTEMPT": str(ticket.attempt),
        "DISTRIBUTE_NODE": ticket.node or "",
        "DISTRIBUTE_CORES": str(cores),
        "DISTRIBUTE_SAVE": str(tree.save),
        **(_in_container() if header.image else {}),
    }


def _in_container() -> dict[str, str]:
    return {**container.ENVIRONMENT, "DISTRIBUTE_SAVE": container.SAVE}


def _show_gpus(grant: Grant) -> dict[str, str]:
    """Which GPUs a job sees: its own. One that has the whole node sees what there is."""
    return {} if grant.whole else {"CUDA_VISIBLE_DEVICES": ",".join(map(str, grant.gpus))}


def build_argv(header: BatchHeader) -> tuple[str, ...]:
    """How the batch is built."""
    if header.build_script:
        return ("python3", "./build.py")
    assert header.build_command is not None
    return ("/bin/sh", "-c", header.build_command)


def job_argv(job: JobSpec, cores: int) -> tuple[str, ...]:
    """How a job of a python or a command batch is run."""
    if job.script:
        return ("python3", "./job.py", str(cores))
    assert job.command is not None
    return ("/bin/sh", "-c", job.command)
