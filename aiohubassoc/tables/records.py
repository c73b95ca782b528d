"""CSV records with their line numbers; a broken one takes no other with it."""

from __future__ import annotations

import csv
from collections import deque
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@attrs.define
class Record:
    """
    One row of a file.

    Attributes:
        line: The line on which it begins, from 1.
        fields: Its cells; where it could not be taken apart, the line as it is.
        problem: Why it cannot be used; None if nothing is wrong so far.
    """

    line: int
    fields: list[str]
    problem: str | None = None


class Records:
    """
    Takes lines apart.

    A quote that is never closed would swallow every line behind it: then only the line on which
    it stands is given up, and reading goes on with the next.

    Args:
        lines: With their line ends.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._again: deque[str] = deque()  # lines that a broken record had swallowed
        self._taken: list[str] = []
        self._line = 0

    def __iter__(self) -> Iterator[Record]:
        reader = csv.reader(self._feed(), strict=True)
        while True:
            self._taken.clear()
            begun = self._line + 1
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                first, *swallowed = self._taken
                self._again.extendleft(reversed(swallowed))
                self._line = begun
                yield Record(begun, [_bare(first)], _told(error, swallowed))
                reader = csv.reader(self._feed(), strict=True)
                continue
            if fields:  # a blank line is nothing at all
                yield Record(begun, fields, self._character_problem())

    def _feed(self) -> Iterator[str]:
        while True:
            line = self._again.popleft() if self._again else next(self._lines, None)
            if line is None:
                return
            self._line += 1
            self._taken.append(line)
            yield line

    def _character_problem(self) -> str | None:
        for line in self._taken:
            if "\0" in line:
                return "holds a NUL character"
            if not line.isascii() and any("\udc80" <= letter <= "\udcff" for letter in line):
                return "is not UTF-8"
        return None


def _bare(line: str) -> str:
    return line.rstrip("\r\n")


def _told(error: csv.Error, swallowed: list[str]) -> str:
    if swallowed or "unexpected end of data" in str(error):
        return "has a quote that is never closed"
    if "field larger" in str(error):
        return "has a cell of more than 131,072 characters"
    return f"is not CSV: {error}"
