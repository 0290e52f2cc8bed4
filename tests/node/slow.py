"""Runs a daemon for which each call to the spool takes long: ``slow.py SECONDS PROGRAM ARGUMENTS``."""

from __future__ import annotations

import runpy
import sys
import time
from collections.abc import Callable
from typing import Any

from spoold.calls import Kernel


def slow_down(each_s: float) -> None:
    for name, call in list(vars(Kernel).items()):
        if not name.startswith("_"):
            setattr(Kernel, name, _after(each_s, call))


def _after(wait_s: float, call: Callable[..., Any]) -> Callable[..., Any]:
    def wait_first(*arguments: Any) -> Any:
        time.sleep(wait_s)
        return call(*arguments)

    return wait_first


if __name__ == "__main__":
    slow_down(float(sys.argv[1]))
    sys.argv = sys.argv[2:]
    runpy.run_path(sys.argv[0], run_name="__main__")
