"""
Draws the README's table "At the quota" as a picture, from the table itself.

    python benchmarks/draw_at_the_quota.py

Run it after the table's figures have changed. tests/docs/test_design.py compares.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
README: Final = ROOT / "README.md"
PICTURE: Final = ROOT / "docs" / "at_the_quota.svg"

_WIDTH, _TOP, _ROW, _LEFT, _BAR = 440, 52, 42, 16, 300
_TITLE: Final = "500 pairs at 190 calls in ten seconds: at least 20 s"
_STYLE: Final = """
text { font: 12px sans-serif; fill: #1f2933 }
.title { font-weight: bold }
.small { font-size: 11px; fill: #52606d }
.panel { fill: #ffffff; stroke: #cbd2d9 }
.linked { fill: #0b6e4f }
.lost { fill: #c0392b }
@media (prefers-color-scheme: dark) {
  text { fill: #e4e7eb }
  .small { fill: #b8c1cb }
  .panel { fill: #131a21; stroke: #3e4c59 }
  .linked { fill: #3fbf8f }
  .lost { fill: #e57368 }
}
"""


def read_table() -> list[tuple[str, int, int, str, str]]:
    """Return client, linked, lost, seconds and the share of 429s of each row."""
    section = README.read_text(encoding="utf-8").partition("**At the quota.**")[2]
    lines = [line for line in section.partition("\n\n**")[0].splitlines() if line[:2] == "| "]
    rows = []
    for line in lines[1:]:
        client, linked, lost, seconds, throttled = (
            cell.strip().replace("*", "") for cell in line.strip("| ").split("|")
        )
        rows.append((client, int(linked), int(lost), seconds, throttled))
    return rows


def make_picture() -> str:
    """Return the picture as SVG: narrow, so that it can be read on a phone, light or dark."""
    rows = read_table()
    height = _TOP + _ROW * len(rows) + 6
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">',
        "<title>Pairs linked and lost by each client</title>",
        f"<style>{_STYLE}</style>",
        f'<rect class="panel" x="1" y="1" width="{_WIDTH - 2}" height="{height - 2}" rx="10"/>',
        f'<text class="title" x="{_LEFT}" y="22">{_TITLE}</text>',
        (
            f'<text class="small" x="{_LEFT}" y="38">'
            "Green: linked. Red: lost. At right: time, and responses that were 429.</text>"
        ),
    ]
    for number, (client, linked, lost, seconds, throttled) in enumerate(rows):
        y = _TOP + _ROW * number
        green = _BAR * linked / (linked + lost)
        style = "small" if number else "title"
        parts += [
            f'<text class="{style}" x="{_LEFT}" y="{y + 12}">{escape(client)}</text>',
            f'<rect class="linked" x="{_LEFT}" y="{y + 17}" width="{green:g}" height="14"/>',
            (
                f'<rect class="lost" x="{_LEFT + green:g}" y="{y + 17}" width="{_BAR - green:g}"'
                ' height="14"/>'
            ),
            (
                f'<text class="{style}" x="{_LEFT + _BAR + 8}" y="{y + 28}">'
                f"{seconds} s, {escape(throttled)}</text>"
            ),
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    PICTURE.write_text(make_picture(), encoding="utf-8")
