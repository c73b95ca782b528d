"""
The state that all processes of one quota share, and how a request changes it.

It contains the pacer that also paces a single process, the permits of each process, and their
order. It reads no clock and does no I/O.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import attrs

from aiohubassoc._http.clock import SystemClock
from aiohubassoc._http.limiter import QuotaLimiter
from aiohubassoc.errors import DailyReserveError, SharedQuotaError
from aiohubassoc.shared_quota import snapshot
from aiohubassoc.shared_quota.messages import Grant, NotResponded, Request, Responded, WasThrottled

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohubassoc._quota.daily_budget import DailyBudget
    from aiohubassoc._quota.pacer import Pacer
    from aiohubassoc.shared_quota.messages import Event

# A process without contact for this many seconds counts as gone. Its permits are free one window
# later: after 20 s with HubSpot's window.
LEASE: Final = 10.0
# How long a permit may be used after the last contact, and the interval of contacts at most.
USABLE: Final = LEASE / 2
HEARTBEAT: Final = LEASE / 5
# How long a process without permits keeps its place in the order.
_REMEMBERED: Final = 60.0
# A process that asks this much later than announced loses its turn.
_GRACE: Final = 0.1
_LEAST_WAIT: Final = 0.002
# A timer may fire a little early: the search for permits has no shorter steps.
_TICK: Final = 1e-4
# How long in advance permits are granted, at most, and as a share of the window. The store is asked
# less often, and no round trip is lost. Other processes learn of a throttle this much later.
_MOST_HORIZON: Final = 0.1
_HORIZON_SHARE: Final = 1 / 10
# The longest interval of requests while waiting: a permit may be returned, or a process may end.
_LONGEST_WAIT: Final = 0.5
# The interval while only calls of other processes can free permits: for one process that waits,
# and for each further one.
_POLL: Final = 0.01
_POLL_EACH: Final = 0.005
# While many permits are free, this share of them is granted to a process in advance: the store is
# asked less often, and the others lack none.
_GRANTED_SHARE: Final = 1 / 16
_MOST_GRANTED: Final = 256


@attrs.define
class _Holder:
    """A client of a process."""

    seen: float  # when its last request came
    number: int = 0  # number of its last request
    leases: int = 0  # number of permits it has
    taken: int = 0  # number of permits it took in all; decides the order
    want: int = 0  # number of permits it waits for
    due: float = 0.0  # when it asks for them again
    is_lapsed: bool = False  # whether it lost its permits because it made no contact
    reply: dict[str, Any] = attrs.Factory(dict)  # the reply to its last request


class StoreClock(SystemClock):
    """The store's time at the event that is being recorded."""

    time = 0.0

    def now(self) -> float:
        return self.time


class Decider(QuotaLimiter):
    """The limiter of a single process, for its decisions only: no caller waits here."""

    @property
    def pacer(self) -> Pacer:
        return self._pacer

    @property
    def daily(self) -> DailyBudget | None:
        """The calls left today; None: none are reserved for others."""
        return self._daily

    def take(self, now: float) -> float:
        return self._try_take(now)


class CommonState:
    """The common state in one row of a store."""

    # *limiter* decides by the options of this process, and *clock* is the limiter's.

    def __init__(self, limiter: Decider, clock: StoreClock, is_gone: Callable[[str], bool]) -> None:
        self._limiter = limiter
        self._clock = clock
        self._is_gone = is_gone
        self._holders: dict[str, _Holder] = {}
        # Kept for processes that reserve calls of the day, also if this one does not.
        self._daily: dict[str, Any] | None = None
        self._blocked_until = -math.inf
        self._is_to_hold = False
        # Permits are granted in advance up to this time: no later grant is earlier.
        self._granted_until = -math.inf
        # The store's clock may be set back; the time here never is.
        self._now = -math.inf
        self._shift = 0.0

    def load(self, text: bytes, *, is_same_epoch: bool, keeps_time: bool) -> None:
        """Load a state that `dump` returned, or raise SharedQuotaError."""
        # *is_same_epoch*: the store was not restarted since. *keeps_time*: its times are valid
        # after a restart.
        try:
            state = snapshot.from_bytes(text)
            format_ = int(state["format"])
            is_readable = format_ == snapshot.FORMAT
            if is_readable and (is_same_epoch or keeps_time):
                self._load(state)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SharedQuotaError(f"what is kept of it cannot be read: {error}") from error
        if format_ > snapshot.FORMAT:
            raise SharedQuotaError(
                "a newer version of aiohubassoc wrote it: upgrade this one, or use another key"
            )
        if not is_readable or not is_same_epoch:
            self.hold_window()

    def hold_window(self) -> None:
        """Grant nothing for a window from the next request on: what was sent before is unknown."""
        self._is_to_hold = True

    def _load(self, state: dict[str, Any]) -> None:
        limiter = self._limiter
        snapshot.load(limiter.pacer, state["pacer"])
        limiter.pacer.apply_options()
        self._daily = state["daily"]
        if limiter.daily is not None and self._daily is not None:
            snapshot.load(limiter.daily, self._daily)
        self._holders = {name: _Holder(**one) for name, one in state["holders"].items()}
        self._blocked_until, self._granted_until = (
            float(state["held_until"]),
            float(state["paced_to"]),
        )
        self._now, self._shift = float(state["now"]), state["shift"]
        if not math.isfinite(self._now):
            raise ValueError(f"its time is {self._now}")

    def dump(self) -> bytes:
        daily = self._limiter.daily
        return snapshot.to_bytes(
            {
                "format": snapshot.FORMAT,
                "pacer": snapshot.dump(self._limiter.pacer, self._now),
                "daily": self._daily if daily is None else snapshot.dump(daily, self._now),
                "holders": {
                    name: attrs.asdict(one, recurse=False) for name, one in self._holders.items()
                },
                "held_until": str(self._blocked_until),  # it may be -inf
                "paced_to": str(self._granted_until),
                "now": str(self._now),
                "shift": self._shift,
            }
        )

    def apply(self, request: Request, now: float, arrived_at: float) -> Grant:
        """Execute a request that came at *arrived_at*, and then waited for others until *now*."""
        self._shift += max(0.0, self._now - now - self._shift)
        self._now = now = now + self._shift
        if self._is_to_hold:
            self._blocked_until = now + self._limiter.quota.window
            self._is_to_hold = False
        came_at = (arrived_at if request.stamp is None else request.stamp) + self._shift
        self._expire(now)
        holder = self._holders.setdefault(request.holder, _Holder(now, is_lapsed=True))
        if holder.number == request.number:  # the reply to it was lost
            if not holder.is_lapsed:
                return Grant.from_kept(holder.reply)
            request = attrs.evolve(request, events=())
        holder.seen, holder.number = now, request.number
        is_forfeited, holder.is_lapsed = holder.is_lapsed, False
        unused = 0 if is_forfeited else request.unused
        self._set_leases(holder, request.ended + request.in_flight + unused, now)
        for event in request.events:
            self._record(event, came_at - request.base)
        _ = self._limiter.in_flight  # records those whose recording could wait
        holder.leases -= request.ended
        self._clock.time = now
        reply = self._grant(holder, request.want, now)
        quota = self._limiter.quota
        reply = attrs.evolve(
            reply,
            is_forfeited=is_forfeited,
            limit=quota.limit,
            window=quota.window,
            max_in_flight=self._limiter.max_in_flight,
        )
        holder.reply = attrs.asdict(reply, recurse=False)  # JSON holds an infinite wait as null
        if request.is_last:
            for _ in range(request.in_flight):  # their calls were cut off, and may be counted
                self._limiter.pacer.record_no_response(now, now)
            del self._holders[request.holder]
        return reply

    def _record(self, event: Event, shift: float) -> None:
        limiter, clock = self._limiter, self._clock
        clock.time = event.at + shift
        sent_at = event.sent_at + shift
        match event:
            case Responded():
                limiter.record_response(
                    sent_at,
                    clock.time,
                    exact=event.exact,
                    accepted=event.accepted,
                    headers=event.headers,
                )
            case NotResponded():
                limiter.record_no_response(sent_at)
            case WasThrottled():
                limiter.record_throttle(
                    sent_at,
                    event.retry_after,
                    by_quota=event.by_quota,
                    by_second=event.by_second,
                )

    def _set_leases(self, holder: _Holder, count: int, now: float) -> None:
        pacer = self._limiter.pacer
        for _ in range(holder.leases, count):
            pacer.take(now)
        for _ in range(count, holder.leases):
            pacer.release_unused()
        holder.leases = count

    def _expire(self, now: float) -> None:
        """Count the permits of processes that are gone as used: their calls may have been sent."""
        for name, holder in list(self._holders.items()):
            silent = now - holder.seen
            if silent < HEARTBEAT:
                continue
            is_gone = self._is_gone(name)
            if is_gone or silent > LEASE:
                # A call is sent while its permit is usable, and not after the process ended.
                last_at = now if is_gone else holder.seen + LEASE
                for _ in range(holder.leases):
                    self._limiter.pacer.record_no_response(holder.seen, min(now, last_at))
                holder.is_lapsed = holder.is_lapsed or holder.leases > 0
                holder.leases = holder.want = 0
            if is_gone or silent > _REMEMBERED:
                del self._holders[name]

    def _grant(self, holder: _Holder, want: int, now: float) -> Grant:
        """Grant permits to a process; those that took fewer recently have precedence."""
        others = [
            one
            for one in self._holders.values()
            if one is not holder and one.want and now <= one.due + _GRACE
        ]
        was_waiting, holder.want = holder.want > 0, want
        if not want:
            return Grant()
        if others and not was_waiting:
            credit = self._limiter.quota.limit // (len(others) + 1)
            holder.taken = max(holder.taken, min(one.taken for one in others) - credit)
        if now < self._blocked_until:
            return Grant(wait=self._wait(holder, self._blocked_until - now, now))
        try:
            granted = self._take(holder, others, now)
        except DailyReserveError as error:
            holder.want = 0
            return Grant(daily=(error.left, error.reserved))
        if holder.want:
            wait = self._wait_for_turn(holder, others, now)
            needs_news = wait == math.inf
            if needs_news:
                # Only this process can bring news, and it does so at once.
                is_alone = all(one is holder or not one.leases for one in self._holders.values())
                wait = HEARTBEAT if is_alone else _POLL + _POLL_EACH * len(others)
            wait = self._wait(holder, wait, now)
            return Grant(granted=tuple(granted), wait=wait, needs_news=needs_news)
        if self._limiter.daily is None:
            granted += [0.0] * self._take_ahead(holder, others)
        return Grant(granted=tuple(granted))

    def _take(self, holder: _Holder, others: list[_Holder], now: float) -> list[float]:
        """Take permits for a process, and return in how many seconds each may be used."""
        pacer = self._limiter.pacer
        ahead = _count_ahead(holder, others)
        # While others have precedence, nothing is granted in advance.
        until = now + (self._horizon(now) if not ahead else 0.0)
        most = holder.want
        if others:
            room = pacer.count_by(until) - ahead if pacer.is_calm(now) else 0
            most = min(most, max(1, room // (len(others) + 1)))
        at = max(now, self._granted_until)
        granted: list[float] = []
        pacer.set_aside(ahead)
        try:
            while len(granted) < most and at <= until:
                wait = self._limiter.take(at)
                if wait <= 0:
                    granted.append(at - now)
                    self._granted_until = at
                else:
                    at += max(wait, _TICK)
        finally:
            pacer.set_aside(-ahead)
            holder.leases += len(granted)
            holder.taken += len(granted)
            holder.want -= len(granted)
        return granted

    def _take_ahead(self, holder: _Holder, others: list[_Holder]) -> int:
        """Take permits for future calls while many are free, and return how many."""
        pacer = self._limiter.pacer
        share = _GRANTED_SHARE / max(1, len(self._holders), len(others))
        count = min(int(pacer.room * share), _MOST_GRANTED)
        for _ in range(count):
            pacer.try_take()
        holder.leases += count
        holder.taken += count
        return count

    def _wait_for_turn(self, holder: _Holder, others: list[_Holder], now: float) -> float:
        """Return after how many seconds a process asks again; inf: once another call has ended."""
        pacer, at = self._limiter.pacer, max(now, self._granted_until)
        ahead = _count_ahead(holder, others)
        pacer.set_aside(ahead)
        try:
            wait = pacer.wait(at)
        finally:
            pacer.set_aside(-ahead)
        if wait == math.inf:
            return wait
        # Early enough to get the permit in advance.
        return max(at + wait - now - self._horizon(now) / 2, _LEAST_WAIT)

    def _horizon(self, now: float) -> float:
        """Return how many seconds before it is free a permit may be granted."""
        if not self._limiter.pacer.is_calm(now):
            return 0.0
        return min(_MOST_HORIZON, _HORIZON_SHARE * self._limiter.quota.window)

    def _wait(self, holder: _Holder, wait: float, now: float) -> float:
        wait = min(wait, _LONGEST_WAIT)
        holder.due = now + wait
        return wait


def _count_ahead(holder: _Holder, others: list[_Holder]) -> int:
    """Return how many permits others get first."""
    return sum(min(one.want, max(0, holder.taken - one.taken)) for one in others)
