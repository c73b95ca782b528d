"""Which columns of a table hold the ids and their types."""

from __future__ import annotations

import shlex
import unicodedata
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

import attrs

from aiohubassoc.errors import InputError
from aiohubassoc.files import hubspot
from aiohubassoc.files.header_advice import explain_no_table, list_columns
from aiohubassoc.files.limits import SHOWN_CHARS, shown
from aiohubassoc.files.object_types import standard_type

if TYPE_CHECKING:
    from aiohubassoc.files.layout import Layout


class MissingColumnsError(InputError):
    """
    The row does not name the columns; another one may.

    Attributes:
        found: How many of the two columns of ids it names.
    """

    def __init__(self, message: str, found: int) -> None:
        super().__init__(message)
        self.found = found


@attrs.frozen
class End:
    """
    Where one end of the pairs stands in a table.

    Attributes:
        name: The column of its ids, without spaces around it, cut for messages.
        index: That column's place.
        holds_several: Whether a cell may hold several ids, or none.
        type_name: How messages call the column of its types.
        type_index: That column's place; None if there is none.
        object_type: The type of ids whose row does not say it; None if each must.
    """

    name: str
    index: int
    holds_several: bool
    type_name: str
    type_index: int | None
    object_type: str | None


class FindColumns(Protocol):
    """Finds two columns in a header: `find_ends`, or what has its arguments."""

    def __call__(
        self,
        header: Sequence[str],
        layout: Layout,
        name: str,
        *,
        unit: str = "line",
        delimiter: str | None = None,
        hint: str = "",
    ) -> tuple[End, End]:
        """
        Return where both stand.

        Raises:
            MissingColumnsError: The header does not name the columns.
            InputError: It is in doubt which columns are meant.
        """
        ...


@attrs.frozen
class _Wanted:
    """What is looked for: the names of an end and what the user said about it."""

    id_name: str
    type_name: str
    column: str | None
    column_option: str
    object_type: str | None
    type_option: str
    is_exported: Callable[[str], bool]


def find_ends(
    header: Sequence[str],
    layout: Layout,
    name: str,
    *,
    unit: str = "line",
    delimiter: str | None = None,
    hint: str = "",
) -> tuple[End, End]:
    """
    Return where both ends of the pairs stand in a table.

    Args:
        header: The table's columns.
        layout: What the user said.
        name: How messages call the table.
        unit: How messages call its rows.
        delimiter: What stands between the columns; None where nothing does.
        hint: Where else the columns may be, as a sentence.

    Raises:
        MissingColumnsError: The header does not name the columns.
        InputError: It is in doubt which columns are meant.
    """
    wanted = (
        _Wanted(
            "from_id",
            "from_type",
            layout.from_column,
            "--from-column",
            layout.from_type,
            "--from",
            hubspot.is_record_id,
        ),
        _Wanted(
            "to_id",
            "to_type",
            layout.to_column,
            "--to-column",
            layout.to_type,
            "--to",
            hubspot.is_associated,
        ),
    )
    return _Search(_Place(header, name, unit, delimiter, hint), wanted).ends()


def refuse_contradiction(column: str, object_type: str | None, option: str, name: str) -> None:
    """
    Refuse a column of ids whose name says another type than the user.

    Args:
        column: The column or key.
        object_type: The type that the user gave; None: none.
        option: By which option, such as ``--from``.
        name: How messages call the input.

    Raises:
        InputError: It does.
    """
    named = hubspot.named_type(column)
    if named is None or object_type is None or named == standard_type(object_type):
        return
    raise InputError(
        f"{name}: column {shown(column)} holds ids of {named}, but {option} is {object_type}: "
        f"choose another type, or another column with {option}-column"
    )


def normalize(column: str) -> str:
    """Return the name of a column as it is compared: however it is composed, spaced and cased."""
    return " ".join(unicodedata.normalize("NFC", column.strip("\ufeff\u200b")).casefold().split())


@attrs.frozen
class _Place:
    """Where a header stands: the arguments of `find_ends`."""

    header: Sequence[str]
    name: str
    unit: str
    delimiter: str | None
    hint: str


class _Search:
    """
    The columns of one table.

    Args:
        place: The header, and where it stands.
        wanted: The two ends.
    """

    def __init__(self, place: _Place, wanted: tuple[_Wanted, _Wanted]) -> None:
        self._columns = [column.strip() for column in place.header]
        self._name = place.name
        self._unit = place.unit
        self._delimiter = place.delimiter
        self._hint = place.hint
        self._wanted = wanted
        self._places: dict[str, list[int]] = {}
        for index, column in enumerate(self._columns):
            self._places.setdefault(normalize(column), []).append(index)

    def ends(self) -> tuple[End, End]:
        first, second = self._wanted
        places = self._ids(first), self._ids(second)
        if places[0] is None or places[1] is None:
            raise self._missing(places)
        return self._end(first, places[0]), self._end(second, places[1])

    def _end(self, wanted: _Wanted, index: int) -> End:
        column = self._columns[index]
        refuse_contradiction(column, wanted.object_type, wanted.type_option, self._name)
        type_index = self._find(wanted.type_name)
        object_type = wanted.object_type or hubspot.named_type(column)
        if type_index is None and object_type is None:
            raise InputError(
                f"{self._name} has no column {wanted.type_name!r}: give {wanted.type_option}"
            )
        return End(
            column[:SHOWN_CHARS],
            index,
            hubspot.holds_several(column),
            wanted.type_name,
            type_index,
            object_type,
        )

    def _ids(self, wanted: _Wanted) -> int | None:
        index = self._find(wanted.id_name if wanted.column is None else wanted.column)
        if index is not None or wanted.column is not None:
            return index
        exported = [n for n, name in enumerate(self._columns) if wanted.is_exported(name)]
        return self._exported(exported, wanted) if exported else None

    def _find(self, column: str) -> int | None:
        places = self._places.get(normalize(column), [])
        exact = [place for place in places if self._columns[place] == column.strip()]
        found = exact or places
        if len(found) > 1:
            raise InputError(f"{self._name} has more than one column {shown(column)}")
        return found[0] if found else None

    # --- the columns of HubSpot's exports -------------------------------------------------------

    def _exported(self, exported: list[int], wanted: _Wanted) -> int:
        """Return the one of HubSpot's columns that is meant."""
        if hubspot.is_record_id(self._columns[exported[0]]):
            self._refuse_contradiction(wanted)
            fitting = exported
        else:
            fitting = self._of_type(exported, wanted.object_type)
        if len(fitting) == 1:
            return fitting[0]
        there = list_columns([self._columns[index] for index in exported])
        if not fitting:
            raise InputError(
                f"{self._name} has no column with ids of {wanted.object_type}, but {there}: "
                f"choose with {wanted.column_option}"
            )
        choose = (
            f"{wanted.type_option} or {wanted.column_option}"
            if wanted.object_type is None
            else wanted.column_option
        )
        raise InputError(
            f"{self._name} has more than one column that may be meant, {there}: "
            f"choose with {choose}"
        )

    def _of_type(self, exported: list[int], object_type: str | None) -> list[int]:
        """Return the columns of that type, those without a label if there are any."""
        fitting = [
            index
            for index in exported
            if object_type is None or hubspot.may_be_of(self._columns[index], object_type)
        ]
        of_all = [index for index in fitting if not hubspot.has_label(self._columns[index])]
        types = {hubspot.associated_type(self._columns[index]) for index in fitting}
        return of_all if of_all and len(types) == 1 else fitting

    def _refuse_contradiction(self, wanted: _Wanted) -> None:
        if wanted.object_type is None:
            return
        against = hubspot.contradiction(self._columns, wanted.object_type)
        if against is None:
            return
        raise InputError(
            f"{self._name}: column 'Record ID' seems not to hold ids of {wanted.object_type}, as "
            f"there is a column {shown(against)}. {self._choice()} "
            f"(if it does hold them: {wanted.column_option} 'Record ID')"
        )

    # --- what is missing ------------------------------------------------------------------------

    def _missing(self, places: tuple[int | None, int | None]) -> MissingColumnsError:
        names = [
            repr(wanted.id_name if wanted.column is None else wanted.column)
            for wanted, place in zip(self._wanted, places, strict=True)
            if place is None
        ]
        told = explain_no_table(self._columns, self._unit, self._delimiter) or (
            f"has no column {' and no column '.join(names)}. "
            f"Its columns: {list_columns(self._columns, quoted=False)}. {self._choice(places)}"
        )
        hint = f". {self._hint}" if self._hint else ""
        return MissingColumnsError(f"{self._name} {told}{hint}", 2 - len(names))

    def _choice(self, places: tuple[int | None, int | None] = (None, None)) -> str:
        """Return the options that choose the columns, with those that their names suggest."""
        options = []
        for wanted, place in zip(self._wanted, places, strict=True):
            if place is None:
                column = self._suggested(wanted)
                suggested = "" if column is None else f" {shlex.quote(column)}"
                options.append(f"{wanted.column_option}{suggested}")
        return f"Choose with {' '.join(options)}"

    def _suggested(self, wanted: _Wanted) -> str | None:
        object_type = wanted.object_type and standard_type(wanted.object_type)
        named = [column for column in self._columns if hubspot.named_type(column)]
        if object_type is None:  # no type is given: in the order of the columns
            fitting = named[self._wanted.index(wanted) :][:1]
        else:
            fitting = [column for column in named if hubspot.named_type(column) == object_type]
            if not fitting and hubspot.exported_type(self._columns) == object_type:
                fitting = [column for column in self._columns if hubspot.is_record_id(column)]
        return fitting[0] if fitting and len(fitting[0]) <= SHOWN_CHARS else None
