"""Names of tickets: read back as written, nothing else is read, and every path that they make fits."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from distribute_compute_config.names import NAME_PATTERN, is_name
from spoold.layout import Layout
from spoold.tickets import MOVES, TERMINAL, State, Ticket, parse_tickets

NAME_MAX_BYTES = 255
names = st.from_regex(NAME_PATTERN, fullmatch=True)
attempts = st.integers(1, 999_999_999)
tickets = st.builds(Ticket, names, attempts, st.none() | names)


@given(tickets)
def test_a_ticket_is_read_as_it_was_written(ticket: Ticket) -> None:
    assert Ticket.parse(str(ticket)) == ticket
    assert str(Ticket.parse(str(ticket))) == str(ticket)


@given(st.text(alphabet=string.ascii_letters[:3] + "019~@._-/\n\0 é", max_size=20) | st.text())
@example("a~0")
@example("a~01")
@example("a~1@")
@example("a~1@b@c")
@example("a~1\n")
@example("a~1234567890")
@example("a~١")
@example(".a~1")
def test_what_is_read_is_exactly_what_a_ticket_writes(text: str) -> None:
    try:
        ticket = Ticket.parse(text)
    except ValueError:
        assert parse_tickets([text]) == []
        return
    assert str(ticket) == text
    assert is_name(ticket.job)
    assert ticket.node is None or is_name(ticket.node)
    assert ticket.attempt >= 1


def test_garbage_is_no_ticket() -> None:
    good = ["b~2@n", "a~1"]
    bad = ["", ".nfs000", "a", "~1", "a~", "a~x", "a~1~2", "a~1@n@m", "a~-1", "a b~1", "a~1@../x"]
    assert [str(t) for t in parse_tickets(good + bad)] == ["a~1", "b~2@n"]


@given(tickets, names)
def test_holder_and_attempt(ticket: Ticket, node: str) -> None:
    assert ticket.held_by(node).node == node
    assert ticket.next_attempt() == Ticket(ticket.job, ticket.attempt + 1)
    assert ticket.attempt_name == str(Ticket(ticket.job, ticket.attempt))


def test_every_path_of_the_layout_fits_a_file_name() -> None:
    longest = "x" * 100
    ticket = Ticket(longest, 999_999_999, longest)
    layout = Layout(Path("/spool"))
    batch = layout.batch(longest, longest)
    node = layout.node(longest)
    paths = [
        batch.kill(longest),
        batch.build_mark(longest, ok=False),
        *(batch.ticket(state, ticket) for state in State),
        node.log(longest, longest, ticket, "stdout"),
        layout.archived_job(longest, longest, longest),
        layout.archived_attempt(longest, longest, ticket),
        layout.build_output(longest, longest, longest),
        layout.staging(longest, longest, ticket),
        layout.store_object("ab" * 32),
    ]
    for path in paths:
        assert max(len(part) for part in path.parts) <= NAME_MAX_BYTES, path


def test_no_move_leaves_done_and_none_ends_where_it_began() -> None:
    assert all(move.source is not move.target and move.source is not State.DONE for move in MOVES.values())
    assert {state for state in State if state.terminal} == TERMINAL


@pytest.mark.parametrize("state", [s for s in State if s is not State.HELD])
def test_every_state_can_be_reached_from_held(state: State) -> None:
    reached = {State.HELD}
    for _ in State:
        reached |= {m.target for m in MOVES.values() if m.source in reached}
    assert state in reached
