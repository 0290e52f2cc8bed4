"""A process that holds a node's lease until it is killed; its host's name is an argument."""

from __future__ import annotations

import socket
import sys
import threading
from pathlib import Path


def main() -> None:
    root, node, host = sys.argv[1:]
    socket.gethostname = lambda: host  # type: ignore[assignment]
    from spoold.holders import publish_holder
    from spoold.leases import make_lease, try_acquire
    from spoold.spool import open_spool

    spool = open_spool(Path(root))
    folder = spool.layout.node(node)
    folder.path.mkdir(exist_ok=True)
    lease = make_lease(folder.lease, spool.settings)
    assert try_acquire(lease)
    publish_holder(spool, node, lease.token or "")
    print("holding", flush=True)
    threading.Event().wait()


main()
