"""What a daemon does about the outbox: look at it now and then, and have told what waits there.

A look is one listing. What there is to tell is told by a thread that lives only as long as that takes.
"""

from __future__ import annotations

import logging
import random
import time
from threading import Event, Thread
from typing import TYPE_CHECKING

from distribute_compute_config.errors import DistributeError
from spoold.leases import make_lease, try_acquire
from spoold.notices import outbox
from spoold.notices.places import find_settings
from spoold.notices.records import LOOK_ROUNDS, Box
from spoold.spool import Spool

if TYPE_CHECKING:
    from spoold.notices.telling import Teller

_log = logging.getLogger(__name__)

_END_S = 5.0


class Notifier:
    """The memory of one daemon; ``look`` is called often, and seldom does anything.

    Without ``may_tell`` no ``notify.yaml`` counts: it is a private spool's.
    """

    def __init__(self, spool: Spool, may_tell: bool = True) -> None:
        self._spool, self._may_tell = spool, may_tell
        self._look_at_s = 0.0
        self._thread: Thread | None = None
        self._more, self._stop, self._lost = Event(), Event(), Event()
        # One daemon at a time tells people: two could each make a room for the same two users.
        lease = spool.layout.tmp / "notices.lease"
        self._lease = make_lease(lease, spool.settings, lambda compromise: self._lost.set())
        self._teller: Teller | None = None
        self._expire_at: dict[str, float] = {}
        self._warned = False

    def look(self, in_office: bool, closed: bool = False) -> None:
        """Begin to tell what waits, if this host can; ``closed``: a batch was closed just now.

        Without a ``notify.yaml`` here, only the steward looks, for what is too old. Raises OSError.
        """
        if closed:
            self._more.set()
            self._look_at_s = 0.0
        if time.monotonic() < self._look_at_s or (self._thread is not None and self._thread.is_alive()):
            return
        configured = self._may_tell and find_settings() is not None
        # Jitter: daemons that were started together shall not look together.
        rounds = LOOK_ROUNDS * random.uniform(0.8, 1.0)
        self._look_at_s = time.monotonic() + rounds * self._spool.settings.rescan_s
        if not configured and not in_office:
            return
        names = outbox.list_names(self._spool, Box.WAITING)
        if names and configured:
            self._thread = Thread(target=self._work, name="notices", daemon=True)
            self._thread.start()
        elif names:
            self._leave_to_others(names)

    def close(self) -> None:
        """End what is being told now; it is told another time."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_END_S)

    def _leave_to_others(self, names: list[str]) -> None:
        """Another host may have a ``notify.yaml``; if none has, nothing shall pile up."""
        self._expire_at = {name: at for name, at in self._expire_at.items() if name in names}
        new = [name for name in names if name not in self._expire_at]
        for notice in outbox.read_all(self._spool, Box.WAITING, new):
            self._expire_at[notice.name] = notice.expires_at
            if notice.matrix and self._may_tell and not self._warned:
                self._warned = True
                _log.warning("%s waits to be told to %s: no notify.yaml here", notice.key, notice.matrix)
        now = time.time()
        due = [name for name, expires_at in self._expire_at.items() if expires_at <= now]
        for notice in outbox.read_all(self._spool, Box.WAITING, due):
            outbox.expire(self._spool, notice)

    def _work(self) -> None:
        # Not before there is something to tell: it brings much along.
        from spoold.notices.telling import Teller

        self._teller = self._teller or Teller(self._spool, self._more, self._stop, self._lost)
        try:
            if not try_acquire(self._lease):
                return
            self._lost.clear()
            try:
                self._teller.tell_all()
            finally:
                self._lease.release()
        except (OSError, DistributeError) as error:
            _log.error("notices: %s", error)
        except Exception:  # noqa: BLE001 - it is logged whole
            # Whatever it is, it must not end a daemon that has jobs.
            _log.exception("notices can't be told")
