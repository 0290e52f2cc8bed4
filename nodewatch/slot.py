"""One place on this node: takes a job, builds its batch if need be, runs it, hands its result on.

Straight-line code in a thread of its own. Wherever the daemon dies, what stands on the local disk tells the
next one where to go on: ``resume`` does.
"""

from __future__ import annotations

import logging
import os
import time
from dataclasses import replace
from pathlib import Path
from threading import Lock

from distribute_compute_config.errors import DistributeError
from nodewatch.attempts import AttemptFolder
from nodewatch.building import BuildFailed, BuildRun, publish_build
from nodewatch.commands import note_command
from nodewatch.containers import clear, make_ready
from nodewatch.environment import build_argv, make_environment
from nodewatch.evicting import Checkpoint, plan_checkpoint
from nodewatch.folders import remove
from nodewatch.limiting import build_limits, job_limits
from nodewatch.outcomes import REQUEUED, Setback, kill_text, nothing_ran, set_back
from nodewatch.process import (
    ExitRecord,
    LauncherDied,
    LaunchFailed,
    Limits,
    Run,
    RunSpec,
    adopt,
    sweep,
    was_started,
)
from nodewatch.queue import Claimed
from nodewatch.resuming import fetch_save
from nodewatch.setbacks import Interrupted, Lost, Stopping, Vanished, cause_of
from nodewatch.takeover import take_over
from nodewatch.tools import Tools
from nodewatch.trees import Tree
from nodewatch.uploading import Upload
from spoold.losses import LossCause
from spoold.snapshot import kill_reason, read_kills
from spoold.spool import Spool

_log = logging.getLogger(__name__)

_WAIT_S = 0.5
_NO_SPACE = "the node's scratch disk is full"


class Slot:
    """Runs one attempt at a time; ``key`` is how the supervisor calls it, ``phase`` is for display.

    ``claimed`` stands until the attempt is handed on, also when the daemon ends before that.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._own_environment = dict(os.environ)
        self.claimed: Claimed | None = None
        self.key = ""
        self.phase = ""
        self.trouble = ""
        self._end_reason = ""
        self._handing = Lock()

    def run(self, claimed: Claimed) -> None:
        """From a claim to a queued upload; a job that can't be run here is given back. Raises Stopping."""
        folder = self._begin(claimed)
        try:
            folder.make()
            folder.keep_grant(claimed.grant)
            self._go_on(claimed, folder)
        except (DistributeError, OSError) as reason:
            self._lose(claimed, folder, reason)

    def resume(self, claimed: Claimed) -> None:
        """Go on with an attempt of an earlier daemon, wherever that stopped."""
        folder = self._begin(claimed)
        try:
            if folder.started():
                self._adopt(claimed, folder)
            else:
                self._go_on(claimed, folder)
        except (DistributeError, OSError) as reason:
            self._lose(claimed, folder, reason)

    def end(self, claimed: Claimed, reason: str) -> None:
        """Ask the runner to end that attempt, at once or as soon as it is started."""
        # RACE: it may have ended since the caller looked, and another job be here by now.
        with self._handing:
            if self.claimed is claimed:
                self._end_reason = reason
                self._tools.supervisor.end(self.key, reason)

    def take_over(self, claimed: Claimed) -> bool:
        """It was given back while nobody heard of this node: make it ours again. False: too late.

        Raises OSError or SpoolFull.
        """
        tools = self._tools
        # RACE: what runs here may end now, and be handed on; then the uploader does this.
        with self._handing:
            if self.claimed is not claimed:
                return True
            folder = tools.scratch.attempt(claimed.ref.namespace, claimed.ref.batch, claimed.ticket)
            taken = take_over(tools.spool, claimed.ref, claimed.ticket, tools.config.name, folder)
            if taken:
                self.claimed = replace(claimed, ticket=taken)
            return taken is not None

    def _begin(self, claimed: Claimed) -> AttemptFolder:
        with self._handing:
            self.claimed, self.key, self._end_reason = claimed, claimed.key, ""
        return self._tools.scratch.attempt(claimed.ref.namespace, claimed.ref.batch, claimed.ticket)

    def _go_on(self, claimed: Claimed, folder: AttemptFolder) -> None:
        tools, header = self._tools, claimed.header
        if tools.requeue.is_set():
            raise Interrupted(f"{self.key} isn't begun", REQUEUED)
        built = tools.scratch.tree(header.namespace, header.batch)
        if not built.ready(header):
            self._build(claimed, folder, built)
        tools.built(self.key)
        tree = self._tree(claimed)
        if not tree.ready(header):
            tree.copy_from(built)
        tree.prepare(header, claimed.job, tools.spool, tools.cache)
        if claimed.job.resume and claimed.ticket.attempt > 1:
            fetch_save(tools.spool, header.namespace, header.batch, claimed.ticket, tree.resume)
        argv = make_ready(claimed, folder.container, tree, tools.spool, tools.cache)
        self.phase = "running"
        spec = self._spec(
            claimed, argv, tree, (folder.stdout, folder.stderr), job_limits(claimed, tools.topology)
        )
        self._finish(claimed, folder, tree, self._run(folder.path, spec))

    def _tree(self, claimed: Claimed) -> Tree:
        """The one that the job works in."""
        header = claimed.header
        return self._tools.scratch.tree(header.namespace, header.batch, claimed.grant.place)

    def _spec(
        self,
        claimed: Claimed,
        argv: tuple[str, ...],
        tree: Tree,
        outputs: tuple[Path, Path],
        limits: Limits,
    ) -> RunSpec:
        grant = claimed.grant
        environment = make_environment(self._own_environment, claimed.header, claimed.ticket, tree, grant)
        contained = claimed.header.image is not None
        return RunSpec(argv, tree.path, environment, *outputs, limits=limits, contained=contained)

    def _adopt(self, claimed: Claimed, folder: AttemptFolder) -> None:
        _log.info("adopting %s/%s", claimed.ref.key, claimed.ticket)
        self.phase = "running"
        ended = self._go_on_with(folder.path, job_limits(claimed, self._tools.topology))
        self._finish(claimed, folder, self._tree(claimed), ended)

    def _finish(self, claimed: Claimed, folder: AttemptFolder, tree: Tree, ended: ExitRecord) -> None:
        folder.keep_saved(tree.save)
        clear(folder.container)
        lost = set_back(ended, folder.evicted())
        if ended.exit_code != 0 and self._tools.scratch.full():
            # What the job left behind may be what fills the disk.
            tree.remove()
            lost = lost or Setback(_NO_SPACE, LossCause.RETURNED)
            # So that the node rests, the longer the more often this happens.
            self.trouble = _NO_SPACE
        elif not lost:
            self._tools.note(claimed, ended)
        self._hand_on(folder, ended, lost)

    def _hand_on(self, folder: AttemptFolder, ended: ExitRecord, lost: Setback | None) -> None:
        with self._handing:
            claimed, self.claimed = self.claimed, None
        assert claimed is not None, "only what was begun ends"
        self._tools.upload(Upload(claimed, folder, ended, lost))

    def _build(self, claimed: Claimed, folder: AttemptFolder, tree: Tree) -> None:
        tools, header = self._tools, claimed.header
        if not header.needs_build:
            tree.make(header, tools.spool, tools.cache)
            tree.mark_ready(header)
            return
        self.phase = "building"
        build = BuildRun(folder.build)
        ended = self._run_build(claimed, build, tree)
        if ended.kill_reason:
            raise Interrupted(f"the build of {header.key} was stopped", ended.kill_reason)
        if ended.exit_code != 0 and tools.scratch.full():
            tree.remove()
            raise Lost(f"{header.key} can't be built", _NO_SPACE)
        if not publish_build(tools.spool, claimed.ref, header, tools.config.name, build, ended):
            raise BuildFailed(f"{header.key} can't be built on {tools.config.name}")
        tree.mark_ready(header)

    def _run_build(self, claimed: Claimed, build: BuildRun, tree: Tree) -> ExitRecord:
        tools = self._tools
        limits = build_limits(claimed, tools.topology)
        if was_started(build.path):
            return self._go_on_with(build.path, limits)
        remove(build.path)
        tree.make(claimed.header, tools.spool, tools.cache)
        build.path.mkdir()
        spec = self._spec(claimed, build_argv(claimed.header), tree, (build.output, build.output), limits)
        return self._run(build.path, spec)

    def _run(self, run_dir: Path, spec: RunSpec) -> ExitRecord:
        """Start a run and wait for its end. Raises Stopping, Lost, LaunchFailed or LauncherDied."""
        note_command(self.key, self.phase, spec.argv)
        try:
            run = self._tools.launcher.launch(run_dir, spec)
        except (LaunchFailed, LauncherDied):
            # RACE: it may have begun all the same. An earlier daemon died just after it had asked for it, or
            # our runner died just after it had started it.
            if not was_started(run_dir):
                raise
            return self._go_on_with(run_dir, spec.limits)
        return self._await(run, spec.limits)

    def _go_on_with(self, run_dir: Path, limits: Limits) -> ExitRecord:
        """A run that was started, and may have ended. Raises Stopping or Lost."""
        run = adopt(run_dir)
        if run is None:
            return self._exit(AttemptFolder(run_dir))
        self._tools.supervisor.adopt_paused(self.key)
        return self._await(run, limits)

    def _await(self, run: Run, limits: Limits) -> ExitRecord:
        """Wait for the end of a run; touches nothing but the run. Raises Stopping or Lost."""
        tools = self._tools
        tools.supervisor.add(self.key, run, limits, self._checkpoint())
        try:
            while not run.wait(_WAIT_S):
                reason = self._end_reason or (REQUEUED if tools.requeue.is_set() else "")
                if reason:
                    tools.supervisor.end(self.key, reason)
                elif tools.stop.is_set():
                    raise Stopping
            return self._exit(AttemptFolder(run.run_dir))
        finally:
            tools.supervisor.remove(self.key)
            run.close()

    def _checkpoint(self) -> Checkpoint | None:
        """What the job, not a build, asks for before it is evicted."""
        if self.claimed is None or self.phase != "running":
            return None
        return plan_checkpoint(self.claimed.job, self._tools.config.evict_grace_s)

    def _exit(self, folder: AttemptFolder) -> ExitRecord:
        """The record of a run whose runner is gone. Raises Lost if there is none."""
        ended = folder.exit()
        if ended is None:
            sweep(folder.path)
            raise Vanished(f"the runner in {folder.path} is gone", "nobody knows how the job ended")
        return ended

    def _lose(self, claimed: Claimed, folder: AttemptFolder, reason: Exception) -> None:
        """The job is given back, or ends if that happened too often: the uploader decides."""
        _log.warning("%s/%s is lost here: %s", claimed.ref.key, claimed.ticket, reason)
        why = str(reason).splitlines()[0]
        if isinstance(reason, BuildFailed):
            self._tools.shun(claimed.ref.key)
        elif not isinstance(reason, Interrupted):
            self.trouble = why
        self._hand_on(folder, nothing_ran(why, time.time()), Setback(why, cause_of(reason)))


def killed(spool: Spool, claimed: Claimed) -> str | None:
    """The text to stop the job with, if somebody who may do so asked for it."""
    kills = read_kills(spool, claimed.ref.folder, claimed.header.submitter_uid)
    if not kills.hits(claimed.job.name):
        return None
    return kill_text(kill_reason(spool, claimed.ref.folder, claimed.job.name))
