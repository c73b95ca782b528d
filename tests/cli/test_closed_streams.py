"""Standard streams that were closed before the command began: ``>&-`` in a shell."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import FAST, TYPES, write_pairs
from tests.cli.processes import COMMAND

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Command, StartPortal

pytestmark = pytest.mark.looptime(False)
CLOSED = "aiohubassoc: Cannot write standard output: Bad file descriptor"


def _run(closed: str, *arguments: object) -> tuple[int, str, str]:
    done = subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {closed}', "sh", *COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    "given",
    [
        "--help",
        "--version",
        "status r",
        "export r",
        "export r --format jsonl",
        "pairs pairs.csv pairs.csv --on from_id --left-id from_id --right-id to_id",
        "plan pairs.csv --from contacts --to companies --json",
        "verify r --stream",
        "link pairs.csv --from contacts --to companies --stream --no-check",
        "link pairs.csv --from contacts --to companies --json --no-check",
    ],
)
def test_a_result_that_nobody_gets_is_no_success(
    command: Command,
    start_portal: StartPortal,
    pairs_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    given: str,
) -> None:
    """One line says so, as of any other output that cannot be written."""
    monkeypatch.chdir(pairs_file.parent)
    start_portal()
    command("link", pairs_file, *TYPES, *FAST, "--no-check", "--run", "r")
    code, out, err = _run(">&-", *given.split())
    assert (code, out) == (5, "")
    assert CLOSED in err
    assert "Traceback" not in err


def test_all_of_them_are_closed(
    start_portal: StartPortal, folder: Path, pairs_file: Path, command: Command
) -> None:
    """The run is as any other: no file of it gets the number of a stream, and is printed into."""
    portal = start_portal()
    failures = folder.parent / "failures.csv"
    folder.parent.mkdir()
    pairs = write_pairs(pairs_file, 5, "1,not an id\n")
    output = ("--failures", failures, "--skip-invalid", "--log-format", "json")
    code, *_ = _run("<&- >&- 2>&-", "link", pairs, *TYPES, *FAST, "--run", folder, *output)
    assert (code, portal.portal.ledger.links_total) == (1, 5)
    assert len(failures.read_text("utf-8").splitlines()) == 2
    assert command("status", folder, "--json").reported["linked"] == 5


def test_standard_error_alone_is_closed(start_portal: StartPortal, pairs_file: Path) -> None:
    """Nobody misses it."""
    start_portal()
    code, out, _ = _run("2>&-", "link", pairs_file, *TYPES, *FAST, "--log-format", "json")
    assert (code, out) == (0, "")
