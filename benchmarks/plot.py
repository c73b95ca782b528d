"""A plot as SVG: how many calls the portal saw in the window before each of them."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

# Narrow, so that the labels can be read on a phone.
_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 440, 300, 40, 34, 60
_STYLE: Final = """
text { font: 12px sans-serif; fill: #1f2933 }
.title { font-weight: bold }
.panel { fill: #ffffff; stroke: #cbd2d9 }
.axis { stroke: #52606d }
polyline { fill: none; stroke-width: 1.6 }
.line-0 { stroke: #0b6e4f } .name-0 { fill: #0b6e4f }
.line-1 { stroke: #c0392b } .name-1 { fill: #c0392b }
@media (prefers-color-scheme: dark) {
  text { fill: #e4e7eb }
  .panel { fill: #131a21; stroke: #3e4c59 }
  .axis { stroke: #b8c1cb }
  .line-0 { stroke: #3fbf8f } .name-0 { fill: #3fbf8f }
  .line-1 { stroke: #e57368 } .name-1 { fill: #e57368 }
}
"""


def window_counts(instants: Sequence[float], window: float) -> list[tuple[float, int]]:
    """Return, for each instant from the first, how many lie in the window that ends with it."""
    ordered = sorted(instants)
    return [
        (each - ordered[0], index + 1 - bisect_right(ordered, each - window))
        for index, each in enumerate(ordered)
    ]


def draw(
    file: Path, title: str, lines: Mapping[str, Sequence[tuple[float, int]]], limit: int
) -> None:
    """Write *lines*, and the limit, to *file*."""
    longest = max(at for line in lines.values() for at, _ in line) or 1.0
    most = max(limit, *(count for line in lines.values() for _, count in line)) * 1.08

    def x(at: float) -> float:
        return _LEFT + at / longest * (_WIDTH - _LEFT - 12)

    def y(count: float) -> float:
        return _HEIGHT - _BOTTOM - count / most * (_HEIGHT - _TOP - _BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">',
        f"<title>{title}</title>",
        f"<style>{_STYLE}</style>",
        f'<rect class="panel" x="1" y="1" width="{_WIDTH - 2}" height="{_HEIGHT - 2}" rx="10"/>',
        f'<text class="title" x="12" y="22">{title}</text>',
        f'<path class="axis" d="M{_LEFT} {y(0):.1f}H{_WIDTH - 12}"/>',
        f'<path class="axis" d="M{_LEFT} {y(limit):.1f}H{_WIDTH - 12}" stroke-dasharray="5 4"/>',
        f'<text x="{_LEFT - 6}" y="{y(limit) + 4:.1f}" text-anchor="end">{limit}</text>',
        f'<text x="{_LEFT - 6}" y="{y(0) + 4:.1f}" text-anchor="end">0</text>',
        f'<text x="{_WIDTH - 12}" y="{y(0) + 18:.1f}" text-anchor="end">{longest:.0f} s</text>',
    ]
    for number, (name, line) in enumerate(lines.items()):
        points = " ".join(f"{x(at):.1f},{y(count):.1f}" for at, count in line)
        parts += [
            f'<polyline class="line-{number}" points="{points}"/>',
            (
                f'<text class="name-{number}" x="{_LEFT + 190 * number}" y="{_HEIGHT - 14}">'
                f"{name}</text>"
            ),
        ]
    file.write_text("\n".join([*parts, "</svg>"]) + "\n", encoding="utf-8")
