"""Options are checked when they are made."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from aiohubassoc import ApiVersion, OptionsError, Quota, RetryPolicy, Timeouts


def test_the_published_tiers() -> None:
    """HubSpot, API usage guidelines: calls in ten seconds."""
    assert [(100, 10.0), (190, 10.0), (190, 10.0), (250, 10.0), (110, 10.0)] == [
        attrs.astuple(quota)
        for quota in (
            Quota.STARTER,
            Quota.PROFESSIONAL,
            Quota.ENTERPRISE,
            Quota.LIMIT_INCREASE,
            Quota.OAUTH,
        )
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("190/10s", Quota(190)),
        ("190/1s", Quota(190, 1.0)),
        (" 190 / 10 s ", Quota(190)),
        ("19/s", Quota(19, 1.0)),
        ("5/0.5s", Quota(5, 0.5)),
        ("professional", Quota.PROFESSIONAL),
        ("Starter", Quota.STARTER),
        ("limit-increase", Quota.LIMIT_INCREASE),
        ("OAUTH", Quota.OAUTH),
    ],
)
def test_a_quota_is_read(text: str, expected: Quota) -> None:
    """By a tier's name, or as calls per seconds."""
    assert expected == Quota.parse(text)


@pytest.mark.parametrize(
    "text", ["", "190", "190/10", "0/10s", "190/0s", "-1/10s", "5/.s", "fast", "190/10m", "1e3/1s"]
)
def test_no_quota(text: str) -> None:
    """The message contains the text and the valid forms."""
    with pytest.raises(OptionsError, match=r"190/10s nor one of starter") as caught:
        Quota.parse(text)
    assert repr(text) in str(caught.value)


def test_a_quota_reads_as_it_is_written() -> None:
    """It also has its rate."""
    assert ("190/10s", 19.0) == (str(Quota(190)), Quota(190).rate_per_second)
    assert Quota(5, 0.5) == Quota.parse(str(Quota(5, 0.5)))


@pytest.mark.parametrize(
    ("cls", "arguments"),
    [
        (Quota, {"limit": 0}),
        (Quota, {"limit": -1}),
        (Quota, {"limit": 1.5}),
        (Quota, {"limit": True}),
        (Quota, {"limit": "190"}),
        (Quota, {"limit": 1, "window": 0}),
        (Quota, {"limit": 1, "window": float("inf")}),
        (Quota, {"limit": 1, "window": float("nan")}),
        (Quota, {"limit": 1, "window": "10"}),
        (RetryPolicy, {"attempts": 0}),
        (RetryPolicy, {"attempts": 1.0}),
        (RetryPolicy, {"budget": 0}),
        (RetryPolicy, {"budget": -1.0}),
        (RetryPolicy, {"wait_initial": -0.1}),
        (RetryPolicy, {"wait_initial": None}),
        (RetryPolicy, {"wait_max": float("inf")}),
        (RetryPolicy, {"retry_after_max": 0}),
        (Timeouts, {"connect": 0}),
        (Timeouts, {"response": True}),
        (Timeouts, {"total": "60"}),
    ],
)
def test_what_cannot_work_is_refused(cls: Any, arguments: dict[str, Any]) -> None:
    """With the name of the option and its value; it is a ValueError too."""
    name, value = list(arguments.items())[-1]
    with pytest.raises(OptionsError, match=name) as caught:
        cls(**arguments)
    assert repr(value) in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_none_means_no_limit() -> None:
    """For every option that is a limit."""
    assert RetryPolicy(attempts=None, budget=None, retry_after_max=None).budget is None
    assert Timeouts(connect=None, response=None, total=None).total is None


def test_the_defaults() -> None:
    """As documented: five attempts in two minutes, one minute for an attempt."""
    assert (5, 120.0, 0.5, 20.0, 60.0) == attrs.astuple(RetryPolicy())
    assert (5.0, 30.0, 60.0) == attrs.astuple(Timeouts())
    assert ["v4", "2026-03", "2026-09"] == list(ApiVersion)
