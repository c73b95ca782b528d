"""Which format a file has, by its name and by how it begins."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Final

from aiohubassoc.errors import InputError

CSV: Final = "csv"
TSV: Final = "tsv"
JSONL: Final = "jsonl"
PARQUET: Final = "parquet"
EXCEL: Final = "excel"
FORMATS: Final = (CSV, TSV, JSONL, PARQUET, EXCEL)
# How messages call the formats that are no text.
TITLES: Final = {PARQUET: "a Parquet file", EXCEL: "an Excel workbook"}

_BY_SUFFIX: Final = {
    ".csv": CSV,
    ".tsv": TSV,
    ".tab": TSV,
    ".jsonl": JSONL,
    ".ndjson": JSONL,
    ".parquet": PARQUET,
    ".pq": PARQUET,
    ".xlsx": EXCEL,
    ".xlsm": EXCEL,
}
_PACKED_SUFFIXES: Final = (".gz", ".zst", ".zstd")
_SAVE: Final = "save it as .xlsx or CSV"
_BEGINS: Final = ((b"PAR1", PARQUET), (b"PK\x03\x04", EXCEL))  # a workbook is a zip archive
# How files begin that people hand over in place of pairs, and what to tell them.
_OTHERS: Final = (
    (b"\xd0\xcf\x11\xe0", f"is an old Excel workbook, or one with a password: {_SAVE}"),
    (b"ARROW1\0\0", "is an Arrow file: save it as Parquet or CSV"),
    (b"%PDF", "is a PDF: save the table in it as CSV"),
    (b"BZh91AY", "is compressed with bzip2: unpack it first, or use gzip or zstd"),
    (b"\xfd7zXZ", "is compressed with xz: unpack it first, or use gzip or zstd"),
    (b"SQLite format 3\0", "is an SQLite database: save the table as CSV"),
)
_MARKUP = re.compile(rb"\s*<(\?xml|!doctype|html|table)", re.IGNORECASE)
_OBJECT = re.compile(r"\s*\{")
_ARRAY = re.compile(r"\s*\[\s*[\[{]")


def format_from_name(path: str) -> str | None:
    """Return the format that the name's ending tells, behind ``.gz`` or ``.zst``; None if none."""
    name = PurePath(path)
    if name.suffix.lower() in _PACKED_SUFFIXES:
        name = name.with_suffix("")
    return _BY_SUFFIX.get(name.suffix.lower())


def format_from_bytes(head: bytes, name: str) -> str | None:
    """
    Return the format of a file that begins with *head* if it is no text; None if it may be text.

    Raises:
        InputError: it is of a kind that is not read; *name* is how messages call the file.
    """
    for magic, told in _OTHERS:
        if head.startswith(magic):
            raise InputError(f"{name} {told}")
    if _MARKUP.match(head):
        raise InputError(f"{name} is a web page or XML, whatever its name says: {_SAVE}")
    return next((kind for magic, kind in _BEGINS if head.startswith(magic)), None)


def by_first_text(head: str, name: str, told: str | None) -> str:
    """
    Return the format of a text: the one *told*, or else what *head*, its beginning, looks like.

    Raises:
        InputError: it is one JSON array.
    """
    if told in {None, JSONL} and _ARRAY.match(head):
        raise InputError(
            f"{name} is one JSON array, but each line must hold an object of its own: "
            "jq -c '.[]' writes it so"
        )
    return told or (JSONL if _OBJECT.match(head) else CSV)
