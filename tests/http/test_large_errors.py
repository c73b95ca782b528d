"""Errors of megabytes: what they cost in memory, by processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPT = Path(__file__).parent / "large_errors.py"
ROOT = SCRIPT.parents[2]
COUNT = 100


@contextmanager
def _serving(size: int) -> Iterator[str]:
    command = [sys.executable, str(SCRIPT), "serve", str(size)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[str, str]]:
    """Start a server with errors of 200 bytes and one with errors of 4 MB; return their URLs."""
    with _serving(200) as small, _serving(4_000_000) as large:
        yield small, large


@pytest.mark.skipif(sys.platform != "linux", reason="the size of a process is in kB on Linux")
@pytest.mark.parametrize("kind", ["message", "context", "details", "page", "inside", "garbled"])
def test_errors_of_megabytes_take_no_more_memory(servers: tuple[str, str], kind: str) -> None:
    """At most 60 MB more for a hundred of 4 MB than for as many of 200 bytes, four at once."""
    command = [sys.executable, str(SCRIPT), "link", kind, str(COUNT), *servers]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    few, many = map(json.loads, done.stdout.splitlines())
    assert COUNT == few["failed"] == many["failed"]
    # Of a success for one pair nothing is read that is longer than any is.
    assert many["kept"] == (["INVALID_RESPONSE"] if kind == "inside" else few["kept"])
    assert many["kB"] - few["kB"] < 60_000
