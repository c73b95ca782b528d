"""Opening a file of text, or saying why it is none."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from aiohubassoc.errors import InputError

if TYPE_CHECKING:
    from io import BufferedReader

STDIN: Final = "-"
_HEAD_BYTES: Final = 4096
_SAVE_AS_CSV: Final = "save it as CSV in UTF-8"
# How files begin that people hand over in place of CSV, and what to tell them.
_MAGIC: Final = (
    (b"\xff\xfe", f"is UTF-16: {_SAVE_AS_CSV}"),
    (b"\xfe\xff", f"is UTF-16: {_SAVE_AS_CSV}"),
    (b"PK\x03\x04", f"is a zip archive, perhaps an Excel workbook: {_SAVE_AS_CSV}"),
    (b"\xd0\xcf\x11\xe0", f"is an old Excel workbook: {_SAVE_AS_CSV}"),
    (b"\x1f\x8b", "is compressed with gzip: unpack it first"),
    (b"\x28\xb5\x2f\xfd", "is compressed with zstd: unpack it first"),
    (b"PAR1", f"is a Parquet file: {_SAVE_AS_CSV}"),
    (b"%PDF", "is a PDF"),
)


def open_text(path: str) -> IO[str]:
    """
    Open *path*, or standard input for ``-``, as text in UTF-8, with or without a byte order mark.

    Line ends are kept as they are, and bytes that are not UTF-8 come as lone surrogates, so that
    the lines they stand in can be named.

    Raises:
        InputError: it cannot be opened, is empty or is not text.
    """
    # A file object of its own for standard input: a thread may be reading it at the very end.
    source: str | int = path
    if path == STDIN:
        try:
            source = os.dup(sys.stdin.fileno())
        except (AttributeError, OSError):  # None, or not a file of the system
            raise InputError("standard input is closed") from None
    elif Path(path).is_dir():
        raise InputError(f"{path} is a directory, not a file")
    try:
        raw = open(source, "rb")  # noqa: SIM115, PTH123 -- handed on, and it may be a descriptor
    except OSError as error:
        raise InputError(f"cannot open {path}: {error.strerror}") from None
    try:
        _refuse_what_is_no_text(raw, name_of(path))
    except BaseException:
        raw.close()
        raise
    return io.TextIOWrapper(raw, "utf-8-sig", errors="surrogateescape", newline="")


def name_of(path: str) -> str:
    """Return how messages call the file."""
    return "standard input" if path == STDIN else path


def _refuse_what_is_no_text(raw: BufferedReader, name: str) -> None:
    try:
        head = raw.peek(_HEAD_BYTES)[:_HEAD_BYTES]
    except OSError as error:
        raise InputError(f"cannot read {name}: {error.strerror}") from None
    if not head:
        raise InputError(f"{name} is empty: its first line must name the columns")
    for magic, told in _MAGIC:
        if head.startswith(magic):
            raise InputError(f"{name} {told}")
    first_line = head.partition(b"\n")[0]
    if b"\0" in first_line:
        raise InputError(f"{name} is a binary file, not CSV")
    try:
        # A character may be cut off at the end of what was looked at.
        first_line.decode("utf-8") if len(first_line) < len(head) else head[:-3].decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{name} is not text in UTF-8: {_SAVE_AS_CSV}") from None
