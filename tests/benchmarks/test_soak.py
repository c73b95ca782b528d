"""The storm, in virtual time for an hour and in real time for some seconds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import soak

ROOT = Path(__file__).parents[2]


def _storm(home: Path, *options: str) -> str:
    """Run it with *home* for temporary files, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", ROOT / "benchmarks" / "soak.py", *options],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=home,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(home)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "NO  " not in done.stdout
    assert [] == list(home.iterdir()), "a file is left"
    return done.stdout


@pytest.mark.looptime(False)
@pytest.mark.timeout(600)
def test_an_hour_of_virtual_time(tmp_path: Path) -> None:
    """Every fault, cancellation and restart: the records agree pair by pair."""
    assert "ok  the records" in _storm(tmp_path, "--virtual", "--minutes", "60", "--seed", "7")


@pytest.mark.looptime(False)
@pytest.mark.timeout(600)
def test_some_seconds_of_real_time(tmp_path: Path) -> None:
    """The command is killed besides."""
    assert "ok  the records" in _storm(tmp_path, "--minutes", "0.2", "--seed", "3")


def test_what_does_not_agree_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """Or the storms above would prove nothing."""
    findings = soak.Findings()
    findings.check("all is well", holds=True)
    findings.check("the records agree", holds=False, about="contacts:1")
    assert {"the records agree": 1} == findings.wrong
    assert "NOT SO: the records agree: contacts:1" in capsys.readouterr().err
