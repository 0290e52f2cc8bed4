"""Synapse on a free port of loopback, with SQLite in a folder of its own."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil

from tests.support import wait_until

#: Made by ``.ci/prepare tool synapse``.
PROGRAM = Path(sys.prefix) / "tools" / "synapse" / "bin" / "python"
SERVER_NAME = "lab.test"
_FAST = {"per_second": 1000, "burst_count": 1000}
#: Whatever proxy the machine has: it isn't for loopback.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_START_S, _END_S, _ANSWER_S = 60.0, 20.0, 20.0


class Answer(Exception):
    """The server answered with an error; ``code`` is Matrix's."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(f"{status}: {body}")
        self.status, self.code = status, body.get("errcode", "")


@dataclass(frozen=True)
class Account:
    """A user of the server, logged in."""

    server: Server
    user: str
    token: str
    password: str

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The answer of the client API to ``/_matrix/client/v3/PATH``. Raises Answer."""
        return self.server.ask(method, f"/_matrix/client/v3/{path}", body, self.token)

    def invitations(self) -> list[str]:
        """The rooms that somebody wants this user in."""
        return list(self.ask("GET", "sync?timeout=0").get("rooms", {}).get("invite", {}))

    def rooms(self) -> list[str]:
        return list(self.ask("GET", "joined_rooms")["joined_rooms"])

    def accept(self) -> None:
        for room in self.invitations():
            self.ask("POST", f"join/{quote(room)}", {})

    def messages(self) -> list[dict[str, Any]]:
        """All messages of others, in all rooms that this user is in or invited to, the oldest first."""
        self.accept()
        return [event for room in self.rooms() for event in self.messages_in(room)]

    def messages_in(self, room: str) -> list[dict[str, Any]]:
        seen = self.ask("GET", f"rooms/{quote(room)}/messages?dir=b&limit=200")["chunk"]
        events = [
            one for one in reversed(seen) if one["type"] == "m.room.message" and one["sender"] != self.user
        ]
        return [{**one["content"], "event_id": one["event_id"], "room_id": room} for one in events]

    def encrypt(self, room: str) -> None:
        """Turn on encryption, as a person does in a client."""
        self.ask("PUT", f"rooms/{quote(room)}/state/m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2"})


@dataclass(frozen=True)
class Server:
    """A running server; ``url`` has no slash at its end."""

    url: str
    secret: str
    process: subprocess.Popen[bytes]

    def ask(self, method: str, path: str, body: Any = None, token: str = "") -> Any:
        """Raises Answer."""
        request = urllib.request.Request(self.url + path, method=method)
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        data = None if body is None else json.dumps(body).encode()
        try:
            with _direct.open(request, data, timeout=_ANSWER_S) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            raise Answer(error.code, json.loads(error.read() or b"{}")) from error

    def register(self, name: str, admin: bool = False) -> Account:
        """A new user ``@NAME:lab.test``."""
        path = "/_synapse/admin/v1/register"
        nonce, password = self.ask("GET", path)["nonce"], secrets.token_hex(8)
        words = [nonce, name, password, "admin" if admin else "notadmin"]
        digest = hmac.new(self.secret.encode(), "\0".join(words).encode(), hashlib.sha1)
        body = {
            "nonce": nonce,
            "username": name,
            "password": password,
            "admin": admin,
            "mac": digest.hexdigest(),
        }
        made = self.ask("POST", path, body)
        return Account(self, made["user_id"], made["access_token"], password)

    def limit(self, admin: Account, user: str, per_second: int, burst: int) -> None:
        """How many messages this user may send."""
        limits = {"messages_per_second": per_second, "burst_count": burst}
        path = f"/_synapse/admin/v1/users/{quote(user)}/override_ratelimit"
        self.ask("POST", path, limits, admin.token)


@contextmanager
def serve(folder: Path, port: int = 0) -> Iterator[Server]:
    """A server whose data are in ``folder``; a later one there goes on with them."""
    folder.mkdir(exist_ok=True)
    config = _configure(folder, port)
    log = folder / "output.log"
    argv = [str(PROGRAM), "-m", "synapse.app.homeserver", "--config-path", str(config)]
    with log.open("wb") as output:
        environ = {**os.environ, "SYNAPSE_ASYNC_IO_REACTOR": "0"}
        process = subprocess.Popen(argv, cwd=folder, stdout=output, stderr=output, env=environ)
    try:
        port = wait_until(lambda: _find_port(process, log), _START_S, what="Synapse listens")
        server = Server(f"http://127.0.0.1:{port}", (folder / "secret").read_text(), process)
        wait_until(lambda: _answers(server), _START_S, what=f"Synapse answers: {log.read_text()[-2000:]}")
        yield server
    finally:
        process.terminate()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _find_port(process: subprocess.Popen[bytes], log: Path) -> int:
    assert process.poll() is None, f"Synapse has ended:\n{log.read_text()[-4000:]}"
    with suppress(psutil.Error):
        for one in psutil.Process(process.pid).net_connections("tcp"):
            if one.status == psutil.CONN_LISTEN:
                return int(one.laddr.port)
    return 0


def _answers(server: Server) -> bool:
    try:
        return bool(server.ask("GET", "/_matrix/client/versions"))
    except (Answer, OSError):
        return False


def _configure(folder: Path, port: int) -> Path:
    secret = folder / "secret"
    if not secret.exists():
        secret.write_text(secrets.token_hex(16))
        (folder / "signing.key").write_text(f"ed25519 a {'A' * 43}\n")
    values: dict[str, Any] = {
        "server_name": SERVER_NAME,
        "listeners": [
            {
                "port": port,
                "type": "http",
                "tls": False,
                "bind_addresses": ["127.0.0.1"],
                "resources": [{"names": ["client"]}],
            }
        ],
        "database": {"name": "sqlite3", "args": {"database": str(folder / "data.db")}},
        "media_store_path": str(folder / "media"),
        "signing_key_path": str(folder / "signing.key"),
        "registration_shared_secret": secret.read_text(),
        "macaroon_secret_key": secret.read_text(),
        "form_secret": secret.read_text(),
        "bcrypt_rounds": 4,
        # Else it answers a repeated question with what it said before.
        "caches": {"sync_response_cache_duration": "0s"},
        "report_stats": False,
        "trusted_key_servers": [],
        "suppress_key_server_warning": True,
        "federation_domain_whitelist": [],
        "rc_message": _FAST,
        "rc_invites": {"per_room": _FAST, "per_user": _FAST, "per_issuer": _FAST},
        "rc_joins": {"local": _FAST, "remote": _FAST},
        "rc_login": {"address": _FAST, "account": _FAST, "failed_attempts": _FAST},
        "rc_room_creation": _FAST,
    }
    path = folder / "homeserver.yaml"
    # Every JSON text is a YAML text.
    path.write_text(json.dumps(values))
    return path
