"""The one base of every error that this project raises on purpose."""

from __future__ import annotations


class DistributeError(Exception):
    """Something failed: what, why, and what to type next.

    ``what`` names the object, ``why`` the cause (may be empty), ``hint`` the next step (may be empty).
    ``exit_code`` is what the command line returns for it.
    """

    exit_code = 1

    def __init__(self, what: str, why: str = "", hint: str = "") -> None:
        super().__init__(what, why, hint)
        self.what = what
        self.why = why
        self.hint = hint

    def __str__(self) -> str:
        said = f"{self.what}: {self.why}" if self.why else self.what
        return "\n  ".join([said, *self.hint.splitlines()])

    @property
    def line(self) -> str:
        """All of it in one line, for a log or a table."""
        said = f"{self.what}: {self.why}" if self.why else self.what
        return " ".join((f"{said}; {self.hint}" if self.hint else said).split())
