"""Where ``template: true`` may stand. Works on plain data of any shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from distribute_compute_config.problems import Finding, Loc

_KINDS = ("python", "command", "apptainer")
_SCRIPTS = ("build_file", "sif")


def find_idle_templates(data: Mapping[str, Any]) -> Iterator[Finding]:
    """Every ``template: true`` that nothing would fill in, in a job file given as plain data."""
    for kind in _KINDS:
        section = data.get(kind)
        if not isinstance(section, dict):
            continue
        initialize = section.get("initialize")
        yield from _judge(initialize, (kind, "initialize"), _SCRIPTS, swept=False)
        jobs = section.get("jobs")
        for index, job in enumerate(jobs if isinstance(jobs, list | tuple) else ()):
            swept = isinstance(job, dict) and bool(job.get("sweep"))
            yield from _judge(job, (kind, "jobs", index), ("file",), swept)


def _judge(holder: object, loc: Loc, scripts: tuple[str, ...], swept: bool) -> Iterator[Finding]:
    if not isinstance(holder, dict):
        return
    for key in scripts:
        if _is_template(holder.get(key)):
            why = "only files in required_files of a job can be templates"
            yield Finding((*loc, key, "template"), why, "let the script read such a file", at_key=True)
    files = holder.get("required_files")
    for index, file in enumerate(files if isinstance(files, list | tuple) else ()):
        if _is_template(file) and not swept:
            why = "without a sweep nothing fills in a template"
            instead = "add sweep: {re: [100, 400]} to the job, or remove template: true"
            yield Finding((*loc, "required_files", index, "template"), why, instead, at_key=True)


def _is_template(file: object) -> bool:
    return isinstance(file, dict) and file.get("template") is True
