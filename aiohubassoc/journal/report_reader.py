"""Reads what a report shows of a run folder: all of it is of one moment."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Final

import attrs

from aiohubassoc.journal.reader import Reader
from aiohubassoc.journal.row_codec import STATUSES, split_place
from aiohubassoc.journal.schema import read_errors
from aiohubassoc.journal.statistics import OTHER, Statistics
from aiohubassoc.models import Status
from aiohubassoc.pair import unchecked_pair

if TYPE_CHECKING:
    import os

_EXAMPLE: Final = """
select from_type, from_id, to_type, to_id, place, attempts, maybe_applied, message, correlation_id
from pairs join types on types.id = pairs.types where pairs.id = ?
"""
# HubSpot's categories are few; a server that makes up new ones must not fill memory.
_MOST_GROUPS: Final = 500
_EXAMPLES: Final = 3


@attrs.frozen
class FailedPair:
    """A pair that is not linked, its types and ids as messages write them; see `JournalRow`."""

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
    """What is not linked: its counts, its largest groups, and how many others there are."""

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
    """A run folder, open for a report: all that it returns is of one moment."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        super().__init__(folder)
        try:
            with read_errors(self.folder):
                self._db.execute("begin")
        except BaseException:
            self._db.close()
            raise

    def types(self, most: int) -> list[tuple[str, str]]:
        with read_errors(self.folder):
            return self._db.execute(
                "select from_type, to_type from types order by id limit ?", (most,)
            ).fetchall()

    def linked(self) -> tuple[int, int]:
        """Return how many pairs are linked, and how many of them HubSpot had linked before."""
        with read_errors(self.folder):
            count, already = self._db.execute(
                "select count(*), count(category) from pairs where status = 1"
            ).fetchone()
        return count, already

    def failures(self, most: int) -> Failures:
        """Return what is not linked, with the *most* largest groups of it."""
        counts: dict[tuple[int, str], int] = {}
        first: dict[tuple[int, str], list[int]] = {}
        with read_errors(self.folder):
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
        return [
            RowWithoutPair(source, line, problem, join_cells(cells))
            for source, line, problem, cells in islice(self.rejected(), most)
        ]

    def statistics(self) -> Statistics | None:
        """Return how the runs of the folder went; None: that was not collected."""
        with read_errors(self.folder):
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


def join_cells(cells: object) -> str:
    """Return the cells of a row in one line."""
    return ", ".join(map(str, cells)) if isinstance(cells, list) else json.dumps(cells)
