"""Which format and encoding a file has, and the reader of its rows."""

from __future__ import annotations

import codecs
import io
import re
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from aiohubassoc.errors import InputError
from aiohubassoc.files.byte_source import decompressed, detect_compression
from aiohubassoc.files.cells import UNDECODED, encoding_advice, encoding_title
from aiohubassoc.files.columns import OTHER_DELIMITERS
from aiohubassoc.files.csv_reader import CsvReader
from aiohubassoc.files.excel_reader import ExcelReader
from aiohubassoc.files.jsonl import JsonlReader
from aiohubassoc.files.layout import CSV, EXCEL, JSONL, PARQUET, TSV
from aiohubassoc.files.parquet_reader import ParquetReader

if TYPE_CHECKING:
    from aiohubassoc.files.byte_source import ByteSource
    from aiohubassoc.files.layout import Layout
    from aiohubassoc.files.record import InputCounts, TableReader

# The formats that are not text, in messages.
_TITLES: Final = {PARQUET: "a Parquet file", EXCEL: "an Excel workbook"}
# What the first bytes alone show.
_TITLES_BY_CONTENT: Final = {**_TITLES, EXCEL: f"{_TITLES[EXCEL]}, or another zip archive"}
_SUFFIXES: Final = (
    (CSV, "csv"),
    (TSV, "tsv tab"),
    (JSONL, "jsonl ndjson"),
    (PARQUET, "parquet pq"),
    (EXCEL, "xlsx xlsm"),
)
_FORMAT_BY_SUFFIX: Final = {f".{one}": kind for kind, ones in _SUFFIXES for one in ones.split()}
_COMPRESSION_SUFFIXES: Final = (".gz", ".zst", ".zstd")
_SAVE: Final = "save it as .xlsx or CSV"
_MAGIC_BYTES: Final = ((b"PAR1", PARQUET), (b"PK\x03\x04", EXCEL))  # a workbook is a zip archive
# How files begin that people hand over in place of pairs, and what to do with them.
_UNSUPPORTED: Final = (
    (b"\xd0\xcf\x11\xe0", f"is an old Excel workbook, or one with a password: {_SAVE}"),
    (b"ARROW1\0\0", "is an Arrow file: save it as Parquet or CSV"),
    (b"%PDF", "is a PDF: save the table in it as CSV"),
    (
        tuple(b"BZh%d1AY" % level for level in range(1, 10)),
        "is compressed with bzip2: unpack it first, or use gzip or zstd",
    ),
    (b"\xfd7zXZ", "is compressed with xz: unpack it first, or use gzip or zstd"),
    (b"Obj\x01", "is an Avro file: save it as Parquet or CSV"),
    (b"SQLite format 3\0", "is an SQLite database: save the table as CSV"),
)
_MARKUP: Final = re.compile(rb"(\xef\xbb\xbf)?\s*<[!?a-z]", re.IGNORECASE)
_OBJECT: Final = re.compile(r"\s*\{")
_OBJECT_IN_TABLE: Final = re.compile(r'\s*\{\s*"')
_ARRAY: Final = re.compile(r"\s*\[\s*[\[{\]]")
# What Excel writes and reads above a header.
_SEPARATOR_LINE: Final = re.compile(r"\ufeff?\"?sep=([^\"\w\s]|\t)\"?[\r\n]", re.IGNORECASE)
# A header in quotes, and what separates its columns.
_QUOTED_HEADER: Final = re.compile(r'[\ufeff\r\n]*"[^"\r\n]*"([;\t|,])')
_CONTROL: Final = re.compile(r"[\0-\x08\x0e-\x19\x1c-\x1f]")  # of no text but its end in DOS
_HEAD_BYTES: Final = 4096
_SOME_BYTES: Final = 32
_UTF_8: Final = "utf-8"
# The handler of bytes that cannot be decoded, in every encoding but UTF-8.
_REPLACING: Final = "aiohubassoc-undecoded"
_BYTE_ORDER_MARKS: Final = (  # the longer ones first: UTF-32's begins as UTF-16's does
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def open_reader(
    source: ByteSource, path: str, layout: Layout, counts: InputCounts
) -> TableReader | JsonlReader:
    """
    Return a reader of the rows of *source*, none of which was read; it is closed with it.

    The ending of its name, *path*, may show the format. *counts* counts rows that are left out.

    Raises:
        InputError: It cannot be read in its format, or has none that is known.
    """
    expected = layout.format or _by_name(path)
    name = source.name
    kind = _by_first_bytes(source.head, name)
    if kind is not None:
        return _binary_reader(source, kind, layout, counts)
    raw = decompressed(source)
    compression = detect_compression(source.head)
    if compression is not None:
        head = raw.peek(1)
        inner = _by_first_bytes(head, name)
        if inner is not None or detect_compression(head) is not None:
            what = "packed once more" if inner is None else _TITLES[inner]
            raise InputError(f"{name} is {what} inside {compression}: unpack it first")
    if expected in _TITLES and not source.head:
        raise InputError(f"{name} is empty: what was to write it may not have ended")
    if expected in _TITLES:
        why = f"--format {expected}" if layout.format else "its name"
        raise InputError(
            f"{name} is not {_TITLES[expected]}, though {why} says so: if it is text, "
            "give --format csv, tsv or jsonl"
        )
    encoding, text, head_text = _open_text(raw, layout.encoding, name)
    if _ARRAY.match(head_text):
        raise InputError(
            f"{name} is one JSON array, but each line must hold an object: jq -c '.[]' writes it so"
        )
    if expected in {CSV, TSV} and _OBJECT_IN_TABLE.match(head_text):
        raise InputError(f"{name} holds JSON, not a table: give --format jsonl")
    kind = expected or (JSONL if _OBJECT.match(head_text) else CSV)
    if kind == JSONL:
        return JsonlReader(text, name=name, encoding=encoding)
    return _csv_reader(text, head_text, name, layout, kind=kind, encoding=encoding)


def _by_name(path: str) -> str | None:
    """Return the format that the name's ending shows, before ``.gz`` or ``.zst``; None if none."""
    name = PurePath(path)
    if name.suffix.lower() in _COMPRESSION_SUFFIXES:
        name = name.with_suffix("")
    return _FORMAT_BY_SUFFIX.get(name.suffix.lower())


def _by_first_bytes(head: bytes, name: str) -> str | None:
    """Return the format of a file that begins with *head*; None if it may be text."""
    for magic, what in _UNSUPPORTED:
        if head.startswith(magic):
            raise InputError(f"{name} {what}")
    if _MARKUP.match(head):
        raise InputError(f"{name} is a web page or XML, not a table: {_SAVE}")
    return next((kind for magic, kind in _MAGIC_BYTES if head.startswith(magic)), None)


def _binary_reader(
    source: ByteSource, kind: str, layout: Layout, counts: InputCounts
) -> TableReader:
    name, title = source.name, _TITLES_BY_CONTENT[kind]
    if layout.format not in {None, kind}:
        raise InputError(f"{name} is {title}: leave out --format {layout.format}")
    if not source.is_regular:
        raise InputError(f"{name} is {title}: save it to a file first, and give its name")
    file = source.whole()
    try:
        if kind == PARQUET:
            return ParquetReader(file, name)
        return ExcelReader(file, name, layout, counts)
    except BaseException:
        file.close()
        raise


def _csv_reader(
    text: io.TextIOWrapper, head: str, name: str, layout: Layout, *, kind: str, encoding: str
) -> CsvReader:
    delimiter = layout.get_delimiter(kind)
    text.reconfigure(newline=_find_line_end(head))
    separator = _SEPARATOR_LINE.match(head)
    if separator is not None:
        text.readline()
        delimiter = layout.delimiter or separator[1]
    quoted = _QUOTED_HEADER.match(head)
    if quoted is not None and delimiter not in {quoted[1], "\t"}:  # in TSV quotes may be text
        raise InputError(f"{name} separates its columns by {OTHER_DELIMITERS[quoted[1]]}")
    return CsvReader(
        text,
        name=name,
        delimiter=delimiter,
        encoding=encoding,
        lines_before=0 if separator is None else 1,
    )


# --- text ---------------------------------------------------------------------------------------


def _replacement(error: UnicodeError) -> tuple[str, int]:
    # Of UTF-8 the bytes themselves are kept, by surrogateescape. Of other encodings they would be
    # garbage in the failures file, which is UTF-8: U+FFFD stands there, here as its three bytes.
    assert isinstance(error, UnicodeDecodeError)  # noqa: S101 -- nothing is encoded with it
    return "\udcef\udcbf\udcbd", error.end


codecs.register_error(_REPLACING, _replacement)


def _open_text(
    raw: io.BufferedReader, encoding: str, name: str
) -> tuple[str, io.TextIOWrapper, str]:
    """Return the encoding of *raw*, *raw* as text, and its beginning, as far as it is there."""
    # Line ends are kept as they are. Bytes that cannot be decoded come as lone surrogates, so that
    # the lines with them can be named: see `character_problem`. In the first line they are refused.
    head = raw.peek(_HEAD_BYTES)[:_HEAD_BYTES]
    encoding, codec, errors = _find_codec(encoding, head, name)
    try:
        text = codecs.getincrementaldecoder(codec)(errors).decode(head)
    except UnicodeError as error:
        other = "utf-16-le or utf-16-be" if codec == "utf-16" else "another one"
        raise InputError(
            f"{name} cannot be read as {encoding}: {error}. Give {other} as --encoding"
        ) from None
    _refuse_other_than_text(head, text, encoding, name)
    return encoding, io.TextIOWrapper(raw, codec, errors=errors, newline=""), text


def _find_line_end(head: str) -> str:
    """Return what ends lines, others being characters of a cell; "" if *head* does not show it."""
    # Windows makes \r\r\n of the \r\n that a program writes.
    found = re.search("\r+\n|\r|\n", re.sub('"[^"]*"', "", head.lstrip("\r\n")))
    return "" if found is None else found[0][-1]


def _find_codec(encoding: str, head: bytes, name: str) -> tuple[str, str, str]:
    """Return the encoding, Python's decoder for it, and the handler of what it cannot decode."""
    codec = codecs.lookup(encoding).name
    mark = next((found for mark, found in _BYTE_ORDER_MARKS if head.startswith(mark)), None)
    if mark is not None and not codec.startswith(mark):
        wrong = "" if codec == _UTF_8 else f", not {encoding}"
        raise InputError(f"{name} is {mark.upper()}{wrong}: give --encoding {mark}")
    if codec.startswith(_UTF_8):
        return "utf-8-sig" if mark else encoding, "utf-8-sig", "surrogateescape"
    # Without the mark's own encoding, utf-16-le would take it for a letter.
    return mark or encoding, mark or codec, _REPLACING


def _no_text(name: str) -> InputError:
    return InputError(
        f"{name} is a binary file, not a table or JSON: save it as CSV, or unpack it first"
    )


def _refuse_other_than_text(head: bytes, text: str, encoding: str, name: str) -> None:
    blank = len(text) - len(text.lstrip("\r\n"))
    first_line = re.split("[\r\n]", text[blank:], maxsplit=1)[0]
    if "\0" in first_line:
        some = head[:_SOME_BYTES]
        for start, found in ((0, "utf-16-be"), (1, "utf-16-le")):
            # Every second byte of Latin letters in UTF-16 is 0, and none of the others.
            if len(some) > 1 and not any(some[start::2]) and all(some[1 - start :: 2]):
                raise InputError(f"{name} is UTF-16: give --encoding {found}")
        raise _no_text(name)
    if UNDECODED.search(first_line):
        if _CONTROL.search(text):
            raise _no_text(name)
        line = len(text[:blank].splitlines()) + 1
        raise InputError(
            f"{name} is not text in {encoding_title(encoding)}, line {line}: "
            f"{encoding_advice(encoding)}"
        )
