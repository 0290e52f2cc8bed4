"""Load a job file strictly: every mistake in it at once, each with its line and column."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from distribute_compute_config import inputs, nodes, syntax
from distribute_compute_config.checks import find_contradictions
from distribute_compute_config.complaints import translate
from distribute_compute_config.expansion import JOBS_MAX, Expansion, Origins, expand
from distribute_compute_config.models import JobFile, Kind
from distribute_compute_config.problems import Finding, JobFileError, Loc, Mark, Problem, describe_loc
from distribute_compute_config.regular_files import open_regular


@dataclass(frozen=True, slots=True)
class LoadedJobFile:
    """A valid job file with the text it was read from; ``source`` is what messages call it.

    Sweeps are expanded: each job of ``jobfile`` was made from a job of the text, which ``origins`` knows.
    """

    jobfile: JobFile
    source: str
    text: str
    marks: nodes.Node
    origins: Origins = Origins()

    def mark(self, loc: Loc) -> Mark:
        """Where the value at ``loc`` stands, or the nearest thing around it that is written down."""
        return nodes.find_node(self.marks, self.origins.locate(loc)).mark

    def inputs(self) -> tuple[inputs.InputFile, ...]:
        """Every file that the job file names, in its order; a path may come several times."""
        return tuple(inputs.list_inputs(self.jobfile, self.mark, self.origins.locate))


def load_file(path: str | os.PathLike[str], jobs_max: int = JOBS_MAX) -> LoadedJobFile:
    """Load the job file at ``path``; sweeps may make a batch of ``jobs_max`` jobs.

    Raises JobFileError: it can't be read, or has mistakes.
    """
    source = os.fspath(path)
    try:
        with open_regular(source) as opened:
            raw = opened.read(syntax.SIZE_MAX_BYTES + 1)
    except OSError as error:
        raise JobFileError(
            [
                Problem(
                    source,
                    1,
                    1,
                    "job file",
                    f"it can't be read: {error.strerror}",
                    "give the path of a job file; a new one: distribute template python",
                )
            ]
        ) from error
    return load_bytes(raw, source, jobs_max)


def load_with_inputs(path: str | os.PathLike[str], jobs_max: int = JOBS_MAX) -> LoadedJobFile:
    """``load_file``, and every file that it names is there. Raises JobFileError with all mistakes of both."""
    base = Path(path).absolute().parent
    try:
        loaded = load_file(path, jobs_max)
    except JobFileError as error:
        missing = inputs.find_missing(error.mentions, os.fspath(path), base)
        raise JobFileError([*error.problems, *missing]) from error
    if missing := inputs.missing_inputs(loaded, base):
        raise JobFileError(missing)
    return loaded


def load_bytes(raw: bytes, source: str, jobs_max: int = JOBS_MAX) -> LoadedJobFile:
    """Load the bytes of a job file; ``source`` is its name for messages. Raises JobFileError."""
    text = syntax.decode(raw, source)
    if isinstance(text, Problem):
        raise JobFileError([text])
    return load_text(text, source, jobs_max)


def load_text(text: str, source: str, jobs_max: int = JOBS_MAX) -> LoadedJobFile:
    """Load the text of a job file; ``source`` is its name for messages. Raises JobFileError."""
    parsed = syntax.parse(text, source, jobs_max)
    problems = list(parsed.problems)
    root = parsed.root
    if root is None or not isinstance(root, nodes.MapNode):
        if not problems:
            problems.append(_explain_top(root, source))
        raise JobFileError(problems)
    expansion = expand(nodes.to_data(root), root, jobs_max)
    jobfile, findings = _validate(expansion, root)
    taken = {Mark(one.line, one.column) for one in problems}
    problems += _locate(expansion, findings, root, source, taken)
    if problems or jobfile is None:
        raise JobFileError(problems, _list_mentions(root, problems))
    return LoadedJobFile(jobfile, source, text, root, expansion.origins)


def _list_mentions(root: nodes.Node, problems: Iterable[Problem]) -> list[inputs.InputFile]:
    """The files that a text with mistakes names, but for places that have a mistake already."""
    taken = {Mark(one.line, one.column) for one in problems}
    found = inputs.guess_inputs(nodes.to_data(root), lambda loc: nodes.find_node(root, loc).mark)
    return [one for one in found if one.mark not in taken]


def _validate(expansion: Expansion, root: nodes.Node) -> tuple[JobFile | None, list[Finding]]:
    """The models, unless something is wrong; findings have their place in the expanded data."""
    findings: list[Finding] = []
    jobfile = None
    # What a sweep that is wrong would have made is missing: of the whole nothing can be said.
    if not expansion.findings:
        findings += find_contradictions(expansion.data, expansion.origins.find)
    try:
        jobfile = JobFile.model_validate(expansion.data)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        # The whole-file check of the model says in one piece what find_contradictions says piece by piece.
        whole = {(), *((kind.value, "jobs") for kind in Kind if expansion.findings)}
        findings += [
            translate(one, root, expansion.origins.locate) for one in details if one["loc"] not in whole
        ]
    return jobfile, findings


def _explain_top(root: nodes.Node | None, source: str) -> Problem:
    mark = Mark(1, 1) if root is None else root.mark
    empty = root is None or (isinstance(root, nodes.Scalar) and not root.text)
    why = "it is empty" if empty else "its top level is no mapping"
    return Problem(source, *mark, "job file", why, "write meta: and one of python:, command:, apptainer:")


def _locate(
    expansion: Expansion, findings: Iterable[Finding], root: nodes.Node, source: str, taken: set[Mark]
) -> Iterable[Problem]:
    """Findings as problems; a place that has its problem already gets no second one.

    Nor does a place in a job with a sweep: thousands of jobs may share a mistake.
    """
    origins, told = expansion.origins, set[Loc]()
    placed = [(one.loc, one) for one in expansion.findings]
    for loc, one in [*placed, *((origins.locate(one.loc), one) for one in findings)]:
        mark = nodes.find_key(root, loc) if one.at_key else nodes.find_node(root, loc).mark
        if mark in taken or (origins.is_swept(loc) and loc in told):
            continue
        told.add(loc)
        yield Problem(source, *mark, describe_loc(loc), one.why, one.instead)
