"""The pause after a refusal."""

from __future__ import annotations

import pytest

from aiohubassoc._quota.cooldown import Cooldown


def _refuse(gate: Cooldown, now: float, sent_at: float, retry_after: float | None = None) -> float:
    return gate.record_throttle(now, sent_at, retry_after=retry_after, window=10.0)


def test_a_gate_is_open_until_a_refusal() -> None:
    """Nobody is held back without a reason."""
    assert 0.0 == Cooldown().wait(0.0)


def test_a_gate_obeys_retry_after() -> None:
    """HubSpot's own wait is kept, and counts down."""
    gate = Cooldown()
    assert 3.0 == _refuse(gate, 1.0, 0.9, retry_after=3.0)
    assert [2.0, 0.0, 0.0] == [gate.wait(now) for now in (2.0, 4.0, 5.0)]


def test_a_gate_only_ever_opens_later() -> None:
    """A shorter wait that comes afterwards takes nothing back."""
    gate = Cooldown()
    _refuse(gate, 0.0, -1.0, retry_after=30.0)
    assert 29.0 == _refuse(gate, 1.0, 0.5, retry_after=1.0)


def test_without_retry_after_pauses_double() -> None:
    """A hundredth of the window first, twice as long with each refusal after, up to the window."""
    gate = Cooldown()
    pauses = []
    now = 0.0
    for _ in range(9):
        pause = _refuse(gate, now, now)
        pauses.append(pause)
        now += pause + 0.5
    assert pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]) == pauses


def test_calls_refused_together_are_one_refusal() -> None:
    """Sixty-four answers of calls that were on the wire together do not double six times."""
    gate = Cooldown()
    pauses = [_refuse(gate, 1.0 + number / 1000, 0.9) for number in range(64)]
    assert pytest.approx([0.1] * 64) == pauses


def test_a_refusal_with_no_wait_at_all_still_pauses() -> None:
    """`Retry-After: 0` again and again must not become a storm."""
    gate = Cooldown()
    pauses = [_refuse(gate, now, now, retry_after=0.0) for now in (0.0, 1.0)]
    assert pytest.approx([0.1, 0.2]) == pauses


def test_an_accepted_call_makes_pauses_short_again() -> None:
    """Only a call sent after the last refusal says that it is over."""
    gate = Cooldown()
    _refuse(gate, 0.0, 0.0)
    _refuse(gate, 1.0, 1.0)
    gate.accepted(0.5)
    assert pytest.approx(0.4) == _refuse(gate, 2.0, 2.0)
    gate.accepted(3.0)
    assert pytest.approx(0.1) == _refuse(gate, 4.0, 4.0)
