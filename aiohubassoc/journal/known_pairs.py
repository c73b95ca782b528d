"""Which pairs were met before: in an earlier run of a folder, or before in this one."""

from __future__ import annotations

import sqlite3
import tempfile
from collections import deque
from itertools import repeat
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from aiohubassoc.errors import PreviousFailureError
from aiohubassoc.journal.header import INPUT_SINCE, REFUSED_ALIKE, read_header
from aiohubassoc.journal.row_codec import (
    LINKED,
    PARTIAL,
    STATUSES,
    UNPROCESSED,
    Key,
    make_key,
)
from aiohubassoc.journal.schema import (
    NOT_OURS,
    open_for_reading,
    to_storage_error,
)
from aiohubassoc.models import Outcome, Skip, Status

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

    from aiohubassoc.journal.row_codec import Place, Places
    from aiohubassoc.pair import Pair

_FIND: Final = """
select pairs.id, status, place, attempts, maybe_applied, category, message, correlation_id,
  session
from seen join pairs on pairs.id = seen.pair
where seen.types = (select id from types where from_type = ? and to_type = ?)
  and seen.from_id = ? and seen.to_id = ?
"""
_INDEX: Final = attrgetter("index")
_LINKED_BEFORE: Final = Skip("LINKED_BEFORE", "was linked in an earlier run")
# 2 MiB for any number of pairs: of a million, one in thirty is looked up for nothing.
_PLACE_BITS: Final = 21
_PLACES: Final = (1 << _PLACE_BITS) - 1
# Two bits of one byte for each key: a second byte would be another miss of the processor's cache.
_MASKS: Final = tuple(1 << (n & 7) | 1 << (n >> 3 & 7) for n in range(64))


class BloomFilter:
    """Remembers keys in little memory: "not met" is certain, "met" may be a mistake."""

    # To ask the database for each pair would cost more than to write its outcome.

    def __init__(self) -> None:
        self._bits = bytearray(_PLACES + 1)

    def meet(self, hashed: int) -> bool:
        """Note a key by its hash, and return whether it may have been met before."""
        place = hashed & _PLACES
        mask = _MASKS[hashed >> _PLACE_BITS & 63]
        bits = self._bits
        byte = bits[place]
        if byte & mask == mask:
            return True
        bits[place] = byte | mask
        return False


class KnownPairs:
    """Says of every pair of a run, the folder's *session*, whether it needs a call."""

    def __init__(self, folder: Path, session: int, places: Places, *, retry_failed: bool) -> None:
        # Of pairs on their way that have a row, by their index: the row, and whether an attempt of
        # an earlier run made the link in part, or may have made it.
        self.rows: dict[int, tuple[int, bool]] = {}
        self.duplicates = 0  # how many pairs of this run repeat an earlier one of it
        self._folder = folder
        self._db = open_for_reading(folder)
        self._session = session
        self._places = places
        self._retry_failed = retry_failed
        self._on_their_way: dict[int, Key] = {}
        # Those, and what is written but cannot be found in the database yet.
        self._recent: dict[Key, Place] = {}
        # Pairs that failed for a fault of an earlier run are not completed.
        header = read_header(self._db)
        self._refused_alike: dict[str, str] = header.get(REFUSED_ALIKE, {})
        self._input_since: int = header.get(INPUT_SINCE, 1)
        (has_rows,) = self._db.execute("select exists (select 1 from pairs)").fetchone()
        # Where most pairs are known already a filter saves nothing.
        self._meet = None if has_rows else BloomFilter().meet
        self._place = places.place

    @property
    def unindexed(self) -> int:
        """How many pairs are written that cannot be found in the database yet."""
        return len(self._recent) - len(self._on_their_way)

    def begin(self, index: int, pair: Pair) -> Outcome | None:
        """Return the outcome of a pair that needs no call; None: it is on its way now."""
        key = f"{pair.from_type}\n{pair.to_type}\n{pair.from_id}\n{pair.to_id}"
        place = self._place(index, pair)
        if self._meet is None or self._meet(hash(key)):
            try:
                known = self._met(index, pair, key, place)
            except (sqlite3.Error, *NOT_OURS) as error:
                raise to_storage_error(self._folder, error) from error
            if known is not None:
                return known
        self._on_their_way[index] = key
        self._recent[key] = place
        return None

    def written(self, outcomes: Iterable[Outcome]) -> None:
        gone = map(self._on_their_way.pop, map(_INDEX, outcomes), repeat(None))
        deque(gone, maxlen=0)  # at the speed of C

    def indexed(self) -> None:
        """Note that every pair that is written can be found in the database."""
        recent = self._recent
        self._recent = {key: recent[key] for key in self._on_their_way.values()}

    def close(self) -> None:
        self._db.close()

    def _met(self, index: int, pair: Pair, key: Key, place: Place) -> Outcome | None:
        first = self._recent.get(key)
        if first is not None:
            return self._duplicate(index, pair, first)
        row: sqlite3.Row | None = self._db.execute(_FIND, key.split("\n")).fetchone()
        if row is None:
            return None
        row_id, status, stood, attempts, maybe, category, message, correlation, ran = row
        # In the same input a pair at another place is another row. One that is not linked needs its
        # call all the same: an input that was changed may pass for the same.
        is_same_input = self._places.are_stable and ran >= self._input_since
        moved = status == LINKED and is_same_input and stood != place
        if ran == self._session or moved:
            return self._duplicate(index, pair, stood)
        if status == LINKED:
            return Outcome(index, pair, Status.SKIPPED, skip=_LINKED_BEFORE)
        self.rows[index] = row_id, bool(maybe) or status == PARTIAL
        is_alike = category is not None and self._refused_alike.get(str(ran)) == category
        if status == UNPROCESSED or self._retry_failed or is_alike:
            return None
        # Reported again, it is written again: as of this run, in which it may be repeated.
        self._on_their_way[index] = key
        self._recent[key] = place
        return Outcome(
            index,
            pair,
            STATUSES[status],
            attempts,
            error=PreviousFailureError(category or "ERROR", message or "", correlation),
            maybe_applied=bool(maybe),
        )

    def _duplicate(self, index: int, pair: Pair, first: Place) -> Outcome:
        self.duplicates += 1
        skip = Skip("DUPLICATE", f"repeats {self._places.describe(first)}")
        return Outcome(index, pair, Status.SKIPPED, skip=skip)


# --- without a run folder -----------------------------------------------------------------------


@attrs.frozen
class FanOut:
    """A record and its pairs with records of one type, in either direction."""

    record: str  # its type and id, such as ``companies:202``
    other_type: str  # the type of the records at the other end
    pairs: int


class SeenPairs:
    """The pairs of a run by types and ids, in a temporary file; a context manager."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="aiohubassoc-")
        # `largest_fan_out` takes seconds for millions of pairs: another thread may wait for it.
        self._db = sqlite3.connect(
            Path(self._folder.name) / "seen.db", isolation_level=None, check_same_thread=False
        )
        # Nothing of it outlives the process: it need not survive a crash.
        self._db.execute("pragma journal_mode = off")
        self._db.execute("pragma synchronous = off")
        self._db.execute(
            "create table seen (pair text primary key, place integer not null) without rowid"
        )
        self._db.create_function("get_end", 2, _get_end, deterministic=True)
        self._db.execute("begin")  # one transaction for all: a commit each would cost a write each

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()
        self._folder.cleanup()

    def first_place(self, pair: Pair, place: Place) -> Place | None:
        """Return where *pair* stood before, or note that it stands there."""
        key = make_key(pair)
        insert = "insert into seen values (?, ?) on conflict do nothing"
        if self._db.execute(insert, (key, place)).rowcount:
            return None
        (first,) = self._db.execute("select place from seen where pair = ?", (key,)).fetchone()
        return int(first)

    def largest_fan_out(self) -> FanOut | None:
        """Return the record with the most pairs to records of one type; None without pairs."""
        # The database sorts in a file: memory does not grow with the number of records.
        row = self._db.execute(
            "select end, count(*) as pairs from ("
            "select get_end(pair, 0) as end from seen union all select get_end(pair, 1) from seen"
            ") group by end order by pairs desc, end limit 1"
        ).fetchone()
        if row is None:
            return None
        object_type, record_id, other_type = row[0].split("\n")
        return FanOut(f"{object_type}:{record_id}", other_type, row[1])


def _get_end(key: str, end: int) -> str:
    """Return a record of a pair, the first or the second, and the type of the other one."""
    types_ids = key.split("\n")
    return f"{types_ids[end]}\n{types_ids[2 + end]}\n{types_ids[1 - end]}"
