"""Deleting what jobs left in a folder, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.cleaning import clean_dir, find_job_files
from cluster.errors import ClusterError

OURS = ["a.0123abcd.cluster", "a.0123abcd.cluster.out", "a.0123abcd.cluster.7.err", "a.0123abcd.cluster.exit"]
OTHERS = ["thesis.tex", "a.cluster", "a.0123abcd.cluster.txt", "results.cluster.out"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (*OURS, *OTHERS):
        (tmp_path / name).touch()
    (tmp_path / "d.0123abcd.cluster").mkdir()
    (tmp_path / "l.0123abcd.cluster").symlink_to(tmp_path / "thesis.tex")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / OURS[0]).touch()
    return tmp_path


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_only_files_of_our_names_go(folder: Path) -> None:
    assert sorted(path.name for path in clean_dir(folder, confirm=True)) == sorted(OURS)
    assert left(folder) == sorted([*OTHERS, "below", "d.0123abcd.cluster", "l.0123abcd.cluster"])
    assert (folder / "below" / OURS[0]).exists()


@pytest.mark.parametrize(("answer", "gone"), [("y", True), ("YES", True), ("n", False), ("", False)])
def test_it_asks_first(folder: Path, monkeypatch: pytest.MonkeyPatch, answer: str, gone: bool) -> None:
    asked: list[str] = []

    def answer_it(question: str) -> str:
        asked.append(question)
        return answer

    monkeypatch.setattr("builtins.input", answer_it)
    assert bool(clean_dir(folder)) is gone
    assert f"delete these 4 files from {folder}? [y/N]" in asked[0]
    assert all(name in asked[0] for name in OURS)
    assert (OURS[0] in left(folder)) is not gone


def test_without_anybody_to_answer_nothing_goes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(question: str) -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", nobody)
    before = left(folder)
    assert clean_dir(folder) == []
    assert left(folder) == before


def test_an_empty_folder_asks_nothing(tmp_path: Path) -> None:
    assert clean_dir(tmp_path, ask=lambda question: pytest.fail(question)) == []


def test_another_suffix(tmp_path: Path) -> None:
    (tmp_path / "a.0123abcd.mine.out").touch()
    assert find_job_files(tmp_path) == []
    assert len(find_job_files(tmp_path, "mine")) == 1


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="can't be read: No such file"):
        clean_dir(tmp_path / "none")


def test_files_that_functions_returned_are_removed_with_their_folder(tmp_path: Path) -> None:
    folder = tmp_path / "work.0123abcd.cluster.3.files"
    folder.mkdir()
    (folder / "big.dat").touch()
    (tmp_path / "work.0123abcd.cluster.exit").mkdir()
    assert clean_dir(tmp_path, confirm=True) == [folder]
    assert [path.name for path in tmp_path.iterdir()] == ["work.0123abcd.cluster.exit"]
