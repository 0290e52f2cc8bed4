"""What a user sets once for all jobs: options of the config file, with their types and defaults."""

from __future__ import annotations

from collections.abc import Mapping
from configparser import ConfigParser
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from cluster import ini
from cluster.errors import ConfigError
from cluster.kinds import Kind, sanitise

#: The sections of profiles are called so, and then as the profile.
PROFILE_PREFIX = "prof_"
_MISSING = object()


@dataclass(frozen=True, slots=True)
class Setting:
    """An option of the config file; where it has ``words``, its value is one of them."""

    kind: Kind
    default: Any
    help: str
    words: tuple[str, ...] = ()


SETTINGS: Mapping[str, Mapping[str, Setting]] = {
    "queue": {
        "queue_type": Setting(
            Kind.WORD,
            "auto",
            "where jobs go; auto: to Slurm or Torque if they are here, else to this machine",
            ("auto", "slurm", "torque", "local", "normal", "distribute"),
        ),
        "spool": Setting(Kind.TEXT, "none", "the lab's spool, where DISTRIBUTE_SPOOL names none"),
        "queue_update": Setting(Kind.COUNT, 2, "seconds between two looks at the queue"),
    },
    "jobs": {
        "clean_files": Setting(Kind.SWITCH, False, "remove script files once the result is fetched"),
        "clean_outputs": Setting(Kind.SWITCH, False, "remove output files once the result is fetched"),
        "file_block_time": Setting(
            Kind.COUNT, 12, "seconds to wait for the output files of a job that ended"
        ),
        "filepath": Setting(Kind.TEXT, ".", "folder for script and output files"),
        "suffix": Setting(Kind.WORD, "cluster", "what the names of job files end in"),
        "auto_submit": Setting(Kind.SWITCH, True, "whether wait() and get() submit a job that isn't yet"),
    },
    "jobqueue": {
        "threads": Setting(Kind.AMOUNT, 0, "cores that jobs on this machine may use together; 0: all"),
    },
}


def get_option(section: str | None = None, key: str | None = None, default: Any = _MISSING) -> Any:
    """The value of an option; a dict of a section's without ``key``, and of all sections without either.

    ``default`` is returned for an option that doesn't exist, instead of the error.
    Raises ConfigError for one that doesn't exist, and for a file that can't be read.
    """
    parser = ini.read(ini.config_path())
    if section is None:
        return {name: _read_section(parser, name) for name in SETTINGS}
    try:
        if key is None:
            _find_section(section)
            return _read_section(parser, section)
        find_setting(section, key)
    except ConfigError:
        if default is _MISSING:
            raise
        return default
    return _read_value(parser, section, key)


def set_option(section: str, key: str, value: object) -> None:
    """Write the value of an option into the config file.

    Raises ConfigError for an option that doesn't exist, TypeError or ValueError for a value it can't have.
    """
    text = _write_value(section, key, value)

    def edit(parser: ConfigParser) -> None:
        if not parser.has_section(section):
            parser.add_section(section)
        parser.set(section, key, text)

    ini.change(ini.config_path(), edit)


def delete(section: str, key: str | None = None) -> None:
    """Let an option have its default again; without ``key``, all options of a section, or a whole profile.

    Raises ConfigError if there is no such section or option.
    """
    if key is not None:
        find_setting(section, key)

    def edit(parser: ConfigParser) -> None:
        if key is None:
            if not parser.remove_section(section):
                _find_section(section)
        elif parser.has_section(section):
            parser.remove_option(section, key)

    ini.change(ini.config_path(), edit)


def create_config(
    cnf: Mapping[str, Mapping[str, object]] | None = None,
    def_queue: str | None = None,
    overwrite: bool = False,
) -> None:
    """Write a config file with every option at its default, but for those in ``cnf``: section, key, value.

    ``def_queue`` is the ``queue_type``. With ``overwrite`` a file that is there is lost, with its profiles.
    Raises ConfigError if there is one otherwise, and as ``set_option`` does.
    """
    values = {section: {key: one.default for key, one in keys.items()} for section, keys in SETTINGS.items()}
    for section, keys in (cnf or {}).items():
        for key, value in keys.items():
            find_setting(section, key)
            values[section][key] = value
    if def_queue is not None:
        values["queue"]["queue_type"] = def_queue
    texts = {
        section: {key: _write_value(section, key, value) for key, value in keys.items()}
        for section, keys in values.items()
    }
    path = ini.config_path()

    def edit(parser: ConfigParser) -> None:
        if parser.sections() and not overwrite:
            raise ConfigError(
                f"{path} is there already", "", "replace it with: create_config(overwrite=True)"
            )
        parser.clear()
        parser.read_dict(texts)

    ini.change(path, edit)


def get_config() -> ConfigParser:
    """The config file as ``configparser`` has it, with the defaults of what it lacks. Raises ConfigError."""
    parser = ini.read(ini.config_path())
    for section, keys in SETTINGS.items():
        for key in keys:
            text = _write_value(section, key, _read_value(parser, section, key))
            if not parser.has_section(section):
                parser.add_section(section)
            parser.set(section, key, text)
    return parser


def _find_section(section: str) -> Mapping[str, Setting]:
    if section not in SETTINGS:
        raise ConfigError(
            f"the config file has no section {section!r}", f"there are {', '.join(SETTINGS)}", "choose one"
        )
    return SETTINGS[section]


def find_setting(section: str, key: str) -> Setting:
    """What an option is. Raises ConfigError, naming close ones, if there is none."""
    keys = _find_section(section)
    if key in keys:
        return keys[key]
    close = get_close_matches(key, keys, n=2)
    why = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(keys)}"
    raise ConfigError(f"the section {section} of the config file has no option {key!r}", why, "choose one")


def _read_section(parser: ConfigParser, section: str) -> dict[str, Any]:
    return {key: _read_value(parser, section, key) for key in SETTINGS[section]}


def _read_value(parser: ConfigParser, section: str, key: str) -> Any:
    setting = SETTINGS[section][key]
    if not parser.has_option(section, key):
        return setting.default
    try:
        return _check(key, setting, parser.get(section, key))
    except (TypeError, ValueError) as error:
        path = ini.config_path()
        raise ConfigError(f"{path}, section {section}", str(error), f"mend or remove {path}") from error


def _write_value(section: str, key: str, value: object) -> str:
    checked = _check(key, find_setting(section, key), value)
    return str(checked).lower() if isinstance(checked, bool) else str(checked)


def _check(key: str, setting: Setting, value: object) -> Any:
    checked = sanitise(key, setting.kind, value)
    if setting.words and checked not in setting.words:
        raise ValueError(f"{key}={value!r} is none of {', '.join(setting.words)}")
    return checked
