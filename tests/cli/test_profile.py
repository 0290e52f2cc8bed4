"""`distribute profile` and `distribute keywords`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cluster.options import ALLOWED_KWDS, SLURM_KWDS
from distribute_cli.exit_codes import ExitCode
from tests.cli.conftest import Run

RunJson = Callable[..., Any]


class TestProfile:
    def test_set_show_list_delete(self, run: Run, run_json: RunJson, tmp_path: Path) -> None:
        said = run("profile", "set", "small", "cpus=2", "memory=2GB", "features=a,b").stdout
        assert said == "small: cores=2 mem=2048 features=a,b\n"
        run("profile", "set", "small", "walltime=1h", "features=")
        assert run("profile", "show", "small").stdout.splitlines() == ["cores=2", "mem=2048", "time=01:00:00"]
        keywords = {"cores": 2, "mem": 2048, "time": "01:00:00"}
        assert run_json("profile", "show", "small") == {"profile": "small", "keywords": keywords}
        listed = run_json("profile", "list")["profiles"]
        assert [one["profile"] for one in listed] == ["default", "small"]
        text = run("profile", "list").stdout
        assert "small    cores=2 mem=2048 time=01:00:00" in text
        assert f"kept in {tmp_path / 'config/distribute/cluster.ini'}" in text
        run("profile", "set", "small", "nodes=1", "--replace")
        assert run("profile", "show", "small").stdout == "nodes=1\n"
        assert run("profile", "delete", "small").stdout == "deleted small\n"
        assert run("profile", "delete", "default").stdout == "default is as at first\n"

    def test_what_is_shown_can_be_typed_again(self, run: Run, run_json: RunJson) -> None:
        """With texts of every kind: blanks, commas, quotes."""
        import shlex

        given = [
            "imports=from os import path, sep",
            "outfile=it's mine",
            'syspaths=["/a,b", "/c"]',
            "nice=-3",
        ]
        run("profile", "set", "one", *given)
        run("profile", "set", "two", *shlex.split(run("profile", "show", "one").stdout))
        one, two = (run_json("profile", "show", name)["keywords"] for name in ("one", "two"))
        assert one == two
        assert one["imports"] == ["from os import path, sep"]
        assert one["syspaths"] == ["/a,b", "/c"]

    @pytest.mark.parametrize(
        ("words", "code", "complaint"),
        [
            (["show", "smal"], ExitCode.NOT_FOUND, "there is no profile 'smal': there are default, small"),
            (["delete", "smal"], ExitCode.NOT_FOUND, "did you mean small?"),
            (["set", "small", "mem=lots"], ExitCode.USAGE, "accepted: 12G, 512M"),
            (["set", "small", "cores=many"], ExitCode.USAGE, "cores must be a whole number above 0"),
            (["set", "small", "cores"], ExitCode.USAGE, "'cores' is not KEYWORD=VALUE"),
            (["set", "small", "imports=[1"], ExitCode.USAGE, "imports"),
            (["set", "small"], ExitCode.USAGE, "Missing argument"),
            (["set", "small", "core=1"], ExitCode.FAILURE, "did you mean cores?"),
            (["set", "a/b", "cores=1"], ExitCode.FAILURE, "profile 'a/b'"),
        ],
    )
    def test_bad_input(self, run: Run, words: list[str], code: ExitCode, complaint: str) -> None:
        run("profile", "set", "small", "cores=1")
        assert complaint in run("profile", *words, code=code).stderr
        assert run("profile", "show", "small").stdout == "cores=1\n"


class TestKeywords:
    def test_all_of_them(self, run: Run, run_json: RunJson) -> None:
        listed = run_json("keywords")["keywords"]
        assert [one["name"] for one in listed] == list(_in_groups())
        text = run("keywords").stdout
        assert all(f"\n{name} " in text for name in ALLOWED_KWDS)

    def test_found_by_name_synonym_or_description(self, run_json: RunJson) -> None:
        assert [one["name"] for one in run_json("keywords", "WALLTIME")["keywords"]] == ["time"]
        assert [one["name"] for one in run_json("keywords", "graphics")["keywords"]] == ["gpus"]
        assert run_json("keywords", "nothing-of-that")["keywords"] == []

    def test_of_one_queue(self, run_json: RunJson) -> None:
        names = {one["name"] for one in run_json("keywords", "--queue", "slurm")["keywords"]}
        assert names == set(SLURM_KWDS)

    def test_nothing_found_is_an_error_with_close_names(self, run: Run) -> None:
        said = run("keywords", "partitoin", code=ExitCode.NOT_FOUND).stderr
        assert said == "error: no keyword tells of 'partitoin'\n  did you mean partition?\n"


def _in_groups() -> list[str]:
    from cluster.options import CLUSTER_CORE, CLUSTER_OPTS, COMMON, NORMAL, SLURM, TORQUE

    return [name for group in (COMMON, NORMAL, CLUSTER_CORE, CLUSTER_OPTS, TORQUE, SLURM) for name in group]
