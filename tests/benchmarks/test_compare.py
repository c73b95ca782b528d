"""Two commits are compared: what the verdict says, and that each runs its own code."""

from __future__ import annotations

import math
import subprocess
from pathlib import Path

import compare
import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.90, 0.97, "better"),
        (1.03, 1.20, "worse"),
        (0.99, 1.01, "the same"),
        (0.98, 1.02, "the same"),
        (0.90, 0.99, "not known"),
        (1.01, 1.10, "not known"),
        (0.80, 1.30, "not known"),
    ],
)
def test_the_verdict(low: float, high: float, expected: str) -> None:
    """The whole interval decides."""
    assert compare.verdict(low, high, 0.02, series=12) == expected
    assert compare.verdict(low, high, 0.02, series=3) == "not known"


@pytest.mark.parametrize("true_ratio", [0.9, 1.0, 1.1])
def test_the_interval_of_noisy_series(true_ratio: float) -> None:
    """It is around the true ratio, and around the mean; more noise widens it."""
    quiet, noisy = (
        compare.interval([true_ratio * math.exp(noise * (n % 7 - 3)) for n in range(35)])
        for noise in (0.01, 0.1)
    )
    for low, middle, high in (quiet, noisy):
        assert low < true_ratio < high
        assert middle == pytest.approx(true_ratio)
    assert quiet[2] - quiet[0] < noisy[2] - noisy[0]


def test_the_ratio_of_a_series_is_that_of_rounds_beside_each_other() -> None:
    """A round in which the machine was slow for both changes nothing."""
    assert compare.ratio_of([(10.0, 11.0), (50.0, 55.0), (10.0, 11.0)]) == pytest.approx(1.1)


@pytest.mark.looptime(False)
@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this is no clone: it has no commits")
def test_a_commit_is_checked_out_as_it_was(tmp_path: Path) -> None:
    """Its files, and its name."""
    name = compare.check_out("HEAD", tmp_path)
    committed = subprocess.run(
        ["git", "show", "HEAD:Makefile"],  # noqa: S607 -- wherever it is
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    assert (tmp_path / "Makefile").read_bytes() == committed.stdout
    assert name


@pytest.mark.looptime(False)
def test_a_process_runs_the_package_of_its_folder(tmp_path: Path) -> None:
    """Not the one that is installed."""
    (tmp_path / "aiohubassoc").mkdir()
    (tmp_path / "aiohubassoc" / "__init__.py").write_text("LINKED = 7\n", encoding="utf-8")
    peers = tmp_path / "benchmarks" / "peers"
    peers.mkdir(parents=True)
    (peers / "one.py").write_text(
        "import json, sys, aiohubassoc\n"
        "for line in sys.stdin:\n"
        "    print(json.dumps({'linked': aiohubassoc.LINKED, 'failed': len(sys.argv[1:]),"
        " 'cpu_seconds': 1.0, 'wall_seconds': 1.0}), flush=True)\n",
        encoding="utf-8",
    )
    workload = compare.Workload("one", "one.py", ("a", "b"), 1)
    with compare.contender(workload, tmp_path) as process:
        reported = process.run("http://127.0.0.1:1", 1, 1)
    assert (reported.linked, reported.failed) == (7, 2)
