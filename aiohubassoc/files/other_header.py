"""The header of another table among the rows, where files were joined into one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohubassoc.errors import InputError
from aiohubassoc.files import hubspot
from aiohubassoc.files.columns import Header, MissingColumnsError, normalize
from aiohubassoc.files.ids import CellKind, classify_text
from aiohubassoc.files.limits import SHOWN_CHARS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aiohubassoc.files.columns import End, FindColumns

_MOST_CELLS: Final = 1000


class OtherHeader:
    """Recognizes the header of another table below *header*, in which *find* has found *ends*."""

    def __init__(self, header: Sequence[str], ends: tuple[End, End], find: FindColumns) -> None:
        self._names = _normalized(header)
        self._ends = ends
        self._find = find
        self._own_cells = {header[end.index] for end in ends}
        self._own_names = {self._names[end.index] for end in ends}

    def is_one(self, fields: Sequence[str]) -> bool:
        """Return whether a row without a pair names columns other than those of this table."""
        cells = [fields[end.index][:SHOWN_CHARS] for end in self._ends if end.index < len(fields)]
        are_ids = [hubspot.names_ids(cell) for cell in cells]
        names = _normalized(cells)
        are_own = [name in self._own_names for name in names]
        if not (any(are_own) or any(are_ids) or self._own_cells & {*fields}):
            return False
        try:
            found = self._find(Header(list(fields), ""))
        except MissingColumnsError:
            is_header = any(are_own) or (all(are_ids) and not self._are_same_types(cells))
            return is_header and {*map(classify_text, names)} == {CellKind.NAME}
        except InputError:  # it is in doubt what they are
            return True
        return [end.place for end in found] != [end.place for end in self._ends]

    def follows_in(self, fields: Sequence[str]) -> bool:
        """Return whether it stands in one line with a last row that has no line end."""
        last = len(self._names) - 1
        some = fields[last : last + _MOST_CELLS]
        text = "\n".join(some).casefold()
        if not any(name in text for name in self._own_names):
            return False  # of many rows with many cells
        names = _normalized(some)
        if not self._own_names & {*names[1:]}:
            return False
        return names[1:] != self._names[1:] or not names[0].endswith(self._names[0])

    def _are_same_types(self, cells: Sequence[str]) -> bool:
        """Return whether *cells* name the types of both ends, as a second header does."""
        return all(
            (named := hubspot.named_type(cell)) is not None
            and named == hubspot.standard_type(end.object_type or "")
            for end, cell in zip(self._ends, cells, strict=False)
        )


def _normalized(cells: Iterable[str]) -> list[str]:
    # Most cells are ids, or nothing.
    return [cell if cell.isdecimal() else normalize(cell[:SHOWN_CHARS]) for cell in cells]
