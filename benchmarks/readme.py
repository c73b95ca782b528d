"""
The benchmarks behind the tables of README, and the tables again from what they measured.

    python benchmarks/readme.py            # runs them, then rewrites the tables
    python benchmarks/readme.py --kept     # rewrites them from benchmarks/results alone

A table is found by its header, a row by its first cell. A row without a result keeps its figures
and is named; sentences are left to people.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import attrs
import peers
from report import RESULTS

README: Final = Path(__file__).parents[1] / "README.md"
_LARGE: Final = 10


def _times(value: float) -> str:
    return f"{value:.1f}" if value >= _LARGE else f"{value:.2f}"


def _quota_cells(row: Mapping[str, Any]) -> list[str]:
    share = f"{row['429s, share'] * 100:.0f} %"
    return [f"{row['linked']:,}", f"{row['lost']:,}", f"{row['seconds']:.1f}", share]


def _throughput_cells(row: Mapping[str, Any]) -> list[str]:
    times = _times(row["times bare"])
    if row["client"] == peers.OURS_UVLOOP.name:
        times = f"{times} of bare aiohttp on uvloop"
    return [f"{row['pairs per CPU s']:,}", times]


def _batch_cells(row: Mapping[str, Any]) -> list[str]:
    times = row["times bare"]
    return [f"{times:.1f}" if times >= 1 else f"{times:.2f}"]


@attrs.frozen
class Table:
    """
    One table of README.

    Args:
        benchmark: The script, and its file of results, without suffix.
        header: How the table's first line begins.
        key: What the rows of results have that belong here.
        cells: The cells after the first one, from a row of results; the others stay.
        clients: The names in the results, by the first cells without asterisks.
    """

    benchmark: str
    header: str
    key: str
    cells: Callable[[Mapping[str, Any]], list[str]]
    clients: Mapping[str, peers.Peer]


TABLES: Final = (
    Table(
        "quota",
        "| client | linked |",
        "429s, share",
        _quota_cells,
        {
            "aiohubassoc": peers.OURS_AT_QUOTA,
            "hubspot-api-client 12, in threads": peers.THREADS,
            "the same, documented retries": peers.THREADS_RETRYING,
            "hubspot-sdk 0.1.0a9, asyncio": peers.SDK_AIOHTTP,
            "the same, 20 retries": peers.SDK_RETRYING,
            "@hubspot/api-client 14, Node, retries": peers.NODE_RETRYING,
            "the same, documented limiter": peers.NODE_LIMITED,
            "gather, tenacity, aiohttp": peers.NAIVE,
        },
    ),
    Table(
        "throughput",
        "| client | pairs per second of CPU |",
        "pairs per CPU s",
        _throughput_cells,
        {
            "bare aiohttp": peers.BARE,
            "aiohubassoc, `link_each`": peers.OURS,
            "aiohubassoc, `create_default` by 32 tasks": peers.OURS_ONE,
            "aiohubassoc, `link_each`, uvloop": peers.OURS_UVLOOP,
            "gather, tenacity, aiohttp": peers.NAIVE,
            "hubspot-api-client 12, in threads": peers.THREADS,
            "hubspot-sdk 0.1.0a9 on aiohttp": peers.SDK_AIOHTTP,
            "@hubspot/api-client 14, Node": peers.NODE,
            "hubspot-sdk 0.1.0a9 on httpx": peers.SDK_HTTPX,
            "httpx": peers.HTTPX,
        },
    ),
    Table(
        "batch",
        "| client | times bare PUTs |",
        "times bare",
        _batch_cells,
        {
            'aiohubassoc, `via="batch"`': peers.OURS_BATCH,
            "bare aiohttp and orjson, nothing matched": peers.BARE_BATCH,
            "hubspot-api-client 12": peers.THREADS_BATCH,
            "hubspot-sdk 0.1.0a9": peers.SDK_BATCH,
        },
    ),
)


def rewritten(text: str, table: Table, results: list[Mapping[str, Any]]) -> tuple[str, list[str]]:
    """
    Return *text* with the figures of *results* in its table, and the rows that have no result.

    Raises:
        ValueError: the text has no such table, or a row of a client that is not known.
    """
    found = re.search(rf"^{re.escape(table.header)}.*(?:\n\|.*)+", text, re.MULTILINE)
    if found is None:
        raise ValueError(f"README has no table that begins with {table.header!r}")
    by_client = {row["client"]: row for row in results if table.key in row}
    header, rule, *rows = found[0].split("\n")
    lines, without = [header, rule], []
    for line in rows:
        first, *others = [cell.strip() for cell in line.strip("|").split("|")]
        label = first.replace("*", "")
        if label not in table.clients:
            raise ValueError(f"{label!r} is not a client in benchmarks/readme.py")
        row = by_client.get(table.clients[label].name)
        if row is None:
            without.append(label)
            lines.append(line)
            continue
        new = table.cells(row)
        marked = [
            f"**{cell}**" if old.startswith("**") else cell
            for cell, old in zip(new, others, strict=False)
        ]
        cells = [first, *marked, *others[len(new) :]]
        lines.append(f"| {' | '.join(cells)} |".replace("|  |", "| |"))
    return text[: found.start()] + "\n".join(lines) + text[found.end() :], without


def main() -> int:
    """Measure, rewrite and return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kept", action="store_true", help="run nothing: take what was measured")
    options = parser.parse_args()
    text, code = README.read_text(encoding="utf-8"), 0
    for table in TABLES:
        if not options.kept:
            script = Path(__file__).with_name(f"{table.benchmark}.py")
            # Figures are also taken from a benchmark that missed a bar: its exit code reports it.
            code = max(code, subprocess.run([sys.executable, script], check=False).returncode)
        path = RESULTS / f"{table.benchmark}.json"
        if not path.exists():
            print(f"no results of {table.benchmark}: run benchmarks/{table.benchmark}.py")
            code = max(code, 1)
            continue
        results = json.loads(path.read_text(encoding="utf-8"))["rows"]
        text, without = rewritten(text, table, results)
        for label in without:
            print(f"{table.benchmark}: no result of {label}: its figures stay")
    README.write_text(text, encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main())
