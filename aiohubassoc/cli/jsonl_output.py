"""One line of JSON for each row of the input, for pipes: ``--stream``."""

from __future__ import annotations

import json
import sys
from collections import deque
from typing import TYPE_CHECKING, Any

from aiohubassoc.models import Outcome, Status

if TYPE_CHECKING:
    from aiohubassoc.files.record import Record
    from aiohubassoc.files.results import RowResult
    from aiohubassoc.pair import Pair


class JsonlOutput:
    """
    Writes what became of each row to standard output, one after the other, at once.

    Args:
        names: The inputs; a line says which it is of if there are several.
        ordered: Whether the lines come in the order of the input. Outcomes are given in that order
            then; rows that are not sent are known earlier and wait for their turn.
    """

    def __init__(self, names: list[str], *, ordered: bool = False) -> None:
        self._names = names
        self._ordered = ordered
        self._waiting: deque[tuple[tuple[int, int], dict[str, Any]]] = deque()

    def outcome(self, outcome: Outcome, record: Record) -> None:
        """
        Tell an outcome.

        Raises:
            OSError: nobody reads any more; so for every method.
        """
        self._catch_up((record.source, record.line))
        told: dict[str, Any] = {**_ends(outcome.pair), "ok": outcome.ok}
        told |= {"status": outcome.status.value, "attempts": outcome.attempts}
        if outcome.skip is not None:
            told["reason"] = {"category": outcome.skip.label, "message": outcome.skip.message}
        elif outcome.error is not None:
            told["error"] = {
                "category": outcome.category,
                "message": str(outcome.error),
                "correlation_id": outcome.correlation_id,
            }
            told["maybe_applied"] = outcome.maybe_applied
        self._write(record, told)

    def duplicate(self, record: Record, pair: Pair, message: str) -> None:
        """Tell a pair that repeats an earlier one."""
        told = {**_ends(pair), "ok": True, "status": Status.SKIPPED.value, "attempts": 0}
        self._tell_or_wait(record, told | {"reason": {"category": "DUPLICATE", "message": message}})

    def verification(self, record: Record, pair: Pair, told: RowResult) -> None:
        """Tell whether a pair is linked."""
        is_linked = told.category is None
        line: dict[str, Any] = {**_ends(pair), "ok": is_linked, "status": str(told.status)}
        if not is_linked:
            line["error"] = {
                "category": told.category,
                "message": told.message,
                "correlation_id": told.correlation_id,
            }
        self._write(record, line)

    def invalid(self, record: Record) -> None:
        """Tell a row that cannot be used."""
        error = {"category": "INVALID_ROW", "message": record.problem, "correlation_id": None}
        self._tell_or_wait(record, {"ok": False, "status": "invalid", "error": error})

    def close(self) -> None:
        """Tell what still waits for its turn."""
        self._catch_up((sys.maxsize, 0))

    def _tell_or_wait(self, record: Record, told: dict[str, Any]) -> None:
        if self._ordered:
            self._waiting.append(((record.source, record.line), self._placed(record, told)))
        else:
            self._write(record, told)

    def _catch_up(self, place: tuple[int, int]) -> None:
        while self._waiting and self._waiting[0][0] <= place:
            self._put(self._waiting.popleft()[1])

    def _write(self, record: Record, told: dict[str, Any]) -> None:
        self._put(self._placed(record, told))

    def _placed(self, record: Record, told: dict[str, Any]) -> dict[str, Any]:
        told["line"] = record.line
        if len(self._names) > 1:
            told["input"] = self._names[record.source]
        if isinstance(record.fields, dict) and "tag" in record.fields:
            told["tag"] = record.fields["tag"]
        return told

    def _put(self, told: dict[str, Any]) -> None:
        # ASCII only: whatever the input held, this can be written and read.
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


def _ends(pair: Pair) -> dict[str, str]:
    return {
        "from": f"{pair.from_type}:{pair.from_id}",
        "to": f"{pair.to_type}:{pair.to_id}",
    }
