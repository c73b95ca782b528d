"""Reads what a report shows of a run folder, as of one moment, also while it is written."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import attrs

from aiohubassoc.journal.reader import Reader
from aiohubassoc.journal.row_codec import STATUSES, split_place
from aiohubassoc.journal.schema import reading
from aiohubassoc.journal.statistics import OTHER, Statistics
from aiohubassoc.models import Status
from aiohubassoc.pair import unchecked_pair

if TYPE_CHECKING:
    import os


# HubSpot's categories are few; a server that makes up new ones must not fill memory.
_MOST_GROUPS: Final = 500
_EXAMPLES: Final = 3
_EXAMPLE: Final = """
select from_type, from_id, to_type, to_id, place, attempts, maybe_applied, message, correlation_id
from pairs join types on types.id = pairs.types where pairs.id = ?
"""


@attrs.frozen
class FailedPair:
    """
    A pair that is not linked.

    Attributes:
        pair: Both types and ids, as messages write them.
        source: Which input, from 0.
        line: The line of that input, or the index in it.
        attempts: As of `Outcome`.
        maybe_applied: As of `Outcome`.
        message: Why it is not linked.
        correlation_id: As of `Outcome`.
    """

    pair: str
    source: int
    line: int
    attempts: int
    maybe_applied: bool
    message: str
    correlation_id: str | None


@attrs.frozen
class FailureGroup:
    """Pairs of one status and category: how many, and the first of them."""

    status: Status
    category: str
    count: int
    examples: tuple[FailedPair, ...]


@attrs.frozen
class Failures:
    """
    What is not linked.

    Attributes:
        counts: How many pairs there are of each status.
        groups: The largest groups, the largest first.
        other_groups: How many groups there are besides.
    """

    counts: Mapping[Status, int]
    groups: list[FailureGroup]
    other_groups: int


@attrs.frozen
class RowWithoutPair:
    """A row of the input that holds no pair."""

    source: int
    line: int
    problem: str
    cells: str


class ReportReader(Reader):
    """
    A run folder, open for a report; a context manager. All that it returns is of one moment.

    Raises:
        JournalError: it is not a run folder, or cannot be read; so for every method.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        super().__init__(folder)
        try:
            with reading(self.folder):
                self._db.execute("begin")
        except BaseException:
            self._db.close()
            raise

    def types(self, most: int) -> list[tuple[str, str]]:
        """Return the first *most* pairs of object types."""
        with reading(self.folder):
            return self._db.execute(
                "select from_type, to_type from types order by id limit ?", (most,)
            ).fetchall()

    def linked(self) -> tuple[int, int]:
        """Return how many pairs are linked, and how many of them HubSpot had linked before."""
        with reading(self.folder):
            count, already = self._db.execute(
                "select count(*), count(category) from pairs where status = 1"
            ).fetchone()
        return count, already

    def failures(self, most: int) -> Failures:
        """Return what is not linked, with the *most* largest groups of it."""
        counts: dict[tuple[int, str], int] = {}
        first: dict[tuple[int, str], list[int]] = {}
        with reading(self.folder):
            # In one pass: to find the examples of each group would be another pass a group.
            for row_id, number, category in self._db.execute(
                "select id, status, category from pairs where status > 1"
            ):
                key = (number, category or "")
                if key not in counts and len(counts) >= _MOST_GROUPS:
                    key = (number, OTHER)
                count = counts[key] = counts.get(key, 0) + 1
                if count <= _EXAMPLES:
                    first.setdefault(key, []).append(row_id)
            largest = sorted(counts, key=lambda key: (-counts[key], key))
            groups = [
                FailureGroup(
                    STATUSES[key[0]], key[1], counts[key], tuple(map(self._example, first[key]))
                )
                for key in largest[:most]
            ]
            by_status: Counter[Status] = Counter()
            for (number, _), count in counts.items():
                by_status[STATUSES[number]] += count
        return Failures(by_status, groups, len(largest) - len(groups))

    def rejected_rows(self, most: int) -> list[RowWithoutPair]:
        """Return the first *most* rows of the input that hold no pair."""
        with reading(self.folder):
            found = self._db.execute(
                "select place, problem, fields from unusable order by place limit ?", (most,)
            ).fetchall()
            return [
                RowWithoutPair(*split_place(place), problem, _cells(fields))
                for place, problem, fields in found
            ]

    def statistics(self) -> Statistics | None:
        """Return how the runs of the folder went; None: that was not collected."""
        rows = self._kept("select value from statistics")
        return Statistics.from_json(rows[0][0]) if rows else None

    def _example(self, row_id: int) -> FailedPair:
        *ends, place, attempts, maybe, message, correlation = self._db.execute(
            _EXAMPLE, (row_id,)
        ).fetchone()
        return FailedPair(
            str(unchecked_pair(*ends)),
            *split_place(place),
            attempts,
            bool(maybe),
            message or "",
            correlation,
        )


def _cells(fields: str) -> str:
    """Return the cells of a row in one line."""
    cells = json.loads(fields)
    return ", ".join(map(str, cells)) if isinstance(cells, list) else json.dumps(cells)
