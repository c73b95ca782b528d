"""What became of all rows of a run: counts, categories with an example, a bounded list."""

from __future__ import annotations

from typing import Any, Final

import attrs

from aiohubassoc.errors import AioHubAssocError
from aiohubassoc.models import Outcome, Report, Status

_LISTED_LINES: Final = 100
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
class Tally:
    """
    Counts as a run goes on.

    Attributes:
        linked: So many outcomes; so for the other statuses.
        invalid: Rows that could not be used; they have no outcome.
        categories: By status and name.
        invalid_lines: The first of them: each one's line, place as messages call it, and problem.
        stopped: Why the run ended early; None if it did not.
        input_complete: Whether the input was read to its end.
        seconds: How long the run took.
        answers: How many answers came, those to tries that were repeated included.
        error_answers: How many of them had a status of 400 or more.
        throttled: How many of these were 429.
    """

    linked: int = 0
    partial: int = 0
    failed: int = 0
    unprocessed: int = 0
    skipped: int = 0
    invalid: int = 0
    categories: dict[tuple[str, str], Category] = attrs.Factory(dict)
    invalid_lines: list[tuple[int, str, str]] = attrs.Factory(list)
    stopped: AioHubAssocError | None = None
    input_complete: bool = False
    seconds: float = 0.0
    answers: int = 0
    error_answers: int = 0
    throttled: int = 0

    @property
    def total(self) -> int:
        """How many pairs have an outcome."""
        return self.linked + self.partial + self.failed + self.unprocessed + self.skipped

    def take_answers(self, report: Report) -> None:
        """Take over what the report says of HubSpot's answers."""
        self.answers = report.answers
        self.error_answers = report.error_answers
        self.throttled = report.throttled

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

    def add_invalid(self, line: int, place: str, problem: str) -> None:
        """Count a row that cannot be used."""
        self.invalid += 1
        if len(self.invalid_lines) < _LISTED_LINES:
            self.invalid_lines.append((line, place, problem))

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
            "invalid": self.invalid,
            "seconds": round(self.seconds, 3),
            "answers": self.answers,
            "error_answers": self.error_answers,
            "throttled": self.throttled,
            "stopped": None if self.stopped is None else str(self.stopped),
            "input_complete": self.input_complete,
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
            "invalid_lines": [
                {"line": line, "place": place, "problem": problem}
                for line, place, problem in self.invalid_lines
            ],
        }
