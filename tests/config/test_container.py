"""The command line of a job in a container."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from distribute_compute_config.container import Folders, container_argv, imply_capabilities

PLAIN = Folders("/c/image.sif", "/t/save", "/t/input", "/a/work", (("/a/0", "/solver/out"), ("/a/1", "/x y")))
OPTIONS = "run --pid --no-eval --contain --home /home/distribute --pwd / --workdir /a/work"
BINDS = "/t/save:/distribute_save:rw,/t/input:/input:rw,/a/0:/solver/out:rw,/a/1:/x y:rw"


def test_it_names_every_folder_and_the_cores() -> None:
    argv = container_argv(PLAIN, 4, gpu=False)
    expected = ("apptainer", *OPTIONS.split(), "--app", "distribute", "--bind", BINDS, "/c/image.sif", "4")
    assert argv == expected


def test_with_a_card_it_brings_the_driver_along() -> None:
    with_card = container_argv(PLAIN, 4, gpu=True, binary="singularity")
    assert with_card[0] == "singularity"
    assert [word for word in with_card[1:] if word != "--nv"] == list(container_argv(PLAIN, 4, gpu=False)[1:])
    assert with_card.index("--nv") < with_card.index("--app")


@pytest.mark.parametrize("special", list(':,\\"'))
def test_what_divides_binds_is_quoted_as_in_csv(special: str) -> None:
    argv = container_argv(Folders("/i", f"/a{special}b", "/in", "/w"), 1, gpu=False)
    doubled = special * (2 if special == '"' else 1)
    assert "--bind" not in argv
    mounts = [argv[index + 1] for index, word in enumerate(argv) if word == "--mount"]
    assert mounts == [
        f'type=bind,"source=/a{doubled}b","destination=/distribute_save"',
        'type=bind,"source=/in","destination=/input"',
    ]


def test_the_page_shows_this_command() -> None:
    page = (Path(__file__).parents[2] / "docs" / "apptainer.md").read_text()
    (shown,) = re.findall(r"^(apptainer run .*?)^```", page, re.M | re.S)
    folders = Folders("IMAGE", "SAVE", "INPUT", "WORK", (("MOUNT", "/solver/scratch"),))
    argv = [*container_argv(folders, 1, gpu=True)[:-1], "CORES"]
    assert shown.replace("[--nv]", "--nv").split() == argv


def test_what_a_node_must_have() -> None:
    assert imply_capabilities(None) == ("apptainer",)
    assert imply_capabilities("aarch64") == ("apptainer", "aarch64")
