"""What the pages about the package show is what happens, and their tables are the code's."""

from __future__ import annotations

import doctest
import inspect
import re
from pathlib import Path

import pytest

import cluster.run
from cluster.options import option_help
from cluster.settings import SETTINGS

FOLDER = Path(__file__).parents[2] / "docs" / "cluster"
#: What this shows needs a batch system; it is run where there is one.
ON_A_CLUSTER = FOLDER / "jobs.md"
#: And this starts a queue of this machine's own.
ON_THIS_MACHINE = FOLDER / "functions.md"
PAGES = [
    page
    for page in sorted(FOLDER.glob("*.md"))
    if "```pycon" in page.read_text() and page not in (ON_A_CLUSTER, ON_THIS_MACHINE)
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_python_of_a_page_does_what_it_shows(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # What a page sets there is undone with the test.
    monkeypatch.setenv("CLUSTER_QUEUE", "auto")
    run_page(page)


def run_page(page: Path) -> None:
    """What a page shows of Python is what happens; ``...`` stands for anything."""
    names: dict[str, object] = {}
    for number, block in enumerate(re.findall(r"^```pycon\n(.*?)^```$", page.read_text(), re.M | re.S)):
        examples = doctest.DocTestParser().get_doctest(block, names, f"{page.name}-{number}", str(page), 0)
        said: list[str] = []
        doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS).run(
            examples, out=said.append, clear_globs=False
        )
        assert not said, "".join(said)
        names = examples.globs


def test_the_pages_are_run() -> None:
    assert {"keywords.md", "profiles.md", "helpers.md"} <= {page.name for page in PAGES}


def test_the_table_of_keywords_is_the_code_s() -> None:
    text = (FOLDER / "keywords.md").read_text()
    assert text.endswith(option_help("table", tablefmt="github"))


def test_the_table_of_options_is_the_code_s() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| `(\w+)` \| `(.+)` \| (.+) \|$", (FOLDER / "profiles.md").read_text(), re.M
    )
    assert rows == [
        (section, key, str(one.default), one.help)
        for section, keys in SETTINGS.items()
        for key, one in keys.items()
    ]


def test_every_helper_is_documented() -> None:
    functions = inspect.getmembers(cluster.run, inspect.isfunction)
    public = {name for name, one in functions if one.__module__ == "cluster.run" and not name.startswith("_")}
    assert set(re.findall(r"`(\w+)\(", (FOLDER / "helpers.md").read_text())) == public
