"""The types of single values in a job file: names, paths, lists that may be left out, memory, time."""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    StrictInt,
    StrictStr,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from distribute_compute_config import container
from distribute_compute_config.names import EXAMPLE, NAME_PATTERN, NAME_RULE, is_name, shorten, suggest_name
from distribute_compute_config.quantities import (
    DURATION_FORMS,
    MEMORY_FORMS,
    format_duration,
    format_memory,
    parse_duration,
    parse_memory,
)
from distribute_compute_config.scalars import quote
from distribute_compute_config.sweeps import PARAMETER_PATTERN, Mode, Values

T = TypeVar("T")
MEMORY_MIN_BYTES = 1024**2
MEMORY_MAX_BYTES = 1024**6
GRACE_MAX_S = 3600.0
_SHORT_SIGNALS = ("TERM", "INT", "HUP", "USR1", "USR2", "CONT")
EVICT_SIGNALS = tuple(f"SIG{name}" for name in _SHORT_SIGNALS)
_SIGNALS_SHOWN = "TERM, INT, HUP, USR1, USR2 or CONT"
_matrix_id = re.compile(
    r"@[!-9;-~]+:[A-Za-z0-9.\-]+(?::[0-9]{1,5})?|@[!-9;-~]+:\[[0-9A-Fa-f:.]+\](?::[0-9]{1,5})?"
)
_MATRIX_ID_MAX = 255
#: All of them and their paths on the node stand in one argument of a command, which Linux limits to 128 KiB.
MOUNTS_MAX, _MOUNT_CHARACTERS_MAX = 100, 250
_OWN_MOUNTS = (container.INPUT, container.SAVE)
#: Of the system, and where an image has its apps.
_SYSTEM_MOUNTS = ("/dev", "/proc", "/sys", "/scif", "/.singularity.d")


def complain(why: str, instead: str = "") -> PydanticCustomError:
    """The error that a validator raises: the cause, and what to write instead."""
    message = f"{why}; {instead}" if instead else why
    # Braces are pydantic's placeholders: what a user wrote may hold some, so it goes through the context.
    return PydanticCustomError("job_file", "{message}", {"message": message, "why": why, "instead": instead})


def _check_name(text: str) -> str:
    if not is_name(text):
        near = suggest_name(text)
        instead = f"write {near}" if near != EXAMPLE else f"write another one, such as {EXAMPLE}"
        raise complain(f"{shorten(text)} is no valid name: a name is {NAME_RULE}", instead)
    return text


def check_input_name(path: str, name: str) -> None:
    """Raise where a file would get an invalid name on the node."""
    if not is_name(name):
        raise complain(
            f"the file would be called {shorten(name)} in input/, but a name is {NAME_RULE}",
            f"write an alias beside its path: {quote(path)}, for example alias: {suggest_name(name)}",
        )


def _check_text(text: str) -> str:
    if not text.strip():
        raise complain("it is empty", "write some text, or leave the key out if it may be absent")
    if "\0" in text:
        raise complain("it holds a NUL character", "remove it")
    return text


def _check_path(path: str) -> str:
    _check_text(path)
    if any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in path):
        raise complain(f"{shorten(path)} holds a control character", "rename the file")
    return path


def _check_batch_key(text: str) -> str:
    namespace, _, batch = text.partition("/")
    if not is_name(namespace) or not is_name(batch):
        raise complain(f"{shorten(text)} is no batch", "write its namespace and its name: anna/meshes")
    return text


def _read_signal(name: str) -> str:
    """``SIGUSR1`` for ``USR1`` and ``SIGUSR1``."""
    full = name if name.startswith("SIG") else f"SIG{name}"
    if full not in EVICT_SIGNALS:
        raise complain(f"{shorten(name)} is no signal that a job can ask for", f"write {_SIGNALS_SHOWN}")
    return full


def _check_grace(duration_s: float) -> float:
    if duration_s > GRACE_MAX_S:
        raise complain(f"{duration_s:g} s are more than an hour", "write 1h or less, such as 30s")
    return duration_s


def _list_one(value: object) -> object:
    return [value] if isinstance(value, str) else _empty_if_none(value)


def is_matrix_id(text: str) -> bool:
    """Whether ``text`` can be a Matrix user: ``@user:server``."""
    return len(text) <= _MATRIX_ID_MAX and _matrix_id.fullmatch(text) is not None


def _check_matrix_id(text: str) -> str:
    if not is_matrix_id(text):
        raise complain(
            f"{shorten(text)} is no Matrix user", 'write "@user:server" in quotes, or ~ for nobody'
        )
    return text


def _check_mount(path: str) -> str:
    _check_path(path)
    if len(path) > _MOUNT_CHARACTERS_MAX:
        raise complain(f"{shorten(path)} is too long", f"write at most {_MOUNT_CHARACTERS_MAX} characters")
    # normpath keeps two leading slashes, as POSIX allows them a meaning of their own.
    clean = "/" + posixpath.normpath(path).lstrip("/")
    if not path.startswith("/") or ".." in path.split("/") or re.search("[:,]", path):
        raise complain(
            f"{shorten(path)} is no absolute path without '..', ':' and ','",
            "write one such as /solver/output",
        )
    if any(clean == "/" or own == clean or clean.startswith(f"{own}/") for own in _OWN_MOUNTS):
        raise complain(f"a mount on {clean} would hide what distribute puts there", "write another folder")
    if any(system == clean or clean.startswith(f"{system}/") for system in _SYSTEM_MOUNTS):
        raise complain(f"a mount on {clean} would hide what a container needs", "write another folder")
    return path


def _check_few(mounts: tuple[str, ...]) -> tuple[str, ...]:
    if len(mounts) > MOUNTS_MAX:
        raise complain(f"{len(mounts)} mounts are too many", f"write at most {MOUNTS_MAX}")
    return mounts


def _checked(parse: Callable[[Any], T], types: tuple[type, ...], forms: str) -> Callable[[Any], T]:
    """``parse`` as a validator of values of these types; bool counts as none of them."""

    def check(value: Any) -> T:
        if isinstance(value, bool) or not isinstance(value, types):
            raise complain(f"{value!r} is not an amount", f"write it as {forms}")
        try:
            return parse(value)
        except ValueError as error:
            why, _, instead = str(error).partition("; accepted: ")
            raise complain(why, f"write it as {instead}") from None

    return check


def _check_memory(size_bytes: int) -> int:
    if size_bytes < MEMORY_MIN_BYTES:
        raise complain(
            f"{size_bytes} bytes are less than 1 MiB", f"write the unit too, such as {size_bytes}G"
        )
    if size_bytes > MEMORY_MAX_BYTES:
        raise complain(f"{size_bytes} bytes are more than 1 EiB", "write what a job needs, such as 12G")
    return size_bytes


def _check_some(jobs: tuple[T, ...]) -> tuple[T, ...]:
    if not jobs:
        raise complain("the list is empty", "write at least one job")
    return jobs


def _empty_if_none(value: object) -> object:
    return () if value is None else value


_PARAMETERS: dict[str, Any] = {
    "type": "object",
    "minProperties": 1,
    "propertyNames": {"pattern": f"^{PARAMETER_PATTERN}$", "not": {"enum": [mode.value for mode in Mode]}},
    "additionalProperties": {"type": "array", "minItems": 1, "items": {"type": ["string", "number"]}},
}
_SWEEP = {
    "anyOf": [
        _PARAMETERS,
        *(
            {
                "type": "object",
                "properties": {mode.value: _PARAMETERS},
                "required": [mode.value],
                "additionalProperties": False,
            }
            for mode in Mode
        ),
        {"type": "null"},
    ]
}


def _read_combination(value: object) -> Values:
    """A sweep with one combination; loading a file makes such ones of others."""
    if value is None:
        return ()
    if isinstance(value, tuple):
        value = {name: [text] for name, text in value}
    if not isinstance(value, dict):
        raise complain("parameters and their values are wanted", "write {re: [100, 400]}")
    values = []
    for name, texts in value.items():
        if not isinstance(texts, list | tuple) or len(texts) != 1 or not isinstance(texts[0], str):
            why = f"a sweep is expanded when a file is loaded, and here {name} must have one text"
            raise complain(why, "make one job a combination, or load the text of a job file")
        values.append((str(name), str(texts[0])))
    return tuple(values)


def _write_combination(values: Values) -> dict[str, list[str]]:
    return {name: [value] for name, value in values}


Name = Annotated[
    StrictStr, AfterValidator(_check_name), Field(json_schema_extra={"pattern": f"^{NAME_PATTERN}$"})
]
SweptName = Annotated[
    StrictStr,
    AfterValidator(_check_name),
    Field(json_schema_extra={"pattern": "^[A-Za-z0-9{][A-Za-z0-9._{}-]*$"}),
]
"""A name that may hold ``{re}`` in a job file, where the job has a sweep."""
Text = Annotated[StrictStr, AfterValidator(_check_text), Field(json_schema_extra={"minLength": 1})]
Path = Annotated[StrictStr, AfterValidator(_check_path), Field(json_schema_extra={"minLength": 1})]
MatrixId = Annotated[
    StrictStr, AfterValidator(_check_matrix_id), Field(json_schema_extra={"pattern": "^@[^:]+:.+$"})
]
Mount = Annotated[StrictStr, AfterValidator(_check_mount), Field(json_schema_extra={"pattern": "^/"})]
Several = Annotated[
    tuple[T, ...], BeforeValidator(_empty_if_none, json_schema_input_type=tuple[T, ...] | None)
]
"""A list that may be absent, ``~`` or ``[]``."""
Mounts = Annotated[Several[Mount], AfterValidator(_check_few)]
Jobs = Annotated[tuple[T, ...], AfterValidator(_check_some), Field(json_schema_extra={"minItems": 1})]
"""A list that may not be empty."""
Memory = Annotated[
    StrictInt,
    AfterValidator(_check_memory),
    BeforeValidator(_checked(parse_memory, (int, str), MEMORY_FORMS), json_schema_input_type=int | str),
    PlainSerializer(format_memory, return_type=str, when_used="json-unless-none"),
]
"""Bytes; in JSON and YAML the shortest exact form."""
Duration = Annotated[
    float,
    BeforeValidator(
        _checked(parse_duration, (int, float, str), DURATION_FORMS), json_schema_input_type=float | str
    ),
    PlainSerializer(format_duration, return_type=str, when_used="json-unless-none"),
]
"""Seconds; in JSON and YAML the shortest exact form."""
Combination = Annotated[
    Values,
    BeforeValidator(_read_combination),
    PlainSerializer(_write_combination, return_type=dict[str, list[str]]),
    WithJsonSchema(_SWEEP),
]
"""One value a parameter: what a sweep is when it has been expanded."""
BatchKeys = Annotated[
    tuple[
        Annotated[
            StrictStr,
            AfterValidator(_check_batch_key),
            Field(json_schema_extra={"pattern": f"^{NAME_PATTERN}/{NAME_PATTERN}$"}),
        ],
        ...,
    ],
    BeforeValidator(_list_one, json_schema_input_type=str | tuple[str, ...] | None),
]
"""``NAMESPACE/BATCH``, one or a list of them."""
EvictSignal = Annotated[
    StrictStr, AfterValidator(_read_signal), WithJsonSchema({"enum": [*_SHORT_SIGNALS, *EVICT_SIGNALS]})
]
Grace = Annotated[Duration, AfterValidator(_check_grace)]
"""Seconds, an hour at most."""
Priority = Annotated[StrictInt, Field(ge=-1000, le=1000)]
Retries = Annotated[StrictInt, Field(ge=0, le=100)]
