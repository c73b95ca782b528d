"""What a report reads of a run folder: new, old, killed, resumed, with many kinds of failures."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from aiohubassoc import Journal, JournalInUseError, Outcome, Report, Status
from aiohubassoc.journal.journal import add_verification
from aiohubassoc.journal.report_reader import ReportReader
from aiohubassoc.journal.schema import VERSION, FolderLock
from tests.fakes.transport import error, pair
from tests.journal.conftest import FOUND, run
from tests.journal.test_statistics import Clock, response, started

if TYPE_CHECKING:
    from pathlib import Path


def make_old(folder: Path) -> None:
    """Make the folder as version 1 of the schema left it."""
    with closing(sqlite3.connect(folder / "journal.db")) as db:
        db.executescript(
            "drop table statistics; drop table verifications; pragma user_version = 1;"
        )


def version_of(folder: Path) -> int:
    """Return the version of the schema."""
    with closing(sqlite3.connect(folder / "journal.db")) as db:
        return int(db.execute("pragma user_version").fetchone()[0])


def test_an_old_folder_lacks_statistics(folder: Path) -> None:
    """It is read as it is, and stays so."""
    run(Journal(folder), [pair(1)])
    make_old(folder)
    with ReportReader(folder) as reader:
        assert reader.counts()[Status.LINKED] == 1
        assert reader.statistics() is None
        assert reader.verifications() == []
    assert version_of(folder) == 1


def test_the_next_run_brings_an_old_folder_up_to_date(folder: Path) -> None:
    """Its outcomes stay."""
    run(Journal(folder), [pair(1)])
    make_old(folder)
    again = run(Journal(folder), [pair(1), pair(2)])
    assert (again.report.linked, again.report.skipped) == (1, 1)
    assert version_of(folder) == VERSION
    with ReportReader(folder) as reader:
        assert reader.counts()[Status.LINKED] == 2


async def _record(folder: Path, clock: Clock, *, is_killed: bool, seconds: float) -> None:
    """Have a run write one outcome after *seconds*; a killed one does not come to its end."""
    journal = Journal(folder)
    writer = journal.recording({}, clock, retry_failed=False)
    writer.run_id = "a"  # as `started` and `response` name it
    await writer.open()
    journal.observer.run_started(started())
    journal.observer.response(response())
    clock.seconds += seconds
    index = int(clock.seconds)
    await writer.write([Outcome(index, pair(index), Status.LINKED, 1)])
    if is_killed:
        await writer._close()
    else:
        await writer.close(Report(), complete=True)


@pytest.mark.looptime(False)
@pytest.mark.parametrize(("seconds", "kept"), [(0.5, None), (2.5, 1)])
async def test_a_killed_run_leaves_its_statistics(
    folder: Path, seconds: float, kept: int | None
) -> None:
    """But for the last two seconds."""
    await _record(folder, Clock(), is_killed=True, seconds=seconds)
    with ReportReader(folder) as reader:
        found = reader.statistics()
    assert (None if found is None else found.responses.total) == kept


@pytest.mark.looptime(False)
async def test_statistics_add_up_over_the_runs_of_a_folder(folder: Path) -> None:
    """Killed ones too."""
    clock = Clock()
    await _record(folder, clock, is_killed=True, seconds=3.0)
    await _record(folder, clock, is_killed=False, seconds=0.5)
    await _record(folder, clock, is_killed=False, seconds=0.5)
    with ReportReader(folder) as reader:
        found = reader.statistics()
    assert found is not None
    assert found.responses.total == 3
    assert len(found.runs) == 3


def test_a_client_that_does_not_report_leaves_none(folder: Path) -> None:
    """Nothing is made up."""
    run(Journal(folder), [pair(1)])
    with ReportReader(folder) as reader:
        assert reader.statistics() is None


def test_failures_are_grouped_by_reason(folder: Path) -> None:
    """The most frequent first, with the first of each; what is left out is counted."""
    script: dict[str, Any] = {
        str(number): [error(400, category=f"KIND_{number % 3}", correlationId=f"c-{number}")]
        for number in range(1, 9)
    }
    run(Journal(folder), [pair(number) for number in range(20)], script, workers=1)
    with ReportReader(folder) as reader:
        failures = reader.failures(2)
        assert reader.types(5) == [("contacts", "companies")]
        assert reader.linked() == (12, 0)
    groups = failures.groups
    assert [(one.category, one.count) for one in groups] == [("KIND_1", 3), ("KIND_2", 3)]
    assert failures.other_groups == 1
    assert failures.counts == {Status.FAILED: 8}
    first = groups[0].examples[0]
    assert (first.line, first.pair, first.correlation_id) == (1, str(pair(1)), "c-1")
    assert all(len(one.examples) == 3 for one in groups)


def test_categories_without_end_are_bounded(folder: Path) -> None:
    """The rest is one group."""
    script: dict[str, Any] = {
        str(number): [error(400, category=f"KIND_{number}")] for number in range(600)
    }
    run(Journal(folder), [pair(number) for number in range(600)], script)
    with ReportReader(folder) as reader:
        failures = reader.failures(3)
    first = failures.groups[0]
    assert (first.category, first.count, len(first.examples)) == ("OTHER", 100, 3)
    assert failures.other_groups == 498
    assert failures.counts == {Status.FAILED: 600}


def test_verifications_are_kept_the_latest_first(folder: Path) -> None:
    """Twenty of them."""
    run(Journal(folder), [pair(1)])
    make_old(folder)
    noon = datetime(2026, 11, 28, 12, tzinfo=UTC)
    for number in range(25):
        add_verification(folder, noon + timedelta(hours=number), {**FOUND, "linked": number})
    with ReportReader(folder) as reader:
        found = reader.verifications()
    assert [one.value["linked"] for one in found] == list(range(24, 4, -1))
    assert found[0].at == noon + timedelta(hours=24)


def test_a_folder_in_use_takes_no_verification(folder: Path) -> None:
    """One process at a time writes it; afterwards it does."""
    run(Journal(folder), [pair(1)])
    lock = FolderLock(folder)
    with pytest.raises(JournalInUseError):
        add_verification(folder, datetime.now(UTC), {})
    lock.release()
    add_verification(folder, datetime.now(UTC), {})


def test_the_reader_sees_one_moment(folder: Path) -> None:
    """Also while a run writes: a report's parts agree."""
    run(Journal(folder), [pair(1)])
    with ReportReader(folder) as reader:
        before = reader.counts()
        run(Journal(folder), [pair(1), pair(2)])
        assert reader.counts() == before
        assert len(reader.sessions()) == 1
