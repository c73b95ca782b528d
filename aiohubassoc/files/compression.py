"""What gzip and zstd packed, decompressed while it is read."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from typing import TYPE_CHECKING, Final, Protocol

from aiohubassoc.errors import InputError
from aiohubassoc.files.limits import TEXT_RATIO, most_bytes, most_rows

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from aiohubassoc.files.byte_source import ByteSource

_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
# Some writers, such as pzstd, put a frame before the data that holds none.
_ZSTD_SKIPPED: Final = tuple(bytes([0x50 + n, 0x2A, 0x4D, 0x18]) for n in range(16))
_BUFFER_BYTES: Final = 1 << 16


def detect_compression(head: bytes) -> str | None:
    """Return ``"gzip"`` or ``"zstd"`` by a file's first bytes; None if it is neither."""
    if head.startswith(_GZIP):
        return "gzip"
    return "zstd" if head.startswith((_ZSTD, *_ZSTD_SKIPPED)) else None


def decompressed(source: ByteSource) -> io.BufferedReader:
    """
    Return the bytes of *source*, taken out of gzip or zstd where they are packed.

    Closing it closes the source. Reading raises an InputError where packed data is damaged or cut
    off, or unpacks to far more than a table of its size.

    Raises:
        InputError: the library for zstd is not installed.
    """
    packing = detect_compression(source.head)
    if packing == "gzip":
        broken: tuple[type[Exception], ...] = (EOFError, zlib.error, gzip.BadGzipFile)
        return io.BufferedReader(
            _Unpacked(gzip.GzipFile(fileobj=source, mode="rb"), source, broken), _BUFFER_BYTES
        )
    if packing == "zstd":
        return io.BufferedReader(_from_zstd(source), _BUFFER_BYTES)
    return io.BufferedReader(source, _BUFFER_BYTES)


class _Packed(Protocol):
    def read1(self, size: int, /) -> bytes: ...

    def close(self) -> None: ...


class _Unpacked(io.RawIOBase):
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
        try:
            # What one step gives, and no more: what came before the damage is still handed on.
            data = self._packed.read1(len(room))
        except EOFError:
            raise InputError(
                f"{self._source.name} is cut off: its packed data ends in the middle. "
                "Copy or make it again"
            ) from None
        except self._broken as error:
            raise InputError(
                f"{self._source.name} is damaged and cannot be decompressed further: {error}"
            ) from None
        self._refuse_bomb(data)
        room[: len(data)] = data
        return len(data)

    def _refuse_bomb(self, data: bytes) -> None:
        self._bytes += len(data)
        self._lines += data.count(b"\n")
        size_bytes = self._source.taken_bytes
        if self._bytes > most_bytes(size_bytes, TEXT_RATIO) or self._lines > most_rows(size_bytes):
            raise InputError(
                f"{self._source.name} unpacks to far more than a table of its size: unpack it "
                "first, if you know what is in it"
            )

    def close(self) -> None:
        if not self.closed:
            self._packed.close()
            self._source.close()
        super().close()


def _from_zstd(source: ByteSource) -> _Unpacked:
    try:
        # Imported when such a file is opened: nobody else needs the library.
        if sys.version_info >= (3, 14):
            from compression import zstd  # noqa: PLC0415
        else:
            from backports import zstd  # noqa: PLC0415
    except ImportError:
        raise InputError(
            f"{source.name} is compressed with zstd, which needs a library: "
            "pip install 'aiohubassoc[zstd]'"
        ) from None
    return _Unpacked(zstd.ZstdFile(source, "rb"), source, (EOFError, zstd.ZstdError))
