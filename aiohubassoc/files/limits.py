"""The largest cell, row and file of an input that is read."""

from __future__ import annotations

from typing import Final

# HubSpot's longest cells seen in exports have 180 KB. Python holds a character in up to 4 bytes.
CELL_CHARS: Final = 16 << 20
# A line, or a row of several lines: one such cell and the cells beside it.
ROW_CHARS: Final = 17 << 20
COLUMNS: Final = 16_384  # of Excel's sheets
# HubSpot's ids are 64-bit integers.
ID_DIGITS: Final = 20
ANY_ID_CHARS: Final = 256
# In one cell, and the pairs that the cells of one row make.
CELL_IDS: Final = 100_000
ROW_PAIRS: Final = 100_000
# A longer row waits for its outcome as bytes, a much longer one compressed.
KEPT_CHARS: Final = 2048
LONG_ROW_BYTES: Final = 1 << 16
# What messages show of a cell or of a column's name.
SHOWN_CHARS: Final = 60

_MB: Final = 1 << 20
_ROWS_PER_BYTE: Final = 2
# Tables of ids compress to a tenth at most, sparse ones to a thirtieth; a row of ids takes two
# bytes or more.
TEXT_RATIO: Final = 50
XML_RATIO: Final = 50


def most_bytes(size_bytes: int, ratio: int) -> int:
    """Return how many bytes a file of *size_bytes* may unpack to; below 1 MB as one of 1 MB."""
    return max(_MB, size_bytes) * ratio


def most_rows(size_bytes: int) -> int:
    """Return how many rows or pairs a file of *size_bytes* may hold; below 1 MB as one of 1 MB."""
    return max(_MB, size_bytes) * _ROWS_PER_BYTE


def listed(names: list[str], most: int) -> str:
    """Return the first names with commas between them, and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def shown(text: str) -> str:
    """Return *text* for a message: quoted, invisible characters escaped, cut after 60."""
    return repr(text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + "…")
