"""The bodies of responses, as HubSpot's pages and recorded traffic show them."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any
from uuid import UUID

import pytest

from tests.simulator.portal_calls import batch, decode, make_portal, put, put_path, send

_SCOPES_PAGE = "https://developers.hubspot.com/scopes"


def test_a_success_has_both_directions() -> None:
    """In either order, with the ids of the default association of each (HubSpot, v4)."""
    orders = set()
    for number in range(1, 60):
        body = decode(put(make_portal(), number, 700))
        assert body["status"] == "COMPLETE"
        there = {
            "from": {"id": str(number)},
            "to": {"id": "700"},
            "associationSpec": {
                "associationCategory": "HUBSPOT_DEFINED",
                "associationTypeId": 279,
            },
        }
        back = {
            "from": {"id": "700"},
            "to": {"id": str(number)},
            "associationSpec": {
                "associationCategory": "HUBSPOT_DEFINED",
                "associationTypeId": 280,
            },
        }
        assert body["results"] in ([there, back], [back, there])
        orders.add(body["results"] == [there, back])
    assert orders == {True, False}


def test_optional_fields_vary() -> None:
    """Absent, null or present; the dates are always present and in order."""
    shapes: Counter[tuple[str, str]] = Counter()
    for number in range(1, 200):
        body = decode(put(make_portal(), number))
        assert body["startedAt"].endswith("Z")
        assert body["startedAt"] < body["completedAt"]
        for name in ("requestedAt", "links", "errors"):
            shape = "absent" if name not in body else "null" if body[name] is None else "there"
            shapes[name, shape] += 1
        assert ("numErrors" in body) == (body.get("errors") == [])
    assert len(shapes) == 9


@pytest.mark.parametrize(
    ("types", "category", "ids"),
    [
        ("deals/contacts", "HUBSPOT_DEFINED", {3, 4}),
        ("DEAL/0-1", "HUBSPOT_DEFINED", {3, 4}),
        ("company/company", "HUBSPOT_DEFINED", {450}),
        ("p12345_cars/contacts", "USER_DEFINED", None),
        ("2-1234567/contacts", "USER_DEFINED", None),
        ("invoices/carts", "HUBSPOT_DEFINED", None),
    ],
)
def test_association_types(types: str, category: str, ids: set[int] | None) -> None:
    """Under every name of a type; unpublished ones have a seeded id, each way."""
    portal = make_portal()
    body = decode(send(portal, "PUT", put_path(1, 2, types)))
    assert {result["associationSpec"]["associationCategory"] for result in body["results"]} == {
        category
    }
    found = {result["associationSpec"]["associationTypeId"] for result in body["results"]}
    assert found == ids if ids else (len(found) == 2 and min(found) >= 10_000)


def _refused(status: int, body: dict[str, Any], *pair: object, **settings: Any) -> None:
    portal = make_portal(**settings)
    response = put(portal, *pair)
    assert (response.status, decode(response)) == (status, {"status": "error", **body})
    correlation_id = response.headers["X-HubSpot-Correlation-Id"]
    assert str(UUID(correlation_id)) == correlation_id
    assert json.loads(response.body())["correlationId"] == correlation_id
    assert portal.ledger.refused_total == 1
    assert portal.ledger.links_total == 0


def test_a_missing_record_is_a_validation_error() -> None:
    """The context has a sentence, and sometimes ids and types."""
    contexts = []
    for number in range(1, 40):
        body = decode(put(make_portal(records_up_to=50), number, 99))
        contexts.append(body.pop("context"))
        assert body == {
            "status": "error",
            "message": "One or more associations are invalid",
            "category": "VALIDATION_ERROR",
        }
    sentence = {"INVALID_OBJECT_IDS": ["COMPANY=99 is not valid"]}
    more = {**sentence, "objectId": ["99"], "objectType": ["COMPANY"]}
    assert sentence in contexts
    assert more in contexts
    assert all(context in (sentence, more) for context in contexts)


@pytest.mark.parametrize(
    ("pair", "kind", "number", "role"),
    [((99, 1), "contact", 99, "FROM"), ((1, 99), "company", 99, "TO")],
)
def test_a_missing_record_by_404(pair: tuple[int, int], kind: str, number: int, role: str) -> None:
    """With `missing_response`."""
    body = {
        "category": "OBJECT_NOT_FOUND",
        "subCategory": f"crm.associations.{role}_OBJECT_NOT_FOUND",
        "message": f"No {kind} with ID {number} exists",
        "context": {"objectType": [kind], "id": [str(number)]},
    }
    _refused(404, body, *pair, records_up_to=50, missing_response="404")


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("12.0", "Object not found.  objectId are usually numeric."),
        ("abc", "Object not found.  objectId are usually numeric."),
        (str(2**63), "Object not found.  objectId are usually numeric."),
        ("0", "Object not found. objectId is usually positive."),
        ("-5", "Object not found. objectId is usually positive."),
    ],
)
def test_impossible_ids(written: str, message: str) -> None:
    """The message has two blanks, as in recorded responses."""
    body = {"category": "OBJECT_NOT_FOUND", "message": message, "context": {"id": [written]}}
    _refused(404, body, written, 1)
    _refused(404, body, 1, written)


@pytest.mark.parametrize(
    ("types", "message"),
    [
        ("kontakte/companies", "Unable to infer object type from: kontakte"),
        ("contacts/p999_none", "Unable to infer object type from: p999_none"),
        ("2-999/companies", "Invalid object or event type id: 2-999"),
    ],
)
def test_unknown_types(types: str, message: str) -> None:
    """Two wordings; neither has a category."""
    response = send(make_portal(), "PUT", put_path(1, 2, types))
    assert (response.status, decode(response)) == (400, {"status": "error", "message": message})


def test_a_share_of_the_records_is_missing() -> None:
    """About the configured share, and always the same records."""
    portal = make_portal(missing_share=0.1)
    refused = [put(portal, number, 10**6).status == 400 for number in range(1, 1001)]
    assert 60 < sum(refused) < 250
    again = make_portal(missing_share=0.1)
    assert [put(again, number, 10**6).status == 400 for number in range(1000, 0, -1)] == refused[
        ::-1
    ]


# --- tokens ------------------------------------------------------------------------------------


@pytest.mark.parametrize("authorization", [None, "", "Basic eDp5", "Bearer", "Bearer wrong"])
def test_a_missing_or_unknown_token(authorization: str | None) -> None:
    """The call is refused, not counted and not done."""
    portal = make_portal()
    response = put(portal, authorization=authorization)
    body = decode(response)
    assert response.status == 401
    assert body["category"] == "INVALID_AUTHENTICATION"
    assert body["message"].startswith("Authentication credentials not found.")
    assert portal.ledger.first_counted is None


def test_tokens_are_revoked_and_accepted() -> None:
    """A revoked token has expired; an unknown one is invalid."""
    portal = make_portal()
    portal.revoke("simulated-token")
    body = decode(put(portal))
    assert body["category"] == "EXPIRED_AUTHENTICATION"
    portal.accept("fresh")
    assert put(portal, authorization="Bearer fresh").status == 200
    portal.accept("simulated-token")
    assert put(portal).status == 200


def test_missing_scopes() -> None:
    """The 403 names them."""
    response = put(make_portal(missing_scopes=("a.write", "b.write")))
    assert (response.status, decode(response)) == (
        403,
        {
            "status": "error",
            "message": "This app hasn't been granted all required scopes to make this call. "
            f"Read more about required scopes here: {_SCOPES_PAGE}.",
            "category": "MISSING_SCOPES",
            "errors": [
                {
                    "message": "One or more of the following scopes are required.",
                    "context": {"requiredGranularScopes": ["a.write", "b.write"]},
                }
            ],
            "links": {"scopes": _SCOPES_PAGE},
        },
    )


# --- paths -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/crm/v4/objects/contacts/1/associations/default/companies/2",
        "/crm/objects/2026-03/contacts/1/associations/default/companies/2",
        "/crm/objects/2026-09/0-1/1/associations/default/company/2?x=y",
        "/crm/objects/2027-03-beta/contacts/1/associations/default/companies/2",
        "/crm/v4/objects/contact%73/1/associations/default/companies/%32",
    ],
)
def test_paths_of_every_version(path: str) -> None:
    """All link the same pair."""
    portal = make_portal()
    assert send(portal, "PUT", path).status == 200
    assert list(map(tuple, portal.ledger.links)) == [("contacts", "1", "companies", "2")]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/crm/v3/objects/contacts/1/associations/default/companies/2",
        "/crm/objects/2026-1/contacts/1/associations/default/companies/2",
        "/crm/objects/2026-13/contacts/1/associations/default/companies/2",
        "/crm/objects/2026-03-alpha/contacts/1/associations/default/companies/2",
        "/crm/v4/objects/contacts/1/associations/companies/2",
        "/crm/v4/objects/contacts//associations/default/companies/2",
        "/crm/v4/objects/contacts/1/associations/default/companies/2/",
        "/crm/v4/associations/contacts/companies/batch/create",
        "/crm/v4/objects/contacts/1/2/associations/default/companies/2",
    ],
)
def test_paths_that_do_not_exist(path: str) -> None:
    """The router's HTML page, not HubSpot's JSON."""
    response = send(make_portal(), "PUT", path)
    assert response.status == 404
    assert response.body().startswith(b"<html>")
    assert "X-HubSpot-Correlation-Id" not in response.headers


@pytest.mark.parametrize("written", ["1%2F2", "..", "%2e%2e", "1%3Fx"])
def test_an_id_stays_one_segment(written: str) -> None:
    """An encoded slash is refused as an id; it never becomes another path."""
    portal = make_portal()
    assert put(portal, written).status == 404
    assert [pair.from_id for pair in portal.ledger.refused] == [
        {"1%2F2": "1/2", "..": "..", "%2e%2e": "..", "1%3Fx": "1?x"}[written]
    ]


def test_wrong_methods() -> None:
    """405 with the allowed method."""
    portal = make_portal()
    response = send(portal, "POST", put_path())
    assert (response.status, response.headers["Allow"]) == (405, "PUT,OPTIONS")
    path = "/crm/v4/associations/contacts/companies/batch/associate/default"
    response = send(portal, "PUT", path)
    assert (response.status, response.headers["Allow"]) == (405, "POST,OPTIONS")
    assert portal.ledger.links_total == 0


# --- batches -----------------------------------------------------------------------------------


def test_a_batch_links_all() -> None:
    """Two results for each input."""
    portal = make_portal()
    response = batch(portal, (1, 2), (3, 4))
    assert response.status == 200
    assert len(decode(response)["results"]) == 4
    assert sorted(pair.from_id for pair in portal.ledger.links) == ["1", "3"]
    dated = "/crm/associations/2026-09/contacts/companies/batch/associate/default"
    body = b'{"inputs":[{"from":{"id":"5"},"to":{"id":"6"}}]}'
    assert send(portal, "POST", dated, body).status == 200


@pytest.mark.parametrize("names", ["named", "first", "ends", "unnamed"])
def test_a_batch_with_missing_records(names: str) -> None:
    """It links the others, with an error for each missing record, named or not."""
    portal = make_portal(records_up_to=50, batch_errors=names)
    response = batch(portal, (1, 2), (98, 99), (3, "x"))
    body = decode(response)
    assert response.status == 207
    assert (len(body["results"]), len(body["errors"]), body["numErrors"]) == (2, 3, 3)
    assert {error["category"] for error in body["errors"]} == {"OBJECT_NOT_FOUND"}
    assert [error["subCategory"] for error in body["errors"]] == [
        "crm.associations.FROM_OBJECT_NOT_FOUND",
        "crm.associations.TO_OBJECT_NOT_FOUND",
        "crm.associations.TO_OBJECT_NOT_FOUND",
    ]
    first = body["errors"][0]
    if names in {"named", "first"}:
        assert first["context"] == {"fromObjectId": ["98"], "toObjectId": ["99"]}
    elif names == "ends":
        assert first["context"] in (
            {"objectId": ["98"], "objectType": ["CONTACT"]},
            {"INVALID_OBJECT_IDS": ["CONTACT=98 is not valid"]},
        )
    else:
        assert (first["message"], first["context"]) == ("Some contact records do not exist", {})
    assert (portal.ledger.links_total, portal.ledger.refused_total) == (1, 2)


@pytest.mark.parametrize(
    ("names", "named"),
    [("named", ["98", "99", "97"]), ("first", ["98"]), ("ends", None), ("unnamed", None)],
)
def test_a_batch_that_is_refused_as_a_whole(names: str, named: list[str] | None) -> None:
    """It links nothing; it names all missing records, the first one, or none."""
    portal = make_portal(records_up_to=50, batch_errors=names, batch_missing="400")
    body = decode(batch(portal, (1, 2), (98, 99), (3, 97)))
    assert body["category"] == "VALIDATION_ERROR"
    assert ("context" in body) == (names != "unnamed")
    assert body.get("context", {}).get("objectId") == named
    assert portal.ledger.links_total == 0


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "a request body was expected"),
        (b"{", "Invalid input JSON"),
        (b'{"inputs": [{"from": 1}]}', "Invalid input JSON"),
        (json.dumps({"inputs": [{"from": {"id": 1}, "to": {"id": 2}}] * 2001}).encode(), "2001"),
    ],
)
def test_broken_batches(body: bytes, message: str) -> None:
    """A validation error, and nothing is linked."""
    portal = make_portal()
    path = "/crm/v4/associations/contacts/companies/batch/associate/default"
    response = send(portal, "POST", path, body)
    assert response.status == 400
    assert message in decode(response)["message"]
    assert portal.ledger.links_total == 0


@pytest.mark.parametrize("types", ["kontakte/companies", "contacts/firmen"])
def test_a_batch_of_unknown_types(types: str) -> None:
    """The same 400 as for a single call."""
    path = f"/crm/v4/associations/{types}/batch/associate/default"
    assert decode(send(make_portal(), "POST", path, b"{}"))["message"].startswith("Unable to infer")
