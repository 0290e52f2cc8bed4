"""How long to leave a spool alone between two looks. Pure."""

from __future__ import annotations


def spacing_s(least_s: float, took_s: float, share: float, longest_s: float) -> float:
    """Seconds until the next look: ``least_s``, but no more than ``share`` of the time goes into looking.

    ``took_s`` is what the last look took. The answer is bounded by ``longest_s``: a look that took a minute
    says that the file server was away, not that the spool is large.
    """
    return max(least_s, min(took_s / share, longest_s))
