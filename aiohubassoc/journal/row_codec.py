"""A pair as values of the run folder's database: its key, place, tag and outcome."""

from __future__ import annotations

import json
from itertools import repeat
from operator import attrgetter, eq, is_
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from aiohubassoc.errors import PairError
from aiohubassoc.models import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohubassoc.models import Outcome
    from aiohubassoc.pair import Pair

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

_TextOrNone: TypeAlias = str | None
_STATUS: Final = attrgetter("status")
_ATTEMPTS: Final = attrgetter("attempts")
# The most lines of an input, as bits.
_LINE_BITS: Final = 40

Key: TypeAlias = str  # both types and ids, as written: a pair's parts hold no line ends
Place: TypeAlias = int
"""Which input, from 0, and the line of it, or the index in it: see `make_place`."""


def make_key(pair: Pair) -> Key:
    """Return what the pair is known by."""
    # Not a tuple: thousands of them are kept, and the garbage collector would look at each.
    return f"{pair.from_type}\n{pair.to_type}\n{pair.from_id}\n{pair.to_id}"


def make_place(source: int, line: int) -> Place:
    """Return a place; places of the same input are in its order, those of later ones behind."""
    return source << _LINE_BITS | line


def split_place(place: Place) -> tuple[int, int]:
    """Return input and line of a place."""
    return place >> _LINE_BITS, place & (1 << _LINE_BITS) - 1


def name_line(names: Sequence[str], source: int, line: int) -> str:
    """Return how messages call a line of the inputs *names*; none: of a program's pairs."""
    if not names:
        return f"item {line}"
    return f"line {line}" + (f" of {names[source]}" if source < len(names) > 1 else "")


class Places(Protocol):
    """Describes pairs to a journal."""

    are_stable: bool
    """Whether each pair stands at the same place in every run: the input is the same."""

    def place(self, index: int, pair: Pair) -> Place:
        """Return where it stands."""
        ...

    def describe(self, place: Place) -> str:
        """Return how people call that place."""
        ...

    def tag(self, pair: Pair) -> str | None:
        """Return what is kept with the pair, as text; None: nothing."""
        ...


class ByIndex:
    """Places of an iterable: an index, whose pairs may come in another order next time."""

    are_stable = False

    def place(self, index: int, pair: Pair) -> Place:
        del pair
        return index

    def describe(self, place: Place) -> str:
        return f"item {place}"

    def tag(self, pair: Pair) -> str | None:
        """Return the caller's tag as JSON, or its ``repr()``, or its type: one of these works."""
        if pair.tag is None:
            return None
        try:
            return json.dumps(pair.tag)
        except Exception:  # noqa: BLE001 -- a tag may be an object of any class
            return json.dumps(_get_text(pair.tag))


def _get_text(tag: object) -> str:
    try:
        return repr(tag)
    except Exception:  # noqa: BLE001 -- it is the caller's code, and the link is made
        return f"({type(tag).__name__})"


def are_usual(outcomes: Sequence[Outcome]) -> bool:
    """Return whether all of them are links made at the first try."""
    return all(map(is_, map(_STATUS, outcomes), repeat(Status.LINKED))) and all(
        map(eq, map(_ATTEMPTS, outcomes), repeat(1))
    )


def writable(value: object) -> str:
    """Return *value* as text without lone surrogates, which no database takes."""
    return str(value).encode("utf-8", "backslashreplace").decode()


def to_values(outcome: Outcome) -> tuple[int, int, bool, _TextOrNone, _TextOrNone, _TextOrNone]:
    """Return status, attempts, whether it may be applied, category, message, correlation id."""
    # Skipped as it was linked already: so it is linked, and needs no call next time either.
    status = Status.LINKED if outcome.status is Status.SKIPPED else outcome.status
    return (
        BAD if isinstance(outcome.error, PairError) else NUMBERS[status],
        outcome.attempts,
        outcome.maybe_applied,
        outcome.category,
        None if outcome.error is None else writable(outcome.error),
        outcome.correlation_id,
    )
