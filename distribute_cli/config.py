"""The user's own config file: which spool to use when nothing else says so."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from distribute_cli.errors import did_you_mean
from distribute_compute_config.errors import DistributeError

KEYS = ("spool",)


@dataclass(frozen=True, slots=True)
class UserConfig:
    """``config.yaml``; ``spool`` is absolute."""

    spool: Path | None = None


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
        why = did_you_mean(str(key), KEYS) or f"it may have: {', '.join(KEYS)}"
        raise DistributeError(f"{path} has the unknown key {key!r}", why, "mend it or remove it")
    return UserConfig(_spool(values.get("spool"), path))


def _spool(value: object, path: Path) -> Path | None:
    if value is None:
        return None
    spool = Path(str(value)).expanduser()
    if not isinstance(value, str) or not spool.is_absolute():
        raise DistributeError(f"{path}: spool is {value!r}", "it must be an absolute path", "write it whole")
    return spool
