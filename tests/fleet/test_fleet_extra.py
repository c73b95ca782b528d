"""Without its libraries a fleet says what to install."""

from __future__ import annotations

import subprocess
import sys

import pytest

_CODE = """
import sys
sys.modules[sys.argv[1]] = None
from aiohubassoc.cli.app import run
sys.exit(run(["fleet", "status", "--database", "postgresql://x"]))
"""


@pytest.mark.parametrize("library", ["procrastinate", "psycopg"])
def test_a_missing_library_is_named_with_its_extra(library: str) -> None:
    """Exit code 2, and no traceback."""
    done = subprocess.run(
        [sys.executable, "-c", _CODE, library],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "pip install 'aiohubassoc[fleet]'" in done.stderr
    assert "Traceback" not in done.stderr
