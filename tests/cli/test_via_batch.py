"""``link --via batch`` and ``--skip-linked``: the same truth by far fewer calls."""

from __future__ import annotations

import json
import signal
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from aiohubassoc import Journal, Status
from aiohubassoc.simulator import Latency
from tests.cli.conftest import FAST, TYPES, calls, make, read_rows, sent_to, write_pairs
from tests.cli.processes import COMMAND, kill_run, started, until_requests

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Command, StartPortal

BATCH = ("--via", "batch")
QUICK = ("--batch-quota", "1000/0.1s")


def linked_in(folder: Path) -> set[tuple[str, str]]:
    """Return the ids that the folder has as linked."""
    rows = Journal(folder).rows(Status.LINKED)
    return {(row.pair.from_id, row.pair.to_id) for row in rows}


# --- batches -----------------------------------------------------------------------------------


def test_every_pair_is_linked_by_one_call(
    link: Command, start_portal: StartPortal, pairs_file: Path
) -> None:
    """Exit code 0, and the portal's records have ten pairs in one batch."""
    portal = start_portal()
    result = link(pairs_file, *BATCH)
    assert (result.code, "10  linked" in result.out) == (0, True)
    assert calls(portal) == {"batch": 1}
    assert len(portal.portal.ledger.links) == 10


def test_put_is_the_default(link: Command, start_portal: StartPortal, pairs_file: Path) -> None:
    """It can be said, too."""
    portal = start_portal()
    assert link(pairs_file).code == link(pairs_file, "--via", "put").code == 0
    assert calls(portal) == {"put": 20}


def test_the_size_of_a_batch(link: Command, start_portal: StartPortal, pairs_file: Path) -> None:
    """Ten pairs by fours are three calls."""
    portal = start_portal()
    assert link(pairs_file, *BATCH, "--batch-size", "4").code == 0
    assert calls(portal) == {"batch": 3}


def test_the_batch_quota_is_kept(
    link: Command, start_portal: StartPortal, pairs_file: Path
) -> None:
    """No window has more batch calls than it says."""
    portal = start_portal(batch_window=0.3)
    options = (*BATCH, "--batch-size", "2", "--batch-quota", "2/0.3s")
    assert link(pairs_file, *options).code == 0
    assert calls(portal) == {"batch": 5}
    assert portal.portal.ledger.max_batch_in_window <= 2


@pytest.mark.parametrize("way", ["--json", "--stream", "--failures"])
def test_it_tells_what_single_calls_tell(
    link: Command, start_portal: StartPortal, tmp_path: Path, *, way: str
) -> None:
    """Of every pair, with the reason of those that failed and of those that repeat another."""
    start_portal(records_up_to=100_006)
    pairs = write_pairs(tmp_path / "pairs.csv", 8, "2,100002\n1e5,7\n")
    options = (*BATCH, "--skip-invalid", way)
    if way == "--failures":
        failures = tmp_path / "failures.csv"
        assert link(pairs, *options, failures).code == 1
        rows = {row["from_id"]: row["category"] for row in read_rows(failures)}
        assert rows == {"7": "OBJECT_NOT_FOUND", "8": "OBJECT_NOT_FOUND", "1e5": "INVALID_ROW"}
        return
    result = link(pairs, *options)
    assert result.code == 1
    if way == "--stream":
        reported = sorted((line["line"], line["status"]) for line in result.lines)
        assert [status for _, status in reported] == [
            *["linked"] * 6,
            *["failed"] * 2,
            "skipped",
            "invalid",
        ]
        assert [line for line, _ in reported] == list(range(2, 12))
        return
    names = ("linked", "failed", "skipped", "invalid", "unprocessed")
    assert [result.reported[name] for name in names] == [6, 2, 1, 1, 0]


def test_the_daily_limit_stops_it_and_resume_goes_on(
    link: Command, command: Command, start_portal: StartPortal, pairs_file: Path, folder: Path
) -> None:
    """In the form that the folder keeps: batches of three, no single call."""
    portal = start_portal(daily_limit=1)
    options = (*BATCH, "--batch-size", "3", "--batch-quota", "1/0.2s", "--run", folder)
    assert link(pairs_file, *options).code == 3
    next_day = start_portal(instead_of=portal)
    reported = command("resume", "--no-check", folder, "--json").reported
    assert (reported["linked"], reported["skipped"], reported["exit_code"]) == (7, 3, 0)
    assert calls(next_day) == {"batch": 3}
    assert not sent_to(portal).keys() & sent_to(next_day).keys()


def test_a_resumed_run_may_take_the_other_form(
    link: Command, command: Command, start_portal: StartPortal, pairs_file: Path, folder: Path
) -> None:
    """What was kept of batches is then left aside, and the form that was given is kept."""
    portal = start_portal(daily_limit=1)
    options = (*BATCH, "--batch-size", "3", "--batch-quota", "1/0.2s", "--run", folder)
    link(pairs_file, *options)
    second = start_portal(instead_of=portal, daily_limit=2)
    assert command("resume", "--no-check", folder, "--via", "put", "--concurrency", "1").code == 3
    third = start_portal(instead_of=second)
    assert command("resume", "--no-check", folder).code == 0
    assert (calls(second), calls(third)) == ({"put": 2}, {"put": 5})


def test_the_form_is_no_part_of_the_job(
    link: Command, start_portal: StartPortal, pairs_file: Path, folder: Path
) -> None:
    """The same folder takes both, without --force."""
    start_portal()
    assert link(pairs_file, "--run", folder).code == 0
    assert link(pairs_file, "--run", folder, *BATCH, "--batch-size", "5").code == 0


def test_a_folder_that_knows_no_form(
    link: Command, command: Command, start_portal: StartPortal, pairs_file: Path, folder: Path
) -> None:
    """One that was made before there were batches: it continues by single calls."""
    portal = start_portal(daily_limit=4)
    assert link(pairs_file, "--run", folder, "--concurrency", "1").code == 3
    with closing(sqlite3.connect(folder / "journal.db")) as db, db:
        (kept,) = db.execute("select value from header where name = 'command'").fetchone()
        older = {name: value for name, value in json.loads(kept).items() if name != "form"}
        db.execute("update header set value = ? where name = 'command'", (json.dumps(older),))
    assert command("status", folder, "--json").reported["linked"] == 4
    next_day = start_portal(instead_of=portal)
    assert command("resume", "--no-check", folder, "--json").reported["linked"] == 6
    assert calls(next_day) == {"put": 6}


@pytest.mark.looptime(False)
def test_after_a_kill_nothing_is_lost(
    command: Command, start_portal: StartPortal, tmp_path: Path, folder: Path
) -> None:
    """Batches that were in flight go again; what the folder has as linked does not."""
    portal = start_portal(latency=Latency(after_median=0.03))
    pairs = write_pairs(tmp_path / "pairs.csv", 1200)
    options = (*TYPES, *BATCH, *QUICK, "--batch-size", "20", "--run", folder)
    kill_run(portal, *COMMAND, "link", "--no-check", pairs, *options, after=30)
    linked = linked_in(folder)
    assert linked
    assert linked <= sent_to(portal).keys()
    reported = command("resume", "--no-check", folder, "--json").reported
    assert (reported["linked"], reported["skipped"]) == (1200 - len(linked), len(linked))
    sent = sent_to(portal)
    assert {sent[ids] for ids in linked} == {1}
    assert (len(sent), list(calls(portal))) == (1200, ["batch"])
    assert len(linked_in(folder)) == 1200


@pytest.mark.looptime(False)
def test_a_signal_lets_batches_on_the_wire_end(start_portal: StartPortal, tmp_path: Path) -> None:
    """What the portal has is reported as linked, and nothing else is."""
    portal = start_portal(latency=Latency(after_median=0.03))
    pairs = write_pairs(tmp_path / "pairs.csv", 1200)
    options = (*TYPES, *BATCH, *QUICK, "--batch-size", "10", "--json")
    with started(*COMMAND, "link", "--no-check", pairs, *options) as process:
        until_requests(portal, 20, process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=300)
    assert (process.returncode, "Traceback" in err) == (130, False)
    reported = json.loads(out)
    assert (reported["stopped"], reported["failed"]) == ("interrupted", 0)
    assert reported["linked"] == len(portal.portal.ledger.links) < 1200


# --- what is linked already ----------------------------------------------------------------------


@pytest.mark.parametrize(("form", "expected"), [((), {"put": 10}), (BATCH, {"batch": 1})])
def test_only_what_is_new_is_sent(
    link: Command,
    start_portal: StartPortal,
    tmp_path: Path,
    form: tuple[str, ...],
    *,
    expected: dict[str, int],
) -> None:
    """Of a thousand pairs ten: one call reads, and the records have the ten."""
    portal = start_portal()
    make(portal, range(11, 1001))
    pairs = write_pairs(tmp_path / "pairs.csv", 1000)
    reported = link(pairs, *form, "--skip-linked", "--json").reported
    assert (reported["linked"], reported["skipped"], reported["exit_code"]) == (10, 990, 0)
    assert calls(portal) == {"read": 1, **expected}
    assert {int(from_id) for from_id, _ in sent_to(portal)} == set(range(1, 11))
    (category,) = reported["categories"]
    assert (category["category"], category["count"]) == ("LINKED_ALREADY", 990)


def test_what_hubspot_had_is_linked_to_a_run_folder(
    link: Command, command: Command, start_portal: StartPortal, pairs_file: Path, folder: Path
) -> None:
    """It is not asked for again, and exported with how it is known."""
    portal = start_portal()
    make(portal, range(1, 5))
    options = (*BATCH, "--skip-linked", "--run", folder)
    reported = link(pairs_file, *options, "--json").reported
    assert (reported["linked"], reported["skipped"], reported["exit_code"]) == (6, 4, 0)
    status = command("status", folder, "--json").reported
    assert (status["state"], status["linked"]) == ("complete", 10)
    exported = command("export", folder, "--linked", "--format", "jsonl").lines
    assert [one["category"] for one in exported] == [*["LINKED_ALREADY"] * 4, *[None] * 6]
    before = calls(portal)
    assert command("resume", "--no-check", folder, "--json").reported["skipped"] == 10
    assert calls(portal) == before


# --- what cannot work ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "reported"),
    [
        (("--via", "pigeon"), "--via"),
        ((*BATCH, "--batch-size", "0"), "--batch-size must be 1 to 2,000, not 0"),
        ((*BATCH, "--batch-size", "2001"), "--batch-size must be 1 to 2,000, not 2,001"),
        ((*BATCH, "--batch-quota", "fast"), "--batch-quota: 'fast' is neither a quota"),
        (("--batch-size", "10"), "--batch-size is for --via batch"),
        (("--via", "put", "--batch-size", "10"), "--batch-size is for --via batch"),
        (("--skip-linked", "--batch-size", "10"), "--batch-size is for --via batch"),
        (("--batch-quota", "5/1s"), "--batch-quota is for --via batch, --skip-linked and --verify"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
@pytest.mark.parametrize("way", ["run", "dry run", "resume"])
def test_options_that_cannot_work(
    command: Command,
    start_portal: StartPortal,
    pairs_file: Path,
    folder: Path,
    *,
    options: tuple[str, ...],
    reported: str,
    way: str,
) -> None:
    """Exit code 2 and the option's name; nothing is sent."""
    portal = start_portal()
    if way == "resume":
        command("link", "--no-check", pairs_file, *TYPES, *FAST, "--run", folder)
        result = command("resume", "--no-check", folder, *options)
    else:
        dry = ["--dry-run"] if way == "dry run" else []
        result = command("link", "--no-check", pairs_file, *TYPES, *dry, *options)
    assert (result.code, reported in result.err, result.out) == (2, True, ""), result
    assert calls(portal) == ({"put": 10} if way == "resume" else {})
