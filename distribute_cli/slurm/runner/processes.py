"""The processes of one run: found by a mark in their environment and by their session, and signalled."""

import os
import signal
from typing import List, NamedTuple

MARK = "DISTRIBUTE_RUN"


class Brood(NamedTuple):
    """``place`` is what their mark says, ``leader`` the first of them, which leads a session.

    ``contained``: it starts a container, and what is in there is the job.
    """

    place: str
    leader: int
    contained: bool

    def signal(self, number: int) -> bool:
        """To the job, with SIGKILL also to what its container needs; whether there was anybody."""
        found = self.find()
        if self.contained and number != signal.SIGKILL:
            found = [pid for pid in found if not _attends_container(pid)]
        else:
            # At once, so that no shell tells of a child that was ended before it.
            _send_to_group(self.leader, number)
            found = [pid for pid in found if _group_of(pid) != self.leader]
        for pid in found:
            _send(pid, number)
        return bool(found)

    def pass_on(self, number: int) -> None:
        """To each process of the job that has a handler for it; the others would die of it."""
        for pid in self.find():
            if _handles(pid, number) and not (self.contained and _attends_container(pid)):
                _send(pid, number)

    def kill_rest(self) -> bool:
        """End what is left when the first process is reaped; whether there was anybody."""
        found = self.find()
        for pid in found:
            _send(pid, signal.SIGKILL)
        return bool(found)

    def find(self) -> List[int]:
        mark = os.fsencode(f"{MARK}={self.place}")
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
        return [pid for pid in pids if pid != os.getpid() and self._owns(pid, mark)]

    def _owns(self, pid: int, mark: bytes) -> bool:
        try:
            # A container takes the mark off what serves its image.
            if pid != self.leader and os.getsid(pid) == self.leader:
                return True
            with open(f"/proc/{pid}/environ", "rb") as opened:
                return mark in opened.read().split(b"\0")
        except OSError:
            return False


def _attends_container(pid: int) -> bool:
    """Whether it is there for the container, not for the job: makes it, serves its image, is first in it."""
    own, numbers = _numbers("self"), _numbers(str(pid))
    return len(numbers) <= len(own) or numbers[len(own)] == 1


def _numbers(name: str) -> List[int]:
    """What a process is called in each process namespace, the outermost first."""
    return [int(one) for one in _read_status(name, "NSpid:")]


def _handles(pid: int, number: int) -> bool:
    caught = _read_status(str(pid), "SigCgt:")
    return bool(caught) and bool(int(caught[0], 16) >> (number - 1) & 1)


def _read_status(name: str, key: str) -> List[str]:
    try:
        with open(f"/proc/{name}/status") as opened:
            return next((line.split()[1:] for line in opened if line.startswith(key)), [])
    except OSError:
        return []


def _group_of(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except OSError:
        return 0


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except OSError:
        pass  # it has ended, or isn't ours any more


def _send_to_group(leader: int, number: int) -> None:
    try:
        os.killpg(leader, number)
    except OSError:
        pass
