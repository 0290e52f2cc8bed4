"""Where ``notify.yaml`` is looked for."""

from __future__ import annotations

import os
from pathlib import Path

FILE_NAME = "notify.yaml"


def settings_paths() -> list[Path]:
    """In this order."""
    from platformdirs import user_config_path

    return [user_config_path("distribute") / FILE_NAME, Path("/etc/distribute") / FILE_NAME]


def find_settings() -> Path | None:
    """The file that counts on this host for this user; None if there is none."""
    return next((path for path in settings_paths() if os.path.lexists(path)), None)
