"""Which files to pull: regular expressions searched in ``JOB/path``. Pure."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass

from distribute_cli.exit_codes import ExitCode
from distribute_compute_config.errors import DistributeError


class BadFilter(DistributeError):
    """What was given to --filter or --exclude is no regular expression."""

    exit_code = ExitCode.USAGE


@dataclass(frozen=True, slots=True)
class Filters:
    """A file is pulled if one of ``wanted`` (or there is none) and none of ``excluded`` is found in it."""

    wanted: tuple[re.Pattern[str], ...] = ()
    excluded: tuple[re.Pattern[str], ...] = ()

    def select(self, name: str) -> bool:
        """Whether to pull the file called ``JOB/path``."""
        found = not self.wanted or any(pattern.search(name) for pattern in self.wanted)
        return found and not self.exclude(name)

    def exclude(self, name: str) -> bool:
        """Whether it was excluded by name."""
        return any(pattern.search(name) for pattern in self.excluded)


def compile_filters(wanted: Iterable[str], excluded: Iterable[str]) -> Filters:
    """Raises BadFilter, which shows the place of the mistake."""
    return Filters(
        tuple(_compile("--filter", text) for text in wanted),
        tuple(_compile("--exclude", text) for text in excluded),
    )


def _compile(option: str, text: str) -> re.Pattern[str]:
    try:
        with warnings.catch_warnings():
            # What a later Python will read otherwise is not for users to hear.
            warnings.simplefilter("ignore", FutureWarning)
            return re.compile(text)
    except re.error as error:
        position = error.pos or 0
        raise BadFilter(
            f"{option} {text!r} is no regular expression",
            f"{error.msg} at position {position}",
            f"{text}\n{' ' * position}^",
        ) from error
