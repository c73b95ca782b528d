"""JSON Lines: an object on each line; a broken line takes no other with it."""

from __future__ import annotations

import json
import math
from collections import deque
from itertools import islice
from typing import IO, TYPE_CHECKING, Final, NoReturn

from aiohubassoc.errors import InputError
from aiohubassoc.files.record import Record
from aiohubassoc.files.text import character_problem

if TYPE_CHECKING:
    from collections.abc import Iterator

# So many lines are looked at for the first good object, whose keys are the header.
_LOOKED_AT: Final = 1000
# What is nested deeper, others may not be able to write.
_DEPTH: Final = 100
_BLANKS: Final = " \t\r\n"  # what may stand around an object
_EXAMPLE: Final = '{"from": "contacts:101", "to": "companies:202"}'


class _UnusableError(ValueError):
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

    Raises:
        InputError: there is no line in it.
    """

    unit: str = "line"
    delimiter: str | None = None
    count: int | None = None

    def __init__(self, file: IO[str], *, name: str, encoding: str) -> None:
        self._file = file
        self._encoding = encoding
        self._beginning: str | None = None
        self._rest = self._records()
        self._ahead: deque[Record] = deque()
        self.header: list[str] = []
        for record in islice(self._rest, _LOOKED_AT):
            self._ahead.append(record)
            if isinstance(record.fields, dict):
                self.header = list(record.fields)
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
        for number, line in enumerate(self._file, 1):
            if line.isspace():
                continue
            if self._beginning is None:
                self._beginning = line
            fields: dict[str, object] | list[str] = [line.rstrip("\r\n")]
            problem = character_problem(line, self._encoding)
            if problem is None:
                try:
                    fields = _object(line)
                except ValueError as error:
                    problem = str(error)
            yield Record(number, fields, problem)


def _object(line: str) -> dict[str, object]:
    """
    Return the object on *line*.

    Raises:
        ValueError: there is none; the message says why.
    """
    try:
        value = _DECODER.decode(line.rstrip(_BLANKS))
    except json.JSONDecodeError as error:
        told = (error.msg[:1].lower() + error.msg[1:]).removesuffix(" at")
        raise ValueError(f"is not JSON: {told} at column {error.pos + 1}") from None
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    except _UnusableError:
        raise
    except ValueError:  # of an int with thousands of digits, which Python does not turn into one
        raise ValueError("holds a number that is too long") from None
    if not isinstance(value, dict):
        raise ValueError(f"is not an object such as {_EXAMPLE}")  # noqa: TRY004 -- of the row
    if line.count("{") + line.count("[") > _DEPTH and _is_deeper(value, _DEPTH):
        raise ValueError("is nested too deeply")
    return value


def _once_each(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _UnusableError(f"has more than one {json.dumps(twice, ensure_ascii=False)}")
    return made


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _UnusableError(f"holds {text}, which is too large a number")
    return number


def _no_number(name: str) -> NoReturn:
    raise _UnusableError(f"is not JSON: it holds {name}")


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
