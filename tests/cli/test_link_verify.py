"""``link --verify``: what the run reported as linked is read back at its end."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

import pytest

from aiohubassoc.simulator import FaultPlan
from tests.cli.conftest import calls, make, read_rows, write_pairs

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Command, Result, StartPortal

BATCH = ("--via", "batch")


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where temporary files are."""
    path = tmp_path / "temporary"
    path.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(path))
    return path


def verification(result: Result) -> tuple[int, ...]:
    """Return exit code, linked, missing, unknown of what was read back."""
    reported = result.reported["verification"]
    return (result.code, reported["linked"], reported["missing"], reported["unknown"])


@pytest.mark.parametrize("form", [(), BATCH])
@pytest.mark.parametrize("keeps", [False, True])
def test_all_that_was_linked_is_there(
    link: Command,
    start_portal: StartPortal,
    pairs_file: Path,
    temporary: Path,
    *,
    folder: Path,
    form: tuple[str, ...],
    keeps: bool,
) -> None:
    """Exit code 0 and the counts, with a run folder or without; nothing is left of a temporary."""
    portal = start_portal()
    more = ("--run", folder) if keeps else ()
    result = link(pairs_file, *form, *more, "--verify", "--json")
    assert verification(result) == (0, 10, 0, 0)
    assert calls(portal)["read"] == 1
    assert list(temporary.iterdir()) == []
    printed = link(pairs_file, *form, "--verify").out
    assert printed.index("10  linked") < printed.index("10 pairs of the run read back in ")
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("form", [(), BATCH])
def test_what_was_told_and_never_made_is_missing(
    link: Command,
    start_portal: StartPortal,
    tmp_path: Path,
    temporary: Path,
    *,
    form: tuple[str, ...],
) -> None:
    """Exit code 1, though every pair was reported as linked: those that the records lack."""
    portal = start_portal(unmade_share=0.1)
    pairs = write_pairs(tmp_path / "pairs.csv", 200)
    result = link(pairs, *form, "--verify", "--json")
    made = {pair.from_id for pair in portal.portal.ledger.links}
    assert result.reported["linked"] == 200
    assert verification(result) == (1, len(made), 200 - len(made), 0)
    missing = {one["pair"].split()[0] for one in result.reported["verification"]["first_missing"]}
    assert missing == {f"contacts:{n}" for n in range(1, 201) if str(n) not in made}
    assert list(temporary.iterdir()) == []


def test_what_it_says_to_do_can_be_done(
    link: Command,
    command: Command,
    start_portal: StartPortal,
    pairs_file: Path,
    *,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a run folder and without: the command writes the rows that are missing."""
    start_portal(unmade_share=1.0)
    monkeypatch.chdir(pairs_file.parent)
    for more in (("--run", folder), ()):
        printed = link(pairs_file, *more, "--verify").out
        assert "10  missing" in printed
        _, _, reported = printed.splitlines()[-1].partition("to a file: aiohubassoc ")
        assert command(*shlex.split(reported)).code == 1
        missing = pairs_file.with_name("missing.csv")
        assert len(read_rows(missing)) == 10
        missing.unlink()


def test_what_was_linked_before_is_read_back_too(
    link: Command, start_portal: StartPortal, tmp_path: Path, folder: Path
) -> None:
    """By an earlier run of the folder, or according to HubSpot; what failed is not."""
    portal = start_portal(records_up_to=100_009)
    make(portal, range(1, 4))
    pairs = write_pairs(tmp_path / "pairs.csv", 10, "2,100002\n")
    options = ("--skip-linked", "--verify", "--json")
    for more in ((), ("--run", folder), ("--run", folder)):
        result = link(pairs, *options, *more)
        assert verification(result) == (1, 9, 0, 0)
        assert result.reported["failed"] == 1


def test_partial_links_are_read_back(
    link: Command, start_portal: StartPortal, pairs_file: Path
) -> None:
    """They may be there or not."""
    start_portal(faults=FaultPlan(partial_207=1.0))
    result = link(pairs_file, "--verify", "--json")
    assert (result.reported["partial"], result.reported["verification"]["total"]) == (10, 10)


def test_lines_are_those_of_linking(
    link: Command, start_portal: StartPortal, pairs_file: Path
) -> None:
    """With ``--stream`` each row has one; what was read back is reported with the summary."""
    start_portal(unmade_share=1.0)
    result = link(pairs_file, "--verify", "--stream")
    assert [line["status"] for line in result.lines] == ["linked"] * 10
    assert "10  missing" in result.err
    assert result.code == 1


def test_the_batch_quota_holds_for_both(
    link: Command, start_portal: StartPortal, pairs_file: Path
) -> None:
    """Linking and reading back keep one pace together."""
    portal = start_portal(batch_window=0.3)
    options = (*BATCH, "--batch-size", "5", "--batch-quota", "1/0.3s")
    assert link(pairs_file, *options, "--verify").code == 0
    assert calls(portal) == {"batch": 2, "read": 1}
    assert portal.portal.ledger.max_batch_in_window == 1


# --- what is not read back -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "options", "code"),
    [
        ({"daily_limit": 4}, ("--concurrency", "1"), 3),
        ({"tokens": ("another",)}, (), 4),
        ({"records_up_to": 0}, ("--stop-after-failures", "2"), 3),
    ],
    ids=["daily limit", "token", "failures"],
)
def test_a_run_that_ended_early_is_not(
    link: Command,
    start_portal: StartPortal,
    tmp_path: Path,
    settings: dict[str, Any],
    *,
    options: tuple[str, ...],
    code: int,
) -> None:
    """The summary says so, and JSON has null."""
    portal, pairs = start_portal(**settings), write_pairs(tmp_path / "pairs.csv", 300)
    result = link(pairs, *options, "--verify")
    assert result.code == code
    assert "Nothing was read back (--verify): the run ended early." in result.out
    reported = link(pairs, *options, "--verify", "--json").reported
    assert (reported["verification"], reported["exit_code"]) == (None, code)
    assert "read" not in calls(portal)


def test_without_it_nothing_is(link: Command, start_portal: StartPortal, pairs_file: Path) -> None:
    """Neither read nor spoken of."""
    portal = start_portal()
    assert "read back" not in link(pairs_file).out
    assert link(pairs_file, "--json").reported["verification"] is None
    assert "read" not in calls(portal)


def test_rows_that_cannot_be_used_end_it_first(
    link: Command, start_portal: StartPortal, tmp_path: Path
) -> None:
    """Nothing was sent, so nothing is to be read: exit code 2."""
    portal = start_portal()
    result = link(write_pairs(tmp_path / "pairs.csv", 2, "1e5,7\n"), "--verify")
    assert (result.code, "read back" in result.out) == (2, False)
    assert calls(portal) == {}


def test_what_stops_the_reading(link: Command, start_portal: StartPortal, pairs_file: Path) -> None:
    """Exit code 3: all was linked, and then nobody was asked; the summary says why."""
    start_portal(daily_limit=10)
    result = link(pairs_file, "--verify", "--json")
    assert verification(result) == (3, 0, 0, 10)
    assert (result.reported["stopped"], result.reported["linked"]) == (None, 10)
    assert "daily" in result.reported["verification"]["stopped"].casefold()


def test_no_room_for_temporary_files(
    link: Command, start_portal: StartPortal, pairs_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 5, and nothing is sent."""
    portal = start_portal()
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")
    result = link(pairs_file, "--verify")
    assert (result.code, "Cannot write a temporary folder" in result.err) == (5, True)
    assert calls(portal) == {}


# --- resume --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "second"), [(("--verify",), ()), ((), ("--verify",))])
def test_resume_reads_back(
    link: Command,
    command: Command,
    start_portal: StartPortal,
    pairs_file: Path,
    *,
    folder: Path,
    first: tuple[str, ...],
    second: tuple[str, ...],
) -> None:
    """All that the folder has as linked, whichever run linked it; asked for then or now."""
    portal = start_portal(daily_limit=4)
    assert link(pairs_file, "--run", folder, "--concurrency", "1", *first).code == 3
    next_day = start_portal(instead_of=portal)
    make(next_day, range(1, 4))  # of the four that the first run linked one is gone
    result = command("resume", "--no-check", folder, *second, "--json")
    assert result.reported["linked"] == 6
    assert verification(result) == (1, 9, 1, 0)


def test_a_simulated_run_is_read_back(command: Command, pairs_file: Path) -> None:
    """From its own portal, which is there until the end."""
    options = ("--from", "contacts", "--to", "companies", "--simulate", *BATCH)
    result = command("link", pairs_file, *options, "--verify", "--json")
    assert verification(result) == (0, 10, 0, 0)
    assert json.loads(result.out)["linked"] == 10
