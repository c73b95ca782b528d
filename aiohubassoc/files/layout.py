"""The options of an input: its format, encoding and columns."""

from __future__ import annotations

import codecs
from typing import Final

import attrs

from aiohubassoc.errors import OptionsError

CSV: Final = "csv"
TSV: Final = "tsv"
JSONL: Final = "jsonl"
PARQUET: Final = "parquet"
EXCEL: Final = "excel"
FORMATS: Final = (CSV, TSV, JSONL, PARQUET, EXCEL)
_DELIMITERS: Final = {CSV: ",", TSV: "\t"}
_NO_DELIMITERS: Final = '"\r\n\0'


def _tab(delimiter: str | None) -> str | None:
    # What '\t' in quotes is to a shell: two characters.
    return "\t" if delimiter == r"\t" else delimiter


@attrs.frozen
class Layout:
    """
    The options of an input. The command line takes its options, and their help, from here.

    Args:
        from_type: The object type of the first ids, such as contacts, 0-1 or p12345_cars; needed
            where a row does not say it.
        to_type: The object type of the second ids.
        from_column: The column or key of the first ids; else from_id, or Record ID as HubSpot
            exports it.
        to_column: The column or key of the second ids; else to_id, or an Associated ... IDs column
            as HubSpot exports it.
        format: csv, tsv, jsonl, parquet or excel; else as the file's name and content show.
        delimiter: The character between the columns; else a comma, in TSV a tab.
        encoding: Text encoding of the file, such as cp1252 or utf-16.
        sheet: The sheet of a workbook; else the first that is visible.
        any_id: Take any text as a record id, not only digits.
        include_hidden: Read hidden rows and sheets of a workbook too.

    Raises:
        OptionsError: A format, delimiter or encoding is unknown, or is not one of the format.
    """

    from_type: str | None = None
    to_type: str | None = None
    from_column: str | None = None
    to_column: str | None = None
    format: str | None = None
    delimiter: str | None = attrs.field(default=None, converter=_tab)
    encoding: str = "utf-8"
    sheet: str | None = None
    any_id: bool = False
    include_hidden: bool = False

    def __attrs_post_init__(self) -> None:
        delimiter, encoding = self.delimiter, self.encoding
        if self.format not in {None, *FORMATS}:
            raise OptionsError(f"--format {self.format!r} is none of {', '.join(FORMATS)}")
        if delimiter is not None and (len(delimiter) != 1 or delimiter in _NO_DELIMITERS):
            raise OptionsError(f"--delimiter {delimiter!r} must be one character, such as ';'")
        try:
            # Not only to look it up: some names that Python knows turn bytes into bytes.
            "".encode(encoding)
            codecs.getincrementaldecoder(encoding)
        except (LookupError, ValueError):
            raise OptionsError(
                f"--encoding {encoding!r} is no encoding that Python knows, such as utf-8 or cp1252"
            ) from None
        if self.format is None:
            return
        if self.delimiter is not None and self.format not in _DELIMITERS:
            raise OptionsError(f"--delimiter is for csv and tsv, not for --format {self.format}")
        if self.sheet is not None and self.format != EXCEL:
            raise OptionsError(f"--sheet is for Excel workbooks, not for --format {self.format}")

    def get_delimiter(self, text_format: str) -> str:
        return self.delimiter or _DELIMITERS[text_format]
