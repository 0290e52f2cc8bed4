"""Noticing change early where that is possible: events are hints, the rescan is what counts."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path
from threading import Event

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, ObservedWatch

from spoold.mounts import is_local

_log = logging.getLogger(__name__)

#: Reading and closing a file is no change.
_NO_NEWS = frozenset({"opened", "closed_no_write"})


class Watcher:
    """Sets ``wake`` when something changes in one of the watched folders."""

    def __init__(self, wake: Event) -> None:
        self._wake = wake
        self._observer: BaseObserver | None = None

    def start(self, folders: Iterable[Path], parents: Iterable[Path] = ()) -> None:
        """Watch ``folders``, and ``parents`` with the folders in them, but nothing further down.

        Only on a local file system: on a shared one nobody is told what other hosts do.
        """
        local = [folder for folder in (*folders, *parents) if is_local(folder)]
        if not local:
            return
        observer = Observer()
        try:
            for folder in folders:
                observer.schedule(_Waker(self._wake), str(folder), recursive=False)
            for parent in parents:
                follower = _Follower(self._wake, observer)
                observer.schedule(follower, str(parent), recursive=False)
                follower.follow(entry for entry in parent.iterdir() if entry.is_dir())
            observer.start()
        except OSError as error:
            # inotify's limits of this user are used up: the rescan notices everything a little later.
            _log.warning("not watching %s: %s", local[0], error)
            return
        self._observer = observer

    def close(self) -> None:
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()


class _Waker(FileSystemEventHandler):
    def __init__(self, wake: Event) -> None:
        self._wake = wake

    def on_any_event(self, event: FileSystemEvent) -> None:
        if event.event_type not in _NO_NEWS:
            self._wake.set()


class _Follower(_Waker):
    """Watches the folders that appear, too."""

    def __init__(self, wake: Event, observer: BaseObserver) -> None:
        super().__init__(wake)
        self._observer = observer
        self._watches: dict[str, ObservedWatch] = {}

    def follow(self, folders: Iterable[Path]) -> None:
        for folder in folders:
            self._follow(str(folder))

    def on_created(self, event: FileSystemEvent) -> None:
        if event.is_directory:
            self._follow(os.fsdecode(event.src_path))
            # RACE: something may have come into the new folder before it was watched.
            self._wake.set()

    def on_deleted(self, event: FileSystemEvent) -> None:
        watch = self._watches.pop(os.fsdecode(event.src_path), None)
        if watch:
            self._observer.unschedule(watch)

    def _follow(self, folder: str) -> None:
        try:
            self._watches[folder] = self._observer.schedule(_Waker(self._wake), folder, recursive=False)
        except OSError as error:
            # It is gone again, or inotify's limits are used up.
            _log.debug("not watching %s: %s", folder, error)
