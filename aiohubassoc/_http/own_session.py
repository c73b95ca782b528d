"""The client's own session: requests over its own connections, with one timer for all timeouts."""

from __future__ import annotations

import asyncio
import math
from functools import partial
from inspect import signature
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import yarl
from aiohttp.client_proto import ResponseHandler

from aiohubassoc import __version__
from aiohubassoc._http.clock import bind_now
from aiohubassoc._http.connections import (
    Attempt,
    Connections,
    UnfitConnectionError,
    WatchedProtocol,
)

if TYPE_CHECKING:
    import ssl as _ssl
    from collections.abc import Callable, Coroutine, Mapping

    from aiohttp.connector import Connection
    from multidict import CIMultiDict

    from aiohubassoc._http.clock import Clock, Timer
    from aiohubassoc.options import Timeouts

HEADERS: Final = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",  # half a kilobyte is not worth the inflating
    "User-Agent": f"aiohubassoc/{__version__}",
}
JSON_HEADERS: Final = {"Content-Type": "application/json"}
_NO_TRACES: Final[list[aiohttp.tracing.Trace]] = []
# Seconds. A timer may fire a little early.
_TICK: Final = 1e-4
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


class Deadlines:
    """The timeouts of all attempts in flight, by one timer. The connector bounds connecting."""

    # aiohttp's own timeouts set two timers for each request. That is a tenth of a call's cost.

    def __init__(self, timeouts: Timeouts, clock: Clock) -> None:
        self._response = math.inf if timeouts.response is None else timeouts.response
        self._total = math.inf if timeouts.total is None else timeouts.total
        self._first = min(self._response, self._total)
        self._clock = clock
        self._now = bind_now(clock)
        self._loop = asyncio.get_running_loop()
        # The attempts in flight, by task. The caller of `begin` removes each at its end.
        self.attempts: dict[asyncio.Task[object], Attempt] = {}
        self._timer: Timer | None = None
        self._timer_at = math.inf

    def begin(self) -> Attempt:
        """Return a new attempt of the running task; its timeout begins now."""
        task = asyncio.current_task(self._loop)
        assert task is not None  # noqa: S101 -- a coroutine runs in a task
        now = self._now()
        attempt = self.attempts[task] = Attempt(task, now, now + self._first)
        if attempt.due_at < self._timer_at:
            self._set_timer(attempt.due_at)
        return attempt

    def connecting(self) -> Attempt:
        """Note that a connection is being opened for the running task's attempt; return that."""
        attempt = self.running
        attempt.fresh = attempt.connecting = True
        attempt.waited = None
        attempt.due_at = attempt.began_at + self._total
        return attempt

    def connected(self) -> None:
        """Note that the connection is open: the timeout of the response begins."""
        attempt = self.running
        attempt.connecting = False
        attempt.began_at, ends_at = self._now(), attempt.due_at
        attempt.due_at = min(ends_at, attempt.began_at + self._response)
        if attempt.due_at < self._timer_at:
            self._set_timer(attempt.due_at)

    def close(self) -> None:
        """Cancel the timer, and the attempts that did not notice that their connections closed."""
        self._stop_timer()
        if self._loop.is_closed():  # its tasks are gone
            return
        for attempt in self.attempts.values():
            attempt.expired = True
            attempt.task.cancel()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_at = None, math.inf

    @property
    def running(self) -> Attempt:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 -- see above
        return self.attempts[task]

    def _set_timer(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_at = self._clock.call_at(when, self._sweep), when

    def _sweep(self) -> None:
        """Cancel the attempts that are due, and set the timer for the next one."""
        self._stop_timer()
        now = self._now() + _TICK
        for attempt in self.attempts.values():
            if attempt.due_at <= now:
                attempt.expired, attempt.due_at = True, math.inf
                attempt.task.cancel()
        next_at = min((attempt.due_at for attempt in self.attempts.values()), default=math.inf)
        if next_at < math.inf:
            self._set_timer(next_at)


class Connector(aiohttp.TCPConnector):
    """Reports for which attempts it opens a connection. aiohttp's traces do that at a high cost."""

    deadlines: Deadlines

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 -- aiohttp's own, passed on
        super().__init__(**options)
        # If a later aiohttp has no such attribute, they are treated like those of a lent session.
        self._factory = partial(WatchedProtocol, loop=self._loop)  # type: ignore[assignment]

    async def _create_connection(self, *args: object, **kwargs: object):  # type: ignore[no-untyped-def]  # noqa: ANN202 -- aiohttp's own signature, passed on
        attempt = self.deadlines.connecting()
        if attempt.aside:
            attempt.give_back()
        connection = await super()._create_connection(*args, **kwargs)  # type: ignore[arg-type]  # see above
        self.deadlines.connected()
        return connection


class CheckedRequest(aiohttp.ClientRequest):
    """A request of aiohttp's session that is sent only over a connection that may be used."""

    # If a later aiohttp does not call `send`, connections are used without that check.

    connections: Connections
    deadlines: Deadlines

    def send(self, conn: Connection) -> Coroutine[Any, Any, aiohttp.ClientResponse]:
        self.connections.take(self.deadlines.running, conn)
        return super().send(conn)


class ReadyRequest(aiohttp.ClientRequest):
    """A request whose headers are prepared: they are the same for every request."""

    ready: CIMultiDict[str]

    def update_headers(self, headers: Any) -> None:  # noqa: ANN401 -- aiohttp's own
        self.headers = self.ready.copy()
        if headers:  # only where there is a body
            self.headers.update(headers)

    def update_auto_headers(self, skip_auto_headers: object) -> None:
        """No-op: the prepared headers contain them."""


class OwnSession:
    """The client's own connections, and requests over them."""

    # `aiohttp.ClientSession.request` costs as much for each call as all of this package. So
    # `request` takes the same steps, without those that no call here needs. Where aiohttp is
    # traced, mocked (aioresponses) or of a later version with other parts, the request goes through
    # the session.

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
        # No limit, or the pool would be a second wait queue. It has at most as many connections as
        # there are calls in flight, and twice as many that are in doubt.
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
        # On a reused connection that is dead aiohttp would send a PUT again by itself, without the
        # limiter and the counts. There is no public switch (3.14); a test counts requests.
        self._session._retry_connection = False  # noqa: SLF001 -- see above
        # Those of each request. They can be changed.
        self.headers: CIMultiDict[str] = self._session.headers
        self._request_class = type("Request", (ReadyRequest,), {"ready": self.headers})
        self._is_direct = _IS_KNOWN and not self._session.trace_configs

    @property
    def closed(self) -> bool:
        return self._session.closed

    async def close(self) -> None:
        await self._session.close()

    async def request(  # one coroutine: another costs as much as reading the reply
        self, attempt: Attempt, method: str, url: yarl.URL, body: bytes
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
                    and not attempt.fresh
                    and not attempt.needs_new
                ):
                    attempt.protocol, protocol.attempt = protocol, attempt  # nearly always
                else:
                    protocol = self._connections.take(attempt, connection)
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
