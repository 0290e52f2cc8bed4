"""The text of job files, run by a real bash, and the names of files."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.commands import join_command
from cluster.errors import ClusterError
from cluster.naming import BadJobName, FileKind, JobFiles, check_name, is_job_file, suggest_name
from cluster.scripts import Frame, UnfitPath, check_path, output_directives, render

ODD = "a b'c\"d$e`f%j;&"


def make_frame(folder: Path, tasks: int | None = None, **more: object) -> Frame:
    return Frame(JobFiles(folder, folder, "job", "0123abcd"), folder, tasks=tasks, **more)  # type: ignore[arg-type]


def run(command: str, frame: Frame, **env: str) -> subprocess.CompletedProcess[str]:
    script = frame.files.script
    script.write_text(render(command, frame), errors="surrogateescape")
    return subprocess.run(
        ["bash", str(script)], env={**os.environ, **env}, capture_output=True, text=True, timeout=30
    )


def read(frame: Frame, kind: FileKind, task: int | None = None) -> str:
    return frame.files.written(kind, task).read_text()


def test_a_job_file_notes_how_its_command_ended(tmp_path: Path) -> None:
    folder = tmp_path / ODD
    folder.mkdir()
    frame = make_frame(folder)
    assert run("pwd; echo no >&2; exit 7", frame).returncode == 7
    assert read(frame, FileKind.OUT) == f"{folder}\n"
    assert read(frame, FileKind.ERR) == "no\n"
    assert read(frame, FileKind.EXIT) == "7\n"
    assert sorted(path.name for path in folder.iterdir()) == [
        "job.0123abcd.cluster",
        "job.0123abcd.cluster.err",
        "job.0123abcd.cluster.exit",
        "job.0123abcd.cluster.out",
    ]


def test_an_earlier_exit_code_is_gone_when_the_command_begins(tmp_path: Path) -> None:
    frame = make_frame(tmp_path)
    frame.files.written(FileKind.EXIT).write_text("0\n")
    run(f"ls {tmp_path}", frame)
    assert "exit" not in read(frame, FileKind.OUT)


def test_each_task_of_an_array_has_its_own_files(tmp_path: Path) -> None:
    folder = tmp_path / ODD
    folder.mkdir()
    frame = make_frame(folder, tasks=4)
    for variable in ("SLURM_ARRAY_TASK_ID", "PBS_ARRAYID", "PBS_ARRAY_INDEX"):
        run('echo $CLUSTER_TASK; exit "$CLUSTER_TASK"', frame, **{variable: "3"})
        assert read(frame, FileKind.OUT, 3) == "3\n"
        assert read(frame, FileKind.EXIT, 3) == "3\n"
        frame.files.written(FileKind.EXIT, 3).unlink()


@pytest.mark.parametrize(
    "command",
    [
        "echo 'never closed",
        "cat <<X\nno end",
        "exit 5",
        "exec true",
        "kill -9 $$",
        "set -e; false",
        "exit\n#SBATCH --time=1\n#PBS -l x",
        "trap '' EXIT; return 3",
    ],
)
def test_no_command_escapes_its_frame(tmp_path: Path, command: str) -> None:
    frame = make_frame(tmp_path)
    code = run(command, frame).returncode
    assert read(frame, FileKind.EXIT) == f"{code}\n"


@settings(max_examples=60)
@given(
    st.lists(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20), max_size=4
    )
)
def test_words_arrive_as_they_were_given(tmp_path_factory: pytest.TempPathFactory, words: list[str]) -> None:
    frame = make_frame(tmp_path_factory.mktemp("words"))
    run(join_command(["printf", "%s\\0"], words), frame)
    assert frame.files.written(FileKind.OUT).read_bytes() == b"".join(
        word.encode() + b"\0" for word in words or [""]
    )


def test_a_missing_module_is_a_failure(tmp_path: Path) -> None:
    frame = make_frame(tmp_path, modules=["no/such; echo injected"])
    assert run("echo ran", frame).returncode != 0
    assert read(frame, FileKind.OUT) == ""


@pytest.mark.parametrize("line", ["#SBATCH -J x\nrm -rf /", "echo hi", "#SBATCH", "#PBS -N x\r#PBS -q y"])
def test_only_directives_go_to_the_head(tmp_path: Path, line: str) -> None:
    with pytest.raises(ClusterError, match="this is no directive"):
        render("true", make_frame(tmp_path, directives=[line]))


def test_slurm_is_told_paths_with_percent_signs_and_quotes() -> None:
    files = JobFiles(Path("/jobs"), Path('/a "b" %j'), "x", "0123abcd")
    assert output_directives(files, None)[0] == '#SBATCH --output="/a \\"b\\" %%j/x.0123abcd.cluster.out"'
    assert output_directives(files, 3)[1] == '#SBATCH --error="/a \\"b\\" %%j/x.0123abcd.cluster.%a.err"'


@pytest.mark.parametrize("path", ["/a\nb", "/a\\b", "/a\tb"])
def test_paths_that_no_directive_can_say(path: str) -> None:
    with pytest.raises(UnfitPath, match="backslash or a control character"):
        check_path(Path(path))


@pytest.mark.parametrize("command", ["a\0b", "x" * 200_000])
def test_commands_that_cannot_be_run(command: str) -> None:
    with pytest.raises(ClusterError, match="can't be run as one command"):
        join_command(command)


@pytest.mark.parametrize("command", ["", "  ", []])
def test_an_empty_command(command: str | list[str]) -> None:
    with pytest.raises(ValueError, match="is no command: there is nothing in it to run"):
        join_command(command)


@pytest.mark.parametrize("command", [3, ["a", 1], b"x", None])
def test_what_is_no_command(command: object) -> None:
    with pytest.raises(TypeError, match="a job is a function, a text, a path or a list of words"):
        join_command(command)  # type: ignore[arg-type]


def test_commands_of_all_kinds() -> None:
    assert join_command("make -j 4", ["a b"]) == "make -j 4 'a b'"
    assert join_command(Path("/a b/run")) == "'/a b/run'"
    assert join_command(["echo", "$x"], [1]) == "echo '$x' 1"


@pytest.mark.parametrize("name", ["", "-x", ".x", "a b", "a/b", "a\nb", "a\n", "ä", "x" * 101])
def test_names_that_a_job_cannot_have(name: str) -> None:
    with pytest.raises(BadJobName, match="no job can be called"):
        check_name(name)


@given(st.text(max_size=60))
def test_every_command_has_a_name(command: str) -> None:
    assert check_name(suggest_name(command))


def test_names_of_files() -> None:
    files = JobFiles(Path("/jobs"), Path("/out"), "case.7", "0123abcd")
    ours = [files.script, *(files.written(kind, task) for kind in FileKind for task in (None, 12))]
    assert all(is_job_file(path.name) for path in ours)
    assert is_job_file(f"{files.written(FileKind.EXIT).name}.new")
    for name in (
        "x.cluster",
        "x.0123abcd.cluster.txt",
        "x.0123ABCD.cluster",
        "x.0123abcd.other",
        "thesis.tex",
    ):
        assert not is_job_file(name)
    assert is_job_file("x.0123abcd.other", "other")
    chosen = JobFiles(Path("/jobs"), Path("/out"), "x", "0123abcd", outfile=Path("/out/log.txt"))
    assert chosen.written(FileKind.OUT) == Path("/out/log.txt")
    assert chosen.written(FileKind.OUT, 3) == Path("/out/log.txt.3")
