"""``aiohubassoc status``: what the folder has, in any state; `test_run_crashes` has more."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from aiohubassoc.simulator import FaultPlan
from tests.cli.conftest import write_pairs

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Command, StartPortal


def test_json_is_one_object_and_nothing_else(
    link: Command, command: Command, start_portal: StartPortal, pairs_file: Path, folder: Path
) -> None:
    """Counts, reasons, inputs and each run, whose times are aware."""
    portal = start_portal(records_up_to=100_007)
    write_pairs(pairs_file, 10, "1e5,7\n1,100001\n")
    link(pairs_file, "--run", folder, "--skip-invalid")
    link(pairs_file, "--run", folder, "--skip-invalid")
    reported = command("status", folder, "--json").reported
    export = f"aiohubassoc export {folder} --failed --output failed.csv"
    runs, (category,) = reported.pop("runs"), reported.pop("categories")
    assert reported == {
        "folder": str(folder),
        "state": "complete",
        "process_id": None,
        "linked": 7,
        "partial": 0,
        "failed": 3,
        "unprocessed": 0,
        "settled": 10,
        "invalid": 1,
        "portal": portal.base_url,
        "inputs": [str(pairs_file)],
        "input_rows": 12,
        "needs_input": False,
        "read_back": None,
        "next": [
            f"To write those that failed to a file: {export}",
            "Correct these rows, then: aiohubassoc link failed.csv --from contacts --to companies",
        ],
    }
    message = category.pop("message")
    assert category == {"status": "failed", "category": "VALIDATION_ERROR", "count": 3}
    assert re.search("COMPANY=1000(08|09|10) is not valid", message)
    assert [run["number"] for run in runs] == [1, 2]
    for run in runs:
        assert (run["input_complete"], run["stopped"]) == (True, None)
        began, ended = (datetime.fromisoformat(run[name]) for name in ("began_at", "ended_at"))
        assert began.utcoffset() == timedelta(0)
        assert timedelta(0) <= ended - began
        assert datetime.now(UTC) - began < timedelta(minutes=5)


def test_people_are_told_the_same(
    link: Command, command: Command, start_portal: StartPortal, pairs_file: Path, folder: Path
) -> None:
    """What is not there is not mentioned."""
    start_portal(records_up_to=100_007)
    write_pairs(pairs_file, 10, "1e5,7\n")
    link(pairs_file, "--run", folder, "--skip-invalid")
    result = command("status", folder)
    assert result.code == 0
    for expected in (
        f"{folder}: complete\n",
        f"input: {pairs_file}, about 11 rows\n",
        "        7  linked\n",
        "        3  failed\n",
        "        1  rejected row\n",
        "VALIDATION_ERROR",
        "run 1: began ",
        ", ended ",
    ):
        assert expected in result.out
    for unexpected in ("partial", "unprocessed", "To continue", "killed"):
        assert unexpected not in result.out


def test_the_exit_code_is_of_the_telling(
    link: Command, command: Command, start_portal: StartPortal, pairs_file: Path, folder: Path
) -> None:
    """Whatever became of the pairs."""
    start_portal(records_up_to=0)
    assert link(pairs_file, "--run", folder).code == 1
    assert command("status", folder).code == 0
    assert command("status", folder, "--json").code == 0


@pytest.mark.parametrize(
    ("settings", "options", "stopped"),
    [
        ({"daily_limit": 4}, (), "daily"),
        ({"records_up_to": 0}, ("--stop-after-failures", "2"), "2 pairs failed"),
        ({"tokens": ("another",)}, (), "INVALID_AUTHENTICATION"),
    ],
    ids=["daily limit", "failures", "token"],
)
def test_a_run_that_stopped_is_unfinished(
    link: Command,
    command: Command,
    start_portal: StartPortal,
    pairs_file: Path,
    folder: Path,
    *,
    settings: dict[str, Any],
    options: tuple[str, ...],
    stopped: str,
) -> None:
    """It says why it stopped and how to continue; once all is completed it is complete."""
    portal = start_portal(**settings)
    link(pairs_file, "--run", folder, "--concurrency", "1", *options)
    reported = command("status", folder, "--json").reported
    assert reported["state"] == "unfinished"
    assert reported["unprocessed"] == 10 - reported["settled"] > 0
    assert stopped.casefold() in reported["runs"][0]["stopped"].casefold()
    assert f"To continue: aiohubassoc resume {folder}" in command("status", folder).out
    start_portal(instead_of=portal)
    command("resume", "--no-check", folder)
    reported = command("status", folder, "--json").reported
    assert (reported["state"], reported["settled"], len(reported["runs"])) == ("complete", 10, 2)


def test_every_status_has_its_count(
    link: Command, command: Command, start_portal: StartPortal, pairs_file: Path, folder: Path
) -> None:
    """Each pair in one of them."""
    script = {
        ("contacts", "1", "companies", "100001"): ("partial_207",),
        ("contacts", "2", "companies", "100002"): ("not_found_html_404",),
    }
    start_portal(faults=FaultPlan(script=script), daily_limit=8, records_up_to=100_003)
    link(pairs_file, "--run", folder, "--concurrency", "1")
    reported = command("status", folder, "--json").reported
    counts = {name: reported[name] for name in ("linked", "partial", "failed", "unprocessed")}
    assert sum(counts.values()) == 10
    assert counts["partial"] == 1
    assert all(counts.values()), counts
    assert reported["settled"] == 10 - counts["unprocessed"]
    assert sum(one["count"] for one in reported["categories"]) == 10 - counts["linked"]


def test_an_input_that_is_gone_is_told_without_its_length(
    link: Command, command: Command, start_portal: StartPortal, pairs_file: Path, folder: Path
) -> None:
    """Neither is that of a pipe known."""
    start_portal()
    stdin = pairs_file.read_bytes()
    link(pairs_file, "--run", folder)
    pairs_file.unlink()
    reported = command("status", folder, "--json").reported
    assert (reported["inputs"], reported["input_rows"]) == ([str(pairs_file)], None)
    assert f"input: {pairs_file}\n" in command("status", folder).out
    piped = folder.with_name("piped")
    link("-", "--run", piped, stdin=stdin)
    reported = command("status", piped, "--json").reported
    assert (reported["inputs"], reported["input_rows"]) == (["standard input"], None)


def test_only_the_last_runs_are_printed(
    link: Command, command: Command, start_portal: StartPortal, pairs_file: Path, folder: Path
) -> None:
    """A folder that is used each night would fill the terminal; JSON has all."""
    start_portal()
    for _ in range(7):
        link(pairs_file, "--run", folder)
    printed = command("status", folder).out
    assert re.findall(r"run (\d+):", printed) == ["3", "4", "5", "6", "7"]
    assert len(command("status", folder, "--json").reported["runs"]) == 7


@pytest.mark.parametrize(("rows", "named"), [("", "no rows"), ("1,2\n", "about 1 row\n")])
def test_an_input_of_a_row_or_none(
    link: Command,
    command: Command,
    start_portal: StartPortal,
    tmp_path: Path,
    *,
    rows: str,
    named: str,
) -> None:
    """Is called so."""
    start_portal()
    path = tmp_path / "pairs.csv"
    path.write_text(f"from_id,to_id\n{rows}", encoding="utf-8")
    link(path, "--run", tmp_path / "run")
    assert f"input: {path}, {named}" in command("status", tmp_path / "run").out
    assert command("status", tmp_path / "run", "--json").reported["input_rows"] == len(rows) // 4


@pytest.mark.parametrize("given", ["pairs.csv", "-"])
def test_more_input_that_was_not_read_is_no_completion(
    link: Command, command: Command, start_portal: StartPortal, tmp_path: Path, *, given: str
) -> None:
    """Though an earlier run of the folder has read its own input to the end."""
    start_portal()
    folder, pairs = tmp_path / "run", write_pairs(tmp_path / "pairs.csv", 5)
    call = ("-", "--run", folder) if given == "-" else (pairs, "--run", folder, "--force")
    assert link(*call, stdin=pairs.read_bytes()).code == 0
    write_pairs(pairs, 1500, "1e5,7\n" + "5,8\n" * 1500)
    stopped = link(*call, "--strict", stdin=pairs.read_bytes())
    assert (stopped.code, "not read to its end" in stopped.out) == (3, True)
    reported = command("status", folder, "--json").reported
    assert reported["runs"][-1]["input_complete"] is False
    assert reported["state"] == "unfinished"


@pytest.mark.parametrize("given", ["pairs.csv", "-"])
def test_rows_that_were_mended_are_no_longer_unusable(
    link: Command, command: Command, start_portal: StartPortal, tmp_path: Path, *, given: str
) -> None:
    """The input that counts is the one that the last run had."""
    start_portal()
    folder, pairs = tmp_path / "run", write_pairs(tmp_path / "pairs.csv", 3, "1e5,7\n")
    call = ("-", "--run", folder) if given == "-" else (pairs, "--run", folder, "--force")
    assert link(*call, "--skip-invalid", stdin=pairs.read_bytes()).code == 1
    assert command("status", folder, "--json").reported["invalid"] == 1
    write_pairs(pairs, 3, "100000,7\n")
    assert link(*call, stdin=pairs.read_bytes()).code == 0
    assert command("status", folder, "--json").reported["invalid"] == 0
    assert len(command("export", folder, "--failed").out.splitlines()) == 1


def test_interesting_names_survive(
    link: Command, command: Command, start_portal: StartPortal, tmp_path: Path
) -> None:
    """What looks like markup is printed as it is."""
    start_portal()
    pairs, folder = write_pairs(tmp_path / "[red]pairs.csv", 2), tmp_path / "[bold]run"
    link(pairs, "--run", folder)
    printed = command("status", folder).out
    assert f"{folder}: complete" in printed
    assert f"input: {pairs}" in printed


@pytest.mark.parametrize("more", [(), ("--failures", "failures.csv")], ids=["folder", "and file"])
def test_it_ends_as_the_run_and_its_report_did(
    link: Command,
    command: Command,
    start_portal: StartPortal,
    pairs_file: Path,
    *,
    monkeypatch: pytest.MonkeyPatch,
    more: tuple[str, ...],
) -> None:
    """With the same retry, where one may help: here the records are not there."""
    monkeypatch.chdir(pairs_file.parent)
    folder = "run"
    portal = start_portal(records_up_to=100_007)
    ran = link(pairs_file, "--run", folder, *more)
    shown = command("status", folder)
    for result in (ran, shown):
        assert "--retry-failed" not in result.out
        assert "Correct these rows, then: aiohubassoc link fail" in result.out
    assert "read back: " not in shown.out
    start_portal(instead_of=portal)
    command("verify", folder)
    assert "  read back: 7 missing\n" in command("status", folder).out
