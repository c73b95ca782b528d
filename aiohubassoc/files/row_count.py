"""How many rows a file of text has, roughly and quickly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohubassoc.errors import InputError
from aiohubassoc.files.byte_source import open_source
from aiohubassoc.files.compression import decompressed, detect_compression

if TYPE_CHECKING:
    from aiohubassoc.files.byte_source import ByteSource

_BLOCK_BYTES: Final = 1 << 20
# So much is counted, in tenths of a second; of larger files the rest is taken to be like it.
_COUNTED_BYTES: Final = 256 << 20
_COUNTED_UNPACKED_BYTES: Final = 32 << 20


def estimate_lines(path: str) -> int | None:
    """Return about how many lines a plain file has; None if it is none, or is gone or damaged."""
    try:
        source = open_source(path)
    except InputError:
        return None
    with source:
        if source.size_bytes is None:
            return None
        is_packed = detect_compression(source.head) is not None
        most = _COUNTED_UNPACKED_BYTES if is_packed else _COUNTED_BYTES
        try:
            lines, is_whole = _count(source, most)
        except (InputError, OSError):
            return None
        if is_whole or not source.taken_bytes:
            return lines
        return round(lines * source.size_bytes / source.taken_bytes)


def _count(source: ByteSource, most: int) -> tuple[int, bool]:
    """Return the line ends in the first bytes, and whether these were all."""
    lines = counted = 0
    ends = b""
    with decompressed(source) as file:
        while block := file.read(_BLOCK_BYTES):
            ends = ends or (b"\n" if b"\n" in block else b"\r")  # of old Macs
            lines += block.count(ends)
            counted += len(block)
            if counted >= most:
                return lines, False
    return lines, True
