"""What a run will take: arithmetic, before anything is sent. Times are in seconds."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Final, Protocol

import attrs

from aiohubassoc._quota.adaptive_limit import AdaptiveLimit
from aiohubassoc.errors import OptionsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiohubassoc.options import Quota

_DAY: Final = 86_400.0
# HubSpot, Associations v4: the most pairs of one batch call.
_BATCH_MOST: Final = 2000
# A token comes back one window after its call was counted: after half of the round trip and what
# `RoundTrips` adds for an ordinary network's jitter.
_COUNTED_SHARE: Final = 0.6
# Of the many calls that are on the wire at the end, the slowest ends the run.
_LAST_ANSWER_SHARE: Final = 1.5
# So many calls are gone through one by one; by then a pace that rises has long settled.
_PACED_MOST: Final = 20_000


@attrs.frozen
class Estimate:
    """
    What a run will take.

    Attributes:
        calls: How many are made.
        seconds: From the first call to the last answer, if the day has calls for all of them.
        days: How many of the account's days it needs: 1 when the day's calls suffice, or their
            number is not known; 0 without calls.
        finishes_after: Seconds from now to the last answer. HubSpot counts the day's calls anew at
            midnight in the account's time zone, which nobody tells us: each further day's calls
            are expected whole days after the start, which is no earlier than they come.
        daily_share: The calls as a share of a day's, above 1 where one day does not suffice. None:
            the day's number is not known.
    """

    calls: int
    seconds: float
    days: int
    finishes_after: float
    daily_share: float | None


def estimate(
    calls: int,
    quota: Quota,
    *,
    concurrency: int = 64,
    round_trip: float = 0.1,
    daily_calls: int | None = None,
) -> Estimate:
    """
    Return what a run of single PUTs takes if each succeeds at once and nobody else calls.

    Such a run agrees within 5 %, or one round trip where that is more, while a round trip is well
    below the window. Retries and refusals come on top. A client without a quota of its own begins
    with `SAFE_START`, the lowest there is, and then keeps what HubSpot names: it takes no longer
    than the estimate for `SAFE_START`.

    Args:
        calls: How many; 0 or more.
        quota: What the run keeps: where it keeps only a share, that share.
        concurrency: The most calls on the wire at once; 1 or more.
        round_trip: Seconds from sending a call to its answer, on average; 0 or more.
        daily_calls: Calls that HubSpot takes from the account in a day; 1 or more. None: not known.

    Raises:
        OptionsError: an argument out of range.
    """
    _check("calls", calls, at_least=0)
    _check("concurrency", concurrency, at_least=1)
    _check_seconds("round_trip", round_trip)
    return _over_days(calls, _Run(quota, concurrency, round_trip).seconds, daily_calls)


class Pacing(Protocol):
    """When calls may go, as of `BatchPacer`."""

    def wait(self, now: float) -> float:
        """Return the seconds until a call may go: 0 means now, inf not before there is news."""
        ...

    def take(self, now: float) -> None:
        """Let a call go."""
        ...

    def record_response(
        self, sent_at: float, responded_at: float, *, exact: bool, accepted: bool
    ) -> None:
        """Note that a call is answered."""
        ...


def paced_estimate(
    calls: int,
    begin: Callable[[], Pacing],
    *,
    round_trip: float,
    daily_calls: int | None = None,
) -> Estimate:
    """
    Return what so many calls take that go as a pace lets them, if each succeeds at once.

    The pace itself is asked, as a run would ask it, so that the two cannot differ; what comes
    beyond 20,000 calls goes on as the half before.

    Args:
        calls: How many; 0 or more.
        begin: Makes the pace as it is before the first call.
        round_trip: Seconds from sending a call to its answer; 0 or more.
        daily_calls: As for `estimate`.

    Raises:
        OptionsError: an argument out of range.
    """
    _check("calls", calls, at_least=0)
    _check_seconds("round_trip", round_trip)
    return _over_days(calls, lambda count: _paced(count, begin, round_trip), daily_calls)


def _paced(calls: int, begin: Callable[[], Pacing], round_trip: float) -> float:
    """Return when the last of so many calls is answered; 0 without calls."""
    if calls > _PACED_MOST:
        half = _PACED_MOST // 2
        before, seconds = (_paced(count, begin, round_trip) for count in (half, _PACED_MOST))
        return seconds + (calls - _PACED_MOST) * (seconds - before) / half
    pace, now = begin(), 0.0
    on_wire: deque[float] = deque()
    for _ in range(calls):
        while (wait := pace.wait(now)) > 0:
            if on_wire and on_wire[0] + round_trip <= now + wait:
                sent_at = on_wire.popleft()
                now = max(now, sent_at + round_trip)
                pace.record_response(sent_at, now, exact=True, accepted=True)
            else:
                now = max(now + wait, math.nextafter(now, math.inf))
        pace.take(now)
        on_wire.append(now)
    return now + round_trip if calls else 0.0


def _over_days(calls: int, seconds_of: Callable[[int], float], daily_calls: int | None) -> Estimate:
    """Return what calls take that take so many seconds when the day has calls for all of them."""
    seconds = seconds_of(calls)
    if daily_calls is None:
        return Estimate(calls, seconds, min(calls, 1), seconds, None)
    _check("daily_calls", daily_calls, at_least=1)
    days = -(-calls // daily_calls)
    finishes_after = seconds
    if days > 1:
        last = calls - (days - 1) * daily_calls
        # A quota so slow that the day's calls outlast the day waits for no night.
        finishes_after = max(seconds, (days - 1) * _DAY + min(seconds_of(last), _DAY))
    return Estimate(calls, seconds, days, finishes_after, calls / daily_calls)


def batch_calls(pairs_by_types: Mapping[tuple[str, str], int], most: int = _BATCH_MOST) -> int:
    """
    Return how many calls the same pairs take as batches, which hold one pair of types each.

    Args:
        pairs_by_types: How many pairs there are from one object type to another.
        most: The most pairs of a batch; 1 or more.

    Raises:
        OptionsError: a number out of range.
    """
    _check("most", most, at_least=1)
    for (from_type, to_type), pairs in pairs_by_types.items():
        _check(f"pairs from {from_type} to {to_type}", pairs, at_least=0)
    return sum(-(-pairs // most) for pairs in pairs_by_types.values())


class _Run:
    """When the calls of a run go: as fast as the wire lets them, and each token once a cycle."""

    def __init__(self, quota: Quota, concurrency: int, round_trip: float) -> None:
        self._limit = quota.limit
        self._cycle = quota.window + _COUNTED_SHARE * round_trip
        self._round_trip = round_trip
        self._on_wire = concurrency
        # HubSpot names its quota, so calls on the wire grow in number as where it is told.
        allowance = AdaptiveLimit(quota)
        allowance.adopt(quota)
        first = allowance.max_in_flight
        allowance.grow()
        self._growth = allowance.max_in_flight - first
        self._first_on_wire = min(first, concurrency)

    def seconds(self, calls: int) -> float:
        """Return when the last of so many calls is answered; 0 without calls."""
        if calls == 0:
            return 0.0
        return self._sent_at(calls) + _LAST_ANSWER_SHARE * self._round_trip

    def _sent_at(self, calls: int) -> float:
        """
        Return when the last of so many calls is sent.

        It used a token again that came back after each of so many cycles; before them, the wire
        held the calls up. What held up the longest decides: the wire all along, or until it
        carried as many calls as the quota gives.
        """
        needed = self._limit * self._round_trip / self._cycle
        held_up = needed / math.log1p(self._growth) - self._first_on_wire / self._growth
        most = (calls - 1) // self._limit
        after = min(most, max(0, int((calls - held_up) // self._limit)))
        return max(
            cycles * self._cycle + self._through_wire(calls - cycles * self._limit)
            for cycles in (0, after, min(most, after + 1))
        )

    def _through_wire(self, calls: int) -> float:
        """Return when the last of so many calls would be sent if there were no quota."""
        first, growth, on_wire = self._first_on_wire, self._growth, self._on_wire
        # Each round trip lets this share more go than the one before, until the wire is full.
        factor = 1 + growth
        until_full = (on_wire * factor - first) / growth
        rounds = math.log(1 + min(calls, until_full) * growth / first, factor) - 1
        beyond = max(0.0, calls - until_full) / on_wire
        return self._round_trip * (max(0.0, rounds) + beyond)


def _check(name: str, value: object, *, at_least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < at_least:
        raise OptionsError(f"{name} must be an int of {at_least} or more, not {value!r}")


def _check_seconds(name: str, value: object) -> None:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not 0 <= value < math.inf  # nor nan
    ):
        raise OptionsError(f"{name} must be a number of seconds, 0 or more, not {value!r}")
