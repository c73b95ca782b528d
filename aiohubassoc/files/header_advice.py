"""What messages say of a header: its columns, and why it may be none."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aiohubassoc.files.limits import SHOWN_CHARS, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

_OTHER_DELIMITERS: Final = {
    ";": "semicolons: give --delimiter ';'",
    "\t": "tabs: give --format tsv",
    "|": "bars: give --delimiter '|'",
    ",": "commas: give --delimiter ','",
}
_NUMBERS = re.compile(r"[\d.,eE+ -]*")
_SHOWN_COLUMNS: Final = 30


def list_columns(columns: Sequence[str], *, quoted: bool = True) -> str:
    """Return the first columns with commas between them, long names cut, and how many more."""
    some = [
        shown(column) if quoted or len(column) > SHOWN_CHARS else column
        for column in columns[:_SHOWN_COLUMNS]
    ]
    more = len(columns) - len(some)
    return ", ".join(some) + (f" and {more:,} more" if more else "")


def explain_no_table(columns: Sequence[str], unit: str, delimiter: str | None) -> str | None:
    """
    Return what is wrong with a header as a whole; None if it looks like one.

    Args:
        columns: Its columns.
        unit: How messages call rows.
        delimiter: What stands between the columns; None where nothing does.
    """
    first = ",".join(columns[:_SHOWN_COLUMNS])[: 4 * SHOWN_CHARS]
    if delimiter is not None:
        if first.startswith("{"):
            return "holds JSON, whatever its name says: give --format jsonl"
        for other, told in _OTHER_DELIMITERS.items():
            if len(columns) == 1 and other in first and other != delimiter:
                return f"separates its columns by {told}"
    if all(_NUMBERS.fullmatch(column) for column in columns):
        return (
            f"has no header: its first {unit} is {shown(first)}, but must name the columns, such "
            "as from_id,to_id"
        )
    return None
