"""Opening a file, or saying why it cannot be opened."""

from __future__ import annotations

import io
import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiohubassoc.errors import InputError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

STDIN: Final = "-"
_HEAD_BYTES: Final = 4096
_ENOUGH_BYTES: Final = 4  # every format is told apart by so many


def display_name(path: str) -> str:
    """Return how messages call the file."""
    return "standard input" if path == STDIN else path


def file_identity(path: str) -> object:
    """Return the same for two names of one file; the path itself where there is no file."""
    try:
        status = os.fstat(sys.stdin.fileno()) if path == STDIN else Path(path).stat()
    except (AttributeError, OSError, ValueError):
        return path
    return status.st_dev, status.st_ino


def open_source(path: str) -> ByteSource:
    """
    Open a file, a pipe or a device, or standard input for ``-``.

    Raises:
        InputError: it cannot be opened or read.
    """
    name = display_name(path)
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
        # Handed on, and it may be a descriptor.
        file = open(source, "rb", buffering=0)  # noqa: SIM115, PTH123
    except (OSError, ValueError) as error:  # a name with a NUL is a ValueError
        raise InputError(f"cannot open {path}: {_reason(error)}") from None
    try:
        return ByteSource(file, name, is_stdin=path == STDIN)
    except OSError as error:
        file.close()
        raise InputError(f"cannot read {name}: {_reason(error)}") from None
    except BaseException:
        file.close()
        raise


class ByteSource(io.RawIOBase):
    """
    The bytes of an input from the first one on, though its head was looked at.

    Args:
        file: The file at its beginning; closed with this.
        name: How messages call it.
        is_stdin: Whether it is standard input, whatever that is connected to.

    Attributes:
        head: The first bytes, at least four if there are so many.
        is_regular: Whether it is a plain file: it can be opened again, and nobody waits for it.
        size_bytes: The length of a plain file; None for others.
        taken_bytes: So many bytes were read.

    Raises:
        OSError: it cannot be read.
    """

    def __init__(self, file: io.FileIO, name: str, *, is_stdin: bool = False) -> None:
        self._file = file
        super().__init__()
        self.name = name
        status = os.fstat(file.fileno())
        self.is_regular = stat.S_ISREG(status.st_mode) and not is_stdin
        self.size_bytes = status.st_size if self.is_regular else None
        self.taken_bytes = 0
        self.head = self._read_head()
        self._again = memoryview(self.head)

    def _read_head(self) -> bytes:
        # A pipe gives what is there: one byte, perhaps, and waiting for more than needed would
        # keep the first rows of a slow writer.
        head = b""
        while len(head) < _ENOUGH_BYTES and (more := self._file.read(_HEAD_BYTES)):
            head += more
        return head

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        """Fill *buffer* with what is there, the head first; return its length, 0 at the end."""
        if not self._again:
            count = self._file.readinto(buffer)
            self.taken_bytes += count or 0
            return count
        room = memoryview(buffer)
        count = min(len(room), len(self._again))
        room[:count] = self._again[:count]
        self._again = self._again[count:]
        self.taken_bytes += count
        return count

    def whole(self) -> io.BufferedReader:
        """Return a plain file itself, for formats that jump about in it, and close this source."""
        file = os.fdopen(os.dup(self._file.fileno()), "rb")
        file.seek(0)
        self.close()
        return file

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            self._file.close()
        super().close()


def _reason(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)
