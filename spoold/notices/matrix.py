"""A program of its own: sends one message by a Matrix home server, and prints what came of it.

An order comes as JSON on standard input, an answer goes as one line of JSON to standard output. So a home
server that hangs holds up no daemon, and the token is known to nobody else.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from distribute_compute_config.errors import DistributeError
from spoold.notices.channels import MATRIX_LIMIT_S, Outcome, Verdict
from spoold.notices.settings import read_token
from spoold.notices.summary import tell_line

_MARGIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Order:
    """What to send, by which server and as whom. ``again``: an earlier try may have sent it."""

    homeserver: str
    user: str
    token_file: str
    to: str
    id: str
    again: bool
    text: str
    html: str


def main() -> None:
    """Always answers, whatever happens; never with the token."""
    logging.disable()
    order = Order(**json.load(sys.stdin))
    try:
        token = read_token(Path(order.token_file))
    except DistributeError as error:
        answer = Outcome(Verdict.LATER, tell_line(error.line), everybody=True)
    else:
        answer = _hide(_deliver(order, token), token)
    print(json.dumps({**asdict(answer), "verdict": answer.verdict.value}))  # noqa: T201 - its output


def _deliver(order: Order, token: str) -> Outcome:
    from spoold.notices.rooms import HomeServerError, deliver

    try:
        return asyncio.run(asyncio.wait_for(deliver(order, token), MATRIX_LIMIT_S - _MARGIN_S))
    except HomeServerError as error:
        return error.outcome
    except TimeoutError:
        return Outcome(Verdict.LATER, f"{order.homeserver} doesn't answer", everybody=True)
    except Exception as error:  # noqa: BLE001 - a library's errors are many, and one line is all that is told
        return Outcome(Verdict.LATER, tell_line(f"{order.homeserver}: {_describe(error)}"), everybody=True)


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _hide(answer: Outcome, token: str) -> Outcome:
    """Nobody should put a token into an error's text; if somebody does, it isn't told."""
    values: dict[str, Any] = asdict(answer)
    return Outcome(**{**values, "why": answer.why.replace(token, "…")})


if __name__ == "__main__":
    main()
