"""`distribute profile list`, `show`, `set`, `delete`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from distribute_cli.output import Line, Part, Table, json_option, print_json, print_parts, say

if TYPE_CHECKING:
    from cluster.config_file import Profile

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ProfileLine:
    """A profile as JSON: its name, and its keywords with sanitised values."""

    profile: str
    keywords: dict[str, Any]


@click.group()
def command() -> None:
    """Keep keyword arguments of jobs under a name.

    A job of the Python package `cluster` takes them by profile=NAME.
    """


@command.command("list")
@json_option
def list_profiles(as_json: bool) -> None:
    """Show all profiles."""
    from cluster.config_file import config_path, get_profile

    lines = [_line(name, profile) for name, profile in get_profile().items()]
    if as_json:
        print_json({"profiles": lines})
        return
    rows = [(line.profile, " ".join(_pairs(line))) for line in lines]
    parts: list[Part] = [Table(("PROFILE", "KEYWORDS"), rows), Line(f"kept in {config_path()}", style="dim")]
    print_parts(parts)


@command.command()
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show the keywords of one profile."""
    from cluster.config_file import get_profile

    line = _line(name, get_profile(name))
    if as_json:
        print_json(line)
    else:
        print_parts([Line(pair) for pair in _pairs(line)])


@command.command("set")
@click.argument("name")
@click.argument("keywords", metavar="KEYWORD=VALUE...", nargs=-1, required=True)
@click.option("--replace", is_flag=True, help="Keep nothing else of what the profile has.")
@json_option
def set_keywords(name: str, keywords: tuple[str, ...], replace: bool, as_json: bool) -> None:
    """Make a profile, or change one; KEYWORD= without a value takes it out.

    `distribute keywords` shows what there is.
    """
    from cluster.config_file import set_profile

    pairs = [_split(pair) for pair in keywords]
    line = _line(name, _bad_input(lambda: set_profile(name, _read(pairs), update=not replace)))
    if as_json:
        print_json(line)
    else:
        say(f"{name}: {' '.join(_pairs(line))}")


@command.command()
@click.argument("name")
def delete(name: str) -> None:
    """Delete a profile; `default` is as at first again."""
    from cluster.config_file import DEFAULT_NAME, del_profile

    del_profile(name)
    say(f"{name} is as at first" if name == DEFAULT_NAME else f"deleted {name}")


def _split(pair: str) -> tuple[str, str]:
    name, equals, value = pair.partition("=")
    if not (name and equals):
        raise click.UsageError(f"{pair!r} is not KEYWORD=VALUE")
    return name, value


def _read(pairs: list[tuple[str, str]]) -> dict[str, object]:
    from cluster.profiles import decode

    return {name: decode(name, text) if text else None for name, text in pairs}


def _bad_input(act: Callable[[], T]) -> T:
    """What ``act`` returns; a value that a keyword can't have is told as a mistake of the command line."""
    try:
        return act()
    except (TypeError, ValueError) as error:
        raise click.UsageError(str(error)) from error


def _line(name: str, profile: Profile) -> ProfileLine:
    return ProfileLine(name, dict(profile))


def _pairs(line: ProfileLine) -> list[str]:
    """As they may be typed again."""
    import shlex

    from cluster.profiles import encode

    return [f"{key}={shlex.quote(encode(key, value))}" for key, value in line.keywords.items()]
