"""Outcomes as values of the database."""

from __future__ import annotations

from itertools import repeat
from operator import attrgetter, eq, is_
from typing import TYPE_CHECKING, Final, TypeAlias

from aiohubassoc.errors import PairError
from aiohubassoc.models import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohubassoc.models import Outcome

LINKED: Final = 1
PARTIAL: Final = 2
UNPROCESSED: Final = 4
BAD: Final = 5
STATUSES: Final = {
    LINKED: Status.LINKED,
    PARTIAL: Status.PARTIAL,
    3: Status.FAILED,
    UNPROCESSED: Status.UNPROCESSED,
    BAD: Status.FAILED,
}
NUMBERS: Final = {status: number for number, status in STATUSES.items() if number != BAD}
# A pair that is skipped and yet written is one that HubSpot said is linked already.
_WRITTEN: Final = {**NUMBERS, Status.SKIPPED: LINKED}

_TextOrNone: TypeAlias = str | None
_STATUS: Final = attrgetter("status")
_ATTEMPTS: Final = attrgetter("attempts")


def are_usual(outcomes: Sequence[Outcome]) -> bool:
    """Return whether all of them are links made at the first try."""
    return all(map(is_, map(_STATUS, outcomes), repeat(Status.LINKED))) and all(
        map(eq, map(_ATTEMPTS, outcomes), repeat(1))
    )


def is_bad(outcome: Outcome) -> bool:
    """Return whether it is of an item that failed its checks, and holds anything."""
    return isinstance(outcome.error, PairError)


def writable(value: object) -> str:
    """Return *value* as text without lone surrogates, which no database takes."""
    return str(value).encode("utf-8", "backslashreplace").decode()


def to_values(outcome: Outcome) -> tuple[int, int, bool, _TextOrNone, _TextOrNone, _TextOrNone]:
    """Return status, attempts, whether it may be applied, category, message, correlation id."""
    # Skipped as it was linked already: so it is linked, and needs no call next time either.
    status = Status.LINKED if outcome.status is Status.SKIPPED else outcome.status
    return (
        BAD if is_bad(outcome) else NUMBERS[status],
        outcome.attempts,
        outcome.maybe_applied,
        outcome.category,
        None if outcome.error is None else writable(outcome.error),
        outcome.correlation_id,
    )
