"""The user's own config file: which spool to use when nothing else says so."""

from __future__ import annotations

import os
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from distribute_compute_config.errors import DistributeError
from spoold.spool import NoSpool

VARIABLE = "DISTRIBUTE_SPOOL"
KEYS = ("spool",)


@dataclass(frozen=True, slots=True)
class UserConfig:
    """``config.yaml``; ``spool`` is absolute."""

    spool: Path | None = None


def choose_spool(said: Path | None, where: str) -> Path:
    """The path of the spool to use, whether there is one or not.

    It is what was ``said``, else what the variable names, else what the config file does. ``where`` it could
    have been said is for the message. Raises NoSpool if nothing names one.
    """
    if said is not None:
        return said
    if variable := os.environ.get(VARIABLE):
        return Path(variable)
    configured = read_config(config_path()).spool
    if configured is None:
        raise NoSpool(
            "no spool is set",
            f"there is no {where}, no {VARIABLE}, and no {config_path()} that names one",
            f"type: export {VARIABLE}=/path/to/the/spool\nor make one: distribute init /path/to/a/new/folder",
        )
    return configured


def config_path() -> Path:
    """Where the config file of the user who runs this is, whether it exists or not."""
    from platformdirs import user_config_dir

    return Path(user_config_dir("distribute")) / "config.yaml"


def read_config(path: Path) -> UserConfig:
    """What the file says; nothing if there is none. Raises DistributeError."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return UserConfig()
    except (OSError, UnicodeDecodeError) as error:
        raise DistributeError(f"{path} can't be read", str(error), f"mend or remove {path}") from error
    return parse_config(text, path)


def parse_config(text: str, path: Path) -> UserConfig:
    """The config in ``text``. Raises DistributeError naming ``path``."""
    import yaml

    try:
        values = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise DistributeError(f"{path} can't be read", str(error), f"mend or remove {path}") from error
    if not isinstance(values, dict):
        raise DistributeError(f"{path} can't be read", "it holds no keys", "write: spool: /path/to/the/spool")
    for key in values.keys() - set(KEYS):
        near = get_close_matches(str(key), KEYS, n=1)
        why = f"did you mean {near[0]}?" if near else f"it may have: {', '.join(KEYS)}"
        raise DistributeError(f"{path} has the unknown key {key!r}", why, "mend it or remove it")
    return UserConfig(_spool(values.get("spool"), path))


def _spool(value: object, path: Path) -> Path | None:
    if value is None:
        return None
    spool = Path(str(value)).expanduser()
    if not isinstance(value, str) or not spool.is_absolute():
        raise DistributeError(f"{path}: spool is {value!r}", "it must be an absolute path", "write it whole")
    return spool
