"""Options as the lines that stand at the top of a job's script."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cluster import logme
from cluster.kinds import JOB_ID, Kind, sanitise
from cluster.modes import Mode, current_mode
from cluster.options.checking import check_arguments, find_option
from cluster.options.groups import ALLOWED_KWDS, NORMAL, Option

PREFIXES = {Mode.SLURM: "#SBATCH", Mode.TORQUE: "#PBS"}
_OF_NODES = ":"
_SPECIAL_TO_SLURM = "#'\"\\"
_MAIL_LETTERS = {"begin": "b", "end": "e", "fail": "a", "all": "abe", "none": "n"}


def option_to_string(option: str, value: object = None, qtype: Mode | str | None = None) -> str:
    """The line of a job's script that says this option to the current queue, or to ``qtype``.

    Empty, with a debug message, if the option means nothing there; and for a switch that is off.
    Raises OptionsError, TypeError and ValueError as ``check_arguments`` does.
    """
    known, mode = find_option(option), current_mode(qtype)
    # A switch alone is one that is on.
    value = True if value is None and known.kind is Kind.SWITCH else value
    if value is None:
        return ""
    sanitised = sanitise(known.name, known.kind, value)
    form = _form(known, mode)
    if form is None:
        return ""
    text = _fill(known, mode, form, sanitised)
    if text and form.startswith(_OF_NODES):
        text = f"-l nodes=1{text}"
    return f"{PREFIXES[mode]} {text}" if text else ""


def options_to_string(options: Mapping[str, object], qtype: Mode | str | None = None) -> str:
    """The lines of all of these options; to Torque, what belongs to a request for nodes is one line.

    Raises OptionsError, TypeError and ValueError as ``check_arguments`` does.
    """
    mode = current_mode(qtype)
    checked = check_arguments(options)
    texts, of_nodes = [], ""
    # In the order of the table, in which nodes come after cores: the request is put together at its end.
    for name, known in ALLOWED_KWDS.items():
        form = _form(known, mode) if name in checked else None
        if form is None:
            continue
        text = _fill(known, mode, form, checked[name])
        if form.startswith(_OF_NODES):
            of_nodes += text
        elif name != "nodes" or mode is not Mode.TORQUE:
            texts.append(text)
    if mode is Mode.TORQUE and (of_nodes or "nodes" in checked):
        texts.append(f"-l nodes={checked.get('nodes', 1)}{of_nodes}")
    return "\n".join(f"{PREFIXES[mode]} {text}" for text in texts if text)


def _form(option: Option, mode: Mode) -> str | None:
    """The option's form in this mode; None, with a debug message, if it has none there but elsewhere."""
    form = {Mode.SLURM: option.slurm, Mode.TORQUE: option.torque}.get(mode)
    elsewhere = option.slurm or option.torque or (option.name in NORMAL and mode in PREFIXES)
    if form is None and elsewhere:
        logme.log(f"{option.name} is no option of a {mode} job's script: left out", "debug")
    return form


def _fill(option: Option, mode: Mode, form: str, value: Any) -> str:
    if option.kind is Kind.SWITCH or value == 0:
        return form if value else ""
    join = option.sjoin if mode is Mode.SLURM else option.tjoin
    if not isinstance(value, list):
        return form.format(_quote(option, mode, str(value)))
    items = [_item(option, mode, one) for one in value]
    for item in items:
        if join and join in item:
            raise ValueError(f"{option.name}={item!r}: it may not have a {join!r} in it")
    return form.format(_quote(option, mode, join.join(items))) if items else ""


def _item(option: Option, mode: Mode, value: object) -> str:
    if option.kind is Kind.JOBS:
        return _job_id(option, value)
    text = str(value)
    if option.name == "mail_type" and mode is Mode.TORQUE:
        return _letters(text)
    return text


def _job_id(option: Option, job: object) -> str:
    """Of a job that was submitted: what its ``id`` says, or itself."""
    known = getattr(job, "id", job)
    text = str(known)
    if known is None or not JOB_ID.fullmatch(text):
        raise ValueError(f"{option.name}={job!r} is not the id of a job; has it been submitted?")
    return text


def _letters(moment: str) -> str:
    try:
        return _MAIL_LETTERS[moment.lower()]
    except KeyError:
        known = ", ".join(_MAIL_LETTERS)
        raise ValueError(f"mail_type={moment!r} is nothing to Torque; it knows {known}") from None


def _quote(option: Option, mode: Mode, text: str) -> str:
    """As one word. To Slurm a backslash is an escape in all quotes; Torque knows quotes and no escapes."""
    if mode is Mode.SLURM:
        if not any(c.isspace() or c in _SPECIAL_TO_SLURM for c in text):
            return text
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if '"' in text or "'" in text:
        raise ValueError(f"{option.name}={text!r}: Torque's scripts can't have quotes in it")
    return f'"{text}"' if " " in text else text
