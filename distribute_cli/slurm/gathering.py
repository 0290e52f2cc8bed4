"""Reading what a job file's inputs hold, before an export is planned."""

from __future__ import annotations

import getpass
import hashlib
import os
import stat
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from distribute_cli.slurm.material import Circumstances, Filled, Material
from distribute_cli.slurm.writing import runner_texts
from distribute_compute_config.loading import LoadedJobFile
from distribute_compute_config.regular_files import open_regular
from distribute_compute_config.sweeps import Values
from distribute_compute_config.template_files import SIZE_MAX_BYTES, Template, read_template
from spoold.bundles import collect
from spoold.records import Input


def gather(
    loaded: LoadedJobFile, base: Path, architecture: str | None, progress: Callable[[int], None]
) -> Material:
    """Hash every input, fill in every template; ``progress`` is told bytes. Raises OSError, BadTemplate."""
    bundle = collect(loaded, base, progress)
    templates: dict[str, tuple[Template, bool]] = {}
    made: dict[tuple[str, Values], Filled] = {}
    filled: dict[tuple[str, Values], Filled] = {}
    for one in loaded.inputs():
        if not one.values:
            continue
        if one.path not in templates:
            templates[one.path] = _read(base / one.path)
        template, executable = templates[one.path]
        chosen = one.path, template.choose(one.values)
        if chosen not in made:
            made[chosen] = _fill(template.render(one.values), executable)
        same = made[chosen]
        filled[one.path, one.values] = replace(same, entry=replace(same.entry, name=one.name))
    return Material(bundle.files, filled, architecture)


def look_around() -> Circumstances:
    """Who we are, and when."""
    return Circumstances(
        getpass.getuser(), os.getuid(), time.time(), version("distribute-lab"), runner_texts()
    )


def _read(path: Path) -> tuple[Template, bool]:
    with open_regular(path) as opened:
        executable = bool(os.fstat(opened.fileno()).st_mode & stat.S_IXUSR)
        return read_template(opened.read(SIZE_MAX_BYTES + 1)), executable


def _fill(content: bytes, executable: bool) -> Filled:
    return Filled(Input("", hashlib.sha256(content).hexdigest(), len(content), executable), content)
