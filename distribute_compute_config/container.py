"""How a job of an apptainer batch is started: its command line, whoever runs it. Pure.

What a container sees is the same everywhere, and nothing else of the machine: ``/input``,
``/distribute_save`` and the mounts of the job file, all writable, and a ``HOME``, ``/tmp`` and ``/var/tmp``
that were empty when the job began. It starts in ``/``, so that ``input/`` and ``distribute_save/`` mean what
they do in the other kinds of batches. The rest of the image is read-only.

Options as in apptainer 1.1 and SingularityCE 3.10 or later: https://apptainer.org/docs/user/main/cli.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType

#: The app of the image that runs a job: ``%apprun distribute`` in its definition file.
APP = "distribute"
SAVE, INPUT = "/distribute_save", "/input"
HOME = "/home/distribute"
#: What can run an image, the best first; both take the same options.
BINARIES = ("apptainer", "singularity")
#: What a node must have to run an image, beside the architecture that it was built for.
CAPABILITY = "apptainer"
#: Belongs to the environment of the command: no remarks about the installation in the output of a job.
ENVIRONMENT = MappingProxyType({"APPTAINER_QUIET": "1", "SINGULARITY_QUIET": "1"})
#: Of every job. A process namespace, so that the end of its first process is the end of all. Nothing is
#: evaluated: neither the arguments nor the environment are shell text.
OPTIONS = ("--pid", "--no-eval", "--contain", "--home", HOME, "--pwd", "/")

_SPECIAL_IN_BIND = frozenset(':,\\"')


@dataclass(frozen=True, slots=True)
class Folders:
    """Where the parts of one job's container are on the machine, as absolute paths.

    ``work`` is a folder for its home and temporary files, ``mounts`` are pairs of a folder and of where it
    appears in the container. All of them are there before the container starts; ``work`` and the mounts are
    empty, and no other job has them.
    """

    image: str
    save: str
    input: str
    work: str
    mounts: tuple[tuple[str, str], ...] = ()


def container_argv(folders: Folders, cores: int, gpu: bool, binary: str = BINARIES[0]) -> tuple[str, ...]:
    """The command line of a job that has so many ``cores``; with ``gpu`` it sees NVIDIA's cards and driver.

    ``binary`` is the program or its path, see ``BINARIES``.
    """
    nv = ("--nv",) if gpu else ()
    binds = ((folders.save, SAVE), (folders.input, INPUT), *folders.mounts)
    return (
        binary, "run", *OPTIONS, "--workdir", folders.work, *nv, "--app", APP,
        *_bind(binds), folders.image, str(cores),
    )  # fmt: skip


def imply_capabilities(architecture: str | None) -> tuple[str, ...]:
    """What a node must have to run an image of that architecture (as ``uname -m`` says it; None: any)."""
    return (CAPABILITY, architecture) if architecture else (CAPABILITY,)


def _bind(binds: tuple[tuple[str, str], ...]) -> Iterator[str]:
    if not any(_SPECIAL_IN_BIND & {*source, *target} for source, target in binds):
        yield from ("--bind", ",".join(f"{source}:{target}:rw" for source, target in binds))
        return
    # In a bind colons and commas divide; a mount is a line of CSV, in which everything can be quoted.
    for source, target in binds:
        yield from ("--mount", f"type=bind,{_quote(f'source={source}')},{_quote(f'destination={target}')}")


def _quote(field: str) -> str:
    doubled = field.replace('"', '""')
    return f'"{doubled}"'
