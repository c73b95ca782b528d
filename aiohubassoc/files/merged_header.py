"""The columns of several inputs as those of one table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohubassoc.files.columns import normalize

if TYPE_CHECKING:
    from collections.abc import Sequence


class MergedHeader:
    """
    The columns of all inputs: the first's, then those that only later ones have.

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
        # The cells of a row without the shape of its table cannot be placed.
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
        """Return the place of each column among all, new ones added."""
        free: dict[str, list[int]] = {}  # a name that is there twice has two places
        for place, column in enumerate(self.all):
            free.setdefault(normalize(column), []).append(place)
        places = []
        for column in header:
            same = free.get(normalize(column), [])
            exact = (place for place in same if self.all[place].strip() == column.strip())
            place = next(exact, same[0] if same else len(self.all))
            if same:
                same.remove(place)
            else:
                self.all.append(column)
            places.append(place)
        return places
