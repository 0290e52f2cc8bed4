"""From pydantic's errors to findings in the words of a job file."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from distribute_compute_config.models import File, JobFile
from distribute_compute_config.nodes import ListNode, MapNode, Node, Scalar, find_node
from distribute_compute_config.problems import Finding, Loc
from distribute_compute_config.scalars import quote, read_plain

_WANTED = {
    "string_type": ("text is wanted", "write a word, or text in quotes"),
    "path": ("a path is wanted", "write path: and the path"),
    "bool_type": ("true or false is wanted", "write true or false, without quotes"),
    "int_type": ("a whole number is wanted", "write digits without quotes"),
    "tuple_type": ("a list is wanted", "start each item with '- '"),
    "model_type": ("a mapping is wanted", "write key: value"),
}


def translate(error: ErrorDetails, root: Node, locate: Callable[[Loc], Loc] = tuple) -> Finding:
    """The finding for one pydantic error in the data of ``root``, where ``locate`` finds what is in that."""
    loc: Loc = error["loc"]
    kind = error["type"]
    if kind == "job_file":
        return Finding(loc, error["ctx"]["why"], error["ctx"]["instead"])
    if kind == "missing":
        return _explain_missing(loc)
    if kind == "extra_forbidden":
        return _explain_unknown(loc)
    if kind == "model_type" and _find_model(loc) is File:
        kind = "path"
    if kind == "greater_than_equal":
        return Finding(loc, "the number is too small", f"write {error['ctx']['ge']} or more")
    if kind == "less_than_equal":
        return Finding(loc, "the number is too large", f"write {error['ctx']['le']} or less")
    if kind in _WANTED:
        return _explain_type(loc, kind, find_node(root, locate(loc)))
    return Finding(loc, error["msg"][:1].lower() + error["msg"][1:])


def _explain_missing(loc: Loc) -> Finding:
    model = _find_model(loc[:-1])
    field = model.model_fields[str(loc[-1])]
    example = field.examples[0] if field.examples else None
    shown = f": {example}" if isinstance(example, str) else ":"
    return Finding(loc, "it is missing", f"write {loc[-1]}{shown}")


def _explain_unknown(loc: Loc) -> Finding:
    known = list(_find_model(loc[:-1]).model_fields)
    near = get_close_matches(str(loc[-1]), known, n=1)
    instead = f"did you mean {near[0]}?" if near else f"the keys here are {', '.join(known)}"
    return Finding(loc, "there is no such key", instead, at_key=True)


def _explain_type(loc: Loc, kind: str, node: Node) -> Finding:
    wanted, instead = _WANTED[kind]
    if (
        kind in ("string_type", "path")
        and isinstance(node, Scalar)
        and node.plain
        and read_plain(node.text) is not None
    ):
        meaning = "a truth value" if isinstance(read_plain(node.text), bool) else "a number"
        return Finding(
            loc, f"YAML reads {node.text} as {meaning}, {wanted}", f"put it in quotes: {quote(node.text)}"
        )
    return Finding(loc, f"{wanted}, not {_describe(node)}", instead)


def _describe(node: Node) -> str:
    if isinstance(node, MapNode):
        return "a mapping"
    if isinstance(node, ListNode):
        return "a list"
    if not node.plain:
        return f"the text {quote(node.text[:40])}"
    return "nothing" if read_plain(node.text) is None else node.text[:40]


def _find_model(loc: Loc) -> type[BaseModel]:
    """The model that validated the mapping at ``loc``."""
    model: type[BaseModel] = JobFile
    for step in loc:
        if isinstance(step, str):
            model = _model_in(model.model_fields[step].annotation) or model
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_in(part) for part in get_args(annotation))
    return next((model for model in found if model is not None), None)
