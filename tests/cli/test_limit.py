"""``link --limit``: the first pairs of the input, as a try before the rest."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import FAST, TYPES, sent_to, write_pairs

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Command, StartPortal


def _next_command(printed: str) -> list[str]:
    (line,) = [line for line in printed.splitlines() if line.startswith("To continue: ")]
    program, *arguments = shlex.split(line.partition(": ")[2])
    assert program == "aiohubassoc"
    return arguments


def _numbers(count: int) -> list[tuple[str, str]]:
    return [(str(number), str(number + 100_000)) for number in range(1, count + 1)]


@pytest.mark.parametrize("via", ["put", "batch"])
@pytest.mark.parametrize("limit", [1, 3, 1005, 1500])
def test_the_first_pairs_of_the_input_are_sent(
    link: Command, start_portal: StartPortal, tmp_path: Path, limit: int, via: str
) -> None:
    """And no others, also beyond the thousand rows that are looked at first."""
    portal = start_portal()
    result = link(write_pairs(tmp_path / "pairs.csv", 2000), "--limit", limit, "--via", via)
    assert result.code == 0, result.err
    assert list(sent_to(portal).values()) == [1] * limit
    assert set(sent_to(portal)) == set(_numbers(limit))


def test_the_summary_says_what_is_left_and_the_command_for_it(
    link: Command, command: Command, start_portal: StartPortal, tmp_path: Path
) -> None:
    """Without a run folder: the same command without --limit, and with --skip-linked."""
    portal = start_portal()
    pairs = write_pairs(tmp_path / "my pairs.csv", 30)
    result = link(pairs, "--limit", 4)
    assert result.out.startswith("Portal: ")
    assert "4 of about 30 rows in " in result.out
    assert "The limit of 4 pairs is reached (--limit). About 26 rows are left.\n" in result.out
    arguments = _next_command(result.out)
    assert ("--skip-linked" in arguments, "--limit" in arguments) == (True, False)
    again = command(*arguments, "--json").reported
    assert (again["linked"], again["skipped"], again["exit_code"]) == (26, 4, 0)
    assert set(sent_to(portal).values()) == {1}


def test_a_simulated_portal_has_nothing_to_skip(link: Command, pairs_file: Path) -> None:
    """Each command has its own: the links of the one before are gone with it."""
    result = link(pairs_file, "--simulate", "--limit", 4)
    arguments = _next_command(result.out)
    assert ("--skip-linked" in arguments, "--simulate" in arguments) == (False, True)


def test_a_run_folder_goes_on_with_the_rest(
    link: Command, command: Command, start_portal: StartPortal, pairs_file: Path, folder: Path
) -> None:
    """By resume; until then the run is not complete."""
    portal = start_portal()
    result = link(pairs_file, "--run", folder, "--limit", 4)
    assert result.code == 0
    status = command("status", folder, "--json").reported
    assert (status["state"], status["linked"]) == ("unfinished", 4)
    assert not status["runs"][0]["input_complete"]
    arguments = _next_command(result.out)
    assert arguments == ["resume", str(folder)]
    resumed = command(*arguments, "--json").reported
    assert (resumed["linked"], resumed["skipped"], resumed["input_complete"]) == (6, 4, True)
    assert command("status", folder, "--json").reported["state"] == "complete"
    assert set(sent_to(portal).values()) == {1}


def test_the_exit_code_is_by_the_pairs_that_were_sent(
    link: Command, start_portal: StartPortal, pairs_file: Path
) -> None:
    """What would fail behind them is not known yet."""
    start_portal(records_up_to=100_003)
    assert link(pairs_file, "--limit", 3).code == 0
    result = link(pairs_file, "--limit", 5)
    assert result.code == 1
    assert "About 5 rows are left." in result.out


def test_json_says_the_limit_and_the_rows_that_are_left(
    link: Command, start_portal: StartPortal, pairs_file: Path
) -> None:
    """With the input read to its end: 0; of standard input nobody knows."""
    start_portal()
    names = ("limit", "rows_left", "input_complete", "total", "exit_code")
    for arguments, expected in (
        (("--limit", 4), [4, 6, False, 4, 0]),
        (("--limit", 10), [10, 0, True, 10, 0]),
        (("--limit", 11), [11, 0, True, 10, 0]),
        ((), [None, 0, True, 10, 0]),
    ):
        reported = link(pairs_file, "--json", *arguments).reported
        assert [reported[name] for name in names] == expected
    reported = link("-", "--json", "--limit", 4, stdin=pairs_file.read_bytes()).reported
    assert [reported[name] for name in names] == [4, None, False, 4, 0]


def test_standard_input_has_to_be_given_again(
    link: Command, start_portal: StartPortal, pairs_file: Path, folder: Path
) -> None:
    """The command says so, and that --limit is to go."""
    start_portal()
    result = link("-", "--run", folder, "--limit", 4, stdin=pairs_file.read_bytes())
    (line,) = [line for line in result.out.splitlines() if line.startswith("To continue")]
    assert "give the input again" in line
    assert line.endswith("without --limit")
    assert link("-", "--run", folder, stdin=pairs_file.read_bytes()).code == 0


def test_rows_that_repeat_others_are_pairs_of_the_input(
    link: Command, start_portal: StartPortal, tmp_path: Path, folder: Path
) -> None:
    """With a run folder and without."""
    portal = start_portal()
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("from_id,to_id\n1,100001\n1,100001\n2,100002\n3,100003\n", encoding="utf-8")
    for more in ((), ("--run", folder)):
        reported = link(pairs, "--limit", 3, "--json", *more).reported
        assert (reported["total"], reported["linked"], reported["skipped"]) == (3, 2, 1)
    assert set(sent_to(portal)) == set(_numbers(2))


def test_all_of_the_first_thousand_rows_are_checked(
    link: Command, start_portal: StartPortal, tmp_path: Path
) -> None:
    """A row that cannot be used refuses the file, though it stands behind the limit."""
    portal = start_portal()
    pairs = write_pairs(tmp_path / "pairs.csv", 10, "Smith,7\n")
    assert link(pairs, "--limit", 4).code == 2
    assert portal.portal.ledger.requests == 0
    reported = link(pairs, "--limit", 4, "--skip-invalid", "--json").reported
    assert (reported["linked"], reported["invalid"], reported["exit_code"]) == (4, 0, 0)


def test_what_was_linked_is_read_back(
    link: Command, start_portal: StartPortal, pairs_file: Path
) -> None:
    """A try that is verified."""
    start_portal()
    reported = link(pairs_file, "--limit", 4, "--verify", "--json").reported
    assert (reported["verification"]["linked"], reported["exit_code"]) == (4, 0)


@pytest.mark.parametrize(
    ("options", "reported"),
    [
        (("--limit", "0"), "--limit must be 1 or more, not 0"),
        (("--limit", "-1"), "--limit"),
        (("--limit", "some"), "--limit"),
        (("--limit", "4", "--dry-run"), "--limit is for a run: --dry-run sends nothing"),
    ],
)
def test_what_cannot_work(
    command: Command, pairs_file: Path, options: tuple[str, ...], reported: str
) -> None:
    """Exit code 2, and the option."""
    result = command("link", pairs_file, *TYPES, *FAST, *options)
    assert (result.code, reported in result.err, result.out) == (2, True, "")


@pytest.mark.parametrize(
    ("companies", "read"), [("{}", 5), ("{};1{};2{}", 2)], ids=["one pair", "several pairs"]
)
def test_rows_left_are_rows_not_pairs(
    link: Command, start_portal: StartPortal, tmp_path: Path, companies: str, read: int
) -> None:
    """A row may have nothing to link, or several pairs."""
    start_portal()
    export = tmp_path / "export.csv"
    cells = ["" if row % 3 == 1 else companies.replace("{}", str(row)) for row in range(1, 31)]
    rows = "".join(f"{row},{cell}\n" for row, cell in enumerate(cells, 1))
    export.write_text(f"Record ID,Associated Company IDs\n{rows}", encoding="utf-8")
    reported = link(export, "--json", "--limit", 3).reported
    counted = (reported["total"], reported["input"]["rows"], reported["rows_left"])
    assert counted == (3, read, 30 - read)
    printed = link(export, "--limit", 3).out
    assert f"{read} of about 30 rows in " in printed
    assert f"About {30 - read} rows are left." in printed
