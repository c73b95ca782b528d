"""What reading the input has changed is said by every command that reads one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.conftest import FAST, TYPES, make

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


def test_rows_that_are_held_back_are_not_counted(
    command: Command, start_portal: StartPortal, tmp_path: Path
) -> None:
    """Where a record broke, what was read behind the last good row is neither pair nor count."""
    start_portal()
    pairs = tmp_path / "pairs.csv"
    good = "".join(f" {n},note,{n}\n" for n in range(1, 1502))
    broken = '7,"5"\n 901,x,902\n 903,x,904\n",204\n'
    pairs.write_text(f"from_id,note,to_id\n{good}{broken}", encoding="utf-8")
    result = command("link", "--no-check", pairs, *TYPES, *FAST, "--json")
    assert (result.code, result.reported["total"]) == (3, 1501)
    assert "has a quote that may not end its cell" in result.reported["stopped"]
    counts = result.reported["input"]
    assert (counts["rows"], counts["rejected"], counts["spaces"]) == (1501, 0, 1501)


@pytest.mark.parametrize("is_pipe", [False, True])
def test_rows_behind_the_limit_are_not_counted(
    command: Command, start_portal: StartPortal, tmp_path: Path, *, is_pipe: bool
) -> None:
    """They were read ahead, and are left for the next run."""
    start_portal()
    pairs = tmp_path / "pairs.csv"
    rows = "".join(f"{' ' * (n > 2)}{n},{n}\n" for n in range(1, 1501))
    text = f"from_id,to_id\n1,\nx,1\n{rows}"
    pairs.write_text(text, encoding="utf-8")
    file, stdin = ("-", text.encode()) if is_pipe else (pairs, None)
    options = ("--no-check", *TYPES, *FAST, "--skip-invalid", "--limit", "3", "--json")
    reported = command("link", file, *options, stdin=stdin).reported
    assert (reported["total"], reported["invalid"]) == (3, 2)
    counts = reported["input"]
    assert (counts["rows"], counts["rejected"], counts["spaces"]) == (5, 2, 1)


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
