"""
One attempt of a call: sends a request and reads its response. It neither retries nor judges.

No object of aiohttp is returned or raised: they hold the connection, and some contain the token.
In what a server sends the token is replaced.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Final, TypeAlias

import aiohttp
import attrs
import yarl
from multidict import CIMultiDict

from aiohubassoc._http.clock import SystemClock
from aiohubassoc._http.connections import Attempt, Connections, WatchedProtocol, holds_another
from aiohubassoc._http.failures import NoResponse, to_no_response
from aiohubassoc._http.lent_session import SentOnceError, request_through
from aiohubassoc._http.network_options import find_proxy, list_credentials, refuse_unverified
from aiohubassoc._http.own_session import Deadlines, OwnSession
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
    from collections.abc import Mapping, Sequence

    from aiohubassoc._protocol.requests import Endpoint
    from aiohubassoc.options import Timeouts

    _AnySession: TypeAlias = aiohttp.ClientSession | OwnSession

# The reply to a batch of 2,000 pairs is about 600 kB; the links of 1,000 records may be more.
MAX_BODY_BYTES: Final = 8 * 1024 * 1024
# The reply to one pair, or about the account, has some kilobytes. It is read in one step.
MAX_SINGLE_BODY_BYTES: Final = 64 * 1024
_LARGER_BLOCK_BYTES: Final = 4 * 1024 * 1024

_2XX: Final = range(200, 300)
_FINAL_STATUSES: Final = range(200, 600)
# How many tokens are replaced in what a server sends, those used last: it may repeat one that was
# renewed since. With a new one each half an hour these are the tokens of five days.
_TOKENS_HIDDEN: Final = 256
# A shorter secret, such as the token of a test, may be in any text by chance.
_SHORTEST_SECRET: Final = 6
_NOWHERE: Final = b"\xff\xff"  # bytes that no text has
# JSON and URLs escape characters with these, so a secret may be written in another way.
_BACKSLASH, _PERCENT = b"\\%"
_TLS_ALERT: Final = r"b'\x15\x03"  # its beginning, as a message of aiohttp shows it
# Of responses with a link, one in this many is timed.
_TIMED: Final = 8


@attrs.define
class ReusedResponse(Response):
    """A response over a connection that was used before. It may belong to another request."""

    # What it is the response to, for `Transport.confirm`.
    attempt: Attempt | None = attrs.field(default=None, repr=False)


class Transport:
    """The connections to one base URL, of a session that `open` makes, or of a lent *session*."""

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
        # Timeouts use the event loop's time: a clock for tests that jumps must not end attempts.
        self._clock = SystemClock()
        self._deadlines: Deadlines  # both are made by `open`
        self._connections: Connections
        self._most_at_once = connections
        self._lent = session
        self._ssl = ssl
        self._proxy = find_proxy(self._base) if proxy is None and trust_env else proxy
        self._session: _AnySession | None = None
        self._own: OwnSession
        self._token = ""
        self._tokens: dict[str, None] = {}  # in the order in which they were last used
        self._redaction = NO_SECRETS
        self._secret = _NOWHERE
        self._responses = 0
        refuse_unverified(self._base, ssl, session)

    @property
    def is_lent(self) -> bool:
        return self._lent is not None

    @property
    def connections(self) -> int:
        """How many calls may be in flight, so that none waits in the pool of a lent session."""
        limit = self._most_at_once
        connector = None if self._lent is None else self._lent.connector
        if connector is not None:
            limit = min(limit, connector.limit or limit, connector.limit_per_host or limit)
        return limit

    async def open(self) -> None:
        """Make the session, in the running event loop."""
        # asyncio allocates 256 KiB for each read. glibc maps and unmaps such a block each time, a
        # sixth of a call's cost, until a larger block was freed once.
        bytes(_LARGER_BLOCK_BYTES)
        self._deadlines = Deadlines(self._timeouts, self._clock)
        self._connections = Connections(self._clock, most_in_doubt=2 * self._most_at_once)
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
        """Close the own session. Every `send` from now on raises ClientClosedError."""
        session, self._session = self._session, None
        if session is None or session is self._lent:
            return
        try:
            await session.close()
        finally:
            self._deadlines.close()

    async def send(  # noqa: C901, PLR0911, PLR0912 -- a coroutine more costs as much as reading the reply
        self, endpoint: Endpoint, token: str, *, needs_new: bool = False
    ) -> tuple[Response | NoResponse, float | None]:
        """Send one request; return its response, and how long it waited for a connection."""
        # In seconds; None: it is not known. *needs_new*: over no connection that was used before.
        # ClientClosedError: the transport or the lent session is closed, and nothing was sent.
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
        attempt = self._deadlines.begin()
        if needs_new:
            attempt.needs_new = True
        try:
            attempt.is_of_many = bool(endpoint.body)
            response = await self._own.request(attempt, endpoint.method, url, endpoint.body)
            content = response.content
            if not content.is_eof() or response.status not in _2XX:
                return await self._read(response, attempt, endpoint), attempt.waited
            # The whole body is there, nearly always. aiohttp's public way to read it costs more.
            parts: Sequence[bytes] = getattr(content, "_buffer", ())
            body = parts[0] if len(parts) == 1 else content.read_nowait()
            self._responses += 1
            protocol = attempt.protocol
            if len(body) > MAX_SINGLE_BODY_BYTES and not attempt.is_of_many:
                self._connections.release(attempt)
                return _too_large(response.status, MAX_SINGLE_BODY_BYTES), attempt.waited
            may_have = body.find(self._secret) >= 0 or _BACKSLASH in body or _PERCENT in body
            if may_have or type(protocol) is not WatchedProtocol or attempt.fresh:
                self._end(attempt)
                if may_have:
                    body = await self._redact(body)  # others may use the connection meanwhile
                received = self._received(response.status, response.headers, body, "", attempt)
                return received, attempt.waited
            if self._responses % _TIMED == 0:
                self._connections.add_time(attempt)
            protocol.attempt = None  # nearly always: what _end() does, without its calls
            status, headers = response.status, response.headers
            return ReusedResponse(status, headers, body, "", self._redaction, attempt), 0.0
        except (aiohttp.ClientError, OSError) as error:
            return self._failed(error, session, attempt), attempt.waited
        except asyncio.CancelledError:
            if attempt.was_ended():
                return self._too_late(session, attempt), attempt.waited
            return self._interrupted(session, attempt), attempt.waited
        finally:
            if attempt.aside:
                attempt.give_back()
            del self._deadlines.attempts[attempt.task]

    async def confirm(self, response: ReusedResponse) -> bool:
        """Return whether a response belongs to its request: nothing follows it there."""
        # This takes about as long as a response usually does, a second at most. False: the request
        # must be sent again over a new connection.
        assert response.attempt is not None  # noqa: S101 -- it is set where it is made
        is_own = await self._connections.confirm(response.attempt)
        # On a connection that this client has closed, silence proves nothing.
        return is_own and self._session is not None and not self._session.closed

    def _use_token(self, token: str) -> None:
        self._token = token
        # Each request copies the headers before it waits for anything.
        if self._lent is None:
            self._own.headers["Authorization"] = f"Bearer {token}"
        is_known = token in self._tokens
        self._tokens.pop(token, None)
        self._tokens[token] = None
        if is_known:
            return
        if len(self._tokens) > _TOKENS_HIDDEN:
            del self._tokens[next(iter(self._tokens))]
        secrets = {*self._tokens, *list_credentials(self._proxy)}
        hidden = [one for one in secrets if len(one) >= _SHORTEST_SECRET]
        self._redaction = Redaction(hidden)
        # A body that does not contain this has no secret, unless a secret is escaped in it.
        self._secret = hidden[0].encode() if len(hidden) == 1 else b"" if hidden else _NOWHERE

    async def _send_through(
        self, session: aiohttp.ClientSession, endpoint: Endpoint, token: str, *, needs_new: bool
    ) -> tuple[Response | NoResponse, float | None]:
        url = self._base.with_path(self._prefix + endpoint.path, encoded=True)
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 -- a coroutine runs in a task
        attempt = Attempt(task, self._clock.now(), math.inf)
        attempt.needs_new, attempt.is_of_many, attempt.waited = needs_new, bool(endpoint.body), None
        try:
            response = await request_through(
                session,
                attempt,
                self._connections,
                endpoint,
                url,
                token=token,
                timeouts=self._timeouts,
            )
            return await self._read(response, attempt, endpoint), attempt.waited
        except (aiohttp.ClientError, OSError) as error:
            return self._failed(error, session, attempt), attempt.waited
        except SentOnceError as error:
            return self._failed(error.cause, session, attempt), attempt.waited
        except asyncio.CancelledError:
            return self._interrupted(session, attempt), attempt.waited
        finally:
            self._connections.release(attempt)  # else it keeps a connection that is gone in memory

    def _end(self, attempt: Attempt) -> None:
        if attempt.fresh or self._responses % _TIMED == 0:
            self._connections.add_time(attempt)
        self._connections.release(attempt)

    def _received(
        self, status: int, headers: Mapping[str, str], body: bytes, url: str, attempt: Attempt
    ) -> Response:
        """Return a response; *body* is without secrets."""
        parts = (status, headers, body, url, self._redaction)
        return ReusedResponse(*parts, attempt) if attempt.is_reuse else Response(*parts)

    async def _read(
        self, response: aiohttp.ClientResponse, attempt: Attempt, endpoint: Endpoint
    ) -> Response | NoResponse:
        """Read *response* to its end. Of one that is too large read a part, and close it."""
        status = response.status
        self._responses += 1
        if status not in _FINAL_STATUSES:
            response.close()
            self._connections.spoil(attempt)
            return self._no_status(response, attempt)
        most = MAX_BODY_BYTES if attempt.is_of_many else MAX_SINGLE_BODY_BYTES
        if status not in _2XX:
            self._connections.doubt(attempt)
            attempt.is_cut = attempt.is_cut or holds_another(response)
            most = MOST_ERROR_BYTES
        try:
            body, is_whole = await _read(response.content, most)
        except BaseException:
            response.close()
            raise
        if not (is_whole or response.content.is_eof()):
            response.close()
            attempt.is_cut = True
        if status in _2XX and not is_whole:
            return _too_large(status, most)
        self._end(attempt)
        headers: Mapping[str, str] = response.headers
        url = ""
        if status not in _2XX:
            headers = CIMultiDict(self._redaction.in_headers(headers))
            url = str(self._base.with_path(self._prefix + endpoint.path, encoded=True))
        return self._received(status, headers, await self._redact(body), url, attempt)

    async def _redact(self, body: bytes) -> bytes:
        """Return *body* without secrets, and let other tasks run between parts of a long one."""
        parts: list[bytes] = []
        for part in self._redaction.in_parts(body):
            if parts or len(body) > MAX_SINGLE_BODY_BYTES:
                await self._clock.sleep(0)
            parts.append(part)
        return b"".join(parts) if len(parts) != 1 else parts[0]

    def _no_status(self, response: aiohttp.ClientResponse, attempt: Attempt) -> NoResponse:
        return NoResponse(
            InvalidResponseError(
                f"the response has the status {response.status}, which no response to a call has",
                maybe_applied=True,
                status=response.status,
                headers=kept_headers(self._redaction.in_headers(response.headers)),
            ),
            was_reuse=attempt.is_reuse,
        )

    def _failed(self, error: BaseException, session: _AnySession, attempt: Attempt) -> NoResponse:
        """Return what *error* means; ClientClosedError: the session was closed before."""
        if session.closed and attempt.protocol is None:
            raise ClientClosedError from None
        result = to_no_response(error, self._redaction)
        is_lost = isinstance(result.error, ConnectionLostError)
        was_reuse = attempt.is_reuse and (is_lost or isinstance(result.error, InvalidResponseError))
        if is_lost and attempt.is_reuse:
            self._connections.drop_idle()
        may_speak_tls = self._base.scheme == "http" and not self._responses
        if may_speak_tls and (is_lost or _TLS_ALERT in result.error.message):
            result.error.message += "; a server that speaks TLS needs a base URL with https://"
        return attrs.evolve(result, was_reuse=was_reuse)

    def _interrupted(self, session: _AnySession, attempt: Attempt) -> NoResponse:
        """Return what a CancelledError of *session* means; call it while that is handled."""
        # aiohttp cancels lookups of host names when a session is closed. To the caller it would
        # look like a cancellation of the call.
        if attempt.was_cancelled():
            raise  # noqa: PLE0704 -- see above
        error = aiohttp.ClientConnectionError("the session cancelled the request")
        return self._failed(error, session, attempt)

    def _too_late(self, session: OwnSession, attempt: Attempt) -> NoResponse:
        if session.closed:  # aiohttp ends no reading of a body when it closes the connection
            return self._failed(aiohttp.ClientConnectionError("closed here"), session, attempt)
        if attempt.connecting:
            return NoResponse(ConnectError(f"no connection within {self._timeouts.total:g} s"))
        return NoResponse(ResponseTimeoutError("no response in time"))


def _too_large(status: int, most: int) -> NoResponse:
    message = f"the response is larger than {most} bytes"
    error = InvalidResponseError(message, maybe_applied=True, status=status)
    return NoResponse(error, is_too_large=True)


async def _read(content: aiohttp.StreamReader, most: int) -> tuple[bytes, bool]:
    """Return the body, or its first *most* bytes, and whether it is whole."""
    parts = []
    left = most
    try:
        while part := await content.readany():
            if len(part) > left:
                parts.append(part[:left])
                return b"".join(parts), False
            parts.append(part)
            left -= len(part)
    except RuntimeError as error:  # aiohttp's word for a connection that was closed on this side
        raise aiohttp.ClientConnectionError(str(error)) from error
    return b"".join(parts), True
