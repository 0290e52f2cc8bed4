"""What travels with a job to a machine of a lab, which sees the spool and nothing else of ours."""

from __future__ import annotations

import shlex
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from cluster.engines.protocol import JobPlan
from cluster.functions import runner
from cluster.functions.packing import slice_call
from cluster.functions.runner import PYTHON, SHIPPED_NAME
from cluster.scripts import TASK_VARIABLE, read_interpreter
from cluster.spools.dropping import Piece, Shipped

#: What a function's files are called there, and what it leaves in the archive begins with.
CALL_NAME, RUNNER_NAME, LEFT = "function.call", "function_runner.py", "function"
_SCRIPT_NAME = "job_file.sh"
#: Zip files know no time before this; always the same, so that the file is.
_EPOCH = (1980, 1, 1, 0, 0, 0)


def say_function_command() -> str:
    """Run the function with the Python that packed it, if it is there; else the runner says what is wrong."""
    words = f"-u input/{RUNNER_NAME} input/{CALL_NAME} distribute_save/{LEFT}"
    choose = f'exec "$(command -v python{PYTHON} || command -v python3 || echo python3)"'
    return f"export PYTHONSAFEPATH=1; {choose} {words}"


@contextmanager
def packed(plan: JobPlan) -> Iterator[list[Piece]]:
    """The jobs of the plan's batch, with files that are there only meanwhile. Raises OSError, ValueError."""
    script = Shipped(plan.files.script, _SCRIPT_NAME)
    with TemporaryDirectory(prefix="cluster-") as made:
        folder = Path(made)
        common = (script, *(_support(folder) if plan.is_function else ()))
        if plan.tasks is None:
            call = (Shipped(plan.files.call, CALL_NAME),) if plan.is_function else ()
            yield [Piece(plan.files.name, f"exec bash {_SCRIPT_NAME}", (*common, *call))]
            return
        pieces = []
        for task in range(plan.tasks):
            call = (_slice(plan.files.call, task, folder),) if plan.is_function else ()
            command = f"{TASK_VARIABLE}={task} exec bash {_SCRIPT_NAME}"
            pieces.append(Piece(str(task), command, (*common, *call)))
        yield pieces


def say_script_command(script: Path) -> tuple[str, Shipped]:
    """How a job file that was made elsewhere is run there, and as what it travels."""
    words = [*read_interpreter(script), f"./{_SCRIPT_NAME}"]
    return f"exec {shlex.join(words)}", Shipped(script, _SCRIPT_NAME)


def _slice(call: Path, task: int, folder: Path) -> Shipped:
    """The call of one task alone, so that nobody copies the others' arguments."""
    path = folder / f"{task}.call"
    path.write_bytes(slice_call(call, task))
    return Shipped(path, CALL_NAME)


def _support(folder: Path) -> tuple[Shipped, ...]:
    """What runs a call: the runner, and the very cloudpickle that packed it."""
    return Shipped(Path(runner.__file__), RUNNER_NAME), Shipped(_zip_cloudpickle(folder), SHIPPED_NAME)


def _zip_cloudpickle(folder: Path) -> Path:
    import cloudpickle

    path = folder / SHIPPED_NAME
    home = Path(cloudpickle.__file__).parent
    with zipfile.ZipFile(path, "w") as archive:
        for source in sorted(home.glob("*.py")):
            archive.writestr(zipfile.ZipInfo(f"cloudpickle/{source.name}", _EPOCH), source.read_bytes())
    return path
