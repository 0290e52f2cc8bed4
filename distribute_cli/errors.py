"""Errors that the command line has exit codes of its own for."""

from __future__ import annotations

from collections.abc import Iterable

from distribute_cli.exit_codes import ExitCode
from distribute_compute_config.errors import DistributeError

_NEAR_NAMES = 3


class NotFound(DistributeError):
    """There is no such batch, job or node."""

    exit_code = ExitCode.NOT_FOUND


class Incomplete(DistributeError):
    """What could be done was done, and something is missing or failed."""

    exit_code = ExitCode.INCOMPLETE


def near_names(name: str, known: Iterable[str]) -> list[str]:
    """The few of ``known`` that somebody who typed ``name`` may have meant, the nearest first."""
    from difflib import get_close_matches

    by_folded = {other.casefold(): other for other in sorted(known)}
    close = get_close_matches(name.casefold(), by_folded, n=_NEAR_NAMES, cutoff=0.6)
    return [by_folded[folded] for folded in close]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``did you mean A or B?``, or nothing if no name is near."""
    near = near_names(name, known)
    return f"did you mean {' or '.join(near)}?" if near else ""


def did_you_mean_batch(key: str, known: Iterable[str]) -> str:
    """As ``did_you_mean`` for ``NS/BATCH``: both parts must be near, or a long namespace makes all alike."""
    namespace, _, batch = key.partition("/")
    by_namespace: dict[str, list[str]] = {}
    for other in known:
        by_namespace.setdefault(other.partition("/")[0], []).append(other.partition("/")[2])
    near = [
        f"{one}/{name}"
        for one in near_names(namespace, by_namespace)
        for name in near_names(batch, by_namespace[one])
    ]
    return f"did you mean {' or '.join(near[:_NEAR_NAMES])}?" if near else ""
