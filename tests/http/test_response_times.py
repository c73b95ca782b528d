"""How long to wait for what may follow a response."""

from __future__ import annotations

import pytest

from aiohubassoc._http.connections import ResponseTimes


def _after(*seconds: float) -> ResponseTimes:
    times = ResponseTimes()
    for one in seconds:
        times.add(one)
    return times


def test_nothing_is_known_at_first() -> None:
    """Then it takes a second, and nothing is too early."""
    times = ResponseTimes()
    assert (1.0, False) == (times.wait_after(0.0), times.is_early(0.0))


def test_a_usual_response_is_waited_for_as_long_as_it_took() -> None:
    """Where all take the same; and never longer than a second, or less than a thousandth."""
    assert 0.1 == pytest.approx(_after(*[0.1] * 50).wait_after(0.1), rel=0.01)
    assert 1.0 == _after(*[30.0] * 50).wait_after(30.0)
    assert 0.001 == _after(*[0.0] * 50).wait_after(0.0)


def test_the_sooner_it_came_the_longer_it_takes() -> None:
    """What comes at once leaves the most time for the one that is due."""
    times = _after(*[0.1] * 50)
    waits = [times.wait_after(seconds) for seconds in (0.0, 0.05, 0.1, 0.5)]
    assert [0.3, 0.2, 0.1, 0.1] == pytest.approx(waits, rel=0.01)


def test_where_they_vary_it_takes_longer() -> None:
    """By their deviation."""
    times = _after(*[0.05, 0.15] * 50)
    assert 0.13 < times.wait_after(0.1) < 0.17


def test_what_is_early() -> None:
    """Sooner than in half of the usual time."""
    times = _after(*[0.1] * 50)
    assert (True, False) == (times.is_early(0.04), times.is_early(0.06))
