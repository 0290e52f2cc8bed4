"""A damped pendulum that is pushed to and fro, seen once a push: one job of the sweep.

With the angle theta, time in units of the free pendulum, and the strength of the push g:

    theta'' = g cos(2/3 t) - theta' / 2 - sin(theta)

G. L. Baker, J. P. Gollub: Chaotic Dynamics (1996), chapter 3. As g grows, the motion repeats after one push,
two, four, ..., never. `input/case.json` says how strong it is; what is found goes to `distribute_save/`.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

QUALITY, PUSH_FREQUENCY = 2.0, 2.0 / 3.0
STEPS_A_PUSH = 120
LONGEST_PERIOD = 16
SAME = 2e-3


def accelerate(time: float, angle: float, speed: float, push: float) -> float:
    return push * math.cos(PUSH_FREQUENCY * time) - speed / QUALITY - math.sin(angle)


def swing(push: float, pushes: int) -> list[tuple[float, float]]:
    """Angle (from hanging down, at most half a turn) and speed after each push, by Runge and Kutta."""
    step = 2.0 * math.pi / PUSH_FREQUENCY / STEPS_A_PUSH
    half, angle, speed = step / 2.0, 0.2, 0.0
    seen = []
    for done in range(pushes):
        for number in range(STEPS_A_PUSH):
            time = number * step
            v1, a1 = speed, accelerate(time, angle, speed, push)
            v2 = speed + half * a1
            a2 = accelerate(time + half, angle + half * v1, v2, push)
            v3 = speed + half * a2
            a3 = accelerate(time + half, angle + half * v2, v3, push)
            v4 = speed + step * a3
            a4 = accelerate(time + step, angle + step * v3, v4, push)
            angle += step / 6.0 * (v1 + 2.0 * (v2 + v3) + v4)
            speed += step / 6.0 * (a1 + 2.0 * (a2 + a3) + a4)
        seen.append((math.remainder(angle, 2.0 * math.pi), speed))
        if done % 50 == 49:
            print(f"push {done + 1:4}: angle {seen[-1][0]:+.4f}  speed {speed:+.4f}", flush=True)
    return seen


def find_period(seen: list[tuple[float, float]]) -> int | None:
    """After how many pushes the motion repeats; None if it doesn't within a few."""
    for period in range(1, LONGEST_PERIOD + 1):
        pairs = zip(seen, seen[period:], strict=False)
        if all(abs(v - w) < SAME and abs(math.sin((a - b) / 2)) < SAME for (a, v), (b, w) in pairs):
            return period
    return None


def main() -> None:
    case = json.loads(Path("input/case.json").read_text())
    kept = swing(case["push"], case["settling"] + case["kept"])[case["settling"] :]
    period = find_period(kept)
    save = Path("distribute_save")
    with (save / "section.csv").open("w") as table:
        table.write("angle,speed\n")
        table.writelines(f"{angle:.6f},{speed:.6f}\n" for angle, speed in kept)
    (save / "summary.json").write_text(json.dumps({**case, "period": period}))
    print(f"push {case['push']}: " + (f"repeats after {period} pushes" if period else "never repeats"))


if __name__ == "__main__":
    main()
