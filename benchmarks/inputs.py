"""
A file of ten million rows begins to be sent at once, and is read in memory that does not grow.

The command links the rows of a small file and of a large one against a simulated portal, with a
run folder, and is stopped after some thousands. What counts is when the first outcome was reported,
and the most memory that the process had.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from report import conclude, print_table

from aiohubassoc.simulator import PortalSettings, portal_process

_MOST_SECONDS: Final = 1.0
_MOST_GROWTH_MB: Final = 5.0
_AT_ONCE: Final = 10_000


def write_rows(path: Path, count: int) -> None:
    """Write a CSV file of this many rows, with a column more than the ids."""
    with path.open("w", encoding="utf-8") as file:
        file.write("from_id,to_id,note\n")
        for start in range(1, count + 1, _AT_ONCE):
            numbers = range(start, min(start + _AT_ONCE, count + 1))
            file.writelines(f"{number},{number + 7},note {number}\n" for number in numbers)


def measure(home: Path, rows: int, taken: int, base_url: str) -> dict[str, Any]:
    """Return what a run reported of its first rows."""
    path = home / f"{rows}.csv"
    write_rows(path, rows)
    command = [
        *(sys.executable, "-m", "aiohubassoc", "link", str(path), "--from", "contacts"),
        *("--to", "companies", "--base-url", base_url, "--quota", "100000/1s"),
        *("--run", str(home / f"run-{rows}"), "--stream"),
    ]
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        seconds = time.perf_counter() - began
        linked = first["ok"] + sum(
            json.loads(process.stdout.readline())["ok"] for _ in range(taken - 1)
        )
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
        process.send_signal(signal.SIGKILL)
        process.stdout.read()
    peak_kib = int(status.partition("VmHWM:")[2].split()[0])
    return {
        "rows in the file": f"{rows:,}",
        "rows": rows,
        "taken": taken,
        "linked": linked,
        "seconds to the first": round(seconds, 2),
        "peak memory, MB": peak_kib / 1024,
    }


def main() -> int:
    """Measure, print and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs=2, default=[30_000, 10_000_000])
    parser.add_argument("--taken", type=int, default=20_000)
    parser.add_argument("--untimed", action="store_true", help="judge nothing that times decide")
    options = parser.parse_args()
    settings = PortalSettings(quota_limit=None)
    os.environ["HUBSPOT_ACCESS_TOKEN"] = settings.tokens[0]
    with portal_process(settings) as portal, tempfile.TemporaryDirectory() as home:
        rows = [
            measure(Path(home), count, options.taken, portal.base_url) for count in options.rows
        ]
    print_table(rows)
    few, many = rows
    growth = many["peak memory, MB"] - few["peak memory, MB"]
    checks = {
        "every pair that was reported is linked": all(
            row["linked"] == row["taken"] for row in rows
        ),
        f"{growth:.1f} MB more for {many['rows']:,} rows than for {few['rows']:,}, at most "
        f"{_MOST_GROWTH_MB:g}": growth <= _MOST_GROWTH_MB,
    }
    if not options.untimed:
        claim = f"the first outcome within {_MOST_SECONDS:g} s, the start of Python included"
        checks[claim] = many["seconds to the first"] <= _MOST_SECONDS
    return conclude("inputs", rows, checks)


if __name__ == "__main__":
    sys.exit(main())
