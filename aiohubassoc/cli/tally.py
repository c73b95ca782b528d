"""What became of all rows of a run: counts, categories with an example, a bounded list."""

from __future__ import annotations

from typing import Any, Final

import attrs

from aiohubassoc.cli.report import RowCounts
from aiohubassoc.models import Outcome, Status

# HubSpot's categories are few; a server that makes up a new one each time must not fill memory.
_MOST_CATEGORIES: Final = 50


@attrs.define
class Category:
    """
    Outcomes of one status and one reason, with the first as example.

    Attributes:
        status: Their status.
        name: HubSpot's category, or ours where it has none.
        example_line: The line of the example in its input.
        example_place: The same as messages call it.
        example_pair: The example.
        message: What was said of it.
        correlation_id: What HubSpot's support asks for; None where there was none.
        count: How many there are.
    """

    status: str
    name: str
    example_line: int
    example_place: str
    example_pair: str
    message: str
    correlation_id: str | None
    count: int = 0


@attrs.define
class Tally(RowCounts):
    """
    Counts as a run that links goes on.

    Attributes:
        linked: So many outcomes; so for the other statuses.
        categories: By status and name.
        throttled: How many answers were 429.
    """

    linked: int = 0
    partial: int = 0
    failed: int = 0
    unprocessed: int = 0
    skipped: int = 0
    categories: dict[tuple[str, str], Category] = attrs.Factory(dict)
    throttled: int = 0

    @property
    def total(self) -> int:
        """How many pairs have an outcome."""
        return self.linked + self.partial + self.failed + self.unprocessed + self.skipped

    @property
    def done(self) -> int:
        """How many rows are dealt with."""
        return self.total + self.invalid

    @property
    def settled(self) -> int:
        """How many pairs HubSpot answered for."""
        return self.linked + self.partial + self.failed

    @property
    def trouble(self) -> str:
        """How many rows did not come through, in words."""
        return f"{self.failed + self.partial + self.invalid:,} failed"

    def add(self, outcome: Outcome, line: int, place: str) -> None:
        """Count an outcome of the pair on *line*, which messages call *place*."""
        name = outcome.status.value
        setattr(self, name, getattr(self, name) + 1)
        if outcome.status is not Status.LINKED:
            category, pair = outcome.category or "", str(outcome.pair)
            message = str(outcome.error or "") if outcome.skip is None else outcome.skip.message
            correlation_id = outcome.correlation_id
            self._categorize(Category(name, category, line, place, pair, message, correlation_id))

    def add_duplicate(self, pair: str, line: int, place: str, message: str) -> None:
        """Count a row that repeats an earlier one, as *message* says."""
        self.skipped += 1
        self._categorize(Category("skipped", "DUPLICATE", line, place, pair, message, None))

    def _categorize(self, example: Category) -> None:
        key = (example.status, example.name)
        if key not in self.categories and len(self.categories) >= _MOST_CATEGORIES:
            key = (example.status, "OTHER")
            example.name = "OTHER"
        self.categories.setdefault(key, example).count += 1

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "total": self.total,
            "linked": self.linked,
            "partial": self.partial,
            "failed": self.failed,
            "unprocessed": self.unprocessed,
            "skipped": self.skipped,
            **self.rows_as_json(),
            "throttled": self.throttled,
            "categories": [
                {
                    "status": category.status,
                    "category": category.name,
                    "count": category.count,
                    "example": {
                        "line": category.example_line,
                        "place": category.example_place,
                        "pair": category.example_pair,
                        "message": category.message,
                        "correlation_id": category.correlation_id,
                    },
                }
                for category in self.categories.values()
            ],
        }
