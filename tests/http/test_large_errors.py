"""Errors of megabytes: what they cost in memory, by processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

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


def _link(base_url: str, kind: str) -> dict[str, Any]:
    command = [sys.executable, str(SCRIPT), "link", base_url, kind, str(COUNT)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    assert COUNT == result["failed"]
    return result


@pytest.mark.skipif(sys.platform != "linux", reason="the size of a process is in kB on Linux")
@pytest.mark.parametrize("kind", ["message", "context", "details", "page", "inside", "garbled"])
def test_errors_of_megabytes_take_no_more_memory(kind: str) -> None:
    """At most 60 MB more for a hundred of 4 MB than for as many of 200 bytes, four at once."""
    with _serving(200) as small, _serving(4_000_000) as large:
        few, many = _link(small, kind), _link(large, kind)
    assert few["kept"] == many["kept"]
    assert many["kB"] - few["kB"] < 60_000
