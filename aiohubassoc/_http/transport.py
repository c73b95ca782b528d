"""
One HTTP call, with no retry, no limit and no opinion about the answer.

The only module of the client that imports aiohttp. No response, request or exception of aiohttp
leaves it: they hold the connection, and some of them show the token.
"""

from __future__ import annotations

import asyncio
import ssl as _ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.request import getproxies, proxy_bypass

import aiohttp
import attrs
import yarl
from multidict import CIMultiDict

from aiohubassoc import __version__
from aiohubassoc._http.clock import SystemClock
from aiohubassoc._http.deadlines import Deadlines, OnWire
from aiohubassoc._protocol.requests import checked_proxy, is_loopback
from aiohubassoc._protocol.verdicts import Answer
from aiohubassoc.errors import (
    ClientClosedError,
    ConnectError,
    ConnectionLostError,
    InvalidResponseError,
    OptionsError,
    ResponseTimeoutError,
    TransportError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohubassoc._protocol.requests import Endpoint
    from aiohubassoc.options import Timeouts

# The reply to a batch of 2,000 pairs is about 600 kB; the links of 1,000 records may be more.
MAX_BODY_BYTES: Final = 8 * 1024 * 1024

_LARGER_BLOCK_BYTES: Final = 4 * 1024 * 1024

# If a later aiohttp puts headers together elsewhere, they are its session's.
_CAN_BE_READY = all(
    hasattr(aiohttp.ClientRequest, name) for name in ("update_headers", "update_auto_headers")
)
_NOT_2XX: Final = 300
_HEADERS: Final = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",  # half a kilobyte is not worth the inflating
    "User-Agent": f"aiohubassoc/{__version__}",
}
_JSON: Final = {"Content-Type": "application/json"}
_Ask: TypeAlias = Callable[..., Awaitable[aiohttp.ClientResponse]]


@attrs.frozen
class NoResponse:
    """
    No usable answer came.

    Attributes:
        error: Why.
        passing: Whether it may pass; False where no other call would fare better.
        is_too_large: Whether the answer was larger than is read.
    """

    error: TransportError
    passing: bool = True
    is_too_large: bool = False


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


def unanswered(error: BaseException) -> NoResponse:
    """Return what *error*, raised by aiohttp or the system, means; raise it if it is neither's."""
    found = meaning(type(error))
    if found is None:
        raise error
    made, passing = found
    text = str(error)
    if isinstance(error, aiohttp.ClientResponseError):  # it names a URL: a proxy's has a password
        text = f"{error.status} {error.message}"
    return NoResponse(made(f"{type(error).__name__}: {text or 'no details'}"), passing)


class Transport:
    """
    The connections to one base URL.

    Args:
        base_url: Checked, without a slash at its end.
        timeouts: For each call.
        connections: How many at once, of its own session.
        session: Somebody else's session to send through; it lends its connections only, and is
            never closed here. None: a session of its own, made by `open`.
        ssl: For its own session: None verifies against the system's certificates.
        proxy: For its own session: the URL of a proxy. None: see *trust_env*.
        trust_env: For its own session: whether the environment's proxy is used.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeouts: Timeouts,
        connections: int,
        session: aiohttp.ClientSession | None = None,
        ssl: _ssl.SSLContext | None = None,
        proxy: str | None = None,
        trust_env: bool = False,
    ) -> None:
        self._base = yarl.URL(base_url)
        self._prefix = self._base.raw_path.rstrip("/")
        self._timeouts = timeouts
        # The wire keeps the loop's time: a clock that leaps must not end calls.
        self._deadlines = Deadlines(timeouts, SystemClock())
        self._connections = connections
        self._lent = session
        self._ssl = ssl
        self._proxy = _proxy(self._base) if proxy is None and trust_env else proxy
        self._session: aiohttp.ClientSession | None = None
        self._token = ""
        self._ready: CIMultiDict[str] = CIMultiDict()
        _refuse_unverified(self._base, ssl, session)

    @property
    def connections(self) -> int:
        """How many calls at once find a connection: the pool is not to be a second line."""
        limit = self._connections
        connector = None if self._lent is None else self._lent.connector
        if connector is not None:
            limit = min(limit, connector.limit or limit, connector.limit_per_host or limit)
        return limit

    async def open(self) -> None:
        """Be ready for calls in the running event loop."""
        # asyncio asks for 256 KiB at each read, which the C library of most Linux systems maps and
        # unmaps each time, a sixth of all that a call costs, until a larger block was freed once.
        bytes(_LARGER_BLOCK_BYTES)
        if self._lent is not None:
            self._session = self._lent
            return
        connector = _Connector(limit=self._connections, ssl=self._ssl or True)
        connector.deadlines = self._deadlines

        class Request(_ReadyRequest):
            ready = CIMultiDict({"Host": self._base.host_port_subcomponent or "", **_HEADERS})

        self._session = aiohttp.ClientSession(
            connector=connector,
            request_class=Request if _CAN_BE_READY else aiohttp.ClientRequest,
            headers=None if _CAN_BE_READY else _HEADERS,
            cookie_jar=aiohttp.DummyCookieJar(),  # HubSpot's edge sets cookies; they only cost
            timeout=aiohttp.ClientTimeout(total=None, connect=self._timeouts.connect),
            proxy=self._proxy,
        )
        self._ready = Request.ready if _CAN_BE_READY else self._session.headers
        # On a reused connection that turns out dead aiohttp would send a PUT again by itself, past
        # limiter, attempts and books. There is no public switch (3.14); a test counts arrivals.
        self._session._retry_connection = False  # noqa: SLF001 -- see above

    async def close(self) -> None:
        """Close every connection of its own session; calls raise ClientClosedError from now on."""
        session, self._session = self._session, None
        self._deadlines.close()
        if session is not None and session is not self._lent:
            await session.close()

    async def send(
        self, endpoint: Endpoint, token: str
    ) -> tuple[Answer | NoResponse, float | None]:
        """
        Make one call and return its whole answer, and how long it waited for a connection.

        Returns:
            The answer, and the seconds until its request was handed to a connection; None: not
            known, but it was not at once.

        Raises:
            ClientClosedError: not open, or the lent session was closed.
        """
        session = self._session
        if session is None or session.closed:
            raise ClientClosedError
        if session is self._lent:
            return await self._send_through(session, endpoint, token)
        if token != self._token:
            # Each call copies them before it waits for anything.
            self._ready["Authorization"] = f"Bearer {token}"
            self._token = token
        url = self._base.with_path(self._prefix + endpoint.path, encoded=True)
        call = self._deadlines.begin()
        try:
            # What request() calls, without the context manager that it wraps around.
            ask: _Ask = getattr(session, "_request", session.request)
            if endpoint.body:
                more = {"data": endpoint.body, "headers": _JSON}
                response = await ask(endpoint.method, url, allow_redirects=False, **more)
            else:
                response = await ask(endpoint.method, url, allow_redirects=False)
            content = response.content
            if content.is_eof() and response.status < _NOT_2XX:  # whole, as nearly every one comes
                # Reading it in the public way resumes a flow that nobody paused, at a cost.
                parts: Sequence[bytes] = getattr(content, "_buffer", ())
                body = parts[0] if len(parts) == 1 else content.read_nowait()
                return Answer(response.status, response.headers, body), call.waited
            return await _answer(response, url), call.waited
        except (aiohttp.ClientError, OSError) as error:
            return unanswered(error), call.waited
        except asyncio.CancelledError:
            if not call.was_ended():
                raise
            return self._too_late(call), call.waited
        finally:
            self._deadlines.end(call)

    async def _send_through(
        self, session: aiohttp.ClientSession, endpoint: Endpoint, token: str
    ) -> tuple[Answer | NoResponse, float | None]:
        """Make one call through a lent session, and leave nothing in it."""
        url = self._base.with_path(self._prefix + endpoint.path, encoded=True)
        timeouts = self._timeouts
        lent = _Lent(token)
        answer: Answer | NoResponse
        try:
            response = await session.request(
                endpoint.method,
                url,
                headers={**_HEADERS, **_JSON} if endpoint.body else _HEADERS,
                data=endpoint.body or None,
                timeout=aiohttp.ClientTimeout(
                    total=timeouts.total, connect=timeouts.connect, sock_read=timeouts.response
                ),
                allow_redirects=False,
                raise_for_status=False,
                middlewares=(lent.send,),
            )
            answer = await _answer(response, url)
        except (aiohttp.ClientError, OSError) as error:
            answer = unanswered(error)
        except _SentOnceError as error:
            answer = unanswered(error.cause)
        return answer, lent.waited

    def _too_late(self, call: OnWire) -> NoResponse:
        if call.connecting:
            return NoResponse(ConnectError(f"no connection within {self._timeouts.total:g} s"))
        return NoResponse(ResponseTimeoutError("no answer in time"))


async def _answer(response: aiohttp.ClientResponse, url: yarl.URL) -> Answer | NoResponse:
    """Read *response* to its end, or close its connection."""
    content = response.content
    try:
        body = await _read(content)
    except BaseException:
        response.close()
        raise
    if body is None:
        response.close()
        return NoResponse(
            InvalidResponseError(
                f"the answer is larger than {MAX_BODY_BYTES} bytes",
                maybe_applied=True,
                status=response.status,
            ),
            is_too_large=True,
        )
    asked = str(url) if response.status >= _NOT_2XX else ""
    return Answer(response.status, response.headers, body, asked)


async def _read(content: aiohttp.StreamReader) -> bytes | None:
    """Return the whole body, or None if it is too large."""
    parts = []
    left = MAX_BODY_BYTES
    while part := await content.readany():
        left -= len(part)
        if left < 0:
            return None
        parts.append(part)
    return b"".join(parts)


class _Connector(aiohttp.TCPConnector):
    """Tells which calls had to open a connection: aiohttp itself does so at a great cost only."""

    deadlines: Deadlines

    async def _create_connection(self, *args: object, **kwargs: object):  # type: ignore[no-untyped-def]  # noqa: ANN202 -- aiohttp's own signature, passed on
        self.deadlines.connecting()
        connection = await super()._create_connection(*args, **kwargs)  # type: ignore[arg-type]  # see above
        self.deadlines.connected()
        return connection


class _ReadyRequest(aiohttp.ClientRequest):
    """A request whose headers are ready made: they are the same for every call."""

    ready: CIMultiDict[str]

    def update_headers(self, headers: object) -> None:
        self.headers = self.ready.copy()
        if isinstance(headers, Mapping) and "Content-Type" in headers:  # only where there is a body
            self.headers["Content-Type"] = headers["Content-Type"]

    def update_auto_headers(self, skip_auto_headers: object) -> None:
        """They are there."""


class _SentOnceError(Exception):
    """Carries an exception past aiohttp's own repeating of calls, which knows its type."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__()
        self.cause = cause


class _Lent:
    """
    One call through a lent session: with our token, not its credentials and cookies; once.

    Attributes:
        waited: Seconds until its request was handed to a connection; None: not known.
    """

    def __init__(self, token: str) -> None:
        self.waited: float | None = None
        self._token = token
        self._began_at = asyncio.get_running_loop().time()

    async def send(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Send the request; a middleware of aiohttp's."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        request.headers.popall("Cookie", None)
        self._watch(request)
        try:
            return await handler(request)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            raise
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            raise _SentOnceError(error) from None

    def _watch(self, request: aiohttp.ClientRequest) -> None:
        """Note when aiohttp has a connection for the request: it says so nowhere else."""
        send = getattr(request, "send", None)
        if send is None:  # another aiohttp: then it stays unknown
            return

        def sent(connection: object) -> object:
            self.waited = asyncio.get_running_loop().time() - self._began_at
            return send(connection)

        setattr(request, "send", sent)  # noqa: B010 -- of this one request


def _proxy(base: yarl.URL) -> str | None:
    # Asked once: aiohttp's own trust_env asks for each call, and reads .netrc credentials too.
    # No proxy leads to this machine: a portal for tests is here.
    if base.host is None or is_loopback(base.host) or proxy_bypass(base.host):
        return None
    found = getproxies().get(base.scheme)
    return checked_proxy(found) if found else None


def _refuse_unverified(
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
