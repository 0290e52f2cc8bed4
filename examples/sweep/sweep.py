"""A hundred strengths of the push, a job each: makes the batch, submits it and waits for its end."""

from __future__ import annotations

import argparse
from pathlib import Path

import distribute_compute_config as distribute

HERE = Path(__file__).resolve().parent
PUSHES = [f"{1 + number / 200:.3f}" for number in range(100)]


def make_batch(name: str) -> distribute.CommandConfig:
    # {push} is replaced in the name of each job and, since it is a template, in case.json.
    jobs = distribute.command_job(
        "push{push}",
        "python3 input/pendulum.py",
        [distribute.file(HERE / "case.json", template=True)],
        sweep=distribute.sweep(push=PUSHES),
    )
    needs = distribute.resources(cores=1, memory="200M", time="10m")
    start = distribute.command_initialize(required_files=[distribute.file(HERE / "pendulum.py")])
    meta = distribute.metadata("examples", name, ["python3"], resources=needs)
    return distribute.command_config(meta, distribute.description(start, jobs))


def show(progress: distribute.Progress) -> None:
    print(f"\r{progress.done} of {progress.total} done, {progress.running} running ", end="", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default="pendulum", help="of the batch; a name is used once")
    parser.add_argument("--dry", action="store_true", help="only write the job file")
    arguments = parser.parse_args()
    batch = make_batch(arguments.name)
    distribute.write_config_to_file(batch, "pendulum.yaml")
    if arguments.dry:
        return
    try:
        ended = distribute.submit(batch).wait(progress=show)
    except distribute.DistributeError as error:
        parser.exit(1, f"error: {error}\n")
    except KeyboardInterrupt:
        parser.exit(130, f"\nthe batch goes on; to end it: distribute kill examples/{arguments.name}\n")
    print(f"\n{ended.done} done, {ended.failed} failed; fetch the results: distribute pull pendulum.yaml")


if __name__ == "__main__":
    main()
