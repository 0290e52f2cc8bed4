"""`distribute run [JOBFILE]`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from distribute_cli.commands.pull import JOB_FILE
from distribute_cli.errors import Incomplete, NotFound
from distribute_cli.output import clean, json_option, make_progress, print_json, tell
from distribute_cli.signals import Interrupts

if TYPE_CHECKING:
    from distribute_cli.reports.running import RunJob, RunReport
    from distribute_cli.running.following import Follower
    from distribute_cli.running.save_dir import SaveDir
    from distribute_cli.running.screen import Screen
    from distribute_compute_config import JobFile, LoadedJobFile
    from spoold.local_node import LocalNode
    from spoold.private import PrivateSpool

_CANCEL_S = 30.0
_END_S = 30.0
_STDERR_LINES = 5
_STDERR_BYTES = 4096
_BAD_SHOWN = 10


@dataclass(frozen=True, slots=True)
class _Order:
    """What is to be run: ``loaded`` has the wanted jobs alone."""

    path: Path
    loaded: LoadedJobFile
    cores: int
    labelled: tuple[str, ...]
    verbose: bool

    @property
    def key(self) -> str:
        meta = self.loaded.jobfile.meta
        return f"{meta.namespace}/{meta.batch_name}"

    @property
    def inputs(self) -> frozenset[str]:
        """The paths that it names."""
        return frozenset(one.path for one in self.loaded.inputs())

    @property
    def base(self) -> Path:
        """Where its inputs are found from."""
        return self.path.absolute().parent


@click.command()
@click.argument("jobfile", default=JOB_FILE, type=click.Path(path_type=Path))
@click.option(
    "--save-dir",
    default="distribute-run",
    show_default=True,
    type=click.Path(path_type=Path),
    help="A new folder for the results: SAVE_DIR/archived_files/JOB/...",
)
@click.option("--clean-save", is_flag=True, help="Remove what an earlier run has put there.")
@click.option(
    "--job", "jobs", metavar="NAME", multiple=True, help="Only this job, and what it depends on; repeatable."
)
@click.option("--cores", type=click.IntRange(min=1), help="Cores to use; else all physical ones.")
@click.option("--verbose", is_flag=True, help="Show the exact command of the build and of each job.")
@json_option
def command(
    jobfile: Path,
    save_dir: Path,
    clean_save: bool,
    jobs: tuple[str, ...],
    cores: int | None,
    verbose: bool,
    as_json: bool,
) -> None:
    """Run a batch on this machine alone: no lab, no spool, no daemon that stays.

    The jobs are built and run as a workstation of a lab would do it; what they print is shown as it comes.
    Ctrl-C ends them, and keeps the results that are there.
    """
    from distribute_cli.running.save_dir import SaveDir
    from distribute_cli.running.screen import Screen

    order = _prepare(jobfile, jobs, cores, verbose)
    save = SaveDir(save_dir)
    with Interrupts() as interrupts, Screen(order.labelled, stdout_is_taken=as_json) as screen:
        report = _run(order, save, clean_save, screen, interrupts)
    if as_json:
        print_json(report)
    _tell_end(report)


def _prepare(path: Path, wanted: tuple[str, ...], cores: int | None, verbose: bool) -> _Order:
    """Raises DistributeError where something tells that the batch can't run here."""
    from distribute_cli.running.machine import find_lacking, require_size
    from distribute_cli.running.selection import list_remarks, reduce, select
    from distribute_compute_config import dump_text, load_text, load_with_inputs
    from nodewatch.config import measure

    loaded = load_with_inputs(path)
    jobfile = loaded.jobfile
    names = select(jobfile, wanted)
    reduced = reduce(jobfile, names)
    machine, _ = measure(cores, None, None, "")
    require_size(reduced, machine)
    for remark in list_remarks(jobfile, wanted, names, find_lacking(reduced, machine)):
        tell(f"note: {remark}")
    if reduced != jobfile:
        loaded = load_text(dump_text(reduced), loaded.source)
    return _Order(path, loaded, machine.cores, _list_labelled(reduced), verbose)


def _list_labelled(jobfile: JobFile) -> tuple[str, ...]:
    """The names of the jobs, if several may run at a time."""
    from distribute_compute_config import effective_resources

    asked = [effective_resources(jobfile, job) for job in jobfile.jobs]
    sharing = any(one.cores or one.memory or one.gpus is not None for one in asked)
    return tuple(job.name for job in jobfile.jobs) if sharing and len(asked) > 1 else ()


def _run(order: _Order, save: SaveDir, clean_save: bool, screen: Screen, interrupts: Interrupts) -> RunReport:
    from distribute_cli.running.command_log import CommandLog
    from distribute_cli.running.following import Follower
    from distribute_cli.words import count
    from spoold.private import open_private

    save.claim(clean_save, [order.path, *(order.base / one for one in order.inputs)])
    jobs, cores = count(len(order.loaded.jobfile.jobs), "job"), count(order.cores, "core")
    tell(f"{order.key}: {jobs} on {cores} of this machine")
    try:
        private = open_private(save.place)
        with _node_on_leash(private, order) as node:
            drop = _submit(order, private, interrupts)
            node.ensure()
            commands = CommandLog(node.log) if order.verbose else None
            follower = Follower(private, node, order.key, drop, save, screen, commands, interrupts.check)
            return _follow(follower, screen)
    finally:
        save.release()


@contextmanager
def _node_on_leash(private: PrivateSpool, order: _Order) -> Iterator[LocalNode]:
    """A node that ends with this process, whatever becomes of it, and its jobs too. Raises NodeFailed."""
    from spoold.local_node import LocalNode, NodeFailed, NodeOptions

    capabilities = tuple(order.loaded.jobfile.meta.capabilities)
    theirs, ours = os.pipe()
    node = LocalNode(private, NodeOptions(order.cores, capabilities, leash=theirs, verbose=order.verbose))
    try:
        yield node
    finally:
        os.close(ours)
        os.close(theirs)
        if not node.wait_end(_END_S):
            hint = f"end it: kill -9 {node.pid}\nsee: {node.log}"
            raise NodeFailed("the node doesn't end", node.last_lines(), hint)


def _submit(order: _Order, private: PrivateSpool, interrupts: Interrupts) -> Path:
    from spoold.private import submit

    with make_progress() as progress:
        size_bytes = sum((order.base / one).stat().st_size for one in order.inputs)
        task = progress.add_task("reading inputs", total=size_bytes)

        def advance(size_bytes: int) -> None:
            interrupts.check()
            progress.advance(task, size_bytes)

        return submit(private, order.loaded, order.base, advance)


def _follow(follower: Follower, screen: Screen) -> RunReport:
    from spoold.polling import FOR_EVER_S

    try:
        follower.follow(FOR_EVER_S)
    except BaseException:
        _stop(follower, screen)
        raise
    return follower.collect()


def _stop(follower: Follower, screen: Screen) -> None:
    """End what runs, and keep the results that are there; what ended us is told by the caller."""
    screen.muted = True
    if follower.cancel():
        screen.tell("stopping the jobs that run; what they have saved is kept")
        follower.follow(_CANCEL_S)
    with suppress(NotFound):
        follower.collect()


def _tell_end(report: RunReport) -> None:
    """What came of it, and where it is; raises Incomplete if not every job is done."""
    from distribute_cli.ending import describe
    from distribute_cli.reports.running import find_bad

    key, counts, results = f"{report.namespace}/{report.batch}", report.counts, report.results
    if counts.done == counts.total:
        tell(f"{key}: {describe(counts)}; results: {results}")
        return
    bad = find_bad(report)
    for job in bad[:_BAD_SHOWN]:
        _tell_bad(job)
    if len(bad) > _BAD_SHOWN:
        tell(f"and {len(bad) - _BAD_SHOWN} more")
    build = f"\nwhat the build printed: {report.build_output}" if report.build_output else ""
    raise Incomplete(f"{key}: {describe(counts)} of {counts.total}", "", f"results: {results}{build}")


def _tell_bad(job: RunJob) -> None:
    """Why a job isn't done, and the last lines of its standard error."""
    assert job.state is not None
    tell(clean(f"{job.job} {job.state.value}: {job.reason or 'see its output'}"))
    if job.folder is None:
        return
    for line in _read_last_lines(job.folder / "stderr.txt"):
        tell(f"  {clean(line)}")
    tell(f"  its files: {job.folder}")


def _read_last_lines(path: Path) -> list[str]:
    """The last few lines of a text file; none if there is no such file."""
    with suppress(FileNotFoundError), open(path, "rb") as opened:
        opened.seek(max(0, os.fstat(opened.fileno()).st_size - _STDERR_BYTES))
        return opened.read().decode(errors="replace").splitlines()[-_STDERR_LINES:]
    return []
