"""Each benchmark runs, and what it claims besides times holds on a small scale."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.looptime(False)
@pytest.mark.parametrize(
    "command",
    [
        (
            "quota.py",
            "--pairs",
            "60",
            "--limit",
            "40",
            "--windows",
            "1",
            "--scenario-windows",
            "0",
            "--untimed",
            "--only-ours",
        ),
        ("faults.py", "--pairs", "300", "--lasting-pairs", "500"),
        ("memory.py", "--pairs", "200", "2000", "--most-tasks", "200"),
        (
            "throughput.py",
            "--series",
            "1",
            "--rounds",
            "2",
            "--pairs",
            "60",
            "--without-peers",
            "--untimed",
        ),
        ("overhead.py", "--rounds", "2", "--pairs", "60"),
        ("startup.py", "--rounds", "1", "--untimed"),
        (
            "journal.py",
            "--series",
            "1",
            "--rounds",
            "1",
            "--pairs",
            "60",
            "--fill-pairs",
            "2000",
            "6000",
            "--untimed",
        ),
        ("kills.py", "--kills", "4", "--pairs", "150"),
        pytest.param(
            ("inputs.py", "--rows", "1000", "20000", "--taken", "300", "--untimed"),
            marks=pytest.mark.skipif(
                not Path("/proc/self/status").exists(), reason="this system has no /proc"
            ),
        ),
    ],
    ids=lambda command: command[0],
)
def test_benchmarks(command: tuple[str, ...]) -> None:
    """Exit code 0, and no claim that does not hold."""
    script, *options = command
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / script, *options],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok  " in done.stdout
    assert "NO  " not in done.stdout


def test_a_claim_that_does_not_hold_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Or the runs above would prove nothing."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import report  # noqa: PLC0415 -- a script's sibling

    monkeypatch.setattr(report, "RESULTS", tmp_path / "results")
    assert report.conclude("x", [{"a": 1}], {"fine": True, "wrong": False}) == 1
    assert "NO  wrong" in capsys.readouterr().out
    assert '"wrong": false' in (tmp_path / "results" / "x.json").read_text(encoding="utf-8")
    assert report.conclude("x", [{"a": 1}], {"fine": True}) == 0
