"""The cavity example, built and run as a node runs it, against the published velocities."""

from __future__ import annotations

import base64
import csv
import json
import math
import shutil
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.examples.node_tree import EXAMPLE, lay_out_tree, refresh_tree, run_case, run_script

SVG = "{http://www.w3.org/2000/svg}"
MISPRINT = ("v", 400, 117)

Profile = dict[float, float]


@dataclass(frozen=True)
class Deviation:
    """From the published values, in lid speeds."""

    largest: float
    rms: float

    def is_within(self, limit: Deviation) -> bool:
        return self.largest <= limit.largest and self.rms <= limit.rms


# A little above what the solver reaches on 257 x 257 points.
LIMITS = {
    100: {"u": Deviation(0.0055, 0.0030), "v": Deviation(0.0100, 0.0055)},
    400: {"u": Deviation(0.0025, 0.0015), "v": Deviation(0.0060, 0.0030)},
    1000: {"u": Deviation(0.0040, 0.0025), "v": Deviation(0.0145, 0.0075)},
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tree = tmp_path_factory.mktemp("node") / "examples.cavity"
    lay_out_tree(tree)
    build = run_script(tree, "./build.py")
    assert build.returncode == 0, build.stderr
    assert "warning" not in build.stderr
    return tree


@pytest.fixture(scope="module")
def solve(built: Path) -> Callable[[int], Path]:
    """Runs a job of the batch, once, and keeps what it saved."""
    saved: dict[int, Path] = {}

    def run(reynolds: int) -> Path:
        if reynolds not in saved:
            refresh_tree(built, f"re{reynolds}")
            job = run_script(built, "./job.py", "2")
            assert job.returncode == 0, job.stderr
            saved[reynolds] = built.parent / f"re{reynolds}"
            shutil.copytree(built / "distribute_save", saved[reynolds])
        return saved[reynolds]

    return run


def read_profile(path: Path) -> Profile:
    with path.open() as file:
        rows = list(csv.reader(file))
    return {float(position): float(velocity) for position, velocity in rows[1:]}


def read_table() -> list[dict[str, str]]:
    with (EXAMPLE / "ghia.csv").open() as file:
        return list(csv.DictReader(file))


def measure(save: Path, velocity: str, reynolds: int) -> Deviation:
    """How far a saved profile is from the table. The grid has to hold the points of the table."""
    profile = read_profile(save / f"centreline_{velocity}.csv")
    off = [
        profile[(int(row["grid_point"]) - 1) / 128] - float(row[f"re{reynolds}"])
        for row in read_table()
        if row["velocity"] == velocity and (velocity, reynolds, int(row["grid_point"])) != MISPRINT
    ]
    assert len(off) in (16, 17)
    return Deviation(max(map(abs, off)), math.sqrt(sum(d * d for d in off) / len(off)))


def test_the_table_has_the_points_of_the_paper() -> None:
    rows = read_table()
    for velocity in "uv":
        points = [int(row["grid_point"]) for row in rows if row["velocity"] == velocity]
        assert len(points) == 17
        assert points == sorted(points, reverse=True)
    for row in rows:
        assert abs(float(row["position"]) - (int(row["grid_point"]) - 1) / 128) < 0.5001e-4


@pytest.mark.parametrize("reynolds", [100, 400, 1000])
@pytest.mark.parametrize("velocity", ["u", "v"])
def test_centre_lines_agree_with_the_published_table(
    solve: Callable[[int], Path], velocity: str, reynolds: int
) -> None:
    deviation = measure(solve(reynolds), velocity, reynolds)
    assert deviation.is_within(LIMITS[reynolds][velocity]), deviation


def test_agreement_is_lost_when_the_reynolds_number_is_five_percent_off(built: Path) -> None:
    assert run_case(built, "re400", reynolds=420).returncode == 0
    for velocity in "uv":
        assert not measure(built / "distribute_save", velocity, 400).is_within(LIMITS[400][velocity])


def test_the_main_vortex_is_as_strong_as_a_spectral_computation_found(solve: Callable[[int], Path]) -> None:
    """Botella and Peyret, Computers & Fluids 27 (1998), 421-433: -0.1189366 at Re = 1000."""
    summary = json.loads((solve(1000) / "summary.json").read_text())
    assert summary["vortex_stream_function"] == pytest.approx(-0.1189366, rel=0.01)


def test_summary_states_the_deviations(solve: Callable[[int], Path]) -> None:
    summary = json.loads((solve(400) / "summary.json").read_text())
    for velocity in "uv":
        deviation = measure(solve(400), velocity, 400)
        assert summary[f"{velocity}_largest_deviation"] == pytest.approx(deviation.largest)
        assert summary[f"{velocity}_rms_deviation"] == pytest.approx(deviation.rms)


def test_the_published_value_left_out_is_off_by_far_more_than_any_other(solve: Callable[[int], Path]) -> None:
    found = read_profile(solve(400) / "centreline_v.csv")[116 / 128]
    (row,) = (row for row in read_table() if (row["velocity"], row["grid_point"]) == ("v", "117"))
    assert abs(found - float(row["re400"])) > 20 * LIMITS[400]["v"].largest


@pytest.mark.parametrize("cores", [2, 3, 64])
def test_numbers_do_not_depend_on_the_cores(built: Path, cores: int) -> None:
    def solve_on(count: int) -> list[float]:
        job = run_case(built, "re400", count, cells=96, relaxation=0.9, tolerance=1e-5)
        assert job.returncode == 0, job.stderr
        words = (built / "distribute_save" / "fields.vtk").read_text().split("LOOKUP_TABLE default")
        stream = words[1].split()[: 97 * 97]
        velocity = words[2].split("VECTORS velocity double")[1].split()
        return [float(word) for word in stream + velocity]

    alone, together = solve_on(1), solve_on(cores)
    assert len(alone) == 4 * 97 * 97
    assert max(abs(a - b) for a, b in zip(alone, together, strict=True)) < 1e-10


def test_log_shows_the_change_falling_to_the_tolerance(built: Path) -> None:
    job = run_case(built, "re100", cells=96)
    lines = [line.split() for line in job.stdout.splitlines() if line.startswith("iteration")]
    changes = [float(line[3]) for line in lines]
    assert [int(line[1]) for line in lines] == [500 * (i + 1) for i in range(len(lines))]
    assert changes[-1] < 3e-7 <= changes[-2]
    assert changes[-1] < 1e-3 * changes[0]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"max_iterations": 500}, "not steady after 500 iterations"),
        ({"relaxation": 1.9}, "blew up"),
        ({"reynolds": -1}, "must be above 0"),
    ],
)
def test_a_flow_that_does_not_become_steady_fails_the_job(
    built: Path, values: dict[str, float], reason: str
) -> None:
    job = run_case(built, "re400", **({"cells": 96, "relaxation": 0.9} | values))
    assert job.returncode in (1, 2)
    assert reason in job.stderr
    assert "Traceback" not in job.stderr
    assert not list((built / "distribute_save").glob("*.vtk"))


def test_odd_cells_are_refused(built: Path) -> None:
    job = run_case(built, "re100", cells=97)
    assert job.returncode == 1
    assert "must be even" in job.stderr


def test_a_reynolds_number_that_was_not_published_is_solved_and_drawn(built: Path) -> None:
    job = run_case(built, "re100", reynolds=90, cells=64, tolerance=1e-5)
    assert job.returncode == 0, job.stderr
    drawing = ElementTree.parse(built / "distribute_save" / "cavity.svg")
    assert not list(drawing.iter(f"{SVG}circle"))
    assert "u_rms_deviation" not in json.loads((built / "distribute_save" / "summary.json").read_text())


@pytest.mark.parametrize(("reynolds", "circles"), [(100, 35), (400, 34), (1000, 35)])
def test_plot_is_an_svg_with_the_flow_and_the_published_points(
    solve: Callable[[int], Path], reynolds: int, circles: int
) -> None:
    root = ElementTree.parse(solve(reynolds) / "cavity.svg").getroot()
    assert root.tag == f"{SVG}svg"
    assert root.findtext(f"{SVG}title") == f"Lid-driven cavity, Re = {reynolds}"
    assert len(list(root.iter(f"{SVG}circle"))) == circles  # both tables, and one in the legend
    kinds = [path.get("class") for path in root.iter(f"{SVG}path")]
    assert kinds.count("profile") == 2
    assert kinds.count("stream") > 10
    assert kinds.count("misprint") == (reynolds == 400)


def test_everything_drawn_lies_inside_the_picture(solve: Callable[[int], Path]) -> None:
    root = ElementTree.parse(solve(1000) / "cavity.svg").getroot()
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for path in root.iter(f"{SVG}path"):
        if path.get("class") in ("stream", "profile"):
            for point in path.attrib["d"][1:].split("L"):
                x, y = map(float, point.split())
                assert 0 <= x <= width
                assert 0 <= y <= height


def test_image_in_the_plot_is_a_whole_png(solve: Callable[[int], Path]) -> None:
    (image,) = ElementTree.parse(solve(1000) / "cavity.svg").getroot().iter(f"{SVG}image")
    kind, _, data = image.attrib["href"].partition(",")
    assert kind == "data:image/png;base64"
    chunks = dict(split_png(base64.b64decode(data, validate=True)))
    assert struct.unpack(">II", chunks[b"IHDR"][:8]) == (257, 257)
    assert len(chunks[b"PLTE"]) == 3 * 256
    pixels = zlib.decompress(chunks[b"IDAT"])
    assert len(pixels) == 257 * (1 + 257)
    assert set(pixels[1:258]) == {255}, "the first row is the lid"
    assert set(pixels[-257:]) == {0}, "the last row is the floor"


def split_png(png: bytes) -> list[tuple[bytes, bytes]]:
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, at = [], 8
    while at < len(png):
        (size,) = struct.unpack(">I", png[at : at + 4])
        body = png[at + 4 : at + 8 + size]
        assert struct.unpack(">I", png[at + 8 + size : at + 12 + size]) == (zlib.crc32(body),)
        chunks.append((body[:4], body[4:]))
        at += 12 + size
    return chunks


def test_build_says_what_to_do_without_a_compiler(tmp_path: Path) -> None:
    lay_out_tree(tmp_path / "tree")
    build = run_script(tmp_path / "tree", "./build.py", PATH=str(tmp_path), CC="")
    assert build.returncode == 1
    assert "no C compiler" in build.stderr
    assert "apt install gcc" in build.stderr


def test_build_uses_the_compiler_that_cc_names_and_fails_with_it(tmp_path: Path) -> None:
    lay_out_tree(tmp_path / "tree")
    build = run_script(tmp_path / "tree", "./build.py", CC="gcc -DINPUT_BROKEN -Dmain=")
    assert build.returncode != 0
    assert build.stdout.startswith("gcc -DINPUT_BROKEN -Dmain= ")
    assert not (tmp_path / "tree" / "cavity").exists()
