"""Replies about an account are read leniently, and the scopes of object types are known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, strategies as st

from aiohubassoc import ScopeCheck
from aiohubassoc._protocol.account_replies import (
    AssociationLimitsReply,
    DailyUsageReply,
    PortalReply,
    check_scopes,
    find_scopes,
    parse_scopes,
)
from aiohubassoc._protocol.requests import (
    account_details,
    association_limits,
    daily_usage,
    token_info,
)
from aiohubassoc._protocol.verdicts import AccountReply
from aiohubassoc.account_check import make_check
from aiohubassoc.options import ApiVersion

FIELDS = [
    *("portalId", "timeZone", "utcOffsetMilliseconds", "scopes", "results", "usageLimit"),
    *("currentUsage", "collectedAt", "resetsAt", "limit", "totalRecordsAtLimit", "objectId"),
    *("totalRecordsNearLimit", "atLimitFromRecordSamples"),
]
DATES = st.datetimes(timezones=st.just(UTC)).map(lambda date: date.isoformat())
SCALARS = DATES | st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner),
    max_leaves=10,
)
BODIES = st.dictionaries(st.sampled_from(FIELDS), JSON)
CALLS = st.dictionaries(
    st.sampled_from(["details", "read", "token info", "usage", "limits"]), BODIES
)


@given(CALLS)
def test_no_body_breaks_a_check(bodies: dict[str, dict[str, Any]]) -> None:
    """What is odd or missing is unknown."""
    responses: Any = {name: AccountReply(body, {}) for name, body in bodies.items()}
    found = make_check(responses, "https://api.hubapi.com", ("contacts", "companies"))
    assert len(found.items) == 9


@pytest.mark.parametrize(
    ("milliseconds", "offset"),
    [
        (-18_000_000, timedelta(hours=-5)),
        (0, timedelta()),
        (86_400_000, None),
        (-(10**30), None),
        ("x", None),
        (None, None),
    ],
)
def test_the_offset_of_a_time_zone(milliseconds: object, offset: timedelta | None) -> None:
    """None where it can be none."""
    assert PortalReply.from_reply({"utcOffsetMilliseconds": milliseconds}).utc_offset == offset


@pytest.mark.parametrize(
    ("collected", "resets", "expected"),
    [
        ("2026-11-28T10:00:00Z", "2026-11-29T05:00:00Z", datetime(2026, 11, 29, 5, tzinfo=UTC)),
        # HubSpot's own example, "Retrieve private app daily API usage": the last midnight.
        ("2020-04-10T06:46:40.789Z", "2020-04-10T04:00:00Z", datetime(2020, 4, 11, 4, tzinfo=UTC)),
        ("2020-04-12T04:00:00Z", "2020-04-10T04:00:00Z", datetime(2020, 4, 13, 4, tzinfo=UTC)),
        (None, "2020-04-10T04:00:00Z", datetime(2020, 4, 10, 4, tzinfo=UTC)),
        ("2020-04-10T06:46:40Z", None, None),
        ("9999-12-31T23:00:00Z", "9999-12-31T22:00:00Z", None),
        ("2020-04-10T06:46:40Z", "9999-12-31T23:59:59Z", None),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z", None),
    ],
)
def test_the_next_reset_of_the_day(
    collected: str | None, resets: str | None, expected: datetime | None
) -> None:
    """Never one that has passed when the usage was collected."""
    usage = {"collectedAt": collected, "resetsAt": resets, "usageLimit": 10, "currentUsage": 12}
    found = DailyUsageReply.from_reply({"results": [usage]})
    assert (found.resets_at, found.left) == (expected, 0)


def test_samples_of_records_at_their_limit() -> None:
    """Ids as text; odd samples are left out."""
    samples = [{"objectId": 7}, {"objectId": "8"}, {"label": "x"}, 9, None]
    found = AssociationLimitsReply.from_reply({"atLimitFromRecordSamples": samples})
    assert found.samples == ("7", "8")


def test_scopes_of_a_token() -> None:
    """None where there is no list."""
    assert parse_scopes({"scopes": ["a", 5, None]}) == frozenset({"a"})
    assert parse_scopes({"scopes": "a"}) is None
    assert parse_scopes({}) is None


@pytest.mark.parametrize(
    ("kind", "scopes"),
    [
        ("contacts", ("crm.objects.contacts.write",)),
        ("CONTACT", ("crm.objects.contacts.write",)),
        ("0-1", ("crm.objects.contacts.write",)),
        ("line_item", ("crm.objects.line_items.write",)),
        ("2-1234567", ("crm.objects.custom.write",)),
        ("p12345_cars", ("crm.objects.custom.write",)),
        ("tickets", ("tickets", "crm.objects.tickets.write")),
        ("notes", ()),
        ("kontakte", ()),
    ],
)
def test_scopes_of_object_types(kind: str, scopes: tuple[str, ...]) -> None:
    """Under every name of a type; of some they are not known."""
    assert find_scopes(kind, "write") == scopes


def test_either_scope_of_tickets_will_do() -> None:
    """The first is named where both lack."""
    assert check_scopes(("tickets", "0-5"), frozenset({"tickets"}), ()).lacks == ()
    new = frozenset({"crm.objects.tickets.write", "crm.objects.tickets.read"})
    assert check_scopes(("tickets", "0-5"), new, ()).lacks == ()
    assert check_scopes(("tickets", "0-5"), frozenset(), ()) == ScopeCheck((), ("tickets",))


def test_scopes_that_a_refusal_names_are_lacked() -> None:
    """Unless the token has them: HubSpot names all that a call needs."""
    found = check_scopes(("notes", "notes"), frozenset({"a"}), ("a", "b"))
    assert found == ScopeCheck((), ("b",))


@pytest.mark.parametrize(
    ("version", "dated"),
    [
        (ApiVersion.V4, "2026-03"),
        (ApiVersion.V2026_03, "2026-03"),
        (ApiVersion.V2026_09, "2026-09"),
        ("2027-03-beta", "2027-03-beta"),
    ],
)
def test_paths(version: str, dated: str) -> None:
    """There is no v4 of them; the token is in no repr."""
    assert account_details(version).path == f"/account-info/{dated}/details"
    assert daily_usage(version).path == f"/account-info/{dated}/api-usage/daily/private-apps"
    limits = association_limits(version, ("a/b", "0-2"))
    assert (limits.method, limits.path) == (
        "GET",
        f"/crm/limits/{dated}/associations/records/a%2Fb/0-2",
    )
    info = token_info(b"secret")
    assert (info.method, info.path) == ("POST", "/oauth/v2/private-apps/get/access-token-info")
    assert "secret" not in repr(info)
