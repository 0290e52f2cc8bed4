"""Compiles the solver with the C compiler of the node that this runs on; leaves ./cavity behind."""

import os
import shlex
import shutil
import subprocess
import sys

# One product and one sum at a time, and no instruction that only some nodes have: without
# contraction every workstation computes the same bits.
FLAGS = ["-std=c11", "-O3", "-ffp-contract=off", "-Wall", "-Wextra"]


def find_compiler() -> list[str]:
    """The words of $CC, else the first of cc and gcc that is installed."""
    if os.environ.get("CC"):
        return shlex.split(os.environ["CC"])
    for name in ("cc", "gcc"):
        if shutil.which(name):
            return [name]
    sys.exit("build.py: no C compiler: neither $CC nor cc nor gcc; on Debian: apt install gcc libc6-dev")


def main() -> None:
    argv = [*find_compiler(), *FLAGS, "input/cavity.c", "-o", "cavity", "-pthread", "-lm"]
    print(shlex.join(argv), flush=True)
    sys.exit(subprocess.run(argv).returncode)


if __name__ == "__main__":
    main()
