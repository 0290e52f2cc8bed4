"""What a node is told, by whom, and what it says to nonsense, before anything is touched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from spoold.snapshot import read_node
from spoold.spool import FORMAT
from tests.lab import Lab, program


def refuse(lab: Lab, code: int, *words: str, arguments: tuple[str, ...] = (), name: str = "refused") -> None:
    """Start a node that ends at once, with that code and those words, and leaves no trace in the spool."""
    before = sorted(path for path in lab.spool.root.rglob("*"))
    daemon = lab.node(name, *arguments, ready=False)
    assert daemon.wait() == code, daemon.said
    assert [word for word in words if word not in daemon.said] == [], daemon.said
    assert sorted(path for path in lab.spool.root.rglob("*")) == before


def test_flags_then_environment_then_file(lab: Lab) -> None:
    config = lab.folder / "nodewatch.yaml"
    config.write_text(
        "name: filed\ncores: 1\ncapabilities: [from-file, gone]\nwithout: [gone, gcc]\ncache_size: 30000000\n"
    )
    lab.node("alpha", "--config", str(config), env={"NODEWATCH_CORES": "1", "NODEWATCH_NAME": "environed"})
    info = read_node(lab.spool, "alpha")
    assert info is not None
    assert (info.name, info.cores) == ("alpha", 2)
    assert {"alpha", "python3", "from-file"} <= set(info.capabilities)
    assert not {"gone", "gcc"} & set(info.capabilities)

    own = lab.folder / ".config/distribute/nodewatch.yaml"
    own.parent.mkdir(parents=True)
    own.write_text(
        f"name: filed\nspool: {lab.spool.root}\nscratch: {lab.folder}/s\ncores: 5\nsteward: false\n"
    )
    argv = [program("nodewatch")]
    for env, name, cores in (
        ({}, "filed", 5),
        ({"NODEWATCH_NAME": "environed", "NODEWATCH_CORES": "4"}, "environed", 4),
    ):
        daemon = lab._start(name, argv, lab.folder / "s", env)
        lab.wait(lambda n=name: read_node(lab.spool, n), 10, f"{name} is there\n{daemon.said}")
        info = read_node(lab.spool, name)
        assert info is not None
        assert info.cores == cores
        assert daemon.terminate() == 0
        assert "steward of" not in daemon.said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nam: alpha", ["unknown key 'nam'", "known are"]),
        (
            "nam: a\ncapabilities: gcc\nwithout: g\n",
            ["unknown key 'nam'", "capabilities: [gcc]", "without: [g]"],
        ),
        ("- alpha", ["no mapping"]),
        ("name: [", ["can't be read", "line 1"]),
        ("capabilities: gcc", ["capabilities is no list", "capabilities: [gcc]"]),
        ("capabilities: ['g++ 12']", ["g++ 12", "a name is"]),
        ("cache_size: many", ["many"]),
        ("cores: 0", ["cores"]),
    ],
)
def test_a_bad_file(lab: Lab, text: str, words: list[str]) -> None:
    config = lab.folder / "nodewatch.yaml"
    config.write_text(text)
    env = {"PATH": os.environ["PATH"], "HOME": str(lab.folder)}
    daemon = lab._start(
        "filed",
        [program("nodewatch"), "--config", str(config), "--spool", str(lab.spool.root)],
        lab.folder / "s",
        env,
    )
    assert daemon.wait() == 2, daemon.said
    assert [word for word in words if word not in daemon.said] == [], daemon.said
    assert not list(lab.spool.layout.nodes.iterdir())


def test_bad_flags_and_places(lab: Lab) -> None:
    refuse(lab, 2, "error: node '../up'", "a name is 1 to 100", arguments=("--name", "../up"))
    refuse(lab, 2, "--cache-size", arguments=("--cache-size", "big"))
    refuse(lab, 2, "--capabilitee", arguments=("--capabilitee", "x"))
    refuse(lab, 3, "is not a spool", "distribute init", arguments=("--spool", str(lab.folder)))
    blocked = lab.folder / "file"
    blocked.touch()
    refuse(lab, 1, "error: ", str(blocked), arguments=("--scratch", str(blocked / "scratch")))


def test_a_scratch_that_is_none(lab: Lab) -> None:
    """Nothing is made in a folder that is somebody's, nor in the spool."""
    root = lab.spool.root
    home = lab.folder / "home"
    home.mkdir()
    (home / "thesis.tex").touch()
    (lab.folder / "link").symlink_to(root)
    for place, word in (
        (root, "lie one in the other"),
        (root / "nodes" / "alpha", "lie one in the other"),
        (lab.folder / "link" / "scratch", "lie one in the other"),
        (root.parent, "lie one in the other"),
        (home, "it holds 'thesis.tex'"),
    ):
        refuse(lab, 1, str(place), word, "--scratch", arguments=("--scratch", str(place)))
    assert [path.name for path in home.iterdir()] == ["thesis.tex"]


def test_a_scratch_that_was_used_before(lab: Lab) -> None:
    scratch = lab.folder / "s"
    for name in ("lost+found", "cache"):
        (scratch / name).mkdir(parents=True)
    first = lab.node("alpha", scratch=scratch)
    assert first.terminate() == 0
    (scratch / "notes.txt").touch()
    lab.node("alpha", scratch=scratch)


def test_a_spool_of_a_newer_format(lab: Lab) -> None:
    settings = lab.spool.layout.settings
    settings.write_text(settings.read_text().replace(f"format: {FORMAT}", f"format: {FORMAT + 1}"))
    refuse(lab, 3, f"has format {FORMAT + 1}", "upgrade distribute")
    assert not (lab.folder / "scratch").exists()


def test_one_daemon_a_name_and_a_scratch(lab: Lab, tmp_path: Path) -> None:
    first = lab.node("alpha")
    second = lab.node("alpha", scratch=tmp_path / "other", ready=False)
    third = lab.node("beta", scratch=first.scratch, ready=False)
    assert third.wait() == 1
    assert f"{first.scratch} is used by another nodewatch" in third.said
    assert "--scratch" in third.said
    assert second.wait() == 1
    assert f"node 'alpha' runs already on {os.uname().nodename} (pid {first.pid})" in second.said
    assert "--name" in second.said
    key = lab.batch("unharmed", {"a": "true"})
    lab.wait_finished(key)
    assert first.process.poll() is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is warned")
def test_root_is_warned(lab: Lab) -> None:
    assert "start it as the service user" in lab.node("alpha").said
