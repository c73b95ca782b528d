"""What the exceptions of aiohttp and of the system mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import aiohttp
import attrs
from aiohttp.http_exceptions import ContentEncodingError

from aiohubassoc._protocol.bounds import short
from aiohubassoc._protocol.redaction import NO_SECRETS, Redaction
from aiohubassoc.errors import (
    ConnectError,
    ConnectionLostError,
    InvalidResponseError,
    ResponseTimeoutError,
    TransportError,
)

# Characters of a message that aiohttp made, with what it read in it.
_MOST_TOLD: Final = 500

if TYPE_CHECKING:
    from collections.abc import Mapping


@attrs.frozen
class NoResponse:
    """
    No usable answer came.

    Attributes:
        error: Why.
        passing: Whether it may pass; False where no other call would fare better.
        is_too_large: Whether the answer was larger than is read.
        was_reuse: Whether the connection is to blame, as it was used before: it had ended
            meanwhile, or had received something that nobody asked for.
    """

    error: TransportError
    passing: bool = True
    is_too_large: bool = False
    was_reuse: bool = False


# Every exception of aiohttp, by its nearest ancestor here: what it means, and whether it may pass.
FAILURES: Final[Mapping[type[BaseException], tuple[type[TransportError], bool]]] = {
    aiohttp.ClientConnectorCertificateError: (ConnectError, False),
    aiohttp.ServerFingerprintMismatch: (ConnectError, False),
    aiohttp.InvalidURL: (ConnectError, False),
    aiohttp.NonHttpUrlClientError: (ConnectError, False),
    aiohttp.ClientConnectorError: (ConnectError, True),
    aiohttp.ClientHttpProxyError: (ConnectError, True),
    aiohttp.ConnectionTimeoutError: (ConnectError, True),
    aiohttp.ServerTimeoutError: (ResponseTimeoutError, True),
    TimeoutError: (ResponseTimeoutError, True),
    aiohttp.ClientResponseError: (InvalidResponseError, True),
    aiohttp.ClientError: (ConnectionLostError, True),
    OSError: (ConnectionLostError, True),
}


def meaning(cls: type[BaseException]) -> tuple[type[TransportError], bool] | None:
    """Return what an exception of type *cls* means; None if it is not about the network."""
    return next((FAILURES[base] for base in cls.__mro__ if base in FAILURES), None)


def unanswered(error: BaseException, redaction: Redaction = NO_SECRETS) -> NoResponse:
    """Return what *error*, raised by aiohttp or the system, means; raise it if it is neither's."""
    found = meaning(type(error))
    if found is None:
        raise error
    made, passing = found
    cause = error.__cause__
    if isinstance(cause, ContentEncodingError):  # the body is whole, and nobody can read it
        made = InvalidResponseError
        told = f"the response cannot be read: {cause.message}, though none was asked for"
    elif isinstance(error, aiohttp.ClientResponseError):
        told = f"the response cannot be read: {error.message or 'it is not HTTP'}"
    else:
        told = f"{type(error).__name__}: {str(error) or 'no details'}"
    told = " ".join(redaction.in_text(told).split())
    return NoResponse(made(short(told, _MOST_TOLD)), passing)
