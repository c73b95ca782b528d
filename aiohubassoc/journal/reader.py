"""Reading a run folder, also while another process writes it."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from aiohubassoc.journal.header import read_header
from aiohubassoc.journal.row_codec import BAD, NUMBERS, STATUSES, Key, make_key, split_place
from aiohubassoc.journal.schema import open_for_reading, read_errors
from aiohubassoc.models import Status
from aiohubassoc.pair import Pair, RejectedPair, unchecked_pair

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from typing import Self

_ROWS: Final = """
select from_type, from_id, to_type, to_id, status, place, attempts, maybe_applied, category,
  message, correlation_id, at_ms, session, tag
from pairs join types on types.id = pairs.types
where status in ({}) order by place, pairs.id
"""
_STATUS: Final = """
select status from seen join pairs on pairs.id = seen.pair
where seen.types = (select id from types where from_type = ? and to_type = ?)
  and seen.from_id = ? and seen.to_id = ?
"""


@attrs.frozen
class JournalRow:
    """
    What a run folder has of a pair.

    Attributes:
        pair: The pair; its tag is what JSON keeps of the caller's.
        status: What became of it.
        source: Which input, from 0.
        line: The line of that input, or the index in it.
        attempts: Attempts made in the run that completed it.
        maybe_applied: As of `Outcome`.
        category, correlation_id: As of `Outcome`.
        message: Why it is not linked; None where it is.
        recorded_at: When it was completed; aware.
        session: Which run of the folder last reported it, from 1; those that skipped it left out.
    """

    pair: Pair
    status: Status
    source: int
    line: int
    attempts: int
    maybe_applied: bool
    category: str | None
    message: str | None
    correlation_id: str | None
    recorded_at: datetime
    session: int


@attrs.frozen
class Session:
    """A run of a folder."""

    number: int  # from 1
    process_id: int
    version: str
    began_at: datetime  # when; aware
    # When it ended in good order; None if it is under way, was killed, or its disk was full.
    ended_at: datetime | None
    is_of_folder: bool  # whether it took its pairs from the folder itself
    is_complete: bool | None  # whether it read the input to its end; None: not known
    stopped: str | None  # why it ended early; None if it did not


@attrs.frozen
class KeptVerification:
    """What reading links back found, as `add_verification` was given it; when, aware."""

    at: datetime
    value: dict[str, Any]


class Reader:
    """A run folder, open for reading; a context manager. Every method may raise a JournalError."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self._unindexed: dict[Key, int] | None = None
        with read_errors(self.folder):
            self._db = open_for_reading(self.folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def header(self) -> dict[str, Any]:
        """Return what is kept about the job."""
        with read_errors(self.folder):
            return read_header(self._db)

    def counts(self) -> dict[Status, int]:
        counts = dict.fromkeys(NUMBERS, 0)
        with read_errors(self.folder):
            for number, count in self._db.execute(
                "select status, count(*) from pairs group by status"
            ):
                counts[STATUSES[number]] += count
        return counts

    def categories(self) -> list[tuple[Status, str, int, str]]:
        """Return status, category, how many there are, and a message, the most frequent first."""
        with read_errors(self.folder):
            found = self._db.execute(
                "select status, coalesce(category, ''), count(*), coalesce(min(message), '')"
                " from pairs where status > 1 group by 1, 2 order by 3 desc"
            )
            return [(STATUSES[number], *rest) for number, *rest in found]

    def open_categories(self, session: int) -> set[str]:
        """Return why a run of the folder left pairs without an outcome: their categories."""
        with read_errors(self.folder):
            found = self._db.execute(
                "select distinct coalesce(category, '') from pairs"
                " where status = 4 and session = ?",
                (session,),
            )
            return {name for (name,) in found}

    def rejected_count(self) -> int:
        with read_errors(self.folder):
            (count,) = self._db.execute("select count(*) from unusable").fetchone()
        return int(count)

    def rejected(self) -> Iterator[tuple[int, int, str, Any]]:
        """Yield source, line, problem and cells of the rows of the input that hold no pair."""
        with read_errors(self.folder):
            for place, problem, fields in self._db.execute(
                "select place, problem, fields from unusable order by place"
            ):
                cells = json.loads(fields)
                if not isinstance(cells, list | dict):
                    raise TypeError("no cells")
                yield *split_place(place), problem, cells

    def get_status(self, pair: Pair) -> Status | None:
        """Return what became of *pair* when it was last asked for; None: nothing yet."""
        key = make_key(pair)
        with read_errors(self.folder):
            if self._unindexed is None:
                self._unindexed = self._find_unindexed()
            number = self._unindexed.get(key)
            if number is None:
                row = self._db.execute(_STATUS, key.split("\n")).fetchone()
                number = None if row is None else row[0]
            return None if number is None else STATUSES[number]

    def _find_unindexed(self) -> dict[Key, int]:
        """Return the latest pairs, which a run that was killed did not come to sort in."""
        (last,) = self._db.execute("select value from header where name = 'indexed'").fetchone()
        found = self._db.execute(
            "select from_type, to_type, from_id, to_id, status"
            " from pairs join types on types.id = pairs.types where pairs.id > ? and status < 5",
            (int(last),),
        )
        return {"\n".join(row[:4]): row[4] for row in found}

    def sessions(self) -> list[Session]:
        with read_errors(self.folder):
            found = self._db.execute(
                "select id, process_id, version, began_at_ms, ended_at_ms, is_of_folder,"
                " is_complete, stopped from sessions order by id"
            )
            return [
                Session(
                    number,
                    process_id,
                    version,
                    _to_instant(began),
                    None if ended is None else _to_instant(ended),
                    bool(of_folder),
                    None if complete is None else bool(complete),
                    stopped,
                )
                for number, process_id, version, began, ended, of_folder, complete, stopped in found
            ]

    def is_read_to_its_end(self) -> bool:
        """Return whether the last run that read the input has come to its end."""
        readers = [session for session in self.sessions() if not session.is_of_folder]
        return bool(readers) and bool(readers[-1].is_complete)

    def verifications(self) -> list[KeptVerification]:
        """Return what reading links back found, the latest first."""
        with read_errors(self.folder):
            rows = self._kept("select at_ms, value from verifications order by id desc")
            return [KeptVerification(_to_instant(at), _read_back(value)) for at, value in rows]

    def _kept(self, query: str) -> list[Any]:
        """Return rows of a table that folders of earlier versions lack."""
        try:
            return self._db.execute(query).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return []
            raise

    def rows(self, *statuses: Status) -> Iterator[JournalRow]:
        """Yield the pairs of these statuses, of every one if none is given, in input order."""
        numbers = [
            number for number, status in STATUSES.items() if not statuses or status in statuses
        ]
        marks = ", ".join("?" * len(numbers))
        with read_errors(self.folder):
            for row in self._db.execute(_ROWS.format(marks), numbers):
                *ends, status, place, attempts, maybe, category, message = row[:10]
                correlation, at_ms, session, tag = row[10:]
                make = RejectedPair if status == BAD else unchecked_pair
                pair = make(*ends, tag=None if tag is None else json.loads(tag))
                yield JournalRow(
                    pair,
                    STATUSES[status],
                    *split_place(place),
                    attempts,
                    bool(maybe),
                    category,
                    message,
                    correlation,
                    _to_instant(at_ms),
                    session,
                )


def _read_back(text: str) -> dict[str, Any]:
    """Return what was found; an error of any kind if it is not what `add_verification` keeps."""
    value: dict[str, Any] = json.loads(text)
    examples = [*value["first_missing"], *value["first_unknown"]]
    texts = [one[name] for one in examples for name in ("pair", "place", "message")]
    counts = [value[name] for name in ("linked", "missing", "unknown")]
    kinds = {str: texts, int: counts, bool: [value["input_complete"]]}
    if not all(type(one) is kind for kind, values in kinds.items() for one in values):
        raise TypeError("other values")
    return value


def _to_instant(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)
