"""The three forms in which ``qstat`` tells of jobs, told apart by their shape, as attributes by name.

Torque prints XML, OpenPBS prints JSON, and both print text, as Slurm's imitation of ``qstat`` does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

_JOB = re.compile(r"^Job Id:\s*(\S+)\s*$", re.MULTILINE)
_ATTRIBUTE = re.compile(r"^(?: {4}|\t)(\w[\w.]*) = (.*(?:\n\t(?!\w[\w.]* = ).*)*)", re.MULTILINE)


class UnreadableAnswer(ValueError):
    """It has none of the three forms."""


@dataclass(frozen=True, slots=True)
class PbsJob:
    """``attributes`` are qstat's, in lower case; ``resource_list.walltime`` for what has parts."""

    job_id: str
    attributes: Mapping[str, str]


def parse_jobs(answer: str) -> list[PbsJob]:
    """The jobs of an answer in any of the forms; none if it is empty. Raises UnreadableAnswer."""
    text = answer.strip()
    if not text:
        return []
    if text.startswith("<"):
        return list(_read_xml(text))
    if text.startswith("{"):
        return list(_read_json(text))
    jobs = list(_read_text(answer))
    if not jobs:
        raise UnreadableAnswer(text.splitlines()[0][:200])
    return jobs


def _read_xml(text: str) -> Iterator[PbsJob]:
    try:
        root = fromstring(text)
    except (ParseError, DefusedXmlException) as error:
        raise UnreadableAnswer(str(error)) from error
    for job in root.iter("Job"):
        attributes = dict(_flatten_element(job, ""))
        job_id = attributes.pop("job_id", "")
        if job_id:
            yield PbsJob(job_id, attributes)


def _flatten_element(element: Element, prefix: str) -> Iterator[tuple[str, str]]:
    for part in element:
        name = f"{prefix}{part.tag}".lower()
        if len(part):
            yield from _flatten_element(part, f"{name}.")
        else:
            yield name, (part.text or "").strip()


def _read_json(text: str) -> Iterator[PbsJob]:
    try:
        jobs = json.loads(text, strict=False).get("Jobs", {})
    except (ValueError, AttributeError, RecursionError) as error:
        raise UnreadableAnswer(str(error)) from error
    for job_id, attributes in jobs.items() if isinstance(jobs, dict) else ():
        if isinstance(attributes, dict):
            yield PbsJob(job_id, dict(_flatten_object(attributes, "")))


def _flatten_object(value: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for key, part in value.items():
        name = f"{prefix}{key}".lower()
        if isinstance(part, dict):
            yield from _flatten_object(part, f"{name}.")
        else:
            yield name, str(part)


def _read_text(text: str) -> Iterator[PbsJob]:
    _, *parts = _JOB.split(text)
    for job_id, body in zip(parts[::2], parts[1::2], strict=True):
        attributes: dict[str, str] = {}
        for name, value in _ATTRIBUTE.findall(body):
            # What stands in a value with line breaks can only follow the attribute that it imitates.
            attributes.setdefault(name.lower(), re.sub(r"\n\t", "", value).strip())
        yield PbsJob(job_id, attributes)
