"""HAProxy with an exact rolling window stands between the client and the portal."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import haproxy
import pytest

from tests.judges.found import ROOT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.looptime(False)
@pytest.mark.timeout(600)
@pytest.mark.skipif(
    not haproxy.command(), reason="haproxy is not installed: apt-get install haproxy"
)
def test_every_pair_is_linked_behind_haproxy() -> None:
    """HAProxy refuses calls of a client whose configured quota is too high."""
    options = ["--limit", "20", "--windows", "0.5", "--seconds", "1", "--untimed"]
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "haproxy.py", *options],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("instants", "most"),
    [([], 0), ([5.0], 1), ([0.0, 1.0, 2.0], 1), ([0.0, 0.5, 1.0, 1.25], 3), ([0.0, 0.9, 0.99], 3)],
)
def test_the_most_in_a_window(instants: list[float], most: int) -> None:
    """A window of one second is open at its end."""
    assert haproxy.most_in_a_window(instants, 1.0) == most


def test_the_audit_reads_the_log(tmp_path: Path) -> None:
    """Requests sorted by time; HAProxy's own lines are not requests."""
    log = tmp_path / "log"
    log.write_text("[NOTICE] (1) : ready\n2000000 429\n- 400\n1000000 200\n", encoding="utf-8")
    assert haproxy.audit(log) == ([1.0, 2.0], 1)


def test_haproxy_is_looked_for_where_debian_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its folder is not in every user's path."""
    asked: list[str] = []
    monkeypatch.setenv("PATH", "/usr/bin")
    monkeypatch.setattr(shutil, "which", lambda _, path: asked.append(path))
    assert haproxy.command() is None
    assert asked == ["/usr/bin:/usr/sbin"]
