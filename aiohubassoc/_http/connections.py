"""
Reuses connections, and checks that a response belongs to the request before it.

HTTP/1.1 matches responses to requests by their order alone. A response without a request, such as
the notice of a load balancer, is read as the response to the next request. From then on each
request gets the response to the request before it. A link is confirmed by the ids in its response,
but a refusal may name no record. So a connection that receives anything while it is idle is closed.
A response that confirms nothing is believed only after its connection stayed silent for as long as
the request's own response would take, because that response always follows.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary, WeakSet

from aiohttp.client_proto import ResponseHandler
from aiohttp.http import HttpProcessingError

from aiohubassoc._http.clock import bind_now

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from aiohttp import ClientResponse
    from aiohttp.connector import Connection

    from aiohubassoc._http.clock import Clock

# A timer of an idle event loop is late by less than this share of its delay.
_LATE_SHARE: Final = 0.25
# Seconds between two checks whether the last response of a connection can be believed.
_LOOK_AGAIN: Final = 0.002
_STATUS_LINE: Final = re.compile(r"HTTP/1\.\d \d{3}")
_data_received = ResponseHandler.data_received

# How fast mean and deviation follow: as for TCP's retransmission timer (RFC 6298, section 2).
_MEAN_GAIN: Final = 1 / 8
_DEVIATION_GAIN: Final = 1 / 4
_EARLY_FACTOR: Final = 2.0
# Seconds. The longest wait is also used while no response was timed.
_SHORTEST_WAIT: Final = 0.001
LONGEST_WAIT: Final = 1.0
_EARLY_SHARE: Final = 0.5


class ResponseTimes:
    """Mean and deviation of the seconds from sending requests to their responses."""

    def __init__(self) -> None:
        self._mean: float | None = None
        self._deviation = 0.0

    def add(self, seconds: float) -> None:
        if self._mean is None:
            self._mean, self._deviation = seconds, seconds / 2
            return
        error = seconds - self._mean
        self._deviation += _DEVIATION_GAIN * (abs(error) - self._deviation)
        self._mean += _MEAN_GAIN * error

    def wait_after(self, seconds: float) -> float:
        """Return how long to wait until a response that took *seconds* is known to be the last."""
        # If it belongs to another request, the request's own response still comes, about when
        # responses usually come. So after a response at the usual time one usual time is enough.
        # The earlier the response came, the longer the wait.
        if self._mean is None:
            return LONGEST_WAIT
        usual = self._mean + self._deviation
        early = max(0.0, self._mean - self._deviation - seconds)
        return min(LONGEST_WAIT, max(_SHORTEST_WAIT, usual + _EARLY_FACTOR * early))

    def is_early(self, seconds: float) -> bool:
        """Return whether a response that took *seconds* came sooner than its server can send it."""
        return self._mean is not None and seconds < self._mean * _EARLY_SHARE


class Attempt:
    """An attempt in flight: one request of a call, made by the running task."""

    # On the class: few attempts change them.
    fresh = False  # whether a connection was opened for it
    # Seconds that its request waited for a connection. None: not known, because a connection was
    # opened for it.
    waited: float | None = 0.0
    connecting = False  # whether its connection is being opened: nothing is sent yet
    expired = False  # whether it was cancelled because it took too long
    is_of_many = False  # whether it is about many pairs
    needs_new = False  # whether it must not use a connection that was used before
    is_cut = False  # whether its response was cut off, or came before its request was sent
    protocol: ResponseHandler | None = None  # its connection, once it has one
    aside: tuple[Connection, ...] = ()  # connections from the pool that it must not use

    def __init__(self, task: asyncio.Task[object], began_at: float, due_at: float) -> None:
        self.task = task
        self.began_at = began_at  # later: when the connection was opened that was opened for it
        self.due_at = due_at  # when it is cancelled if it has not ended
        # `asyncio.Task.cancelling` of the task when the attempt began.
        self.cancelling = task.cancelling()

    @property
    def is_reuse(self) -> bool:
        return self.protocol is not None and not self.fresh

    def set_aside(self, connection: Connection) -> Callable[[], None]:
        """Return a function that keeps *connection* until the attempt has another one."""

        def keep() -> None:
            self.aside = (*self.aside, connection)

        return keep

    def give_back(self) -> None:
        """Return the connections that were set aside to the pool."""
        aside, self.aside = self.aside, ()
        for connection in aside:
            del connection.close
            connection.release()

    def was_ended(self) -> bool:
        """Return whether only its timeout cancelled its task, and undo that cancellation."""
        return self.expired and self.task.uncancel() <= self.cancelling

    def was_cancelled(self) -> bool:
        """Return whether its task was cancelled, also before it began: it learns of that later."""
        return self.task.cancelling() > 0


class UnfitConnectionError(Exception):
    """A connection that was used before must not be used for this attempt."""


class ConnectionState:
    """What is known of one connection."""

    attempt: Attempt | None = None  # the attempt that uses it; None while it is idle
    is_spoilt: bool = False  # whether it must not be used again
    doubted_until: float = 0.0  # the time from which its last response can be believed; 0: now


class WatchedProtocol(ResponseHandler, ConnectionState):
    """A connection of the client's own session. It notices bytes that belong to no request."""

    def data_received(self, data: bytes) -> None:
        """Mark the connection as unfit if bytes come while it is idle."""
        if self.attempt is None:
            self.is_spoilt = True
        _data_received(self, data)

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        """Mark the connection as unfit if it received bytes that are no HTTP response."""
        if isinstance(exc, HttpProcessingError):
            self.is_spoilt = True
        super().set_exception(exc, *cause)


class Connections:
    """What is known of all connections of one client, in the running event loop."""

    def __init__(self, clock: Clock, most_in_doubt: int) -> None:
        self._clock = clock
        self._now = bind_now(clock)
        self._most_in_doubt = most_in_doubt
        self._in_doubt = 0
        self._own: WeakSet[WatchedProtocol] = WeakSet()
        self._lent: WeakKeyDictionary[ResponseHandler, ConnectionState] = WeakKeyDictionary()
        # Those of calls for one pair, and of calls for many pairs, which take much longer.
        self._times = (ResponseTimes(), ResponseTimes())

    def take(self, attempt: Attempt, connection: Connection) -> ResponseHandler:
        """Use a connection for *attempt* and return it, or raise UnfitConnectionError."""
        # After the exception aiohttp closes it, or it is set aside.
        protocol = connection.protocol
        if type(protocol) is not WatchedProtocol:
            return self._take_any(attempt, connection)[0]
        if attempt.fresh:
            self._own.add(protocol)
            protocol.is_spoilt = False
        elif protocol.is_spoilt:
            raise UnfitConnectionError
        elif protocol.doubted_until or attempt.needs_new:
            is_doubted = self._is_doubted(protocol)
            if is_doubted and self._in_doubt > self._most_in_doubt:
                protocol.is_spoilt = True
                raise UnfitConnectionError
            if is_doubted or attempt.needs_new:
                # aiohttp calls this after the exception.
                connection.close = attempt.set_aside(connection)  # type: ignore[method-assign]
                raise UnfitConnectionError
        attempt.protocol, protocol.attempt = protocol, attempt
        return protocol

    async def take_lent(self, attempt: Attempt, connection: Connection) -> None:
        """Use a connection of a lent session. None is set aside, as the session may have few."""
        _, state = self._take_any(attempt, connection)
        while not attempt.fresh and self._is_doubted(state):
            await self._clock.sleep(_LOOK_AGAIN)
        if state.is_spoilt:
            raise UnfitConnectionError
        now = self._now()
        attempt.waited, attempt.began_at = now - attempt.began_at, now

    def _take_any(
        self, attempt: Attempt, connection: Connection
    ) -> tuple[ResponseHandler, ConnectionState]:
        protocol = connection.protocol
        assert protocol is not None  # noqa: S101 -- it is open
        state = self._get_state(protocol)
        # Set once it had a response. If a later aiohttp has no such attribute, all count as new.
        attempt.fresh = getattr(protocol, "_payload", None) is None
        if not attempt.fresh and (attempt.needs_new or state.is_spoilt or protocol.should_close):
            raise UnfitConnectionError
        attempt.protocol, state.attempt = protocol, attempt
        return protocol, state

    def _get_state(self, protocol: ResponseHandler) -> ConnectionState:
        if type(protocol) is WatchedProtocol:
            return protocol
        state = self._lent.get(protocol)
        if state is None:
            state = self._lent[protocol] = ConnectionState()
        return state

    def _is_doubted(self, state: ConnectionState) -> bool:
        return state.doubted_until > self._now()

    def doubt(self, attempt: Attempt) -> None:
        """Note that the response to *attempt*, which is being read, has to be confirmed."""
        if attempt.protocol is not None and attempt.is_reuse:
            self._get_state(attempt.protocol).doubted_until = self._now() + LONGEST_WAIT
            transport = attempt.protocol.transport
            # It came before the request was sent: it cannot be the response to it.
            if transport is not None and transport.get_write_buffer_size():
                attempt.is_cut = True

    def spoil(self, attempt: Attempt) -> None:
        """Never use the connection of *attempt* again, even if it is back in the pool."""
        if attempt.protocol is not None:
            self._get_state(attempt.protocol).is_spoilt = True

    def release(self, attempt: Attempt) -> None:
        if attempt.protocol is not None:
            state = self._get_state(attempt.protocol)
            if state.attempt is attempt:
                state.attempt = None

    def add_time(self, attempt: Attempt) -> None:
        """Take into account how long the response to *attempt* took."""
        self._times[attempt.is_of_many].add(self._now() - attempt.began_at)

    def drop_idle(self) -> None:
        """Never use the connections again that are idle now: one of them was found dead."""
        states: list[ConnectionState] = [*self._own, *self._lent.values()]
        for state in states:
            if state.attempt is None:
                state.is_spoilt = True

    async def confirm(self, attempt: Attempt) -> bool:
        """Return whether nothing follows the response to *attempt*: it belongs to its request."""
        # No other attempt uses the connection meanwhile. False: something followed, or it is not
        # known.
        protocol = attempt.protocol
        assert protocol is not None  # noqa: S101 -- it has a response
        state = self._get_state(protocol)
        if attempt.is_cut or state.attempt is not None or _has_more(protocol, state):
            state.is_spoilt = True
            return False
        times, took = self._times[attempt.is_of_many], self._now() - attempt.began_at
        if protocol.is_connected():
            await self._watch(state, times.wait_after(took))
            is_taken = state.attempt is not None  # after the loop stood still for too long
            if is_taken or _has_more(protocol, state):
                state.is_spoilt = True
                if not is_taken:
                    protocol.close()
                return False
            if protocol.is_connected():
                return True
        # The connection was closed, so nothing can follow. But the server may have closed it before
        # it read the request.
        return not times.is_early(took)

    async def _watch(self, state: ConnectionState, seconds: float) -> None:
        """Keep a connection out of use for *seconds*."""
        ends_at = self._now() + seconds
        state.doubted_until = ends_at + LONGEST_WAIT
        self._in_doubt += 1
        try:
            await self._clock.sleep(seconds)
            # An event loop that was blocked read nothing meanwhile; perhaps the server did not run.
            late = self._now() - ends_at
            if late > seconds * _LATE_SHARE:
                await self._clock.sleep(min(late, seconds))
            await self._clock.sleep(0)  # some event loops look at timers before they read
        except BaseException:
            state.is_spoilt = True
            raise
        finally:
            self._in_doubt -= 1
            state.doubted_until = 0.0


def _has_more(protocol: ResponseHandler, state: ConnectionState) -> bool:
    """Return whether a connection received more than one response to each request."""
    return (
        state.is_spoilt
        or bool(getattr(protocol, "_buffer", ()))  # further whole responses
        or isinstance(protocol.exception(), HttpProcessingError)
    )


def holds_another(response: ClientResponse) -> bool:
    """Return whether *response* contains the status line of another one."""
    # It does if the beginning of an unrequested response came before the request was sent.
    texts = (response.reason or "", *response.headers.values())
    return any(_STATUS_LINE.search(text) for text in texts)
