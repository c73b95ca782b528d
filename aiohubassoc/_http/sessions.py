"""
The sessions that requests go through, our own or a lent one, and what their exceptions mean.

Through either a request is sent once, over a connection that can be used.
"""

from __future__ import annotations

import asyncio
import ssl as _ssl
from base64 import b64encode
from functools import partial
from http.cookies import SimpleCookie
from inspect import signature
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote
from urllib.request import getproxies, proxy_bypass

import aiohttp
import attrs
import yarl
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import ContentEncodingError

from aiohubassoc import __version__
from aiohubassoc._http.connections import Connections, UnfitConnectionError, WatchedProtocol
from aiohubassoc._protocol.bounds import NO_SECRETS, Redaction, short
from aiohubassoc._protocol.requests import checked_proxy, is_loopback
from aiohubassoc.errors import (
    ConnectError,
    ConnectionLostError,
    InvalidResponseError,
    OptionsError,
    ResponseTimeoutError,
    TransportError,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping

    from aiohttp.connector import Connection
    from multidict import CIMultiDict

    from aiohubassoc._http.deadlines import Deadlines, OnWire

HEADERS: Final = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",  # half a kilobyte is not worth the inflating
    "User-Agent": f"aiohubassoc/{__version__}",
}
JSON_HEADERS: Final = {"Content-Type": "application/json"}
_NO_TRACES: Final[list[aiohttp.tracing.Trace]] = []
_BUFFER_BYTES: Final = 64 * 1024  # a session's own default
_REQUEST: Final[Any] = aiohttp.ClientSession._request  # noqa: SLF001 -- see `OwnSession`


def _is_known() -> bool:
    """Return whether aiohttp's parts are as `OwnSession` uses them, and not replaced."""
    used: dict[Callable[..., Any], set[str]] = {
        aiohttp.ClientRequest: {"headers", "data", "loop", "response_class", "session", "proxy"},
        aiohttp.TCPConnector.connect: {"traces", "timeout"},
        ResponseHandler.set_response_params: {"read_until_eof", "read_bufsize"},
        aiohttp.ClientRequest.update_headers: {"headers"},
        aiohttp.ClientRequest.update_auto_headers: {"skip_auto_headers"},
        aiohttp.ClientRequest.send: {"conn"},
        aiohttp.ClientResponse.start: {"connection"},
    }
    close: Any = aiohttp.ClientSession.close
    return (
        type(_REQUEST) is type(close)
        and _REQUEST.__code__.co_filename == close.__code__.co_filename
        and all(names <= signature(part).parameters.keys() for part, names in used.items())
    )


try:
    _IS_KNOWN = _is_known()
except (AttributeError, ValueError):  # of a later aiohttp
    _IS_KNOWN = False


class Connector(aiohttp.TCPConnector):
    """Shows which calls opened a connection: aiohttp itself shows it only at a great cost."""

    deadlines: Deadlines

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 -- aiohttp's own, passed on
        super().__init__(**options)
        # If a later aiohttp makes them elsewhere, they are watched as those of a lent session.
        self._factory = partial(WatchedProtocol, loop=self._loop)  # type: ignore[assignment]

    async def _create_connection(self, *args: object, **kwargs: object):  # type: ignore[no-untyped-def]  # noqa: ANN202 -- aiohttp's own signature, passed on
        call = self.deadlines.connecting()
        if call.aside:
            call.give_back()
        connection = await super()._create_connection(*args, **kwargs)  # type: ignore[arg-type]  # see above
        self.deadlines.connected()
        return connection


class CheckedRequest(aiohttp.ClientRequest):
    """
    A request of a session of aiohttp's, sent over a connection that can be used.

    If a later aiohttp sends in another way, every connection is used as it comes.
    """

    connections: Connections
    deadlines: Deadlines

    def send(self, conn: Connection) -> Coroutine[Any, Any, aiohttp.ClientResponse]:
        self.connections.take(self.deadlines.running, conn)
        return super().send(conn)


class ReadyRequest(aiohttp.ClientRequest):
    """A request whose headers are ready made: they are the same for every call."""

    ready: CIMultiDict[str]

    def update_headers(self, headers: Any) -> None:  # noqa: ANN401 -- aiohttp's own
        self.headers = self.ready.copy()
        if headers:  # only where there is a body
            self.headers.update(headers)

    def update_auto_headers(self, skip_auto_headers: object) -> None:
        """They are there."""


class OwnSession:
    """
    Connections of our own, and requests over them.

    What `aiohttp.ClientSession.request` does for each call costs as much as all that this package
    does. So a request is sent here with the same steps, less those that no call needs. Where they
    are watched or replaced (by a trace, by mocks such as aioresponses, by a later aiohttp), the
    request goes through the session as usual.

    Args:
        base: The base URL.
        connections: What is known of all connections.
        deadlines: The calls.
        connect: Seconds for opening a connection; None: no limit.
        ssl: None verifies against the system's certificates.
        proxy: The URL of a proxy; None: none.

    Attributes:
        headers: Those of each request. They can be changed.
    """

    def __init__(
        self,
        base: yarl.URL,
        connections: Connections,
        deadlines: Deadlines,
        *,
        connect: float | None,
        ssl: _ssl.SSLContext | None,
        proxy: str | None,
    ) -> None:
        # Without a limit: the pool is not to be a second queue. It has as many connections as calls
        # go at once, and those in doubt, which are as many at most.
        self._connector = Connector(limit=0, ssl=ssl or True)
        self._connector.deadlines = deadlines
        self._connections = connections
        self._timeout = aiohttp.ClientTimeout(total=None, connect=connect)
        self._proxy = None if proxy is None else yarl.URL(proxy)
        self._loop = asyncio.get_running_loop()
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            request_class=type(
                "Request",
                (CheckedRequest,),
                {"connections": connections, "deadlines": deadlines},
            ),
            headers={"Host": base.host_port_subcomponent or "", **HEADERS},
            cookie_jar=aiohttp.DummyCookieJar(),  # HubSpot's edge sets cookies; they only cost
            timeout=self._timeout,
            proxy=self._proxy,
        )
        # On a reused connection that turns out dead aiohttp would send a PUT again by itself, past
        # limiter, attempts and counts. There is no public switch (3.14); a test counts requests.
        self._session._retry_connection = False  # noqa: SLF001 -- see above
        self.headers: CIMultiDict[str] = self._session.headers
        self._request_class = type("Request", (ReadyRequest,), {"ready": self.headers})
        self._is_direct = _IS_KNOWN and not self._session.trace_configs

    @property
    def closed(self) -> bool:
        """Whether it is closed."""
        return self._session.closed

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()

    async def request(  # one coroutine: another costs as much as reading the reply
        self, call: OnWire, method: str, url: yarl.URL, body: bytes
    ) -> aiohttp.ClientResponse:
        """Send a request over a connection that can be used; return its response, not yet read."""
        headers = JSON_HEADERS if body else None
        if not self._is_direct or aiohttp.ClientSession._request is not _REQUEST:  # noqa: SLF001
            return await self._request_as_usual(method, url, headers, body)
        request = self._request_class(
            method,
            url,
            headers=headers,
            data=body or None,
            loop=self._loop,
            response_class=aiohttp.ClientResponse,
            session=self._session,
            proxy=self._proxy,
        )
        while True:
            try:
                connection = await self._connector.connect(
                    request, traces=_NO_TRACES, timeout=self._timeout
                )
            except TimeoutError as error:
                raise aiohttp.ConnectionTimeoutError(f"no connection to {url.host}") from error
            try:
                protocol = connection.protocol
                if (
                    type(protocol) is WatchedProtocol
                    and not protocol.is_spoilt
                    and not protocol.doubted_until
                    and not call.fresh
                    and not call.needs_new
                ):
                    call.protocol, protocol.call = protocol, call  # nearly always
                else:
                    protocol = self._connections.take(call, connection)
                protocol.set_response_params(read_until_eof=True, read_bufsize=_BUFFER_BYTES)
                response: aiohttp.ClientResponse = await request.send(connection)
                try:
                    await response.start(connection)
                except BaseException:
                    response.close()
                    raise
            except UnfitConnectionError:
                connection.close()
            except BaseException:
                connection.close()
                raise
            else:
                return response

    async def _request_as_usual(
        self, method: str, url: yarl.URL, headers: Mapping[str, str] | None, body: bytes
    ) -> aiohttp.ClientResponse:
        while True:
            try:
                return await self._session.request(
                    method, url, headers=headers, data=body or None, allow_redirects=False
                )
            except UnfitConnectionError:
                continue


class SentOnceError(Exception):
    """Carries an exception past aiohttp's own repeating of calls, which knows its type."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__()
        self.cause = cause


async def send_once(
    call: OnWire,
    connections: Connections,
    request: aiohttp.ClientRequest,
    handler: Callable[[aiohttp.ClientRequest], Awaitable[aiohttp.ClientResponse]],
) -> aiohttp.ClientResponse:
    """
    Send a call through a lent session, over a connection that can be used, and leave no cookie.

    Raises:
        SentOnceError: for what aiohttp would repeat by itself.
    """
    send = request.send

    async def checked(connection: Connection) -> aiohttp.ClientResponse:
        await connections.take_lent(call, connection)
        return await send(connection)

    request.send = checked  # type: ignore[method-assign, assignment]  # as in CheckedRequest
    while True:
        try:
            response = await handler(request)
        except UnfitConnectionError:
            continue
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            raise
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            raise SentOnceError(error) from None
        response.cookies = SimpleCookie()
        return response


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


def find_proxy(base: yarl.URL) -> str | None:
    # Asked once: aiohttp's own trust_env asks for each call, and reads .netrc credentials too.
    # No proxy leads to this machine: a portal for tests is here.
    if base.host is None or is_loopback(base.host) or proxy_bypass(base.host):
        return None
    found = getproxies().get(base.scheme)
    return checked_proxy(found) if found else None


def list_credentials(proxy: str | None) -> set[str]:
    """Return the credentials of a proxy, in the ways that messages may have them."""
    written = (proxy or "").partition("://")[2].rpartition("@")[0]
    plain = unquote(written)
    return {written, plain, plain.partition(":")[2], b64encode(plain.encode()).decode()}


def refuse_unverified(
    base: yarl.URL, ssl: _ssl.SSLContext | None, session: aiohttp.ClientSession | None
) -> None:
    """Raise OptionsError if TLS would go unverified."""
    if base.scheme != "https":
        return
    used: object = ssl
    if session is not None and isinstance(session.connector, aiohttp.TCPConnector):
        used = session.connector._ssl  # noqa: SLF001 -- aiohttp shows it nowhere else
    if used is False or (
        isinstance(used, _ssl.SSLContext)
        and not (used.verify_mode == _ssl.CERT_REQUIRED and used.check_hostname)
    ):
        raise OptionsError("TLS must be verified: use an SSL context that checks certificates")
