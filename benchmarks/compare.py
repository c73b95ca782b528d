"""
Compares the CPU per pair of two commits in one run.

    python benchmarks/compare.py BASE [HEAD]

Both are checked out into temporary folders. Processes of both link pairs against one lean server,
by turns. Each series starts new processes, because the memory layout of a process makes it faster
or slower for its whole life. The result is CPU per pair of *HEAD* divided by that of *BASE*, with
a bootstrap interval over the series.

The verdict is "better" or "worse" if the whole interval is beyond the tolerance, "the same" if all
of it is within, and "not known" otherwise or with fewer than eight series; then run more series.
"worse" is exit code 1. Comparing a commit with itself shows the noise of the machine.
"""

from __future__ import annotations

import argparse
import io
import math
import random
import statistics
import subprocess
import sys
import tarfile
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs
from contenders import Contender
from lean_server import cores, lean_server
from report import conclude, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT: Final = Path(__file__).parents[1]
_RESAMPLES: Final = 10_000
_CONFIDENCE: Final = 0.95
_LEAST_SERIES: Final = 8  # of fewer, bootstrap bounds are too close to one another


@attrs.frozen
class Workload:
    """
    What is compared.

    Args:
        name: For the table.
        script: In the folder `peers` of each commit.
        arguments: For it.
        pairs: Of each round.
    """

    name: str
    script: str
    arguments: tuple[str, ...]
    pairs: int


_WORKLOADS: Final = (
    Workload("link_each", "ours.py", ("link_each", "asyncio"), 2_000),
    Workload("create_default", "ours.py", ("create_default", "asyncio"), 2_000),
    Workload("batch", "ours_batch.py", ("asyncio",), 20_000),
)


def check_out(commit: str, folder: Path) -> str:
    """
    Put the files of *commit* into *folder* and return its short name.

    Raises:
        subprocess.CalledProcessError: there is no such commit.
    """
    git = ["git", "-C", str(ROOT)]
    archive = subprocess.run([*git, "archive", commit], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    named = subprocess.run(
        [*git, "rev-parse", "--short", f"{commit}^{{commit}}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return named.stdout.strip()


def contender(workload: Workload, folder: Path) -> Contender:
    """Return a process of the workload with the package of that folder."""
    # Before anything that is installed; an installation of this repository would come later.
    start = (
        "import runpy, sys; script = sys.argv[1]; del sys.argv[0]; "
        f"sys.path[:0] = [{str(folder)!r}, {str(folder / 'benchmarks' / 'peers')!r}]; "
        "runpy.run_path(script, run_name='__main__')"
    )
    script = folder / "benchmarks" / "peers" / workload.script
    return Contender([sys.executable, "-c", start, script, *workload.arguments], folder)


def measure(
    workload: Workload, folders: Sequence[Path], *, series: int, rounds: int, concurrency: int
) -> list[list[tuple[float, float]]]:
    """
    Return CPU microseconds per pair of both commits: of each series, of each round.

    Raises:
        RuntimeError: a pair was not linked.
    """
    seen = []
    with lean_server() as server:
        for number in range(series):
            # Who comes first changes, as the first one meets a server that has just rested.
            order = (0, 1) if number % 2 == 0 else (1, 0)
            of_series = []
            with ExitStack() as stack:
                running = [stack.enter_context(contender(workload, folder)) for folder in folders]
                for count in range(rounds + 1):
                    costs = [0.0, 0.0]
                    for index in order:
                        one = running[index].run(server.base_url, workload.pairs, concurrency)
                        if one.failed:
                            raise RuntimeError(f"{one.failed} pairs were not linked")
                        costs[index] = one.cpu_us
                    if count:  # the first one warms up
                        of_series.append((costs[0], costs[1]))
            seen.append(of_series)
    return seen


def ratio_of(series: Sequence[tuple[float, float]]) -> float:
    """Return how many times the base's cost the head's is, in the middle of the rounds."""
    return statistics.median(head / base for base, head in series)


def interval(ratios: Sequence[float], *, seed: int = 1) -> tuple[float, float, float]:
    """
    Return the geometric mean of the *ratios*, one of each series, between its bootstrap bounds.

    The bounds hold 95 % of the means of series that are drawn anew, with repetition.
    """
    logs = [math.log(ratio) for ratio in ratios]
    rng = random.Random(seed)
    means = sorted(statistics.fmean(rng.choices(logs, k=len(logs))) for _ in range(_RESAMPLES))
    cut = round((1 - _CONFIDENCE) / 2 * (_RESAMPLES - 1))
    low, middle, high = means[cut], statistics.fmean(logs), means[-1 - cut]
    return math.exp(low), math.exp(middle), math.exp(high)


def verdict(low: float, high: float, tolerance: float, series: int) -> str:
    """Return what the interval of a ratio says: a ratio above 1 costs more."""
    if series < _LEAST_SERIES:
        return "not known"
    if high < 1 - tolerance:
        return "better"
    if low > 1 + tolerance:
        return "worse"
    if low >= 1 - tolerance and high <= 1 + tolerance:
        return "the same"
    return "not known"


def main() -> int:
    """Measure, print and return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("base")
    parser.add_argument("head", nargs="?", default="HEAD")
    parser.add_argument("--series", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=4, help="of each series")
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--scale", type=float, default=1.0, help="of the pairs of each round")
    parser.add_argument("--tolerance", type=float, default=0.02, help="a difference that counts")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        folders, names = [], []
        for name, commit in (("base", options.base), ("head", options.head)):
            folders.append(Path(folder) / name)
            names.append(check_out(commit, folders[-1]))
        print(f"base {names[0]}, head {names[1]}", flush=True)
        for workload in _WORKLOADS:
            sized = attrs.evolve(workload, pairs=max(1, round(workload.pairs * options.scale)))
            seen = measure(
                sized,
                folders,
                series=options.series,
                rounds=options.rounds,
                concurrency=options.concurrency,
            )
            low, middle, high = interval([ratio_of(series) for series in seen])
            both = [each for series in seen for each in series]
            rows.append(
                {
                    "workload": workload.name,
                    "base us": round(statistics.median(base for base, _ in both), 2),
                    "head us": round(statistics.median(head for _, head in both), 2),
                    "head / base": round(middle, 3),
                    "from": round(low, 3),
                    "to": round(high, 3),
                    "head is": verdict(low, high, options.tolerance, options.series),
                }
            )
    print_table(rows)
    print(f"servers and clients on cores of their own: {'yes' if cores() else 'no'}")
    checks = {f"{row['workload']}: not worse": row["head is"] != "worse" for row in rows}
    return conclude("compare", rows, checks)


if __name__ == "__main__":
    sys.exit(main())
