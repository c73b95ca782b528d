"""How near to the quota, in virtual time: each bound is one that users were promised."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings, strategies as st

from aiohubassoc import Quota
from aiohubassoc._quota.pacer import SAFE_START, Pacer
from tests.quota.virtual_portal import (
    LIMIT,
    WINDOW,
    Neighbour,
    Traffic,
    World,
    link,
    most_in_a_window,
)

if TYPE_CHECKING:
    from aiohubassoc.simulator.settings import QuotaKind

THIRD = 0.3 * LIMIT / WINDOW
NO_LIMIT = 10**9  # so that what is too much is seen, not refused
kinds = pytest.mark.parametrize("kind", ["rolling", "fixed", "gcra"])
seeds = pytest.mark.parametrize("seed", [1, 2, 3])


# --- alone on the quota ------------------------------------------------------------------------


@kinds
@pytest.mark.parametrize(("round_trip", "least"), [(0.1, 0.992), (0.3, 0.982)])
def test_steady_use(kind: QuotaKind, round_trip: float, least: float) -> None:
    """At least 99.2 % at 100 ms and 98.2 % at 300 ms, and no 429, however the server counts."""
    seen = link(World(kind=kind, round_trip=round_trip))
    assert [] == seen.refused
    assert seen.use() >= least


@seeds
@pytest.mark.parametrize("world", [World(sigma=0.5), World(stray_share=0.01)], ids=["0.5", "stray"])
def test_a_wild_network(world: World, seed: int) -> None:
    """With much jitter, or 1 % of calls up to 2 s late: at most one 429 in a thousand."""
    seen = link(World(sigma=world.sigma, stray_share=world.stray_share, seed=seed))
    assert seen.refused_share <= 0.001
    assert 5700 == len(seen.taken)


@pytest.mark.parametrize(("round_trip", "least"), [(0.1, 0.98), (0.3, 0.96)])
def test_strictly(round_trip: float, least: float) -> None:
    """The strict mode has no 429 whatever the network does, at 98 % and 96 % of the quota."""
    wild = World(round_trip=round_trip, sigma=1.0, stray_share=0.05)
    assert [] == link(wild, strict=True).refused
    assert link(World(round_trip=round_trip), strict=True).use() >= least


@seeds
def test_five_hundred_pairs(seed: int) -> None:
    """They take 21 s at most, at 80 ms; 20.1 s is the least there is."""
    seen = link(World(round_trip=0.08, seed=seed), 500)
    assert (0, 500) == (len(seen.refused), len(seen.taken))
    assert seen.ended_at <= 21.0


def test_in_a_short_window() -> None:
    """1,800 pairs at 190 a second and 80 ms: no 429 in 20 runs, within 1.15 of the least."""
    for seed in range(20):
        seen = link(World(window=1.0, round_trip=0.08, seed=seed), 1800, quota=Quota(LIMIT, 1.0))
        assert [] == seen.refused
        assert seen.ended_at <= 1.15 * 9.0


@settings(max_examples=60)
@given(
    limit=st.integers(1, 60),
    window=st.sampled_from([0.5, 1.0, 10.0]),
    round_trip=st.floats(0.001, 0.4),
    sigma=st.floats(0.0, 1.0),
    seed=st.integers(0, 1000),
)
def test_strictly_never_above_and_never_slower_than_needed(
    limit: int, window: float, round_trip: float, sigma: float, seed: int
) -> None:
    """Any network: no window holds more than the limit, and each costs one round trip more."""
    world = World(limit=limit, window=window, round_trip=round_trip, sigma=sigma, seed=seed)
    seen = link(world, 5 * limit, quota=Quota(limit, window), strict=True)
    assert [] == seen.refused
    assert most_in_a_window(seen.taken, window) <= limit
    if sigma == 0:
        ramp = 1 + math.log(max(1.0, limit / 16)) / math.log(1 + 1 / 8)
        assert seen.ended_at <= 4 * window + round_trip * (5 + ramp) + 0.01


@settings(max_examples=60)
@given(
    limit=st.integers(20, 200),
    round_trip=st.floats(0.01, 0.3),
    sigma=st.floats(0.0, 0.3),
    seed=st.integers(0, 1000),
)
def test_never_much_slower_than_the_quota(
    limit: int, round_trip: float, sigma: float, seed: int
) -> None:
    """Any network of moderate jitter: six windows of calls take five windows and little more."""
    world = World(limit=limit, round_trip=round_trip, sigma=sigma, seed=seed)
    seen = link(world, 6 * limit, quota=Quota(limit))
    assert seen.refused_share <= 0.001
    assert seen.ended_at <= 5 * WINDOW + 25 * round_trip


@seeds
@pytest.mark.parametrize("tells_sending", [True, False])
@pytest.mark.parametrize(("connects", "round_trip"), [(0.3, 0.1), (0.15, 0.05), (1.0, 0.1)])
def test_time_that_connections_take_lies_before_the_count(
    connects: float, round_trip: float, tells_sending: bool, seed: int
) -> None:
    """Whether it is known when a request was sent or not: no window holds one too many."""
    world = World(
        limit=NO_LIMIT,
        round_trip=round_trip,
        connects=connects,
        tells_sending=tells_sending,
        seed=seed,
    )
    assert most_in_a_window(link(world, 1500).taken, WINDOW) <= LIMIT


@seeds
@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("cancelled", [0.3, 0.5, 1.0])
@pytest.mark.parametrize("after", [0.005, 0.04])
def test_calls_that_are_given_up_are_counted_later(
    after: float, cancelled: float, strict: bool, seed: int
) -> None:
    """HubSpot counts what we no longer wait for: no window holds one too many all the same."""
    world = World(
        limit=NO_LIMIT, round_trip=0.15, cancelled=cancelled, cancelled_after=after, seed=seed
    )
    assert most_in_a_window(link(world, 1500, strict=strict).taken, WINDOW) <= LIMIT


@seeds
def test_a_burst_is_given_up_before_a_round_trip_is_known(seed: int) -> None:
    """Then a second is what one may take."""
    world = World(limit=NO_LIMIT, round_trip=0.5, sigma=0.5, cancelled=1.0, seed=seed)
    seen = link(world, 3 * LIMIT)
    assert most_in_a_window(seen.taken, WINDOW) <= LIMIT
    assert seen.taken[-1] <= 2 * (WINDOW + 2.0)


def test_calls_that_are_given_up_cost_little() -> None:
    """Half of them given up: a round trip more a window."""
    world = World(limit=NO_LIMIT, cancelled=0.5, cancelled_after=0.05)
    assert link(world, 5700).use() >= 0.975


# --- a quota that is not what it seems ---------------------------------------------------------


@seeds
def test_set_too_high_without_headers(seed: int) -> None:
    """190 set and 100 true: at most 1 % of 5,700 answers are 429."""
    seen = link(World(limit=100, seed=seed))
    assert seen.refused_share <= 0.01
    assert seen.ended_at <= 1.05 * 56 * WINDOW


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_set_too_high_with_headers(share: float) -> None:
    """What HubSpot names is believed before any 429, on all responses or on some."""
    assert [] == link(World(limit=100, headers_share=share), 2000).refused


@seeds
def test_set_a_little_too_high(seed: int) -> None:
    """190 set and 187 true: refusals near the limit do not continue for ever."""
    assert link(World(limit=187, seed=seed)).refused_share <= 0.01


def test_unknown() -> None:
    """Without a quota the true speed is there within the first window."""
    seen = link(World(headers_share=1.0), 1900, quota=None)
    assert [] == seen.refused
    assert LIMIT == seen.count(0.0, WINDOW)


def test_unknown_and_untold() -> None:
    """Without a quota and without headers the lowest published one is kept."""
    seen = link(World(), 300, quota=None)
    assert SAFE_START.limit == seen.count(0.0, WINDOW)


@given(st.floats(0.001, 1.0), st.integers(1, 200), st.sampled_from([1.0, 10.0]))
def test_a_share(share: float, limit: int, window: float) -> None:
    """A share is never above what it says, and never nothing."""
    quota = Pacer(Quota(limit, window), share=share).quota
    assert quota.limit >= 1
    assert quota.rate_per_second <= share * limit / window * (1 + 1e-6)
    named = Pacer(share=share)
    named.adopt(Quota(limit, window))
    assert quota == named.quota


def test_a_quota_told_anew_knows_of_the_calls_before() -> None:
    """A lower limit holds at once, and the same one changes nothing."""
    pace = Pacer(Quota(5))
    for _ in range(3):
        pace.take(0.0)
        pace.record_response(0.0, 0.1, exact=False, accepted=True)
    pace.adopt(Quota(3))
    pace.adopt(Quota(3))
    assert pytest.approx(WINDOW) == pace.wait(0.1)


FLIPS = [
    (Quota(190), Quota(191)),
    (Quota(190), Quota(150)),
    (Quota(190), Quota(190, 10.001)),
    (Quota(190), Quota(190, 9.0)),
    (Quota(190), Quota(19, 1.0)),
]


@pytest.mark.no_cover
@pytest.mark.parametrize("quota", [None, Quota(LIMIT)], ids=str)
@pytest.mark.parametrize("names", FLIPS, ids=lambda names: f"{names[0]} and {names[1]}")
@pytest.mark.parametrize(
    ("limit", "per_second"), [(LIMIT, 9.0), (100, 0.0)], ids=["neighbour", "100 true"]
)
def test_headers_that_change_take_nothing_back(
    limit: int, per_second: float, names: tuple[Quota, ...], quota: Quota | None
) -> None:
    """What throttles showed holds on, whatever quotas are named in turn: 2 % of 429s."""
    neighbours = (Neighbour(per_second),) if per_second else ()
    for seed in range(1, 3):
        world = World(limit=limit, neighbours=neighbours, headers_share=1.0, names=names, seed=seed)
        seen = link(world, 2000, quota=quota)
        assert seen.refused_share <= 0.022
        assert seen.ended_at <= 1.1 * 2000 / (limit / WINDOW - per_second)


@pytest.mark.parametrize("kind", ["rolling", "fixed"])
@pytest.mark.parametrize("limit", [5, 20, 50])
def test_a_limit_far_below_the_one_that_is_named(limit: int, kind: QuotaKind) -> None:
    """Tries that succeed only at the border of two fixed windows count as failed: 4 % of 429s."""
    world = World(limit=limit, kind=kind, headers_share=1.0, names=(Quota(LIMIT),))
    seen = link(world, 2500, quota=None)
    assert seen.refused_share <= 0.04
    assert seen.ended_at <= 1.05 * 2500 / limit * WINDOW


@pytest.mark.parametrize("limit", [3, 5, 8, 10, 20])
@pytest.mark.parametrize("round_trip", [0.05, 0.3])
def test_a_short_run_whose_limit_is_far_below(limit: int, round_trip: float) -> None:
    """What was in flight at the first throttle proves nothing: 5 % of 429s at most in 800 calls."""
    for seed in range(3):
        world = World(
            limit=limit,
            round_trip=round_trip,
            headers_share=1.0,
            names=(Quota(LIMIT),),
            seed=seed,
        )
        assert link(world, 800, quota=None).refused_share < 0.05


# --- a limit of calls a second -------------------------------------------------------------------


@kinds
@pytest.mark.parametrize("retry_after", [False, True])
@pytest.mark.parametrize("second_limit", [19, 10, 5, 1])
def test_a_limit_of_a_second_besides(second_limit: int, retry_after: bool, kind: QuotaKind) -> None:
    """At most 3.9 % of calls are refused, and the others go as fast as a window of 1 s allows."""
    world = World(second_limit=second_limit, second_kind=kind, retry_after=retry_after)
    pairs = 5000 if second_limit > 5 else 300 * second_limit + 700
    seen = link(world, pairs)
    assert pairs == len(seen.taken)
    assert seen.refused_share <= 0.039
    assert seen.ended_at <= 1.15 * pairs / second_limit


@settings(max_examples=30)
@given(
    limit=st.integers(5, 400),
    window=st.sampled_from([0.01, 0.05, 0.1, 0.2, 0.4]),
    share=st.floats(0.2, 0.9),
    round_trip=st.floats(0.002, 0.05),
    is_named=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_a_limit_of_a_second_beside_a_shorter_window(
    *, limit: int, window: float, share: float, round_trip: float, is_named: bool, seed: int
) -> None:
    """Below 5 % of calls are refused, and the others go nearly as fast as both limits allow."""
    second_limit = max(5, int(limit / window * share))
    pairs = min(4000, max(2500, 4 * second_limit))
    world = World(
        limit=limit,
        window=window,
        round_trip=round_trip,
        second_limit=second_limit,
        headers_share=1.0 if is_named else 0.0,
        seed=seed,
    )
    seen = link(world, pairs, quota=None if is_named else Quota(limit, window))
    assert seen.refused_share < 0.05
    # At most 64 are in flight, and no more than a window's.
    least = max(pairs / second_limit, pairs * (round_trip + window) / min(64, limit))
    assert seen.ended_at <= 1.6 * least


def test_a_second_is_remembered_though_the_window_is_shorter() -> None:
    """2,000 calls were accepted in it, and so many are allowed after a throttle."""
    pacer = Pacer(Quota(500, 0.1))
    for number in range(3000):
        at = number / 2000
        pacer.take(at)
        pacer.record_response(at, at, exact=True, accepted=True)
    pacer.take(1.5)
    pacer.record_throttle(1.5, 1.5, retry_after=None, by_quota=False, by_second=True)
    assert pacer._second.at(1.5) == pytest.approx(2000, abs=10)


def test_a_limit_of_a_second_is_learned_after_the_first_refusals() -> None:
    """Of 5,000 more calls few are refused, whoever names the quota."""
    for quota in (None, Quota(LIMIT)):
        seen = link(World(second_limit=15, headers_share=1.0), 5000, quota=quota)
        assert seen.refused_share <= 0.01
        assert len([at for at in seen.refused if at > WINDOW]) <= len(seen.refused) / 2
        assert most_in_a_window(seen.taken, 1.0) <= 15


def test_a_limit_of_a_second_that_does_not_bind_costs_nothing() -> None:
    """The quota is used as before: 30 a second are more than 19."""
    seen = link(World(second_limit=30), 5700)
    assert seen.refused_share <= 0.005
    assert seen.use() >= 0.99


# --- a window that is not as HubSpot names it ----------------------------------------------------


@pytest.mark.parametrize("retry_after", [False, True])
@pytest.mark.parametrize("quota", [None, Quota(LIMIT)], ids=str)
@pytest.mark.parametrize(
    ("kind", "factor"),
    [
        ("rolling", 1.2),
        ("rolling", 2.0),
        ("rolling", 6.0),
        ("rolling", 20.0),
        ("fixed", 2.0),
        ("fixed", 6.0),
        ("gcra", 6.0),
    ],
)
def test_a_window_that_is_named_too_short(
    kind: QuotaKind, factor: float, quota: Quota | None, retry_after: bool
) -> None:
    """190 in 10 s are named and 190 in 60 s are true: few are refused, and hardly a window lost."""
    world = World(
        window=factor * WINDOW,
        kind=kind,
        headers_share=0.0 if quota else 1.0,
        names=(Quota(LIMIT),),
        retry_after=retry_after,
    )
    seen = link(world, 5000, quota=quota)
    assert 5000 == len(seen.taken)
    assert seen.refused_share <= (0.047 if kind == "gcra" else 0.035)
    assert seen.ended_at <= 1.1 * 5000 / LIMIT * factor * WINDOW


@pytest.mark.parametrize("seconds", [6.0, 10.0])
def test_a_window_of_a_second_is_named(seconds: float) -> None:
    """190 a second would be 19 in flight: few more are refused when there are fewer."""
    world = World(window=seconds, headers_share=1.0, names=(Quota(LIMIT, 1.0),))
    seen = link(world, 5000, quota=None)
    assert seen.refused_share <= 0.02
    assert seen.ended_at <= 1.1 * 5000 / LIMIT * seconds


@pytest.mark.parametrize("named", [380, 1140, 10_000])
def test_a_limit_that_is_named_too_high(named: int) -> None:
    """Refusals show the true one."""
    seen = link(World(headers_share=1.0, names=(Quota(named),)), 5000, quota=None)
    assert seen.refused_share <= 0.025
    assert seen.ended_at <= 1.05 * 5000 / LIMIT * WINDOW


def test_the_quota_is_used_again_soon_after_others_used_all_of_it() -> None:
    """Ten windows are closed, which looks like a longer window: within four all of it is used."""
    closed = Neighbour(LIMIT / WINDOW * 10, LIMIT, 15.0, 115.0)
    seen = link(World(neighbours=(closed,)), 3000)
    begins = [115.0 + half / 2 for half in range(2 * 4 * int(WINDOW) + 1)]
    assert any(seen.count(begin, begin + WINDOW) >= 0.95 * LIMIT for begin in begins)


# --- neighbours ----------------------------------------------------------------------------------


@pytest.mark.no_cover
@seeds
@pytest.mark.parametrize(
    ("kind", "burst", "most"),
    [
        ("rolling", 1, 0.02),
        ("rolling", 10, 0.02),
        ("rolling", 57, 0.02),
        ("fixed", 1, 0.03),
        ("gcra", 1, 0.03),
    ],
)
def test_a_neighbour(kind: QuotaKind, burst: int, most: float, seed: int) -> None:
    """Of what a neighbour of 30 % leaves 95 % are used, with few 429s: 2 % as HubSpot counts."""
    world = World(kind=kind, neighbours=(Neighbour(THIRD, burst),), seed=seed)
    seen = link(world)
    assert seen.refused_share <= most
    last = seen.taken[-1] // WINDOW * WINDOW - WINDOW
    assert seen.count(20.0, last) >= 0.95 * 0.7 * LIMIT / WINDOW * (last - 20.0)


@seeds
@pytest.mark.parametrize("start", [0.01, 50.0])
@pytest.mark.parametrize("burst", [1, 10, 57])
def test_a_neighbour_that_stops(burst: int, start: float, seed: int) -> None:
    """Within five windows 95 % of the quota are used again."""
    world = World(neighbours=(Neighbour(THIRD, burst, start, 150.0),), seed=seed)
    seen = link(world)
    assert seen.refused_share <= 0.02
    begins = [150.0 + half / 2 for half in range(2 * 5 * int(WINDOW) + 1)]
    assert any(seen.count(begin, begin + WINDOW) >= 0.95 * LIMIT for begin in begins)


@pytest.mark.parametrize("headers_share", [0.0, 1.0])
@pytest.mark.parametrize("clients", [2, 4])
def test_clients_that_do_not_know_of_each_other(clients: int, headers_share: float) -> None:
    """Each with a separate limiter: below HubSpot's 5 % of errors, and none is starved."""
    seen = link(World(headers_share=headers_share), 3800, clients=clients)
    assert seen.refused_share < 0.05
    assert seen.ended_at <= 1.25 * 190.0


def test_what_others_have_used_is_left_out_of_the_first_burst() -> None:
    """With `Remaining` reported, a window that is half full already brings few 429s."""
    half = (Neighbour(1.0, 100, 0.0, 1.0),)
    reported = link(World(headers_share=1.0, neighbours=half), 380)
    untold = link(World(neighbours=half), 380)
    assert len(reported.refused) < len(untold.refused) * 0.75


def test_refusals_for_no_reason() -> None:
    """One call in fifty refused at random does not slow down a quota that is far away."""
    seen = link(World(limit=10**6, window=1.0, refuses=0.02), quota=Quota(10**6, 1.0))
    least = 5700 / 64 * 0.1
    assert seen.ended_at <= 4 * least


@seeds
def test_many_refusals_for_no_reason(seed: int) -> None:
    """Nor does one in sixteen: calls that get through beyond what it left disprove a cut."""
    world = World(limit=10**6, window=1.0, round_trip=0.01, refuses=1 / 16, seed=seed)
    assert link(world, 2000, quota=Quota(10**6, 1.0)).ended_at <= 20.0


@seeds
@pytest.mark.parametrize("retry_after", [False, True])
@pytest.mark.parametrize(("share", "most"), [(0.02, 3.0), (0.05, 4.5), (0.1, 9.0)])
def test_refusals_for_no_reason_while_the_quota_is_used(
    share: float, most: float, retry_after: bool, seed: int
) -> None:
    """A tenth of all calls is refused, each with a pause of a second: no run comes to a halt."""
    world = World(limit=NO_LIMIT, refuses=share, retry_after=retry_after, seed=seed)
    seen = link(world, 2000)
    assert 2000 == len(seen.taken)
    assert seen.ended_at <= most * 2000 / LIMIT * WINDOW


@pytest.mark.parametrize("nth", [10, 20, 50])
def test_each_tenth_call_refused(nth: int) -> None:
    """As a server for tests may do."""
    traffic = Traffic(World(limit=NO_LIMIT, refuses_nth=nth), [Pacer(Quota(LIMIT))], 1000)
    seen = traffic.run()
    assert seen.ended_at <= 4.2 * 1000 / LIMIT * WINDOW


@pytest.mark.parametrize("seed", range(1, 9))
def test_pauses_between_refusals_for_no_reason(seed: int) -> None:
    """A pause with another reason is no throttle in a row, so no window is taken to be longer."""
    world = World(window=1.0, refuses=0.05, pauses=0.1, retry_after=True, seed=seed)
    assert link(world, 3000, quota=Quota(LIMIT, 1.0)).ended_at <= 900.0


@seeds
def test_a_quota_that_was_used_up_before_we_came(seed: int) -> None:
    """The first calls meet its end: few are refused, and then all of it is used."""
    used_up = (Neighbour(LIMIT * 10, LIMIT, 0.01, 0.02),)
    seen = link(World(neighbours=used_up, seed=seed), 950)
    assert len(seen.refused) <= 40
    assert seen.ended_at <= 6.2 * WINDOW


def test_refusals_one_after_another_are_few() -> None:
    """A quota that is closed for ten windows refuses a handful of calls, not hundreds."""
    closed = Neighbour(LIMIT / WINDOW * 10, LIMIT, 15.0, 115.0)
    seen = link(World(neighbours=(closed,)), 1000)
    assert len([at for at in seen.refused if 20.0 < at < 115.0]) <= 40
    assert 1000 == len(seen.taken)


def test_nobody_waits_when_no_call_is_on_the_wire() -> None:
    """Whatever was refused, some moment is known at which a call may go."""
    pace = Pacer(Quota(5, 1.0))
    now = 0.0
    for _ in range(100):
        wait = pace.wait(now)
        assert wait < math.inf
        now += wait
        pace.take(now)
        pace.record_throttle(now + 0.1, now, retry_after=None, by_quota=True)
        pace.record_response(now, now + 0.1, exact=True, accepted=False)
        now += 0.1


def test_a_call_that_was_not_sent_costs_nothing() -> None:
    """Its token is there again at once."""
    pace = Pacer(Quota(1))
    pace.take(0.0)
    assert (math.inf, 1) == (pace.wait(0.0), pace.in_flight)
    pace.release_unused()
    assert (0.0, 0) == (pace.wait(0.0), pace.in_flight)


def test_what_is_told_late_is_no_news() -> None:
    """After the first window what others use shows in refusals only."""
    pace = Pacer(Quota(10))
    pace.adopt_remaining(0.0, 10, 0)  # nothing was sent
    pace.take(0.0)
    pace.record_response(0.0, 0.1, exact=True, accepted=True)
    pace.adopt_remaining(10.0, 10, 0)
    assert 0.0 == pace.wait(10.0)


def test_traffic_refuses_what_the_server_has_no_room_for() -> None:
    """Or the bounds above would prove nothing: without a pace there are 429s."""
    free = Pacer(Quota(10**6, 1.0))
    seen = Traffic(World(), [free], 380).run()
    assert len(seen.refused) > 10
