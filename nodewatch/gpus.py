"""Counting GPUs, without ever waiting for a driver that hangs."""

from __future__ import annotations

import logging
from threading import Thread

_log = logging.getLogger(__name__)

_PATIENCE_S = 10.0


def count_gpus() -> int:
    """Graphics cards by NVML; none where there is no NVIDIA driver, or where it fails or doesn't answer."""
    found: list[int] = []
    # A driver in trouble blocks its caller for ever, also for signals.
    thread = Thread(target=lambda: found.append(_ask_nvml()), name="nvml", daemon=True)
    thread.start()
    thread.join(_PATIENCE_S)
    if not found:
        _log.warning("NVML doesn't answer for %g s: this node goes on without GPUs", _PATIENCE_S)
        return 0
    return found[0]


def _ask_nvml() -> int:
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        if error.value not in (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, pynvml.NVML_ERROR_DRIVER_NOT_LOADED):
            _log.warning("NVML fails, this node goes on without GPUs: %s", error)
        return 0
    try:
        return int(pynvml.nvmlDeviceGetCount())
    except pynvml.NVMLError as error:
        _log.warning("GPUs can't be counted, this node goes on without: %s", error)
        return 0
    finally:
        pynvml.nvmlShutdown()
