"""What all subcommands share: start-up, help, which spool, errors, exit codes."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from distribute_cli.exit_codes import MEANINGS, ExitCode
from distribute_cli.lazy import LazyGroup
from distribute_cli.main import COMMANDS, cli
from distribute_cli.output import clean
from distribute_cli.words import join, say_duration, say_size
from distribute_compute_config.errors import DistributeError
from spoold.tickets import State
from tests.cli.conftest import Launch, Run, SpoolBuilder
from tests.cli.daemons import cpu_bare_s, cpu_s

HEAVY = {"rich", "pydantic", "yaml", "filelock", "psutil", "watchdog", "nio", "spoold", "platformdirs"}
START_UP_CPU_S = 0.150


@pytest.mark.parametrize("words", [[], *([name] for name in COMMANDS)], ids=" ".join)
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    program = (
        "import sys; from distribute_cli.main import cli\n"
        f"try: cli([*{words!r}, '--help'])\n"
        "finally: print({m.split('.')[0] for m in sys.modules}, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = eval(done.stderr)
    assert "click" in loaded
    assert not loaded & HEAVY


def test_help_starts_fast(run: Run) -> None:
    help_s, bare_s = zip(
        *((cpu_s("-m", "distribute_cli", "--help"), cpu_bare_s()) for _ in range(5)), strict=True
    )
    # A machine on which Python takes that long by itself says nothing of us.
    assert statistics.median(help_s) < max(START_UP_CPU_S, 2.0 * statistics.median(bare_s))


def test_help_names_every_command_and_exit_code(run: Run) -> None:
    text = run("--help").stdout
    for name, summary in COMMANDS.items():
        assert f"  {name} " in text
        assert summary in text
    for code, meaning in MEANINGS.items():
        assert f"{code:>3}  {meaning}" in text


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help(run: Run, name: str) -> None:
    assert run(name, "--help").stdout.startswith(f"Usage: distribute {name}")


def test_an_unknown_command_gets_a_suggestion(run: Run) -> None:
    assert "Did you mean 'status'?" in run("statu", code=2).stderr


def test_version(run: Run) -> None:
    assert run("--version").stdout.startswith("distribute 0.")


def test_no_spool_is_set(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISTRIBUTE_SPOOL")
    said = run("status", code=3).stderr
    assert said.startswith("error: no spool is set: ")
    assert "\n  type: export DISTRIBUTE_SPOOL=" in said


def test_not_a_spool(run: Run, tmp_path: Path) -> None:
    said = run("--spool", tmp_path, "status", code=3).stderr.splitlines()
    assert said == [
        f"error: {tmp_path} is not a spool: it has no spool.yaml",
        f"  is the shared directory mounted? see: findmnt --target {tmp_path}",
        f"  or make a new spool with: distribute init {tmp_path}",
    ]


def test_a_spool_of_a_newer_format_is_not_touched(run: Run, builder: SpoolBuilder) -> None:
    builder.batch("anna/cavity", {State.PENDING: ["a~1"]})
    builder.node("alpha")
    Path("job.yaml").write_text(
        "meta: {batch_name: b, namespace: anna}\ncommand: {jobs: [{name: a, command: x}]}"
    )
    record = builder.spool.root / "spool.yaml"
    record.write_text(record.read_text().replace("format: 1", "format: 99"))
    before = sorted(builder.spool.root.rglob("*"))
    for words in (
        "status", "nodes", "explain anna/cavity", "add job.yaml", "kill anna/cavity", "retry anna/cavity",
        "pause --node alpha", "resume --node alpha", "drain alpha", "pull anna/cavity", "logs anna/cavity/a",
    ):  # fmt: skip
        said = run(*words.split(), code=3).stderr
        assert "99" in said and str(builder.spool.root) in said, words
    assert sorted(builder.spool.root.rglob("*")) == before


def test_the_spool_of_the_option_goes_before_the_others(
    run: Run, builder: SpoolBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISTRIBUTE_SPOOL", "/nowhere")
    assert "/nowhere is not a spool" in run("status", code=3).stderr
    run("--spool", builder.spool.root, "status")
    run("status", "--spool", builder.spool.root)
    # The one that stands nearer to the subcommand wins.
    run("--spool", "/nowhere", "status", "--spool", builder.spool.root)


def test_the_spool_of_the_config_file(
    run: Run, builder: SpoolBuilder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISTRIBUTE_SPOOL")
    config = tmp_path / "config" / "distribute" / "config.yaml"
    config.parent.mkdir(parents=True)
    config.write_text(f"spool: {builder.spool.root}\n")
    run("status")
    for text, why in {
        "spol: /x": "unknown key 'spol': did you mean spool?",
        "spool: relative/path": "must be an absolute path",
        "- a": "holds no keys",
        "spool: [": "can't be read",
        "spool: 7": "must be an absolute path",
    }.items():
        config.write_text(text)
        said = run("status", code=1).stderr
        assert why in said
        assert str(config) in said


@pytest.mark.parametrize("target", ["", "a/b/c/d", "../x", "a//b", "a/.b", "a b"])
def test_a_target_that_is_none(run: Run, target: str) -> None:
    assert "Error: Invalid value for '[NS[/BATCH[/JOB]]]'" in run("status", target, code=2).stderr


class _Failing(LazyGroup):
    """A group whose one subcommand raises what it is given."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(name="distribute", package="", table={"fail": ""})
        self.params = [click.Option(["--debug"], is_flag=True, expose_value=True)]
        self.callback = lambda debug: None
        self.error = error

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        def fail() -> None:
            raise self.error

        return click.Command("fail", callback=fail)


WHOLE = DistributeError("the thing", "the cause", "type this\nor that")
SEE_WHERE = "\n  see where with: distribute --debug COMMAND ...\n"


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (WHOLE, 1, "error: the thing: the cause\n  type this\n  or that\n"),
        (DistributeError("the thing"), 1, "error: the thing\n"),
        (PermissionError(13, "Permission denied", "/x"), 1, f"error: /x: Permission denied{SEE_WHERE}"),
        (ValueError("odd"), 1, f"error: ValueError: odd{SEE_WHERE}"),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED, ""),
        (click.Abort(), ExitCode.INTERRUPTED, ""),
        (click.UsageError("no such thing"), 2, "Error: no such thing\n"),
    ],
)
def test_errors_end_in_one_place(error: BaseException, code: int, said: str) -> None:
    result = CliRunner().invoke(_Failing(error), ["fail"])
    assert result.exit_code == code
    assert result.stderr.endswith(said)
    assert "Traceback" not in result.output


def test_debug_shows_where_an_error_comes_from() -> None:
    result = CliRunner().invoke(_Failing(ValueError("odd")), ["--debug", "fail"])
    assert result.exit_code == 1
    assert "Traceback" in result.stderr
    assert result.stderr.endswith("error: ValueError: odd\n")


@pytest.mark.parametrize("command", ["schema", "status"])
def test_a_closed_pipe_is_no_error(launch: Launch, command: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = launch(command, stdout=writer)
    os.close(writer)
    assert process.communicate(timeout=20)[1] == ""
    assert process.returncode == ExitCode.BROKEN_PIPE


def test_ctrl_c_gives_130(launch: Launch) -> None:
    process = launch("status", "--watch")
    assert process.stdout is not None
    assert process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20)[1] == ""
    assert process.returncode == ExitCode.INTERRUPTED


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "0 s"), (0.9, "0 s"), (119, "119 s"), (120, "2 min"), (3599, "59 min"), (3600, "1 h"),
        (4800, "1 h 20 min"), (86400, "1 d"), (180000, "2 d 2 h"), (float("nan"), "?"), (float("inf"), "?"),
    ],
)  # fmt: skip
def test_durations(seconds: float, said: str) -> None:
    assert say_duration(seconds) == said


@pytest.mark.parametrize(
    ("size_bytes", "said"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (3 << 29, "1.5 GiB"), (1 << 60, "1048576.0 TiB")],
)
def test_sizes(size_bytes: int, said: str) -> None:
    assert say_size(size_bytes) == said


@pytest.mark.parametrize(
    ("names", "said"),
    [("", ""), ("a", "a"), ("ab", "a and b"), ("abc", "a, b and c"), ("abcdefg", "a, b, c, d, e and 2 more")],
)
def test_joined_names(names: str, said: str) -> None:
    assert join(list(names)) == said


def test_text_of_others_steers_no_terminal() -> None:
    assert clean("a\x1b[31m\nb\u202e\udcffü") == "a\\x1b[31m\\nb\\u202e\\udcffü"


def complete(line: str) -> list[str]:
    """What bash would be offered at the end of ``line``."""
    words = line.split(" ")
    shell = {"_DISTRIBUTE_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    program = "from distribute_cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **shell},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return [offer.removeprefix("plain,") for offer in done.stdout.split()]


def test_shell_completion(run: Run, builder: SpoolBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    builder.batch("anna/cavity", {State.PENDING: ["one~1", "two~1"]})
    builder.batch("anna/old", {State.DONE: ["x~1@n"]}, finished=True)
    builder.batch("bob/wing", {State.PENDING: ["y~1"]})
    assert complete("distribute st") == ["status"]
    assert complete("distribute status --sp") == ["--spool"]
    assert complete("distribute status ") == ["anna", "bob"]
    assert complete("distribute status anna/") == ["anna/cavity", "anna/old"]
    assert complete("distribute logs anna/cavity/t") == ["anna/cavity/two"]
    monkeypatch.setenv("DISTRIBUTE_SPOOL", "/nowhere")
    assert complete("distribute status ") == []
    assert complete(f"distribute --spool {builder.spool.root} explain b") == ["bob"]


def test_completion_in_a_real_bash(run: Run, builder: SpoolBuilder) -> None:
    builder.batch("anna/cavity", {State.PENDING: ["one~1"]})
    script = (
        'eval "$(_DISTRIBUTE_COMPLETE=bash_source distribute)"\n'
        "COMP_WORDS=(distribute status anna/) COMP_CWORD=2\n"
        "$(complete -p distribute | grep -oP '(?<=-F )\\S+') distribute\n"
        'echo "${COMPREPLY[@]}"'
    )
    # Where the script of this environment is found.
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script], env={**os.environ, "PATH": path}, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("anna/cavity\n", "")


def test_the_group_is_what_the_script_runs() -> None:
    assert isinstance(cli, LazyGroup)


def test_a_spool_that_has_lost_a_folder(run: Run, builder: SpoolBuilder) -> None:
    root = builder.spool.root
    for name in ("nodes", "tmp"):
        (root / name).rmdir()
    for words in (["status"], ["nodes"], ["pause"]):
        error = run(*words, code=3).stderr
        assert f"the spool {root} isn't whole: it has no folder nodes, tmp" in error
        assert f"distribute --spool {root} fsck --repair" in error
    run("fsck", "--repair")
    run("status")
