"""Runs once, before any job: turns the table of materials into what the jobs read."""

import csv
import json
from pathlib import Path

rows = csv.DictReader(Path("input/materials.csv").read_text().splitlines())
diffusivities = {row["material"]: float(row["diffusivity_mm2_s"]) for row in rows}
Path("diffusivities.json").write_text(json.dumps(diffusivities))
print(f"{len(diffusivities)} materials")
