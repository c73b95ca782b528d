"""A run folder over several runs: what is sent, what is skipped, what is reported."""

from __future__ import annotations

import itertools
import os
import shutil
import sqlite3
import stat
from contextlib import closing
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from hypothesis import given, settings, strategies as st

from aiohubassoc import (
    Journal,
    JournalInUseError,
    JournalMismatchError,
    JournalStorageError,
    JournalVersionError,
    Outcome,
    Pair,
    PairError,
    PreviousFailureError,
    RefusedAlikeError,
    Report,
    Status,
)
from aiohubassoc._http.clock import SystemClock
from aiohubassoc.journal import writer
from aiohubassoc.journal.database import Database
from aiohubassoc.journal.reader import Reader
from tests.fakes.transport import error, pair, reply
from tests.journal.conftest import run

if TYPE_CHECKING:
    from collections.abc import Iterator

REFUSED = error(400, category="VALIDATION_ERROR", correlationId="c-1")
DAILY = error(429, policyName="DAILY")


def _pairs(*numbers: int) -> list[Pair]:
    return [pair(number) for number in numbers]


# --- the second run ----------------------------------------------------------------------------


def test_linked_pairs_are_skipped_without_a_call(folder: Path) -> None:
    """All else is sent."""
    assert 50 == run(Journal(folder), _pairs(*range(50))).report.linked
    again = run(Journal(folder), _pairs(*range(60)))
    assert (10, 50) == (again.report.linked, again.report.skipped)
    assert {str(number) for number in range(50, 60)} == set(again.sent)
    assert {("skipped", "LINKED_BEFORE")} == {reported[1:] for reported in again.reported[:50]}


@pytest.mark.skipif(os.name != "posix", reason="modes of files")
def test_only_its_owner_can_read_it(folder: Path) -> None:
    """Ids and messages of HubSpot are in it, also when a program makes it."""
    before = os.umask(0o022)
    try:
        assert 1 == run(Journal(folder / "run"), _pairs(1)).report.linked
    finally:
        os.umask(before)
    assert 0o700 == stat.S_IMODE((folder / "run").stat().st_mode)
    assert {0o600} == {stat.S_IMODE(file.stat().st_mode) for file in (folder / "run").iterdir()}


def test_types_from_an_enum_are_found_again(folder: Path) -> None:
    """The folder has their values: pairs that are linked are not sent twice."""

    class Type(str, Enum):  # noqa: UP042 -- as callers have them: a StrEnum writes its value
        CONTACTS = "contacts"
        COMPANIES = "companies"

    types = (Type.CONTACTS, Type.COMPANIES)
    assert 2 == run(Journal(folder), [(1, 2), (3, 4)], types=types).report.linked
    again = run(Journal(folder), [(1, 2), (3, 4)], types=("contacts", "companies"))
    assert (2, []) == (again.report.skipped, again.sent)
    assert 2 == run(Journal(folder), [(1, 2), (3, 4)], types=types).report.skipped
    assert 2 == sum(Journal(folder).counts().values())


def test_unfinished_pairs_are_sent_again(folder: Path) -> None:
    """Those that the daily limit left, whose rows say unprocessed, and those never read."""
    first = run(Journal(folder), _pairs(*range(30)), {"5": [DAILY]}, workers=1)
    assert (5, 25) == (first.report.linked, first.report.unprocessed)
    assert {Status.LINKED: 5, Status.UNPROCESSED: 25} == {
        status: count for status, count in Journal(folder).counts().items() if count
    }
    second = run(Journal(folder), _pairs(*range(30)))
    assert (25, 5) == (second.report.linked, second.report.skipped)
    assert 30 == Journal(folder).counts()[Status.LINKED]


def test_failed_pairs_are_told_again_as_they_were(folder: Path) -> None:
    """With category, message, correlation id; nothing is sent."""
    script = {"1": [REFUSED]}
    (first,) = run(Journal(folder), _pairs(1), script).outcomes
    ran = run(Journal(folder), _pairs(1))
    (again,) = ran.outcomes
    assert [] == ran.sent
    assert isinstance(again.error, PreviousFailureError)
    assert (first.status, first.category, str(first.error), first.correlation_id) == (
        again.status,
        again.category,
        str(again.error),
        again.correlation_id,
    )
    assert (first.attempts, first.maybe_applied) == (again.attempts, again.maybe_applied)


def test_a_failed_pair_that_is_repeated_is_told_once_in_each_run(folder: Path) -> None:
    """Wherever the two stand; and its row says what it said, and when."""
    first = run(Journal(folder), _pairs(1, 2, 1), {"1": [REFUSED]})
    (before,) = Journal(folder).rows(Status.FAILED)
    for order in ((1, 2, 1), (2, 1, 1), (1, 1, 2)):
        again = run(Journal(folder), _pairs(*order))
        assert [] == again.sent
        assert (0, 1, 2) == (again.report.linked, again.report.failed, again.report.skipped)
    (after,) = Journal(folder).rows(Status.FAILED)
    assert (1, 1, 1) == (first.report.linked, first.report.failed, first.report.skipped)
    assert (1, 4) == (before.session, after.session)
    for name in ("status", "category", "message", "correlation_id", "recorded_at", "attempts"):
        assert getattr(before, name) == getattr(after, name)


def test_failed_pairs_are_sent_again_when_asked_for(folder: Path) -> None:
    """And their row says what became of them then; there is one row a pair."""
    run(Journal(folder), _pairs(1, 2), {"1": [REFUSED], "2": [REFUSED]})
    again = run(Journal(folder), _pairs(1, 2), {"2": [REFUSED]}, retry_failed=True)
    assert [("1", "linked", None), ("2", "failed", "VALIDATION_ERROR")] == again.reported
    rows = list(Journal(folder).rows())
    assert [("1", Status.LINKED, 2), ("2", Status.FAILED, 2)] == [
        (row.pair.from_id, row.status, row.session) for row in rows
    ]
    assert (None, None, None) == (rows[0].category, rows[0].message, rows[0].correlation_id)


def test_pairs_refused_alike_are_sent_again(folder: Path) -> None:
    """They failed for a fault of the run, which has stopped for it; others that failed stay so."""
    mended = itertools.chain([REFUSED], itertools.repeat(error(403, category="SOME_LIMIT"), 9))
    script = {"1": [REFUSED], **{str(n): mended for n in range(2, 30)}}
    first = run(Journal(folder), _pairs(*range(30)), script, workers=1, stop_after_alike=5)
    assert isinstance(first.report.stopped, RefusedAlikeError)
    assert (1, 7, 22) == (first.report.linked, first.report.failed, first.report.unprocessed)
    second = run(Journal(folder), _pairs(*range(30)))
    assert (27, 1, 2) == (second.report.linked, second.report.skipped, second.report.failed)
    assert {str(n) for n in range(3, 30)} == set(second.sent)
    third = run(Journal(folder), _pairs(*range(30)))
    assert [] == third.sent


def test_a_partial_link_is_told_again(folder: Path) -> None:
    """As failed ones are."""
    script = {"1": [reply(("1", "1000001"), numErrors=1)]}
    assert 1 == run(Journal(folder), _pairs(1), script).report.partial
    again = run(Journal(folder), _pairs(1))
    assert (1, []) == (again.report.partial, again.sent)


# --- duplicates --------------------------------------------------------------------------------


def test_duplicates_are_skipped_whatever_lies_between(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On their way, just written, or long since sorted in: each pair is sent once."""
    monkeypatch.setattr(writer, "_INDEX_EVERY", 300)
    numbers = [*range(1000), *range(0, 1000, 3), *range(1000)]
    ran = run(Journal(folder), map(pair, numbers))
    assert sorted(map(str, range(1000))) == sorted(ran.sent)
    assert (1000, 1334) == (ran.report.linked, ran.report.skipped)
    assert {"DUPLICATE"} == {reported[2] for reported in ran.reported[1000:]}
    assert 1000 == sum(Journal(folder).counts().values())


def test_a_duplicate_names_what_it_repeats(folder: Path) -> None:
    """Even one that is still on its way."""
    ran = run(Journal(folder), _pairs(7, 8, 7), workers=3)
    (skipped,) = [outcome for outcome in ran.outcomes if outcome.status is Status.SKIPPED]
    assert skipped.skip is not None
    assert (2, "repeats item 0") == (skipped.index, skipped.skip.message)


def test_pairs_differ_by_type_and_direction(folder: Path) -> None:
    """And by every letter of an id."""
    pairs = [
        Pair("a", "1", "b", "2"),
        Pair("b", "2", "a", "1"),
        Pair("a", "2", "b", "1"),
        Pair("a", "01", "b", "2"),
        Pair("A", "1", "b", "2"),
        Pair("a", "12", "b", "3"),
    ]
    assert 6 == run(Journal(folder), pairs).report.linked
    assert 6 == run(Journal(folder), pairs).report.skipped


@settings(max_examples=25)
@given(
    st.lists(st.integers(0, 30), max_size=60),
    st.lists(st.integers(0, 40), max_size=60),
    st.sets(st.integers(0, 30), max_size=8),
    st.integers(0, 59) | st.none(),
)
def test_over_two_runs_no_pair_is_linked_twice(
    tmp_path_factory: pytest.TempPathFactory,
    first: list[int],
    second: list[int],
    refused: set[int],
    stopped_at: int | None,
) -> None:
    """What was reported linked is never sent again, and the folder agrees with the reports."""
    folder = tmp_path_factory.mktemp("law") / "run"
    script: dict[str, Any] = {str(number): [REFUSED] for number in refused}
    if stopped_at is not None and stopped_at < len(first):
        script[str(first[stopped_at])] = [DAILY]
    ran = run(Journal(folder), map(pair, first), script, workers=4)
    linked = {o.pair.from_id for o in ran.outcomes if o.status is Status.LINKED}
    failed = {o.pair.from_id for o in ran.outcomes if o.status is Status.FAILED}
    again = run(Journal(folder), map(pair, second), workers=4)
    assert not (linked | failed) & set(again.sent)
    assert len(set(again.sent)) == len(again.sent)
    assert len(again.outcomes) == len(second)
    now = {row.pair.from_id: row.status for row in Journal(folder).rows()}
    for outcome in again.outcomes:
        was = now[outcome.pair.from_id]
        if outcome.status is Status.SKIPPED:
            assert was in {Status.LINKED, Status.FAILED}
        else:
            assert was is outcome.status


# --- items that are no pairs -------------------------------------------------------------------


def test_items_that_fail_their_checks_are_kept_one_by_one(folder: Path) -> None:
    """As failed, whatever they hold, once each over all runs."""
    ids = [(1, 2), (None, 2), (None, 2), ("\udc80", "b c"), (3, 4)]
    types = ("contacts", "companies")
    for linked, skipped in ((2, 0), (0, 2)):
        report = run(Journal(folder), ids, types=types).report
        assert (linked, skipped, 3) == (report.linked, report.skipped, report.failed)
        assert {Status.LINKED: 2, Status.FAILED: 3} == {
            status: count for status, count in Journal(folder).counts().items() if count
        }
    bad = list(Journal(folder).rows(Status.FAILED))
    assert [1, 2, 3] == [row.line for row in bad]
    assert {PairError("").label} == {row.category for row in bad}
    assert 1 == run(Journal(folder), [("None", 2)], types=types).report.linked


def test_items_that_were_corrected_fail_no_longer(folder: Path) -> None:
    """What stood at their places before counts no more, and no pair after them is lost."""
    types = ("contacts", "companies")
    run(Journal(folder), [(1, 2), (None, 2), (3, 4), (None, 5)], types=types, workers=1)
    corrected = [(1, 2), ("a b", 2), (3, 4), (5, 5), (6, 6)]
    assert {"5", "6"} == set(run(Journal(folder), corrected, types=types, workers=1).sent)
    assert ["a b"] == [row.pair.from_id for row in Journal(folder).rows(Status.FAILED)]
    third = run(Journal(folder), [(number, number) for number in (5, 6)], types=types)
    assert (2, []) == (third.report.skipped, third.sent)
    assert {Status.LINKED: 4} == {
        status: count for status, count in Journal(folder).counts().items() if count
    }


# --- what is kept ------------------------------------------------------------------------------


class Unprintable(dict[str, int]):
    """A tag that fails however it is written."""

    def __repr__(self) -> str:
        raise RuntimeError("no text")

    def items(self) -> NoReturn:
        """Fail, as JSON asks for it."""
        raise RuntimeError("no entries")


@pytest.mark.parametrize("tag", [10**5000, Unprintable(a=1)], ids=["digits", "unprintable"])
def test_a_tag_that_cannot_be_written_costs_no_outcome(folder: Path, tag: object) -> None:
    """Its type is kept in its place; Python writes no int of thousands of digits."""
    ran = run(Journal(folder), [Pair("contacts", 1, "companies", 2, tag=tag)])
    (row,) = Journal(folder).rows()
    assert (1, f"({type(tag).__name__})") == (ran.report.linked, row.pair.tag)


def test_a_row_has_all_that_was_told(folder: Path) -> None:
    """And its tag, as JSON knows it."""
    tagged = Pair("contacts", 1, "companies", 2, tag={"row": [1, None, "ä"]})
    odd = Pair("contacts", 3, "companies", 4, tag={(1, 2): object})
    run(Journal(folder), [tagged, odd], {"3": [error(500), error(404, category="GONE")]})
    first, second = Journal(folder).rows()
    assert (tagged, {"row": [1, None, "ä"]}) == (first.pair, first.pair.tag)
    assert (Status.LINKED, 0, 0, 1, False, 1) == (
        first.status,
        first.source,
        first.line,
        first.attempts,
        first.maybe_applied,
        first.session,
    )
    assert abs((first.recorded_at - SystemClock().utc_now()).total_seconds()) < 60
    assert "object" in second.pair.tag  # a text
    assert (Status.FAILED, "GONE", 2, True) == (
        second.status,
        second.category,
        second.attempts,
        second.maybe_applied,
    )


def test_rows_can_be_chosen_by_status(folder: Path) -> None:
    """And come in the input's order."""
    run(Journal(folder), _pairs(3, 1, 2), {"1": [REFUSED]})
    assert ["3", "2"] == [row.pair.from_id for row in Journal(folder).rows(Status.LINKED)]
    assert ["1"] == [row.pair.from_id for row in Journal(folder).rows(Status.FAILED)]
    assert [] == list(Journal(folder).rows(Status.UNPROCESSED))
    assert ["3", "1", "2"] == [row.pair.from_id for row in Journal(folder).rows()]


def test_the_view_is_made_for_people(folder: Path) -> None:
    """Any SQLite tool shows outcomes by their names."""
    run(Journal(folder), _pairs(1, 2), {"2": [REFUSED]})
    db = sqlite3.connect(folder / "journal.db")
    found = db.execute("select from_type, from_id, to_id, status, at from outcomes").fetchall()
    db.close()
    assert [("contacts", "1", "1000001", "linked"), ("contacts", "2", "1000002", "failed")] == [
        row[:4] for row in found
    ]
    assert all(row[4].endswith("Z") for row in found)


# --- one folder, one run -----------------------------------------------------------------------


@pytest.mark.looptime(False)
async def test_a_second_run_is_refused_and_does_no_harm(folder: Path) -> None:
    """It names the process; when the first has ended, the folder is free."""
    first = Journal(folder).recording({}, SystemClock(), retry_failed=False)
    await first.open()
    try:
        second = Journal(folder).recording({}, SystemClock(), retry_failed=False)
        with pytest.raises(JournalInUseError, match=f"used by process {os.getpid()}") as caught:
            await second.open()
        assert os.getpid() == caught.value.process_id
        assert 0 == Journal(folder).counts()[Status.LINKED]
    finally:
        await first.close(Report(), complete=True)
    third = Journal(folder).recording({}, SystemClock(), retry_failed=False)
    await third.open()
    await third.close(Report(), complete=True)


def test_a_folder_of_a_program_can_be_checked_before_its_next_run(folder: Path) -> None:
    """Its portal is the client's to know; a folder of other input is refused."""
    Journal(folder).check()  # there is none yet
    run(Journal(folder), _pairs(1))
    Journal(folder).check()
    other = Journal.of_input(
        folder, job={"input 1": "b"}, about={}, places=Journal(folder)._places, force=False
    )
    with pytest.raises(JournalMismatchError, match="input 1 was not given then"):
        other.check()


def test_another_portal_is_refused_unless_forced(folder: Path) -> None:
    """With what differs, and what to do."""
    run(Journal(folder), _pairs(1))
    other = Journal.of_input(
        folder, job={"portal": "y"}, about={}, places=Journal(folder)._places, force=False
    )
    with pytest.raises(
        JournalMismatchError, match=r"portal was 'x' and is 'y'.*use a new folder"
    ) as caught:
        run(other, _pairs(2))
    assert {"portal": ("x", "y")} == caught.value.differences
    forced = Journal.of_input(
        folder, job={"portal": "y"}, about={}, places=Journal(folder)._places, force=True
    )
    assert 1 == run(forced, _pairs(1)).report.skipped
    with pytest.raises(JournalMismatchError, match="portal was 'y' and is 'x'"):
        run(Journal(folder), _pairs(2))


@pytest.mark.looptime(False)
async def test_what_a_killed_run_has_written_is_known(folder: Path) -> None:
    """Though it was never sorted in, and the run never said that it ended."""
    killed = Journal(folder).recording({"portal": "x"}, SystemClock(), retry_failed=False)
    await killed.open()
    assert killed.begin(0, pair(1)) is None
    await killed.write([Outcome(0, pair(1), Status.LINKED, 1)])
    killed._files.close()  # as the system does with a process's files
    with Reader(folder) as reader:
        assert (Status.LINKED, None) == (reader.get_status(pair(1)), reader.get_status(pair(2)))
        (session,) = reader.sessions()
        assert (os.getpid(), None, None) == (
            session.process_id,
            session.ended_at,
            session.is_complete,
        )
    following = Journal(folder).recording({"portal": "x"}, SystemClock(), retry_failed=False)
    await following.open()
    skipped = following.begin(0, pair(1))
    assert skipped is not None
    assert "LINKED_BEFORE" == skipped.category
    await following.close(Report(), complete=True)


@pytest.mark.parametrize("name", ["run", "file:run", ":memory:", "run?mode=memory"])
def test_a_process_may_go_elsewhere(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a relative folder may be called anything."""
    monkeypatch.chdir(tmp_path)

    def pairs() -> Iterator[Pair]:
        yield pair(1)
        monkeypatch.chdir("/")
        yield pair(2)

    assert 2 == run(Journal(name), pairs()).report.linked
    assert 2 == Journal(tmp_path / name).counts()[Status.LINKED]


def test_a_run_that_ended_leaves_all_in_one_file(folder: Path, tmp_path: Path) -> None:
    """Also while somebody has the folder open: to copy that file is enough."""
    run(Journal(folder), _pairs(1))
    with Reader(folder):
        run(Journal(folder), _pairs(1, 2))
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copy(folder / "journal.db", copy)
    assert 2 == Journal(copy).counts()[Status.LINKED]


# --- folders that cannot be used ---------------------------------------------------------------


def test_what_is_no_run_folder(folder: Path) -> None:
    """It says so."""
    with pytest.raises(JournalStorageError, match=r"is not a run folder: it has no journal\.db"):
        Journal(folder).counts()
    folder.mkdir(parents=True)
    (folder / "journal.db").touch()
    with pytest.raises(JournalStorageError, match="nothing was written"):
        Journal(folder).counts()
    Journal(folder).check()
    assert 1 == run(Journal(folder), _pairs(1)).report.linked


def test_a_newer_schema_is_refused(folder: Path) -> None:
    """By those who read and those who write; the folder stays as it is."""
    run(Journal(folder), _pairs(1))
    db = sqlite3.connect(folder / "journal.db")
    db.execute("pragma user_version = 99")
    db.close()
    for use in (lambda: Journal(folder).counts(), lambda: run(Journal(folder), _pairs(2))):
        with pytest.raises(JournalVersionError, match=r"newer aiohubassoc.*update aiohubassoc"):
            use()


def test_the_page_names_the_schema_and_each_of_its_tables(folder: Path) -> None:
    """Also those that another version added."""
    root = Path(__file__).parents[2]
    page = (root / "docs/reference/journal.md").read_text(encoding="utf-8")
    run(Journal(folder), _pairs(1))
    with closing(sqlite3.connect(folder / "journal.db")) as db:
        (version,) = db.execute("pragma user_version").fetchone()
        tables = db.execute("select name from sqlite_schema where type = 'table'").fetchall()
    assert f"(`pragma user_version`, now {version})" in page
    assert all(f"`{name}`" in page for (name,) in tables)


def test_somebody_elses_database_is_left_alone(folder: Path) -> None:
    """A file of that name may be anything."""
    folder.mkdir(parents=True)
    db = sqlite3.connect(folder / "journal.db")
    db.execute("create table diary (entry text)")
    db.close()
    with pytest.raises(JournalVersionError, match="is not a journal of aiohubassoc"):
        run(Journal(folder), _pairs(1))
    (folder / "journal.db").write_bytes(b"Dear diary, " * 500)
    with pytest.raises(JournalStorageError, match="is not a database"):
        run(Journal(folder), _pairs(1))


def test_a_file_in_place_of_the_folder(folder: Path) -> None:
    """The system's own words, and the path."""
    folder.parent.mkdir(parents=True)
    folder.touch()
    with pytest.raises(JournalStorageError, match=f"{folder}: File exists"):
        run(Journal(folder), _pairs(1))


def test_a_full_disk_stops_the_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is reported as linked that is not in the folder; afterwards the run can continue."""

    class Small(Database):
        def __init__(self, path: Path) -> None:
            super().__init__(path)
            self._db.execute("pragma max_page_count = 40")

    monkeypatch.setattr(writer, "Database", Small)
    ran = run(Journal(folder), map(pair, range(5000)))
    assert isinstance(ran.report.stopped, JournalStorageError)
    assert "the disk is full" in str(ran.report.stopped)
    assert 5000 == ran.report.total
    linked = {o.pair.from_id for o in ran.outcomes if o.status is Status.LINKED}
    assert linked
    assert linked == {row.pair.from_id for row in Journal(folder).rows(Status.LINKED)}
    monkeypatch.setattr(writer, "Database", Database)
    again = run(Journal(folder), map(pair, range(5000)))
    assert len(linked) == again.report.skipped
    assert 5000 == Journal(folder).counts()[Status.LINKED]


# --- found by reading --------------------------------------------------------------------------


@pytest.mark.parametrize("replaced", [False, True])
def test_a_folder_that_is_removed_stops_the_run(folder: Path, *, replaced: bool) -> None:
    """What is written to a file that is gone is kept nowhere: it is not reported as linked."""

    def removing() -> Iterator[Pair]:
        for number in range(1, 2001):
            if number == 1000:
                shutil.rmtree(folder)
                if replaced:
                    folder.mkdir()
                    (folder / "journal.db").write_bytes(b"")
            yield pair(number)

    ran = run(Journal(folder), removing())
    assert isinstance(ran.report.stopped, JournalStorageError)
    assert "journal.db was removed or replaced during the run" in str(ran.report.stopped)
    assert ran.report.total == 2000
    assert ran.report.linked < 1500
    assert ran.report.unprocessed == 2000 - ran.report.linked


def test_a_partial_link_may_still_be_there_when_it_is_not_linked_wholly(folder: Path) -> None:
    """It was sent again, and the run ended before its call, or HubSpot refused it."""
    script = {str(n): [reply((str(n), f"100000{n}"), numErrors=1)] for n in (1, 2)}
    assert 2 == run(Journal(folder), _pairs(1, 2), script).report.partial
    script = {"2": [REFUSED], "3": [DAILY]}
    again = run(Journal(folder), _pairs(2, 3, 1), script, workers=1, retry_failed=True)
    assert [
        (Status.FAILED, 1, True),
        (Status.UNPROCESSED, 1, False),
        (Status.UNPROCESSED, 0, True),
    ] == [(o.status, o.attempts, o.maybe_applied) for o in again.outcomes]
    assert {"1": True, "2": True, "3": False} == {
        row.pair.from_id: row.maybe_applied for row in Journal(folder).rows()
    }


def test_what_may_be_there_is_not_forgotten(folder: Path) -> None:
    """A lost response stays one over all runs, until HubSpot confirms the link."""
    script = {"1": [error(500), REFUSED], "2": [error(500), DAILY]}
    first = run(Journal(folder), _pairs(1, 2), script, workers=1)
    assert [True, True] == [outcome.maybe_applied for outcome in first.outcomes]
    stopped = run(Journal(folder), _pairs(3, 1, 2), {"3": [DAILY]}, workers=1, retry_failed=True)
    assert [False, True, True] == [outcome.maybe_applied for outcome in stopped.outcomes]
    assert {"1": True, "2": True, "3": False} == {
        row.pair.from_id: row.maybe_applied for row in Journal(folder).rows()
    }
    refused = run(Journal(folder), _pairs(1, 2), {"1": [REFUSED]}, retry_failed=True)
    assert {"1": True, "2": False} == {o.pair.from_id: o.maybe_applied for o in refused.outcomes}
    assert {"1": True, "2": False, "3": False} == {
        row.pair.from_id: row.maybe_applied for row in Journal(folder).rows()
    }


def test_items_that_are_no_pairs_leave_nothing_after_a_stop(folder: Path) -> None:
    """They are reported, but nobody can settle what is none: the folder is not to wait for it."""
    ids = [(1, 2), (None, 2), (3, 4)]
    types = ("contacts", "companies")
    first = run(Journal(folder), ids, {"1": [DAILY]}, types=types, workers=1)
    assert ["unprocessed"] * 3 == [status for _, status, _ in first.reported]
    assert ["1", "3"] == [row.pair.from_id for row in Journal(folder).rows()]
    again = run(Journal(folder), ids, types=types)
    assert (2, 1) == (again.report.linked, again.report.failed)
    assert 0 == Journal(folder).counts()[Status.UNPROCESSED]


def test_a_disk_that_fills_while_pairs_are_sorted_in(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was reported and what the folder has are the same: no row is there as lost."""

    class Full(Database):
        def index(self) -> None:
            (rows,) = self._db.execute("select count(*) from pairs").fetchone()
            if rows:
                raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(writer, "Database", Full)
    monkeypatch.setattr(writer, "_INDEX_EVERY", 500)
    ran = run(Journal(folder), map(pair, range(5000)))
    assert isinstance(ran.report.stopped, JournalStorageError)
    linked = {o.pair.from_id for o in ran.outcomes if o.status is Status.LINKED}
    assert linked
    assert linked == {row.pair.from_id for row in Journal(folder).rows(Status.LINKED)}
