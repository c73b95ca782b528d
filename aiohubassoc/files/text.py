"""Lines of text: bounded in length, and named where bytes could not be decoded."""

from __future__ import annotations

import codecs
import re
from functools import partial
from typing import IO, TYPE_CHECKING, Final

from aiohubassoc.errors import InputError
from aiohubassoc.files.limits import ROW_CHARS

if TYPE_CHECKING:
    from collections.abc import Iterator

# A byte that could not be decoded stands in the text as one of these.
UNDECODED: Final = re.compile("[\udc80-\udcff]")
# The handler of bytes that cannot be decoded, in every encoding but UTF-8.
REPLACING: Final = "aiohubassoc-undecoded"


def _replacement(error: UnicodeError) -> tuple[str, int]:
    # Of UTF-8 the bytes themselves are kept, by surrogateescape. Of other encodings they would be
    # garbage in the failures file, which is UTF-8: U+FFFD stands there, here as its three bytes.
    assert isinstance(error, UnicodeDecodeError)  # noqa: S101 -- nothing is encoded with it
    return "\udcef\udcbf\udcbd", error.end


codecs.register_error(REPLACING, _replacement)


def bounded_lines(file: IO[str], name: str) -> Iterator[str]:
    """Yield each line with its end; raise an InputError at one longer than any row can be."""
    for number, line in enumerate(iter(partial(file.readline, ROW_CHARS), ""), 1):
        if len(line) == ROW_CHARS and line[-1] not in "\r\n":
            raise InputError(
                f"{name}, line {number} has more than {ROW_CHARS >> 20} MiB and is not read: "
                "is this a table?"
            )
        yield line


def character_problem(text: str, encoding: str) -> str | None:
    """Return why a row of this text is rejected: a byte that cannot be decoded, or a NUL."""
    if "\0" in text:
        return "holds a NUL character"
    if not text.isascii() and UNDECODED.search(text):
        return f"is not {title(encoding)}: {advice(encoding)}"
    return None


def title(encoding: str) -> str:
    """Return the encoding's name in messages."""
    return encoding.upper() if encoding.lower().startswith("utf") else encoding


def advice(encoding: str) -> str:
    """Return what to do about a file that is not in *encoding*."""
    is_unicode = codecs.lookup(encoding).name.startswith("utf")
    other = "give --encoding cp1252" if is_unicode else "give another --encoding"
    return f"save the file as UTF-8, or {other}"
