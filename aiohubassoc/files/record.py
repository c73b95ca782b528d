"""One row of an input, whatever its format."""

from __future__ import annotations

import attrs


@attrs.define
class Record:
    """
    One row of an input.

    Attributes:
        line: The line on which it begins, from 1; of Excel and Parquet the row.
        fields: Its cells, or the object of a line of JSON; where it could not be taken apart, the
            line as it is. They can be written as JSON.
        problem: Why it cannot be used; None if nothing is wrong so far.
        source: Which of the inputs it is from, from 0.
    """

    line: int
    fields: list[str] | dict[str, object]
    problem: str | None = None
    source: int = 0
