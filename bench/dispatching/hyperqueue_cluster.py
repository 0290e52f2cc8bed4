"""A HyperQueue server with two workers of one CPU each: ``hyperqueue_cluster.py SERVER_FOLDER``.

Says ``ready`` on its standard output, and lives until its standard input ends.
"""

from __future__ import annotations

import sys

from hyperqueue import LocalCluster
from hyperqueue.cluster import WorkerConfig

WORKERS = 2


def serve(server_folder: str) -> None:
    with LocalCluster(server_folder) as cluster:  # type: ignore[arg-type]  # 0.27 says Path and takes only str
        for _ in range(WORKERS):
            cluster.start_worker(WorkerConfig(cores=1))
        print("ready", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    serve(sys.argv[1])
