"""Writing a job file: what is written loads back equal, and stands there whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from distribute_compute_config.building.arguments import AnyPath
from distribute_compute_config.building.calls import Call
from distribute_compute_config.dumping import dump_text
from distribute_compute_config.expansion import JOBS_MAX
from distribute_compute_config.loading import LoadedJobFile, load_text
from distribute_compute_config.models import JobFile

_CONFIGS = "what apptainer_config(...), python_config(...) or command_config(...) returns"
_NEW_MODE = 0o666


def write_config_to_file(config: JobFile, path: AnyPath) -> None:
    """Write a config as a job file, for ``distribute check``, ``add``, ``run`` and ``slurm``.

    ``config``: what ``apptainer_config()``, ``python_config()`` or ``command_config()`` returned.
    ``path``: where, usually ``distribute-jobs.yaml``. A file that is there is replaced. Relative paths in the
    config are written as they are, so they begin at the folder of this file.

    Raises WrongType. Raises WrongValue: there is no such folder, a folder or a link is there, or the text
    would not be read back as this config. Raises JobFileError: the text would be no valid job file. Raises
    OSError.
    """
    call = Call("write_config_to_file")
    target = Path(call.path("path", path))
    text = spell_out(call, config, str(target)).text
    if target.is_symlink():
        why, where = (
            f"{target} is a link to {os.readlink(target)}",
            "give the path that it leads to, or remove it",
        )
        raise call.wrong_value("path", why, where)
    if target.is_dir():
        where = f"write {str(target / 'distribute-jobs.yaml')!r}"
        raise call.wrong_value("path", f"{target} is a folder", where)
    if not target.parent.is_dir():
        raise call.wrong_value(
            "path", f"there is no folder {target.parent}", f"make it: mkdir -p {target.parent}"
        )
    _replace(target, text)


def spell_out(call: Call, config: object, source: str) -> LoadedJobFile:
    """``config`` as a job file that was read back; ``source`` is what messages call it.

    Raises WrongType, WrongValue or JobFileError.
    """
    jobfile = call.instance("config", config, JobFile, _CONFIGS)
    loaded = load_text(dump_text(jobfile), source, max(JOBS_MAX, len(jobfile.jobs)))
    if loaded.jobfile != jobfile:
        why = "a job mentions a parameter of its own sweep, which would be replaced once more"
        raise call.wrong_value("config", why, "make it with job(..., sweep=...)")
    return loaded


def _replace(target: Path, text: str) -> None:
    """By a rename, so that nobody reads half of it; an old file's mode is kept."""
    private = target.with_name(f".{target.name[:100]}.{secrets.token_hex(8)}")
    try:
        with open(
            os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _NEW_MODE), "w", encoding="utf-8"
        ) as new:
            if target.exists():
                os.fchmod(new.fileno(), target.stat().st_mode & 0o777)
            new.write(text)
        private.replace(target)
    except BaseException:
        private.unlink(missing_ok=True)
        raise
