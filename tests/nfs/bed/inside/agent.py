"""Runs in a guest and does what it is told: one JSON line in, one out, a connection each."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
from threading import Thread
from typing import Any


def serve(link: socket.socket) -> None:
    with link, link.makefile("rb") as lines:
        try:
            answer = act(json.loads(lines.readline()))
        except (OSError, ValueError) as error:
            answer = {"refused": str(error)}
        try:
            link.sendall(json.dumps(answer).encode() + b"\n")
        except OSError:
            # Who asked is no longer interested.
            return


def act(request: dict[str, Any]) -> dict[str, Any]:
    environment = {**os.environ, **request["env"]}
    if request["log"]:
        return start(request["argv"], environment, request["log"])
    process = subprocess.Popen(
        request["argv"],
        cwd="/",
        env=environment,
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        out, error = process.communicate(timeout=request["within_s"])
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return {"refused": f"{request['argv']} wasn't done in {request['within_s']} s"}
    return {
        "exit_code": process.returncode,
        "out": base64.b64encode(out).decode(),
        "error": base64.b64encode(error).decode(),
    }


def start(argv: list[str], environment: dict[str, str], log: str) -> dict[str, Any]:
    with open(log, "ab") as output:
        process = subprocess.Popen(
            argv,
            cwd="/",
            env=environment,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    # Somebody must take its exit code, or it stays a zombie.
    Thread(target=process.wait, daemon=True).start()
    return {"pid": process.pid}


def main(port: int, skipped_pids: int) -> None:
    # See rc.sh. A thread takes a pid as a process does, and costs less.
    for _ in range(skipped_pids):
        thread = Thread(target=int)
        thread.start()
        thread.join()
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("0.0.0.0", port))
    listener.listen(64)
    while True:
        link, _ = listener.accept()
        Thread(target=serve, args=(link,), daemon=True).start()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
