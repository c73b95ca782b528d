"""
Draws what a run looks like in a terminal, from a run.

    python benchmarks/draw_terminal.py

It runs `aiohubassoc demo` in a terminal of 64 columns and writes docs/demo.svg: with letters that
a phone can show, and colours that follow those of the reader.
"""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from html import escape
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

ROOT: Final = Path(__file__).parents[1]
PICTURE: Final = ROOT / "docs" / "demo.svg"
COLUMNS: Final = 64

# rich's export has one set of colours, so the frame is ours: its classes follow the reader's.
_WIDTH, _LINE, _LEFT, _TOP = 7.2, 17, 14, 44
_CLASSES: Final = {1: "bad", 2: "good", 3: "warn"}  # by the number of the standard colour
_STYLE: Final = """
text { font: 12px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: #1f2933;
  white-space: pre }
.panel { fill: #f7f9fb; stroke: #cbd2d9 }
.dot { fill: #cbd2d9 }
.bold { font-weight: bold }
.good { fill: #0b6e4f } .bad { fill: #b3261e } .warn { fill: #8a5a00 } .dim { fill: #52606d }
@media (prefers-color-scheme: dark) {
  text { fill: #e4e7eb }
  .panel { fill: #131a21; stroke: #3e4c59 }
  .dot { fill: #3e4c59 }
  .good { fill: #3fbf8f } .bad { fill: #f28b82 } .warn { fill: #f0c36d } .dim { fill: #b8c1cb }
}
"""


def run_in_terminal(arguments: list[str]) -> str:
    """Return what the command prints to a terminal on standard output, with its colours."""
    ours, its = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "aiohubassoc", *arguments],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "COLUMNS": str(COLUMNS),
            "TERM": "xterm-256color",
        },
        stdin=subprocess.DEVNULL,
        stdout=its,
        stderr=subprocess.DEVNULL,  # the progress, which changes
    )
    os.close(its)
    printed = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the process has ended
            break
        if not part:
            break
        printed += part
    os.close(ours)
    if process.wait():
        raise RuntimeError(f"{arguments} ended with {process.returncode}")
    return printed.decode().replace("\r\n", "\n")


def make_picture(command: str, printed: str) -> str:
    """Return a terminal with *command* and what it printed, as SVG."""
    console = Console(width=COLUMNS, force_terminal=True, color_system="standard")
    lines: list[list[tuple[str, str]]] = [[("$ ", "dim"), (command, "bold")]]
    for line in Text.from_ansi(printed.rstrip()).wrap(console, COLUMNS):
        spans = []
        for segment in line.render(console):
            style = segment.style
            colour = style.color.number if style and style.color else None
            names = [_CLASSES[colour]] if colour in _CLASSES else []
            names += ["bold"] if style and style.bold else []
            spans.append((segment.text, " ".join(names)))
        lines.append(spans)
    width = round(2 * _LEFT + COLUMNS * _WIDTH)
    height = _TOP + _LINE * len(lines)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
        f"<title>{escape(command)} in a terminal</title>",
        f"<style>{_STYLE}</style>",
        f'<rect class="panel" x="1" y="1" width="{width - 2}" height="{height - 2}" rx="10"/>',
        *(f'<circle class="dot" cx="{_LEFT + 5 + 18 * n}" cy="17" r="5"/>' for n in range(3)),
    ]
    for number, spans in enumerate(lines):
        y, column = _TOP + _LINE * number, 0
        for text, classes in spans:
            if text.strip():
                x = _LEFT + (column + len(text) - len(text.lstrip())) * _WIDTH
                letters = text.strip()
                parts.append(
                    f'<text x="{x:.1f}" y="{y}" textLength="{len(letters) * _WIDTH:.1f}"'
                    f' class="{classes}">{escape(letters)}</text>'
                )
            column += len(text)
    return "\n".join([*parts, "</svg>"]) + "\n"


def main() -> None:
    """Run and draw."""
    printed = run_in_terminal(["demo"]).partition("Next:")[0]
    printed = re.sub(r" +$", "", printed, flags=re.MULTILINE)
    PICTURE.write_text(make_picture("aiohubassoc demo", printed), encoding="utf-8")


if __name__ == "__main__":
    main()
