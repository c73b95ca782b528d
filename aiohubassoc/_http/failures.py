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

# Characters of a message that aiohttp made, with what it read in it.
_MOST_CHARACTERS: Final = 500


@attrs.frozen
class NoResponse:
    """
    No valid response came.

    Attributes:
        error: Why.
        passing: Whether it may pass; False where no other call would fare better.
        is_too_large: Whether the response was larger than is read.
        was_reuse: Whether the cause is the connection, as it was used before: it had ended
            meanwhile, or had received what no request asked for.
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


def find_meaning(cls: type[BaseException]) -> tuple[type[TransportError], bool] | None:
    """Return what an exception of type *cls* means; None if it is not about the network."""
    return next((FAILURES[base] for base in cls.__mro__ if base in FAILURES), None)


def to_no_response(error: BaseException, redaction: Redaction = NO_SECRETS) -> NoResponse:
    """Return what *error*, raised by aiohttp or the system, means; raise it if it is neither's."""
    found = find_meaning(type(error))
    if found is None:
        raise error
    made, passing = found
    cause = error.__cause__
    if isinstance(cause, ContentEncodingError):  # the body is whole, but cannot be read
        made = InvalidResponseError
        text = f"the response cannot be read: {cause.message}, though none was asked for"
    elif isinstance(error, aiohttp.ClientResponseError):
        text = f"the response cannot be read: {error.message or 'it is not HTTP'}"
    else:
        text = f"{type(error).__name__}: {str(error) or 'no details'}"
    text = " ".join(redaction.in_text(text).split())
    return NoResponse(made(short(text, _MOST_CHARACTERS)), passing)
