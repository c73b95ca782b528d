"""The bytes of an input: opened, decompressed, and what identifies them."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import shlex
import stat
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from aiohubassoc.errors import InputError, install_command
from aiohubassoc.files.limits import TEXT_RATIO, most_bytes, most_rows

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

STDIN: Final = "-"
_URL: Final = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_HEAD_BYTES: Final = 4096
_ENOUGH_BYTES: Final = 4  # they show every format
_BUFFER_BYTES: Final = 1 << 16
_GZIP: Final = b"\x1f\x8b"
# Some writers, such as pzstd, put a frame before the data that holds none.
_ZSTD: Final = (b"\x28\xb5\x2f\xfd", *(bytes([0x50 + n, 0x2A, 0x4D, 0x18]) for n in range(16)))
_END_BYTES: Final = 1 << 20
_DIGEST_BYTES: Final = 16
# Lines are counted in the first bytes of a file, for tenths of a second.
_COUNTED_BYTES: Final = 256 << 20
_COUNTED_UNPACKED_BYTES: Final = 32 << 20


def display_name(path: str) -> str:
    """Return the file's name in messages."""
    return "standard input" if path == STDIN else path


def file_identity(path: str) -> object:
    """Return the same for two names of one file; the path itself where there is no file."""
    try:
        status = os.fstat(sys.stdin.fileno()) if path == STDIN else Path(path).stat()
    except (AttributeError, OSError, ValueError):
        return path
    return status.st_dev, status.st_ino


def open_source(path: str) -> ByteSource:
    """Open a file, pipe or device, or standard input for ``-``; InputError: it cannot be."""
    name = display_name(path)
    # A separate file object for standard input: a thread may be reading it at the very end.
    source: str | int = path
    if path == STDIN:
        try:
            source = os.dup(sys.stdin.fileno())
        except (AttributeError, OSError):  # None, or not a file of the system
            raise InputError("standard input is closed") from None
    elif Path(path).is_dir():
        is_run = (Path(path) / "journal.db").is_file()
        step = f": to continue its run, aiohubassoc resume {shlex.quote(path)}" if is_run else ""
        raise InputError(f"{path} is a directory, not a file{step}")
    try:
        # Handed on, and it may be a descriptor.
        file = open(source, "rb", buffering=0)  # noqa: SIM115, PTH123
    except (OSError, ValueError) as error:  # a name with a NUL is a ValueError
        step = ""
        if _URL.match(path):
            step = ". A URL is not read: save it to a file, or pipe it into aiohubassoc link -"
        raise InputError(f"cannot open {path}: {_reason(error)}{step}") from None
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
    The bytes of an input from the first one on, also after a look at its head.

    *is_stdin*: whether *file*, which is closed with it, is standard input, even if connected to a
    file.
    """

    def __init__(self, file: io.FileIO, name: str, *, is_stdin: bool = False) -> None:
        self._file = file
        super().__init__()
        self.name = name
        status = os.fstat(file.fileno())
        # Whether it is a plain file: it can be opened again, and reading never waits.
        self.is_regular = stat.S_ISREG(status.st_mode) and not is_stdin
        # The length of a plain file; None for others.
        self.size_bytes = status.st_size if self.is_regular else None
        self.taken_bytes = 0  # how many bytes were read
        self.head = self._read_head()  # the first bytes, at least four if the file has four
        self._again = memoryview(self.head)

    def _read_head(self) -> bytes:
        # A pipe gives what is there: one byte, perhaps, and waiting for more than needed would
        # keep the first rows of a slow writer.
        head = b""
        while len(head) < _ENOUGH_BYTES and (more := self._file.read(_HEAD_BYTES)):
            head += more
        return head

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        """Fill *buffer* with what is there, the head first; return its length, 0 at the end."""
        if self._again:
            room = memoryview(buffer)
            count: int | None = min(len(room), len(self._again))
            room[:count] = self._again[:count]
            self._again = self._again[count:]
        else:
            count = self._file.readinto(buffer)
        self.taken_bytes += count or 0
        return count

    def whole(self) -> io.BufferedReader:
        """Return a plain file itself, for formats that seek in it, and close this source."""
        file = os.fdopen(os.dup(self._file.fileno()), "rb")
        file.seek(0)
        self.close()
        return file

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def _reason(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)


# --- compression --------------------------------------------------------------------------------


def detect_compression(head: bytes) -> str | None:
    """Return ``"gzip"`` or ``"zstd"`` by a file's first bytes; None if it is neither."""
    if head.startswith(_GZIP):
        return "gzip"
    return "zstd" if head.startswith(_ZSTD) else None


def decompressed(source: ByteSource) -> io.BufferedReader:
    """
    Return the bytes of *source*, decompressed if they are gzip or zstd; closing it closes that.

    Here, a missing library for zstd is an InputError; while reading, data that is damaged, cut off,
    or unpacks to far more than a table of its size.
    """
    compression = detect_compression(source.head)
    raw: io.RawIOBase = source
    if compression == "gzip":
        packed = gzip.GzipFile(fileobj=source, mode="rb")
        raw = _Decompressed(packed, source, (EOFError, zlib.error, gzip.BadGzipFile))
    elif compression == "zstd":
        raw = _from_zstd(source)
    return io.BufferedReader(raw, _BUFFER_BYTES)


class _Packed(Protocol):
    def read1(self, size: int, /) -> bytes: ...

    def close(self) -> None: ...


class _Decompressed(io.RawIOBase):
    """What comes out of *packed*, which reads *source* and raises *broken* at its damage."""

    def __init__(
        self, packed: _Packed, source: ByteSource, broken: tuple[type[Exception], ...]
    ) -> None:
        super().__init__()
        self._packed = packed
        self._source = source
        self._broken = broken
        self._bytes = self._lines = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        room = memoryview(buffer)
        name, size_bytes = self._source.name, self._source.taken_bytes
        try:
            # What one step gives, and no more: what came before the damage is still handed on.
            data = self._packed.read1(len(room))
        except EOFError:
            raise InputError(
                f"{name} is cut off: its packed data ends in the middle. Copy or make it again"
            ) from None
        except self._broken as error:
            raise InputError(
                f"{name} is damaged and cannot be decompressed further: {error}"
            ) from None
        self._bytes += len(data)
        self._lines += data.count(b"\n")
        if self._bytes > most_bytes(size_bytes, TEXT_RATIO) or self._lines > most_rows(size_bytes):
            raise InputError(
                f"{name} unpacks to far more than a table of its size: unpack it first, if you "
                "know what is in it"
            )
        room[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._packed.close()
            self._source.close()
        super().close()


def _from_zstd(source: ByteSource) -> _Decompressed:
    try:
        # Imported when such a file is opened: nothing else needs the library.
        if sys.version_info >= (3, 14):
            from compression import zstd  # noqa: PLC0415
        else:
            from backports import zstd  # noqa: PLC0415
    except ImportError:
        raise InputError(
            f"{source.name} is compressed with zstd, which needs a library: "
            f"{install_command('zstd')}"
        ) from None
    return _Decompressed(zstd.ZstdFile(source, "rb"), source, (EOFError, zstd.ZstdError))


# --- what identifies a file, and its length -----------------------------------------------------


def digest_of_file(path: str) -> tuple[int | None, str]:
    """
    Return the length in bytes of a plain file and a digest of its first and last MiB as they are.

    A file that cannot be read is an InputError.
    """
    source = open_source(path)
    with source.whole() as file:
        try:
            digest = hashlib.blake2b(file.read(_END_BYTES), digest_size=_DIGEST_BYTES)
            file.seek(max(_END_BYTES, (source.size_bytes or 0) - _END_BYTES))
            digest.update(file.read(_END_BYTES))
        except OSError as error:
            raise InputError(f"cannot read {source.name}: {error.strerror}") from None
    return source.size_bytes, digest.hexdigest()


def digest_of_text(text: str) -> str:
    data = text.encode(errors="surrogatepass")
    return hashlib.blake2b(data, digest_size=_DIGEST_BYTES).hexdigest()


def estimate_lines(path: str) -> int | None:
    """
    Return about how many lines a plain file has, quickly; None if it is no plain file or damaged.

    Of a large file the rest is taken to be like the first bytes.
    """
    try:
        source = open_source(path)
    except InputError:
        return None
    with source:
        if source.size_bytes is None:
            return None
        is_packed = detect_compression(source.head) is not None
        most = _COUNTED_UNPACKED_BYTES if is_packed else _COUNTED_BYTES
        lines = counted = 0
        ends = rest = b""
        try:
            with decompressed(source) as file:
                while block := file.read(1 << 20):
                    ends = ends or (b"\n" if b"\n" in block else b"\r")  # of old Macs
                    lines += block.count(ends)
                    counted += len(block)
                    rest = block[-2:].strip(b"\0")[-1:]  # of UTF-16
                    if counted >= most:
                        return round(lines * source.size_bytes / source.taken_bytes)
        except (InputError, OSError):
            return None
        return lines + (rest != ends)  # the last one may lack its end
