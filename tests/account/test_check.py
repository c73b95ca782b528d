"""The check of an account against a simulated portal: what it finds, and what it costs."""

from __future__ import annotations

import asyncio
import logging
import pickle
import re
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from aioresponses import aioresponses

from aiohubassoc import (
    AccountCheck,
    AssociationClient,
    CheckState,
    ClientClosedError,
    PairError,
    Quota,
    RetryPolicy,
    ScopeCheck,
)
from aiohubassoc.simulator import FaultPlan, PortalSettings
from aiohubassoc.testing import simulated_portal

if TYPE_CHECKING:
    from aiohubassoc.simulator import ServedPortal

OK, FAILED, UNKNOWN = CheckState.OK, CheckState.FAILED, CheckState.UNKNOWN
NAMES = (
    "connection",
    "token",
    "portal",
    "scopes",
    "quota",
    "daily limit",
    "object types",
    "read",
    "association limits",
)
WRITE = ("crm.objects.contacts.write", "crm.objects.companies.write")
ANY = re.compile(".*")
READ = ("crm.objects.contacts.read", "crm.objects.companies.read")


def client_of(portal: ServedPortal, token: Any = "simulated-token", **more: Any) -> Any:
    """Return a client of the portal."""
    return AssociationClient(token, base_url=portal.base_url, **more)


async def check(
    from_type: str = "contacts",
    to_type: str = "companies",
    token: Any = "simulated-token",
    **more: Any,
) -> AccountCheck:
    """Return the check of a portal with these settings."""
    async with simulated_portal(PortalSettings(**more)) as portal:
        async with client_of(portal, token) as client:
            found: AccountCheck = await client.check(from_type, to_type)
        assert portal.portal.ledger.links_total == 0
    assert tuple(item.name for item in found.items) == NAMES
    for item in found.items:
        assert (item.cure is not None) == (item.state is FAILED)
    assert found.ok == (FAILED not in states(found).values())
    return found


def states(found: AccountCheck, *names: str) -> dict[str, CheckState]:
    """Return the states of these items, or of all."""
    return {item.name: item.state for item in found.items if item.name in (names or NAMES)}


async def test_an_account_that_is_ready() -> None:
    """Every item is ok, with its values; five calls, and nothing is linked."""
    settings = PortalSettings(daily_limit=625_000, daily_used=1_000)
    async with simulated_portal(settings) as portal, client_of(portal) as client:
        found = await client.check("contacts", "companies")
        assert portal.portal.ledger.calls == {"account": 4, "read": 1}
    assert found.ok
    assert set(states(found).values()) == {OK}
    assert (found.portal_id, found.time_zone) == (12345, "US/Eastern")
    assert found.utc_offset == timedelta(hours=-5)
    assert found.scopes == ScopeCheck(WRITE + READ, ())
    assert found.quota == Quota(190, 10.0)
    assert (found.daily_limit, found.daily_left) == (625_000, 623_995)
    assert found.records_at_limit == 0
    assert found.item("connection").text == f"{portal.base_url} responds"


async def test_values_are_frozen_and_can_be_pickled() -> None:
    """As reports of runs can."""
    found = await check(daily_limit=10)
    assert pickle.loads(pickle.dumps(found)) == found  # noqa: S301 -- our own
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        found.items[0].text = "x"  # type: ignore[misc]
    with pytest.raises(KeyError):
        found.item("nonsense")


# --- scopes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scopes", "lacks", "read"),
    [
        ((*WRITE, *READ), (), OK),
        ((WRITE[0], *READ), (WRITE[1],), OK),
        (WRITE, READ, FAILED),
        (("oauth",), WRITE + READ, FAILED),
    ],
)
async def test_scopes_that_the_token_has_and_lacks(
    scopes: tuple[str, ...], lacks: tuple[str, ...], read: CheckState
) -> None:
    """Each is named, and the cure names those to add; without read scopes no link can be read."""
    found = await check(scopes=scopes)
    assert found.scopes.lacks == lacks
    assert found.scopes.has == tuple(scope for scope in WRITE + READ if scope in scopes)
    item = found.item("scopes")
    assert item.state == (FAILED if lacks else OK)
    assert all(scope in (item.cure or "") for scope in lacks)
    assert found.item("read").state == read


async def test_scopes_are_named_by_the_refusal_of_a_read() -> None:
    """Where HubSpot says nothing else of the token."""
    found = await check(scopes=WRITE, unknown_calls=("token_info",))
    assert found.scopes == ScopeCheck((), READ)
    assert states(found, "scopes", "read", "object types") == {
        "scopes": FAILED,
        "read": FAILED,
        "object types": UNKNOWN,
    }


async def test_types_whose_scopes_are_not_known() -> None:
    """The others are checked; it is said which are not."""
    found = await check("contacts", "notes")
    assert found.item("scopes").state is UNKNOWN
    assert "notes" in found.item("scopes").text
    assert found.scopes.has == (WRITE[0], READ[0])


# --- token -------------------------------------------------------------------------------------


async def test_a_refused_token() -> None:
    """It failed; nothing more is asked, and the rest is unknown."""
    settings = PortalSettings()
    async with simulated_portal(settings) as portal, client_of(portal, "wrong") as client:
        found = await client.check("contacts", "companies")
        assert portal.portal.ledger.requests == 1
    expected = dict.fromkeys(NAMES, UNKNOWN) | {"connection": OK, "token": FAILED}
    assert states(found) == expected
    assert "401" in found.item("token").text


async def test_a_token_that_is_renewed() -> None:
    """Its scopes are those of the new one."""
    refused: list[str | None] = []

    async def token(old: str | None) -> str:
        refused.append(old)
        return "old" if old is None and "old" not in refused else "simulated-token"

    found = await check(token=token)
    assert refused.count("old") == 1
    assert states(found, "token", "scopes") == {"token": OK, "scopes": OK}


async def test_the_token_is_in_no_message(caplog: pytest.LogCaptureFixture) -> None:
    """Though one call sends it in its body, and is retried."""
    caplog.set_level(logging.DEBUG)
    plan = FaultPlan(script_account=(None, "unavailable_503"))
    found = await check(faults=plan)
    assert "access-token-info" in caplog.text
    assert "simulated-token" not in caplog.text + repr(found)


# --- object types, records and the day ---------------------------------------------------------


@pytest.mark.parametrize("types", [("kontakte", "companies"), ("contacts", "2-999")])
async def test_an_unknown_object_type(types: tuple[str, str]) -> None:
    """It is named."""
    found = await check(*types)
    item = found.item("object types")
    assert item.state is FAILED
    assert any(repr(kind) in item.text for kind in types)
    assert found.item("read").state is UNKNOWN


@pytest.mark.parametrize("batch_missing", ["207", "400"])
async def test_the_record_that_is_read_need_not_exist(batch_missing: str) -> None:
    """The read says enough about the types."""
    found = await check(records_up_to=0, batch_missing=batch_missing)
    assert states(found, "object types", "read") == {"object types": OK, "read": OK}


async def test_records_at_their_association_limit() -> None:
    """Their number and some of their ids."""
    records = (("contacts", "5", "companies", 50_000), ("contacts", "6", "companies", 49_000))
    found = await check(limited_records=records)
    item = found.item("association limits")
    assert (item.state, found.records_at_limit) == (FAILED, 1)
    assert item.text == (
        "1 contacts at the limit of 50,000 links to companies (such as 5); near it: 1"
    )
    near = await check(limited_records=records[1:])
    assert near.item("association limits").state is OK


async def test_a_day_that_is_used_up() -> None:
    """Whether the last call takes the rest, or none is left."""
    found = await check(daily_limit=5)
    assert (found.item("daily limit").state, found.daily_left) == (FAILED, 0)
    found = await check(daily_limit=5, daily_used=5)
    assert found.item("daily limit").state is FAILED
    assert found.item("token").state is UNKNOWN


async def test_what_is_left_of_the_day_is_that_of_the_headers() -> None:
    """They are fresher than the usage, which is used where there are none."""
    found = await check(daily_limit=100)
    assert found.daily_left == 95
    found = await check(daily_limit=100, headers="none")
    assert (found.daily_left, found.item("quota").state) == (96, UNKNOWN)


async def test_the_reset_is_told_in_the_account_s_own_time() -> None:
    """As an aware instant, and in the text by its zone's offset."""
    found = await check(daily_limit=100, utc_offset=5.5)
    assert found.resets_at is not None
    assert found.resets_at.tzinfo is not None
    text = found.item("daily limit").text
    local = found.resets_at.astimezone(UTC) + timedelta(hours=5.5)
    assert f"{local:%Y-%m-%d %H:%M} (UTC+05:30)" in text


async def test_calls_that_are_reserved_for_others() -> None:
    """They are not made."""
    settings = PortalSettings(daily_limit=100)
    async with (
        simulated_portal(settings) as portal,
        client_of(portal, reserve_daily=98) as client,
    ):
        found = await client.check("contacts", "companies")
        assert portal.portal.ledger.requests == 2
    assert "98 reserved" in found.item("daily limit").text


# --- what HubSpot does not report --------------------------------------------------------------


@pytest.mark.parametrize("how", ["refused_calls", "unknown_calls"])
@pytest.mark.parametrize(
    ("call", "items"),
    [
        ("details", {"portal"}),
        ("usage", {"daily limit"}),
        ("token_info", {"scopes"}),
        ("limits", {"association limits"}),
    ],
)
async def test_calls_that_hubspot_refuses_or_does_not_know(
    how: str, call: str, items: set[str]
) -> None:
    """Their items are unknown and the others are not; nothing is raised."""
    settings: dict[str, Any] = {how: (call,)}
    # Without headers the day is known by its call alone.
    found = await check(daily_limit=1000, headers="none" if call == "usage" else "all", **settings)
    unknown = {item.name for item in found.items if item.state is UNKNOWN}
    assert unknown == items | ({"quota"} if call == "usage" else set())
    assert found.ok
    for name in items:
        assert found.item(name).text.startswith("not reported by HubSpot")


async def test_passing_faults_are_retried() -> None:
    """As those of any other call."""
    plan = FaultPlan(script_account=("unavailable_503", "throttled_429", "cut_body"))
    found = await check(daily_limit=1000, faults=plan)
    assert set(states(found).values()) == {OK}


async def test_faults_that_stay() -> None:
    """The item is unknown, and the other calls are made."""
    plan = FaultPlan(script_account=(None, *["server_error_500"] * 5))
    found = await check(daily_limit=1000, faults=plan)
    assert {name for name, state in states(found).items() if state is UNKNOWN} == {"scopes"}


async def _check_where_every_call_gets(status: int, category: str) -> AccountCheck:
    body = {"status": "error", "category": category, "message": "no"}
    with aioresponses() as mocked:
        for method in (mocked.get, mocked.post):
            method(ANY, status=status, payload=body, repeat=True)
        async with AssociationClient("t") as client:
            return await client.check("contacts", "companies")


@pytest.mark.parametrize(("status", "category"), [(500, "X"), (503, "MIGRATION"), (477, "X")])
async def test_faults_of_every_call(status: int, category: str) -> None:
    """HubSpot itself has failed: nothing is known of the account, and it is no time to begin."""
    found = await _check_where_every_call_gets(status, category)
    assert states(found) == dict.fromkeys(NAMES, UNKNOWN) | {"connection": FAILED}
    assert str(status) in found.item("connection").text


@pytest.mark.parametrize("category", ["X", ""])
async def test_a_refusal_that_is_not_of_hubspot_accepts_no_token(category: str) -> None:
    """Neither does it say that both types are known."""
    found = await _check_where_every_call_gets(400, category)
    assert states(found) == dict.fromkeys(NAMES, UNKNOWN) | {"connection": OK}


# --- the way -----------------------------------------------------------------------------------


async def test_a_portal_that_is_not_there() -> None:
    """The connection failed, and nothing else is known."""
    async with simulated_portal() as portal:
        base_url = portal.base_url
    retry = RetryPolicy(attempts=2)
    async with AssociationClient("t", base_url=base_url, retry=retry) as client:
        found = await client.check("contacts", "companies")
    assert states(found) == dict.fromkeys(NAMES, UNKNOWN) | {"connection": FAILED}
    assert base_url in found.item("connection").text


async def test_a_base_url_that_is_not_hubspot_s() -> None:
    """Pages of HTML: the connection failed, with the URL."""
    async with (
        simulated_portal() as portal,
        AssociationClient("simulated-token", base_url=f"{portal.base_url}/wrong") as client,
    ):
        found = await client.check("contacts", "companies")
    assert states(found, "connection", "token") == {"connection": FAILED, "token": UNKNOWN}
    assert "/wrong/" in found.item("connection").text


@pytest.mark.parametrize("status", [200, 207])
@pytest.mark.parametrize("body", ["", "<html>Welcome</html>", "[]", "[1]", "{}", "null"])
async def test_a_server_that_says_yes_to_all(body: str, status: int) -> None:
    """It is not HubSpot, and nothing is taken from it."""
    with aioresponses() as mocked:
        for method in (mocked.get, mocked.post):
            method(ANY, status=status, body=body, repeat=True, content_type="application/json")
        async with AssociationClient("t", retry=RetryPolicy(attempts=1)) as client:
            found = await client.check("contacts", "companies")
    assert states(found) == dict.fromkeys(NAMES, UNKNOWN) | {"connection": FAILED}
    assert found.scopes == ScopeCheck()


async def test_calls_count_against_the_quota() -> None:
    """They wait for it, and share it with the other calls of the client."""
    loop = asyncio.get_running_loop()
    async with simulated_portal() as portal, client_of(portal, quota=Quota(2, 10.0)) as client:
        began_at = loop.time()
        await client.check("contacts", "companies")
        assert loop.time() - began_at >= 20.0
        assert portal.portal.ledger.max_accepted_in_window <= 2


async def test_a_client_that_is_not_open() -> None:
    """As for any other verb."""
    client = AssociationClient("t")
    with pytest.raises(ClientClosedError):
        await client.check("contacts", "companies")


@pytest.mark.parametrize("types", [("", "companies"), ("contacts", "a b"), ("contacts", 5)])
async def test_a_type_that_cannot_be_sent(types: Any) -> None:
    """It is refused before a call."""
    async with simulated_portal() as portal, client_of(portal) as client:
        with pytest.raises(PairError):
            await client.check(*types)
        assert portal.portal.ledger.requests == 0


# --- the quick check ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "to_type", "obstacle", "count"),
    [
        ({}, "companies", None, 3),
        ({"tokens": ("another",)}, "companies", "AuthenticationError", 2),
        ({}, "compnies", "UnknownObjectTypeError", 3),
        ({"daily_limit": 5, "daily_used": 5}, "companies", "DailyLimitError", 2),
        ({"scopes": WRITE}, "companies", None, 3),
    ],
    ids=["ready", "token", "type", "day", "not to read"],
)
async def test_the_quick_check(
    settings: dict[str, Any], to_type: str, obstacle: str | None, count: int
) -> None:
    """Three calls at most; it names what every pair would meet, and no refusal to read."""
    async with simulated_portal(PortalSettings(**settings)) as portal, client_of(portal) as client:
        found = await client.check("contacts", to_type, quick=True)
        assert portal.portal.ledger.requests == count
    assert (None if found.obstacle is None else type(found.obstacle).__name__) == obstacle
    is_told = obstacle is None or obstacle == "UnknownObjectTypeError"
    assert states(found, "portal") == {"portal": OK if is_told else UNKNOWN}
    assert found.utc_offset == (timedelta(hours=-5) if is_told else None)


@pytest.mark.parametrize(
    "fault",
    [
        "never_before",
        "slow",
        "server_error_500",
        "reset_before",
        "not_found_html_404",
        "locked_423",
    ],
)
async def test_the_quick_check_does_not_wait_for_the_time_zone(fault: str) -> None:
    """Whatever becomes of that call says nothing of a run."""
    settings = PortalSettings(faults=FaultPlan(script_account=(fault,), slow_seconds=60.0))
    async with simulated_portal(settings) as portal, client_of(portal) as client:
        found = await asyncio.wait_for(client.check("contacts", "companies", quick=True), 30.0)
        assert portal.portal.ledger.calls["read"] == 1
    assert (found.obstacle, found.utc_offset) == (None, None)
    assert states(found, "scopes") == {"scopes": OK}
