"""The conversation on a runner's control socket, whose messages keep their bounds (SOCK_SEQPACKET).

A request of the daemon is one line of JSON, in pieces, because a message has a largest size and an
environment has none. The runner answers with what stands in the first line of ``started.json``, or with
why it refused, after which it takes the next request. After a start it says ``ENDED`` once the record
stands, and takes the next request then.
"""

from __future__ import annotations

import json
import socket
from typing import Any

ENDED = b"ended"
_REFUSED = b"refused: "

_PIECE_BYTES = 65536  # whatever the system's limit for a message is, it is more
_LINE_END = b"\n"


def send_request(control: socket.socket, request: dict[str, object]) -> None:
    """Raises ConnectionError if the runner is gone."""
    line = json.dumps(request).encode() + _LINE_END
    for begin in range(0, len(line), _PIECE_BYTES):
        control.send(line[begin : begin + _PIECE_BYTES])


def receive_request(control: socket.socket) -> dict[str, Any] | None:
    """The next request; None if the daemon is gone, be it in the middle of one."""
    line = b""
    while not line.endswith(_LINE_END):
        try:
            piece = control.recv(_PIECE_BYTES)
        except ConnectionResetError:  # it left something unread
            return None
        if not piece:
            return None
        line += piece
    request: dict[str, Any] = json.loads(line)
    return request


def refuse(control: socket.socket, why: str) -> None:
    tell(control, _REFUSED + why.encode())


def read_refusal(answer: bytes) -> str | None:
    """Why a request was refused; None if it was not."""
    return answer.removeprefix(_REFUSED).decode() if answer.startswith(_REFUSED) else None


def tell(control: socket.socket, message: bytes) -> None:
    try:
        control.send(message)
    except ConnectionError:
        # The daemon is gone. The job goes on all the same, and the next daemon finds its page.
        return
