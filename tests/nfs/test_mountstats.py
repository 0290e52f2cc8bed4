"""The counts of a client's requests, from text as a kernel writes it."""

from __future__ import annotations

import pytest

from bench.remote.figures import cost_between
from bench.remote.mountstats import parse_operations

TEXT = """\
device proc mounted on /proc with fstype proc
device server:/ mounted on /mnt/spool with fstype nfs4 statvers=1.1
\topts:\trw,vers=4.2,hard,proto=tcp
\tage:\t31
\tevents:\t12 40 0 2 5 6 81 3 0 1 0 0 0 0 0 4 0 3 0 0 0 0 0 0 0 0 0
\tbytes:\t20 40 0 0 30 40 1 1
\tRPC iostats version: 1.1  p/v: 100003/4 (nfs)
\txprt:\ttcp 841 0 2 0 0 95 95 0 95 0 2 0 0
\tper-op statistics
\t        NULL: 1 1 0 44 24 0 0 0 0
\t     GETATTR: 59 60 0 11564 14160 2 24 31 0
\t      RENAME: 4 4 0 1200 900 0 2 2 0
device other:/ mounted on /mnt/other with fstype nfs statvers=1.1
\tper-op statistics
\t     GETATTR: 7 7 0 1 1 2 24 31 0
"""


def test_what_was_sent_counts() -> None:
    assert parse_operations(TEXT, "/mnt/spool") == {"NULL": 1, "GETATTR": 60, "RENAME": 4}


def test_other_places_have_none() -> None:
    with pytest.raises(ValueError, match="nothing is mounted by NFS at /proc"):
        parse_operations(TEXT, "/proc")


def test_what_comes_once_a_batch_drops_out() -> None:
    small, large = parse_operations(TEXT, "/mnt/other"), parse_operations(TEXT, "/mnt/spool")
    assert cost_between(small, large, 10) == {"NULL": 0.1, "GETATTR": 5.3, "RENAME": 0.4}
