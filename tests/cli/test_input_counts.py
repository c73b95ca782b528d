"""What reading the input has changed is said by every command that reads one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.conftest import TYPES, make

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Command, StartPortal

SENTENCES = (
    "Cells with spaces around an id, which were removed: 1.",
    "Cells with Excel's text mark (' or =\"...\"), which was removed: 1.",
)


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """Return a file whose cells are not quite ids."""
    path = tmp_path / "pairs.csv"
    path.write_text("from_id,to_id\n 1,100001\n'2,100002\n3,100003\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("verb", ["link", "verify", "plan"])
def test_what_was_taken_off(
    command: Command, start_portal: StartPortal, changed: Path, verb: str
) -> None:
    """A sentence for each kind in the summary, and the counts in the JSON."""
    make(start_portal(), (1, 2, 3))
    result = command(verb, changed, *TYPES)
    assert result.code == 0
    for sentence in SENTENCES:
        assert result.out.count(sentence) == 1
    counts = command(verb, changed, *TYPES, "--json").reported["input"]
    assert (counts["rows"], counts["spaces"], counts["text_marks"]) == (3, 1, 1)


def test_resume(command: Command, start_portal: StartPortal, changed: Path, folder: Path) -> None:
    """It reads the input again; a run folder that is read back has none."""
    start_portal()
    assert command("link", changed, *TYPES, "--run", folder, "--limit", "1").code == 0
    result = command("resume", folder)
    assert (result.code, result.out.count(SENTENCES[1])) == (0, 1)
    assert command("resume", folder, "--json").reported["input"]["spaces"] == 1
    assert command("verify", folder, "--json").reported["input"] is None


@pytest.mark.parametrize("options", [(), ("--skip-invalid",), ("--json",)])
def test_no_row_that_can_be_used(
    command: Command, start_portal: StartPortal, tmp_path: Path, options: tuple[Any, ...]
) -> None:
    """A run ends before anything is sent and says what the column holds; a plan has its table."""
    portal = start_portal()
    pairs = tmp_path / "pairs.csv"
    rows = "".join(f"p{n}@example.org,{n}\n" for n in range(1, 1101))
    pairs.write_text(f"from_id,to_id\n{rows}", encoding="utf-8")
    result = command("link", pairs, *TYPES, *options)
    assert result.code == 2
    assert "none of the first 1,000 rows is valid" in result.err
    assert "Column 'from_id' holds e-mail addresses" in result.err
    assert portal.portal.ledger.requests == 0
    if options != ("--skip-invalid",):
        result = command("plan", pairs, *TYPES, *options)
        assert (result.code, result.err) == (1, "")
