"""
Memory of a join that does not grow with the number of rows.

The peak memory and the CPU of a process that joins two files by their keys, in which every row of
one has its row in the other, in another order; and of one that joins a tenth of them.
"""

from __future__ import annotations

import argparse
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from report import conclude

from aiohubassoc.files.join import Join, Joined
from aiohubassoc.files.keyed_table import KeyColumns, KeyedTable, exact_key
from aiohubassoc.files.layout import Layout

_MOST_GROWTH_MB: Final = 40.0


_NAMES: Final = ("left.csv", "right.csv")


def write_exports(folder: Path, count: int) -> None:
    """Write two files of *count* rows with the same keys, each in another order."""
    shuffled = random.Random(7)
    for name in _NAMES:
        numbers = list(range(count))
        shuffled.shuffle(numbers)
        path = folder / name
        with path.open("w", encoding="utf-8") as file:
            file.write("Record ID,First Name,Email\n")
            file.writelines(f"{n + 10**9},Some Name,someone.{n}@example.com\n" for n in numbers)


def join(left: str, right: str) -> None:
    """Join two files, and print the pairs, the seconds of CPU and the peak memory in MB."""
    columns = KeyColumns("Email", "--on", None, "--id")
    with (
        KeyedTable(left, columns, Layout(), exact_key) as left_table,
        KeyedTable(right, columns, Layout(), exact_key) as right_table,
        Join(left_table, right_table, all_matches=False, keeps_cells=True) as joined,
    ):
        pairs = sum(isinstance(one, Joined) for one in joined)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(pairs, time.process_time(), peak_mb)


def measure(count: int) -> float:
    """Join two files of *count* rows in another process, and return its peak memory in MB."""
    with tempfile.TemporaryDirectory() as folder:
        # Elsewhere: what a process has taken counts as its child's, too.
        written = [sys.executable, __file__, "--write", folder, "--rows", str(count)]
        subprocess.run(written, check=True)
        called = [sys.executable, __file__, "--join", *(f"{folder}/{name}" for name in _NAMES)]
        out = subprocess.run(called, check=True, capture_output=True, text=True).stdout
    pairs, seconds, peak_mb = out.split()
    print(f"{int(pairs):>9,} pairs  {float(seconds):>7.1f} s of CPU  {float(peak_mb):>7.1f} MB")
    return float(peak_mb)


def main() -> int:
    """Measure; return 1 if memory grows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--join", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--write", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.write:
        write_exports(Path(given.write), given.rows)
        return 0
    if given.join:
        join(*given.join)
        return 0
    counts = (max(1, given.rows // 10), given.rows)
    few, many = map(measure, counts)
    claim = f"{many - few:.1f} MB more for {counts[1]:,} rows than for {counts[0]:,}"
    rows = [
        {"rows": count, "peak memory, MB": peak}
        for count, peak in zip(counts, (few, many), strict=True)
    ]
    holds = many - few <= _MOST_GROWTH_MB
    return conclude("join", rows, {f"{claim}, at most {_MOST_GROWTH_MB:g}": holds})


if __name__ == "__main__":
    sys.exit(main())
