"""The columns of several inputs as those of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class MergedHeader:
    """
    The columns of all inputs: the first's, then those that only later ones have.

    Args:
        headers: Each input's columns.

    Attributes:
        all: The columns as written where they were first met.
    """

    def __init__(self, headers: Sequence[Sequence[str]]) -> None:
        self.all: list[str] = []
        places = [self._add(header) for header in headers]
        as_they_are = list(range(len(self.all)))
        self._places = [None if own == as_they_are else own for own in places]

    def aligned(self, source: int, fields: list[str]) -> list[str]:
        """Return the cells of a row of input *source* in the order of all columns."""
        places = self._places[source]
        # Of a row without the shape of its table nobody knows which cell is which.
        if places is None or len(fields) != len(places):
            return fields
        aligned = [""] * len(self.all)
        for place, field in zip(places, fields, strict=True):
            aligned[place] = field
        return aligned

    def index(self, source: int, own: int) -> int:
        """Return where column *own* of input *source* stands among all columns."""
        places = self._places[source]
        return own if places is None else places[own]

    def _add(self, header: Sequence[str]) -> list[int]:
        """Return the place of each column among all, where it may be a new one."""
        free = list(range(len(self.all)))  # a name that is there twice has two places
        places = []
        for column in header:
            place = self._place(column, free)
            if place is None:
                place = len(self.all)
                self.all.append(column)
            else:
                free.remove(place)
            places.append(place)
        return places

    def _place(self, column: str, free: list[int]) -> int | None:
        wanted = column.strip()
        for same in (str.strip, lambda name: name.strip().casefold()):
            for place in free:
                if same(self.all[place]) == same(wanted):
                    return place
        return None
