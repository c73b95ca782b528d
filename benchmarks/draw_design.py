"""
Draws the picture of the design page and writes its tree from the docstrings of the modules.

    python benchmarks/draw_design.py

Run it after a module was added, renamed or described anew. tests/docs/test_design.py compares.
"""

from __future__ import annotations

import ast
import re
from html import escape
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs" / "explanation" / "design.md"
PICTURE: Final = ROOT / "docs" / "explanation" / "design.svg"
_TREE: Final = re.compile(r"(?<=```text\naiohubassoc/\n).*?(?=```\n)", re.DOTALL)

# What links pairs is listed module by module, from what is asked first to what is called last.
_LISTED: Final = (
    "_protocol",
    "_batching",
    "_quota",
    "_http",
    "_run",
    "journal",
    "shared_quota",
    "fleet",
)
_FOLDERS: Final = ("files", "html_report", "cli", "testing", "simulator")

_WIDTH, _HEIGHT = 440, 560
_STYLE: Final = """
text { font: 12px sans-serif; fill: #1f2933 }
.small { font-size: 11px; fill: #52606d }
.title { font-weight: bold }
.panel { fill: #ffffff; stroke: #cbd2d9 }
.group { fill: #f5f7fa; stroke: #9aa5b1 }
.box { fill: #ffffff; stroke: #7b8794 }
.owner { fill: #d9f2e6; stroke: #0b6e4f }
.end { fill: #e6f0fa; stroke: #2b6cb0 }
.arrow { fill: none; stroke: #52606d; stroke-width: 1.5; marker-end: url(#tip) }
#tip path { fill: #52606d }
@media (prefers-color-scheme: dark) {
  text { fill: #e4e7eb }
  .small { fill: #b8c1cb }
  .panel { fill: #131a21; stroke: #3e4c59 }
  .group { fill: #1b242d; stroke: #52606d }
  .box { fill: #24303b; stroke: #7b8794 }
  .owner { fill: #123c2d; stroke: #3fbf8f }
  .end { fill: #152f4a; stroke: #63a4e0 }
  .arrow { stroke: #b8c1cb }
  #tip path { fill: #b8c1cb }
}
"""


def _box(kind: str, at: tuple[int, int, int, int], title: str, *lines: str) -> list[str]:
    """Return a box at x, y, with its width and height, its title and its lines in the middle."""
    x, y, width, height = at
    parts = [f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}" rx="6"/>']
    top = y + height / 2 - 7 * len(lines) + 4
    for number, line in enumerate((title, *lines)):
        style = "small" if number else "title"
        parts.append(
            f'<text class="{style}" x="{x + width / 2:g}" y="{top + 14 * number:g}"'
            f' text-anchor="middle">{escape(line)}</text>'
        )
    return parts


def _group(at: tuple[int, int, int, int], title: str, line: str, text_x: int = 22) -> list[str]:
    """Return a box for boxes; its title begins at *text_x*, where no arrow comes through."""
    x, y, width, height = at
    return [
        f'<rect class="group" x="{x}" y="{y}" width="{width}" height="{height}" rx="8"/>',
        (
            f'<text x="{text_x}" y="{y + 18}"><tspan class="title">{title}</tspan>'
            f'<tspan class="small" dx="6">{escape(line)}</tspan></text>'
        ),
    ]


def _arrow(*steps: str) -> str:
    return f'<path class="arrow" d="{" ".join(steps)}"/>'


def make_picture() -> str:
    """Return the picture as SVG: narrow, so that it can be read on a phone, light or dark."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">',
        "<title>From a pair to its outcome</title>",
        f"<style>{_STYLE}</style>",
        (
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7"'
            ' markerHeight="7" orient="auto-start-reverse">'
            '<path d="M0 0L8 4L0 8z"/></marker></defs>'
        ),
        f'<rect class="panel" x="1" y="1" width="{_WIDTH - 2}" height="{_HEIGHT - 2}" rx="10"/>',
        *_box("end", (16, 14, 150, 38), "pairs", "files, frames, iterables"),
        *_box("end", (274, 14, 150, 38), "outcomes", "one for each pair"),
        *_group((12, 74, 416, 208), "_run", "many pairs", 94),
        *_box("box", (24, 104, 116, 62), "prefetch", "read, check,", "find duplicates"),
        *_box("owner", (162, 104, 116, 62), "run", "owns each pair", "until its outcome"),
        *_box("box", (300, 104, 116, 62), "output_buffer", "count, keep order,", "bound"),
        *_box(
            "box",
            (24, 206, 254, 62),
            "strategy",
            "put, batched, skip_linked or verify:",
            "borrows pairs, gives back results",
        ),
        *_box("box", (300, 206, 116, 62), "group_commit", "outcomes wait", "until written"),
        _arrow("M82", "52V102"),
        _arrow("M140", "135H160"),
        _arrow("M278", "135H298"),
        _arrow("M358", "104V54"),
        _arrow("M205", "168V204"),
        _arrow("M235", "204V168"),
        _arrow("M358", "204V168"),
        _arrow("M268", "166L312", "204"),
        *_group((12, 304, 416, 106), "_http", "one call, with its retries"),
        *_box("box", (24, 334, 116, 62), "limiter", "waits for a permit"),
        *_box("box", (162, 334, 116, 62), "sender", "attempt, verdict,", "retry"),
        *_box("box", (300, 334, 116, 62), "transport", "aiohttp: one", "request"),
        _arrow("M205", "268V332"),
        _arrow("M235", "332V270"),
        _arrow("M162", "358H142"),
        _arrow("M140", "372H160"),
        _arrow("M278", "358H298"),
        _arrow("M300", "372H280"),
        *_group((12, 432, 416, 112), "decide", "no await, no clock, no I/O", 232),
        *_box("box", (24, 462, 116, 70), "_quota", "when the next", "call may go"),
        *_box("box", (162, 462, 116, 70), "_protocol", "what is sent, what", "a response means"),
        *_box("box", (300, 462, 116, 70), "_batching", "who shares a call,", "who is at fault"),
        _arrow("M82", "396V460"),
        _arrow("M220", "396V460"),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def make_tree() -> str:
    """Return the tree: one line for each module of the packages that link, one for others."""
    package = ROOT / "aiohubassoc"
    names = sorted(path.stem for path in package.glob("*.py") if path.stem != "__init__")
    lines = _align([(f"  {name}.py", _summary(package / f"{name}.py")) for name in names])
    for folder in (*_LISTED, *_FOLDERS):
        home = package / folder
        lines.append(f"  {folder}/".ljust(26) + _summary(home / "__init__.py"))
        if folder in _LISTED:
            modules = sorted(path for path in home.glob("*.py") if path.stem != "__init__")
            lines += _align([(f"    {path.name}", _summary(path)) for path in modules])
    return "\n".join(lines) + "\n"


def _align(rows: list[tuple[str, str]]) -> list[str]:
    return [f"{name:<26}{text}" for name, text in rows]


def _summary(module: Path) -> str:
    """Return the first sentence of a module's docstring, without its full stop."""
    text = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""
    first = " ".join(text.partition("\n\n")[0].split()).replace("``", "")
    return re.split(r"(?<=[a-z\d`\)])[.] ", first)[0].removesuffix(".")


def draw() -> tuple[str, str]:
    """Return the picture and the design page as they should be."""
    page = PAGE.read_text(encoding="utf-8")
    return make_picture(), _TREE.sub(lambda _: make_tree(), page)


if __name__ == "__main__":
    picture, page = draw()
    PICTURE.write_text(picture, encoding="utf-8")
    PAGE.write_text(page, encoding="utf-8")
