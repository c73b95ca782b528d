"""``aiohubassoc link`` against a portal: what it tells, writes and returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from aiohubassoc.simulator import FaultPlan
from tests.cli.conftest import FAST, TYPES, read_rows, write_pairs

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Command, StartPortal


def test_every_pair_is_linked(link: Command, start_portal: StartPortal, pairs_file: Path) -> None:
    """Exit code 0, the counts on standard output, and the portal's records agree."""
    portal = start_portal()
    result = link(pairs_file)
    assert result.code == 0, result
    assert "10 pairs" in result.out
    assert "10  linked" in result.out
    links = portal.portal.ledger.links
    assert {(pair.from_id, pair.to_id) for pair in links} == {
        (str(number), str(number + 100_000)) for number in range(1, 11)
    }


def test_json_is_one_object_and_nothing_else(
    link: Command, start_portal: StartPortal, pairs_file: Path
) -> None:
    """With every count, the reason of each failure, and the exit code."""
    portal = start_portal(records_up_to=100_005)
    reported = link(pairs_file, "--json").reported
    assert reported.pop("seconds") >= 0
    (category,) = reported.pop("categories")
    example = category.pop("example")
    assert reported == {
        "total": 10,
        "linked": 5,
        "partial": 0,
        "failed": 5,
        "unprocessed": 0,
        "skipped": 0,
        "invalid": 0,
        "stopped": None,
        "input_complete": True,
        "limit": None,
        "rows_left": 0,
        "invalid_lines": [],
        "responses": 10,
        "error_responses": 5,
        "throttled": 0,
        "portal": portal.base_url,
        "input": {
            "rows": 10,
            "rejected": 0,
            "nothing_to_link": 0,
            "spaces": 0,
            "text_marks": 0,
            "floats": 0,
            "hidden_rows": 0,
            "hidden_sheets": 0,
            "notes": [],
        },
        "run": None,
        "failures": None,
        "report": None,
        "rows_written": 0,
        "verification": None,
        "error": None,
        "exit_code": 1,
    }
    assert category == {"status": "failed", "category": "VALIDATION_ERROR", "count": 5}
    assert 7 <= example["line"] <= 11
    assert example["place"] == f"line {example['line']}"
    assert (
        example["pair"] == f"contacts:{example['line'] - 1} -> companies:{example['line'] + 99_999}"
    )
    assert len(example["correlation_id"]) == 36


def test_the_summary_says_how_many_answers_were_errors(
    link: Command, start_portal: StartPortal, pairs_file: Path
) -> None:
    """HubSpot wants fewer than 5 % of a day's answers to be errors."""
    start_portal(records_up_to=100_005)
    assert "5 of 10 responses were errors (50.0%), 0 of them 429" in link(pairs_file).out
    start_portal()
    assert "responses were errors" not in link(pairs_file).out


@pytest.mark.parametrize("reserve", ["900", "90%"])
def test_a_reserve_of_the_day(
    link: Command, start_portal: StartPortal, tmp_path: Path, reserve: str
) -> None:
    """The run stops there in good order and says when to come back; exit code 3."""
    running = start_portal(quota_limit=None, daily_limit=1000)
    result = link(write_pairs(tmp_path / "pairs.csv", 300), "--reserve-daily", reserve, "--json")
    assert (3, 100) == (result.code, result.reported["linked"])
    assert 200 == result.reported["unprocessed"]
    assert "Continue after midnight in the account's time zone" in result.reported["stopped"]
    assert 100 == running.portal.ledger.requests


def test_uvloop(link: Command, start_portal: StartPortal, pairs_file: Path) -> None:
    """The same job, in another loop."""
    pytest.importorskip("uvloop")
    start_portal()
    assert 10 == link(pairs_file, "--json", "--uvloop").reported["linked"]


def test_a_share_and_a_strict_quota(
    command: Command, start_portal: StartPortal, tmp_path: Path
) -> None:
    """Half of the quota goes at once, and no more in the window."""
    running = start_portal(quota_limit=20, quota_window=1.0)
    options = ("--quota", "20/1s", "--share", "0.5", "--strict-quota", "--json")
    pairs = write_pairs(tmp_path / "pairs.csv", 15)
    assert 15 == command("link", pairs, *TYPES, *options).reported["linked"]
    assert running.portal.ledger.max_seen_in_window <= 10


def test_the_failures_file_has_the_users_rows(
    link: Command, start_portal: StartPortal, tmp_path: Path
) -> None:
    """With status, category, message and correlation id; and it is input for another run."""
    start_portal(records_up_to=300)
    pairs, failures = tmp_path / "pairs.csv", tmp_path / "failures.csv"
    pairs.write_text("note,from_id,to_id\nä,1,2\nb,999,2\nc,12.0,2\n", encoding="utf-8")
    result = link(pairs, "--failures", failures, "--skip-invalid")
    assert result.code == 1
    failed, invalid = sorted(read_rows(failures), key=lambda row: row["note"])
    assert failed.pop("correlation_id")
    assert "CONTACT=999 is not valid" in failed.pop("message")
    assert failed == {
        "note": "b",
        "from_id": "999",
        "to_id": "2",
        "status": "failed",
        "category": "VALIDATION_ERROR",
    }
    assert invalid["status"] == "invalid"
    assert "a float" in invalid["message"]
    start_portal()
    again = link(failures, "--skip-invalid", "--json").reported
    assert (again["linked"], again["invalid"]) == (1, 1)


def test_unusable_rows_among_the_first_thousand_end_it_before_it_began(
    link: Command, start_portal: StartPortal, tmp_path: Path
) -> None:
    """With their line numbers; nothing was sent and no file was written."""
    portal = start_portal()
    pairs = write_pairs(tmp_path / "pairs.csv", 3, "1e5,7\n8\n")
    result = link(pairs, "--failures", tmp_path / "failures.csv")
    assert result.code == 2
    assert "line 5: from_id is '1e5'" in result.err
    assert "line 6: has a missing column" in result.err
    assert portal.portal.ledger.requests == 0
    assert not (tmp_path / "failures.csv").exists()


def test_json_has_the_rows_that_ended_it_before_it_began(
    link: Command, start_portal: StartPortal, tmp_path: Path
) -> None:
    """JSON has no line that none was invalid."""
    start_portal()
    reported = link(write_pairs(tmp_path / "pairs.csv", 3, "1e5,7\n"), "--json").reported
    assert (reported["exit_code"], reported["total"], reported["input_complete"]) == (2, 0, False)
    assert reported["invalid"] == 1
    assert [line["place"] for line in reported["invalid_lines"]] == ["line 5"]


def test_skip_invalid_goes_on_without_them(
    link: Command, start_portal: StartPortal, tmp_path: Path
) -> None:
    """They are counted and listed, and the exit code says that they are not linked."""
    start_portal()
    result = link(write_pairs(tmp_path / "pairs.csv", 3, "1e5,7\n"), "--skip-invalid")
    assert result.code == 1
    assert "3  linked" in result.out
    assert "1  rejected row\n" in result.out
    assert "line 5: from_id is '1e5'" in result.out


def test_a_later_unusable_row_is_counted(
    link: Command, start_portal: StartPortal, tmp_path: Path
) -> None:
    """It does not stop what is under way."""
    start_portal()
    reported = link(write_pairs(tmp_path / "pairs.csv", 1000, " ,7\n5,8\n"), "--json").reported
    assert (reported["linked"], reported["invalid"], reported["exit_code"]) == (1001, 1, 1)
    assert reported["invalid_lines"] == [
        {"line": 1002, "place": "line 1002", "problem": "from_id is empty"}
    ]


def test_strict_stops_at_a_later_unusable_row(
    link: Command, start_portal: StartPortal, tmp_path: Path
) -> None:
    """What was read before it is completed or reported as unprocessed."""
    start_portal()
    pairs = write_pairs(tmp_path / "pairs.csv", 1000, " ,7\n" + "5,8\n" * 3000)
    reported = link(pairs, "--strict", "--json").reported
    assert reported["exit_code"] == 3
    assert reported["stopped"] == "line 1002 from_id is empty (--strict)"
    assert not reported["input_complete"]


def test_stop_after_failures(link: Command, start_portal: StartPortal, tmp_path: Path) -> None:
    """The rest is unprocessed, and the exit code says so."""
    portal = start_portal(records_up_to=0)
    result = link(write_pairs(tmp_path / "pairs.csv", 900), "--stop-after-failures", "5")
    assert result.code == 3
    assert "Stopped early" in result.out
    assert portal.portal.ledger.requests < 900


def test_stop_after_alike(
    link: Command, command: Command, start_portal: StartPortal, tmp_path: Path
) -> None:
    """A fault of the run stops it; mended, the same folder sends again what was refused for it."""
    portal = start_portal(records_up_to=0)
    pairs = write_pairs(tmp_path / "pairs.csv", 900)
    reported = link(pairs, "--run", tmp_path / "run", "--stop-after-alike", "3", "--json").reported
    assert (reported["exit_code"], reported["linked"]) == (3, 0)
    assert 30 <= reported["failed"] < 200
    assert "for the same reason" in reported["stopped"]
    start_portal(instead_of=portal)
    result = command("resume", "--no-check", tmp_path / "run", "--json")
    assert (result.reported["linked"], result.reported["exit_code"]) == (900, 0)


def test_stop_after_alike_can_be_turned_off(
    link: Command, start_portal: StartPortal, tmp_path: Path
) -> None:
    """With 0."""
    start_portal(records_up_to=0)
    pairs = write_pairs(tmp_path / "pairs.csv", 600)
    reported = link(pairs, "--stop-after-alike", "0", "--json").reported
    assert (reported["failed"], reported["stopped"], reported["exit_code"]) == (600, None, 1)


def test_resume_with_nothing_but_failed_pairs_says_so(
    link: Command, command: Command, start_portal: StartPortal, tmp_path: Path
) -> None:
    """How they could be sent again; and that their rows are to be corrected, or they would fail."""
    portal = start_portal(records_up_to=0)
    pairs = write_pairs(tmp_path / "pairs.csv", 20)
    assert link(pairs, "--run", tmp_path / "run").code == 1
    requests = portal.portal.ledger.requests
    result = command("resume", "--no-check", tmp_path / "run")
    assert result.code == 1
    assert (
        "Nothing was sent: the pairs that are left failed in an earlier run, and are sent again "
        "only with --retry-failed\n"
    ) in result.out
    assert "Correct these rows, then: aiohubassoc link failed.csv" in result.out
    assert portal.portal.ledger.requests == requests


def test_an_unknown_object_type_is_a_usage_error(
    command: Command, start_portal: StartPortal, tmp_path: Path
) -> None:
    """One wrong letter does not burn a day's calls."""
    portal = start_portal()
    pairs = write_pairs(tmp_path / "pairs.csv", 900)
    result = command("link", pairs, "--from", "contatcs", "--to", "companies", *FAST)
    assert result.code == 2
    assert "HubSpot knows no object type 'contatcs'" in result.err
    assert portal.portal.ledger.requests <= 3
    result = command("link", pairs, "--from", "contatcs", "--to", "companies", *FAST, "--no-check")
    assert result.code == 2
    assert "HubSpot knows no object type 'contatcs'" in result.out
    assert portal.portal.ledger.requests <= 66


@pytest.mark.parametrize("length", [128, 129])
def test_a_long_object_type_is_a_usage_error(
    command: Command, start_portal: StartPortal, tmp_path: Path, length: int
) -> None:
    """One that no request can have, and one that HubSpot does not know."""
    start_portal()
    pairs = write_pairs(tmp_path / "pairs.csv", 1)
    result = command("link", pairs, "--from", "x" * length, "--to", "companies", *FAST)
    assert result.code == 2
    assert "object type" in result.err


def test_a_duplicate_is_skipped(link: Command, start_portal: StartPortal, tmp_path: Path) -> None:
    """It names the line that it repeats, counts in the total and is no failure."""
    portal = start_portal()
    reported = link(write_pairs(tmp_path / "pairs.csv", 3, "2,100002\n"), "--json").reported
    assert (reported["total"], reported["linked"], reported["skipped"], reported["exit_code"]) == (
        4,
        3,
        1,
        0,
    )
    (category,) = reported["categories"]
    assert category["category"] == "DUPLICATE"
    assert category["example"]["line"] == 5
    assert category["example"]["message"] == "repeats line 3"
    assert portal.portal.ledger.requests == 3


def test_types_and_columns_of_the_file(
    command: Command, start_portal: StartPortal, tmp_path: Path
) -> None:
    """A row's own types win; columns go by the names that were given."""
    portal = start_portal()
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("Deal,Other,to_type\n1,2,tickets\n3,4,\n", encoding="utf-8")
    options = ("--from-column", "Deal", "--to-column", "Other", "--from", "deals")
    assert command("link", pairs, *options, "--to", "companies", *FAST).code == 0
    assert sorted(map(tuple, portal.portal.ledger.links)) == [
        ("deals", "1", "tickets", "2"),
        ("deals", "3", "companies", "4"),
    ]


@pytest.mark.parametrize("version", ["v4", "2026-03", "2026-09"])
def test_every_api_version(
    link: Command, start_portal: StartPortal, pairs_file: Path, version: str
) -> None:
    """The portal knows its path."""
    start_portal()
    assert link(pairs_file, "--api-version", version).code == 0


@pytest.mark.filterwarnings("default:--api-version|api_version")
def test_a_version_that_is_not_known(
    link: Command, start_portal: StartPortal, pairs_file: Path
) -> None:
    """It is used; one line says so, in the command's own words, though there are two clients."""
    start_portal()
    result = link(pairs_file, "--api-version", "2027-03-beta", "--verify", "--via", "batch")
    assert result.code == 0
    assert result.err.count("aiohubassoc: --api-version '2027-03-beta' is not known") == 1


def test_standard_input(link: Command, start_portal: StartPortal) -> None:
    """The same as from a file, a byte order mark and all."""
    start_portal()
    assert (
        link("-", "--json", stdin=b"\xef\xbb\xbffrom_id,to_id\r\n1,2\r\n").reported["linked"] == 1
    )


def test_standard_input_is_read_as_it_comes(link: Command, start_portal: StartPortal) -> None:
    """More than fits ahead of the reader."""
    start_portal()
    rows = "".join(f"{number},{number}\n" for number in range(1, 2501))
    reported = link("-", "--json", stdin=f"from_id,to_id\n{rows}".encode()).reported
    assert (reported["linked"], reported["exit_code"]) == (2500, 0)


@pytest.mark.parametrize(
    ("settings", "code", "reported"),
    [
        ({"tokens": ("another",)}, 4, "INVALID_AUTHENTICATION"),
        ({"missing_scopes": ("crm.objects.contacts.write",)}, 4, "crm.objects.contacts.write"),
        ({"daily_limit": 3}, 3, "daily"),
    ],
    ids=["token", "scopes", "daily quota"],
)
def test_what_ends_a_run(
    link: Command,
    start_portal: StartPortal,
    pairs_file: Path,
    settings: dict[str, Any],
    *,
    code: int,
    reported: str,
) -> None:
    """Once for all pairs, with an exit code that says what it was."""
    portal = start_portal(**settings)
    result = link(pairs_file, "--concurrency", "1")
    assert result.code == code
    assert reported.casefold() in result.out.casefold()
    assert "unprocessed" in result.out
    assert portal.portal.ledger.requests <= 5


def test_a_partial_answer_is_no_success(
    link: Command, start_portal: StartPortal, pairs_file: Path
) -> None:
    """A 207 with an error inside is reported as such."""
    start_portal(faults=FaultPlan(partial_207=1.0))
    reported = link(pairs_file, "--json").reported
    assert (reported["linked"], reported["partial"], reported["exit_code"]) == (0, 10, 1)


def test_interesting_text_survives(
    link: Command, start_portal: StartPortal, tmp_path: Path
) -> None:
    """What looks like markup in a file is printed as it is."""
    start_portal()
    result = link(write_pairs(tmp_path / "[red]pairs.csv", 1, "[bold]x[/],1,2\n"))
    assert result.code == 2
    assert "[red]pairs.csv" in result.err
