"""Without its libraries a fleet says what to install."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path
    from subprocess import CompletedProcess

_CODE = """
import sys
sys.modules[sys.argv[1]] = None
from aiohubassoc.cli.app import run
sys.exit(run(sys.argv[2:]))
"""


def _run_without(library: str, *arguments: str, home: Path | None = None) -> CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _CODE, library, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=None if home is None else {**os.environ, "HOME": str(home), "XDG_DATA_HOME": ""},
    )


@pytest.mark.parametrize("library", ["procrastinate", "psycopg"])
@pytest.mark.parametrize("arguments", ["status --database postgresql://x", "no-such-command"])
def test_a_missing_library_is_named_with_its_extra(library: str, arguments: str) -> None:
    """Exit code 2, and no traceback."""
    done = _run_without(library, "fleet", *arguments.split())
    assert done.returncode == 2, done.stderr
    assert "pip install 'aiohubassoc[fleet]'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("library", ["procrastinate", "psycopg"])
def test_completion_installs_without_the_extra(library: str, tmp_path: Path) -> None:
    """It completes every command but those of fleets."""
    done = _run_without(library, "--install-completion", "--shell", "bash", home=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    (script,) = tmp_path.rglob("completions/aiohubassoc")
    text = script.read_text("utf-8")
    assert "resume" in text
    assert "fleet" not in text
