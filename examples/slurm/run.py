"""One job: a rod of 100 mm, hot in its middle, its ends on ice, by explicit finite differences."""

import json
from pathlib import Path

LENGTH_MM, END_S = 100.0, 60.0

rod = json.loads(Path("input/rod.json").read_text())
diffusivity = json.loads(Path("diffusivities.json").read_text())[rod["material"]]
cells = rod["cells"]
step_mm = LENGTH_MM / cells
steps = int(END_S * diffusivity / (0.4 * step_mm**2)) + 1
number = diffusivity * END_S / steps / step_mm**2

temperatures = [0.0] + [100.0 if cells // 4 < i < 3 * cells // 4 else 0.0 for i in range(1, cells)] + [0.0]
for _ in range(steps):
    before = temperatures[:]
    for i in range(1, cells):
        temperatures[i] = before[i] + number * (before[i - 1] - 2 * before[i] + before[i + 1])

lines = [f"{i * step_mm:.2f},{one:.4f}" for i, one in enumerate(temperatures)]
Path("distribute_save/profile.csv").write_text("\n".join(["x_mm,t_celsius", *lines, ""]))
print(f"{rod['material']}, {cells} cells: {max(temperatures):.2f} degrees after {END_S:.0f} s")
