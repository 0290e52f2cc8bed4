"""Counting GPUs where the driver answers, fails, and doesn't answer at all."""

from __future__ import annotations

import logging
import sys
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest

from nodewatch import gpus
from nodewatch.gpus import count_gpus


class NVMLError(Exception):
    def __init__(self, value: int) -> None:
        super().__init__(f"NVML error {value}")
        self.value = value


def fail(value: int) -> Any:
    raise NVMLError(value)


def use(monkeypatch: pytest.MonkeyPatch, **calls: Any) -> None:
    """A driver that no machine of ours has; what isn't given works, and there are two cards."""
    works = {"nvmlInit": lambda: None, "nvmlDeviceGetCount": lambda: 2, "nvmlShutdown": lambda: None}
    codes = {"NVML_ERROR_LIBRARY_NOT_FOUND": 12, "NVML_ERROR_DRIVER_NOT_LOADED": 9}
    fake = SimpleNamespace(NVMLError=NVMLError, **{**works, **codes, **calls})
    monkeypatch.setitem(sys.modules, "pynvml", fake)


def test_cards_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch)
    assert count_gpus() == 2


@pytest.mark.parametrize(
    ("calls", "told"),
    [
        ({"nvmlInit": lambda: fail(12)}, ""),
        ({"nvmlInit": lambda: fail(9)}, ""),
        ({"nvmlInit": lambda: fail(999)}, "NVML fails, this node goes on without GPUs: NVML error 999"),
        ({"nvmlDeviceGetCount": lambda: fail(15)}, "GPUs can't be counted, this node goes on without"),
    ],
    ids=["no library", "no driver", "broken", "lost"],
)
def test_a_driver_that_fails(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, calls: dict[str, Any], told: str
) -> None:
    use(monkeypatch, **calls)
    assert count_gpus() == 0
    assert told in caplog.text if told else not caplog.text


def test_a_driver_that_hangs(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    free = Event()
    use(monkeypatch, nvmlInit=lambda: free.wait(60) and None)
    monkeypatch.setattr(gpus, "_PATIENCE_S", 0.2)
    caplog.set_level(logging.WARNING)
    try:
        assert count_gpus() == 0
    finally:
        free.set()
    assert "NVML doesn't answer for 0.2 s: this node goes on without GPUs" in caplog.text
