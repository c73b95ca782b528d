"""Reads of links: what is found, page by page, and records without links."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.simulator.portal_calls import (
    READ_PATH,
    batch,
    decode,
    linked_ids,
    make_portal,
    put,
    read,
    send,
)

_NO_LINKS = "crm.associations.NO_ASSOCIATIONS_FOUND"


def _types(portal: Any, *records: object, types: str) -> list[list[dict[str, Any]]]:
    results = decode(read(portal, *records, types=types))["results"]
    return [link["associationTypes"] for result in results for link in result["to"]]


# --- what is found -----------------------------------------------------------------------------


def test_links_are_found_from_either_end() -> None:
    """Made by a single call or a batch, under any name of a type, in the order made."""
    portal = make_portal()
    put(portal, 1, 20)
    batch(portal, (1, 30), (2, 20), (1, 20))
    assert linked_ids(read(portal, 1, 2)) == {"1": ["20", "30"], "2": ["20"]}
    assert linked_ids(read(portal, "020", 30, types="COMPANY/0-1")) == {
        "20": ["1", "2"],
        "30": ["1"],
    }


@pytest.mark.parametrize(
    "path",
    [
        "/crm/v4/associations/contacts/companies/batch/read",
        "/crm/associations/2026-03/contacts/companies/batch/read",
        "/crm/associations/2026-09/0-1/company/batch/read",
    ],
)
def test_reads_of_every_version(path: str) -> None:
    """All read the same, by POST only."""
    portal = make_portal()
    portal.add_links([("contacts", "1", "companies", "2")])
    assert linked_ids(send(portal, "POST", path, b'{"inputs": [{"id": "1"}]}')) == {"1": ["2"]}
    assert send(portal, "PUT", path).headers["Allow"] == "POST,OPTIONS"


def test_each_direction_has_its_own_type_id() -> None:
    """The default type of the direction that is read, with a null label."""
    portal = make_portal(seed=2)
    portal.add_links([("contacts", str(number), "companies", "7") for number in range(1, 40)])
    for types, type_id, records in (
        ("contacts/companies", 279, range(1, 40)),
        ("companies/contacts", 280, [7]),
    ):
        links = _types(portal, *records, types=types)
        default = {"category": "HUBSPOT_DEFINED", "typeId": type_id, "label": None}
        assert len(links) == 39
        assert all(default in link for link in links)


def test_some_default_links_also_have_a_label() -> None:
    """The same links in both directions: HubSpot's label or one of the account's."""
    portal = make_portal()
    portal.add_links([("contacts", str(number), "companies", "7") for number in range(1, 401)])
    there = _types(portal, *range(1, 401), types="contacts/companies")
    back = _types(portal, 7, types="companies/contacts")
    labelled = [types for types in there if len(types) == 2]
    assert 25 < len(labelled) < 90
    assert len([types for types in back if len(types) == 2]) == len(labelled)
    categories = {each["category"] for types in labelled for each in types if each["label"]}
    assert categories == {"HUBSPOT_DEFINED", "USER_DEFINED"}
    primary = {"category": "HUBSPOT_DEFINED", "typeId": 1, "label": "Primary"}
    assert any(primary in types for types in labelled)
    assert {types[0]["label"] is None for types in labelled} == {True, False}


def test_ids_are_integers_in_some_responses() -> None:
    """And strings in the others; the record that is read always has a string."""
    portal = make_portal()
    portal.add_links([("contacts", str(number), "companies", "7") for number in range(1, 30)])
    kinds = set()
    for number in range(1, 30):
        (result,) = decode(read(portal, number))["results"]
        assert result["from"] == {"id": str(number)}
        kinds.add(type(result["to"][0]["toObjectId"]))
    assert kinds == {int, str}


def test_results_have_another_order_than_the_inputs() -> None:
    """Each record is in one result, in a random order."""
    portal = make_portal()
    portal.add_links([("contacts", str(number), "companies", "7") for number in range(1, 50)])
    body = decode(read(portal, *range(1, 50), 1, "01"))
    order = [int(result["from"]["id"]) for result in body["results"]]
    assert sorted(order) == list(range(1, 50)) != order
    assert body["startedAt"] < body["completedAt"]


def test_records_of_one_type_are_linked_both_ways() -> None:
    """To one another and to themselves."""
    portal = make_portal()
    portal.add_links([("contacts", "1", "contacts", "2"), ("contacts", "3", "contacts", "3")])
    response = read(portal, 1, 2, 3, types="contacts/contacts")
    assert linked_ids(response) == {"1": ["2"], "2": ["1"], "3": ["3"]}


# --- page by page ------------------------------------------------------------------------------


def test_a_record_with_more_links_than_a_page() -> None:
    """The result has the next page's start; all pages together are all links, each once."""
    portal = make_portal(read_page=3)
    portal.add_links([("contacts", "1", "companies", str(number)) for number in range(1, 8)])
    seen: list[str] = []
    after = None
    pages = 0
    while pages == 0 or after is not None:
        response = read(portal, 1 if after is None else (1, after))
        (result,) = decode(response)["results"]
        seen += linked_ids(response)["1"]
        after = result["paging"]["next"]["after"] if "paging" in result else None
        pages += 1
    assert (seen, pages) == ([str(number) for number in range(1, 8)], 3)


def test_a_full_page_can_be_the_last() -> None:
    """It has no paging, and the page behind it is empty, without an error about no links."""
    portal = make_portal(read_page=3)
    portal.add_links([("contacts", "1", "companies", str(number)) for number in range(1, 4)])
    assert "paging" not in decode(read(portal, 1))["results"][0]
    response = read(portal, (1, "3"))
    assert (response.status, linked_ids(response)) == (200, {"1": []})


# --- records without links, and no records ------------------------------------------------------


def test_a_record_without_links() -> None:
    """An error names it, in HubSpot's words; no result does."""
    portal = make_portal()
    put(portal, 2, 5)
    response = read(portal, 1, 2)
    body = decode(response)
    assert (response.status, body["numErrors"], linked_ids(response)) == (207, 1, {"2": ["5"]})
    assert body["errors"] == [
        {
            "status": "error",
            "category": "OBJECT_NOT_FOUND",
            "subCategory": _NO_LINKS,
            "message": "No company is associated with contact 1.",
            "context": {
                "fromObjectId": ["1"],
                "fromObjectType": ["contact"],
                "toObjectType": ["company"],
            },
        }
    ]


@pytest.mark.parametrize(("unlinked", "results"), [("left_out", {}), ("empty", {"1": []})])
def test_a_record_without_links_by_other_settings(
    unlinked: str, results: dict[str, list[str]]
) -> None:
    """Left out, or an empty result; without an error the response is a 200."""
    response = read(make_portal(read_unlinked=unlinked), 1)
    assert (response.status, linked_ids(response)) == (200, results)
    assert not decode(response).get("errors")


@pytest.mark.parametrize("names", ["named", "first", "ends", "unnamed"])
def test_a_read_of_a_missing_record(names: str) -> None:
    """The others are read; an error names the missing one as configured by `batch_errors`."""
    portal = make_portal(records_up_to=50, batch_errors=names)
    put(portal, 1, 5)
    response = read(portal, 1, 99)
    assert (response.status, linked_ids(response)) == (207, {"1": ["5"]})
    (error,) = decode(response)["errors"]
    assert error["category"] == "OBJECT_NOT_FOUND"
    assert error["subCategory"] == "crm.associations.FROM_OBJECT_NOT_FOUND"
    assert ("99" in json.dumps(error)) == (names != "unnamed")
    if names in {"named", "first"}:
        assert error["context"] == {"fromObjectId": ["99"]}


@pytest.mark.parametrize(
    ("names", "sentences"),
    [
        ("named", ["CONTACT=98 is not valid", "CONTACT=99 is not valid"]),
        ("ends", ["CONTACT=98 is not valid", "CONTACT=99 is not valid"]),
        ("first", ["CONTACT=98 is not valid"]),
        ("unnamed", None),
    ],
)
def test_a_read_that_is_refused_as_a_whole(names: str, sentences: list[str] | None) -> None:
    """It names the missing records as a refused batch does."""
    portal = make_portal(records_up_to=50, batch_errors=names, batch_missing="400")
    response = read(portal, 1, 98, 99)
    body = decode(response)
    assert (response.status, body["category"]) == (400, "VALIDATION_ERROR")
    assert body.get("context", {}).get("INVALID_OBJECT_IDS") == sentences


def test_an_impossible_id_refuses_the_whole_read() -> None:
    """For every `batch_missing`; it is named."""
    response = read(make_portal(), 1, "abc")
    body = decode(response)
    assert response.status == 400
    assert body["context"]["INVALID_OBJECT_IDS"] == ["CONTACT=abc is not valid"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "a request body was expected"),
        (b"[]", "Invalid input JSON"),
        (b'{"inputs": 5}', "Invalid input JSON"),
        (b'{"inputs": ["1"]}', "Invalid input JSON"),
        (b'{"inputs": [{"from": {"id": "1"}}]}', "Invalid input JSON"),
        (b'{"inputs": [{"id": "1", "after": "x"}]}', "Invalid input JSON"),
        (b'{"inputs": [{"id": "1", "after": false}]}', "Invalid input JSON"),
        (b'{"inputs": [{"id": "1", "after": "-1"}]}', "Invalid input JSON"),
        (b'{"inputs": [{"id": "1", "after": 0}]}', "Invalid input JSON"),
        (json.dumps({"inputs": [{"id": "1"}] * 1001}).encode(), "1001 inputs are more than"),
    ],
)
def test_broken_reads(body: bytes, message: str) -> None:
    """A validation error with the reason."""
    path = READ_PATH.format(types="contacts/companies")
    response = send(make_portal(), "POST", path, body)
    assert (response.status, decode(response)["category"]) == (400, "VALIDATION_ERROR")
    assert message in decode(response)["message"]


def test_a_thousand_records_in_one_read() -> None:
    """The limit of one read."""
    assert len(decode(read(make_portal(), *range(1, 1001)))["errors"]) == 1000


@pytest.mark.parametrize("types", ["kontakte/companies", "contacts/firmen"])
def test_a_read_of_unknown_types(types: str) -> None:
    """The same 400 as for a single call."""
    response = read(make_portal(), 1, types=types)
    assert decode(response)["message"].startswith("Unable to infer")


def test_a_portal_that_keeps_no_links() -> None:
    """It refuses a read instead of reporting no links."""
    portal = make_portal(keep_links=False)
    put(portal, 1, 2)
    response = read(portal, 1)
    assert response.status == 400
    assert "keep_links=True" in decode(response)["message"]
