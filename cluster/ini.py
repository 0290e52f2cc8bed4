"""The config file on disk: read whole, changed under a lock, put in place by one rename."""

from __future__ import annotations

import os
from collections.abc import Callable
from configparser import ConfigParser
from configparser import Error as ParserError
from pathlib import Path

from cluster.errors import ConfigError

_LOCK_TIMEOUT_S = 10.0


def config_path() -> Path:
    """Where the config file of the user who runs this is, whether it exists or not."""
    from platformdirs import user_config_dir

    return Path(user_config_dir("distribute")) / "cluster.ini"


def new_parser() -> ConfigParser:
    """An empty config in which ``%`` is a character like others, and no section lends to the rest."""
    parser = ConfigParser(interpolation=None, default_section="\n")
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    return parser


def read(path: Path) -> ConfigParser:
    """What the file says; nothing if there is none. Raises ConfigError."""
    parser = new_parser()
    try:
        with open(path, encoding="utf-8") as file:
            parser.read_file(file)
    except FileNotFoundError:
        pass
    except (OSError, UnicodeDecodeError, ParserError) as error:
        raise ConfigError(f"{path} can't be read", str(error), f"mend or remove {path}") from error
    return parser


def change(path: Path, edit: Callable[[ConfigParser], None]) -> None:
    """Let ``edit`` change what the file says; others who do the same meanwhile wait. Raises ConfigError.

    Readers see the file before or after. Comments in it are lost, as ``configparser`` doesn't keep them.
    """
    from filelock import FileLock, Timeout

    try:
        # A link to the file, where somebody keeps his settings, stays one.
        real = path.resolve()
        real.parent.mkdir(parents=True, exist_ok=True)
        # The kernel's lock, which ends with its process. Between hosts it may not hold on every mount of
        # a shared home; then the last one wins, and the file is whole.
        with FileLock(f"{real}.lock", timeout=_LOCK_TIMEOUT_S):
            parser = read(real)
            edit(parser)
            _replace(real, parser)
    except Timeout as error:
        raise ConfigError(
            f"{path} can't be changed",
            f"another process has locked it for {_LOCK_TIMEOUT_S:g} s",
            "try again",
        ) from error
    except OSError as error:
        raise ConfigError(f"{path} can't be written", str(error)) from error


def _replace(path: Path, parser: ConfigParser) -> None:
    private = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(private, "w", encoding="utf-8") as file:
            parser.write(file)
            file.flush()
            os.fsync(file.fileno())
        private.replace(path)
    finally:
        private.unlink(missing_ok=True)
