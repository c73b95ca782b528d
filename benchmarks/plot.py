"""A plot as SVG: how many calls the portal saw in the window before each of them."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 760, 360, 56, 28, 44
_COLOURS: Final = ("#0b6e4f", "#c0392b", "#7f8c8d")


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
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}">',
        "<style>text { font: 12px sans-serif }</style>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        f'<text x="{_LEFT}" y="16" font-size="13">{title}</text>',
        f'<line x1="{_LEFT}" x2="{_WIDTH - 12}" y1="{y(0)}" y2="{y(0)}" stroke="black"/>',
        f'<path d="M{_LEFT} {y(limit):.1f}H{_WIDTH - 12}" stroke="black" stroke-dasharray="5 4"/>',
        f'<text x="{_LEFT - 6}" y="{y(limit) + 4:.1f}" text-anchor="end">{limit}</text>',
        f'<text x="{_LEFT - 6}" y="{y(0) + 4:.1f}" text-anchor="end">0</text>',
        f'<text x="{_WIDTH - 12}" y="{_HEIGHT - 26}" text-anchor="end">{longest:.0f} s</text>',
    ]
    for number, (name, line) in enumerate(lines.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        points = " ".join(f"{x(at):.1f},{y(count):.1f}" for at, count in line)
        parts += [
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.6"/>',
            f'<text x="{_LEFT + 230 * number}" y="{_HEIGHT - 8}" fill="{colour}">{name}</text>',
        ]
    file.write_text("\n".join([*parts, "</svg>"]) + "\n", encoding="utf-8")
