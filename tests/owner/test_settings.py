"""``owner``, ``available`` and ``outside`` of nodewatch.yaml: what they come to, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from distribute_compute_config.errors import DistributeError
from nodewatch.config import read_config_file
from nodewatch.owner import AsideSettings, Outside, OwnerPolicy, Source, Unknown, read_settings


def read(folder: Path, text: str) -> AsideSettings:
    path = folder / "nodewatch.yaml"
    path.write_text(text)
    return read_settings(read_config_file(path))


def test_off_by_default(tmp_path: Path) -> None:
    for text in ("", "cores: 2", "owner: false"):
        settings = read(tmp_path, text)
        assert not settings
        assert settings == AsideSettings()


def test_defaults(tmp_path: Path) -> None:
    for text in ("owner: true", "owner: on", "owner: {}"):
        settings = read(tmp_path, text)
        assert settings and settings.owner == OwnerPolicy()


def test_everything(tmp_path: Path) -> None:
    text = (
        "owner:\n  start_idle: 10m\n  active_within: 30\n  busy_for: 0:03:00\n  continue_idle: 2m30s\n"
        "  max_suspend: never\n  load: 2\n  quiet_load: 0.75\n  sources: [load, seat]\n  unknown: busy\n"
        'available: "Sat-Sun"\noutside: finish\n'
    )
    settings = read(tmp_path, text)
    assert settings.owner == OwnerPolicy(
        600.0, 30.0, 180.0, 150.0, math.inf, 2.0, 0.75, (Source.LOAD, Source.SEAT), Unknown.BUSY
    )
    assert settings.schedule is not None and settings.schedule.text == "Sat-Sun"
    assert settings.outside is Outside.FINISH


def test_a_low_load_is_quiet_only_below_itself(tmp_path: Path) -> None:
    owner = read(tmp_path, "owner: {load: 0.1}").owner
    assert owner is not None and owner.quiet_load == 0.1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ownr: true", ["unknown key 'ownr'", "did you mean owner?"]),
        ("owner:", ["owner is no mapping", "empty", "owner: true"]),
        ("owner: [seat]", ["owner is no mapping", "['seat']"]),
        ("owner: {start_idel: 5m}", ["owner: unknown key 'start_idel'", "did you mean start_idle?"]),
        ("owner: {zzz: 5m}", ["owner: unknown key 'zzz'", "known are active_within"]),
        ("owner: {start_idle: soon}", ["owner: start_idle", "'soon'", "start_idle: 15m"]),
        ("owner: {start_idle: -5}", ["owner: start_idle", "not a positive"]),
        ("owner: {start_idle: never}", ["owner: start_idle", "'never'"]),
        ("owner: {start_idle: [1]}", ["owner: start_idle"]),
        ("owner: {load: much}", ["owner: load is no number of cores", "'much'", "load: 0.5"]),
        ("owner: {load: .nan}", ["owner: load is no number"]),
        ("owner: {load: true}", ["owner: load is no number"]),
        ("owner: {load: 1, quiet_load: 2}", ["quiet_load is above load", "2.0 > 1.0"]),
        ("owner: {sources: seat}", ["owner: sources is no list", "[seat, terminal, load]"]),
        ("owner: {sources: []}", ["owner: sources is no list"]),
        ("owner: {sources: [seats]}", ["'seats'", "did you mean seat?"]),
        ("owner: {sources: [[seat]]}", ["known are seat"]),
        ("owner: {unknown: maybe}", ["'maybe'", "known are busy, idle, ignore"]),
        ("owner: {continue_idle: 30m}", ["contradict", "active_within <= continue_idle <= start_idle"]),
        ("available: [Mon]", ["available is no text", 'available: "Mon-Fri']),
        ('available: "Mon-Fry"', ["'Mon-Fry'", "'Fry' is no day"]),
        ("outside: evict", ["there is no schedule", "available:"]),
        ('{available: "Sat", outside: kill}', ["'kill'", "known are suspend, evict, finish"]),
    ],
)
def test_refused(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(DistributeError) as caught:
        read(tmp_path, text)
    assert caught.value.exit_code == 2
    assert [word for word in words if word not in str(caught.value)] == []
