"""
What it costs to begin: ``import aiohubassoc``, ``aiohubassoc --help``, and the first request.

Times are those of whole processes, as ratios to bare Python, one after the other in turn.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from time import perf_counter
from typing import TYPE_CHECKING, Any

import peers
from lean_server import lean_server
from report import conclude, print_table

if TYPE_CHECKING:
    from contenders import Round

_COMMANDS = {
    "bare Python": ["-c", "pass"],
    "import aiohubassoc": ["-c", "import aiohubassoc"],
    "import the client": ["-c", "from aiohubassoc import AssociationClient"],
    "aiohubassoc --help": ["-m", "aiohubassoc", "--help"],
}
# A fourth of help is its Markdown, without which sentences break where their source does.
_MOST_RATIO = {"import aiohubassoc": 2.0, "aiohubassoc --help": 20.0}


def _seconds(command: list[str]) -> float:
    begun = perf_counter()
    subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
    return perf_counter() - begun


def _first_and_next() -> tuple[Round, Round]:
    """Return a process's first pair and one after it, each with a separate client."""
    with lean_server() as server, peers.OURS_ONE.contender() as process:
        return process.run(server.base_url, 1, 1), process.run(server.base_url, 1, 1)


def main() -> int:
    """Measure, print and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--untimed", action="store_true", help="judge nothing that times decide")
    options = parser.parse_args()
    seconds: dict[str, list[float]] = {name: [] for name in _COMMANDS}
    for _ in range(options.rounds):
        for name, command in _COMMANDS.items():
            seconds[name].append(_seconds(command))
    bare = seconds["bare Python"]
    rows: list[dict[str, Any]] = [
        {
            "what": name,
            "ms": round(statistics.median(own) * 1e3, 1),
            "times bare Python": round(
                statistics.median(one / other for one, other in zip(own, bare, strict=True)), 1
            ),
        }
        for name, own in seconds.items()
    ]
    firsts = [_first_and_next() for _ in range(max(1, options.rounds // 4))]
    first, following = (
        statistics.median(one.wall_seconds for one in each) for each in zip(*firsts, strict=True)
    )
    rows += [
        {
            "what": what,
            "ms": round(value * 1e3, 1),
            "times bare Python": round(value / statistics.median(bare), 1),
        }
        for what, value in (
            ("the first pair", first),
            ("a pair of a new client after it", following),
        )
    ]
    print_table(rows)
    checks = {"each pair was linked": all(one.linked == 1 for each in firsts for one in each)}
    if not options.untimed:
        checks |= {
            f"{row['what']}: at most {_MOST_RATIO[row['what']]:g} times bare Python": (
                row["times bare Python"] <= _MOST_RATIO[row["what"]]
            )
            for row in rows
            if row["what"] in _MOST_RATIO
        }
    return conclude("startup", rows, checks)


if __name__ == "__main__":
    sys.exit(main())
