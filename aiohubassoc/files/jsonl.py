"""JSON Lines: an object on each line, and its pairs."""

from __future__ import annotations

import json
import math
import re
from collections import Counter, deque
from functools import partial
from itertools import islice
from typing import IO, TYPE_CHECKING, Final, NoReturn

import attrs

from aiohubassoc.errors import InputError
from aiohubassoc.files import hubspot
from aiohubassoc.files.cells import Float, character_problem, to_json, value_text
from aiohubassoc.files.columns import Wanted, both_ends, list_columns, normalize, note_labels
from aiohubassoc.files.ids import CellKind, IdRule, RejectedRowError, reject
from aiohubassoc.files.limits import COLUMNS, KEPT_CHARS, ROW_CHARS, SHOWN_CHARS, shown
from aiohubassoc.files.record import Record
from aiohubassoc.pair import Pair, canonical_id, unchecked_pair

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from aiohubassoc.files.hubspot import TypeNames
    from aiohubassoc.files.layout import Layout
    from aiohubassoc.files.record import Ends, InputCounts

# The first good object among these lines has the keys of the header.
_HEADER_LINES: Final = 1000
# What is nested deeper, others may not be able to write.
_DEPTH: Final = 100
# A value takes some 30 times the memory of its text.
_LONG_CHARS: Final = 1 << 20
_VALUES: Final = 500_000
_SHOWN_KEYS: Final = 8
_ID_TEXT: Final = re.compile(r"\s*(?:[^:]*:)?\s*(\d+)\s*", re.ASCII)
_BLANKS: Final = " \t\r\n"  # what may stand around an object
_EXAMPLE: Final = '{"from": "contacts:101", "to": "companies:202"}'


class JsonlReader:
    """
    The objects of a file of JSON Lines; blank lines are nothing. A broken line affects no other.

    Raises:
        InputError: There is no line in it.
    """

    unit: str = "line"
    count: int | None = None
    is_text: bool = True
    ends: None = None

    def __init__(self, file: IO[str], *, name: str, encoding: str) -> None:
        self.name = name
        self.row_chars = 0
        self._file = file
        self._encoding = encoding
        self._rest = self._records()
        self._ahead: deque[Record] = deque()
        # The keys of the first good object; empty if there is none in the first 1,000 lines.
        self.header: list[str] = []
        for record in islice(self._rest, _HEADER_LINES):
            self._ahead.append(record)
            if isinstance(record.kept, dict):
                self.header = list(record.kept)
                break
        if not self._ahead:
            raise InputError(f"{name} is empty: each line must hold an object such as {_EXAMPLE}")
        self._beginning: str | None = None

    def __iter__(self) -> Iterator[Record]:
        while self._ahead:
            yield self._ahead.popleft()
        yield from self._rest

    def beginning(self) -> str:
        """Return the first row as JSON."""
        if self._beginning is None:
            self._beginning = to_json(self._ahead[0].fields)
        return self._beginning

    def close(self) -> None:
        self._file.close()

    def _records(self) -> Iterator[Record]:
        for number, line in enumerate(_bounded_lines(self._file, self.name), 1):
            if line.isspace():
                continue
            self.row_chars = len(line)
            fields: dict[str, object] | list[str] = [line.rstrip("\r\n")]
            problem = character_problem(line, self._encoding)
            if problem is None:
                try:
                    fields = _object(line)
                except ValueError as error:
                    problem = str(error)
            record = Record(number, fields, problem)
            if problem is not None and len(line) > KEPT_CHARS:
                record.compact()
            yield record


def _bounded_lines(file: IO[str], name: str) -> Iterator[str]:
    """Yield each line with its end; raise an InputError at one longer than any row can be."""
    for number, line in enumerate(iter(partial(file.readline, ROW_CHARS), ""), 1):
        if len(line) == ROW_CHARS and line[-1] not in "\r\n":
            raise InputError(
                f"{name}, line {number} has more than {ROW_CHARS >> 20} MiB and is not read: "
                "is this a table?"
            )
        yield line


class _OddJsonError(ValueError):
    """JSON that Python could read, but not as it stands there."""


def _object(line: str) -> dict[str, object]:
    """Return the object on *line*; the message of a ValueError says why there is none."""
    if len(line) > _LONG_CHARS and sum(map(line.count, ",[{")) > _VALUES:
        raise ValueError("holds too many values")
    try:
        value = _DECODER.decode(line.removeprefix("\ufeff").rstrip(_BLANKS))
    except json.JSONDecodeError as error:
        raise ValueError(_explain(line, error)) from None
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    except _OddJsonError:
        raise
    except ValueError:  # of an int with thousands of digits, which Python does not turn into one
        raise ValueError("holds a number that is too long") from None
    if not isinstance(value, dict):
        raise ValueError(f"is not an object such as {_EXAMPLE}")  # noqa: TRY004 -- of the row
    if len(value) > COLUMNS:
        raise ValueError(f"has more than {COLUMNS:,} keys")
    if line.count("{") + line.count("[") > _DEPTH and _is_deeper(value, _DEPTH):
        raise ValueError("is nested too deeply")
    return value


def _explain(line: str, error: json.JSONDecodeError) -> str:
    if line.strip() == "{":
        return "is not JSON: an object must stand in one line: jq -c . writes it so"
    if error.msg == "Extra data" and line[error.pos :].strip() == ",":
        return "has a comma after its object: each line must hold an object, and nothing else"
    if error.msg == "Extra data":
        return (
            f"is not JSON: more follows the first value, at column {error.pos + 1}: each line must "
            "hold one object: jq -c . writes it so"
        )
    what = (error.msg[:1].lower() + error.msg[1:]).removesuffix(" at")
    return f"is not JSON: {what} at column {error.pos + 1}"


def _once_each(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) < len(pairs):
        ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise _OddJsonError(f"has more than one {shown(twice)}")
    return made


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _OddJsonError(f"holds {text}, which is too large a number")
    return number


def _no_number(name: str) -> NoReturn:
    raise _OddJsonError(f"is not JSON: it holds {name}")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_once_each, parse_float=_finite, parse_constant=_no_number
)


def _is_deeper(value: object, depth: int) -> bool:
    level = [value]
    for _ in range(depth):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return any(isinstance(value, dict | list) for value in level)


# --- pairs --------------------------------------------------------------------------------------


class JsonlPairs:
    """
    Reads the pairs of each object: ``{"from": "contacts:101", "to": "companies:202"}``.

    The ids may also stand in ``from_id`` and ``to_id``, without their types, or in the keys that
    the user named; ``from_type`` and ``to_type`` hold the types of ids that have none. A list holds
    several ids, or none; its empty elements are nothing.

    Raises:
        InputError: A key that the user named is of another type than the one given.
    """

    def __init__(self, layout: Layout, name: str, counts: InputCounts, types: TypeNames) -> None:
        self._name = name
        self._counts = counts
        self._make = unchecked_pair if layout.any_id else Pair
        rule = IdRule(counts, any_id=layout.any_id)
        first, second = Wanted.both(layout)
        self._ends = self._from, self._to = (
            _KeyedEnd(first, rule, types, name),
            _KeyedEnd(second, rule, types, name),
        )
        self._latest_keys: tuple[str, ...] | None = None

    def pairs(self, record: Record) -> Sequence[Pair]:
        """Return the pairs of *record*, each tagged with it; ValueError: it is rejected."""
        fields = record.kept
        assert isinstance(fields, dict)  # noqa: S101 -- without a problem it is an object
        names = tuple(fields)
        if names != self._latest_keys:  # as a rule each object has the keys of the one before
            self._find_keys(names, fields)
        return record.pairs(self._make, self._from.records(fields), self._to.records(fields))

    def cells(self, record: Record, pair: Pair) -> dict[str, object]:
        """Return the object of *pair*, with only its own id where the object has several."""
        fields = record.fields
        assert isinstance(fields, dict)  # noqa: S101 -- it gave a pair
        own = dict(fields)
        for end, object_type, record_id in (
            (self._from, pair.from_type, pair.from_id),
            (self._to, pair.to_type, pair.to_id),
        ):
            keys = end.find(fields)
            if keys.holds_several or isinstance(fields[keys.id], list):
                own[keys.id] = f"{object_type}:{record_id}" if keys.has_types else record_id
        return own

    def _find_keys(self, names: tuple[str, ...], fields: Mapping[str, object]) -> None:
        self._latest_keys = None
        note_labels(names, self._name, "key", self._counts)
        for end in self._ends:
            end.keys = end.find(fields)
        key = self._from.keys.id
        has_list = self._from.keys.holds_several or isinstance(fields[key], list)
        if key == self._to.keys.id and not has_list:
            raise RejectedRowError(both_ends(key))
        self._latest_keys = names


@attrs.frozen
class _Keys:
    """Where one end stands in objects with the same keys."""

    id: str
    shown: str  # the same in messages
    type: str | None  # None: there is none
    has_types: bool  # an id may have its type before a colon
    holds_several: bool  # a text may hold several ids, or none
    other: str | None  # "from" beside "from_id", which is another thing or the same id


class _KeyedEnd:
    keys: _Keys  # where it stands in the objects that come next

    def __init__(self, wanted: Wanted, rule: IdRule, types: TypeNames, name: str) -> None:
        key = wanted.column
        wanted.refuse_contradiction(key or "", name)
        self._wanted = wanted
        self._names = (wanted.id_name, wanted.end) if key is None else (key,)
        self._type_name = f"{wanted.end}_type"
        object_type = wanted.object_type or hubspot.named_type(key or "")
        self._object_type = (
            None if object_type is None else types.name(object_type, f"--{wanted.end}")
        )
        self._rule = rule
        self._types = types

    def find(self, fields: Mapping[str, object]) -> _Keys:
        """Return where this end stands in an object; raise a RejectedRowError if it has no id."""
        found = [key for name in self._names if (key := find_key(name, fields)) is not None]
        for key in found:
            return _Keys(
                key,
                key[:SHOWN_CHARS],
                find_key(self._type_name, fields),
                normalize(key) != self._wanted.id_name,
                hubspot.holds_several(key),
                found[1] if len(found) > 1 else None,
            )
        missing = " or ".join(map(repr, reversed(self._names)))
        others = ""
        if fields and len(self._names) > 1:  # the user named none
            keys = list_columns(list(fields)[:_SHOWN_KEYS], quoted=False)
            others = f". Its keys: {keys}. Choose with {self._wanted.column_option}"
        raise RejectedRowError(f"has no {missing}{others}")

    def records(self, fields: Mapping[str, object]) -> Ends:
        """Return the records of this end; raise a RejectedRowError if one is invalid."""
        value, other = fields[self.keys.id], self.keys.other
        items = [value]
        if isinstance(value, list):
            items = [one for one in value if value_text(one).strip()]
        ends = [one for item in items for one in self._records(item, fields)]
        if other is not None and ends:
            again = _ID_TEXT.fullmatch(str(fields[other]))
            ids = {canonical_id(one) for _, one in ends}
            if again is not None and canonical_id(again[1]) not in ids:
                raise RejectedRowError(
                    f"{self.keys.shown} is {shown(str(value))}, but {other} is "
                    f"{shown(str(fields[other]))}: choose with {self._wanted.column_option}"
                )
        return ends

    def _records(self, value: object, fields: Mapping[str, object]) -> Ends:
        keys = self.keys
        text = self._cell(value)
        own_type = ""
        if keys.has_types and ":" in text:
            own_type, _, text = text.partition(":")
            if not own_type:
                cell = shown(str(value))
                raise RejectedRowError(f"{keys.shown} is {cell}, without a type before the colon")
        if keys.holds_several:
            ids = self._rule.parse_ids(text, keys.shown)
        else:
            ids = [self._rule.parse_id(text, keys.shown)]
        if not ids:
            return []
        object_type = self._types.name(own_type, keys.shown)
        if not object_type or keys.type is not None:
            object_type = self._type(fields, object_type)
        return [(object_type, one) for one in ids]

    def _cell(self, value: object) -> str:
        name = self.keys.shown
        if isinstance(value, str):
            return value
        if isinstance(value, bool):
            raise reject(name, to_json(value), CellKind.TRUTH)
        if isinstance(value, int):
            return str(value)
        if isinstance(value, float):
            return Float(value)
        if value is None and self.keys.holds_several:
            return ""
        if value is None:
            raise reject(name, to_json(value), CellKind.PLACEHOLDER)
        raise RejectedRowError(f"{name} is nested: an id must be a string or a number")

    def _type(self, fields: Mapping[str, object], before_id: str) -> str:
        """Return the type: that of a separate key, else *before_id*, else the one of all rows."""
        key = self.keys.type
        value = None if key is None else fields[key]
        if not (value is None or isinstance(value, str) or before_id):
            cell = shown(to_json(value))
            raise RejectedRowError(f"{self._type_name} is {cell}: a type must be a string")
        own = self._types.name(value, self._type_name) if value and isinstance(value, str) else ""
        if before_id and own not in {"", before_id}:
            raise RejectedRowError(
                f"{self.keys.shown} is of type {shown(before_id)}, but {self._type_name} is "
                f"{shown(own)}"
            )
        if own or before_id:
            return own or before_id
        if self._object_type is not None:
            return self._object_type
        raise RejectedRowError(
            f'{self.keys.shown} has no type: write it as "contacts:101", add '
            f"{self._type_name!r}, or give --{self._wanted.end}"
        )


def find_key(name: str, fields: Mapping[str, object]) -> str | None:
    """Return the key called *name* in any case; None: there is none; an error: several."""
    if name in fields:
        return name
    found = [key for key in fields if normalize(key) == normalize(name)]
    if len(found) > 1:
        raise RejectedRowError(f"has more than one {name!r}")
    return found[0] if found else None
