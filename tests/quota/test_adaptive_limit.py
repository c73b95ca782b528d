"""How much of the quota is available, after throttles."""

from __future__ import annotations

from aiohubassoc import Quota
from aiohubassoc._quota.adaptive_limit import AdaptiveLimit


def test_what_a_throttle_showed_holds_for_a_longer_window() -> None:
    """60 calls in 10 s are 120 in 20 s, when HubSpot names that window."""
    limit = AdaptiveLimit(Quota(100, 10.0))
    assert not limit.record_throttle(60, 1.0, sent_at=0.9, beside=1)
    assert 60 == limit.at(1.0)
    limit.adopt(Quota(200, 20.0))
    assert 120 == limit.at(1.0)
    limit.adopt(Quota(100, 10.0))  # it names windows in turn: the longest is measured
    assert (60, 20.0) == (limit.at(1.0), limit.window)
