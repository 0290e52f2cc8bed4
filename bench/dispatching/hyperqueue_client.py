"""Submits tasks to HyperQueue: ``hyperqueue_client.py SERVER_FOLDER OUTPUT_FOLDER TASKS PROGRAM...``.

Prints the time, in Unix seconds, at which the server had them all, waits for them, and exits with 1 if one
failed.
"""

from __future__ import annotations

import sys
import time

from hyperqueue import Client, Job


def submit(server_folder: str, output_folder: str, tasks: int, program: list[str]) -> bool:
    client = Client(server_folder)
    job = Job(default_workdir=output_folder)
    for _ in range(tasks):
        job.program(program)
    submitted = client.submit(job)
    print(time.time(), flush=True)
    return bool(client.wait_for_jobs([submitted]))


if __name__ == "__main__":
    sys.exit(not submit(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]))
