"""The external tools that `make judges` installs, and the message if they are missing."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

import peers
import pytest

ROOT = Path(__file__).parents[2]


@cache
def python_with(module: str) -> Path | None:
    """Return a Python that can import *module*: of `make judges`, or of the benchmarks."""
    candidates = [
        ROOT / ".venv-judges" / "bin" / "python",
        Path(sys.executable),
        peers.python_home() / "bin" / "python",
    ]
    for python in filter(Path.exists, candidates):
        found = f"import importlib.util, sys; sys.exit(not importlib.util.find_spec({module!r}))"
        if not subprocess.run([python, "-c", found], check=False).returncode:
            return python
    return None


def python_or_skip(module: str) -> Path:
    """Return that Python; skip the test where there is none."""
    python = python_with(module)
    if python is None:
        pytest.skip(f"{module} is not installed: make judges")
    return python
