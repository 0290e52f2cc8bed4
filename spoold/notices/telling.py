"""Telling what waits in the outbox, one notice after the other."""

from __future__ import annotations

import logging
import random
import time
from dataclasses import replace
from pathlib import Path
from threading import Event

from distribute_compute_config.errors import DistributeError
from spoold.codec import RecordError
from spoold.faults import SpoolFull
from spoold.notices import outbox
from spoold.notices.channels import Channel, Outcome, Verdict, list_channels
from spoold.notices.gathering import Standing, gather, look_up
from spoold.notices.places import find_settings
from spoold.notices.records import LOOK_ROUNDS, Box, Notice, is_due, rest_s
from spoold.notices.settings import Settings, read_settings
from spoold.notices.summary import tell_line
from spoold.snapshot import find_batch
from spoold.spool import Spool

_log = logging.getLogger(__name__)

_RETRY_AFTER_MAX_S = 3600.0


class Teller:
    """``more`` is set when there is more to tell. It ends early when ``stop`` or ``lost`` is set."""

    def __init__(self, spool: Spool, more: Event, stop: Event, lost: Event) -> None:
        self._spool, self._more, self._stop, self._lost = spool, more, stop, lost
        self._first_rest_s = LOOK_ROUNDS * spool.settings.rescan_s
        #: Until when a channel rests, monotonic seconds, and its failures in a row.
        self._rests: dict[str, float] = {}
        self._failures: dict[str, int] = {}
        self._said = ""

    def tell_all(self) -> None:
        """All that is due now. Raises OSError or SpoolFull."""
        self._more.set()
        while self._more.is_set() and not self._over():
            self._more.clear()
            path = find_settings()
            if path is None:
                return
            settings, trouble = self._read_settings(path)
            names = outbox.list_names(self._spool, Box.WAITING)
            ended = outbox.list_ended(self._spool) if names else set()
            for name in names:
                if self._over():
                    return
                if name in ended:
                    # RACE: a steward that stood still has put it again.
                    outbox.drop(self._spool, name)
                    continue
                notice = self._read(name)
                if notice is not None:
                    self._try(notice, settings, trouble)

    def _read(self, name: str) -> Notice | None:
        try:
            return outbox.read(self._spool, Box.WAITING, name)
        except RecordError as error:
            # A power failure cuts a notice only before its end was flushed. If the batch ends so, it is put
            # anew; if it was closed after all, it was retried before and has ended otherwise.
            ref = find_batch(self._spool, *name.split("~")[:2])
            if ref is not None and ref.finished:
                _log.warning("%s", error)
                outbox.drop(self._spool, name)
            return None

    def _over(self) -> bool:
        return self._stop.is_set() or self._lost.is_set()

    def _read_settings(self, path: Path) -> tuple[Settings, str]:
        """Anew each time, so that a mended file counts at once; no settings, and why, if they are wrong."""
        try:
            settings, trouble = read_settings(path), ""
        except DistributeError as error:
            settings, trouble = Settings(), tell_line(error.line)
        if trouble and trouble != self._said:
            _log.error("nobody can be told anything: %s", trouble)
        self._said = trouble
        return settings, trouble

    def _try(self, notice: Notice, settings: Settings, trouble: str) -> None:
        """One notice that can't be told must not keep the others from it. Raises SpoolFull."""
        try:
            self._handle(notice, settings, trouble)
        except RecordError as error:
            self._hinder(notice, tell_line(str(error)))
        except OSError as error:
            _log.error("%s can't be told: %s", notice.key, error)
        except SpoolFull:
            raise
        except Exception as error:  # noqa: BLE001 - it is logged whole
            _log.exception("%s can't be told", notice.key)
            self._hinder(notice, f"{type(error).__name__}, see the log")

    def _hinder(self, notice: Notice, trouble: str) -> None:
        if trouble != notice.trouble:
            _log.error("%s: nobody can be told: %s", notice.key, trouble)
        outbox.note(self._spool, self._rest(replace(notice, tries=notice.tries + 1, trouble=trouble)))

    def _handle(self, notice: Notice, settings: Settings, trouble: str) -> None:
        now = time.time()
        if notice.expires_at <= now:
            outbox.expire(self._spool, notice)
            return
        if trouble:
            if trouble != notice.trouble:
                outbox.note(self._spool, replace(notice, trouble=trouble))
            return
        channels = list_channels(settings, notice.matrix)
        if not channels:
            # Nobody wants to hear of it.
            outbox.drop(self._spool, notice.name)
            return
        ready = [one for one in channels if one.name not in notice.told and self._is_ready(one)]
        if not ready or not is_due(notice, now):
            return
        match look_up(self._spool, notice):
            case Standing.OVERTAKEN:
                _log.info("%s was retried before its end was told", notice.key)
                outbox.drop(self._spool, notice.name)
            case Standing.GONE:
                self._hinder(notice, "the batch isn't in the spool any more")
            case Standing.ENDED:
                self._tell(notice, channels, ready)

    def _is_ready(self, channel: Channel) -> bool:
        return self._rests.get(channel.name, 0.0) <= time.monotonic()

    def _tell(self, notice: Notice, channels: list[Channel], ready: list[Channel]) -> None:
        summary = gather(self._spool, notice)
        if summary is None:
            return
        # First: whoever finds it after a crash knows that it may have been told.
        notice = self._rest(replace(notice, tries=notice.tries + 1))
        outbox.note(self._spool, notice)
        for channel in ready:
            outcome = channel.tell(summary, notice.tries, self._stop)
            notice = self._judge(notice, channel, outcome)
        self._settle(notice, {channel.name for channel in channels} - set(notice.told))

    def _rest(self, notice: Notice, rest: float | None = None) -> Notice:
        if rest is None:
            rest = rest_s(self._first_rest_s, notice.tries, random.random())
        return replace(notice, next_at=time.time() + rest)

    def _judge(self, notice: Notice, channel: Channel, outcome: Outcome) -> Notice:
        """What is kept of the outcome."""
        name, said = channel.name, f"{channel.name}: {outcome.why}"
        if outcome.verdict is Verdict.LATER:
            if not self._stop.is_set():
                _log.warning("%s is told another time: %s", notice.key, said)
            return self._rest(replace(notice, trouble=said), self._let_rest(channel, outcome, notice.tries))
        self._failures[name] = 0
        notice = replace(notice, told=(*notice.told, name))
        if outcome.verdict is Verdict.REFUSED:
            return replace(notice, refusals=(*notice.refusals, said))
        _log.info("%s: its end was told by %s", notice.key, name)
        return notice

    def _let_rest(self, channel: Channel, outcome: Outcome, tries: int) -> float | None:
        """For how long this channel can't be used at all, seconds; None where that isn't so."""
        if not outcome.everybody:
            return None
        # An earlier daemon may have tried for long: the notice knows.
        failures = self._failures[channel.name] = max(self._failures.get(channel.name, 0) + 1, tries)
        if outcome.retry_after_s is None:
            rest = rest_s(self._first_rest_s, failures, random.random())
        else:
            rest = min(outcome.retry_after_s, _RETRY_AFTER_MAX_S) * random.uniform(1.0, 1.1)
        self._rests[channel.name] = time.monotonic() + rest
        return rest

    def _settle(self, notice: Notice, left: set[str]) -> None:
        if left:
            outbox.note(self._spool, notice)
        elif notice.refusals:
            outbox.give_up(self._spool, notice, "; ".join(notice.refusals))
        else:
            outbox.end(self._spool, notice, Box.SENT)
