"""What a pacer knows survives the store."""

from __future__ import annotations

from random import Random  # noqa: TID251 -- seeded

import orjson
import pytest

from aiohubassoc import Quota
from aiohubassoc._quota.batch_pacer import BatchPacer
from aiohubassoc._quota.daily_budget import DailyBudget
from aiohubassoc._quota.pacer import Pacer
from aiohubassoc._quota.token_bucket import TokenBucket
from aiohubassoc.shared_quota import snapshot


def used_pacer(quota: Quota, calls: int) -> tuple[Pacer, float]:
    """Return a pacer with calls, throttles and calls in flight behind it, and the time."""
    rng, pacer, now = Random(1), Pacer(quota), 1000.0
    for number in range(calls):
        now += max(0.0, min(1.0, pacer.wait(now)))
        pacer.take(now)
        is_throttled = number % 40 == 39
        if is_throttled:
            pacer.record_throttle(now + 0.1, now, retry_after=None, by_quota=True)
        if number % 50 != 49:
            pacer.record_response(
                now, now + rng.random() / 5, exact=True, accepted=not is_throttled
            )
    pacer.adopt(Quota(quota.limit - 10, 2 * quota.window))
    return pacer, now


def through_store(owner: object, other: object, now: float) -> None:
    """Give *other* what *owner* knows, by way of JSON."""
    snapshot.load(other, snapshot.from_bytes(snapshot.to_bytes(snapshot.dump(owner, now))))


def test_a_pacer_that_was_kept_decides_as_before() -> None:
    """All of its times and levels are there."""
    pacer, now = used_pacer(Quota(60, 5.0), 300)
    other = Pacer(Quota(60, 5.0))
    through_store(pacer, other, now)
    assert snapshot.dump(other, now) == snapshot.dump(pacer, now)
    for step in range(200):
        at = now + step / 10
        assert other.wait(at) == pacer.wait(at)
        if pacer.wait(at) == 0:
            for one in (pacer, other):
                one.take(at)
                one.record_response(at, at + 0.1, exact=True, accepted=True)
    assert other.quota == pacer.quota


def test_a_batch_pacer_and_a_daily_budget_are_kept_too() -> None:
    """Both say the same afterwards."""
    pacer, other, now = BatchPacer(), BatchPacer(), 0.0
    for number in range(30):
        now = number * 2.0
        if pacer.wait(now) <= 0:
            pacer.take(now)
            pacer.record_response(now, now + 0.5, exact=True, accepted=True)
    through_store(pacer, other, now)
    assert (other.quota, other.max_in_flight) == (pacer.quota, pacer.max_in_flight)
    budget, kept = DailyBudget(10), DailyBudget(10)
    budget.record_response(5.0, 1000, 11, sent_at=4.9, in_flight=0)
    through_store(budget, kept, 5.0)
    assert kept.left == 11
    assert kept.may_go(5.0, in_flight=0)
    assert not kept.may_go(5.0, in_flight=1)


def test_what_is_kept_of_many_calls_is_bounded_and_never_too_early() -> None:
    """With a quota of a million its size does not grow with the calls, nor is a permit early."""
    bucket = TokenBucket(Quota(1_000_000, 10.0))
    for number in range(20_000):
        bucket.take()
        bucket.record(100.0 + number / 2000, 110.0, accepted=number % 10 > 0)
    pacer, other = Pacer(Quota(1_000_000, 10.0)), Pacer(Quota(1_000_000, 10.0))
    pacer._buckets = (bucket,)
    text = orjson.dumps(snapshot.dump(pacer, 110.0))
    assert len(text) < 60_000
    snapshot.load(other, orjson.loads(text))
    kept = other._buckets[0]
    assert kept.remembered == 20_000
    assert kept.remembered_accepted == bucket.remembered_accepted
    for moment in (111.0, 115.0, 119.5):
        assert kept.count_by(moment) <= bucket.count_by(moment)
        assert kept.count_by(moment) >= bucket.count_by(moment - 0.02)


def test_a_state_that_was_damaged_is_refused() -> None:
    """Whichever byte it is: another digit is another quota, and JSON all the same."""
    pacer, now = used_pacer(Quota(60, 5.0), 30)
    text = snapshot.to_bytes({"format": snapshot.FORMAT, "pacer": snapshot.dump(pacer, now)})
    state = snapshot.from_bytes(text)
    refused = 0
    for place in range(len(text)):
        damaged = bytearray(text)
        damaged[place] ^= 1
        try:
            found = snapshot.from_bytes(bytes(damaged))
        except ValueError:
            refused += 1
        else:  # the name of the checksum
            assert found.items() >= state.items()
    assert refused >= len(text) - len("crc")


def test_a_state_without_a_checksum_is_of_an_earlier_version() -> None:
    """It is read as it is."""
    assert snapshot.from_bytes(b'{"format":1}') == {"format": 1}


def test_other_attributes_are_refused() -> None:
    """A state of another version is not read as if it were of this one."""
    state = snapshot.dump(Pacer(Quota(10)), 0.0)
    with pytest.raises(ValueError, match="_other"):
        snapshot.load(Pacer(Quota(10)), {**state, "_other": 1})
    del state["_named"]
    with pytest.raises(ValueError, match="_named"):
        snapshot.load(Pacer(Quota(10)), state)


def test_the_format_is_of_these_attributes() -> None:
    """Whoever changes one raises `snapshot.FORMAT` and this list."""
    assert snapshot.FORMAT == 5
    pacer = snapshot.dump(Pacer(Quota(10)), 0.0)
    assert sorted(pacer) == [
        "_adaptive",
        "_began_at",
        "_buckets",
        "_cooldown",
        "_lean_until",
        "_named",
        "_next_at",
        "_others_count",
        "_others_until",
        "_room",
        "_round_trips",
        "_second",
        "_wary_until",
        "adopts_remaining_until",
        "has_ample_room",
    ]
    parts = {
        name: sorted(content)
        for part in (pacer["_adaptive"], pacer["_cooldown"], pacer["_round_trips"])
        for name, content in part.items()
    }
    assert parts == {
        "AdaptiveLimit": [
            "_before_cut",
            "_causes",
            "_fixed_window",
            "_is_named",
            "_limit",
            "_misjudged",
            "_named_window",
            "_peak",
            "_quota",
            "_tried_from",
            "_tried_until",
            "_whole",
            "_window_before_cut",
            "cut",
            "growth",
            "is_proven",
            "level",
            "max_in_flight",
            "window",
        ],
        "Cooldown": ["_began_at", "_ends_at", "throttles_in_a_row"],
        "RoundTrips": ["_deviation", "_lean", "_mean", "_unknown"],
    }
