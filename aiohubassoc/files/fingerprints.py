"""Whether an input is the one that an earlier run had, without reading all of it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from aiohubassoc.errors import InputError
from aiohubassoc.files.byte_source import open_source

if TYPE_CHECKING:
    from typing import BinaryIO

_END_BYTES: Final = 1 << 20
_DIGEST_BYTES: Final = 16


def digest_of_file(path: str) -> tuple[int | None, str]:
    """
    Return the length in bytes of a plain file and a digest of its first and last MiB as they are.

    Raises:
        InputError: it cannot be opened or read.
    """
    source = open_source(path)
    with source.whole() as file:
        try:
            return source.size_bytes, _digest_of_ends(file, source.size_bytes or 0)
        except OSError as error:
            raise InputError(f"cannot read {source.name}: {error.strerror}") from None


def digest_of_text(text: str) -> str:
    """Return a digest of *text*."""
    data = text.encode(errors="surrogatepass")
    return hashlib.blake2b(data, digest_size=_DIGEST_BYTES).hexdigest()


def _digest_of_ends(file: BinaryIO, size_bytes: int) -> str:
    digest = hashlib.blake2b(file.read(_END_BYTES), digest_size=_DIGEST_BYTES)
    file.seek(max(_END_BYTES, size_bytes - _END_BYTES))
    digest.update(file.read(_END_BYTES))
    return digest.hexdigest()
