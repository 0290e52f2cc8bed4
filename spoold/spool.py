"""A spool: its layout, its operations and its settings; opening one and making one."""

from __future__ import annotations

import math
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from distribute_compute_config.errors import DistributeError
from spoold.fsops import FileOps
from spoold.layout import FILE_MODE, FORMAT, ROOT_FOLDERS, SETTINGS_NAME, Layout


class NoSpool(DistributeError):
    """The folder isn't a spool, or not one that this version understands."""

    exit_code = 3


_MAY_BE_ZERO = frozenset({"retry_wait_s"})


@dataclass(frozen=True, slots=True)
class Settings:
    """``spool.yaml``. Durations in seconds."""

    format: int = FORMAT
    heartbeat_s: float = 15.0
    lease_s: float = 180.0
    settle_s: float = 2.0
    rescan_s: float = 1.5
    max_jobs: int = 10_000
    retry_wait_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Spool:
    """An open spool."""

    layout: Layout
    ops: FileOps
    settings: Settings

    @property
    def root(self) -> Path:
        return self.layout.root


def open_spool(root: Path, ops: FileOps | None = None, whole: bool = True) -> Spool:
    """Raises NoSpool before anything is touched; if ``whole``, also where one of its folders is gone."""
    root = root.absolute()
    ops = ops or FileOps(root)
    data = ops.read(root / SETTINGS_NAME)
    if data is None:
        raise NoSpool(
            f"{root} is not a spool",
            f"it has no {SETTINGS_NAME}",
            f"is the shared directory mounted? see: findmnt --target {root}\n"
            f"or make a new spool with: distribute init {root}",
        )
    settings = parse_settings(data, root / SETTINGS_NAME)
    missing = sorted(ROOT_FOLDERS.keys() - set(ops.names(root))) if whole else []
    if missing:
        raise NoSpool(
            f"the spool {root} isn't whole",
            f"it has no folder {', '.join(missing)}",
            f"as the service user: distribute --spool {root} fsck --repair",
        )
    return Spool(Layout(root), ops, settings)


def parse_settings(data: bytes, source: Path) -> Settings:
    """The settings in the text of a ``spool.yaml``. Raises NoSpool."""
    import yaml

    try:
        values = yaml.safe_load(data)
    except yaml.YAMLError as error:
        raise NoSpool(f"{source} can't be read", str(error), "restore it from a backup") from error
    if not isinstance(values, dict) or not isinstance(values.get("format"), int):
        raise NoSpool(f"{source} can't be read", "it states no format", "restore it from a backup")
    if values["format"] > FORMAT:
        raise NoSpool(
            f"{source.parent} has format {values['format']}",
            f"this version of distribute understands formats up to {FORMAT}",
            "upgrade distribute on this machine",
        )
    return _typed(values, source)


def _typed(values: dict[str, object], source: Path) -> Settings:
    known = {f.name: values[f.name] for f in fields(Settings) if f.name in values}
    for name, value in known.items():
        if value == 0 and value is not False and name in _MAY_BE_ZERO:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            least = "from 0 up" if name in _MAY_BE_ZERO else "above 0"
            raise NoSpool(f"{source}: {name} is {value!r}", f"it must be a number {least}", "correct it")
    settings = Settings(**{n: type(getattr(Settings(), n))(v) for n, v in known.items()})
    if settings.heartbeat_s >= settings.lease_s:
        raise NoSpool(f"{source}: heartbeat_s isn't below lease_s", "every lease would lapse", "correct it")
    return settings


def init_spool(root: Path, settings: Settings) -> Spool:
    """Make a spool at ``root``, which must not exist or be empty. Raises NoSpool."""
    root = root.absolute()
    root.mkdir(parents=True, exist_ok=True)
    present = os.listdir(root)
    if SETTINGS_NAME in present:
        raise NoSpool(f"{root} is already a spool", "", f"look at it with: distribute --spool {root} status")
    if present:
        raise NoSpool(
            f"{root} is not empty", f"it holds {sorted(present)[0]!r}", "give a folder that is new or empty"
        )
    ops = FileOps(root)
    for name, mode in ROOT_FOLDERS.items():
        ops.make_folder(root / name)
        ops.set_mode(root / name, mode)
    # Last, and by rename: a folder without spool.yaml is no spool.
    private = ops.private()
    ops.write_new(private, _settings_text(settings))
    ops.set_mode(private, FILE_MODE)
    ops.flush()
    ops.move(private, root / SETTINGS_NAME)
    ops.flush()
    return Spool(Layout(root), ops, settings)


def _settings_text(settings: Settings) -> bytes:
    lines = [f"{name}: {_plain(value)}" for name, value in asdict(settings).items()]
    return "\n".join(["# A spool of `distribute`; see spool-layout.md.", *lines, ""]).encode()


def _plain(value: float) -> str:
    """``15`` rather than ``15.0``; never ``1e+06``, which YAML reads as a text."""
    return str(int(value)) if value == int(value) else repr(value)
