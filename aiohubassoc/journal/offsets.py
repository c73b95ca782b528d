"""Where a pair stands in the input, and what is kept of the caller's own with it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

if TYPE_CHECKING:
    from aiohubassoc.pair import Pair

# The most lines of an input, as bits.
_LINE_BITS: Final = 40

Place: TypeAlias = int
"""Which input, from 0, and the line of it, or the index in it: see `make_place`."""


def make_place(source: int, line: int) -> Place:
    """Return a place; places of the same input are in its order, those of later ones behind."""
    return source << _LINE_BITS | line


def split_place(place: Place) -> tuple[int, int]:
    """Return input and line of a place."""
    return place >> _LINE_BITS, place & (1 << _LINE_BITS) - 1


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
        """Return the index."""
        del pair
        return index

    def describe(self, place: Place) -> str:
        """Return it as messages call items of the input."""
        return f"item {place}"

    def tag(self, pair: Pair) -> str | None:
        """Return the caller's tag as JSON; its ``repr()`` where it cannot be written as such."""
        if pair.tag is None:
            return None
        try:
            return json.dumps(pair.tag)
        except (TypeError, ValueError, RecursionError):
            return json.dumps(repr(pair.tag))
