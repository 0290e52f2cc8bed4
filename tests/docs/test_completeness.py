"""Every command and option is documented, every link leads somewhere, every job file shown is a valid one."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from distribute_cli.exit_codes import MEANINGS
from distribute_cli.main import COMMANDS, cli
from distribute_compute_config import load_text
from nodewatch.capabilities import PROGRAMS
from nodewatch.main import command as nodewatch
from spoold.main import command as spoold
from tests.docs.test_transcripts import PAGES
from tests.docs.transcripts import REPOSITORY

COMMANDS_PAGE = (REPOSITORY / "docs" / "commands.md").read_text()
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
_YAML = re.compile(r"^```yaml[^\n]*\n(.*?)^```$", re.M | re.S)


def section(name: str) -> str:
    found = re.search(rf"^## distribute {name}$(.*?)(?=^## |\Z)", COMMANDS_PAGE, re.M | re.S)
    assert found, f"docs/commands.md has no section `## distribute {name}`"
    return found[1]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_each_of_its_options_is_documented(name: str) -> None:
    text = section(name)
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    for option in (param for param in _params(command) if isinstance(param, click.Option)):
        spelling = max(option.opts, key=len)
        assert spelling == "--spool" or f"`{spelling}" in text, f"{name} {spelling} is not documented"


def _params(command: click.Command) -> list[click.Parameter]:
    """Its own, and those of the commands that it has."""
    inner = command.commands.values() if isinstance(command, click.Group) else ()
    return [*command.params, *(param for one in inner for param in _params(one))]


def test_every_option_of_the_daemons_is_documented() -> None:
    text = COMMANDS_PAGE.split("## The daemons")[1]
    for daemon in (nodewatch, spoold):
        for option in (param for param in daemon.params if isinstance(param, click.Option)):
            assert f"`{option.opts[0]}" in text or option.name == "version", option.opts


def test_the_capabilities_that_a_node_finds_are_documented() -> None:
    text = (REPOSITORY / "docs" / "lab.md").read_text()
    found = re.search(r"^A node finds these capabilities itself: (.*?)\(", text, re.M | re.S)
    assert found
    assert set(re.findall(r"`([^`]+)`", found[1])) == set(PROGRAMS)


def test_every_exit_code_is_documented() -> None:
    text = (REPOSITORY / "docs" / "exit-codes.md").read_text()
    for code, meaning in MEANINGS.items():
        escaped = meaning.replace("|", r"\|")
        assert f"| {code:d} | {escaped} |" in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in _LINK.findall(page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_job_files_are_valid(page: Path) -> None:
    for text in _YAML.findall(page.read_text()):
        if re.search(r"^meta:", text, re.M):
            load_text(text, page.name)


def test_every_page_is_in_the_navigation() -> None:
    navigation = (REPOSITORY / "mkdocs.yml").read_text()
    for page in (REPOSITORY / "docs").rglob("*.md"):
        assert page.relative_to(REPOSITORY / "docs").as_posix() in navigation, page
