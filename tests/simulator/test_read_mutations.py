"""Every fault on a read of links, and scripts for batch calls of each kind."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aiohubassoc.simulator import Fault, FaultPlan, Portal
from aiohubassoc.simulator.responses import Delivery
from tests.simulator.portal_calls import batch, decode, linked_ids, make_portal, put, read

# The response to a read of the records 1 to 3, of which 3 has no links: status, results, errors.
_CHANGED: dict[Fault, tuple[int, int, int]] = {
    Fault.SLOW: (207, 2, 1),
    Fault.UNMADE: (207, 2, 1),
    Fault.ACCEPTED_202: (202, 0, 0),
    Fault.PENDING: (200, 0, 0),
    Fault.EMPTY_RESULTS: (200, 0, 0),
    Fault.ERRORS_IN_2XX: (200, 0, 1),
    Fault.PARTIAL_207: (207, 1, 2),
    Fault.UNKNOWN_FIELDS: (200, 2, 1),
    Fault.CREATED_201: (201, 2, 1),
}
_DELIVERIES = {
    Fault.NEVER_BEFORE: Delivery.NEVER,
    Fault.NEVER_AFTER: Delivery.NEVER,
    Fault.RESET_BEFORE: Delivery.RESET,
    Fault.RESET_AFTER: Delivery.RESET,
    Fault.CUT_BODY: Delivery.CUT,
    Fault.GARBLED_BODY: Delivery.TRUNCATED,
}
_STATUSES = {
    Fault.SERVER_ERROR_500: 500,
    Fault.BAD_GATEWAY_HTML_502: 502,
    Fault.UNAVAILABLE_503: 503,
    Fault.GATEWAY_TIMEOUT_504: 504,
    Fault.CLOUDFLARE_524: 524,
    Fault.PROBLEM_JSON_502: 502,
    Fault.LOCKED_423: 423,
    Fault.MIGRATING_477: 477,
    Fault.THROTTLED_429: 429,
    Fault.THROTTLED_429_BARE: 429,
    Fault.CLOUDFLARE_1015: 429,
    Fault.NO_BODY: 204,
    Fault.NOT_FOUND_HTML_404: 404,
    Fault.REDIRECT_302: 302,
}


def _portal(fault: Fault, **settings: Any) -> Portal:
    portal = make_portal(faults=FaultPlan(script_reads=(fault.value,)), **settings)
    portal.add_links([("contacts", "1", "companies", "8"), ("contacts", "2", "companies", "9")])
    return portal


def test_every_fault_is_in_a_table() -> None:
    """A new fault is tried on reads too."""
    assert {*_CHANGED, *_DELIVERIES, *_STATUSES} == set(Fault)


@pytest.mark.parametrize(("fault", "shape"), _CHANGED.items())
def test_faults_that_change_a_read(fault: Fault, shape: tuple[int, int, int]) -> None:
    """Each fault changes one read; the next read succeeds."""
    portal = _portal(fault)
    response = read(portal, 1, 2, 3)
    body = decode(response)
    errors = body.get("errors") or []
    assert (response.status, len(body["results"]), len(errors)) == shape
    assert (body.get("numErrors") or 0) == len(errors)
    assert (body["status"] == "PENDING") == (fault in {Fault.PENDING, Fault.ACCEPTED_202})
    assert portal.ledger.faults == ({} if fault is Fault.UNMADE else {fault.value: 1})
    assert linked_ids(read(portal, 1, 2, 3)) == {"1": ["8"], "2": ["9"]}


@pytest.mark.parametrize(("fault", "delivery"), _DELIVERIES.items())
def test_faults_of_the_delivery_of_a_read(fault: Fault, delivery: Delivery) -> None:
    """The same as for any other call."""
    response = read(_portal(fault), 1, 2, 3)
    assert response.delivery is delivery
    if delivery is Delivery.TRUNCATED:
        with pytest.raises(json.JSONDecodeError):
            decode(response)


@pytest.mark.parametrize(("fault", "status"), _STATUSES.items())
def test_faults_that_replace_a_read(fault: Fault, status: int) -> None:
    """The same as for any other call."""
    assert read(_portal(fault), 1, 2, 3).status == status


@pytest.mark.parametrize("fault", [Fault.ERRORS_IN_2XX, Fault.PARTIAL_207])
def test_an_error_in_the_place_of_a_result_names_the_record(fault: Fault) -> None:
    """The error is not the one of a record without links."""
    body = decode(read(_portal(fault), 1, 2))
    lost = {"1", "2"} - {result["from"]["id"] for result in body["results"]}
    (error,) = body["errors"]
    (named,) = error["context"]["fromObjectId"]
    assert named in lost
    assert "subCategory" not in error


def test_a_read_with_unknown_fields_still_has_the_links() -> None:
    """Besides an undocumented category, with an integer for the record's id."""
    body = decode(read(_portal(Fault.UNKNOWN_FIELDS), 1))
    (result,) = body["results"]
    assert result["from"]["id"] == 1
    categories = [each["category"] for each in result["to"][0]["associationTypes"]]
    assert categories[0] == "PARTNER_DEFINED"
    assert "HUBSPOT_DEFINED" in categories


@pytest.mark.parametrize("fault", _CHANGED)
def test_faults_on_a_read_that_finds_nothing(fault: Fault) -> None:
    """Faults that need a result have no effect; the others replace the error of no links."""
    portal = _portal(fault)
    body = decode(read(portal, 3))
    is_hidden = not body.get("errors")
    hiding = {Fault.PENDING, Fault.ACCEPTED_202, Fault.EMPTY_RESULTS}
    assert (body["results"], is_hidden) == ([], fault in hiding)
    silent = {Fault.UNMADE, Fault.ERRORS_IN_2XX, Fault.PARTIAL_207}
    assert bool(portal.ledger.faults) == (fault not in silent)


@pytest.mark.parametrize("fault", _CHANGED)
def test_a_refused_read_stays_refused(fault: Fault) -> None:
    """A fault that changes a success does not show on it."""
    portal = _portal(fault)
    assert read(portal, "abc").status == 400
    assert set(portal.ledger.faults) <= {"slow"}


def test_scripts_of_each_kind() -> None:
    """Batch calls and reads have their own; the script of all covers the rest."""
    plan = FaultPlan(
        script_batches=("locked_423", None),
        script_reads=(None, "unavailable_503"),
        script_all=("server_error_500",) * 6,
    )
    portal = make_portal(faults=plan)
    statuses = [
        put(portal, 1, 8).status,
        batch(portal, (1, 8)).status,
        read(portal, 2).status,
        batch(portal, (1, 8)).status,
        read(portal, 2).status,
        batch(portal, (1, 8)).status,
        read(portal, 2).status,
    ]
    assert statuses == [500, 423, 207, 200, 503, 500, 207]


def test_a_rate_limited_call_is_in_no_script() -> None:
    """The fault hits the next call that passes."""
    plan = FaultPlan(script_reads=(None, "unavailable_503"))
    portal = make_portal(faults=plan, batch_limit=1, batch_window=1.0)
    assert [read(portal, 1, now=now).status for now in (0.0, 0.5, 1.0)] == [207, 429, 503]


@pytest.mark.parametrize("name", ["script_batches", "script_reads"])
def test_invalid_scripts(name: str) -> None:
    """An unknown fault raises ValueError; a valid script survives JSON."""
    scripts: dict[str, Any] = {name: ("nonsense",)}
    with pytest.raises(ValueError, match="nonsense"):
        FaultPlan(**scripts)
    plan = FaultPlan(**{name: ("unmade", None)})  # type: ignore[arg-type]
    assert FaultPlan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan
