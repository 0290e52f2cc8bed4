"""The commands that a page shows, run in a small laboratory, and their output compared with what it shows.

A fenced block of the kind ``console`` holds commands behind ``$ ``, continued behind ``> ``, and what they
print. A block with ``title="NAME"`` becomes the file NAME. The blocks of a page are run in their order in one
folder. A comment ``<!-- exits with N -->`` in front of a block tells the exit code of its last command, which
is 0 without one.

In what is shown, ``…`` stands for any text, and for any lines where it stands alone; any number stands for
any other.

``python -m tests.docs.transcripts PAGE`` prints what the commands of a page really print.
"""

from __future__ import annotations

import getpass
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.lab import Lab

REPOSITORY = Path(__file__).parents[2]
#: What the pages call the spool and the person who types.
SPOOL, PERSON = "/srv/distribute/spool", "anna"
ANYTHING = "…"

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<kind>\w+)(?P<rest>[^\n]*)\n(?P<body>.*?)^(?P=indent)```$", re.M | re.S
)
_TITLE = re.compile(r'title="([^"]+)"')
_EXITS = re.compile(r"<!-- exits with (\d+) -->\s*$")
_NUMBER = re.compile(r"\d+(?:[.:]\d+)*")


@dataclass(frozen=True)
class Step:
    """A command with what the page shows of its output."""

    command: str
    shown: tuple[str, ...]
    exit_code: int = 0


@dataclass(frozen=True)
class NewFile:
    """A file that the page shows whole."""

    name: str
    text: str


def read_page(text: str) -> Iterator[Step | NewFile]:
    """What a reader of the page would do, in its order."""
    for fence in _FENCE.finditer(text):
        indent = len(fence["indent"])
        body = "\n".join(line[indent:] for line in fence["body"].splitlines())
        if title := _TITLE.search(fence["rest"]):
            yield NewFile(title[1], f"{body}\n")
        elif fence["kind"] == "console":
            exits = _EXITS.search(text[: fence.start()])
            yield from _read_block(body, int(exits[1]) if exits else 0)


def _read_block(body: str, last_exit_code: int) -> Iterator[Step]:
    commands = re.split(r"^\$ ", body, flags=re.M)
    assert not commands[0].strip(), f"a console block starts with a command: {body}"
    for number, command in enumerate(commands[1:], start=2):
        lines = command.rstrip("\n").split("\n")
        typed = [lines.pop(0)]
        while lines and lines[0].startswith("> "):
            typed.append(lines.pop(0)[2:])
        shown = tuple(line for line in lines if line.strip())
        yield Step("\n".join(typed), shown, last_exit_code if number == len(commands) else 0)


@dataclass(frozen=True)
class Sandbox:
    """A folder of a person whose laboratory has the nodes alpha and beta."""

    lab: Lab
    home: Path

    def do(self, step: Step) -> str:
        """What the command printed, with the names that pages use. Raises AssertionError if it failed."""
        command = step.command.replace(SPOOL, str(self.lab.spool.root))
        ended = subprocess.run(
            ["bash", "-c", command],
            cwd=self.home,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=100,
        )
        said = self._rename(ended.stdout)
        assert ended.returncode == step.exit_code, f"$ {step.command}\nexit {ended.returncode}\n{said}"
        return said

    def _environment(self) -> dict[str, str]:
        programs = Path(sys.executable).parent
        return {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "DISTRIBUTE_SPOOL": str(self.lab.spool.root),
            "COVERAGE_FILE": os.environ.get("COVERAGE_FILE", str(REPOSITORY / ".coverage")),
        }

    def _rename(self, text: str) -> str:
        return text.replace(str(self.lab.spool.root), SPOOL).replace(str(self.home), f"/home/{PERSON}")


def make_sandbox(lab: Lab, home: Path) -> Sandbox:
    """With the examples that a clone has, and two nodes that do what pages assume."""
    home.mkdir()
    shutil.copytree(REPOSITORY / "examples", home / "examples")
    for name in ("alpha", "beta"):
        lab.node(name, "--capability", "gcc", "--capability", "python3")
    return Sandbox(lab, home)


def find_missing(shown: tuple[str, ...], said: str) -> str | None:
    """The first line that is shown and wasn't said, or not after those before it."""
    lines = said.splitlines()
    at, gap = 0, True
    for line in shown:
        if line.strip() == ANYTHING:
            gap = True
            continue
        pattern = _pattern(line)
        while at < len(lines) and not pattern.fullmatch(lines[at].rstrip()):
            if not gap and lines[at].strip():
                return line
            at += 1
        if at == len(lines):
            return line
        at, gap = at + 1, False
    return None


def _pattern(line: str) -> re.Pattern[str]:
    """Numbers differ from run to run, and with them the width of columns; so does who runs it."""
    parts = (
        r"\s+".join(re.escape(_NUMBER.sub("\0", word)) for word in re.split(r"\s+", part))
        for part in line.rstrip().split(ANYTHING)
    )
    me = rf"(?:{PERSON}|{re.escape(getpass.getuser())})"
    pattern = re.sub(rf"\b{PERSON}\b", lambda _: me, ".*".join(parts))
    return re.compile(pattern.replace("\0", _NUMBER.pattern), re.S)


def main() -> None:
    """Print the page's commands with what they really print."""
    page = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder, Lab(Path(folder) / "lab") as lab:
        sandbox = make_sandbox(lab, Path(folder) / "home")
        for item in read_page(page.read_text()):
            if isinstance(item, NewFile):
                (sandbox.home / item.name).write_text(item.text)
                continue
            print(f"$ {item.command}")
            try:
                print(re.sub(rf"\b{re.escape(getpass.getuser())}\b", PERSON, sandbox.do(item)))
            except AssertionError as error:
                print(f"!!! {error}")


if __name__ == "__main__":
    main()
