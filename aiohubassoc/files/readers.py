"""The rows of a file, whatever its format."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aiohubassoc.errors import InputError
from aiohubassoc.files.compression import decompressed, detect_compression
from aiohubassoc.files.csv_reader import CsvReader
from aiohubassoc.files.excel_reader import ExcelReader
from aiohubassoc.files.formats import (
    EXCEL,
    JSONL,
    PARQUET,
    TITLES,
    by_first_text,
    format_from_bytes,
    format_from_name,
)
from aiohubassoc.files.jsonl_reader import JsonlReader
from aiohubassoc.files.parquet_reader import ParquetReader
from aiohubassoc.files.text import line_end_of, text_of

if TYPE_CHECKING:
    import io

    from aiohubassoc.files.byte_source import ByteSource
    from aiohubassoc.files.counts import InputCounts
    from aiohubassoc.files.layout import Layout
    from aiohubassoc.files.table import TableReader

# What is known of a file by its first bytes alone.
_SEEN_AS: Final = {**TITLES, EXCEL: f"{TITLES[EXCEL]}, or another zip archive"}
# What Excel writes and reads above a header.
_SEPARATOR_LINE = re.compile(r"\ufeff?\"?sep=([^\"\w\s]|\t)\"?[\r\n]", re.IGNORECASE)


def open_reader(
    source: ByteSource, path: str, layout: Layout, counts: InputCounts
) -> TableReader | JsonlReader:
    """
    Return what reads the rows of *source*, which is closed with it.

    Args:
        source: The bytes, of which none were read.
        path: The file's name, which may tell the format.
        layout: What the user said.
        counts: Where rows that are left out are counted.

    Raises:
        InputError: it cannot be read in its format, or has none that is known.
    """
    told = layout.format or format_from_name(path)
    kind = format_from_bytes(source.head, source.name)
    if kind is not None:
        return _whole(source, kind, layout, counts)
    raw = decompressed(source)
    packing = detect_compression(source.head)
    if packing is not None:
        head = raw.peek(1)
        inner = format_from_bytes(head, source.name)
        if inner is not None or detect_compression(head) is not None:
            what = "packed once more" if inner is None else TITLES[inner]
            raise InputError(f"{source.name} is {what} inside {packing}: unpack it first")
    if told in TITLES:
        why = f"--format {told}" if layout.format else "its name"
        raise InputError(
            f"{source.name} is not {TITLES[told]}, though {why} says so: if it is text, "
            "give --format csv, tsv or jsonl"
        )
    text, head_text = text_of(raw, layout.encoding, source.name)
    kind = by_first_text(head_text, source.name, told)
    if kind == JSONL:
        return JsonlReader(text, name=source.name, encoding=layout.encoding)
    return _csv(text, head_text, kind, source.name, layout)


def _csv(text: io.TextIOWrapper, head: str, kind: str, name: str, layout: Layout) -> CsvReader:
    delimiter = layout.delimiter_of(kind)
    text.reconfigure(newline=line_end_of(head))
    said = _SEPARATOR_LINE.match(head)
    if said is not None:
        text.readline()
        delimiter = layout.delimiter or said[1]
    return CsvReader(
        text,
        name=name,
        delimiter=delimiter,
        encoding=layout.encoding,
        lines_before=0 if said is None else 1,
    )


def _whole(source: ByteSource, kind: str, layout: Layout, counts: InputCounts) -> TableReader:
    """Return the rows of a file that has no beginning without an end."""
    name = source.name
    if layout.format not in {None, kind}:
        raise InputError(f"{name} is {_SEEN_AS[kind]}: leave out --format {layout.format}")
    if not source.is_regular:
        raise InputError(f"{name} is {_SEEN_AS[kind]}: save it to a file first, and give its name")
    file = source.whole()
    try:
        if kind == PARQUET:
            return ParquetReader(file, name)
        return ExcelReader(file, name, layout, counts)
    except BaseException:
        file.close()
        raise
