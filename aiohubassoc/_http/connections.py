"""
Connections that are used again, and whether a response belongs to the request before it.

HTTP/1.1 matches responses to requests by their order alone. A response without a request, such as
the notice of a load balancer, is read as that to the next request, and from then
on each request gets the response to the one before. A link is confirmed by the ids in its response,
but a refusal may name no record. So a connection that receives anything while it is idle is closed,
and a response that confirms nothing is believed only after its connection stayed silent for as long
as the request's own response would take: that one always follows.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Protocol
from weakref import WeakKeyDictionary, WeakSet

from aiohttp.client_proto import ResponseHandler
from aiohttp.http import HttpProcessingError

if TYPE_CHECKING:
    import asyncio

    from aiohttp import ClientResponse
    from aiohttp.connector import Connection

    from aiohubassoc._http.clock import Clock
    from aiohubassoc._http.deadlines import OnWire

# A timer of an idle loop is less late than that share of its time.
_LATE_SHARE: Final = 0.25
# Seconds. How often a call looks whether its connection is out of doubt.
_LOOK_AGAIN: Final = 0.002
_STATUS_LINE: Final = re.compile(r"HTTP/1\.\d \d{3}")
_data_received = ResponseHandler.data_received


# How fast mean and deviation follow: as for TCP's retransmission timer (RFC 6298, section 2).
_MEAN_GAIN: Final = 1 / 8
_DEVIATION_GAIN: Final = 1 / 4
_EARLY_FACTOR: Final = 2.0
# Seconds. The upper bound also holds as long as nothing is known.
_SHORTEST_WAIT: Final = 0.001
LONGEST_WAIT: Final = 1.0
_EARLY_SHARE: Final = 0.5


class ResponseTimes:
    """Mean and deviation of the seconds from sending requests to their responses."""

    def __init__(self) -> None:
        self._mean: float | None = None
        self._deviation = 0.0

    def add(self, seconds: float) -> None:
        """Take another response into account."""
        if self._mean is None:
            self._mean, self._deviation = seconds, seconds / 2
            return
        error = seconds - self._mean
        self._deviation += _DEVIATION_GAIN * (abs(error) - self._deviation)
        self._mean += _MEAN_GAIN * error

    def wait_after(self, seconds: float) -> float:
        """
        Return the seconds after which nothing follows a response that took *seconds*.

        If that one is not the request's own, the request's own comes about when it usually does.
        So a response at its usual time is followed by nothing after a usual time more; the sooner
        it came, the longer it takes to know.
        """
        if self._mean is None:
            return LONGEST_WAIT
        usual = self._mean + self._deviation
        early = max(0.0, self._mean - self._deviation - seconds)
        return min(LONGEST_WAIT, max(_SHORTEST_WAIT, usual + _EARLY_FACTOR * early))

    def is_early(self, seconds: float) -> bool:
        """Return whether a response that took *seconds* came sooner than its server can do it."""
        return self._mean is not None and seconds < self._mean * _EARLY_SHARE


class UnfitConnectionError(Exception):
    """A connection that was used before must not be used for a call."""


class ConnectionState(Protocol):
    """
    What is known of one connection.

    Attributes:
        call: The call that uses it; None while it is idle.
        is_spoilt: Whether it must not be used again.
        doubted_until: When its last response can be believed; 0: now.
    """

    call: OnWire | None
    is_spoilt: bool
    doubted_until: float


class WatchedProtocol(ResponseHandler):
    """A connection of our own session: it notes what belongs to no request."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.call: OnWire | None = None
        self.is_spoilt = False
        self.doubted_until = 0.0

    def data_received(self, data: bytes) -> None:
        """Note bytes that come while it is idle."""
        if self.call is None:
            self.is_spoilt = True
        _data_received(self, data)

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        """Note bytes that are no response, such as those behind one."""
        if isinstance(exc, HttpProcessingError):
            self.is_spoilt = True
        super().set_exception(exc, *cause)


class _LentState:
    """What is known of a connection that knows nothing of us."""

    def __init__(self) -> None:
        self.call: OnWire | None = None
        self.is_spoilt = False
        self.doubted_until = 0.0


class Connections:
    """
    What is known of all connections of one client.

    Args:
        clock: Time.
        most_in_doubt: How many connections may be out of use at once until their last responses
            can be believed.
    """

    def __init__(self, clock: Clock, most_in_doubt: int) -> None:
        self._clock = clock
        self._most_in_doubt = most_in_doubt
        self._in_doubt = 0
        self._own: WeakSet[WatchedProtocol] = WeakSet()
        self._lent: WeakKeyDictionary[ResponseHandler, _LentState] = WeakKeyDictionary()
        # Of calls for one pair, and of those for many, which take much longer.
        self._times = (ResponseTimes(), ResponseTimes())

    def take(self, call: OnWire, connection: Connection) -> ResponseHandler:
        """
        Use a connection of our own session for *call*, before anything is sent, and return it.

        Raises:
            UnfitConnectionError: it must not be used. It is closed for that, or set aside.
        """
        protocol = connection.protocol
        if type(protocol) is not WatchedProtocol:
            return self._take_any(call, connection)[0]
        if call.fresh:
            self._own.add(protocol)
            protocol.is_spoilt = False
        elif protocol.is_spoilt:
            raise UnfitConnectionError
        elif protocol.doubted_until or call.needs_new:
            is_doubted = self._is_doubted(protocol)
            if is_doubted and self._in_doubt > self._most_in_doubt:
                protocol.is_spoilt = True
                raise UnfitConnectionError
            if is_doubted or call.needs_new:
                # What aiohttp calls when it cannot be used.
                connection.close = call.set_aside(connection)  # type: ignore[method-assign]
                raise UnfitConnectionError
        call.protocol, protocol.call = protocol, call
        return protocol

    async def take_lent(self, call: OnWire, connection: Connection) -> None:
        """
        Use a connection of a lent session, which may have few: none is set aside.

        Raises:
            UnfitConnectionError: it must not be used. It is closed for that.
        """
        _, state = self._take_any(call, connection)
        while not call.fresh and self._is_doubted(state):
            await self._clock.sleep(_LOOK_AGAIN)
        if state.is_spoilt:
            raise UnfitConnectionError
        now = self._clock.now()
        call.waited, call.began_at = now - call.began_at, now

    def _take_any(
        self, call: OnWire, connection: Connection
    ) -> tuple[ResponseHandler, ConnectionState]:
        protocol = connection.protocol
        assert protocol is not None  # noqa: S101 -- it is open
        state = self._get_state(protocol)
        # It had a response before. If a later aiohttp notes that elsewhere, all are new.
        call.fresh = getattr(protocol, "_payload", None) is None
        if not call.fresh and (call.needs_new or state.is_spoilt or protocol.should_close):
            raise UnfitConnectionError
        call.protocol, state.call = protocol, call
        return protocol, state

    def _get_state(self, protocol: ResponseHandler) -> ConnectionState:
        if type(protocol) is WatchedProtocol:
            return protocol
        state = self._lent.get(protocol)
        if state is None:
            state = self._lent[protocol] = _LentState()
        return state

    def _is_doubted(self, state: ConnectionState) -> bool:
        return state.doubted_until > self._clock.now()

    def doubt(self, call: OnWire) -> None:
        """Note that the response to *call*, which is being read, is to be confirmed."""
        if call.protocol is not None and call.is_reuse:
            self._get_state(call.protocol).doubted_until = self._clock.now() + LONGEST_WAIT
            transport = call.protocol.transport
            # It came before the request was sent: it cannot be the response to it.
            if transport is not None and transport.get_write_buffer_size():
                call.is_cut = True

    def spoil(self, call: OnWire) -> None:
        """Use the connection of *call* for nothing else; it may have been released before."""
        if call.protocol is not None:
            self._get_state(call.protocol).is_spoilt = True

    def release(self, call: OnWire) -> None:
        """Note that *call* has its response."""
        if call.protocol is not None:
            state = self._get_state(call.protocol)
            if state.call is call:
                state.call = None

    def add_time(self, call: OnWire) -> None:
        """Take into account how long the response to *call* took."""
        self._times[call.is_of_many].add(self._clock.now() - call.began_at)

    def drop_idle(self) -> None:
        """Use no connection again that is idle now: one of them turned out to be dead."""
        states: list[ConnectionState] = [*self._own, *self._lent.values()]
        for state in states:
            if state.call is None:
                state.is_spoilt = True

    async def confirm(self, call: OnWire) -> bool:
        """
        Return whether the response to *call* is that of its request, as nothing follows it.

        Until then no other call uses the connection. False: something followed, or it is not known.
        """
        protocol = call.protocol
        assert protocol is not None  # noqa: S101 -- it has a response
        state = self._get_state(protocol)
        if call.is_cut or state.call is not None or _has_more(protocol, state):
            state.is_spoilt = True
            return False
        times, took = self._times[call.is_of_many], self._clock.now() - call.began_at
        if protocol.is_connected():
            await self._watch(state, times.wait_after(took))
            is_taken = state.call is not None  # where the loop stood still for longer than a doubt
            if is_taken or _has_more(protocol, state):
                state.is_spoilt = True
                if not is_taken:
                    protocol.close()
                return False
            if protocol.is_connected():
                return True
        # It ended, so that nothing can follow: but its end may have crossed the
        # request.
        return not times.is_early(took)

    async def _watch(self, state: ConnectionState, seconds: float) -> None:
        """Keep a connection out of use for so long."""
        ends_at = self._clock.now() + seconds
        state.doubted_until = ends_at + LONGEST_WAIT
        self._in_doubt += 1
        try:
            await self._clock.sleep(seconds)
            # A loop that stood still did not read meanwhile, nor perhaps did the server respond.
            late = self._clock.now() - ends_at
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
        or bool(getattr(protocol, "_buffer", ()))  # whole responses without a request
        or isinstance(protocol.exception(), HttpProcessingError)
    )


def holds_another(response: ClientResponse) -> bool:
    """Return whether what was begun before it was sent has become the beginning of a response."""
    texts = (response.reason or "", *response.headers.values())
    return any(_STATUS_LINE.search(text) for text in texts)
