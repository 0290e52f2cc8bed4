"""Which jobs fit no node."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from distribute_cli.reports.sizing import find_oversized, fits
from spoold.records import Resources

GIB = 1024**3


@dataclass(frozen=True)
class Node:
    """What a node has."""

    cores: int
    memory_bytes: int
    gpus: int = 0


SMALL, LARGE = Node(4, 64 * GIB), Node(16, 8 * GIB, 2)


@pytest.mark.parametrize(
    ("needs", "said"),
    [
        (Resources(), []),
        (Resources(16, 8 * GIB, 2), []),
        (Resources(gpus=0), []),
        (Resources(cores=17), ["more cores than any capable node has (16): a"]),
        (Resources(memory_bytes=65 * GIB), ["more memory than any capable node has (64.0 GiB): a"]),
        (Resources(gpus=3), ["more GPUs than any capable node has (2): a"]),
        (Resources(cores=16, memory_bytes=9 * GIB), ["no capable node has at once what is asked for by: a"]),
        (
            Resources(cores=1, memory_bytes=9 * GIB, gpus=1),
            ["no capable node has at once what is asked for by: a"],
        ),
        (
            Resources(cores=17, memory_bytes=65 * GIB),
            [
                "more cores than any capable node has (16): a",
                "more memory than any capable node has (64.0 GiB): a",
            ],
        ),
    ],
)
def test_what_no_node_has(needs: Resources, said: list[str]) -> None:
    found = find_oversized({"a": needs, "b": Resources(1)}, [SMALL, LARGE])
    assert [one.text for one in found] == said
    assert {job for one in found for job in one.jobs} <= {"a"}


def test_without_any_cards_there_is_no_number_to_tell() -> None:
    assert fits(Resources(gpus=2), LARGE)
    found = find_oversized({"a": Resources(gpus=1)}, [SMALL])
    assert [one.text for one in found] == ["no capable node has a GPU, which is asked for by: a"]
