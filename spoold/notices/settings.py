"""``notify.yaml``: by which home server, as whom, or by which program people are told. Read strictly."""

from __future__ import annotations

import ipaddress
import os
import re
import shlex
import stat
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from distribute_compute_config.errors import DistributeError

DEFAULT_COMMAND_LIMIT_S = 60.0
_LONGEST_COMMAND_LIMIT_S = 3600.0
_FILE_BYTES_MAX, _TOKEN_BYTES_MAX = 1 << 20, 4096
_TOKEN = re.compile(r"[!-~]+")
_KEYS = ("matrix", "command", "command_timeout")
_MATRIX_KEYS = ("homeserver", "user", "token_file")


class BadSettings(DistributeError):
    """Nobody can be told by these settings."""


@dataclass(frozen=True, slots=True)
class MatrixSettings:
    """A home server's address without a slash at its end, the user who sends, and where the token stands."""

    homeserver: str
    user: str
    token_file: Path


@dataclass(frozen=True, slots=True)
class CommandSettings:
    """A program and its arguments, and for how long it may run, seconds."""

    argv: tuple[str, ...]
    limit_s: float = DEFAULT_COMMAND_LIMIT_S


@dataclass(frozen=True, slots=True)
class Settings:
    """``notify.yaml``: at least one of both."""

    matrix: MatrixSettings | None = None
    command: CommandSettings | None = None


def read_settings(path: Path) -> Settings:
    """What the file says; the token isn't read. Raises BadSettings."""
    from distribute_compute_config.nodes import to_data
    from distribute_compute_config.regular_files import open_regular
    from distribute_compute_config.syntax import decode, parse

    try:
        with open_regular(path) as opened:
            text = decode(opened.read(_FILE_BYTES_MAX), str(path))
    except OSError as error:
        raise BadSettings(f"{path} can't be read", error.strerror or str(error)) from error
    if not isinstance(text, str):
        raise BadSettings(str(path), text.why, text.instead)
    syntax = parse(text, str(path))
    if syntax.problems:
        said = (str(one).removeprefix(f"{path}:").replace(" in a job file", "") for one in syntax.problems)
        raise BadSettings(str(path), "\n".join(said))
    values = None if syntax.root is None else to_data(syntax.root)
    return parse_settings(values, path)


def parse_settings(values: Any, path: Path) -> Settings:
    """The settings in what YAML gave. Raises BadSettings naming ``path``."""
    given = _check_mapping(values, _KEYS, "", path)
    matrix, command = given.get("matrix"), given.get("command")
    if matrix is None and command is None:
        raise BadSettings(f"{path} tells nobody", "it has neither matrix: nor command:", "write one of both")
    if command is None and given.get("command_timeout") is not None:
        raise BadSettings(f"{path}: command_timeout", "there is no command:", "remove it")
    return Settings(
        None if matrix is None else _read_matrix(matrix, path),
        None if command is None else _read_command(command, given.get("command_timeout"), path),
    )


def _check_mapping(values: Any, keys: tuple[str, ...], inside: str, path: Path) -> dict[str, Any]:
    where = f"{path}: {inside}" if inside else str(path)
    if not isinstance(values, dict):
        raise BadSettings(f"{where} is no mapping", "", f"known keys are {', '.join(keys)}")
    for key in values:
        if key not in keys:
            near = get_close_matches(str(key), keys, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(keys)}"
            raise BadSettings(f"{where}: unknown key {key!r}", "", hint)
    return values


def _read_matrix(values: Any, path: Path) -> MatrixSettings:
    given = _check_mapping(values, _MATRIX_KEYS, "matrix", path)
    for key in _MATRIX_KEYS:
        if not isinstance(given.get(key), str) or not given[key].strip():
            raise BadSettings(f"{path}: matrix.{key} is missing", "", f"write {key}: and a text")
        if "\0" in given[key]:
            raise BadSettings(f"{path}: matrix.{key} holds a NUL character", "", "remove it")
    # Relative to the file that names it.
    token_file = path.absolute().parent / given["token_file"]
    return MatrixSettings(
        _check_homeserver(given["homeserver"], path), check_user(given["user"], str(path)), token_file
    )


def _check_homeserver(url: str, path: Path) -> str:
    """A token goes there: never where others can read it on its way."""
    what, example = f"{path}: matrix.homeserver is {url!r}", "write it as https://matrix.example.org"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise BadSettings(what, str(error), example) from error
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment or parts.username:
        raise BadSettings(what, "that is no address of a home server", example)
    if parts.scheme == "http" and not _is_loopback(host):
        raise BadSettings(what, "without https others could read the token", example)
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_user(user: str, source: str) -> str:
    """A Matrix user's name. Raises BadSettings naming ``source``."""
    from distribute_compute_config.fields import is_matrix_id

    if not is_matrix_id(user):
        example = "@distribute:example.org"
        why = "its server is missing" if user.startswith("@") and ":" not in user else ""
        raise BadSettings(f"{source}: {user!r} is no Matrix user", why, f"write it as {example!r}")
    return user


def _read_command(argv: Any, limit: Any, path: Path) -> CommandSettings:
    from distribute_compute_config.quantities import parse_duration

    if (
        not isinstance(argv, list)
        or not argv
        or not all(isinstance(one, str) and "\0" not in one for one in argv)
    ):
        example = "write a program and its arguments: command: [/usr/local/bin/tell, --mail]"
        raise BadSettings(f"{path}: command is no list of texts", "no shell reads it", example)
    if not Path(argv[0]).is_absolute():
        raise BadSettings(f"{path}: command is {argv[0]!r}", "its path isn't absolute", "write it whole")
    if limit is None:
        return CommandSettings(tuple(argv))
    try:
        limit_s = parse_duration(limit)
    except ValueError as error:
        raise BadSettings(f"{path}: command_timeout", str(error), "write 60s") from error
    if limit_s > _LONGEST_COMMAND_LIMIT_S:
        raise BadSettings(
            f"{path}: command_timeout is {limit}", "it is more than an hour", "write 1h or less"
        )
    return CommandSettings(tuple(argv), limit_s)


def read_token(path: Path) -> str:
    """The token in a file that only its owner can read. Raises BadSettings, and never with what it holds."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        link = "; a link isn't followed" if path.is_symlink() else ""
        raise BadSettings(f"the token file {path} can't be read", f"{error.strerror}{link}") from error
    with open(handle, "rb") as opened:
        _check_token_file(path, os.fstat(handle))
        data = opened.read(_TOKEN_BYTES_MAX + 1)
    text = data.decode("ascii", errors="replace").strip()
    if len(data) > _TOKEN_BYTES_MAX or not _TOKEN.fullmatch(text):
        raise BadSettings(f"the token file {path} holds no token", "", "it must hold one line: the token")
    return text


def _check_token_file(path: Path, info: os.stat_result) -> None:
    what = f"the token file {path} isn't safe"
    if not stat.S_ISREG(info.st_mode):
        raise BadSettings(what, "it is no regular file")
    if info.st_uid not in (os.geteuid(), 0):
        chown = shlex.join(["chown", str(os.geteuid()), str(path)])
        raise BadSettings(what, "it belongs to somebody else", f"type: {chown}")
    if info.st_mode & 0o077:
        mode = stat.S_IMODE(info.st_mode)
        chmod = shlex.join(["chmod", "600", str(path)])
        raise BadSettings(what, f"its mode is {mode:04o}: others may read it", f"type: {chmod}")
