"""
One HTTP call, with no retry, no limit and no opinion about the response.

No response, request or exception of aiohttp leaves it: they hold the connection, and some of them
show the token. What a server says leaves it without the token.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Final

import aiohttp
import attrs
import yarl
from multidict import CIMultiDict

from aiohubassoc._http.clock import SystemClock
from aiohubassoc._http.connections import Connections, WatchedProtocol, holds_another
from aiohubassoc._http.deadlines import Deadlines, OnWire
from aiohubassoc._http.sessions import (
    HEADERS,
    JSON_HEADERS,
    NoResponse,
    OwnSession,
    SentOnceError,
    find_proxy,
    list_credentials,
    refuse_unverified,
    send_once,
    to_no_response,
)
from aiohubassoc._protocol.bounds import MOST_ERROR_BYTES, NO_SECRETS, Redaction, kept_headers
from aiohubassoc._protocol.verdicts import Response
from aiohubassoc.errors import (
    ClientClosedError,
    ConnectError,
    ConnectionLostError,
    InvalidResponseError,
    ResponseTimeoutError,
)

if TYPE_CHECKING:
    import ssl as _ssl
    from collections.abc import Sequence

    from aiohubassoc._protocol.requests import Endpoint
    from aiohubassoc.options import Timeouts

__all__ = ["NoResponse", "ReusedResponse", "Transport"]

# The reply to a batch of 2,000 pairs is about 600 kB; the links of 1,000 records may be more.
MAX_BODY_BYTES: Final = 8 * 1024 * 1024

_LARGER_BLOCK_BYTES: Final = 4 * 1024 * 1024

_2XX: Final = range(200, 300)
_FINAL_STATUSES: Final = range(200, 600)
# The refusal of many pairs may name each of them: this many bytes for each byte of the request.
_ERROR_BYTES_A_BYTE: Final = 16
# How many tokens are hidden: one that was renewed may still be repeated.
_TOKENS_HIDDEN: Final = 3
# What is shorter may stand in any text by chance, as tokens of tests do.
_SHORTEST_SECRET: Final = 6
_NOWHERE: Final = b"\xff\xff"  # bytes that no text has
# JSON and URLs write letters in other ways with these.
_BACKSLASH, _PERCENT = b"\\%"
_TLS_ALERT: Final = r"b'\x15\x03"  # its beginning, as a message of aiohttp shows it
# Of responses with a link, one in this many is timed.
_TIMED: Final = 8


@attrs.define
class ReusedResponse(Response):
    """
    A response over a connection that was used before: it may be that to another request.

    Attributes:
        call: The call, for `Transport.confirm`.
    """

    call: OnWire | None = attrs.field(default=None, repr=False)


class Transport:
    """
    The connections to one base URL.

    Args:
        base_url: Checked, without a slash at its end.
        timeouts: For each call.
        connections: The most open connections of its session.
        session: Somebody else's session to send through; it lends its connections only, and is
            never closed here. None: `open` makes a session.
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
        # Timeouts keep the loop's time: a clock that leaps must not end calls.
        self._clock = SystemClock()
        self._deadlines: Deadlines  # both are made by `open`
        self._connections: Connections
        self._most_at_once = connections
        self._lent = session
        self._ssl = ssl
        self._proxy = find_proxy(self._base) if proxy is None and trust_env else proxy
        self._session: aiohttp.ClientSession | OwnSession | None = None
        self._own: OwnSession
        self._token = ""
        self._tokens: tuple[str, ...] = ()
        self._redaction = NO_SECRETS
        self._secret = _NOWHERE
        self._responses = 0
        refuse_unverified(self._base, ssl, session)

    @property
    def connections(self) -> int:
        """How many calls at once find a connection: the pool is not to be a second line."""
        limit = self._most_at_once
        connector = None if self._lent is None else self._lent.connector
        if connector is not None:
            limit = min(limit, connector.limit or limit, connector.limit_per_host or limit)
        return limit

    async def open(self) -> None:
        """Be ready for calls in the running event loop."""
        # asyncio asks for 256 KiB at each read, which the C library of most Linux systems maps and
        # unmaps each time, a sixth of all that a call costs, until a larger block was freed once.
        bytes(_LARGER_BLOCK_BYTES)
        self._deadlines = Deadlines(self._timeouts, self._clock)
        self._connections = Connections(self._clock, most_in_doubt=self._most_at_once)
        if self._lent is not None:
            self._session = self._lent
            return
        self._own = self._session = OwnSession(
            self._base,
            self._connections,
            self._deadlines,
            connect=self._timeouts.connect,
            ssl=self._ssl,
            proxy=self._proxy,
        )

    async def close(self) -> None:
        """Close every connection of the own session; calls raise ClientClosedError from now on."""
        session, self._session = self._session, None
        if session is None:
            return
        self._deadlines.close()
        if session is not self._lent:
            await session.close()

    async def send(  # noqa: C901, PLR0912 -- a coroutine more costs as much as reading the reply
        self, endpoint: Endpoint, token: str, *, needs_new: bool = False
    ) -> tuple[Response | NoResponse, float | None]:
        """
        Make one call and return its whole response, and how long it waited for a connection.

        The time is in seconds, before anything was sent; None: it is not known.

        Args:
            endpoint: What to send.
            token: With which token.
            needs_new: Whether to open a connection in any case.

        Raises:
            ClientClosedError: not open, or the lent session was closed. Nothing was sent.
        """
        session = self._session
        if session is None:
            raise ClientClosedError
        if token != self._token:
            self._use_token(token)
        if isinstance(session, aiohttp.ClientSession):
            if session.closed:
                raise ClientClosedError
            return await self._send_through(session, endpoint, token, needs_new=needs_new)
        url = self._base.with_path(self._prefix + endpoint.path, encoded=True)
        call = self._deadlines.begin()
        if needs_new:
            call.needs_new = True
        try:
            call.is_of_many = bool(endpoint.body)
            response = await self._own.request(call, endpoint.method, url, endpoint.body)
            content = response.content
            if not content.is_eof() or response.status not in _2XX:
                return await self._read(response, call, endpoint), call.waited
            # Whole, as nearly every one comes. Reading it in the public way resumes a flow that
            # is not paused, at a cost.
            parts: Sequence[bytes] = getattr(content, "_buffer", ())
            body = parts[0] if len(parts) == 1 else content.read_nowait()
            self._responses += 1
            protocol = call.protocol
            if (
                type(protocol) is not WatchedProtocol
                or call.fresh
                or body.find(self._secret) >= 0
                or _BACKSLASH in body
                or _PERCENT in body
            ):
                return self._received(response, body, call), call.waited
            if self._responses % _TIMED == 0:
                self._connections.add_time(call)
            protocol.call = None  # nearly always: what _received() does, without its calls
            redaction = self._redaction
            return ReusedResponse(response.status, response.headers, body, "", redaction, call), 0.0
        except (aiohttp.ClientError, OSError) as error:
            return self._failed(error, session, call), call.waited
        except asyncio.CancelledError:
            if not call.was_ended():
                raise
            return self._too_late(call), call.waited
        finally:
            if call.aside:
                call.give_back()
            del self._deadlines.calls[call.task]

    async def confirm(self, response: ReusedResponse) -> bool:
        """
        Return whether a response is that to its own request, as nothing follows it.

        It takes about as long as a response usually does, a second at most; its connection is not
        used until then. False: the call must be sent again over a new connection.
        """
        assert response.call is not None  # noqa: S101 -- it is set where it is made
        is_own = await self._connections.confirm(response.call)
        # Where connections were closed here, silence says nothing.
        return is_own and self._session is not None and not self._session.closed

    def _use_token(self, token: str) -> None:
        self._token = token
        # Each call copies them before it waits for anything.
        if self._lent is None:
            self._own.headers["Authorization"] = f"Bearer {token}"
        self._tokens = (token, *(one for one in self._tokens if one != token))[:_TOKENS_HIDDEN]
        secrets = {*self._tokens, *list_credentials(self._proxy)}
        hidden = [one for one in secrets if len(one) >= _SHORTEST_SECRET]
        self._redaction = Redaction(hidden)
        # A body without it holds no secret, unless that is written in another way.
        self._secret = hidden[0].encode() if len(hidden) == 1 else b"" if hidden else _NOWHERE

    async def _send_through(
        self, session: aiohttp.ClientSession, endpoint: Endpoint, token: str, *, needs_new: bool
    ) -> tuple[Response | NoResponse, float | None]:
        """Make one call through a lent session, and leave nothing in it."""
        url = self._base.with_path(self._prefix + endpoint.path, encoded=True)
        timeouts = self._timeouts
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 -- a coroutine runs in a task
        call = OnWire(task, self._clock.now(), math.inf)
        call.needs_new, call.is_of_many, call.waited = needs_new, bool(endpoint.body), None

        async def lend(
            request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
        ) -> aiohttp.ClientResponse:
            # Our token, not its credentials and cookies.
            request.headers["Authorization"] = f"Bearer {token}"
            request.headers.popall("Cookie", None)
            return await send_once(call, self._connections, request, handler)

        try:
            response = await session.request(
                endpoint.method,
                url,
                headers={**HEADERS, **JSON_HEADERS} if endpoint.body else HEADERS,
                data=endpoint.body or None,
                timeout=aiohttp.ClientTimeout(
                    total=timeouts.total, connect=timeouts.connect, sock_read=timeouts.response
                ),
                allow_redirects=False,
                raise_for_status=False,
                middlewares=(lend,),
            )
            return await self._read(response, call, endpoint), call.waited
        except (aiohttp.ClientError, OSError) as error:
            return self._failed(error, session, call), call.waited
        except SentOnceError as error:
            return self._failed(error.cause, session, call), call.waited

    def _received(self, response: aiohttp.ClientResponse, body: bytes, call: OnWire) -> Response:
        """Return a whole response with 2xx."""
        redaction = self._redaction
        if call.fresh or self._responses % _TIMED == 0:
            self._connections.add_time(call)
        self._connections.release(call)
        body = redaction.in_bytes(body)
        if call.is_reuse:
            return ReusedResponse(response.status, response.headers, body, "", redaction, call)
        return Response(response.status, response.headers, body, "", redaction)

    async def _read(
        self, response: aiohttp.ClientResponse, call: OnWire, endpoint: Endpoint
    ) -> Response | NoResponse:
        """Read *response* to its end, or as far as is needed and close its connection."""
        status = response.status
        self._responses += 1
        if status not in _FINAL_STATUSES:
            response.close()
            self._connections.spoil(call)
            return self._no_status(response, call)
        most = MAX_BODY_BYTES
        if status not in _2XX:
            self._connections.doubt(call)
            call.is_cut = call.is_cut or holds_another(response)
            most = MOST_ERROR_BYTES + _ERROR_BYTES_A_BYTE * len(endpoint.body)
        try:
            body, is_whole = await _read(response.content, most)
        except BaseException:
            response.close()
            raise
        if not (is_whole or response.content.is_eof()):
            response.close()
            call.is_cut = True
        if status in _2XX:
            if is_whole:
                return self._received(response, body, call)
            return NoResponse(
                InvalidResponseError(
                    f"the response is larger than {MAX_BODY_BYTES} bytes",
                    maybe_applied=True,
                    status=status,
                ),
                is_too_large=True,
            )
        if call.fresh:
            self._connections.add_time(call)
        self._connections.release(call)
        redaction = self._redaction
        headers = CIMultiDict(redaction.in_headers(response.headers))
        url = str(self._base.with_path(self._prefix + endpoint.path, encoded=True))
        body = redaction.in_bytes(body)
        if call.is_reuse:
            return ReusedResponse(status, headers, body, url, redaction, call)
        return Response(status, headers, body, url, redaction)

    def _no_status(self, response: aiohttp.ClientResponse, call: OnWire) -> NoResponse:
        return NoResponse(
            InvalidResponseError(
                f"the response has the status {response.status}, which no response to a call has",
                maybe_applied=True,
                status=response.status,
                headers=kept_headers(self._redaction.in_headers(response.headers)),
            ),
            was_reuse=call.is_reuse,
        )

    def _failed(
        self, error: BaseException, session: aiohttp.ClientSession | OwnSession, call: OnWire
    ) -> NoResponse:
        """
        Return what *error* means.

        Raises:
            ClientClosedError: the session was closed before the request was sent.
        """
        if session.closed and call.protocol is None:
            raise ClientClosedError from None
        result = to_no_response(error, self._redaction)
        is_lost = isinstance(result.error, ConnectionLostError)
        was_reuse = call.is_reuse and (is_lost or isinstance(result.error, InvalidResponseError))
        if is_lost and call.is_reuse:
            self._connections.drop_idle()
        may_speak_tls = self._base.scheme == "http" and not self._responses
        if may_speak_tls and (is_lost or _TLS_ALERT in result.error.message):
            result.error.message += "; a server that speaks TLS needs a base URL with https://"
        return attrs.evolve(result, was_reuse=was_reuse)

    def _too_late(self, call: OnWire) -> NoResponse:
        if call.connecting:
            return NoResponse(ConnectError(f"no connection within {self._timeouts.total:g} s"))
        return NoResponse(ResponseTimeoutError("no response in time"))


async def _read(content: aiohttp.StreamReader, most: int) -> tuple[bytes, bool]:
    """Return the body, or its first *most* bytes, and whether it is whole."""
    parts = []
    left = most
    while part := await _read_any(content):
        if len(part) > left:
            parts.append(part[:left])
            return b"".join(parts), False
        parts.append(part)
        left -= len(part)
    return b"".join(parts), True


async def _read_any(content: aiohttp.StreamReader) -> bytes:
    """Return what came of a body; empty at its end."""
    try:
        return await content.readany()
    except RuntimeError as error:  # aiohttp's word for a connection that was closed on this side
        raise aiohttp.ClientConnectionError(str(error)) from error
