"""The job file: making one in Python, its models, and loading it strictly with line numbers.

Names are imported when first used, so that ``import distribute_compute_config`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distribute_compute_config.building.batches import apptainer_config as apptainer_config
    from distribute_compute_config.building.batches import command_config as command_config
    from distribute_compute_config.building.batches import description as description
    from distribute_compute_config.building.batches import metadata as metadata
    from distribute_compute_config.building.batches import python_config as python_config
    from distribute_compute_config.building.calls import WrongType as WrongType
    from distribute_compute_config.building.calls import WrongValue as WrongValue
    from distribute_compute_config.building.combinations import Combinations as Combinations
    from distribute_compute_config.building.combinations import sweep as sweep
    from distribute_compute_config.building.jobs import command_job as command_job
    from distribute_compute_config.building.jobs import job as job
    from distribute_compute_config.building.jobs import python_job as python_job
    from distribute_compute_config.building.keywords import BatchKeywords as BatchKeywords
    from distribute_compute_config.building.keywords import JobKeywords as JobKeywords
    from distribute_compute_config.building.keywords import SlurmKeywords as SlurmKeywords
    from distribute_compute_config.building.parts import command_initialize as command_initialize
    from distribute_compute_config.building.parts import file as file
    from distribute_compute_config.building.parts import initialize as initialize
    from distribute_compute_config.building.parts import python_initialize as python_initialize
    from distribute_compute_config.building.parts import resources as resources
    from distribute_compute_config.building.parts import slurm as slurm
    from distribute_compute_config.building.submission import Progress as Progress
    from distribute_compute_config.building.submission import Submission as Submission
    from distribute_compute_config.building.submission import submit as submit
    from distribute_compute_config.building.writing import write_config_to_file as write_config_to_file
    from distribute_compute_config.dumping import dump_text as dump_text
    from distribute_compute_config.errors import DistributeError as DistributeError
    from distribute_compute_config.eviction import Eviction as Eviction
    from distribute_compute_config.eviction import effective_eviction as effective_eviction
    from distribute_compute_config.inputs import InputFile as InputFile
    from distribute_compute_config.inputs import missing_inputs as missing_inputs
    from distribute_compute_config.loading import LoadedJobFile as LoadedJobFile
    from distribute_compute_config.loading import load_file as load_file
    from distribute_compute_config.loading import load_text as load_text
    from distribute_compute_config.loading import load_with_inputs as load_with_inputs
    from distribute_compute_config.models import AnyJob as AnyJob
    from distribute_compute_config.models import AnySection as AnySection
    from distribute_compute_config.models import ApptainerConfig as ApptainerConfig
    from distribute_compute_config.models import CommandConfig as CommandConfig
    from distribute_compute_config.models import CommandDescription as CommandDescription
    from distribute_compute_config.models import CommandInitialize as CommandInitialize
    from distribute_compute_config.models import CommandJob as CommandJob
    from distribute_compute_config.models import Description as Description
    from distribute_compute_config.models import File as File
    from distribute_compute_config.models import Initialize as Initialize
    from distribute_compute_config.models import Job as Job
    from distribute_compute_config.models import JobFile as JobFile
    from distribute_compute_config.models import Kind as Kind
    from distribute_compute_config.models import Meta as Meta
    from distribute_compute_config.models import PythonConfig as PythonConfig
    from distribute_compute_config.models import PythonDescription as PythonDescription
    from distribute_compute_config.models import PythonInitialize as PythonInitialize
    from distribute_compute_config.models import PythonJob as PythonJob
    from distribute_compute_config.models import Resources as Resources
    from distribute_compute_config.models import effective_priority as effective_priority
    from distribute_compute_config.models import effective_resources as effective_resources
    from distribute_compute_config.models import effective_retries as effective_retries
    from distribute_compute_config.models import effective_slurm as effective_slurm
    from distribute_compute_config.names import NAME_PATTERN as NAME_PATTERN
    from distribute_compute_config.names import NAME_RULE as NAME_RULE
    from distribute_compute_config.names import InvalidName as InvalidName
    from distribute_compute_config.names import check_name as check_name
    from distribute_compute_config.problems import JobFileError as JobFileError
    from distribute_compute_config.problems import Mark as Mark
    from distribute_compute_config.problems import Problem as Problem
    from distribute_compute_config.quantities import format_duration as format_duration
    from distribute_compute_config.quantities import format_memory as format_memory
    from distribute_compute_config.quantities import parse_duration as parse_duration
    from distribute_compute_config.quantities import parse_memory as parse_memory
    from distribute_compute_config.schema import json_schema as json_schema
    from distribute_compute_config.slurm_options import Slurm as Slurm
    from distribute_compute_config.templates import template as template

_MODULES = {
    "building.batches": ("apptainer_config", "command_config", "description", "metadata", "python_config"),
    "building.calls": ("WrongType", "WrongValue"),
    "building.combinations": ("Combinations", "sweep"),
    "building.jobs": ("command_job", "job", "python_job"),
    "building.keywords": ("BatchKeywords", "JobKeywords", "SlurmKeywords"),
    "building.parts": (
        *("command_initialize", "file", "initialize", "python_initialize"),
        *("resources", "slurm"),
    ),
    "building.submission": ("Progress", "Submission", "submit"),
    "building.writing": ("write_config_to_file",),
    "dumping": ("dump_text",),
    "errors": ("DistributeError",),
    "eviction": ("Eviction", "effective_eviction"),
    "inputs": ("InputFile", "missing_inputs"),
    "loading": ("LoadedJobFile", "load_file", "load_text", "load_with_inputs"),
    "models": (
        *(
            "AnyJob",
            "AnySection",
            "ApptainerConfig",
            "CommandConfig",
            "CommandDescription",
            "CommandInitialize",
        ),
        *(
            "CommandJob",
            "Description",
            "File",
            "Initialize",
            "Job",
            "JobFile",
            "Kind",
            "Meta",
            "PythonConfig",
        ),
        *("PythonDescription", "PythonInitialize", "PythonJob", "Resources"),
        *("effective_priority", "effective_resources", "effective_retries", "effective_slurm"),
    ),
    "names": ("NAME_PATTERN", "NAME_RULE", "InvalidName", "check_name"),
    "problems": ("JobFileError", "Mark", "Problem"),
    "quantities": ("format_duration", "format_memory", "parse_duration", "parse_memory"),
    "schema": ("json_schema",),
    "slurm_options": ("Slurm",),
    "templates": ("template",),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}
if not TYPE_CHECKING:
    # What checks types has the imports above.
    __all__ = [*_HOMES]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
