"""Memory and time: what is read, what is refused, and that what is written reads back."""

from __future__ import annotations

import pytest
from hypothesis import given

from distribute_compute_config import format_duration, format_memory, parse_duration, parse_memory
from distribute_compute_config.quantities import DURATION_FORMS, MEMORY_FORMS
from tests.config.strategies import durations, memories

KIB, MIB, GIB = 1024, 1024**2, 1024**3


@pytest.mark.parametrize(
    ("written", "size_bytes"),
    [
        ("12G", 12 * GIB),
        ("512M", 512 * MIB),
        ("512m", 512 * MIB),
        ("1.5GiB", 3 * GIB // 2),
        ("2 GB", 2 * GIB),
        ("1Ti", 1024 * GIB),
        ("4K", 4 * KIB),
        ("1P", 1024**5),
        ("1024", 1024),
        ("1024B", 1024),
        (" 1G ", GIB),
        (7, 7),
    ],
)
def test_memory_is_read(written: str | int, size_bytes: int) -> None:
    assert parse_memory(written) == size_bytes


@pytest.mark.parametrize(
    "written",
    [
        "12GBB",
        "",
        "G",
        "-1G",
        "0",
        "0G",
        0,
        -5,
        "1.5",
        "0.3K",
        "1e3",
        "1_000",
        "12iB",
        "١G",
        "1G 2M",
        True,
        1.5,
    ],
)
def test_other_memory_is_refused_with_the_forms(written: str | int) -> None:
    with pytest.raises(ValueError, match="accepted: ") as caught:
        parse_memory(written)
    assert MEMORY_FORMS in str(caught.value)


@pytest.mark.parametrize(
    ("written", "duration_s"),
    [
        ("2h", 7200.0),
        ("1h30m10s", 5410.0),
        ("1d2h", 93600.0),
        ("90s", 90.0),
        ("0.25s", 0.25),
        ("1m0.5s", 60.5),
        ("1:00:00", 3600.0),
        ("100:00:01", 360001.0),
        ("2-00:00:00", 172800.0),
        ("1-01:01:01", 90061.0),
        (90, 90.0),
        (1.5, 1.5),
    ],
)
def test_a_duration_is_read(written: str | float, duration_s: float) -> None:
    assert parse_duration(written) == duration_s


@pytest.mark.parametrize(
    "written",
    [
        *(
            "",
            "90",
            "h",
            "1:30",
            "1:60:00",
            "1:00:60",
            "1:0:0",
            "-1h",
            "0s",
            "0:00:00",
            "1h-",
            "1m1h",
            "1.5h",
            "1 h",
        ),
        *("2-1:00", "inf", "nan", "1hh", "١s", 0, -1, float("inf"), float("nan"), True, 10**400),
    ],
)
def test_another_duration_is_refused_with_the_forms(written: str | float) -> None:
    with pytest.raises(ValueError, match="accepted: ") as caught:
        parse_duration(written)
    assert DURATION_FORMS in str(caught.value)


@pytest.mark.parametrize(
    ("size_bytes", "written"), [(12 * GIB, "12G"), (1536 * MIB, "1536M"), (1025, "1025"), (2048, "2K")]
)
def test_memory_is_written_in_the_shortest_exact_form(size_bytes: int, written: str) -> None:
    assert format_memory(size_bytes) == written


@pytest.mark.parametrize(
    ("duration_s", "written"),
    [(7200.0, "2h"), (5410.0, "1h30m10s"), (86400.0, "1d"), (0.25, "0.25s"), (90.5, "90.5s")],
)
def test_a_duration_is_written_in_units(duration_s: float, written: str) -> None:
    assert format_duration(duration_s) == written


@given(memories)
def test_memory_reads_back(size_bytes: int) -> None:
    assert parse_memory(format_memory(size_bytes)) == size_bytes


@given(durations)
def test_a_duration_reads_back(duration_s: float) -> None:
    assert parse_duration(format_duration(duration_s)) == duration_s


@pytest.mark.parametrize("duration_s", [5e-324, 1e-7, 1e16, 1e300])
def test_an_extreme_duration_reads_back(duration_s: float) -> None:
    assert parse_duration(format_duration(duration_s)) == duration_s


def test_what_is_no_quantity_is_not_written() -> None:
    for size_bytes in (0, -1):
        with pytest.raises(ValueError, match="positive"):
            format_memory(size_bytes)
    for duration_s in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="positive"):
            format_duration(duration_s)
