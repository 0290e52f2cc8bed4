"""What goes wrong with functions as jobs, beside what goes wrong with jobs."""

from __future__ import annotations

from cluster.errors import ClusterError


class FunctionError(ClusterError):
    """The base of these errors."""


class Unpicklable(FunctionError, TypeError):
    """A function or an argument can't be brought to another process."""


class ResultError(FunctionError):
    """There is a result, and it can't be brought back."""


class RemoteError(FunctionError):
    """A function raised an exception that can't be brought back, or left its process.

    ``type_name`` is the exception's type, ``traceback`` the text that Python printed there.
    """

    def __init__(
        self, what: str, why: str = "", hint: str = "", type_name: str = "", traceback: str = ""
    ) -> None:
        super().__init__(what, why, hint)
        self.type_name = type_name
        self.traceback = traceback


class RemoteTraceback(Exception):
    """The cause of an exception that was raised in a job: its text is the traceback from there."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f'\n"""\n{self.text}"""'
