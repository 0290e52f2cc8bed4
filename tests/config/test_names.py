"""The rule for names."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distribute_compute_config import NAME_PATTERN, NAME_RULE, DistributeError, InvalidName, check_name
from distribute_compute_config.names import is_name, shorten, suggest_name
from tests.config.strategies import names

BAD = [
    *("", ".", "..", ".a", "-a", "_a", "a/b", "/a", "a b", "a\n", "\na", "a\0", "a~1", "a@n", "ä", "aä", "١"),
    *("a\x7f", "a\u2028", "a:b", "a" * 101, "x" * 300),
]


@pytest.mark.parametrize("name", BAD)
def test_a_bad_name_is_refused_with_the_rule(name: str) -> None:
    with pytest.raises(InvalidName) as caught:
        check_name("job", name)
    assert NAME_RULE in str(caught.value)
    assert str(caught.value).startswith(f"job {shorten(name)}")
    assert (caught.value.kind, caught.value.name) == ("job", name)
    assert isinstance(caught.value, DistributeError)


@pytest.mark.parametrize("name", ["a", "9", "A.b-c_d", "a" * 100, "no", "1..2", "a-"])
def test_a_good_name_is_returned(name: str) -> None:
    assert check_name("job", name) == name


def test_a_long_name_does_not_flood_the_message() -> None:
    with pytest.raises(InvalidName) as caught:
        check_name("job", "x" * 100_000)
    assert len(str(caught.value)) < 300
    assert "(100000 characters)" in str(caught.value)


@given(names)
def test_every_drawn_name_is_valid(name: str) -> None:
    assert is_name(name)


@given(st.text())
def test_the_rule_is_the_pattern_in_ascii(text: str) -> None:
    assert is_name(text) == (text.isascii() and re.fullmatch(NAME_PATTERN, text) is not None)


@given(st.text())
def test_a_suggestion_is_a_valid_name(text: str) -> None:
    assert is_name(suggest_name(text))


@given(names.filter(lambda name: name[-1].isalnum()))
def test_a_valid_name_is_its_own_suggestion(name: str) -> None:
    assert suggest_name(name) == name


@pytest.mark.parametrize(
    ("text", "near"), [("", "run_1"), ("..", "run_1"), ("ü", "u"), ("größe 1", "groe_1"), ("a/b", "a_b")]
)
def test_what_is_suggested(text: str, near: str) -> None:
    assert suggest_name(text) == near
