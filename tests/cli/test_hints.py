"""Every error of the command line says what to do next."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import distribute_cli

ROOT = Path(distribute_cli.__file__).parent
#: Told as lines of a report, whose end says what to do next, or with one instruction for each mistake.
IN_A_REPORT = {"UnsafePath", "RecordError", "Stopped", "JobFileError"}
_HINT = 2


def list_errors() -> Iterator[ast.Call]:
    """Every place where an error is made."""
    trees = [ast.parse(path.read_text(), str(path)) for path in ROOT.rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    kinds = {"DistributeError"}
    classes = [node for node in nodes if isinstance(node, ast.ClassDef)]
    for _ in classes:
        kinds |= {c.name for c in classes if kinds & {ast.unparse(base) for base in c.bases}}
    for node in nodes:
        if isinstance(node, ast.Call) and ast.unparse(node.func) in kinds - IN_A_REPORT:
            yield node


def has_hint(call: ast.Call) -> bool:
    hint = call.args[_HINT] if len(call.args) > _HINT else ast.Constant("")
    return not isinstance(hint, ast.Constant) or bool(hint.value)


def test_an_error_has_a_next_step() -> None:
    assert [ast.unparse(call) for call in list_errors() if not has_hint(call)] == []


def test_the_errors_are_found() -> None:
    assert len(list(list_errors())) > 30
