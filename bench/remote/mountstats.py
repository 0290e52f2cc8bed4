"""What a client has asked of its server: the counts of ``/proc/self/mountstats``."""

from __future__ import annotations

from collections import Counter

_MARK = "per-op statistics"


def parse_operations(text: str, mounted: str) -> Counter[str]:
    """The requests sent so far for the mount at ``mounted``, by operation (``GETATTR``, ``RENAME``, …). Pure.

    Raises ValueError if nothing is mounted there by NFS.
    """
    for block in text.split("device ")[1:]:
        head, _, body = block.partition("\n")
        words = head.split()
        if mounted in words and words[words.index("fstype") + 1].startswith("nfs"):
            _, _, table = body.partition(_MARK)
            return Counter(dict(_line(line) for line in table.splitlines() if ":" in line))
    raise ValueError(f"nothing is mounted by NFS at {mounted}")


def _line(line: str) -> tuple[str, int]:
    # Of the numbers the second counts what was sent, retransmissions included.
    operation, _, numbers = line.strip().partition(":")
    return operation, int(numbers.split()[1])
