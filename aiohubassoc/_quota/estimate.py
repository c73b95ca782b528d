"""Estimates how long a run takes, by its pacer in virtual time. Times are in seconds."""

from __future__ import annotations

import heapq
import math
from itertools import cycle
from typing import TYPE_CHECKING, Final

import attrs

from aiohubassoc.options import check_count, check_wait

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohubassoc._quota.pacer import Pacer

_DAY: Final = 86_400.0
# HubSpot, Associations v4: the most pairs of one batch call.
_BATCH_MOST: Final = 2000
# How many calls are simulated: two windows of them if that is more, up to the second number.
_SIMULATED: Final = 5_000
_MOST_SIMULATED: Final = 20_000
# Successive round trips differ from their mean by this many deviations: the middles of 16 equal
# parts of a normal distribution, in pairs, the longer one first.
_DEVIATIONS: Final = tuple(
    sign * deviations
    for deviations in (0.08, 0.78, 0.24, 0.58, 0.40, 1.86, 1.01, 1.32)
    for sign in (1, -1)
)


@attrs.frozen
class Estimate:
    """What a run will take."""

    calls: int  # how many are made
    seconds: float  # from the first call to the last response, if the day has calls for all of them
    # How many of the account's days it needs: 1 when the day's calls suffice, or their number is
    # not known; 0 without calls.
    days: int
    # Seconds from now to the last response. HubSpot's daily count restarts at midnight in the
    # account's time zone, which is not known here: each further day's calls are expected whole days
    # after the start, which is no earlier than they come.
    finishes_after: float
    # The calls as a share of a day's, above 1 where one day does not suffice. None: the day's
    # number is not known.
    daily_share: float | None


def estimate(
    calls: int,
    pacer: Pacer,
    *,
    concurrency: int = 64,
    round_trip: float = 0.1,
    jitter: float = 0.15,
    daily_calls: int | None = None,
) -> Estimate:
    """
    Return what a run takes if each call succeeds at once and no other client calls.

    The pacer of such a run is asked in virtual time, so that the two cannot differ; after some
    thousand calls the rest is extrapolated from their second half. A run agrees within 5 %, or
    one round trip where that is more, while a round trip is well below the window. Retries and
    throttles come on top. A client without a quota begins with `SAFE_START`, the lowest there is,
    and then keeps what HubSpot names: it takes no longer than the estimate for `SAFE_START`.

    Args:
        calls: How many; 0 or more.
        pacer: A new one, which cannot be used afterwards. HubSpot names the quota that it keeps.
        concurrency: The most calls in flight; 1 or more.
        round_trip: Seconds from sending a call to its response, on average; 0 or more.
        jitter: Their deviation, as a share of that average; from 0 to 0.5.
        daily_calls: Calls that HubSpot accepts from the account in a day; 1 or more. None: unknown.
    """
    check_count("calls", calls, 0)
    check_count("concurrency", concurrency, 1)
    check_wait("round_trip", round_trip)
    if daily_calls is not None:
        check_count("daily_calls", daily_calls, 1)
    run = _VirtualRun(
        calls, pacer, concurrency, [round_trip * (1 + jitter * n) for n in _DEVIATIONS]
    )
    seconds = run.seconds(calls)
    if daily_calls is None:
        return Estimate(calls, seconds, min(calls, 1), seconds, None)
    days = -(-calls // daily_calls)
    finishes_after = seconds
    if days > 1:
        last = calls - (days - 1) * daily_calls
        # With a slow quota the day's calls take longer than the day, so none has to wait.
        finishes_after = max(seconds, (days - 1) * _DAY + min(run.seconds(last), _DAY))
    return Estimate(calls, seconds, days, finishes_after, calls / daily_calls)


def batch_calls(pairs_by_types: Mapping[tuple[str, str], int], most: int = _BATCH_MOST) -> int:
    """Return how many calls pairs take in batches of the same two types, *most* pairs each."""
    check_count("most", most, 1)
    for (from_type, to_type), pairs in pairs_by_types.items():
        check_count(f"pairs from {from_type} to {to_type}", pairs, 0)
    return sum(-(-pairs // most) for pairs in pairs_by_types.values())


class _VirtualRun:
    """When the calls of a run end: the first ones as simulated, the others by extrapolation."""

    def __init__(self, calls: int, pacer: Pacer, concurrency: int, trips: list[float]) -> None:
        pacer.adopt(pacer.quota)
        most = max(_SIMULATED, min(2 * pacer.quota.limit, _MOST_SIMULATED))
        self._ended_at = _simulate(min(calls, most), pacer, concurrency, trips)
        self._quota = pacer.quota  # a batch pacer has raised it
        in_flight = min(concurrency, pacer.max_in_flight or concurrency)
        self._least = sum(trips) / len(trips) / in_flight  # seconds for each call

    def seconds(self, calls: int) -> float:
        """Return when this number of calls has ended; 0 without calls."""
        windows = (calls - 1) // self._quota.limit if calls else 0
        rest = calls - windows * self._quota.limit
        # The second: for a quota of which less than two windows were simulated. The third: the mean
        # round trip may be longer than those of the simulated calls.
        by_quota = windows * self._quota.window + self._extrapolated(rest)
        return max(self._extrapolated(calls), by_quota, calls * self._least)

    def _extrapolated(self, calls: int) -> float:
        """Return the same by extrapolating the second half of the simulated calls."""
        ended_at, limit = self._ended_at, self._quota.limit
        size = len(ended_at) - 1
        if calls <= size:
            return ended_at[calls]
        # By whole windows if there are any, because calls are sent in bursts.
        period = (size // limit + 1) // 2 * limit or size // 2
        periods = -(-(calls - size) // period)
        each = ended_at[-1] - ended_at[-1 - period]
        return ended_at[calls - periods * period] + periods * each


def _simulate(calls: int, pacer: Pacer, concurrency: int, trips: list[float]) -> list[float]:
    """Return for each number of calls when they have ended, from 0 to *calls*."""
    now, ended_at = 0.0, [0.0]
    in_flight: list[tuple[float, float]] = []  # when each ends, and when it was sent
    takes = cycle(trips)
    while len(ended_at) <= calls:
        wait = pacer.wait(now) if len(in_flight) < concurrency else math.inf
        if wait <= 0:
            pacer.take(now)
            ends_at = now + next(takes)
            heapq.heappush(in_flight, (ends_at, now))
            ended_at.append(max(ended_at[-1], ends_at))
        elif in_flight and in_flight[0][0] <= now + wait:
            now, sent_at = heapq.heappop(in_flight)
            pacer.record_response(sent_at, now, exact=True, accepted=True)
        else:
            now = max(now + wait, math.nextafter(now, math.inf))
    return ended_at
