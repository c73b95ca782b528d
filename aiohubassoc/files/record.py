"""One row of an input, whatever its format."""

from __future__ import annotations

import json
from typing import Final, TypeAlias

import attrs

from aiohubassoc.files.not_ids import Kind

# It stands in no text that is encoded as UTF-8.
_BETWEEN_CELLS: Final = b"\xff"
Fields: TypeAlias = list[str] | dict[str, object]


@attrs.define(eq=False)
class Record:
    """
    One row of an input.

    Attributes:
        line: The line on which it begins, from 1; of Excel and Parquet the row.
        kept: Its fields; once it is compact, bytes that hold them.
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
        kept = self.kept
        if not isinstance(kept, bytes):
            return kept
        if kept.startswith(_BETWEEN_CELLS):
            return [cell.decode(errors="surrogatepass") for cell in kept.split(_BETWEEN_CELLS)[1:]]
        fields: Fields = json.loads(kept)
        return fields

    def compact(self) -> None:
        """
        Keep the fields as bytes, which take as much memory as their text has in the file.

        Thousands of rows wait for their outcome, and a short cell takes 50 bytes as an object.
        """
        kept = self.kept
        if isinstance(kept, list):
            cells = (b"", *(cell.encode(errors="surrogatepass") for cell in kept))
            self.kept = _BETWEEN_CELLS.join(cells)
        elif isinstance(kept, dict):
            self.kept = json.dumps(kept, ensure_ascii=False).encode(errors="surrogatepass")

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
