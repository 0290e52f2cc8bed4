"""The loop: at random, but from the seed, work is submitted and machines are troubled; then all is mended."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event as Signal

from spoold.checking import check as inspect
from spoold.spool import Settings
from spoold.tickets import State
from tests.chaotic.checker import check
from tests.chaotic.evidence import gather
from tests.chaotic.history import History, Kind
from tests.chaotic.hosts import Condition, Host
from tests.chaotic.local_site import LocalSite
from tests.chaotic.sites import Sight, Site
from tests.chaotic.submitting import Submitter
from tests.chaotic.troubles import ALL_TROUBLES, Fate, Trouble
from tests.chaotic.work import plan_batch

_TICK_S = 0.2
#: How often, in a lease, its holder refreshes it.
_BEATS = 4


@dataclass(frozen=True, slots=True)
class Plan:
    """``trouble`` and ``work`` are how many of each there are a second, in the mean; ``troubles`` their weights.

    With ``lone_steward``, ``spoold`` is the only steward, and left in peace. No job is shorter than
    ``shortest_s``. After the last trouble, all work ends within ``settle_s``.
    """

    seconds: float
    nodes: int
    seed: int
    trouble: float = 0.6
    work: float = 0.7
    troubles: Mapping[Trouble, int] = field(default_factory=lambda: ALL_TROUBLES)
    most_batches: int = 6
    lease_s: float = 3.0
    settle_s: float = 90.0
    lone_steward: bool = False
    shortest_s: float = 0.0
    mutation: str = ""

    @property
    def settings(self) -> Settings:
        return Settings(
            heartbeat_s=self.lease_s / _BEATS,
            lease_s=self.lease_s,
            settle_s=0.5,
            rescan_s=0.25,
            retry_wait_s=0.5,
        )


class _Pace:
    """Events at random, so many a second in the mean: a busy machine has as many, only later."""

    def __init__(self, chance: random.Random, rate: float) -> None:
        self._chance, self._rate = chance, rate
        self._due_s = time.monotonic()
        self._advance()

    def due(self) -> bool:
        """Whether it is time for one; then the next one is another."""
        if time.monotonic() < self._due_s:
            return False
        self._advance()
        return True

    def _advance(self) -> None:
        self._due_s += self._chance.expovariate(self._rate) if self._rate else float("inf")


class Campaign:
    """All that happens at a site; ``folder`` keeps the history."""

    def __init__(self, folder: Path, plan: Plan, site: Site | None = None) -> None:
        self.plan = plan
        self._site: Site = site or LocalSite(
            folder, plan.settings, plan.nodes, plan.mutation, plan.lone_steward
        )
        self.history = History(folder / "history.jsonl")
        # Apart, so that the seed decides about each of them, however they come between one another.
        self._chance, self._doom = (random.Random(f"{plan.seed} {what}") for what in ("work", "trouble"))
        self.submitter = Submitter(self._site, self.history, self._chance)
        self._hosts: list[Host] = []
        self._seen: set[Sight] = set()
        self._finished: set[str] = set()
        self._looked_s = time.monotonic()

    def run(self) -> list[str]:
        """Returns what the checker found. The site has ended by then."""
        try:
            self._start()
            self._rage(lambda: False)
            unfinished = self._settle()
        finally:
            self._end()
        return (
            unfinished
            + self.check()
            + [f"fsck: {one}" for one in inspect(self._site.spool(), checksums=True)]
        )

    def run_until(self, expected: str) -> list[str]:
        """Rage until the checker finds something like ``expected``, a regular expression; nothing settles then."""
        last: set[str] = set()

        def lasting() -> bool:
            # While daemons work, some things look wrong for a moment.
            found = {one for one in self.check() if re.search(expected, one)}
            lasts = bool(found & last)
            last.clear()
            last.update(found)
            return lasts

        try:
            self._start()
            self._rage(lasting)
        finally:
            self._end()
        return self.check()

    def check(self) -> list[str]:
        """What the checker finds now; while daemons work, that there is work left."""
        return check(gather(self._site, self.submitter, self.history.events), self.plan.lease_s)

    def losses(self) -> int:
        """How many attempts that were not a job's first were seen to wait."""
        return sum(sight.state is State.PENDING and sight.ticket.attempt > 1 for sight in self._seen)

    def _start(self) -> None:
        self._hosts += [Host(machine, self.history) for machine in self._site.machines]
        troubled = self._hosts[1:] if self.plan.lone_steward else self._hosts
        self._fate = Fate(self.plan.lease_s, troubled, self.plan.troubles, self.history, self._doom)

    def _end(self) -> None:
        self.submitter.close()
        self._site.end()
        self.history.close()

    # Raging

    def _rage(self, enough: Callable[[], bool]) -> None:
        end_s = time.monotonic() + self.plan.seconds
        work, trouble = _Pace(self._chance, self.plan.work), _Pace(self._doom, self.plan.trouble)
        self._submit()
        while time.monotonic() < end_s and not enough():
            if work.due():
                self._work()
            if trouble.due():
                self._fate.strike()
            self._tick()

    def _tick(self) -> None:
        """What happens by itself: observing, mending, going on."""
        now_s = time.monotonic()
        if now_s - self._looked_s > self.plan.lease_s / 3:
            # A machine that stood still for so long makes leases lapse that nobody troubled.
            self.history.add(Kind.STALLED, "machine", f"{now_s - self._looked_s:.1f} s")
        self._looked_s = now_s
        for host in self._hosts:
            host.go_on()
        self._fate.go_on()
        self.submitter.go_on()
        self._observe()
        Signal().wait(_TICK_S)

    def _work(self) -> None:
        known = sorted({sight.batch for sight in self._seen})
        actions = (self._submit, self._submit_again, self._submit_nonsense, self._kill, self._retry)
        action = self._chance.choices(actions, (75, 4, 3, 8, 10))[0]
        if action is self._submit or not known:
            self._submit()
        else:
            action(self._chance.choice(known))

    def _submit(self, key: str = "") -> None:
        if len(self.submitter.planned) - len(self._finished) < self.plan.most_batches:
            name = f"b{len(self.submitter.planned):03}"
            nodes = [machine.name for machine in self._site.machines[1:]]
            self.submitter.submit(plan_batch(self._chance, name, nodes, self.plan.shortest_s))

    def _submit_again(self, key: str) -> None:
        self.submitter.submit_again(self.submitter.planned[key])

    def _submit_nonsense(self, key: str) -> None:
        self.submitter.submit_nonsense()

    def _kill(self, key: str) -> None:
        job = self._chance.choice(self.submitter.planned[key].jobs).name
        self.submitter.kill(self._chance.choice((key, f"{key}/{job}")))

    def _retry(self, key: str) -> None:
        self.submitter.retry(key)

    def _observe(self) -> None:
        finished = set()
        for sight in self._site.look(self._finished):
            if sight.finished:
                finished.add(sight.batch)
            else:
                self._finished.discard(sight.batch)
            if sight not in self._seen:
                self._seen.add(sight)
                self.history.add(Kind.SEEN, f"{sight.batch}/{sight.ticket}", sight.state.value)
        self._finished |= finished

    # Settling

    def _settle(self) -> list[str]:
        """Mend everything and wait until the work is done; says what isn't, if that never comes."""
        self._fate.mend()
        deadline_s = time.monotonic() + self.plan.settle_s
        while left := self._unfinished():
            if time.monotonic() > deadline_s:
                return [f"not within {self.plan.settle_s:.0f} s: {one}" for one in left]
            self._tick()
        self.history.add(Kind.SETTLED, "all")
        return []

    def _unfinished(self) -> list[str]:
        found = self._site.left()
        found += [f"{h.name} is {h.condition.value}" for h in self._hosts if h.condition is not Condition.UP]
        if not found:
            found += [f"{one} is left on {h.name}" for h in self._hosts for one in h.machine.attempts()]
        if self.submitter.busy:
            found.append("a command has not ended")
        return found
