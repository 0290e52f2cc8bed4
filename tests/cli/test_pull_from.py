"""`distribute pull --from`: results come from another machine by ssh and rsync, whole and verified."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from distribute_cli.pulling.remotes import BadRemote, parse_remote
from tests.cli.conftest import SpoolBuilder
from tests.cli.daemons import on_terminal
from tests.lab import Lab, program
from tests.lab.ssh import SshLab

ROOT = "the spool's $HOME `x` dir"
COMMAND = "mkdir distribute_save/deep; echo {0} >'distribute_save/deep/a b $x.txt'; head -c 300000 /dev/zero >distribute_save/zeros"


@pytest.fixture(scope="module")
def spool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A spool with a finished batch, at a path that a shell would read otherwise."""
    folder = tmp_path_factory.mktemp("far")
    with Lab(folder / ROOT) as lab:
        lab.steward()
        lab.node("alpha")
        jobs = {"one": COMMAND.format(1), "two": COMMAND.format(2), "bad": "exit 3"}
        lab.wait_finished(lab.batch("b", jobs, retries=1))
        return lab.spool.root


def pull(ssh: SshLab, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program("distribute"), "pull", *arguments],
        cwd=cwd,
        env={**os.environ, **ssh.env, "DISTRIBUTE_SPOOL": ""},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def listing(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_results_are_those_of_the_archive(ssh_lab: SshLab, spool: Path, tmp_path: Path) -> None:
    done = pull(ssh_lab, tmp_path, "--from", f"{ssh_lab.login}:{spool}", "lab/b", "--attempts")
    assert done.returncode == 0, done.stderr
    pulled = listing(tmp_path / "distribute-results")
    expected = listing(spool / "archive")
    del expected["lab/b/batch.json"]
    assert pulled == expected
    assert "lab/b/bad~1/.job.json" in pulled

    again = pull(ssh_lab, tmp_path, "--from", f"{ssh_lab.login}:{spool}", "lab/b", "--json")
    assert {file["action"] for file in json.loads(again.stdout)["files"]} == {"present"}


def test_only_what_is_wanted_travels(ssh_lab: SshLab, spool: Path, tmp_path: Path) -> None:
    archive = spool / "archive"
    done = pull(ssh_lab, tmp_path, "--from", f"{ssh_lab.login}:{archive}", "lab/b", "-f", "deep", "-x", "two")
    assert done.returncode == 0, done.stderr
    assert sorted(listing(tmp_path / "distribute-results/lab/b")) == ["one/.job.json", "one/deep/a b $x.txt"]


def test_a_dry_pull_writes_nothing(ssh_lab: SshLab, spool: Path, tmp_path: Path) -> None:
    done = pull(ssh_lab, tmp_path, "--from", f"{ssh_lab.login}:{spool}", "lab/b", "--dry")
    assert done.returncode == 0, done.stderr
    assert "one/deep/a b $x.txt" in done.stdout
    assert not list(tmp_path.iterdir())


def test_half_a_file_is_completed(ssh_lab: SshLab, spool: Path, tmp_path: Path) -> None:
    half = tmp_path / "distribute-results/.distribute-pull/lab/b/one/zeros"
    half.parent.mkdir(parents=True)
    half.write_bytes(bytes(150_000))
    done = pull(ssh_lab, tmp_path, "--from", f"{ssh_lab.login}:{spool}", "lab/b")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "distribute-results/lab/b/one/zeros").read_bytes() == bytes(300_000)
    assert [path.name for path in (tmp_path / "distribute-results").iterdir()] == ["lab"]


def test_a_damaged_file_is_not_accepted(ssh_lab: SshLab, spool: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-a", str(spool / "archive"), str(copy)], check=True)
    (copy / "lab/b/one/zeros").write_bytes(b"1" * 300_000)
    (copy / "lab/b/two/deep/a b $x.txt").unlink()
    (copy / "lab/b/two/deep/a b $x.txt").symlink_to("/etc/passwd")
    done = pull(ssh_lab, tmp_path, "--from", f"{ssh_lab.login}:{copy}", "lab/b")
    assert done.returncode == 1
    assert "one/zeros isn't what was archived" in done.stderr
    pulled = listing(tmp_path / "distribute-results/lab/b")
    assert "one/zeros" not in pulled
    assert "two/deep/a b $x.txt" not in pulled
    assert "two/zeros" in pulled


def test_jobs_without_a_result_are_told(ssh_lab: SshLab, spool: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-a", str(spool / "archive"), str(copy)], check=True)
    (copy / "lab/b/two").rename(tmp_path / "two")
    done = pull(ssh_lab, tmp_path, "--from", f"{ssh_lab.login}:{copy}", "lab/b")
    assert done.returncode != 0
    assert "1 job has no result in lab/b (no result yet): two" in done.stderr
    assert (tmp_path / "distribute-results/lab/b/one/zeros").is_file()


def test_a_folder_of_this_machine_will_do(ssh_lab: SshLab, spool: Path, tmp_path: Path) -> None:
    done = pull(ssh_lab, tmp_path, "--from", str(spool), "lab/b")
    assert done.returncode == 0, done.stderr


def test_nothing_is_drawn_over_what_ssh_asks(
    builder: SpoolBuilder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ssh = tmp_path / "ssh"
    ssh.write_text(
        "#!/bin/sh\nprintf 'password: ' >/dev/tty; read answer </dev/tty; echo denied >&2; exit 255\n"
    )
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    with on_terminal(builder.spool, "pull", "--from", "anna@far:b", "lab/b") as terminal:
        terminal.read_until("password: ")
        terminal.type(b"secret\n")
        terminal.read_until("denied")
        assert terminal.process.wait(20) == 1
    asked, _, _ = terminal.shown.partition("denied")
    assert asked.startswith("asking anna@far:b")
    assert "\x1b[" not in asked


def test_what_is_not_there_is_told(ssh_lab: SshLab, spool: Path, tmp_path: Path) -> None:
    done = pull(ssh_lab, tmp_path, "--from", f"{ssh_lab.login}:{spool}", "lab/none")
    assert done.returncode == 4
    assert f"there is no lab/none in {ssh_lab.login}:" in done.stderr
    assert "schedule_jobs.sh" in done.stderr


def test_a_machine_that_does_not_answer_is_told(ssh_lab: SshLab, tmp_path: Path) -> None:
    done = pull(ssh_lab, tmp_path, "--from", "nobody@127.0.0.1:/x", "lab/b")
    assert done.returncode == 1
    assert "nobody@127.0.0.1:/x can't be read" in done.stderr


def test_another_machine_does_not_steer_the_terminal(tmp_path: Path) -> None:
    ssh = tmp_path / "bin" / "ssh"
    ssh.parent.mkdir()
    ssh.write_text("#!/bin/sh\nprintf '\\033]0;mine\\007 no\\n' >&2; exit 255\n")
    ssh.chmod(0o755)
    done = subprocess.run(
        [program("distribute"), "pull", "--from", "host:/x", "lab/b"],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{ssh.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert r"host:/x can't be read: \x1b]0;mine\x07 no" in done.stderr


@pytest.mark.parametrize(
    "text",
    [
        "-oProxyCommand=touch x:/y",
        "anna@-oProxyCommand=x:/y",
        "-anna@host:/y",
        "-v:/y",
        "anna@-v:/y",
        "host",
        "host:",
        ":/y",
        "a b@host:/y",
        "host name:/y",
        "host:/y\nz",
        "rsync://host/y",
        "host::module",
        "",
    ],
)
def test_what_names_no_folder_is_refused(text: str) -> None:
    with pytest.raises(BadRemote, match="names no folder"):
        parse_remote(text)


def test_an_option_is_never_passed_to_ssh(ssh_lab: SshLab, tmp_path: Path) -> None:
    done = pull(ssh_lab, tmp_path, "--from", f"-oProxyCommand=touch {tmp_path}/made:/y", "lab/b")
    assert done.returncode == 2
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("text", "login", "folder"),
    [
        ("anna@hpc.example.org:runs/b", "anna@hpc.example.org", "runs/b"),
        ("hpc:~/runs", "hpc", "runs"),
        ("hpc:a:b c", "hpc", "a:b c"),
        ("anna@[::1]:/x", "anna@[::1]", "/x"),
        ("/here", "", "/here"),
    ],
)
def test_logins_and_folders_are_told_apart(text: str, login: str, folder: str) -> None:
    assert (parse_remote(text).login, parse_remote(text).folder) == (login, folder)
