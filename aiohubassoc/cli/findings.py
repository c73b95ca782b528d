"""What reading back found: counts, and the first examples of what is not linked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from aiohubassoc.cli.counts import RowCounts
from aiohubassoc.errors import ApiError
from aiohubassoc.files.results import Told
from aiohubassoc.verification import LinkState

if TYPE_CHECKING:
    from aiohubassoc.verification import Verification

_LISTED: Final = 100
_WITHOUT_ERROR: Final = {
    LinkState.MISSING: ("NOT_LINKED", "HubSpot does not have the link"),
    LinkState.UNKNOWN: ("NOT_TOLD", "HubSpot did not say"),
}


@attrs.frozen
class Example:
    """
    A pair that is not linked.

    Attributes:
        line: Its line in its input.
        place: The same as messages call it.
        pair: The pair.
        told: Why.
    """

    line: int
    place: str
    pair: str
    told: Told


@attrs.define
class Findings(RowCounts):
    """
    Counts as a run that reads links goes on.

    Attributes:
        linked: How many pairs are linked.
        missing: How many are not.
        unknown: Of how many HubSpot did not say.
        duplicates: Rows that repeat an earlier one; they are asked about once.
        first_missing: The first of those that are missing.
        first_unknown: The first of which nothing is known.
    """

    linked: int = 0
    missing: int = 0
    unknown: int = 0
    duplicates: int = 0
    first_missing: list[Example] = attrs.Factory(list)
    first_unknown: list[Example] = attrs.Factory(list)

    @property
    def total(self) -> int:
        """How many pairs were told of."""
        return self.linked + self.missing + self.unknown

    @property
    def done(self) -> int:
        """How many rows are dealt with."""
        return self.total + self.duplicates + self.invalid

    @property
    def settled(self) -> int:
        """How many pairs HubSpot answered for."""
        return self.total

    @property
    def trouble(self) -> str:
        """How many rows are not linked, in words."""
        return f"{self.missing:,} missing, {self.unknown:,} unknown"

    def add(self, state: LinkState, example: Example) -> None:
        """Count a pair; *example* is what it is told as if it is not linked."""
        if state is LinkState.LINKED:
            self.linked += 1
            return
        if state is LinkState.MISSING:
            self.missing += 1
            examples = self.first_missing
        else:
            self.unknown += 1
            examples = self.first_unknown
        if len(examples) < _LISTED:
            examples.append(example)

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "total": self.total,
            "linked": self.linked,
            "missing": self.missing,
            "unknown": self.unknown,
            "duplicates": self.duplicates,
            **self.rows_as_json(),
            "first_missing": list(map(_plain, self.first_missing)),
            "first_unknown": list(map(_plain, self.first_unknown)),
        }


def told_of(verification: Verification) -> Told:
    """Return what is told of a pair: its state, and the reason where it is not linked."""
    state, error = verification.state, verification.error
    if state is LinkState.LINKED:
        return Told(state)
    if error is None:
        return Told(state, *_WITHOUT_ERROR[state])
    correlation_id = error.correlation_id if isinstance(error, ApiError) else None
    return Told(state, error.label, str(error), correlation_id)


def _plain(example: Example) -> dict[str, Any]:
    return {
        "line": example.line,
        "place": example.place,
        "pair": example.pair,
        "category": example.told.category,
        "message": example.told.message,
        "correlation_id": example.told.correlation_id,
    }
