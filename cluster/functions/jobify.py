"""``@jobify``: a function whose calls are jobs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, overload

from cluster.functions.arrays import map as map_job
from cluster.job import Job


class Jobified:
    """A function whose calls are submitted and return their Job; ``local(...)`` calls it here, as ever."""

    def __init__(self, function: Callable[..., Any], options: dict[str, Any]) -> None:
        functools.update_wrapper(self, function)
        self.local = function
        self.options = options

    def __call__(self, *args: Any, **kwargs: Any) -> Job:
        return Job(self.local, args, kwargs, **self.options).submit()

    def map(self, *inputs: Iterable[Any], **options: Any) -> Job:
        """``cluster.map`` of the function."""
        return map_job(self.local, *inputs, **{**self.options, **options})

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __repr__(self) -> str:
        return f"<jobified {self.local!r}>"


@overload
def jobify(function: Callable[..., Any]) -> Jobified: ...
@overload
def jobify(**options: Any) -> Callable[[Callable[..., Any]], Jobified]: ...
def jobify(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Make calls of a function jobs: ``@jobify``, or ``@jobify(cores=4)`` with options of ``Job``."""
    if function is not None:
        return Jobified(function, options)
    return lambda decorated: Jobified(decorated, options)
