"""The pause after a throttle."""

from __future__ import annotations

import math

import pytest

from aiohubassoc._quota.pacer import Cooldown


def _throttle(
    cooldown: Cooldown, now: float, sent_at: float, retry_after: float | None = None
) -> float:
    return cooldown.record_throttle(now, sent_at, retry_after=retry_after, window=10.0)


def test_no_call_waits_before_a_throttle() -> None:
    """Nobody is held back without a reason."""
    assert 0.0 == Cooldown().wait(0.0)


def test_a_cooldown_obeys_retry_after() -> None:
    """HubSpot's own wait is kept, and counts down."""
    cooldown = Cooldown()
    assert 3.0 == _throttle(cooldown, 1.0, 0.9, retry_after=3.0)
    assert [2.0, 0.0, 0.0] == [cooldown.wait(now) for now in (2.0, 4.0, 5.0)]


def test_a_cooldown_only_ever_ends_later() -> None:
    """A shorter wait that comes afterwards takes nothing back."""
    cooldown = Cooldown()
    _throttle(cooldown, 0.0, -1.0, retry_after=30.0)
    assert 29.0 == _throttle(cooldown, 1.0, 0.5, retry_after=1.0)


def test_without_retry_after_pauses_double() -> None:
    """A hundredth of the window first, twice as long with each throttle after, up to the window."""
    cooldown = Cooldown()
    pauses = []
    now = 0.0
    for _ in range(9):
        pause = _throttle(cooldown, now, now)
        pauses.append(pause)
        now += pause + 0.5
    assert pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]) == pauses


def test_calls_throttled_together_are_one_throttle() -> None:
    """Sixty-four responses of calls that were in flight together do not double six times."""
    cooldown = Cooldown()
    pauses = [_throttle(cooldown, 1.0 + number / 1000, 0.9) for number in range(64)]
    assert pytest.approx([0.1] * 64) == pauses


def test_a_throttle_with_no_wait_at_all_still_pauses() -> None:
    """`Retry-After: 0` again and again must not become a storm."""
    cooldown = Cooldown()
    pauses = [_throttle(cooldown, now, now, retry_after=0.0) for now in (0.0, 1.0)]
    assert pytest.approx([0.1, 0.2]) == pauses


def test_an_accepted_call_makes_pauses_short_again() -> None:
    """Only a call sent after the last throttle says that it is over."""
    cooldown = Cooldown()
    _throttle(cooldown, 0.0, 0.0)
    _throttle(cooldown, 1.0, 1.0)
    cooldown.record_accepted(0.5)
    assert pytest.approx(0.4) == _throttle(cooldown, 2.0, 2.0)
    cooldown.record_accepted(3.0)
    assert pytest.approx(0.1) == _throttle(cooldown, 4.0, 4.0)


def test_a_cooldown_is_over_when_a_call_got_through() -> None:
    """Not as soon as its wait has ended: until then few calls may be in flight."""
    cooldown = Cooldown()
    assert cooldown.is_over(0.0)
    _throttle(cooldown, 0.0, 0.0, retry_after=1.0)
    assert not cooldown.is_over(0.5)
    assert not cooldown.is_over(2.0)
    cooldown.record_accepted(2.0)
    assert cooldown.is_over(2.0)


def test_a_late_response_to_an_old_throttle_pauses_too() -> None:
    """Of a call that was in flight at a throttle, after another call was accepted."""
    cooldown = Cooldown()
    _throttle(cooldown, 1.0, 1.0)
    cooldown.record_accepted(2.0)
    assert pytest.approx(0.1) == _throttle(cooldown, 3.0, 1.0)


def test_few_calls_may_be_in_flight_until_one_is_accepted() -> None:
    """Eight after a throttle, one after the next, all again after an accepted call."""
    cooldown = Cooldown()
    most = [cooldown.max_in_flight]
    for now in (1.0, 2.0, 3.0):
        _throttle(cooldown, now, now)
        most.append(cooldown.max_in_flight)
    cooldown.record_accepted(3.0)  # sent in the moment of the throttle
    most.append(cooldown.max_in_flight)
    cooldown.record_accepted(3.5)
    most.append(cooldown.max_in_flight)
    assert [math.inf, 8, 1, 1, 1, math.inf] == most


def test_a_pause_is_over_when_a_call_was_accepted_after_it() -> None:
    """Both: time passed, and a call got through."""
    cooldown = Cooldown()
    assert cooldown.is_over(0.0)
    _throttle(cooldown, 1.0, 1.0, retry_after=3.0)
    assert not cooldown.is_over(9.0)
    cooldown.record_accepted(1.5)
    assert [False, True] == [cooldown.is_over(now) for now in (3.9, 4.0)]


def test_a_call_of_the_moment_of_a_throttle_belongs_to_it() -> None:
    """Only one that was sent later makes the pause longer."""
    cooldown = Cooldown()
    pauses = [_throttle(cooldown, now, sent_at) for now, sent_at in ((1.0, 0.5), (2.0, 1.0))]
    assert pytest.approx([0.1, 0.1]) == pauses
