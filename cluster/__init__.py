"""Functions and scripts as jobs, on Slurm, Torque, this machine, or the lab's spool.

Names are imported when first used, so that ``import cluster`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cluster import config_file as config_file
    from cluster import jobqueue as jobqueue
    from cluster import logme as logme
    from cluster import modes as modes
    from cluster import options as options
    from cluster import queue as queue
    from cluster import run as run
    from cluster.cleaning import clean_dir as clean_dir
    from cluster.config_file import Profile as Profile
    from cluster.config_file import del_profile as del_profile
    from cluster.config_file import get_profile as get_profile
    from cluster.config_file import set_profile as set_profile
    from cluster.errors import ClusterError as ClusterError
    from cluster.errors import CommandError as CommandError
    from cluster.errors import CommandTimeout as CommandTimeout
    from cluster.errors import ConfigError as ConfigError
    from cluster.errors import OptionsError as OptionsError
    from cluster.errors import ProfileNotFound as ProfileNotFound
    from cluster.failures import AlreadySubmitted as AlreadySubmitted
    from cluster.failures import DependencyFailed as DependencyFailed
    from cluster.failures import JobFailed as JobFailed
    from cluster.failures import NotSubmitted as NotSubmitted
    from cluster.failures import WaitTimeout as WaitTimeout
    from cluster.functions.arrays import Task as Task
    from cluster.functions.arrays import list_tasks as list_tasks
    from cluster.functions.arrays import map as map
    from cluster.functions.errors import FunctionError as FunctionError
    from cluster.functions.errors import RemoteError as RemoteError
    from cluster.functions.errors import RemoteTraceback as RemoteTraceback
    from cluster.functions.errors import ResultError as ResultError
    from cluster.functions.errors import Unpicklable as Unpicklable
    from cluster.functions.executor import Executor as Executor
    from cluster.functions.gathering import as_completed as as_completed
    from cluster.functions.gathering import get as get
    from cluster.functions.jobify import jobify as jobify
    from cluster.functions.runner import ResultFile as ResultFile
    from cluster.job import Job as Job
    from cluster.jobqueue import JQUEUE as JQUEUE
    from cluster.jobqueue import JobQueue as JobQueue
    from cluster.modes import Mode as Mode
    from cluster.modes import get_cluster_environment as get_cluster_environment
    from cluster.options import check_arguments as check_arguments
    from cluster.options import option_help as option_help
    from cluster.queue import Queue as Queue
    from cluster.queue import QueueError as QueueError
    from cluster.queue import check_queue as check_queue
    from cluster.queue import wait as wait
    from cluster.states import JobState as JobState
    from cluster.submitting import clean as clean
    from cluster.submitting import make_job as make_job
    from cluster.submitting import make_job_file as make_job_file
    from cluster.submitting import submit as submit
    from cluster.submitting import submit_file as submit_file

_MODULES = {
    "cleaning": ("clean_dir",),
    "config_file": ("Profile", "del_profile", "get_profile", "set_profile"),
    "errors": (
        *("ClusterError", "CommandError", "CommandTimeout"),
        *("ConfigError", "OptionsError", "ProfileNotFound"),
    ),
    "failures": ("AlreadySubmitted", "DependencyFailed", "JobFailed", "NotSubmitted", "WaitTimeout"),
    "job": ("Job",),
    "functions.arrays": ("Task", "list_tasks", "map"),
    "functions.errors": ("FunctionError", "RemoteError", "RemoteTraceback", "ResultError", "Unpicklable"),
    "functions.executor": ("Executor",),
    "functions.gathering": ("as_completed", "get"),
    "functions.jobify": ("jobify",),
    "functions.runner": ("ResultFile",),
    "jobqueue": ("JQUEUE", "JobQueue"),
    "modes": ("Mode", "get_cluster_environment"),
    "options": ("check_arguments", "option_help"),
    "queue": ("Queue", "QueueError", "check_queue", "wait"),
    "states": ("JobState",),
    "submitting": ("clean", "make_job", "make_job_file", "submit", "submit_file"),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


#: Users write ``cluster.logme.MIN_LEVEL = "debug"`` after ``import cluster`` alone.
_SUBMODULES = ("config_file", "jobqueue", "logme", "modes", "options", "queue", "run")


def __getattr__(name: str) -> object:
    if name in _SUBMODULES:
        return import_module(f"{__name__}.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, *_SUBMODULES})
