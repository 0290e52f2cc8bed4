"""The room that two Matrix users have for themselves, and a message in it; by matrix-nio.

Such rooms stand in the sender's account data, ``m.direct``, so every host that sends knows them. A new one
gets an alias that follows from its two users: whoever makes it a second time, after a crash, finds it.

Matrix takes a transaction id once a token and room, for a day or so; later, the messages are looked through.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from nio import (
    Api,
    AsyncClient,
    AsyncClientConfig,
    DirectRoomsResponse,
    ErrorResponse,
    JoinedRoomsResponse,
    ProfileGetDisplayNameResponse,
    RoomCreateResponse,
    RoomGetStateEventResponse,
    RoomInviteResponse,
    RoomMessagesResponse,
    RoomPreset,
    RoomResolveAliasResponse,
    RoomSendResponse,
    WhoamiResponse,
)

from spoold.notices.channels import Outcome, Verdict
from spoold.notices.summary import tell_line

if TYPE_CHECKING:
    from spoold.notices.matrix import Order

T = TypeVar("T")

#: A key of the message's content: which notice it is.
ID_KEY = "org.distribute-lab.notice"
_REQUEST_S = 25.0
_MESSAGES_MAX = 100
_SERVER_ERRORS = range(500, 600)
_TAKEN = "M_ROOM_IN_USE"


class HomeServerError(Exception):
    """A home server said no; ``outcome`` says what follows."""

    def __init__(self, outcome: Outcome, code: str = "") -> None:
        super().__init__(outcome.why)
        self.outcome, self.code = outcome, code


@dataclass(frozen=True, slots=True)
class Room:
    """A room that the sender is in; ``membership`` is what the other user is there."""

    id: str
    membership: str
    encrypted: bool

    @property
    def inhabited(self) -> bool:
        """Whether the other user is there, or was asked to come."""
        return self.membership in ("join", "invite")


async def deliver(order: Order, token: str) -> Outcome:
    """Send the message, once. Raises HomeServerError, or what the network and its libraries raise."""
    config = AsyncClientConfig(max_limit_exceeded=0, max_timeouts=0, request_timeout=_REQUEST_S)
    client = AsyncClient(order.homeserver, order.user, config=config)
    client.access_token, client.user_id = token, order.user
    try:
        await _check_token(client, order)
        room, made = await _find_or_make(client, order)
        if room.encrypted:
            why = f"the room {room.id} is encrypted, and nothing is sent there in plain text; "
            why += f"{order.to} may leave it, and is then asked into another one"
            return Outcome(Verdict.REFUSED, why, room.id, made)
        if not (order.again and await _is_there(client, room.id, order.id)):
            await _send(client, room.id, order)
        return Outcome(Verdict.TOLD, "", room.id, made)
    finally:
        await client.close()


async def _check_token(client: AsyncClient, order: Order) -> None:
    me = await _ask(WhoamiResponse, client.whoami(), order.homeserver)
    if me.user_id != order.user:
        why = f"the token in {order.token_file} is {me.user_id}'s, and matrix.user is {order.user}"
        raise HomeServerError(Outcome(Verdict.LATER, why, everybody=True))


async def _send(client: AsyncClient, room: str, order: Order) -> None:
    content = {
        # By the usual rules of clients, m.notice makes no sound.
        "msgtype": "m.text",
        "body": order.text,
        "format": "org.matrix.custom.html",
        "formatted_body": order.html,
        # Whatever a job printed, it is no mention of anybody.
        "m.mentions": {},
        ID_KEY: order.id,
    }
    sent = client.room_send(room, "m.room.message", content, tx_id=order.id)
    await _ask(RoomSendResponse, sent, f"the message to {order.to}")


# Rooms


async def _find_or_make(client: AsyncClient, order: Order) -> tuple[Room, bool]:
    """The room, and whether it is new. Who left it is invited again."""
    direct = await _read_direct(client)
    noted = direct.get(order.to, [])
    joined = set((await _ask(JoinedRoomsResponse, client.joined_rooms(), "the list of rooms")).rooms)
    rooms = [await _look_at(client, room, order.to) for room in noted if room in joined]
    inhabited = [room for room in rooms if room.inhabited]
    if inhabited:
        return min(inhabited, key=lambda room: (room.encrypted, room.membership != "join")), False
    left = [room for room in rooms if not room.encrypted]
    room, made = (left[-1], False) if left else await _make(client, order, joined)
    if room.id not in noted:
        await _write_direct(client, {**direct, order.to: [*noted, room.id]})
    if not room.inhabited and not room.encrypted:
        invited = client.room_invite(room.id, order.to)
        await _ask(RoomInviteResponse, invited, f"{order.to} in {room.id}")
    return room, made


async def _make(client: AsyncClient, order: Order, joined: set[str]) -> tuple[Room, bool]:
    """A new room, unless somebody has made it who couldn't note it any more."""
    await _check_user(client, order.to)
    digest = hashlib.sha256(f"{order.user}\0{order.to}".encode()).hexdigest()
    alias = f"distribute-{digest[:24]}"
    try:
        return await _create(client, order, alias), True
    except HomeServerError as error:
        if error.outcome.verdict is Verdict.LATER:
            raise
        found = await _resolve(client, f"#{alias}:{order.user.partition(':')[2]}")
        if found and error.code != _TAKEN:
            # It was made just now, and the other user can't be invited.
            raise
    if found in joined:
        room = await _look_at(client, found, order.to)
        if room.inhabited or not room.encrypted:
            return room, False
    # The alias names a room of no use, or this server gives none.
    return await _create(client, order, None), True


async def _resolve(client: AsyncClient, alias: str) -> str:
    """The room that an alias names, if there is one."""
    try:
        found = await _ask(RoomResolveAliasResponse, client.room_resolve_alias(alias), alias)
    except HomeServerError as error:
        if error.outcome.verdict is Verdict.LATER:
            raise
        return ""
    return str(found.room_id)


async def _create(client: AsyncClient, order: Order, alias: str | None) -> Room:
    asked = client.room_create(
        alias=alias,
        name="distribute",
        topic="Batches that have ended",
        is_direct=True,
        preset=RoomPreset.trusted_private_chat,
        invite=[order.to],
    )
    made = await _ask(RoomCreateResponse, asked, f"a room for {order.to}")
    # Some home servers encrypt every new room.
    return await _look_at(client, made.room_id, order.to)


async def _look_at(client: AsyncClient, room: str, user: str) -> Room:
    return Room(room, await _membership(client, room, user), await _is_encrypted(client, room))


async def _check_user(client: AsyncClient, user: str) -> None:
    """A home server may invite somebody who doesn't exist."""
    try:
        await _ask(ProfileGetDisplayNameResponse, client.get_displayname(user), user)
    except HomeServerError as error:
        # Some servers keep the profiles of others to themselves.
        if error.code == "M_NOT_FOUND":
            raise HomeServerError(Outcome(Verdict.REFUSED, f"there is no user {user}")) from error
        if error.outcome.verdict is Verdict.LATER:
            raise


async def _membership(client: AsyncClient, room: str, user: str) -> str:
    try:
        asked = client.room_get_state_event(room, "m.room.member", user)
        state = await _ask(RoomGetStateEventResponse, asked, f"the members of {room}")
    except HomeServerError as error:
        if error.code == "M_NOT_FOUND":
            return "leave"
        raise
    return str(state.content.get("membership"))


async def _is_encrypted(client: AsyncClient, room: str) -> bool:
    """Raises HomeServerError where that can't be known."""
    try:
        asked = client.room_get_state_event(room, "m.room.encryption")
        await _ask(RoomGetStateEventResponse, asked, f"the encryption of {room}")
    except HomeServerError as error:
        if error.code == "M_NOT_FOUND":
            return False
        raise
    return True


async def _is_there(client: AsyncClient, room: str, id: str) -> bool:
    """Whether one of the last messages is this notice."""
    asked = client.room_messages(room, limit=_MESSAGES_MAX)
    seen = await _ask(RoomMessagesResponse, asked, f"the messages of {room}")
    return any(
        event.sender == client.user_id and event.source.get("content", {}).get(ID_KEY) == id
        for event in seen.chunk
    )


# Account data


async def _read_direct(client: AsyncClient) -> dict[str, list[str]]:
    """The rooms of each user. Others write this too: what has another form is left out."""
    try:
        found = await _ask(DirectRoomsResponse, client.list_direct_rooms(), "the list of direct rooms")
    except HomeServerError as error:
        if error.code == "M_NOT_FOUND":
            return {}
        raise
    return {user: list(rooms) for user, rooms in found.rooms.items() if isinstance(rooms, list)}


async def _write_direct(client: AsyncClient, direct: dict[str, list[str]]) -> None:
    """matrix-nio has no call for this one."""
    path = Api._build_path(["user", client.user_id, "account_data", "m.direct"])
    headers = {"Authorization": f"Bearer {client.access_token}", "Content-Type": "application/json"}
    answer = await client.send("PUT", path, json.dumps(direct), headers)
    body = await client.parse_body(answer)
    if answer.status != 200:
        code, text = str(body.get("errcode", "")), str(body.get("error", ""))
        raise _explain(answer.status, code, text, body.get("retry_after_ms"), "the list of direct rooms")


# Answers


async def _ask(kind: type[T], asked: Awaitable[Any], what: str) -> T:
    """The answer, if it is one of this kind. Raises HomeServerError naming ``what``."""
    response = await asked
    status = response.transport_response.status
    # Of an answer that isn't JSON, matrix-nio may make an empty success.
    if isinstance(response, kind) and status == 200:
        return response
    if isinstance(response, ErrorResponse):
        code, text = str(response.status_code or ""), str(response.message)
        raise _explain(status, code, text, response.retry_after_ms, what)
    raise _explain(status, "", "", None, what)


def _explain(status: int, code: str, text: str, retry_after_ms: Any, what: str) -> HomeServerError:
    """What follows from an error: is there another time, and for whom."""
    why = tell_line(f"{what}: {code or f'HTTP status {status}'}{': ' if text else ''}{text}")
    if status == 429 or code == "M_LIMIT_EXCEEDED":
        # Python's JSON knows NaN, after which no time would be late enough.
        known = isinstance(retry_after_ms, int | float) and retry_after_ms >= 0
        after_s = retry_after_ms / 1000 if known else None
        return HomeServerError(Outcome(Verdict.LATER, why, everybody=True, retry_after_s=after_s), code)
    # A token can be mended, and so can a server.
    if status == 401 or status in _SERVER_ERRORS or not code:
        return HomeServerError(Outcome(Verdict.LATER, why, everybody=True), code)
    verdict = Verdict.LATER if code == "M_UNKNOWN" else Verdict.REFUSED
    return HomeServerError(Outcome(verdict, why), code)
