"""What every benchmark prints and keeps: a table, the checks, a file of JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RESULTS = Path(__file__).parent / "results"


def print_table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print *rows*, all with the same keys, as a table."""
    cells = [list(rows[0]), *([_shown(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        first, *others = (cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        print("  ".join([first.strip().ljust(widths[0]), *others]))
    print()


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def print_checks(checks: Mapping[str, bool]) -> int:
    """Print what holds and what does not, and return the exit code."""
    for claim, holds in checks.items():
        print(f"{'ok' if holds else 'NO'}  {claim}")
    return 0 if all(checks.values()) else 1


def conclude(name: str, rows: Sequence[Mapping[str, Any]], checks: Mapping[str, bool]) -> int:
    """
    Print what holds and what does not, keep it all as JSON, and return the exit code.

    Args:
        name: The file's name, without suffix, in ``benchmarks/results``.
        rows: What was measured.
        checks: What must hold, and whether it does.
    """
    code = print_checks(checks)
    RESULTS.mkdir(exist_ok=True)
    content = {"command": sys.argv, "rows": list(rows), "checks": dict(checks)}
    (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return code
