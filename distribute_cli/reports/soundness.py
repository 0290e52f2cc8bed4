"""What `distribute fsck` and `distribute verify` say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from distribute_cli.words import count, say_size
from spoold.checking.findings import Kind, Severity
from spoold.checking.repairing import Fate, Judged
from spoold.checking.verification import Difference, Place


@dataclass(frozen=True, slots=True)
class SpoolFinding:
    """Something that isn't as it should be; ``path`` is relative to the spool."""

    severity: Severity
    kind: Kind
    path: str
    job: str
    what: str
    fate: Fate
    next: str
    trouble: str


@dataclass(frozen=True, slots=True)
class SpoolReport:
    """``errors_left`` counts the errors that weren't repaired."""

    spool: str
    errors_left: int
    findings: tuple[SpoolFinding, ...]


@dataclass(frozen=True, slots=True)
class ResultsReport:
    """``differences`` are by path; ``size_bytes`` is what the records say."""

    target: str
    results: int
    files: int
    size_bytes: int
    differences: tuple[Difference, ...]


def report_spool(root: Path, judged: Iterable[Judged]) -> SpoolReport:
    """The findings in the order in which they were given."""
    findings = tuple(_report(root, one) for one in judged)
    left = sum(f.severity is Severity.ERROR and f.fate is not Fate.REPAIRED for f in findings)
    return SpoolReport(str(root), left, findings)


def _report(root: Path, judged: Judged) -> SpoolFinding:
    finding = judged.finding
    path = str(finding.path.relative_to(root)) if finding.path.is_relative_to(root) else str(finding.path)
    return SpoolFinding(
        finding.severity,
        finding.kind,
        path,
        finding.job,
        finding.what,
        judged.fate,
        finding.next,
        judged.trouble,
    )


def describe_finding(finding: SpoolFinding) -> list[str]:
    """A line that names it, and what becomes of it."""
    became = {
        Fate.REPAIRED: "repaired",
        Fate.REPAIRABLE: "repair it with: distribute fsck --repair",
        Fate.BY_HAND: finding.next,
        Fate.FAILED: "not repaired: " + finding.trouble.replace("\n", "; "),
    }
    return [f"{finding.severity.value}: {finding.path} {finding.what}", became[finding.fate]]


def summarise_spool(report: SpoolReport) -> str:
    """One line for people."""
    if not report.findings:
        return f"{report.spool} is as it should be"
    errors = sum(finding.severity is Severity.ERROR for finding in report.findings)
    repaired = sum(finding.fate is Fate.REPAIRED for finding in report.findings)
    said = f"{count(errors, 'error')} and {count(len(report.findings) - errors, 'note')} in {report.spool}"
    return f"{said}; {repaired} repaired" if repaired else said


def report_results(target: str, places: Sequence[Place], differences: Iterable[Difference]) -> ResultsReport:
    """What was verified, and what differs."""
    return ResultsReport(
        target,
        len(places),
        sum(len(place.files) for place in places),
        sum(place.size_bytes for place in places),
        tuple(differences),
    )


def say_difference(difference: Difference) -> str:
    return f"{difference.path} {difference.what}"


def summarise_results(report: ResultsReport) -> str:
    """One line for people."""
    found = count(len(report.differences), "difference") if report.differences else "all as recorded"
    files = f"{count(report.files, 'file')} ({say_size(report.size_bytes)})"
    return f"{report.target}: {count(report.results, 'result')}, {files}: {found}"
