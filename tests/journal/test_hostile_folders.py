"""A run folder that is damaged or forged: it is read, or refused by a `JournalError`."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings, strategies as st

from aiohubassoc import Journal, JournalError, Pair, Status
from aiohubassoc.journal.report_reader import ReportReader
from aiohubassoc.journal.schema import LOCK, is_in_use, to_storage_error
from tests.fakes.transport import error, pair
from tests.journal.conftest import FOUND, run

if TYPE_CHECKING:
    from pathlib import Path

PAIRS = [pair(number) for number in range(40)]
COLUMNS = {
    "header": ("name", "value"),
    "sessions": ("process_id", "version", "began_at_ms", "ended_at_ms", "is_complete", "stopped"),
    "types": ("from_type", "to_type"),
    "pairs": (
        *("types", "from_id", "to_id", "status", "place", "attempts", "maybe_applied"),
        *("category", "message", "correlation_id", "at_ms", "session", "tag"),
    ),
    "seen": ("types", "from_id", "pair"),
    "unusable": ("place", "problem", "fields"),
    "statistics": ("value",),
    "verifications": ("at_ms", "value"),
}
VALUES = st.one_of(
    st.sampled_from([None, "", "x", "{}", "[", "null", "1e999", b"\xff", -1, 0, 5, 99, 2**62]),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(max_size=8),
    st.binary(max_size=8),
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pairs of every status, whose next run would send some."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    refused = error(400, category="VALIDATION_ERROR")
    script = {"3": [refused], "5": [refused], "20": [error(429, policyName="DAILY")]}
    ran = run(Journal(folder), PAIRS, script, workers=1)
    assert {Status.LINKED, Status.FAILED, Status.UNPROCESSED} <= {o.status for o in ran.outcomes}
    with closing(sqlite3.connect(folder / "journal.db")) as db, db:
        db.execute("insert into unusable values (7, 'no id', '[\"a\"]')")
        db.execute("insert into verifications values (1, 1, ?)", (json.dumps(FOUND),))
    db.close()
    return folder


def _use(folder: Path) -> None:
    """Do all that reads a run folder, and then go on with the run."""
    journal = Journal(folder)
    for read in (journal.counts, lambda: list(journal.rows()), lambda: _report(folder)):
        try:
            read()
        except JournalError as refusal:
            assert str(folder) in str(refusal)
    try:
        ran = run(Journal(folder), [*PAIRS, Pair("notes", 1, "tasks", 2)], retry_failed=False)
    except JournalError as refusal:
        assert str(folder) in str(refusal)
    else:
        assert list(range(41)) == sorted(outcome.index for outcome in ran.outcomes)


def _report(folder: Path) -> None:
    with ReportReader(folder) as reader:
        reader.header()
        reader.sessions()
        reader.is_read_to_its_end()
        reader.types(10)
        reader.linked()
        reader.failures(10)
        reader.rejected_rows(10)
        reader.categories()
        list(reader.rejected())
        reader.rejected_count()
        reader.statistics()
        reader.verifications()
        reader.get_status(PAIRS[0])


def _copy(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copy")
    shutil.copy(whole / "journal.db", folder)
    return folder


@settings(max_examples=60)
@given(
    forged=st.sampled_from([(table, one) for table, of in COLUMNS.items() for one in of]),
    value=VALUES,
)
def test_a_forged_value(
    whole: Path,
    tmp_path_factory: pytest.TempPathFactory,
    forged: tuple[str, str],
    value: object,
) -> None:
    """In any column of any table."""
    folder = _copy(whole, tmp_path_factory)
    table, column = forged
    with closing(sqlite3.connect(folder / "journal.db")) as db, db:
        try:
            db.execute(f"update or ignore {table} set {column} = ?", (value,))  # noqa: S608 -- ours
        except (sqlite3.Error, OverflowError):  # what the schema does not take
            return
        finally:
            db.commit()
    db.close()
    _use(folder)
    shutil.rmtree(folder)


@settings(max_examples=40)
@given(
    changes=st.lists(st.tuples(st.integers(0, 1 << 20), st.binary(min_size=1, max_size=16))),
    length=st.none() | st.integers(0, 60_000),
)
def test_changed_bytes(
    whole: Path,
    tmp_path_factory: pytest.TempPathFactory,
    changes: list[tuple[int, bytes]],
    length: int | None,
) -> None:
    """Anywhere in the file, which may also end early."""
    folder = _copy(whole, tmp_path_factory)
    content = bytearray((folder / "journal.db").read_bytes())
    for place, new in changes:
        at = place % len(content)
        content[at : at + len(new)] = new
    (folder / "journal.db").write_bytes(content[:length])
    _use(folder)
    shutil.rmtree(folder)


@settings(max_examples=15)
@given(content=st.binary(max_size=400))
def test_any_bytes_as_its_log(
    whole: Path, tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    """SQLite's write-ahead log beside it is taken or left, never believed half."""
    folder = _copy(whole, tmp_path_factory)
    (folder / "journal.db-wal").write_bytes(content)
    _use(folder)
    shutil.rmtree(folder)


@pytest.mark.parametrize("content", [b"", b"garbage" * 1000])
def test_a_lock_that_is_damaged_is_locked_by_nobody(
    whole: Path, tmp_path: Path, content: bytes
) -> None:
    """It does not stop readers of the folder."""
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    (folder / LOCK).write_bytes(content)
    assert not is_in_use(folder)


def test_a_damaged_lock_is_named_and_can_be_removed(whole: Path, tmp_path: Path) -> None:
    """Nothing of the run is in it, so nobody is told to give the run up."""
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    (folder / LOCK).write_bytes(b"garbage" * 1000)
    with pytest.raises(JournalError, match=r"lock\.db is damaged") as refused:
        run(Journal(folder), PAIRS)
    assert "journal.db" not in str(refused.value)
    (folder / LOCK).unlink()
    assert len(run(Journal(folder), PAIRS).outcomes) == len(PAIRS)


@pytest.mark.parametrize(
    "problem",
    [
        "no such table: sessions",
        "table header already exists",
        "no such column: is_of_folder",
        "Could not decode to UTF-8 column 'value' with text '{" + "x" * 10_000,
    ],
)
def test_what_a_damaged_database_says_is_not_shown(tmp_path: Path, problem: str) -> None:
    """Neither its columns nor what stands in them."""
    said = str(to_storage_error(tmp_path, sqlite3.OperationalError(problem)))
    said = said.removesuffix(". Link again in another folder, with skip_linked")
    assert said == f"the run folder {tmp_path}: journal.db is damaged"


def test_a_file_system_without_locks_is_told_from_a_damaged_one(tmp_path: Path) -> None:
    """SQLite says the same of a file that a program has locked."""
    said = str(to_storage_error(tmp_path, sqlite3.OperationalError("database is locked")))
    assert "a program has locked it, or its file system has no locks: use a local disk" in said
