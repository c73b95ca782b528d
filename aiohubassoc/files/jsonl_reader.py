"""JSON Lines: an object on each line; a broken line takes no other with it."""

from __future__ import annotations

import json
import math
from collections import Counter, deque
from itertools import islice
from typing import IO, TYPE_CHECKING, Final, NoReturn

from aiohubassoc.errors import InputError
from aiohubassoc.files.limits import COLUMNS, KEPT_CHARS, shown
from aiohubassoc.files.record import Record
from aiohubassoc.files.text import bounded_lines, character_problem

if TYPE_CHECKING:
    from collections.abc import Iterator

# So many lines are looked at for the first good object, whose keys are the header.
_LOOKED_AT: Final = 1000
# What is nested deeper, others may not be able to write.
_DEPTH: Final = 100
# A value takes some 30 times the memory of its text.
_LONG_CHARS: Final = 1 << 20
_VALUES: Final = 500_000
_BLANKS: Final = " \t\r\n"  # what may stand around an object
_EXAMPLE: Final = '{"from": "contacts:101", "to": "companies:202"}'


class _OddJsonError(ValueError):
    """JSON that Python could read, but not as it stands there."""


class JsonlReader:
    """
    The objects of a file of JSON Lines; blank lines are nothing.

    Args:
        file: The text; closed by `close`.
        name: How messages call it.
        encoding: What messages say about lines that could not be decoded.

    Attributes:
        header: The keys of the first good object; empty if there is none in the first 1,000 lines.
        row_chars: The length of the latest row.

    Raises:
        InputError: there is no line in it.
    """

    unit: str = "line"
    count: int | None = None

    def __init__(self, file: IO[str], *, name: str, encoding: str) -> None:
        self.name = name
        self.row_chars = 0
        self._file = file
        self._encoding = encoding
        self._beginning: str | None = None
        self._rest = self._records()
        self._ahead: deque[Record] = deque()
        self.header: list[str] = []
        for record in islice(self._rest, _LOOKED_AT):
            self._ahead.append(record)
            if isinstance(record.kept, dict):
                self.header = list(record.kept)
                break
        if not self._ahead:
            raise InputError(f"{name} is empty: each line must hold an object such as {_EXAMPLE}")

    def __iter__(self) -> Iterator[Record]:
        while self._ahead:
            yield self._ahead.popleft()
        yield from self._rest

    def beginning(self) -> str:
        """Return the text of the first row."""
        return self._beginning or ""

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _records(self) -> Iterator[Record]:
        for number, line in enumerate(bounded_lines(self._file, self.name), 1):
            if line.isspace():
                continue
            self.row_chars = len(line)
            if self._beginning is None:
                self._beginning = line
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


def _object(line: str) -> dict[str, object]:
    """
    Return the object on *line*.

    Raises:
        ValueError: there is none; the message says why.
    """
    if len(line) > _LONG_CHARS and sum(map(line.count, ",[{")) > _VALUES:
        raise ValueError("holds too many values")
    try:
        value = _DECODER.decode(line.rstrip(_BLANKS))
    except json.JSONDecodeError as error:
        told = (error.msg[:1].lower() + error.msg[1:]).removesuffix(" at")
        raise ValueError(f"is not JSON: {told} at column {error.pos + 1}") from None
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
