"""A limiter whose permits come from the state that many processes share."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import attrs

from aiohubassoc._http.limiter import WaitQueue
from aiohubassoc._http.limiter_interface import NO_HEADERS
from aiohubassoc._quota.pacer import Cooldown
from aiohubassoc.errors import ClientClosedError, DailyReserveError
from aiohubassoc.options import Quota
from aiohubassoc.shared_quota.common_state import HEARTBEAT, USABLE
from aiohubassoc.shared_quota.messages import (
    Grant,
    NotResponded,
    Request,
    Responded,
    WasThrottled,
)
from aiohubassoc.shared_quota.store import TransientStoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohubassoc._http.clock import Clock, Timer
    from aiohubassoc.errors import AioHubAssocError
    from aiohubassoc.shared_quota.common_state import Decider
    from aiohubassoc.shared_quota.messages import Event
    from aiohubassoc.shared_quota.session import CommonRow, StoreSession

# A store may be away for so long: a server is restarted, a file is locked. Then the run stops.
PATIENCE: Final = 60.0
_RETRY_EVERY: Final = 0.25
# What became of calls is reported together, after at most this part of a window.
_TOGETHER_SHARE: Final = 1 / 100
_TOGETHER_LEAST, _TOGETHER_MOST = 0.005, 0.1
_MOST_WANTED: Final = 256
_CLOSE_SECONDS: Final = 3.0


class SharedLimiter:
    """A `Limiter` that shares its quota with other processes."""

    def __init__(
        self,
        row: CommonRow,
        session: StoreSession,
        identity: str,
        decider: Decider,
        *,
        clock: Clock,
    ) -> None:
        self._row = row
        self._session = session
        self._identity = identity
        self._clock = clock
        self._queue = WaitQueue(clock, self._try_take, self.release_unused)
        self.quota = decider.quota  # the quota that is kept now; of two, the slower
        # How many batch calls may be in flight now; None: any number.
        self.max_in_flight = decider.max_in_flight
        self.generation = 0  # of permits: those of an earlier one are not to be used any more
        self._cooldown = Cooldown()
        self._paused_until = -math.inf
        # From when on each unused permit may be used, in order; and how many calls have one.
        self._unused: deque[float] = deque()
        self._in_flight = 0
        self._usable_until = -math.inf
        self._next_at = -math.inf  # when to ask again
        self._needs_news = False
        self._events: list[Event] = []
        self._number = 0
        self._request: Request | None = None  # the one that is under way
        self._sent_at = -math.inf
        self._is_asking = False
        self._timer: Timer | None = None
        self._timer_at = math.inf
        self._troubled_since: float | None = None
        self._daily_error: DailyReserveError | None = None
        self._failure: AioHubAssocError | None = None
        self._replied = asyncio.Event()

    @property
    def in_flight(self) -> int:
        """How many calls of this client may have been sent and have not ended."""
        return self._in_flight

    def try_acquire(self) -> bool:
        """Acquire if there is an unused permit and no caller waits; return whether it did."""
        return bool(self._unused) and not self._queue.waiters and self._take_one(self._clock.now())

    async def acquire(self) -> None:
        """See `Limiter`; SharedQuotaError: the store cannot be used any more."""
        await self._queue.acquire()

    def release_unused(self) -> None:
        self._in_flight -= 1
        self._note()

    def record_response(
        self,
        sent_at: float,
        responded_at: float,
        *,
        exact: bool = True,
        accepted: bool = True,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> None:
        self._in_flight -= 1
        if accepted:
            self._cooldown.record_accepted(sent_at)
        self._events.append(Responded(sent_at, responded_at, exact, accepted, headers))
        self._note()

    def record_no_response(self, sent_at: float) -> None:
        self._in_flight -= 1
        self._events.append(NotResponded(sent_at, self._clock.now()))
        self._note()

    def record_throttle(
        self,
        sent_at: float,
        retry_after: float | None,
        *,
        by_quota: bool = True,
        by_second: bool = False,
    ) -> float:
        """Hold all calls back, those of other processes too; return the seconds until they may."""
        now = self._clock.now()
        pause = self._cooldown.record_throttle(
            now, sent_at, retry_after=retry_after, window=self.quota.window
        )
        self._paused_until = now + pause
        self._events.append(WasThrottled(sent_at, now, retry_after, by_quota, by_second))
        self._ask()
        return pause

    def is_usable(self, generation: int) -> bool:
        """See `ExpiringLimiter`: not after this process was stopped, or the store away."""
        return generation == self.generation and self._clock.now() <= self._usable_until

    async def renew(self) -> None:
        self._in_flight -= 1
        try:
            await self._queue.acquire()
        except BaseException:
            self._in_flight += 1
            raise

    async def register(self) -> None:
        """Let the common state know of this client, or raise what the store does."""
        self._number += 1
        request = self._complete(Request(self._identity, self._number, (), 0, 0, 0))
        await self._session.submit(lambda: self._row.request(request))

    async def close(self) -> None:
        """Return what is left of permits, and report what became of calls, if that is possible."""
        try:
            if self._failure is None and self._number:
                with suppress(Exception):  # then the permits run out
                    async with asyncio.timeout(_CLOSE_SECONDS):
                        while self._is_asking:
                            self._replied.clear()
                            await self._replied.wait()
                        last = attrs.evolve(self._make_request(), unused=0, want=0, is_last=True)
                        request = self._complete(last)
                        await self._session.submit(lambda: self._row.request(request))
        finally:  # cancelled or not
            self._fail(ClientClosedError())

    def _take_one(self, now: float) -> bool:
        unused = self._unused
        if not unused or unused[0] > now or not self._paused_until <= now <= self._usable_until:
            return False
        unused.popleft()
        self._in_flight += 1
        return True

    def _try_take(self, now: float) -> float:
        if self._failure is not None:
            raise self._failure
        if self._take_one(now):
            return 0.0
        if self._daily_error is not None:
            raise self._daily_error
        wait = math.inf
        if self._unused and now <= self._usable_until:
            wait = max(self._unused[0], self._paused_until) - now
        if not self._is_asking and (
            wait == math.inf or len(self._queue.waiters) > len(self._unused)
        ):
            ask_in = max(self._paused_until, self._next_at) - now
            if ask_in <= 0:
                self._ask()
            else:
                wait = min(wait, ask_in)
        return wait

    def _note(self) -> None:
        """Schedule the report of what is new."""
        if self._is_asking:
            return
        if self._needs_news and self._queue.waiters:
            self._ask()
        else:
            together = _TOGETHER_SHARE * self.quota.window
            self._ask_in(min(max(_TOGETHER_LEAST, together), _TOGETHER_MOST))

    def _ask_in(self, seconds: float) -> None:
        at = self._clock.now() + seconds
        if at < self._timer_at and self._failure is None:
            if self._timer is not None:
                self._timer.cancel()
            self._timer, self._timer_at = self._clock.call_at(at, self._ask), at

    def _ask(self) -> None:
        """Ask once this turn of the event loop is over: what else comes in it is reported too."""
        if not self._is_asking and self._failure is None:
            self._is_asking = True
            asyncio.get_running_loop().call_soon(self._send)

    def _send(self) -> None:
        if self._failure is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer, self._timer_at = None, math.inf
        if self._request is None:
            self._request = self._make_request()
        request = self._complete(self._request)
        self._sent_at = request.base
        self._session.submit(lambda: self._row.request(request)).add_done_callback(self._received)

    def _make_request(self) -> Request:
        want = max(0, min(len(self._queue.waiters), _MOST_WANTED) - len(self._unused))
        if not self._queue.waiters and self._clock.now() - self._sent_at >= HEARTBEAT:
            self._unused.clear()  # nobody needed them
        self._number += 1
        events, self._events = tuple(self._events), []
        return Request(
            self._identity, self._number, events, self._in_flight, len(self._unused), want
        )

    def _complete(self, request: Request) -> Request:
        return attrs.evolve(request, base=self._clock.now(), stamp=self._session.stamp())

    def _received(self, future: asyncio.Future[tuple[Grant, float]]) -> None:
        if future.cancelled():  # the event loop ends
            return
        error = future.exception()
        now = self._clock.now()
        if isinstance(error, TransientStoreError) and self._is_patient(now):
            self._clock.call_at(now + _RETRY_EVERY, self._send)
            return
        if error is not None:
            self._fail(self._session.explain(error))
            return
        self._troubled_since = None
        self._request = None
        self._is_asking = False
        self._replied.set()
        reply, at = future.result()
        self._take_over(reply, now - self._session.age(at))

    def _take_over(self, reply: Grant, at: float) -> None:
        """Take over a *reply* that refers to the moment *at*."""
        if reply.is_forfeited:
            self._unused.clear()
            self.generation += 1
        self._unused.extend(at + after for after in reply.granted)
        self._usable_until = self._sent_at + USABLE
        self._next_at = -math.inf if reply.wait == math.inf else at + reply.wait
        self._needs_news = reply.needs_news
        self.quota = Quota(reply.limit, reply.window)
        self.max_in_flight = reply.max_in_flight
        if reply.daily is not None:
            self._daily_error = DailyReserveError(*reply.daily)
        self._queue.wake()
        self._daily_error = None
        if self._events:
            self._note()
        elif self._in_flight or self._unused:
            self._ask_in(HEARTBEAT)

    def _is_patient(self, now: float) -> bool:
        if self._troubled_since is None:
            self._troubled_since = now
        return now - self._troubled_since < PATIENCE

    def _fail(self, error: AioHubAssocError) -> None:
        self._failure = self._failure or error
        self._is_asking = False
        self._unused.clear()
        self._usable_until = -math.inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._replied.set()
        self._queue.wake()
