"""What every run over the rows of an input counts, whatever it does with their pairs."""

from __future__ import annotations

from typing import Any, Final, Protocol

import attrs

from aiohubassoc.errors import AioHubAssocError

_LISTED_LINES: Final = 100


class Answered(Protocol):
    """The report of a run."""

    stopped: AioHubAssocError | None
    answers: int
    error_answers: int


@attrs.define
class RowCounts:
    """
    Counts as a run goes on.

    Attributes:
        invalid: Rows that could not be used; they hold no pair.
        invalid_lines: The first of them: each one's line, place as messages call it, and problem.
        stopped: Why the run ended early; None if it did not.
        input_complete: Whether the input was read to its end.
        seconds: How long the run took.
        answers: How many answers came, those to tries that were repeated included.
        error_answers: How many of them had a status of 400 or more.
    """

    invalid: int = 0
    invalid_lines: list[tuple[int, str, str]] = attrs.Factory(list)
    stopped: AioHubAssocError | None = None
    input_complete: bool = False
    seconds: float = 0.0
    answers: int = 0
    error_answers: int = 0

    def add_invalid(self, line: int, place: str, problem: str) -> None:
        """Count a row that cannot be used."""
        self.invalid += 1
        if len(self.invalid_lines) < _LISTED_LINES:
            self.invalid_lines.append((line, place, problem))

    def take_report(self, report: Answered) -> None:
        """Take over why the run ended, and what the report says of HubSpot's answers."""
        self.stopped = report.stopped
        self.answers = report.answers
        self.error_answers = report.error_answers

    def rows_as_json(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        return {
            "invalid": self.invalid,
            "seconds": round(self.seconds, 3),
            "answers": self.answers,
            "error_answers": self.error_answers,
            "stopped": None if self.stopped is None else str(self.stopped),
            "input_complete": self.input_complete,
            "invalid_lines": [
                {"line": line, "place": place, "problem": problem}
                for line, place, problem in self.invalid_lines
            ],
        }
