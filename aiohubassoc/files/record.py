"""One row of an input, whatever its format."""

from __future__ import annotations

import json
from typing import TypeAlias

import attrs

from aiohubassoc.files.not_ids import Kind

Fields: TypeAlias = list[str] | dict[str, object]


@attrs.define(eq=False)
class Record:
    """
    One row of an input.

    Attributes:
        line: The line on which it begins, from 1; of Excel and Parquet the row.
        kept: Its fields, or once it is compact their JSON in bytes.
        problem: Why it cannot be used; None if nothing is wrong so far.
        source: Which of the inputs it is from, from 0.
        held: The column whose cell is no id, and what that is; None if the problem is another
            one.
    """

    line: int
    kept: Fields | bytes
    problem: str | None = None
    source: int = 0
    held: tuple[str, Kind] | None = None

    @property
    def fields(self) -> Fields:
        """
        Its cells, or the object of a line of JSON; where it could not be taken apart, the line.

        They can be written as JSON.
        """
        if isinstance(self.kept, bytes):
            fields: Fields = json.loads(self.kept)
            return fields
        return self.kept

    def compact(self) -> None:
        """
        Keep the fields as bytes, which take as much memory as their text has in the file.

        Thousands of rows wait for their outcome, and a short cell takes 50 bytes as an object.
        """
        self.kept = json.dumps(self.fields, ensure_ascii=False).encode(errors="surrogatepass")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Record):
            return NotImplemented
        return (self.line, self.fields, self.problem, self.source) == (
            other.line,
            other.fields,
            other.problem,
            other.source,
        )

    __hash__ = None  # type: ignore[assignment]  # it is changed while it is read
