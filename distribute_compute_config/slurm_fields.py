"""The types of values in a ``slurm`` section: each is one line, and none can begin another option.

Source of the forms: sbatch(1) of Slurm 22.05.
"""

from __future__ import annotations

import re
import unicodedata
from enum import Enum
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, StrictInt, StrictStr, WithJsonSchema

from distribute_compute_config.fields import complain
from distribute_compute_config.names import shorten

CHARACTERS_MAX = 1000
TIME_FORMS = (
    '30 (minutes), "30:00", "1:00:00", "2-00", "2-00:30" or "2-00:30:00" (days-hours:minutes:seconds)'
)
MEMORY_FORMS = "10M, 2G, or a number of MiB"

_TIME_PATTERN = (
    "[0-9]{1,9}(:[0-5]?[0-9])?|[0-9]{1,9}(:[0-5]?[0-9]){2}|[0-9]{1,6}-[0-9]{1,4}(:[0-5]?[0-9]){0,2}"
)
_MEMORY_PATTERN = "[0-9]{1,9}[KMGTkmgt]?"
_WORD_PATTERN = r"[^\s\-][^\s]*"
_time = re.compile(_TIME_PATTERN, re.ASCII)
_memory = re.compile(_MEMORY_PATTERN, re.ASCII)
_UNPRINTABLE = ("Cc", "Cf", "Cs", "Zl", "Zp")


class Hint(Enum):
    """How Slurm binds tasks to cores."""

    COMPUTE_BOUND = "compute_bound"
    MEMORY_BOUND = "memory_bound"
    MULTITHREAD = "multithread"
    NOMULTITHREAD = "nomultithread"


class MailType(Enum):
    """What Slurm sends mail about."""

    NONE = "NONE"
    BEGIN = "BEGIN"
    END = "END"
    FAIL = "FAIL"
    REQUEUE = "REQUEUE"
    ALL = "ALL"
    INVALID_DEPEND = "INVALID_DEPEND"
    STAGE_OUT = "STAGE_OUT"
    TIME_LIMIT = "TIME_LIMIT"
    TIME_LIMIT_90 = "TIME_LIMIT_90"
    TIME_LIMIT_80 = "TIME_LIMIT_80"
    TIME_LIMIT_50 = "TIME_LIMIT_50"
    ARRAY_TASKS = "ARRAY_TASKS"


def _check_line(text: str) -> str:
    if not text.strip():
        raise complain("it is empty", "write some text, or leave the key out")
    if any(unicodedata.category(character) in _UNPRINTABLE for character in text):
        raise complain(f"{shorten(text)} holds a character that can't be printed", "write one line of text")
    if len(text) > CHARACTERS_MAX:
        raise complain(f"it has {len(text)} characters", f"write at most {CHARACTERS_MAX}")
    return text


def _check_word(text: str) -> str:
    _check_line(text)
    if text.startswith("-") or any(character.isspace() for character in text):
        raise complain(f"{shorten(text)} is no single word", "write it without spaces, and with no '-' first")
    return text


def _read_time(value: Any) -> Any:
    """The text of a time; a number is one of minutes, as for ``sbatch --time``."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not _time.fullmatch(text) or not re.search("[1-9]", text):
        raise complain(f"{_show(value)} is no time limit of Slurm", f"write it as {TIME_FORMS}")
    return text


def _read_memory(value: Any) -> Any:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not _memory.fullmatch(text) or not re.search("[1-9]", text):
        raise complain(f"{_show(value)} is no amount of memory of Slurm", f"write it as {MEMORY_FORMS}")
    return text.upper() if text[-1].isalpha() else f"{text}M"


def _show(value: object) -> str:
    return shorten(value) if isinstance(value, str) else repr(value)


def _read_hint(value: Any) -> Any:
    known = [hint.value for hint in Hint]
    if isinstance(value, Hint):
        return value
    if not isinstance(value, str) or value not in known:
        raise complain(f"{_show(value)} is no hint of Slurm", f"write {', '.join(known)}")
    return Hint(value)


def _read_mail_types(value: Any) -> Any:
    """``BEGIN,END``, as for sbatch, or a list."""
    if value is None:
        return None
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list | tuple):
        raise complain(f"{_show(value)} is no list", "write END, or [BEGIN, END]")
    return tuple(_read_mail_type(part) for part in parts)


def _read_mail_type(value: Any) -> MailType:
    if isinstance(value, MailType):
        return value
    word = value.strip().upper() if isinstance(value, str) else value
    known = [one.value for one in MailType]
    if word not in known:
        raise complain(f"{_show(value)} is nothing that Slurm sends mail about", f"write {', '.join(known)}")
    return MailType(word)


_words = {"minLength": 1, "maxLength": CHARACTERS_MAX}
Line = Annotated[StrictStr, AfterValidator(_check_line), Field(json_schema_extra=_words)]
"""Text of one line."""
Word = Annotated[
    StrictStr,
    AfterValidator(_check_word),
    Field(json_schema_extra={**_words, "pattern": f"^{_WORD_PATTERN}$"}),
]
"""Text without spaces that can't be taken for an option."""
Count = Annotated[StrictInt, Field(ge=1, le=1_000_000)]
SlurmTime = Annotated[
    StrictStr,
    BeforeValidator(_read_time),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1},
                {"type": "string", "pattern": f"^({_TIME_PATTERN})$"},
            ]
        }
    ),
]
"""A time limit as Slurm writes it; kept as it is written."""
SlurmMemory = Annotated[
    StrictStr,
    BeforeValidator(_read_memory),
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": f"^{_MEMORY_PATTERN}$"}]}
    ),
]
"""Memory as Slurm writes it, with its unit."""
SlurmHint = Annotated[
    Hint, BeforeValidator(_read_hint), WithJsonSchema({"enum": [hint.value for hint in Hint]})
]
MailTypes = Annotated[
    tuple[MailType, ...] | None,
    BeforeValidator(_read_mail_types),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "minLength": 1},
                {"type": "array", "items": {"enum": [one.value for one in MailType]}},
                {"type": "null"},
            ]
        }
    ),
]
"""``END``, ``BEGIN,END`` or a list."""
