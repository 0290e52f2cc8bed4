"""Which hold of a node's lease is its own daemon's: stewards take lapsed ones too, to give jobs back."""

from __future__ import annotations

from spoold.codec import RecordError, decode, encode
from spoold.node_records import HolderRecord
from spoold.spool import Spool


def publish_holder(spool: Spool, node: str, token: str) -> None:
    """Say that the hold with this token is the node's own. Raises OSError or SpoolFull."""
    record = HolderRecord(token, spool.settings.heartbeat_s)
    spool.ops.replace(spool.layout.node(node).holder, encode(record))


def read_holder(spool: Spool, node: str) -> HolderRecord | None:
    """What the node's last daemon said of its hold; None if it said nothing that can be read."""
    path = spool.layout.node(node).holder
    data = spool.ops.read(path)
    try:
        return None if data is None else decode(HolderRecord, data, path)
    except RecordError:
        return None


def is_nodes_own(spool: Spool, node: str, token: str | None) -> bool:
    """Whether the hold with this token is of a daemon of the node."""
    record = read_holder(spool, node)
    return record is not None and record.token == token
