"""The calls about the account: its portal, day, scopes and association limits."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aiohubassoc.simulator import FaultPlan
from aiohubassoc.simulator.responses import Delivery
from tests.simulator.portal_calls import (
    TOKEN,
    batch,
    decode,
    make_portal,
    put,
    put_path,
    read,
    send,
)

DETAILS = "/account-info/2026-03/details"
USAGE = "/account-info/2026-03/api-usage/daily/private-apps"
TOKEN_INFO = "/oauth/v2/private-apps/get/access-token-info"
LIMITS = "/crm/limits/2026-03/associations/records/{types}"
CALLS = {
    "details": ("GET", DETAILS, b""),
    "usage": ("GET", USAGE, b""),
    "token_info": ("POST", TOKEN_INFO, json.dumps({"tokenKey": TOKEN}).encode()),
    "limits": ("GET", LIMITS.format(types="contacts/companies"), b""),
}


@pytest.mark.parametrize("version", ["v3", "2026-03", "2026-09", "2027-03-beta", "2031-12"])
def test_details(version: str) -> None:
    """The portal, its time zone and its offset."""
    portal = make_portal(time_zone="Asia/Kolkata", utc_offset=5.5)
    response = send(portal, "GET", f"/account-info/{version}/details")
    body = decode(response)
    assert response.status == 200
    assert body["portalId"] == 12345
    assert body["timeZone"] == "Asia/Kolkata"
    assert (body["utcOffset"], body["utcOffsetMilliseconds"]) == ("+05:30", 19_800_000)


def test_usage_of_the_day() -> None:
    """The usage includes calls of others before, and the response has the time of the reset."""
    portal = make_portal(daily_limit=1000, daily_used=40)
    put(portal, now=86_400.0)
    (usage,) = decode(send(portal, "GET", USAGE, now=86_460.0))["results"]
    assert (usage["usageLimit"], usage["currentUsage"]) == (1000, 42)
    assert usage["collectedAt"] == "2026-01-02T00:01:00.000Z"
    assert usage["resetsAt"] == "2026-01-03T00:00:00.000Z"
    headers = put(portal, now=86_461.0).headers
    assert headers["X-HubSpot-RateLimit-Daily-Remaining"] == "957"


def test_no_daily_limit_is_not_reported() -> None:
    """The list is empty."""
    assert decode(send(make_portal(), "GET", USAGE)) == {"results": []}


def test_scopes_of_a_token() -> None:
    """Those in the settings, or all but the missing ones."""
    method, path, body = CALLS["token_info"]
    portal = make_portal(scopes=("b", "a"))
    info = decode(send(portal, method, path, body))
    assert (info["hubId"], info["scopes"]) == (12345, ["a", "b"])
    portal = make_portal(missing_scopes=("crm.objects.deals.write",))
    scopes = decode(send(portal, method, path, body))["scopes"]
    assert {"crm.objects.deals.read", "crm.objects.custom.write", "tickets"} <= set(scopes)
    assert "crm.objects.deals.write" not in scopes


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b'{"tokenKey": "wrong"}', 401),
        (b'{"tokenKey": null}', 401),
        (b'{"tokenKey": ["simulated-token"]}', 401),
        (b'{"tokenKey": {}}', 401),
    ],
)
def test_scopes_of_no_token(body: bytes, status: int) -> None:
    """An error."""
    assert send(make_portal(), "POST", TOKEN_INFO, body).status == status


def test_records_at_and_near_their_association_limit() -> None:
    """For the two types, with each of their names."""
    portal = make_portal(
        association_limit=200,
        limited_records=(
            ("contacts", "1", "companies", 200),
            ("contact", "2", "0-2", 150),
            ("contacts", "3", "deals", 200),
        ),
    )
    body = decode(send(portal, "GET", LIMITS.format(types="0-1/companies")))
    assert body == {
        "limit": 200,
        "totalRecordsAtLimit": 1,
        "totalRecordsNearLimit": 1,
        "atLimitFromRecordSamples": [{"objectId": 1, "label": "contact 1"}],
        "nearLimitFromRecordSamples": [
            {"objectId": 2, "label": "contact 2", "usage": 150, "percentage": 75.0}
        ],
    }
    unknown = send(portal, "GET", LIMITS.format(types="0-1/firmen"))
    assert unknown.status == 400


# --- scopes of other calls ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("types", "needed"),
    [
        ("contacts/companies", ["crm.objects.contacts.{}", "crm.objects.companies.{}"]),
        ("deals/deals", ["crm.objects.deals.{}"]),
        ("tickets/p12345_cars", ["tickets", "crm.objects.custom.{}"]),
        ("notes/0-8", ["crm.objects.contacts.{}", "crm.objects.line_items.{}"]),
    ],
)
def test_scopes_that_calls_need(types: str, needed: list[str]) -> None:
    """To write for calls that link, to read for a read; a 403 names the missing ones."""
    portal = make_portal(scopes=("oauth",))
    write, to_read = [[scope.format(access) for scope in needed] for access in ("write", "read")]
    path = f"/crm/v4/associations/{types}/batch/associate/default"
    for response, scopes in (
        (send(portal, "PUT", put_path(1, 2, types)), write),
        (send(portal, "POST", path), write),
        (read(portal, 1, types=types), to_read),
    ):
        assert response.status == 403
        (error,) = decode(response)["errors"]
        assert error["context"]["requiredGranularScopes"] == list(dict.fromkeys(scopes))
    granted = make_portal(scopes=(*write, *to_read))
    assert send(granted, "PUT", put_path(1, 2, types)).status == 200
    assert read(granted, 1, types=types).status == 200


# --- refused, unknown and faulty calls ---------------------------------------------------------


@pytest.mark.parametrize("name", CALLS)
def test_refused_and_unknown_calls(name: str) -> None:
    """A 403, or the page of an unknown path; the other calls continue."""
    method, path, body = CALLS[name]
    assert send(make_portal(), method, path, body).status == 200
    refused = send(make_portal(refused_calls=(name,)), method, path, body)
    assert (refused.status, decode(refused)["category"]) == (403, "MISSING_SCOPES")
    portal = make_portal(unknown_calls=(name,))
    assert send(portal, method, path, body).body().startswith(b"<html>")
    assert sum(send(portal, *CALLS[other]).status == 200 for other in CALLS) == 3


@pytest.mark.parametrize("name", CALLS)
def test_account_calls_need_a_token_and_their_method(name: str) -> None:
    """401 without one; 405 for another method."""
    method, path, body = CALLS[name]
    assert send(make_portal(), method, path, body, authorization=None).status == 401
    wrong = send(make_portal(), "PUT", path, body)
    assert (wrong.status, wrong.headers["Allow"]) == (405, f"{method},OPTIONS")


@pytest.mark.parametrize(
    "path",
    [
        "/account-info/v4/details",
        "/account-info/2026-13/details",
        "/account-info/2026-03/details/more",
        "/crm/limits/v3/associations/records/contacts/companies",
        "/crm/limits/2026-03/associations/records/contacts",
    ],
)
def test_paths_that_do_not_exist(path: str) -> None:
    """A page of HTML."""
    assert send(make_portal(), "GET", path).status == 404


def test_account_calls_count_as_single_calls() -> None:
    """In the ten-second window and for the day, not as batch calls."""
    portal = make_portal(quota_limit=2, batch_limit=1)
    assert [send(portal, *CALLS["details"]).status for _ in range(3)] == [200, 200, 429]
    assert read(portal, 1).status == 207
    assert portal.ledger.calls == {"account": 2, "read": 1}
    assert portal.ledger.max_accepted_in_window == 2
    assert not portal.ledger.type_names.keys() - {"contacts", "companies"}


def test_account_calls_have_a_separate_fault_script() -> None:
    """Shares and `script_all` apply only to calls that link and read."""
    plan = FaultPlan(
        script_account=(None, "unavailable_503", "cut_body", "errors_in_2xx"),
        script_all=("server_error_500",),
        no_body=1.0,
    )
    portal = make_portal(faults=plan)
    responses = [send(portal, *CALLS["usage"]) for _ in range(4)]
    assert [response.status for response in responses] == [200, 503, 200, 200]
    assert responses[2].delivery is Delivery.CUT
    assert decode(responses[3]) == {"results": []}
    assert [put(portal).status, put(portal).status] == [500, 204]
    assert portal.ledger.faults == {
        "unavailable_503": 1,
        "cut_body": 1,
        "server_error_500": 1,
        "no_body": 1,
    }


# --- dated versions ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "status"), [("2026-03", 207), ("2026-09", 200), ("2027-03-beta", 200)]
)
def test_errors_of_a_read_inside_a_200(version: str, status: int) -> None:
    """From 2026-09 on; their number is in the body either way."""
    portal = make_portal(records_up_to=50)
    path = f"/crm/associations/{version}/contacts/companies/batch/read"
    body = b'{"inputs": [{"id": "1"}, {"id": "99"}]}'
    response = send(portal, "POST", path, body)
    assert (response.status, decode(response)["numErrors"]) == (status, 2)
    refused = make_portal(records_up_to=50, batch_missing="400")
    assert send(refused, "POST", path, body).status == 400


def test_a_batch_that_links_has_207_in_every_version() -> None:
    """Its schema did not change (HubSpot, Associations v4 and 2026-09)."""
    portal = make_portal(records_up_to=50)
    assert batch(portal, (1, 2), (1, 99)).status == 207
    path = "/crm/associations/2026-09/contacts/companies/batch/associate/default"
    body: dict[str, Any] = {"inputs": [{"from": {"id": "1"}, "to": {"id": "99"}}]}
    assert send(portal, "POST", path, json.dumps(body).encode()).status == 207
