"""Profiles: keyword arguments of jobs under a name, kept in the config file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, MutableMapping
from configparser import ConfigParser
from difflib import get_close_matches
from typing import Any, overload

from cluster import ini
from cluster.errors import ConfigError, OptionsError, ProfileNotFound
from cluster.kinds import Kind
from cluster.options.checking import check_arguments, find_option
from cluster.settings import PROFILE_PREFIX
from distribute_compute_config.names import check_name

DEFAULT_NAME = "default"
#: What the default profile is until somebody sets it, and again when it is deleted.
DEFAULT_KEYWORDS: Mapping[str, object] = {"nodes": 1, "cores": 1}
_OWN = frozenset({"name", "_keywords"})


class Profile(MutableMapping[str, Any]):
    """Keyword arguments of jobs, as a dict of sanitised values and as attributes: ``profile.mem = "2GB"``.

    Each change is checked: raises OptionsError, TypeError and ValueError as ``check_arguments`` does.
    """

    name: str | None
    _keywords: dict[str, Any]

    def __init__(self, keywords: Mapping[str, object] | None = None, name: str | None = None) -> None:
        super().__setattr__("name", name)
        super().__setattr__("_keywords", check_arguments(keywords or {}))

    def write(self, name: str | None = None) -> None:
        """Write it into the config file, in place of a profile of that name. Raises ConfigError."""
        name = name or self.name
        if name is None:
            raise ConfigError("the profile has no name", "", 'give it one: profile.write("small")')
        section = _section(name)
        ini.change(ini.config_path(), lambda parser: _put(parser, section, self._keywords))
        super().__setattr__("name", name)

    def __getitem__(self, key: str) -> Any:
        return self._keywords[find_option(key).name]

    def __setitem__(self, key: str, value: object) -> None:
        checked = check_arguments({key: value})
        if not checked:  # None: as if it had not been given
            self._keywords.pop(find_option(key).name, None)
        self._keywords.update(checked)

    def __delitem__(self, key: str) -> None:
        del self._keywords[find_option(key).name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._keywords)

    def __len__(self) -> int:
        return len(self._keywords)

    def __getattr__(self, name: str) -> Any:
        # Only what isn't found otherwise comes here; copy and pickle ask before there are any keywords.
        keywords = self.__dict__.get("_keywords", {})
        try:
            return keywords[find_option(name).name]
        except (KeyError, OptionsError):
            raise AttributeError(f"the profile {self.__dict__.get('name')} has no {name!r}") from None

    def __setattr__(self, name: str, value: object) -> None:
        if name in _OWN:
            super().__setattr__(name, value)
        else:
            self[name] = value

    def __delattr__(self, name: str) -> None:
        try:
            del self[name]
        except (KeyError, OptionsError):
            raise AttributeError(name) from None

    def __repr__(self) -> str:
        return f"Profile({self._keywords!r}, name={self.name!r})"


@overload
def get_profile(name: str) -> Profile: ...
@overload
def get_profile(name: None = None) -> dict[str, Profile]: ...
def get_profile(name: str | None = None) -> Profile | dict[str, Profile]:
    """The profile of that name; all of them, by name, without one. There always is ``default``.

    Raises ProfileNotFound, naming those that there are, and ConfigError for a file that can't be read.
    """
    parser = ini.read(ini.config_path())
    names = _names(parser)
    if name is None:
        return {one: _read(parser, one) for one in names}
    if name not in names:
        raise _not_found(name, names)
    return _read(parser, name)


def set_profile(name: str, keywords: Mapping[str, object], update: bool = True) -> Profile:
    """Write keywords into the profile of that name, which need not exist; with ``update`` those it has stay.

    A keyword whose value is None is taken out. Raises as ``check_arguments`` does, and ConfigError.
    """
    check_arguments(keywords)
    section = _section(name)
    merged = Profile(name=name)

    def edit(parser: ConfigParser) -> None:
        if update and name in _names(parser):
            merged.update(_read(parser, name))
        merged.update(keywords)
        _put(parser, section, merged)

    ini.change(ini.config_path(), edit)
    return merged


def del_profile(name: str) -> None:
    """Delete a profile; ``default`` is as at first again. Raises ProfileNotFound and ConfigError."""

    def edit(parser: ConfigParser) -> None:
        if not parser.remove_section(_section(name)) and name != DEFAULT_NAME:
            raise _not_found(name, _names(parser))

    ini.change(ini.config_path(), edit)


def _section(name: str) -> str:
    check_name("profile", name)
    return f"{PROFILE_PREFIX}{name}"


def _names(parser: ConfigParser) -> list[str]:
    found = [one.removeprefix(PROFILE_PREFIX) for one in parser.sections() if one.startswith(PROFILE_PREFIX)]
    return [DEFAULT_NAME, *sorted(set(found) - {DEFAULT_NAME})]


def _put(parser: ConfigParser, section: str, keywords: Mapping[str, Any]) -> None:
    parser.remove_section(section)
    parser.add_section(section)
    for key, value in keywords.items():
        parser.set(section, key, encode(key, value))


def _not_found(name: str, names: list[str]) -> ProfileNotFound:
    close = get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]}?" if close else f"make it: distribute profile set {name} cores=4 mem=8GB"
    return ProfileNotFound(f"there is no profile {name!r}", f"there are {', '.join(names)}", hint)


def _read(parser: ConfigParser, name: str) -> Profile:
    section = f"{PROFILE_PREFIX}{name}"
    if not parser.has_section(section):
        return Profile(DEFAULT_KEYWORDS, name)
    try:
        keywords = {key: decode(key, text) for key, text in parser.items(section)}
        return Profile(keywords, name)
    except (OptionsError, TypeError, ValueError) as error:
        what = error.what if isinstance(error, OptionsError) else str(error)
        path = ini.config_path()
        raise ConfigError(
            f"{path}, profile {name}", what, f"mend it there, or: distribute profile delete {name}"
        ) from error


def encode(key: str, value: Any) -> str:
    """A sanitised value as people write it: words with commas, texts, which may have some, as JSON."""
    kind = find_option(key).kind
    if kind is Kind.TEXTS:
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        if not all(isinstance(item, str) for item in value):
            raise TypeError(f"{key}={value!r}: a file can't keep jobs, only their ids")
        return ",".join(value)
    return str(value).lower() if kind is Kind.SWITCH else str(value)


def decode(key: str, text: str) -> object:
    """What ``encode`` wrote, for ``check_arguments``. Raises OptionsError and ValueError."""
    if find_option(key).kind is Kind.TEXTS and text.startswith("["):
        try:
            decoded: object = json.loads(text)
        except ValueError as error:
            raise ValueError(f'{key}={text!r} is not a list in JSON, such as ["sys", "os"]') from error
        return decoded
    return text
