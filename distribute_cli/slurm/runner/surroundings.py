"""What Slurm says of this job, and what a job is told of it."""

import os
import socket
from typing import Dict, List

from .records import Batch
from .trees import SAVE

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")

_PASSED = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "CUDA_VISIBLE_DEVICES")
_OURS = ("PYTHONUNBUFFERED", *_THREADS)
_PREFIXES = ("DISTRIBUTE_", "SLURM_")
#: Who has it can submit in the user's name.
_SECRET = "SLURM_JWT"


def make_environment(batch: Batch, job: str, attempt: int, tree: str) -> Dict[str, str]:
    """Our own environment, which has what modules and Slurm made of it, and what a node adds."""
    cores = str(count_cores())
    own = dict(os.environ)
    own.update(dict.fromkeys(_THREADS, cores))
    own.update(
        PYTHONUNBUFFERED="1",
        DISTRIBUTE_NAMESPACE=batch.namespace,
        DISTRIBUTE_BATCH=batch.batch,
        DISTRIBUTE_JOB=job,
        DISTRIBUTE_ATTEMPT=str(attempt),
        DISTRIBUTE_NODE=name_node(),
        DISTRIBUTE_CORES=cores,
        DISTRIBUTE_SAVE=os.path.join(tree, SAVE),
    )
    return own


def hide_machine(environment: Dict[str, str]) -> Dict[str, str]:
    """What a job in a container gets of it: what a node gives, and what Slurm says."""
    known = {name: environment[name] for name in (*_PASSED, *_OURS) if name in environment}
    known.update((name, value) for name, value in environment.items() if name.startswith(_PREFIXES))
    known.pop(_SECRET, None)
    return known


def count_cores() -> int:
    """The cores that this job has on its first machine."""
    variables = os.environ
    if "SLURM_CPUS_PER_TASK" in variables or "SLURM_NTASKS" in variables:
        # 4(x2),2 is four on each of two machines, and two on the third.
        tasks = variables.get("SLURM_TASKS_PER_NODE", "1").split(",")[0].split("(")[0]
        return int(variables.get("SLURM_CPUS_PER_TASK", "1")) * int(tasks)
    return int(variables.get("SLURM_CPUS_ON_NODE", "0")) or len(os.sched_getaffinity(0))


def name_node() -> str:
    return os.environ.get("SLURMD_NODENAME") or socket.gethostname().split(".")[0]


def list_gpus() -> List[int]:
    return [int(one) for one in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if one.isdigit()]
