"""A job that counts up to TO, and goes on where an earlier attempt was told to stop.

``counter.py TO FOLDER [leave]`` notes each number in FOLDER/counted, and in the end saves the sum. SIGUSR1 lets it
save where it is, and wait for its end, or leave with exit code 9.
"""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

told = False


def tell(*_: object) -> None:
    global told
    told = True


def main(to: int, folder: Path, leave: bool) -> None:
    signal.signal(signal.SIGUSR1, tell)
    state = Path("input/resume/state")
    number, total = map(int, state.read_text().split()) if state.exists() else (0, 0)
    while number < to:
        if told:
            Path("distribute_save/state").write_text(f"{number} {total}")
            if leave:
                sys.exit(9)
            signal.pause()
        with (folder / "counted").open("a") as counted:
            counted.write(f"{number}\n")
        number, total = number + 1, total + number
        time.sleep(0.05)
    Path("distribute_save/result").write_text(str(total))


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), "leave" in sys.argv[3:])
