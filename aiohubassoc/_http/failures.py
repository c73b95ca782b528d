"""What the exceptions of aiohttp and of the system mean: the error of a call without a response."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import aiohttp
import attrs
from aiohttp.http_exceptions import ContentEncodingError

from aiohubassoc._protocol.bounds import NO_SECRETS, Redaction, short
from aiohubassoc.errors import (
    ConnectError,
    ConnectionLostError,
    InvalidResponseError,
    ResponseTimeoutError,
    TransportError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

# The longest message of aiohttp that is kept, in characters: it may quote what a server sent.
_MOST_CHARACTERS: Final = 500


@attrs.frozen
class NoResponse:
    """No valid response came."""

    error: TransportError
    passing: bool = True  # Whether a retry may help. False: every other call would fail too.
    is_too_large: bool = False  # whether the response was too large to be read
    # Whether the cause is that the connection was used before: it had been closed meanwhile, or had
    # received bytes that belong to no request.
    was_reuse: bool = False


# What an exception of aiohttp means, and whether a retry may help. The nearest base class counts.
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


def find_meaning(cls: type[BaseException]) -> tuple[type[TransportError], bool] | None:
    """Return what an exception of type *cls* means; None if it is not about the network."""
    return next((FAILURES[base] for base in cls.__mro__ if base in FAILURES), None)


def to_no_response(error: BaseException, redaction: Redaction = NO_SECRETS) -> NoResponse:
    """Return what *error* means. Raise it if neither aiohttp nor the system raised it."""
    found = find_meaning(type(error))
    if found is None:
        raise error
    made, passing = found
    cause = error.__cause__
    if isinstance(cause, ContentEncodingError):  # the body is complete, but cannot be decompressed
        made = InvalidResponseError
        text = f"the response cannot be read: {cause.message}, though none was asked for"
    elif isinstance(error, aiohttp.ClientResponseError):
        text = f"the response cannot be read: {error.message or 'it is not HTTP'}"
    else:
        text = f"{type(error).__name__}: {str(error) or 'no details'}"
    text = " ".join(redaction.in_text(text).split())
    return NoResponse(made(short(text, _MOST_CHARACTERS)), passing)
