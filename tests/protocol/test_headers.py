"""What headers say."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st
from multidict import CIMultiDict

from aiohubassoc import Quota
from aiohubassoc._protocol.headers import (
    correlation_id,
    parse_daily,
    parse_quota,
    parse_remaining,
    retry_after,
)

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10", 10.0),
        (" 10 ", 10.0),
        ("0", 0.0),
        ("1.5", 1.5),
        ("-3", 0.0),
        ("Mon, 23 Nov 2026 12:00:30 GMT", 30.0),
        ("Mon, 23 Nov 2026 12:00:30 -0000", 30.0),
        ("Mon, 23 Nov 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("", None),
        ("nan", None),
        ("inf", None),
        ("-inf", None),
        ("9" * 308, None),
        ("9" * 309, None),
        ("9" * 5000, None),
        ("1e400", None),
        ("Fri, 31 Dec 9999 23:59:59 GMT", None),
        ("Mon, 01 Jan 0001 00:00:00 GMT", None),
        ("Mon, 01 Jan 2024 00:00:00 +99999999999999", None),
        ("Mon, 99 Jan 2024 00:00:00 GMT", None),
        ("٣", 3.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str, expected: float | None) -> None:
    """`Retry-After` is read as seconds or as an HTTP date; nonsense is as if it were missing."""
    assert expected == retry_after(CIMultiDict({"retry-after": text}), NOW)


def test_a_retry_date_is_measured_from_the_answers_own_date() -> None:
    """A wrong local clock does not matter where the response says when it was made."""
    headers = CIMultiDict(
        {"Retry-After": "Mon, 23 Nov 2026 15:00:30 GMT", "Date": "Mon, 23 Nov 2026 15:00:00 GMT"}
    )
    assert 30.0 == retry_after(headers, NOW)


def test_no_retry_after() -> None:
    """A missing header asks for nothing."""
    assert retry_after({}, NOW) is None


def test_an_answers_date_that_makes_no_sense_is_passed_over() -> None:
    """Then the local clock is all there is."""
    headers = CIMultiDict(
        {
            "Retry-After": "Mon, 23 Nov 2026 12:00:30 GMT",
            "Date": "Mon, 01 Jan 2024 00:00:00 +99999999999999",
        }
    )
    assert 30.0 == retry_after(headers, NOW)


_numbers = st.integers(-(10**400), 10**400).map(str) | st.integers(-99, 9999).map(str)
_dates = st.builds(
    "{}, {} {} {} {}:{}:{} {}".format,
    st.sampled_from(["Mon", "Xyz", ""]),
    _numbers,
    st.sampled_from(["Jan", "Dec", "13", ""]),
    _numbers,
    _numbers,
    _numbers,
    _numbers,
    _numbers | st.sampled_from(["GMT", "EST", "+0100", "-0000", "+99999999999999", ""]),
)
_texts = st.text() | _dates | _numbers | st.floats().map(str) | st.none()


@given(_texts, _texts)
def test_any_retry_after_survives(text: str | None, date: str | None) -> None:
    """No text makes it fail or wait for a negative or endless time."""
    reported = {"Retry-After": text, "Date": date}
    seconds = retry_after({k: v for k, v in reported.items() if v is not None}, NOW)
    assert seconds is None or 0 <= seconds <= 366 * 86_400


@given(st.tuples(_texts, _texts, _texts, _texts, _texts))
def test_any_limit_survives(texts: tuple[str | None, ...]) -> None:
    """No text of any header fails, or is a number that no limit has."""
    names = ("Max", "Interval-Milliseconds", "Remaining", "Daily", "Daily-Remaining")
    headers = CIMultiDict(
        {
            f"X-HubSpot-RateLimit-{name}": text
            for name, text in zip(names, texts, strict=True)
            if text is not None
        }
    )
    quota = parse_quota(headers)
    assert quota is None or (quota.limit <= 10**6 and quota.window <= 86_400)
    for number in (parse_remaining(headers), *parse_daily(headers)):
        assert number is None or 0 <= number <= 10**9


def _quota(limit: str | None, interval_ms: str | None) -> Quota | None:
    headers = {
        "X-HubSpot-RateLimit-Max": limit,
        "X-HubSpot-RateLimit-Interval-Milliseconds": interval_ms,
    }
    named = CIMultiDict({k: v for k, v in headers.items() if v is not None})
    return parse_quota(named)


@pytest.mark.parametrize(
    ("limit", "interval_ms", "expected"),
    [
        ("190", "10000", Quota(190, 10.0)),
        ("19", "1000", Quota(19, 1.0)),
        (" 100 ", "10000", Quota(100, 10.0)),
        (None, "10000", None),
        ("190", None, None),
        ("0", "10000", None),
        ("-5", "10000", None),
        ("abc", "10000", None),
        ("1e3", "10000", None),
        ("²", "10000", None),
        ("190", "0", None),
        ("9" * 5000, "10000", None),
        ("1000001", "10000", None),
        ("190", "86400001", None),
    ],
)
def test_a_quota_is_told_or_not(
    limit: str | None, interval_ms: str | None, expected: Quota | None
) -> None:
    """Both headers together name a quota; a missing or senseless one names none."""
    assert expected == _quota(limit, interval_ms)


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("Max", 10**6),
        ("Interval-Milliseconds", 600_000),
        ("Remaining", 10**6),
        ("Daily", 10**9),
        ("Daily-Remaining", 10**9),
    ],
)
def test_no_limit_is_larger(name: str, most: int) -> None:
    """Up to this number a header is believed: no published limit or window comes near it."""
    header = f"X-HubSpot-RateLimit-{name}"
    read: dict[str, Callable[[CIMultiDict[str]], object]] = {
        "Max": lambda headers: _quota(headers[header], "1000"),
        "Interval-Milliseconds": lambda headers: _quota("1", headers[header]),
        "Remaining": parse_remaining,
        "Daily": lambda headers: parse_daily(headers)[0],
        "Daily-Remaining": lambda headers: parse_daily(headers)[1],
    }
    expected = {"Max": Quota(most, 1.0), "Interval-Milliseconds": Quota(1, most / 1000)}
    assert expected.get(name, most) == read[name](CIMultiDict({header: str(most)}))
    assert read[name](CIMultiDict({header: str(most + 1)})) is None


@pytest.mark.parametrize("sign", ["", "-"])
def test_no_wait_is_longer_than_a_year(sign: str) -> None:
    """A leap year is the longest that is believed, in either direction."""
    year = 366 * 86_400
    longest = retry_after({"Retry-After": f"{sign}{year}"}, NOW)
    assert longest == (0.0 if sign else float(year))
    assert retry_after({"Retry-After": f"{sign}{year}.5"}, NOW) is None


def test_what_is_left_may_be_nothing() -> None:
    """0 is an answer of these headers; of the limit of a day it is nonsense."""
    left = {"X-HubSpot-RateLimit-Remaining": "0", "X-HubSpot-RateLimit-Daily-Remaining": "0"}
    assert 0 == parse_remaining(left)
    assert (None, 0) == parse_daily({**left, "X-HubSpot-RateLimit-Daily": "0"})
    assert (None, None) == parse_daily({})
    assert parse_remaining({}) is None


def test_a_correlation_id_is_short() -> None:
    """HubSpot's has 36 characters; one of up to 200 is kept whole."""
    name = "X-HubSpot-Correlation-Id"
    assert "x" * 200 == correlation_id({name: "x" * 200})
    assert "x" * 200 + "... (201 characters)" == correlation_id({name: "x" * 201})


def test_the_correlation_id_is_read_whatever_its_case() -> None:
    """HubSpot's support asks for it; proxies change the case of names."""
    assert "abc" == correlation_id(CIMultiDict({"x-hubspot-correlation-id": "abc"}))
    assert correlation_id({}) is None
