"""Writing to a run folder's database: plain calls, by one process, for one thread at a time."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import attrs

from aiohubassoc._run.group_commit import GROUP, wait_until_none
from aiohubassoc.errors import JournalStorageError
from aiohubassoc.journal.header import INPUT_SINCE, REFUSED_ALIKE, read_header
from aiohubassoc.journal.row_codec import Place
from aiohubassoc.journal.schema import (
    DATABASE,
    FolderLock,
    identify,
    open_for_writing,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

_T = TypeVar("_T")

RejectedRecord: TypeAlias = tuple[Place, str, str]  # place, problem, cells as JSON

_MOST_VERIFICATIONS: Final = 20
# This many rows go in by one statement: each one on its own would give the interpreter's lock away
# and wait for the event loop to return it. SQLite before 3.32 takes 999 values.
_AT_ONCE: Final = (GROUP if sqlite3.sqlite_version_info >= (3, 32) else 142, 16, 1)
# What nearly every pair comes to: linked at the first try.
_USUAL_VALUES: Final = 7  # types, from_id, to_id, place, at_ms, session, tag
_USUAL_ROW: Final = "(null,?,?,?,1,?,1,0,null,null,null,?,?,?)"
_OTHER: Final = "insert into pairs values (null, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_CHANGE: Final = """
update pairs set status = ?, place = ?, attempts = ?, maybe_applied = ?, category = ?,
  message = ?, correlation_id = ?, at_ms = ?, session = ?, tag = ? where id = ?
"""


def _usual(count: int) -> str:
    """Return the statement that inserts *count* pairs that were linked at the first try."""
    rows = ",".join([_USUAL_ROW] * count)
    return f"insert into pairs values {rows}"  # noqa: S608 -- question marks


# As many as a run writes together while it is in full swing.
_WHOLE: Final = _AT_ONCE[0] * _USUAL_VALUES
_USUAL: Final = {count: _usual(count) for count in _AT_ONCE}


@attrs.define
class Group:
    """What is written together."""

    at_ms: int  # when
    session: int  # in which run
    # Rows of the input that hold no pair: place, problem, cells.
    rejected: list[RejectedRecord] = attrs.Factory(list)
    # Of pairs linked at the first try, one after the other: the number of the types, both ids,
    # place, time, session, tag.
    usual: list[object] = attrs.Factory(list)
    # Of other pairs that have no row: the number of the types, both ids, then as in `changed`.
    others: list[tuple[object, ...]] = attrs.Factory(list)
    # Of pairs that have a row: status, place, attempts, whether it may be applied, category,
    # message, correlation id, time, session, tag, row.
    changed: list[tuple[object, ...]] = attrs.Factory(list)
    # Of pairs that failed in an earlier run and were reported again: session, place, row.
    repeated: list[tuple[int, Place, int]] = attrs.Factory(list)
    # How the runs of the folder went so far; None: not due, or not known.
    statistics: str | None = None

    @property
    def has_more(self) -> bool:
        """Whether there is anything but pairs that were linked at the first try."""
        return bool(
            self.others or self.changed or self.repeated or self.rejected or self.statistics
        )


class Types(dict[tuple[str, str], int]):
    """Pairs of object types to their numbers, new ones on demand; `new` are not written yet."""

    def __init__(self) -> None:
        super().__init__()
        self.new: list[tuple[int, str, str]] = []

    def __missing__(self, types: tuple[str, str]) -> int:
        number = self[types] = len(self) + 1
        self.new.append((number, *types))
        return number


class Database:
    """The database of a run folder, open for writing: nobody else writes it until it is closed."""

    def __init__(self, folder: Path) -> None:
        self.types: Final = Types()
        """The numbers of object types; new ones are written with the next group."""
        with contextlib.ExitStack() as stack:
            stack.callback(FolderLock(folder).release)
            self._db = stack.enter_context(contextlib.closing(open_for_writing(folder)))
            for number, from_type, to_type in self._db.execute("select * from types"):
                self.types[from_type, to_type] = number
            self.index()  # what the last session did not come to
            self._files = stack.pop_all()
        self._folder = folder
        self._path = folder.absolute()  # wherever the process goes
        self._identity = identify(self._path)

    def header(self) -> dict[str, Any]:
        """Return what is kept about the job."""
        return read_header(self._db)

    def statistics(self) -> str | None:
        """Return what is kept of how the runs of the folder went; None: nothing."""
        row = self._db.execute("select value from statistics").fetchone()
        return None if row is None else str(row[0])

    def add_verification(self, at_ms: int, value: str) -> None:
        """Keep what reading links back found; of those before only the latest."""
        with _transaction(self._db):
            self._db.execute(
                "insert into verifications (at_ms, value) values (?, ?)", (at_ms, value)
            )
            self._db.execute(
                "delete from verifications where id <= (select max(id) from verifications) - ?",
                (_MOST_VERIFICATIONS,),
            )

    def begin_session(
        self,
        header: Mapping[str, object],
        *,
        process_id: int,
        version: str,
        at_ms: int,
        is_of_folder: bool,
        is_of_other_input: bool,
    ) -> int:
        """Keep *header*, which is about the job, and return the number of a new session."""
        # *is_of_other_input*: of the input of the last one, rows and items without a pair count no
        # more.
        with _transaction(self._db):
            self._db.executemany(
                "insert into header values (?, ?)"
                " on conflict (name) do update set value = excluded.value",
                [(name, json.dumps(value)) for name, value in header.items()],
            )
            number = self._db.execute(
                "insert into sessions (process_id, version, began_at_ms, is_of_folder)"
                " values (?, ?, ?, ?)",
                (process_id, version, at_ms, is_of_folder),
            ).lastrowid
            if is_of_other_input:
                self._db.execute("delete from unusable")
                self._db.execute("delete from pairs where status = 5")
                # The last rows may be among them, whose numbers are given out again.
                self._db.execute(
                    "update header set value = (select coalesce(max(id), 0) from pairs)"
                    " where name = 'indexed'"
                )
                self._db.execute(
                    "insert or replace into header values (?, ?)", (INPUT_SINCE, json.dumps(number))
                )
        assert number is not None  # noqa: S101 -- one row was inserted
        return number

    def unended_process(self) -> int | None:
        """Return the process of the last session if that did not end in good order."""
        row = self._db.execute(
            "select process_id, ended_at_ms from sessions order by id desc limit 1"
        ).fetchone()
        return None if row is None or row[1] is not None else int(row[0])

    def end_session(
        self,
        number: int,
        *,
        at_ms: int,
        complete: bool,
        stopped: str | None,
        refused_alike: str | None,
    ) -> None:
        """Note how a session ended; *stopped*: why it ended early, None if it did not."""
        # *refused_alike*: the category of the pairs that it stopped for, as HubSpot refused them
        # alike: a later session sends them again. None: it did not.
        alike = self.header().get(REFUSED_ALIKE, {})
        with _transaction(self._db):
            if refused_alike is not None:
                value = json.dumps({**alike, str(number): refused_alike})
                self._db.execute(
                    "insert or replace into header values (?, ?)", (REFUSED_ALIKE, value)
                )
            self._db.execute(
                "update sessions set ended_at_ms = ?, is_complete = ?, stopped = ? where id = ?",
                (at_ms, complete, stopped, number),
            )

    def write(self, group: Group) -> None:
        """Write all of it, or nothing; JournalStorageError: the file is no longer the folder's."""
        usual = group.usual
        if len(usual) == _WHOLE and not (group.has_more or self.types.new):
            # Nearly always. A statement alone is a transaction, and the interpreter's lock, which
            # the event loop is slow to give back, is asked for once and not five times.
            self._db.execute(_USUAL[_AT_ONCE[0]], usual)
        else:
            with _transaction(self._db):
                self._write_parts(group)
        if identify(self._path) != self._identity:  # SQLite writes on without a word
            raise JournalStorageError(
                f"the run folder {self._folder}: {DATABASE} was removed or replaced during the run"
            )
        self.types.new = []

    def _write_parts(self, group: Group) -> None:
        usual, start = group.usual, 0
        for count, statement in _USUAL.items():
            size = count * _USUAL_VALUES
            while len(usual) - start >= size:
                self._db.execute(statement, usual[start : start + size])
                start += size
        self._db.executemany("insert into types values (?, ?, ?)", self.types.new)
        self._db.executemany(_OTHER, group.others)
        self._db.executemany(_CHANGE, group.changed)
        self._db.executemany("update pairs set session = ?, place = ? where id = ?", group.repeated)
        self._db.executemany("insert or replace into unusable values (?, ?, ?)", group.rejected)
        if group.statistics is not None:
            self._db.execute("insert or replace into statistics values (1, ?)", (group.statistics,))

    def index(self) -> None:
        """Let every row be found by its key. In key order: at random, each would write a page."""
        (value,) = self._db.execute("select value from header where name = 'indexed'").fetchone()
        (last,) = self._db.execute("select coalesce(max(id), 0) from pairs").fetchone()
        if last == int(value):
            return
        with _transaction(self._db):
            self._db.execute(
                "insert into seen select types, from_id, to_id, id from pairs"
                " where id > ? and status < 5 order by types, from_id, to_id"
                " on conflict do nothing",
                (int(value),),
            )
            self._db.execute("update header set value = ? where name = 'indexed'", (str(last),))

    def close(self) -> None:
        """Let others write. Everything is moved into one file, also if others have it open."""
        with contextlib.suppress(sqlite3.Error):  # the disk is full: it stays in the log
            self._db.execute("pragma busy_timeout = 0")
            self._db.execute("pragma wal_checkpoint(truncate)")
        self._files.close()


class DatabaseThread:
    """The one thread in which files and databases are used: no event loop waits for a disk."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"aiohubassoc-{name}")

    async def run(self, work: Callable[[], _T]) -> _T:
        """Return what *work* returns; cancelled, it does not wait for what has begun."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def close(self, release: Callable[[], object]) -> None:
        """Return once all else is done and *release* was called, however often it is cancelled."""
        last = asyncio.get_running_loop().run_in_executor(self._thread, release)
        try:
            await wait_until_none(lambda: [] if last.done() else [last])
        finally:
            self._thread.shutdown(wait=False)
            last.result()


@contextlib.contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("begin immediate")
    try:
        yield
        db.execute("commit")
    finally:
        if db.in_transaction:  # something failed; a full disk may have ended it already
            db.execute("rollback")
