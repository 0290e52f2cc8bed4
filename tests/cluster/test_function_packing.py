"""Functions as call files: what a process of its own makes of them, and what comes back."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from cluster.functions import runner
from cluster.functions.errors import RemoteError, RemoteTraceback, ResultError, Unpicklable
from cluster.functions.packing import Call, Surroundings, current_sys_path, name_function, pack, slice_call
from cluster.functions.results import read_result
from cluster.functions.runner import PYTHON, ResultFile
from tests.support import wait_until

#: Nothing around a call but what the interpreter has.
BARE = Surroundings()


class Process:
    """A call in a process, with its result."""

    def __init__(self, folder: Path, calls: Sequence[Call], around: Surroundings = BARE) -> None:
        self.calls, self.outputs = folder / "work.call", folder / "work"
        self.calls.write_bytes(pack(calls, around))
        self.folder = folder

    def argv(self, task: int | None = None) -> list[str]:
        words = [sys.executable, "-P", runner.__file__, str(self.calls), str(self.outputs)]
        return words if task is None else [*words, str(task)]

    def run(self, task: int | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.argv(task), cwd=self.folder, capture_output=True, text=True, timeout=60)

    def get(self, task: int | None = None) -> Any:
        part = "" if task is None else f".{task}"
        result, files = (self.folder / f"work{part}.{kind}" for kind in ("result", "files"))
        return read_result(result, "work", files)


def call(folder: Path, function: Any, *args: Any, around: Surroundings = BARE, **kwargs: Any) -> Any:
    process = Process(folder, [Call(function, args, kwargs)], around)
    process.run()
    return process.get()


class Model:
    def __init__(self, factor: int) -> None:
        self.factor = factor

    def scale(self, value: int) -> int:
        return self.factor * value


def make_local_class() -> Any:
    class Point:
        def __init__(self, x: int) -> None:
            self.x = x

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Point) and self.x == other.x

    return Point


def test_lambdas_closures_partials_and_keywords(tmp_path: Path) -> None:
    step = 3
    assert call(tmp_path, lambda x: x + step, 4) == 7
    assert call(tmp_path, functools.partial(lambda a, b: a - b, 10), b=4) == 6
    assert call(tmp_path, lambda *args, **kwargs: (args, kwargs), 1, k="v") == ((1,), {"k": "v"})


def test_methods_and_classes_made_on_the_way(tmp_path: Path) -> None:
    around = Surroundings(sys_path=current_sys_path())
    assert call(tmp_path, Model(6).scale, 7, around=around) == 42
    Point = make_local_class()
    back = call(tmp_path, lambda p: Point(p.x + 1), Point(1))
    assert back == Point(2) and type(back) is Point


def test_several_calls_share_a_function_and_each_task_makes_its_own(tmp_path: Path) -> None:
    big = bytes(100_000)

    def measure(x: int) -> int:
        return x * len(big)

    process = Process(tmp_path, [Call(measure, (x,)) for x in range(3)] + [Call(lambda: "other")])
    assert process.calls.stat().st_size < 2 * len(big)
    assert [process.run(task).returncode for task in (0, 2, 3)] == [0, 0, 0]
    assert [process.get(task) for task in (0, 2, 3)] == [0, 200_000, "other"]
    alone = tmp_path / "alone.call"
    alone.write_bytes(slice_call(process.calls, 3))
    assert alone.stat().st_size < 2_000


def test_a_main_module_without_a_guard_is_not_run_again(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        "from cluster.functions.packing import Call, pack\n"
        "print('the script runs')\n"
        "LIMIT = 5\n"
        "def double(x): return min(2 * x, LIMIT)\n"
        "open('work.call', 'wb').write(pack([Call(double, (4,))]))\n"
    )
    subprocess.run([sys.executable, str(script)], cwd=tmp_path, check=True)
    argv = [sys.executable, "-P", runner.__file__, "work.call", "work"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert read_result(tmp_path / "work.result", "double", tmp_path) == 5


def test_modules_beside_the_script_travel_with_their_code(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "own_helper.py").write_text("FACTOR = 5\ndef times(x): return FACTOR * x\n")
    packer = (
        "import sys, own_helper\n"
        "from cluster.functions.packing import Call, Surroundings, pack\n"
        "around = Surroundings(with_code=True)\n"
        f"open({str(tmp_path / 'work.call')!r}, 'wb').write(pack([Call(lambda x: own_helper.times(x), (2,))], around))\n"
    )
    environment = {**os.environ, "PYTHONPATH": f"{home}:{Path.cwd()}"}
    subprocess.run([sys.executable, "-c", packer], env=environment, check=True)
    argv = [sys.executable, "-P", runner.__file__, "work.call", "work"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert read_result(tmp_path / "work.result", "x", tmp_path) == 10


def test_imports_are_done_where_the_function_looks(tmp_path: Path) -> None:
    code = "def f(text):\n    return quote(text)\n"
    scope: dict[str, Any] = {"__name__": "elsewhere"}
    exec(code, scope)
    around = Surroundings(imports=("from shlex import quote",))
    assert call(tmp_path, scope["f"], "a b", around=around) == "'a b'"
    with pytest.raises(ValueError, match="is no import"):
        pack([Call(print)], Surroundings(imports=("print(1)",)))


def test_an_exception_comes_back_with_its_traceback(tmp_path: Path) -> None:
    def fail(x: int) -> None:
        raise KeyError(f"case {x}")

    process = Process(tmp_path, [Call(fail, (3,))])
    done = process.run()
    assert done.returncode == 1
    assert f'{__file__}", line' in done.stderr and "runner.py" not in done.stderr
    assert "raise KeyError" in done.stderr
    with pytest.raises(KeyError, match="case 3") as raised:
        process.get()
    assert isinstance(raised.value.__cause__, RemoteTraceback)
    assert "in fail" in str(raised.value.__cause__)


def test_an_exception_that_is_made_of_other_arguments_than_it_keeps_comes_back(tmp_path: Path) -> None:
    def fail() -> None:
        class Odd(Exception):
            def __init__(self, a: int, b: int) -> None:
                super().__init__(f"{a} and {b}")
                self.b = b

        error = Odd(1, 2)
        error.add_note("seen")
        raise error

    with pytest.raises(Exception, match="1 and 2") as raised:
        call(tmp_path, fail)
    error: Any = raised.value
    assert (type(error).__name__, error.b, error.__notes__) == ("Odd", 2, ["seen"])


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(2, "none", "here"),
        UnicodeDecodeError("ascii", b"x", 0, 1, "odd"),
        StopIteration(3),
        ImportError("none", name="this"),
    ],
)
def test_an_exception_comes_back_with_all_that_it_keeps(tmp_path: Path, error: Exception) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        call(tmp_path, fail)
    for name in ("args", "filename", "reason", "value", "name"):
        assert getattr(raised.value, name, None) == getattr(error, name, None)
    assert str(raised.value) == str(error)


def test_an_exception_that_cannot_be_made_again_is_told(tmp_path: Path) -> None:
    def fail() -> None:
        class Odd(Exception):
            def __reduce__(self) -> tuple[object, ...]:
                return int, ("x",)

        raise Odd("1 and 2")

    with pytest.raises(RemoteError, match=r"raised .*Odd: 1 and 2") as raised:
        call(tmp_path, fail)
    assert "in fail" in raised.value.traceback and raised.value.type_name.endswith("Odd")


@pytest.mark.parametrize(("code", "expected"), [(3, 3), (0, 1), ("stop", 1)])
def test_a_function_that_leaves_its_process_does_not_end_mine(
    tmp_path: Path, code: Any, expected: int
) -> None:
    process = Process(tmp_path, [Call(sys.exit, (code,))])
    assert process.run().returncode == expected
    with pytest.raises(RemoteError, match=r"left its process: sys\.exit\("):
        process.get()


def test_a_result_that_cannot_be_pickled_is_told(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match=r"returned generator: .*cannot pickle"):
        call(tmp_path, lambda: (x for x in range(3)))


def test_what_cannot_be_packed_is_named() -> None:
    lock = threading.Lock()
    with pytest.raises(Unpicklable, match=r"the function use_lock .*its variable lock, a _thread\.lock"):

        def use_lock() -> None:
            lock.acquire()

        pack([Call(use_lock)])
    with pytest.raises(
        Unpicklable, match=r"the arguments of print.*arguments\[0\]\[1\]\['at'\]\[0\], a _thread\.lock"
    ):
        pack([Call(print, (1, {"at": [lock]}))])
    with pytest.raises(Unpicklable, match=r"its self\.factor, a _thread\.lock"):
        pack([Call(Model(lock).scale)])  # type: ignore[arg-type]


def test_nobody_unpickles_what_another_python_wrote(tmp_path: Path) -> None:
    process = Process(tmp_path, [Call(os.mkdir, (str(tmp_path / "made"),))])
    text = process.calls.read_bytes().replace(f'"{PYTHON}"'.encode(), b'"2.7"', 1)
    process.calls.write_bytes(text)
    assert process.run().returncode == 1
    assert not (tmp_path / "made").exists()
    with pytest.raises(RemoteError, match=r"mkdir was packed by Python 2\.7, and this is"):
        process.get()


def test_a_result_of_another_python_is_not_unpickled(tmp_path: Path) -> None:
    evil = b"cos\nmkdir\n(V" + str(tmp_path / "made").encode() + b"\ntR."
    result = tmp_path / "work.result"
    result.write_bytes(json.dumps({"python": "2.7", "outcome": "value"}).encode() + b"\n" + evil)
    with pytest.raises(ResultError, match=rf"Python 2\.7 wrote it, and this is Python {PYTHON}"):
        read_result(result, "work", tmp_path)
    result.write_bytes(json.dumps({"python": PYTHON, "outcome": "value"}).encode() + b"\n" + evil)
    assert not (tmp_path / "made").exists()
    read_result(result, "work", tmp_path)
    assert (tmp_path / "made").exists()


def test_a_result_behind_a_link_or_of_somebody_else_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call(tmp_path, lambda: 1) == 1
    (tmp_path / "link").symlink_to(tmp_path / "work.result")
    with pytest.raises(ResultError, match="isn't read"):
        read_result(tmp_path / "link", "work", tmp_path)
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    if owner == 0:
        os.chown(tmp_path / "work.result", 4712, -1)
    with pytest.raises(ResultError, match="to read a pickle is to run a program"):
        read_result(tmp_path / "work.result", "work", tmp_path)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"[]\n", b'{"python": "%s", "outcome": "value"}\n'])
def test_a_damaged_result_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "work.result").write_bytes(content.replace(b"%s", PYTHON.encode()))
    with pytest.raises(ResultError, match="the result of work can't be read"):
        read_result(tmp_path / "work.result", "work", tmp_path)


def test_results_can_stay_files(tmp_path: Path) -> None:
    def write() -> dict[str, Any]:
        Path("big.dat").write_text("x" * 1000)
        one = ResultFile("big.dat")
        return {"first": one, "again": [one], "factory": lambda: 3}

    back = call(tmp_path, write)
    assert back["first"].path == str(tmp_path / "work.files" / "big.dat")
    with open(back["again"][0]) as file:
        assert len(file.read()) == 1000
    assert not (tmp_path / "big.dat").exists()
    assert back["factory"]() == 3


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match=r"No such file.*gone\.dat"):
        call(tmp_path, lambda: ResultFile("gone.dat"))


def test_a_result_does_not_name_files_elsewhere(tmp_path: Path) -> None:
    result = tmp_path / "work.result"
    head = json.dumps({"python": PYTHON, "outcome": "value"}).encode()
    result.write_bytes(head + b"\nccluster.functions.runner\nfind_in_results\n(V../../etc/passwd\ntR.")
    with pytest.raises(ResultError, match="is no file of the result"):
        read_result(result, "work", tmp_path)


def test_sigterm_lets_a_function_tidy_up(tmp_path: Path) -> None:
    def tidy() -> None:
        import time
        from pathlib import Path

        try:
            Path("running").touch()
            time.sleep(60)
        finally:
            Path("tidied").touch()

    process = Process(tmp_path, [Call(tidy)])
    running = subprocess.Popen(process.argv(), cwd=tmp_path)
    try:
        wait_until((tmp_path / "running").exists)
        running.send_signal(signal.SIGTERM)
        assert running.wait(20) == 143
    finally:
        running.kill()
        running.wait()
    assert (tmp_path / "tidied").exists() and not (tmp_path / "work.result").exists()


def test_files_of_a_call_are_for_their_owner_alone(tmp_path: Path) -> None:
    assert call(tmp_path, lambda: 1) == 1
    assert (tmp_path / "work.result").stat().st_mode & 0o077 == 0


def test_functions_have_names() -> None:
    assert name_function(Model.scale) == "Model.scale"
    assert name_function(functools.partial(print, 1)) == "print"
    assert name_function(lambda: 1).endswith("<lambda>")
