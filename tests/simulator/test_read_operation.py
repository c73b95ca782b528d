"""Reads of links: what is found, page by page, and what a read says of records without any."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.simulator.portal_calls import READ_PATH, ask, batch, found, portal_of, put, read, told

_NO_LINKS = "crm.associations.NO_ASSOCIATIONS_FOUND"


def _types(portal: Any, *records: object, types: str) -> list[list[dict[str, Any]]]:
    results = told(read(portal, *records, types=types))["results"]
    return [link["associationTypes"] for result in results for link in result["to"]]


# --- what is found -----------------------------------------------------------------------------


def test_links_are_found_from_either_end() -> None:
    """Whether a single call or a batch made them, under any name of a type, in the order made."""
    portal = portal_of()
    put(portal, 1, 20)
    batch(portal, (1, 30), (2, 20), (1, 20))
    assert found(read(portal, 1, 2)) == {"1": ["20", "30"], "2": ["20"]}
    assert found(read(portal, "020", 30, types="COMPANY/0-1")) == {"20": ["1", "2"], "30": ["1"]}


@pytest.mark.parametrize(
    "path",
    [
        "/crm/v4/associations/contacts/companies/batch/read",
        "/crm/associations/2026-03/contacts/companies/batch/read",
        "/crm/associations/2026-09/0-1/company/batch/read",
    ],
)
def test_reads_of_every_version(path: str) -> None:
    """All mean the same, by POST only."""
    portal = portal_of()
    portal.add_links([("contacts", "1", "companies", "2")])
    assert found(ask(portal, "POST", path, b'{"inputs": [{"id": "1"}]}')) == {"1": ["2"]}
    assert ask(portal, "PUT", path).headers["Allow"] == "POST,OPTIONS"


def test_each_direction_has_its_own_type_id() -> None:
    """The default one of the direction that is read, its label null."""
    portal = portal_of(seed=2)
    portal.add_links([("contacts", str(number), "companies", "7") for number in range(1, 40)])
    for types, type_id, records in (
        ("contacts/companies", 279, range(1, 40)),
        ("companies/contacts", 280, [7]),
    ):
        links = _types(portal, *records, types=types)
        default = {"category": "HUBSPOT_DEFINED", "typeId": type_id, "label": None}
        assert len(links) == 39
        assert all(default in link for link in links)


def test_some_links_carry_a_label_besides() -> None:
    """The same ones in both directions: HubSpot's own label or one of the account's."""
    portal = portal_of()
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


def test_ids_are_integers_in_some_answers() -> None:
    """And strings in the others; the record that was asked for has a string always."""
    portal = portal_of()
    portal.add_links([("contacts", str(number), "companies", "7") for number in range(1, 30)])
    kinds = set()
    for number in range(1, 30):
        (result,) = told(read(portal, number))["results"]
        assert result["from"] == {"id": str(number)}
        kinds.add(type(result["to"][0]["toObjectId"]))
    assert kinds == {int, str}


def test_results_do_not_line_up_with_the_inputs() -> None:
    """Each record is told once, in an order of HubSpot's own."""
    portal = portal_of()
    portal.add_links([("contacts", str(number), "companies", "7") for number in range(1, 50)])
    body = told(read(portal, *range(1, 50), 1, "01"))
    order = [int(result["from"]["id"]) for result in body["results"]]
    assert sorted(order) == list(range(1, 50)) != order
    assert body["startedAt"] < body["completedAt"]


def test_records_of_one_type_are_linked_both_ways() -> None:
    """To one another and to themselves."""
    portal = portal_of()
    portal.add_links([("contacts", "1", "contacts", "2"), ("contacts", "3", "contacts", "3")])
    answer = read(portal, 1, 2, 3, types="contacts/contacts")
    assert found(answer) == {"1": ["2"], "2": ["1"], "3": ["3"]}


# --- page by page ------------------------------------------------------------------------------


def test_a_record_with_more_links_than_a_page() -> None:
    """Tells where the next page begins; all pages together are all links, each once."""
    portal = portal_of(read_page=3)
    portal.add_links([("contacts", "1", "companies", str(number)) for number in range(1, 8)])
    seen: list[str] = []
    after = None
    pages = 0
    while pages == 0 or after is not None:
        answer = read(portal, 1 if after is None else (1, after))
        (result,) = told(answer)["results"]
        seen += found(answer)["1"]
        after = result["paging"]["next"]["after"] if "paging" in result else None
        pages += 1
    assert (seen, pages) == ([str(number) for number in range(1, 8)], 3)


def test_a_page_that_is_just_full_is_the_last() -> None:
    """There is no paging, and behind it is nothing, which is not told as having no links."""
    portal = portal_of(read_page=3)
    portal.add_links([("contacts", "1", "companies", str(number)) for number in range(1, 4)])
    assert "paging" not in told(read(portal, 1))["results"][0]
    answer = read(portal, (1, "3"))
    assert (answer.status, found(answer)) == (200, {"1": []})


# --- records without links, and no records ------------------------------------------------------


def test_a_record_without_links() -> None:
    """Is named by an error and is in no result, in HubSpot's words."""
    portal = portal_of()
    put(portal, 2, 5)
    answer = read(portal, 1, 2)
    body = told(answer)
    assert (answer.status, body["numErrors"], found(answer)) == (207, 1, {"2": ["5"]})
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
def test_a_record_without_links_told_otherwise(
    unlinked: str, results: dict[str, list[str]]
) -> None:
    """Not at all, or by an empty result; without an error the answer is a plain success."""
    answer = read(portal_of(read_unlinked=unlinked), 1)
    assert (answer.status, found(answer)) == (200, results)
    assert not told(answer).get("errors")


@pytest.mark.parametrize("names", ["named", "first", "ends", "unnamed"])
def test_a_read_of_a_missing_record(names: str) -> None:
    """Tells the others; the missing one is named as far as batch errors name anything."""
    portal = portal_of(records_up_to=50, batch_errors=names)
    put(portal, 1, 5)
    answer = read(portal, 1, 99)
    assert (answer.status, found(answer)) == (207, {"1": ["5"]})
    (error,) = told(answer)["errors"]
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
def test_a_read_that_is_refused_whole(names: str, sentences: list[str] | None) -> None:
    """Names the missing records in the words of a refused batch."""
    portal = portal_of(records_up_to=50, batch_errors=names, batch_missing="400")
    answer = read(portal, 1, 98, 99)
    body = told(answer)
    assert (answer.status, body["category"]) == (400, "VALIDATION_ERROR")
    assert body.get("context", {}).get("INVALID_OBJECT_IDS") == sentences


def test_an_id_that_is_no_number_refuses_the_whole_read() -> None:
    """Whatever a missing record would cost; it is named."""
    answer = read(portal_of(), 1, "abc")
    body = told(answer)
    assert answer.status == 400
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
        (json.dumps({"inputs": [{"id": "1"}] * 1001}).encode(), "1001 inputs are more than"),
    ],
)
def test_broken_reads(body: bytes, message: str) -> None:
    """A validation error that says what is wrong."""
    path = READ_PATH.format(types="contacts/companies")
    answer = ask(portal_of(), "POST", path, body)
    assert (answer.status, told(answer)["category"]) == (400, "VALIDATION_ERROR")
    assert message in told(answer)["message"]


def test_a_thousand_records_in_one_read() -> None:
    """Are as many as there may be."""
    assert len(told(read(portal_of(), *range(1, 1001)))["errors"]) == 1000


@pytest.mark.parametrize("types", ["kontakte/companies", "contacts/firmen"])
def test_a_read_of_unknown_types(types: str) -> None:
    """As for a single call."""
    answer = read(portal_of(), 1, types=types)
    assert told(answer)["message"].startswith("Unable to infer")


def test_a_portal_that_keeps_no_links() -> None:
    """Refuses a read instead of saying that there are no links."""
    portal = portal_of(keep_links=False)
    put(portal, 1, 2)
    answer = read(portal, 1)
    assert answer.status == 400
    assert "keep_links=True" in told(answer)["message"]
