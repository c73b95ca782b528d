"""Bytes as text; what cannot be decoded marks its line and takes no other with it."""

from __future__ import annotations

import codecs
import io
import re
from functools import partial
from typing import IO, TYPE_CHECKING, Final

from aiohubassoc.errors import InputError
from aiohubassoc.files.limits import ROW_CHARS

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAD_BYTES: Final = 4096
_SOME_BYTES: Final = 32
# A byte that could not be decoded stands in the text as one of these.
_UNDECODED = re.compile("[\udc80-\udcff]")
_BYTE_ORDER_MARKS: Final = (  # the longer ones first: UTF-32's begins as UTF-16's does
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_UTF_8: Final = "utf-8"
_ERRORS: Final = "aiohubassoc-undecoded"


def _undecoded(error: UnicodeError) -> tuple[str, int]:
    # Of UTF-8 the bytes themselves are kept, by surrogateescape. Of other encodings they would be
    # garbage in the failures file, which is UTF-8: U+FFFD stands there, here as its three bytes.
    assert isinstance(error, UnicodeDecodeError)  # noqa: S101 -- nothing is encoded with it
    return "\udcef\udcbf\udcbd", error.end


codecs.register_error(_ERRORS, _undecoded)


def text_of(raw: io.BufferedReader, encoding: str, name: str) -> tuple[io.TextIOWrapper, str]:
    """
    Return *raw* as text, and as much of its beginning as can be had without waiting.

    Line ends are kept as they are. Bytes that cannot be decoded come as lone surrogates, so that
    the lines they stand in can be named: see `character_problem`.

    Args:
        raw: Bytes of which none were read.
        encoding: A text encoding; a byte order mark is no part of the text.
        name: How messages call the file.

    Raises:
        InputError: it is not in *encoding* or no text, as far as its first line shows.
    """
    head = raw.peek(_HEAD_BYTES)[:_HEAD_BYTES]
    codec, errors = _codec_of(encoding, head, name)
    try:
        text = codecs.getincrementaldecoder(codec)(errors).decode(head)
    except UnicodeError as error:
        raise InputError(
            f"{name} cannot be read as {encoding}: {error}. Give another --encoding"
        ) from None
    _refuse_what_is_no_text(head, text, encoding, name)
    return io.TextIOWrapper(raw, codec, errors=errors, newline=""), text


def bounded_lines(file: IO[str], name: str) -> Iterator[str]:
    """
    Yield each line with its end.

    Args:
        file: The text.
        name: How messages call it.

    Raises:
        InputError: A line is longer than any row can be: it is not read to its end.
    """
    for number, line in enumerate(iter(partial(file.readline, ROW_CHARS), ""), 1):
        if len(line) == ROW_CHARS and line[-1] not in "\r\n":
            raise InputError(
                f"{name}, line {number} has more than {ROW_CHARS >> 20} MiB and is not read: "
                "is this a table?"
            )
        yield line


def line_end_of(head: str) -> str:
    """
    Return what ends the lines of a text that begins with *head*; "" if it does not show.

    Other line ends are characters of a cell then.
    """
    found = re.search("\r\n?|\n", re.sub('"[^"]*"', "", head.lstrip("\r\n")))
    return "" if found is None else found[0][-1]


def character_problem(text: str, encoding: str) -> str | None:
    """Return why a row of this text cannot be used: what could not be decoded, or a NUL."""
    if "\0" in text:
        return "holds a NUL character"
    if not text.isascii() and _UNDECODED.search(text):
        return f"is not {_title(encoding)}: {_advice(encoding)}"
    return None


def _codec_of(encoding: str, head: bytes, name: str) -> tuple[str, str]:
    """Return Python's name for the encoding and how it treats what it cannot decode."""
    codec = codecs.lookup(encoding).name
    mark = next((told for mark, told in _BYTE_ORDER_MARKS if head.startswith(mark)), None)
    if mark is not None and not codec.startswith(mark):
        wrong = "" if codec == _UTF_8 else f", not {encoding}"
        raise InputError(f"{name} is {mark.upper()}{wrong}: give --encoding {mark}")
    if codec.startswith(_UTF_8):
        return "utf-8-sig", "surrogateescape"
    return mark or codec, _ERRORS  # with a mark, utf-16-le would take it for a letter


def _refuse_what_is_no_text(head: bytes, text: str, encoding: str, name: str) -> None:
    blank = len(text) - len(text.lstrip("\r\n"))
    first_line = re.split("[\r\n]", text[blank:], maxsplit=1)[0]
    if "\0" in first_line:
        some = head[:_SOME_BYTES]
        for start, told in ((0, "utf-16-be"), (1, "utf-16-le")):
            # Every second byte of Latin letters in UTF-16 is 0, and none of the others.
            if len(some) > 1 and not any(some[start::2]) and all(some[1 - start :: 2]):
                raise InputError(f"{name} is UTF-16: give --encoding {told}")
        raise InputError(f"{name} is a binary file, not a table or JSON")
    if _UNDECODED.search(first_line):
        line = len(text[:blank].splitlines()) + 1
        raise InputError(
            f"{name} is not text in {_title(encoding)}, line {line}: {_advice(encoding)}"
        )


def _title(encoding: str) -> str:
    return encoding.upper() if encoding.lower().startswith("utf") else encoding


def _advice(encoding: str) -> str:
    is_unicode = codecs.lookup(encoding).name.startswith("utf")
    other = "give --encoding cp1252" if is_unicode else "give another --encoding"
    return f"save the file as UTF-8, or {other}"
