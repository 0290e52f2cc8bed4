"""``notify.yaml`` and the token's file: what is wrong in them is refused, named, and told how to mend."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from spoold.notices.places import find_settings
from spoold.notices.settings import (
    BadSettings,
    CommandSettings,
    MatrixSettings,
    Settings,
    read_settings,
    read_token,
)
from tests.spool.conftest import needs_root

MATRIX = (
    "matrix:\n  homeserver: https://matrix.example.org/\n  user: '@bot:example.org'\n  token_file: token\n"
)


def read(folder: Path, text: str) -> Settings:
    path = folder / "notify.yaml"
    path.write_text(text)
    return read_settings(path)


def test_both_ways(tmp_path: Path) -> None:
    settings = read(tmp_path, MATRIX + "command: [/bin/tell, --loud]\ncommand_timeout: 2m\n")
    assert settings == Settings(
        MatrixSettings("https://matrix.example.org", "@bot:example.org", tmp_path / "token"),
        CommandSettings(("/bin/tell", "--loud"), 120.0),
    )


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8008", "127.1.2.3", "[::1]:80"])
def test_a_token_may_go_to_this_machine_without_https(tmp_path: Path, host: str) -> None:
    settings = read(tmp_path, MATRIX.replace("https://matrix.example.org/", f"http://{host}"))
    assert settings.matrix and settings.matrix.homeserver == f"http://{host}"


WRONG = {
    "": "no mapping",
    "{}": "neither matrix: nor command:",
    "- a": "no mapping",
    "matrix: {": "YAML",
    "matrix: &a {}": "anchors are not allowed;",
    "matrx: {}": "did you mean matrix?",
    "matrix: {}": "matrix.homeserver is missing",
    "matrix: 3": "matrix is no mapping",
    MATRIX + "matrix: {}": "stands in this mapping already",
    MATRIX.replace("token_file", "token"): "unknown key 'token'",
    MATRIX.replace("https:", "http:"): "without https others could read the token",
    MATRIX.replace("https://matrix.example.org/", "matrix.example.org"): "no address",
    MATRIX.replace("https://", "https://me:secret@"): "no address",
    MATRIX.replace("https://matrix.example.org/", "https://[::1"): "write it as https://",
    MATRIX.replace("@bot:example.org", "@bot"): "its server is missing",
    MATRIX.replace("token\n", '"a\\0b"\n'): "NUL character",
    MATRIX.replace("@bot:example.org", "bot"): "is no Matrix user",
    "command: tell me": "command is no list of texts",
    "command: []": "command is no list of texts",
    "command: [tell]": "isn't absolute",
    "command: [/bin/tell, 3]": "command is no list of texts",
    "command: [/bin/tell]\ncommand_timeout: soon": "command_timeout",
    "command: [/bin/tell]\ncommand_timeout: 2h": "more than an hour",
    MATRIX + "command_timeout: 2m": "there is no command:",
}


@pytest.mark.parametrize("text", WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_is_said(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadSettings) as raised:
        read(tmp_path, text)
    assert WRONG[text] in str(raised.value)
    assert str(tmp_path / "notify.yaml") in str(raised.value)


def test_a_file_that_cant_be_read(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="can't be read"):
        read_settings(tmp_path)
    (tmp_path / "notify.yaml").write_bytes(b"\xff")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BadSettings, match="not a regular file"):
        read_settings(tmp_path / "pipe")
    with pytest.raises(BadSettings, match="UTF-8"):
        read_settings(tmp_path / "notify.yaml")


def test_the_users_own_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    own = tmp_path / "distribute" / "notify.yaml"
    assert find_settings() != own
    own.parent.mkdir()
    own.touch()
    assert find_settings() == own


# The token


def token_file(folder: Path, text: str = "secret_token\n", mode: int = 0o600) -> Path:
    path = folder / "token"
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_token_that_only_its_owner_can_read(tmp_path: Path, mode: int) -> None:
    assert read_token(token_file(tmp_path, mode=mode)) == "secret_token"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o601])
def test_a_token_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    path = token_file(tmp_path, mode=mode)
    with pytest.raises(BadSettings) as raised:
        read_token(path)
    assert f"chmod 600 {path}" in str(raised.value)
    assert "secret" not in str(raised.value)


@needs_root
def test_a_token_of_somebody_else_is_refused(tmp_path: Path) -> None:
    path = token_file(tmp_path)
    os.chown(path, 65534, 65534)
    with pytest.raises(BadSettings, match=f"chown {os.geteuid()} "):
        read_token(path)


def test_a_link_to_a_token_is_refused(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(token_file(tmp_path))
    with pytest.raises(BadSettings, match="a link isn't followed"):
        read_token(link)


@pytest.mark.parametrize("text", ["", "\n", "two words", "two\nlines", "x" * 5000, "é"])
def test_what_is_no_token_is_refused_and_not_shown(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadSettings) as raised:
        read_token(token_file(tmp_path, text))
    assert str(raised.value).count("token") and "words" not in str(raised.value)


def test_a_pipe_or_nothing_is_no_token(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("pipe", "nothing"):
        with pytest.raises(BadSettings):
            read_token(tmp_path / name)
