"""Standard output on a disk that is full: said in a line, and no success."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import FAST, TYPES
from tests.cli.processes import COMMAND

if TYPE_CHECKING:
    from tests.cli.conftest import Command, StartPortal

_COMPLETION = "--install-completion"
FULL = Path("/dev/full")  # every write to it fails as on a full disk
pytestmark = [
    pytest.mark.looptime(False),
    pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full"),
]


def _run(*arguments: object, stderr_too: bool = False, **environment: str) -> tuple[int, str]:
    with FULL.open("wb") as full:
        done = subprocess.run(
            [*COMMAND, *map(str, arguments)],
            stdout=full,
            stderr=full if stderr_too else subprocess.PIPE,
            text=True,
            timeout=300,
            check=False,
            env={**os.environ, **environment},
        )
    return done.returncode, done.stderr or ""


@pytest.mark.parametrize("more", [(), ("--json",), ("--verify",), ("--run", "r", "--report", "h")])
def test_a_run_is_not_ended_by_it(
    start_portal: StartPortal,
    pairs_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    more: tuple[str, ...],
) -> None:
    """Every pair is sent, and no summary is lost without a word."""
    monkeypatch.chdir(pairs_file.parent)
    portal = start_portal()
    code, err = _run("link", pairs_file, *TYPES, *FAST, "--no-check", *more)
    assert (code, err) == (
        5,
        "aiohubassoc: Cannot write standard output: No space left on device\n",
    )
    assert portal.portal.ledger.requests >= 10


@pytest.mark.parametrize(
    "given",
    [
        "status r",
        "status r --json",
        "plan pairs.csv",
        "verify pairs.csv --json",
        "check --json",
        "export r",
        "export r --output x.csv --json",
    ],
)
def test_other_commands(
    command: Command,
    start_portal: StartPortal,
    pairs_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    given: str,
) -> None:
    """The same line and exit code, and no traceback."""
    monkeypatch.chdir(pairs_file.parent)
    start_portal()
    command("link", pairs_file, *TYPES, *FAST, "--no-check", "--run", "r")
    verb, *more = given.split()
    needs_types = verb in {"plan", "verify", "check"}
    code, err = _run(verb, *more, *(TYPES if needs_types else ()))
    assert (code, err.splitlines()[-1:]) == (
        5,
        ["aiohubassoc: Cannot write standard output: No space left on device"],
    )


@pytest.mark.parametrize(
    "given", ["", "--help", "--version", "link --help", "fleet", "fleet --help", _COMPLETION]
)
def test_what_the_parser_prints(given: str, tmp_path: Path) -> None:
    """It prints by itself: the same line and exit code."""
    code, err = _run(*given.split(), HOME=str(tmp_path), SHELL="/bin/bash")
    assert (code, err) == (
        5,
        "aiohubassoc: Cannot write standard output: No space left on device\n",
    )


@pytest.mark.parametrize("given", ["--help", "--version", "link --help"])
def test_a_reader_that_is_gone_before_the_parser_prints(given: str) -> None:
    """Ends nothing: as of any command in a pipe."""
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb") as pipe:  # noqa: PTH123 -- a descriptor
        done = subprocess.run(
            [*COMMAND, *given.split()],
            stdout=pipe,
            stderr=subprocess.PIPE,
            timeout=300,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_end_command_gets_the_exit_code(
    start_portal: StartPortal, pairs_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the whole result: it is the only one that does."""
    monkeypatch.chdir(pairs_file.parent)
    start_portal()
    _run("link", pairs_file, *TYPES, *FAST, "--no-check", "--json", "--on-end", "tee reported")
    reported = Path("reported").read_text("utf-8")
    assert '"linked": 10' in reported
    assert '"exit_code": 5' in reported


def test_nothing_can_be_said_where_standard_error_is_full_too(
    start_portal: StartPortal, pairs_file: Path
) -> None:
    """The exit code still tells."""
    portal = start_portal()
    code, _ = _run("link", pairs_file, *TYPES, *FAST, "--no-check", stderr_too=True)
    assert (code, portal.portal.ledger.requests) == (5, 10)


@pytest.mark.parametrize("given", ["--help", "link --help", "--version"])
def test_help(given: str) -> None:
    """So is what the parser prints."""
    assert _run(*given.split()) == (
        5,
        "aiohubassoc: Cannot write standard output: No space left on device\n",
    )
