"""Which columns of a table hold the ids and their types, and the columns of several tables."""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

import attrs

from aiohubassoc.errors import InputError
from aiohubassoc.files import hubspot
from aiohubassoc.files.limits import SHOWN_CHARS, listed, shown

if TYPE_CHECKING:
    from aiohubassoc.files.layout import Layout
    from aiohubassoc.files.record import InputCounts

_SHOWN_COLUMNS: Final = 30
_TYPES: Final = {"from": "contacts", "to": "companies"}  # in messages
_NUMBERS: Final = re.compile(r"[\d.,eE+ -]*")
# What separates the columns instead, and what to do about it.
OTHER_DELIMITERS: Final = {
    ";": "semicolons: give --delimiter ';'",
    "\t": "tabs: give --format tsv",
    "|": "bars: give --delimiter '|'",
    ",": "commas: give --delimiter ','",
}
_MOST_CHARS: Final = 10_000
# Columns that ask for a label, which HubSpot's default associations do not have.
_LABELS: Final = re.compile(r"labels?|types|association ?(labels?|types?|type ?id|category)")


def _clean_names(columns: Iterable[str]) -> list[str]:
    return [clean_name(column) for column in columns]


class MissingColumnsError(InputError):
    """The row does not name the columns, only *found* of the two; another row may."""

    def __init__(self, message: str, found: int) -> None:
        super().__init__(message)
        self.found = found


@attrs.frozen
class Header:
    """A row that may name the columns of a table."""

    # Its cells, as `clean_name` makes them.
    cells: list[str] = attrs.field(converter=_clean_names)
    table: str  # the table's name in messages
    unit: str = "line"  # this, *delimiter* and *hint* are those of its `TableReader`
    delimiter: str | None = None
    hint: str = ""

    def find(self, column: str) -> int | None:
        """Return where a column stands; None: there is none of this name; InputError: several."""
        wanted = normalize(column)
        same = [n for n, cell in enumerate(self.cells) if normalize(cell) == wanted]
        found = [n for n in same if self.cells[n] == clean_name(column)] or same
        if len(found) > 1:
            what = f"has more than one column {shown(column)}: rename the others"
            raise InputError(f"{self.table} {what}")
        return found[0] if found else None

    def missing(self, names: Sequence[str], choice: str) -> MissingColumnsError:
        """Return the error for a header without *names*; *choice*, a sentence, says what to do."""
        message = self._explain_no_table() or (
            f"has no column {' and no column '.join(names)}. "
            f"Its columns: {list_columns(self.cells, quoted=False)}. {choice}"
        )
        hint = f". {self.hint}" if self.hint else ""
        return MissingColumnsError(f"{self.table} {message}{hint}", 2 - len(names))

    def _explain_no_table(self) -> str | None:
        """Return why this can be no header; None if it looks like one."""
        first = ",".join(self.cells[:_SHOWN_COLUMNS])[: 4 * SHOWN_CHARS]
        if self.delimiter is not None:
            for other, advice in OTHER_DELIMITERS.items():
                if len(self.cells) == 1 and other in first and other != self.delimiter:
                    return f"separates its columns by {advice}"
        if all(map(_NUMBERS.fullmatch, self.cells)):
            must = "must name the columns, such as from_id,to_id"
            return f"has no header: its first {self.unit} is {shown(first)}, but {must}"
        return None


@attrs.frozen
class End:
    """Where one end of the pairs stands in a table."""

    name: str  # the column of its ids, without spaces around it, cut for messages
    index: int  # that column's place
    holds_several: bool = False  # whether a cell may hold several ids, or none
    type_name: str = ""  # the column of its types
    type_index: int | None = None  # that column's place; None if there is none
    # The type of ids whose row has none; None if each row must have one.
    object_type: str | None = None

    @property
    def place(self) -> tuple[object, ...]:
        """Where and what its ids are; the same in each header of one table."""
        return self.index, self.type_index, self.object_type

    @property
    def is_typed(self) -> bool:
        """Whether anything says of what type its ids are."""
        return self.type_index is not None or self.object_type is not None


def possible_delimiters(line: str) -> dict[str, str]:
    """Return what may separate the columns of a header, and what to do about each."""
    found = dict(OTHER_DELIMITERS)
    for char in dict.fromkeys(line if len(line) <= _MOST_CHARS else ""):
        if not char.isalnum() and char not in "_\"'\r\n":
            typed = shlex.quote(char) if char.isprintable() else f"${char!r}"
            found.setdefault(char, f"{char!r}: give --delimiter {typed}")
    return found


FindColumns: TypeAlias = Callable[[Header], tuple[End, End]]
"""
Returns two columns of a header, such as `PairColumns.find`.

It raises MissingColumnsError if the header does not name them, and InputError if it is in doubt
which ones are meant.
"""


@attrs.frozen
class Wanted:
    """The column of an end of the pairs, as the user chose it: ``"from"`` or ``"to"``."""

    end: str
    column: str | None  # the column of the ids that the user named; None: the usual one
    object_type: str | None  # the type that the user gave; None: none

    @classmethod
    def both(cls, layout: Layout) -> tuple[Wanted, Wanted]:
        """Return what the user chose for each end."""
        return (
            cls("from", layout.from_column, layout.from_type),
            cls("to", layout.to_column, layout.to_type),
        )

    @property
    def id_name(self) -> str:
        """The usual column of the ids."""
        return f"{self.end}_id"

    @property
    def column_option(self) -> str:
        return f"--{self.end}-column"

    @property
    def standard_type(self) -> str | None:
        """HubSpot's own type that the given type and column name; None: none, or they disagree."""
        types = set()
        if self.column is not None and (
            hubspot.is_associated(self.column) or hubspot.named_type(self.column) is not None
        ):
            types.add(hubspot.named_type(self.column))
        if self.object_type is not None:
            types.add(hubspot.standard_type(self.object_type))
        return types.pop() if len(types) == 1 else None

    def refuse_contradiction(self, column: str, table: str) -> None:
        """Raise an InputError if a column is by its name of another type than the user gave."""
        named = hubspot.named_type(column)
        if named is None or self.object_type is None:
            return
        if named != hubspot.standard_type(self.object_type):
            raise InputError(
                f"{table}: column {shown(column)} holds ids of {named}, but --{self.end} is "
                f"{self.object_type}: choose another type, or another column with "
                f"{self.column_option}"
            )


class PairColumns:
    """Finds the columns of both ends of the pairs."""

    def __init__(self, layout: Layout) -> None:
        self._wanted = Wanted.both(layout)

    def find(self, header: Header) -> tuple[End, End]:
        """Return where both ends stand; see `FindColumns`."""
        first, second = self._wanted
        places = self._id_column(first, header), self._id_column(second, header)
        if places[0] is None or places[1] is None:
            names = [
                repr(wanted.id_name if wanted.column is None else wanted.column)
                for wanted, place in zip(self._wanted, places, strict=True)
                if place is None
            ]
            raise header.missing(names, self._choice(header, places))
        ends = _end(first, places[0], header), _end(second, places[1], header)
        if places[0] == places[1] and not ends[0].holds_several:
            raise InputError(f"{header.table}: column {both_ends(ends[0].name)}")
        untyped = [one for one, end in zip(self._wanted, ends, strict=True) if not end.is_typed]
        if untyped:
            missing = " and ".join(repr(f"{one.end}_type") for one in untyped)
            options = " and ".join(f"--{one.end}" for one in untyped)
            columns = "column" if len(untyped) == 1 else "columns"
            raise InputError(
                f"{header.table} has no {columns} {missing}: give {options}, such as "
                f"{' '.join(f'--{one.end} {_TYPES[one.end]}' for one in untyped)}"
            )
        return ends

    def _id_column(self, wanted: Wanted, header: Header) -> int | None:
        index = header.find(wanted.id_name if wanted.column is None else wanted.column)
        if index is not None or wanted.column is not None:
            return index
        is_exported = hubspot.is_record_id if wanted.end == "from" else hubspot.is_associated
        exported = [n for n, name in enumerate(header.cells) if is_exported(name)]
        return self._exported(exported, wanted, header) if exported else None

    def _exported(self, exported: list[int], wanted: Wanted, header: Header) -> int:
        """Return the one of HubSpot's columns that is meant."""
        if wanted.end == "from":
            self._refuse_other_export(wanted, header)
            fitting = exported
        else:
            fitting = _of_type(exported, wanted.object_type, header)
        if len(fitting) == 1:
            return fitting[0]
        found = list_columns([header.cells[index] for index in exported])
        if not fitting:
            advice = f"Export it with that column, or choose with {wanted.column_option}"
            if self._wanted[0].column is not None and _may_be_records(wanted, header.cells):
                advice = f"If 'Record ID' holds them: {wanted.column_option} 'Record ID'"
            raise InputError(
                f"{header.table} has no column with ids of {wanted.object_type}. Its columns of "
                f"ids: {found}. {advice}"
            )
        options = "" if wanted.object_type is not None else f"--{wanted.end} or "
        raise InputError(
            f"{header.table} has more than one column that may be meant, {found}: "
            f"choose with {options}{wanted.column_option}"
        )

    def _refuse_other_export(self, wanted: Wanted, header: Header) -> None:
        """Refuse ``Record ID`` if other columns show that the records are of another type."""
        if wanted.object_type is None:
            return
        against = hubspot.contradiction(header.cells, wanted.object_type)
        if against is not None:
            second = self._wanted[1]
            place = None if second.column is None else header.find(second.column)
            advice = self._choice(header, (None, place))
            own = self._suggested(wanted, header.cells)
            exported = hubspot.exported_type(header.cells)
            if second.object_type is None and second.column is None and exported is not None:
                advice = f"For links from {exported}: --from {exported}"
                if own:
                    advice += (
                        f". For links from {wanted.object_type}: {wanted.column_option} "
                        f"{shlex.quote(own)} --to {exported} {second.column_option} 'Record ID'"
                    )
            elif own and second.column is None and _may_be_records(second, header.cells):
                advice = (
                    f"If it holds ids of {second.object_type}: {wanted.column_option} "
                    f"{shlex.quote(own)} {second.column_option} 'Record ID'"
                )
            raise InputError(
                f"{header.table}: column 'Record ID' seems not to hold ids of "
                f"{wanted.object_type}, as there is a column {shown(against)}. {advice}. "
                f"If it does hold them: {wanted.column_option} 'Record ID'"
            )

    def _choice(self, header: Header, places: tuple[int | None, int | None]) -> str:
        """Return what to do about the columns that have no place, as a sentence."""
        missing = [one for one, at in zip(self._wanted, places, strict=True) if at is None]
        taken = {header.cells[at] for at in places if at is not None}
        types = {hubspot.named_type(column) for column in taken} - {None}
        fitting = [self._suggested(one, header.cells) for one in missing]
        columns: dict[str, str | None] = {}
        for one, column in zip(missing, fitting, strict=True):
            # One column for both ends would link each record to itself, and two of one type, such
            # as "Associated Company IDs" and the same "(Primary)", nearly always too.
            is_double = one.object_type is None and column and hubspot.named_type(column) in types
            columns[one.column_option] = None if column in taken or is_double else column
            taken.add(column or "")
            types |= {hubspot.named_type(column or "")} - {None}
        # A value for one option only would read as if the other took none.
        unknown = " COLUMN" if any(columns.values()) else ""
        options = " ".join(
            f"{option} {shlex.quote(column)}" if column else f"{option}{unknown}"
            for option, column in columns.items()
        )
        absent = [
            one.standard_type
            for one, column in zip(missing, fitting, strict=True)
            if one.standard_type is not None and column is None
        ]
        if absent and any(map(hubspot.is_record_id, header.cells)):
            return (
                f"It has no column with ids of {' or '.join(absent)}. Export it with that column, "
                f"or choose with {options}"
            )
        return f"Choose with {options}"

    def _suggested(self, wanted: Wanted, columns: Sequence[str]) -> str | None:
        # Other spellings of the usual name: From ID, fromIds, from-object-id.
        own = {f"{wanted.end}{word}id" for word in ("", "object", "record")}
        for column in columns:
            if re.sub(r"[\W_]", "", column).casefold().removesuffix("s") in own:
                return column
        named = [column for column in columns if hubspot.named_type(column)]
        fitting: list[str] = []
        if wanted.object_type is None and wanted.column is None:  # in the order of the columns
            fitting = named[self._wanted.index(wanted) :][:1]
        elif (object_type := wanted.standard_type) is not None:
            fitting = [column for column in named if hubspot.named_type(column) == object_type]
            if not fitting and hubspot.is_export_of(columns, object_type):
                fitting = [column for column in columns if hubspot.is_record_id(column)]
        return fitting[0] if fitting and len(fitting[0]) <= SHOWN_CHARS else None


def _may_be_records(wanted: Wanted, columns: Sequence[str]) -> bool:
    """Return whether ``Record ID`` may hold ids of the type given: no column speaks against it."""
    return (
        wanted.standard_type is not None
        and any(map(hubspot.is_record_id, columns))
        and hubspot.contradiction(columns, wanted.standard_type) is None
    )


def _end(wanted: Wanted, index: int, header: Header) -> End:
    column = header.cells[index]
    wanted.refuse_contradiction(column, header.table)
    type_name = f"{wanted.end}_type"
    type_index = header.find(type_name)
    object_type = wanted.object_type or hubspot.named_type(column)
    several = hubspot.holds_several(column)
    return End(column[:SHOWN_CHARS], index, several, type_name, type_index, object_type)


def _of_type(exported: list[int], object_type: str | None, header: Header) -> list[int]:
    """Return the columns of that type, those without a label if there are any."""
    columns = {
        index: header.cells[index]
        for index in exported
        if object_type is None or hubspot.may_hold(header.cells[index], object_type)
    }
    of_all = [index for index, column in columns.items() if not hubspot.has_label(column)]
    types = set(map(hubspot.associated_type, columns.values()))
    return of_all if of_all and len(types) == 1 else list(columns)


def both_ends(name: str) -> str:
    """Return why a column or key of this name, with one id a row, is none for both ends."""
    choose = "choose another with --from-column or --to-column"
    return f"{shown(name)} is chosen for both ends: {choose}"


def clean_name(column: str) -> str:
    """Return the name of a column without characters that nobody sees; tabs may separate names."""
    if not column.isascii():
        column = "".join(char for char in column if unicodedata.category(char) != "Cf")
    return re.sub(r"[^\S\t]+", " ", column).strip()


def normalize(column: str) -> str:
    """Return the name of a column as it is compared: however it is composed, spaced and cased."""
    if not column.isascii():
        column = unicodedata.normalize("NFC", clean_name(column))
    return " ".join(column.casefold().split())


def list_columns(columns: Sequence[str], *, quoted: bool = True) -> str:
    """Return the first columns with commas between them, long names cut, and how many more."""
    names = [shown(one) if quoted or len(one) > SHOWN_CHARS else one for one in columns]
    return listed(names, _SHOWN_COLUMNS)


def note_labels(names: Iterable[str], table: str, unit: str, counts: InputCounts) -> None:
    """
    Note for the summary each column or key that asks for a label, as links have none.

    *unit* says which: ``"column"`` or ``"key"``; *table* is the input's name in messages.
    """
    for column in names:
        if _LABELS.fullmatch(normalize(column).replace("_", " ")):
            counts.note(
                f"{table}: the {unit} {shown(column)} is not used: links are made without a label."
            )
