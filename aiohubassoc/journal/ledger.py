"""Writing to a run folder's database: plain calls, for one thread at a time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import attrs

from aiohubassoc.journal.schema import open_for_writing

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping
    from pathlib import Path

Unusable: TypeAlias = tuple[int, int, str, str]
"""Source, line, problem, cells as JSON."""

# So many rows go in by one statement: each one on its own would give the interpreter's lock away
# and wait for the event loop to return it. SQLite of old takes 999 values.
_AT_ONCE: Final = 128
# What nearly every pair comes to: linked at the first try. ?1 is the time, ?2 the session.
_USUAL_VALUES: Final = 6  # types, from_id, to_id, source, line, tag
_OTHER: Final = "insert into pairs values (null, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_CHANGE: Final = """
update pairs set status = ?, source = ?, line = ?, attempts = ?, maybe_applied = ?, category = ?,
  message = ?, correlation_id = ?, at_ms = ?, session = ?, tag = ? where id = ?
"""


def _usual(count: int) -> str:
    """Return the statement that inserts so many pairs that were linked at the first try."""
    rows = []
    for first in range(3, 3 + count * _USUAL_VALUES, _USUAL_VALUES):
        types, from_id, to_id, source, line, tag = (f"?{first + n}" for n in range(_USUAL_VALUES))
        rows.append(
            f"(null,{types},{from_id},{to_id},1,{source},{line},1,0,null,null,null,?1,?2,{tag})"
        )
    return f"insert into pairs values {','.join(rows)}"  # noqa: S608 -- question marks


_USUAL_MANY: Final = _usual(_AT_ONCE)
_USUAL_ONE: Final = _usual(1)


@attrs.frozen
class Group:
    """
    What is written together.

    Attributes:
        at_ms: When.
        session: In which run.
        usual: Of pairs linked at the first try, one after the other: the number of the types, both
            ids, source, line, tag.
        others: Of other pairs that have no row: the number of the types, both ids, then as in
            `changed`.
        changed: Of pairs that have a row: status, source, line, attempts, whether it may be
            applied, category, message, correlation id, time, session, tag, row.
        unusable: Rows of the input that hold no pair: source, line, problem, cells.
    """

    at_ms: int
    session: int
    unusable: list[Unusable] = attrs.Factory(list)
    usual: list[object] = attrs.Factory(list)
    others: list[tuple[object, ...]] = attrs.Factory(list)
    changed: list[tuple[object, ...]] = attrs.Factory(list)


class Ledger:
    """
    The database of a run folder, open for writing.

    Args:
        folder: The run folder; it exists, and is locked.

    Raises:
        JournalVersionError: its database is not ours, or newer.
        sqlite3.Error: it cannot be opened or written; so for every method.
    """

    def __init__(self, folder: Path) -> None:
        self._db = open_for_writing(folder)
        self._types: dict[tuple[str, str], int] = {}
        try:
            self.index()  # what the last session did not come to
        except BaseException:
            self._db.close()
            raise

    def header(self) -> dict[str, Any]:
        """Return what is kept about the job."""
        return {name: json.loads(value) for name, value in self._db.execute("select * from header")}

    def begin_session(
        self, header: Mapping[str, object], *, process_id: int, version: str, at_ms: int
    ) -> int:
        """Keep *header*, and return the number of a new session."""
        with _Transaction(self._db):
            self._db.executemany(
                "insert into header values (?, ?)"
                " on conflict (name) do update set value = excluded.value",
                [(name, json.dumps(value)) for name, value in header.items()],
            )
            number = self._db.execute(
                "insert into sessions (process_id, version, began_at_ms) values (?, ?, ?)",
                (process_id, version, at_ms),
            ).lastrowid
        assert number is not None  # noqa: S101 -- one row was inserted
        return number

    def unended_process(self) -> int | None:
        """Return the process of the last session if that did not end in good order."""
        row = self._db.execute(
            "select process_id, ended_at_ms from sessions order by id desc limit 1"
        ).fetchone()
        return None if row is None or row[1] is not None else int(row[0])

    def end_session(self, number: int, *, at_ms: int, complete: bool, stopped: str | None) -> None:
        """Note how a session ended."""
        with _Transaction(self._db):
            self._db.execute(
                "update sessions set ended_at_ms = ?, is_complete = ?, stopped = ? where id = ?",
                (at_ms, complete, stopped, number),
            )

    def types(self, from_type: str, to_type: str) -> int:
        """Return the number of these object types."""
        known = self._types.get((from_type, to_type))
        if known is None:
            self._db.execute(
                "insert into types (from_type, to_type) values (?, ?) on conflict do nothing",
                (from_type, to_type),
            )
            (known,) = self._db.execute(
                "select id from types where from_type = ? and to_type = ?", (from_type, to_type)
            ).fetchone()
            self._types[from_type, to_type] = known
        return known

    def write(self, group: Group) -> None:
        """Write all of it, or nothing."""
        usual, size = group.usual, _AT_ONCE * _USUAL_VALUES
        shared = [group.at_ms, group.session]
        with _Transaction(self._db):
            whole = len(usual) - len(usual) % size
            for start in range(0, whole, size):
                self._db.execute(_USUAL_MANY, shared + usual[start : start + size])
            for start in range(whole, len(usual), _USUAL_VALUES):
                self._db.execute(_USUAL_ONE, shared + usual[start : start + _USUAL_VALUES])
            self._db.executemany(_OTHER, group.others)
            self._db.executemany(_CHANGE, group.changed)
            self._db.executemany(
                "insert or replace into unusable values (?, ?, ?, ?)", group.unusable
            )

    def index(self) -> None:
        """Let every row be found by its key. In key order: at random, each would write a page."""
        (value,) = self._db.execute("select value from header where name = 'indexed'").fetchone()
        (last,) = self._db.execute("select coalesce(max(id), 0) from pairs").fetchone()
        if last == int(value):
            return
        with _Transaction(self._db):
            self._db.execute(
                "insert into seen select types, from_id, to_id, id from pairs"
                " where id > ? and status < 5 order by types, from_id, to_id"
                " on conflict do nothing",
                (int(value),),
            )
            self._db.execute("update header set value = ? where name = 'indexed'", (str(last),))

    def close(self) -> None:
        """Be done. Whoever closes last moves everything into one file."""
        self._db.close()


class _Transaction:
    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("begin immediate")

    def __exit__(self, exc_type: type[BaseException] | None, *_: object) -> None:
        try:
            if exc_type is None:
                self._db.execute("commit")
        finally:
            if self._db.in_transaction:  # a full disk may have ended it already
                self._db.execute("rollback")
