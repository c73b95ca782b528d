"""The portal's rate limits, compared with brute-force counting."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, strategies as st

from aiohubassoc.simulator import FaultPlan, Neighbour, PortalSettings
from aiohubassoc.simulator.rate_limits import (
    DAILY,
    SECONDLY,
    TEN_SECONDLY_ROLLING,
    RateLimits,
    RollingWindow,
)
from tests.simulator.portal_calls import batch, make_portal, put

# Sums of these are exact.
GAPS = st.lists(st.sampled_from([0.0, 0.125, 0.25, 0.5, 1.0, 3.0]), max_size=60)


def _limits(**settings: Any) -> RateLimits:
    return RateLimits(PortalSettings(**{"quota_limit": None, **settings}))


def _instants(gaps: list[float]) -> list[float]:
    now, instants = 0.0, []
    for gap in gaps:
        now += gap
        instants.append(now)
    return instants


def _fullest(instants: list[float], length: float) -> int:
    """Return the most instants in any window (end - length, end]: the fullest ends at one."""
    return max(
        (sum(end - length < each <= end for each in instants) for end in instants), default=0
    )


@given(GAPS)
def test_the_peak_is_that_of_the_fullest_window(gaps: list[float]) -> None:
    """For any instants."""
    rolling = RollingWindow(1.0)
    for instant in _instants(gaps):
        rolling.add(instant)
    assert rolling.peak == _fullest(_instants(gaps), 1.0)


@given(GAPS, st.integers(1, 5))
def test_no_window_holds_more_than_the_limit(gaps: list[float], limit: int) -> None:
    """A request is refused only if the window is full."""
    limits = _limits(quota_limit=limit, quota_window=1.0)
    taken: list[float] = []
    for now in _instants(gaps):
        refusal = limits.take(now, is_batch=False)
        is_full = sum(now - 1.0 < each for each in taken) >= limit
        assert refusal == (TEN_SECONDLY_ROLLING if is_full else None)
        if refusal is None:
            taken.append(now)
    assert _fullest(taken, 1.0) <= limit


@given(GAPS, st.integers(1, 5))
def test_a_fixed_window_holds_no_more_than_the_limit(gaps: list[float], limit: int) -> None:
    """Windows follow one another from the first request, and each can be filled."""
    limits = _limits(quota_limit=limit, quota_window=1.0, quota_kind="fixed")
    taken: Counter[int] = Counter()
    for now in _instants([50.0, *gaps]):
        window = int(now - 50.0)
        refusal = limits.take(now, is_batch=False)
        assert refusal == (None if taken[window] < limit else TEN_SECONDLY_ROLLING)
        taken[window] += refusal is None
        assert limits.headers()["X-HubSpot-RateLimit-Remaining"] == str(limit - taken[window])


@given(GAPS, st.sampled_from([1, 2, 4, 8]))
def test_a_leaky_bucket_holds_an_even_rate(gaps: list[float], limit: int) -> None:
    """In any period: the bucket size plus what leaks out; less is never refused."""
    limits = _limits(quota_limit=limit, quota_window=1.0, quota_kind="gcra")
    taken: list[float] = []
    for now in _instants(gaps):
        refusal = limits.take(now, is_batch=False)
        # The bucket overflows if from some earlier request on too much came.
        level = max(
            (len(taken) - index + 1 - limit * (now - each) for index, each in enumerate(taken)),
            default=1,
        )
        assert refusal == (TEN_SECONDLY_ROLLING if level > limit else None)
        if refusal is None:
            taken.append(now)


@pytest.mark.parametrize("kind", ["rolling", "fixed", "gcra"])
@given(GAPS, st.integers(1, 3))
def test_after_retry_after_the_call_is_accepted(kind: str, gaps: list[float], limit: int) -> None:
    """A call after that number of seconds is accepted."""
    limits = _limits(quota_limit=limit, quota_window=2.5, quota_kind=kind)
    now = 0.0
    for now in _instants(gaps):
        refusal = limits.take(now, is_batch=False)
        if refusal is not None:
            seconds = limits.retry_after(refusal, now)
            assert seconds >= 1
            assert limits.take(now + seconds, is_batch=False) is None
            return


def test_the_limit_of_a_second() -> None:
    """It has a separate policy name, and both limits apply."""
    limits = _limits(secondly_limit=2, quota_limit=3)
    assert [limits.take(now, is_batch=False) for now in (0.0, 0.1, 0.2)] == [None, None, SECONDLY]
    assert limits.retry_after(SECONDLY, 0.2) == 1
    taken = [limits.take(now, is_batch=False) for now in (1.0, 1.1)]
    assert taken == [None, TEN_SECONDLY_ROLLING]
    assert limits.retry_after(TEN_SECONDLY_ROLLING, 1.1) == 9


def test_the_day_begins_with_the_first_request() -> None:
    """The count starts at 0 on each day."""
    limits = _limits(daily_limit=2)
    assert [limits.take(now, is_batch=False) for now in (50.0, 51.0, 52.0)] == [None, None, DAILY]
    assert limits.retry_after(DAILY, 52.0) == 86_398
    assert limits.take(86_450.0, is_batch=False) is None
    assert limits.headers()["X-HubSpot-RateLimit-Daily-Remaining"] == "1"


def test_a_batch_counts_for_the_day_only() -> None:
    """HubSpot exempts it from the rolling limit."""
    portal = make_portal(quota_limit=1, daily_limit=3)
    assert put(portal).status == 200
    assert batch(portal, (1, 2)).status == 200
    assert put(portal).document is not None
    assert put(portal).status == 429
    assert batch(portal, (1, 2)).status == 200
    assert batch(portal, (1, 2)).status == 429


@pytest.mark.parametrize(("count_refused", "later"), [(False, 200), (True, 429)])
def test_whether_refused_requests_count(*, count_refused: bool, later: int) -> None:
    """HubSpot does not document it, so it is a setting."""
    portal = make_portal(quota_limit=1, quota_window=1.0, count_refused=count_refused)
    assert [put(portal, now=now).status for now in (0.0, 0.9, 1.0)] == [200, 429, later]


def test_neighbours_use_the_same_limits() -> None:
    """From their start on, at their rate, for their length."""
    neighbour = Neighbour(start=2.0, length=1.0, per_second=10.0)
    portal = make_portal(quota_limit=12, quota_window=1.0, neighbours=(neighbour,))
    assert put(portal, now=100.0).status == 200
    # Ten of theirs have come by 102.9, so two are left.
    assert [put(portal, now=102.95).status for _ in range(3)] == [200, 200, 429]
    assert put(portal, now=104.0).status == 200
    assert portal.ledger.max_accepted_in_window == 2


def test_neighbours_that_come_in_bursts() -> None:
    """A burst arrives at one time; the average rate is the same."""
    neighbour = Neighbour(start=0.0, length=4.0, per_second=2.5, burst=5)
    portal = make_portal(quota_limit=6, quota_window=1.0, neighbours=(neighbour,))
    instants = (0.0, 0.5, 1.5, 2.1, 2.2, 3.5, 4.1)
    assert [put(portal, now=now).status for now in instants] == [200, 429, 200, 429, 429, 200, 200]


@pytest.mark.parametrize(("kind", "last", "most"), [("fixed", 200, 6), ("gcra", 429, 5)])
def test_the_ledger_looks_at_any_window(kind: str, last: int, most: int) -> None:
    """For every kind of limit: the contents of two windows may meet."""
    portal = make_portal(quota_limit=4, quota_window=1.0, quota_kind=kind)
    instants = (0.0, 0.75, 0.75, 0.75, 1.0, 1.0, 1.0)
    assert [put(portal, now=now).status for now in instants] == [200] * 6 + [last]
    assert portal.ledger.max_accepted_in_window == most


@pytest.mark.parametrize("says", [False, True])
def test_a_rate_limited_response(*, says: bool) -> None:
    """It has no category, names its policy, and has `Retry-After` if configured."""
    portal = make_portal(quota_limit=1, quota_retry_after=says)
    put(portal)
    response = put(portal, now=2.5)
    assert response.status == 429
    assert response.document is not None
    assert response.document["policyName"] == "TEN_SECONDLY_ROLLING"
    assert response.document["errorType"] == "RATE_LIMIT"
    assert "category" not in response.document
    assert response.headers.get("Retry-After") == ("8" if says else None)
    assert portal.ledger.throttled == {"TEN_SECONDLY_ROLLING": 1}


# --- headers -----------------------------------------------------------------------------------

_ROLLING = {
    "X-HubSpot-RateLimit-Max",
    "X-HubSpot-RateLimit-Remaining",
    "X-HubSpot-RateLimit-Interval-Milliseconds",
    "X-HubSpot-RateLimit-Secondly",
    "X-HubSpot-RateLimit-Secondly-Remaining",
}
_DAILY = {"X-HubSpot-RateLimit-Daily", "X-HubSpot-RateLimit-Daily-Remaining"}


def _limit_names(headers: Any) -> set[str]:
    return {name for name in headers if "RateLimit" in name}


def test_headers_report_the_limits_and_what_is_left() -> None:
    """For every limit."""
    portal = make_portal(quota_limit=190, secondly_limit=19, daily_limit=1000)
    put(portal)
    headers = put(portal, now=1.0).headers
    assert {name: headers[name] for name in _limit_names(headers)} == {
        "X-HubSpot-RateLimit-Max": "190",
        "X-HubSpot-RateLimit-Remaining": "188",
        "X-HubSpot-RateLimit-Interval-Milliseconds": "10000",
        "X-HubSpot-RateLimit-Secondly": "19",
        "X-HubSpot-RateLimit-Secondly-Remaining": "18",
        "X-HubSpot-RateLimit-Daily": "1000",
        "X-HubSpot-RateLimit-Daily-Remaining": "998",
    }


def test_headers_that_are_missing_at_times() -> None:
    """The daily ones in half of the responses, the others in a quarter."""
    portal = make_portal(quota_limit=10**6, secondly_limit=10**6, daily_limit=10**6, headers="some")
    seen = [_limit_names(put(portal, number).headers) for number in range(1, 2001)]
    assert 800 < sum(names >= _DAILY for names in seen) < 1200
    assert 1350 < sum(names >= _ROLLING for names in seen) < 1650
    assert {len(names & _DAILY) for names in seen} == {0, 2}
    assert {len(names & _ROLLING) for names in seen} == {0, 5}


def test_headers_can_be_wrong_or_missing() -> None:
    """As recorded at HubSpot."""
    assert (
        put(make_portal(quota_limit=5, reported_max="110")).headers["X-HubSpot-RateLimit-Max"]
        == "110"
    )
    assert not _limit_names(put(make_portal(quota_limit=5, headers="none")).headers)


@pytest.mark.parametrize("status", [401, 403])
def test_no_rate_headers_without_access(status: int) -> None:
    """Recorded: 401 and 403 have none; 400 has."""
    scopes = ("crm.objects.contacts.write",) if status == 403 else ()
    portal = make_portal(quota_limit=5, missing_scopes=scopes)
    response = put(portal, authorization=None if status == 401 else f"Bearer {'simulated-token'}")
    assert response.status == status
    assert not _limit_names(response.headers)
    assert _limit_names(put(make_portal(quota_limit=5), 0).headers)


@pytest.mark.parametrize("kind", ["rolling", "fixed", "gcra"])
def test_the_headers_of_a_first_response_that_is_not_counted(kind: str) -> None:
    """The whole limit is left."""
    plan = FaultPlan(script_all=("reset_before",))
    portal = make_portal(quota_limit=5, quota_kind=kind, faults=plan)
    remaining = [put(portal).headers["X-HubSpot-RateLimit-Remaining"] for _ in range(2)]
    assert remaining == ["5", "4"]
