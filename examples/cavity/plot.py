"""Draws the flow and its centre lines as an SVG, with nothing but the standard library."""

from __future__ import annotations

import base64
import math
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from input import contours
from input.fields import Fields, Profile, Reference, compare

# Ghia et al. draw these; the small positive ones make the vortices in the corners visible.
LEVELS = [
    *(-0.1175, -0.115, -0.11, -0.1, -0.09, -0.07, -0.05, -0.03, -0.01, -1e-3, -1e-4),
    *(1e-7, 1e-6, 1e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 1.5e-3, 3e-3),
]
SPEED_COLOURS = ("#0d1b3e", "#17456e", "#1f7a8c", "#43a88b", "#a3cf70", "#fbe77c", "#fff8d6")

STYLE = """
  text { font: 14px Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif; fill: #1c2733 }
  .title { font-size: 27px; font-weight: bold }
  .heading { font-size: 16px; font-weight: bold }
  .faint { fill: #5d6b7a }
  .middle { text-anchor: middle }
  .end { text-anchor: end }
  .stream { fill: none; stroke: #ffffff; stroke-width: 1.1; stroke-opacity: 0.8; stroke-linejoin: round }
  .grid { stroke: #dfe5ec }
  .zero { stroke: #9aa7b5 }
  .frame { fill: none; stroke: #1c2733; stroke-width: 1.5 }
  .lid { stroke: #c8442f; stroke-width: 3 }
  .arrow, .lidtext { fill: #c8442f }
  .profile { fill: none; stroke: #17658c; stroke-width: 2.4; stroke-linejoin: round }
  .published { fill: #ffffff; stroke: #c8442f; stroke-width: 1.8 }
  .misprint { fill: none; stroke: #8b97a5; stroke-width: 1.8 }
"""


@dataclass(frozen=True)
class Frame:
    """A rectangle of the picture, in pixels, and the ranges of the numbers drawn in it."""

    left: float
    top: float
    width: float
    height: float
    x_range: tuple[float, float] = (0.0, 1.0)
    y_range: tuple[float, float] = (0.0, 1.0)

    def place(self, x: float, y: float) -> tuple[float, float]:
        across = (x - self.x_range[0]) / (self.x_range[1] - self.x_range[0])
        up = (y - self.y_range[0]) / (self.y_range[1] - self.y_range[0])
        return self.left + across * self.width, self.top + (1 - up) * self.height


CAVITY = Frame(60, 130, 530, 530)
U_FRAME = Frame(690, 130, 460, 225, y_range=(-0.5, 1.05))
V_FRAME = Frame(690, 435, 460, 225, y_range=(-0.62, 0.5))


def draw(
    reynolds: float, flow: Fields, u: tuple[Profile, list[Reference]], v: tuple[Profile, list[Reference]]
) -> str:
    """The whole picture; ``u`` and ``v`` are profiles and what was published for them (it may be empty)."""
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1200 720" width="1200" height="720">',
        f"<title>Lid-driven cavity, Re = {reynolds:g}</title>",
        f'<style>{STYLE}</style><rect width="1200" height="720" fill="#ffffff"/>',
        text(60, 52, f"Lid-driven cavity, Re = {reynolds:g}", "title"),
        text(60, 80, f"Streamlines and speed on {flow.width} × {flow.width} points", "faint"),
        *draw_cavity(flow),
        *draw_profile(U_FRAME, "u on the line x = ½", "y", *u),
        *draw_profile(V_FRAME, "v on the line y = ½", "x", *v),
        *draw_legend(bool(u[1])),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def draw_cavity(flow: Fields) -> list[str]:
    box = f'x="{CAVITY.left}" y="{CAVITY.top}" width="{CAVITY.width}" height="{CAVITY.height}"'
    right, middle = CAVITY.left + CAVITY.width, CAVITY.left + CAVITY.width / 2
    speeds = [math.hypot(u, v) for u, v in flow.velocity]
    return [
        f'<image {box} preserveAspectRatio="none" href="{encode_png(speeds, flow.width)}"/>',
        *draw_streamlines(flow),
        f'<rect {box} class="frame"/>',
        f'<line x1="{CAVITY.left}" y1="{CAVITY.top}" x2="{right}" y2="{CAVITY.top}" class="lid"/>',
        f'<line x1="{middle - 60}" y1="112" x2="{middle + 52}" y2="112" class="lid"/>',
        f'<path d="M{middle + 66} 112l-16 -7v14z" class="arrow"/>',
        text(middle + 78, 117, "lid, u = 1", "lidtext"),
        *draw_speed_scale(),
    ]


def draw_streamlines(flow: Fields) -> list[str]:
    step = 1 / (flow.width - 1)
    traced = contours.trace(flow.stream, flow.width, LEVELS)
    lines = (line for level in LEVELS for line in traced.get(level, []))
    return [
        f'<path d="{join_points(CAVITY, thin((x * step, y * step) for x, y in line))}" class="stream"/>'
        for line in lines
    ]


def thin(points: Iterable[tuple[float, float]], least_distance: float = 0.004) -> Profile:
    """Leave out points closer than that to the last one kept, but never the end: it closes the line."""
    every = list(points)
    kept = every[:1]
    for point in every[1:-1]:
        if math.dist(point, kept[-1]) >= least_distance:
            kept.append(point)
    return [*kept, every[-1]]


def join_points(frame: Frame, points: Iterable[tuple[float, float]]) -> str:
    return "M" + "L".join("{:.1f} {:.1f}".format(*frame.place(x, y)) for x, y in points)


def draw_speed_scale() -> list[str]:
    """A bar of the colours below the cavity."""
    top, width = CAVITY.top + CAVITY.height + 22, 200
    stops = "".join(
        f'<stop offset="{i / (len(SPEED_COLOURS) - 1):.3f}" stop-color="{colour}"/>'
        for i, colour in enumerate(SPEED_COLOURS)
    )
    left = CAVITY.left + CAVITY.width - width - 20
    return [
        f'<defs><linearGradient id="speed">{stops}</linearGradient></defs>',
        f'<rect x="{left}" y="{top}" width="{width}" height="12" fill="url(#speed)"/>',
        text(left - 8, top + 11, "speed   0", "faint end"),
        text(left + width + 8, top + 11, "1", "faint"),
    ]


def draw_profile(
    frame: Frame, heading: str, axis: str, profile: Profile, references: list[Reference]
) -> list[str]:
    right = frame.left + frame.width
    parts = [text(frame.left, frame.top - 14, heading, "heading"), *draw_grid(frame, axis)]
    parts.append(f'<path d="{join_points(frame, thin(profile))}" class="profile"/>')
    parts += [draw_reference(frame, reference) for reference in references]
    if references:
        rms = compare(profile, references).rms
        parts.append(text(right, frame.top - 14, f"rms deviation {100 * rms:.2f} %", "faint end"))
    return parts


def draw_grid(frame: Frame, axis: str) -> list[str]:
    right, bottom = frame.left + frame.width, frame.top + frame.height
    parts = []
    for quarter in range(5):
        x, _ = frame.place(quarter / 4, 0)
        parts.append(f'<line x1="{x}" y1="{frame.top}" x2="{x}" y2="{bottom}" class="grid"/>')
        parts.append(text(x, bottom + 19, axis if quarter == 2 else f"{quarter / 4:g}", "faint middle"))
    for tick in (-0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0):
        if frame.y_range[0] <= tick <= frame.y_range[1]:
            _, y = frame.place(0, tick)
            kind = "grid" if tick else "zero"
            parts.append(f'<line x1="{frame.left}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}" class="{kind}"/>')
            parts.append(text(frame.left - 9, y + 5, f"{tick:g}".replace("-", "−"), "faint end"))
    return parts


def draw_reference(frame: Frame, reference: Reference) -> str:
    x, y = frame.place(reference.position, reference.velocity)
    if reference.misprint:
        cross = f'<path d="M{x - 5:.1f} {y - 5:.1f}l10 10m0 -10l-10 10" class="misprint"/>'
        return cross + text(x - 12, y + 5, "misprint", "faint end")
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.2" class="published"/>'


def draw_legend(published: bool) -> list[str]:
    left, y = U_FRAME.left, 75
    parts = [f'<line x1="{left}" y1="{y}" x2="{left + 30}" y2="{y}" class="profile"/>']
    parts.append(text(left + 40, y + 5, "this run"))
    if published:
        parts.append(f'<circle cx="{left + 140}" cy="{y}" r="4.2" class="published"/>')
        parts.append(text(left + 153, y + 5, "Ghia, Ghia and Shin (1982)"))
    return parts


def text(x: float, y: float, words: str, kind: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}">{words}</text>'


def encode_png(values: list[float], width: int) -> str:
    """A data URL of an image with a pixel for each value from 0 to 1 (PNG: RFC 2083; palette, 8 bits)."""
    palette = b"".join(bytes(blend_colours(i / 255)) for i in range(256))
    shades = bytes(round(255 * min(max(value, 0.0), 1.0)) for value in values)
    rows = (b"\0" + shades[row * width : (row + 1) * width] for row in reversed(range(width)))
    header = struct.pack(">IIBBBBB", width, width, 8, 3, 0, 0, 0)
    pixels = zlib.compress(b"".join(rows), 9)
    chunks = [(b"IHDR", header), (b"PLTE", palette), (b"IDAT", pixels), (b"IEND", b"")]
    png = b"\x89PNG\r\n\x1a\n" + b"".join(pack_chunk(kind, data) for kind, data in chunks)
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def pack_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def blend_colours(share: float) -> tuple[int, ...]:
    """The colour at ``share`` of the way through SPEED_COLOURS, as red, green, blue from 0 to 255."""
    at = min(int(share * (len(SPEED_COLOURS) - 1)), len(SPEED_COLOURS) - 2)
    part = share * (len(SPEED_COLOURS) - 1) - at
    one, other = (bytes.fromhex(SPEED_COLOURS[i][1:]) for i in (at, at + 1))
    return tuple(round((1 - part) * a + part * b) for a, b in zip(one, other, strict=True))
