"""What the README and the documentation show is what happens."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.transcripts import REPOSITORY, NewFile, Step, find_missing, make_sandbox, read_page
from tests.lab import Lab

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
#: What these show needs programs that not everybody has, or minutes.
NOT_RUN = {"json.md", "benchmark.md", "nfs.md"}
RUN = [
    page
    for page in PAGES
    if page.name not in NOT_RUN and any(isinstance(item, Step) for item in read_page(page.read_text()))
]


# A page may wait as long as its reader has to.
@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", RUN, ids=lambda page: page.name)
def test_the_commands_of_a_page_do_what_it_shows(page: Path, tmp_path: Path) -> None:
    with Lab(tmp_path / "lab") as lab:
        sandbox = make_sandbox(lab, tmp_path / "home")
        for item in read_page(page.read_text()):
            if isinstance(item, NewFile):
                (sandbox.home / item.name).write_text(item.text)
                continue
            said = sandbox.do(item)
            missing = find_missing(item.shown, said)
            assert missing is None, f"$ {item.command}\nshown, not said: {missing}\nsaid:\n{said}"


def test_the_readme_and_the_tutorial_are_run() -> None:
    assert {"README.md", "tutorial.md", "commands.md"} <= {page.name for page in RUN}


SAID = "JOB  TOOK\na    3 s\nb    12 s\n\nthe end\n"


@pytest.mark.parametrize(
    ("shown", "missing"),
    [
        (("JOB  TOOK", "a  4 s", "b  5 s", "the end"), None),
        (("a  4 s", "the end"), "the end"),
        (("a  4 s", "…", "the end"), None),
        (("…", "b  …"), None),
        (("b  4 s", "a  5 s"), "a  5 s"),
        (("a  4 min",), "a  4 min"),
        (("the …",), None),
        (("th",), "th"),
    ],
)
def test_comparing_can_fail(shown: tuple[str, ...], missing: str | None) -> None:
    assert find_missing(shown, SAID) == missing


def test_reading_a_page() -> None:
    page = """
```python title="run.py"
print(1)
```

<!-- exits with 4 -->
```console
$ one \\
> two
out
$ three
```

```bash
never
```
"""
    assert list(read_page(page)) == [
        NewFile("run.py", "print(1)\n"),
        Step("one \\\ntwo", ("out",)),
        Step("three", (), 4),
    ]


@pytest.mark.parametrize(
    ("shown", "said"), [("done in 1.3 s", "done in 10 s"), ("at 9:00", "at 12"), ("1 a", "2.5  a")]
)
def test_any_number_stands_for_any_other(shown: str, said: str) -> None:
    assert find_missing((shown,), said) is None
    assert find_missing((shown,), "no number") == shown
