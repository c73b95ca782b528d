"""Which links are there: what is asked, and how the response is read."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings, strategies as st

from aiohubassoc import ErrorDetail, StandardError
from aiohubassoc._protocol.codec import UndecodableError, finish
from aiohubassoc._protocol.links import LinksReply, RecordLinks, decode_links, encode_records
from tests.protocol.strategies import near_bodies

UNLABELLED = {"category": "HUBSPOT_DEFINED", "typeId": 279, "label": None}
PRIMARY = {"category": "HUBSPOT_DEFINED", "typeId": 1, "label": "Primary"}


def _result(*ends: object, record_id: object = "1", **more: Any) -> dict[str, Any]:
    return {"from": {"id": record_id}, "to": list(ends), **more}


def _end(record_id: object, *kinds: object) -> dict[str, Any]:
    return {"toObjectId": record_id, "associationTypes": list(kinds)}


def _decode(*results: object, **more: Any) -> LinksReply:
    return finish(decode_links(orjson.dumps({"status": "COMPLETE", "results": results, **more})))


def _links(*results: object) -> RecordLinks:
    """Return what is reported of record 1."""
    reply = _decode(*results)
    assert {"1"} == reply.records.keys()
    return reply.records["1"]


def test_the_documented_answer() -> None:
    """HubSpot, Associations v4, "Read": ends are ints, each with its kinds of link."""
    reply = _decode(_result(_end(202, UNLABELLED), _end(203, PRIMARY, UNLABELLED)), numErrors=0)
    assert LinksReply({"1": RecordLinks({"202", "203"})}, (), "COMPLETE", 0) == reply


@pytest.mark.parametrize(
    ("kinds", "is_linked"),
    [
        ([UNLABELLED], True),
        ([PRIMARY], False),
        ([PRIMARY, UNLABELLED], True),
        ([PRIMARY, {"category": "USER_DEFINED", "typeId": 36, "label": "Boss"}], False),
        ([{"typeId": 279}], True),
        ([{"typeId": 279, "label": ""}], True),
        ([], True),
        (None, True),
        ("odd", True),
        ([None], True),
        (["odd", PRIMARY], True),
    ],
)
def test_the_default_link_has_no_label(kinds: object, *, is_linked: bool) -> None:
    """A labelled link alone is none; a link of which no kind is reported is one."""
    end = {"toObjectId": 202, "associationTypes": kinds}
    assert is_linked == ("202" in _links(_result(end)).linked)


def test_kinds_may_be_left_out() -> None:
    """An end without a word about its kinds is linked."""
    assert {"202"} == _links(_result({"toObjectId": 202})).linked


@pytest.mark.parametrize(
    ("reported", "expected"),
    [
        (202, "202"),
        ("202", "202"),
        ("0202", "202"),
        (2**53 + 1, "9007199254740993"),
        (str(2**70), str(2**70)),
        ("x-1", "x-1"),
        (0, "0"),
    ],
)
def test_ids_of_either_kind(reported: object, expected: str) -> None:
    """Ints and strings, above 2**53 and with zeros in front, at both ends."""
    assert {expected} == _links(_result(_end(reported))).linked
    assert {expected} == _decode(_result(record_id=reported)).records.keys()


@pytest.mark.parametrize(
    ("paging", "after"),
    [
        ({"next": {"after": "NTAw", "link": "https://x"}}, "NTAw"),
        ({"next": {"after": 500}}, "500"),
        ({"next": {"after": {"odd": 1}}}, '{"odd":1}'),
        ({"next": {"after": ""}}, None),
        ({"next": {"after": None}}, None),
        ({"next": {}}, None),
        ({"next": None}, None),
        ({"prev": {"before": "x"}}, None),
        ("odd", None),
        (None, None),
    ],
)
def test_where_the_next_page_begins(paging: object, after: str | None) -> None:
    """As HubSpot wrote it, for it to be handed back; None: this is the last page."""
    assert after == _links(_result(_end(2), paging=paging)).after


def test_a_cursor_of_any_usual_length_is_handed_back() -> None:
    """Up to 2,000 characters; a longer one is not cut, as another page would be read then."""
    paging = {"next": {"after": "x" * 2_000}}
    assert "x" * 2_000 == _links(_result(paging=paging)).after
    with pytest.raises(UndecodableError, match="is not a cursor"):
        _links(_result(paging={"next": {"after": "x" * 2_001}}))


def test_a_record_that_is_told_twice() -> None:
    """All its links count, and there is more if either says so."""
    more = _result(_end(2), paging={"next": {"after": "2"}})
    for results in ([more, _result(_end(3))], [_result(_end(3)), more]):
        assert RecordLinks({"2", "3"}, "2") == _links(*results)


def test_a_record_without_links() -> None:
    """It has none, whether its list is empty, null or missing."""
    for result in (_result(), {"from": {"id": 1}}, {"from": {"id": "01"}, "to": None}):
        assert RecordLinks() == _links(result)


def test_records_without_links_are_named_in_errors() -> None:
    """As recorded: their errors are kept with what they say."""
    error = {
        "category": "OBJECT_NOT_FOUND",
        "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
        "message": "No company is associated with contact 1.",
        "context": {"fromObjectId": ["1"]},
        "errors": [{"message": "d"}],
    }
    expected = StandardError(
        category="OBJECT_NOT_FOUND",
        message="No company is associated with contact 1.",
        context={"fromObjectId": ("1",)},
        errors=(ErrorDetail(message="d"),),
        sub_category="crm.associations.NO_ASSOCIATIONS_FOUND",
    )
    assert LinksReply({}, (expected,), "COMPLETE", 1) == _decode(errors=[error], numErrors=1)


@pytest.mark.parametrize(
    ("reported", "expected"), [(None, None), (0, 0), (2, 2), ("2", 2), (2.0, 2), (-1, -1)]
)
def test_the_count_of_errors(reported: object, expected: int | None) -> None:
    """As in a reply that links."""
    assert expected == _decode(numErrors=reported).num_errors


@pytest.mark.parametrize("status", [None, 5, {}])
def test_an_odd_status_is_none(status: object) -> None:
    """It says nothing, and does no harm."""
    assert _decode(status=status).status is None


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "$: not JSON: "),
        (b"<html>", "$: not JSON: "),
        (b'{"results": [', "$: not JSON: "),
        (b"[]", "$: [] is not an object"),
        (b"null", "$: null is not an object"),
        (b'"text"', '$: "text" is not an object'),
        (b"{}", "$.results: null is not a list"),
        (b'{"results": null}', "$.results: null is not a list"),
        (b'{"results": {}}', "$.results: {} is not a list"),
        (b'{"results": [5]}', "$.results[0]: 5 is not an object"),
        (b'{"results": [{}]}', "$.results[0].from.id: is missing"),
        (b'{"results": [{"from": "1"}]}', "$.results[0].from.id: is missing"),
        (b'{"results": [{"from": {"id": null}}]}', "$.results[0].from.id: null is not an id"),
        (
            b'{"results": [{"from": {"id": 1}}, {"from": {"id": 2}, "to": {}}]}',
            "$.results[1].to: {} is not a list",
        ),
        (
            b'{"results": [{"from": {"id": 1}, "to": [{"toObjectId": 2}, {}]}]}',
            "$.results[0].to[1].toObjectId: is missing",
        ),
        (
            b'{"results": [{"from": {"id": 1}, "to": [7]}]}',
            "$.results[0].to[0].toObjectId: is missing",
        ),
        (
            b'{"results": [{"from": {"id": 1}, "to": [{"toObjectId": 1.5}]}]}',
            "$.results[0].to[0].toObjectId: 1.5 is not a string",
        ),
        (b'{"results": [], "errors": {}}', "$.errors: {} is not a list"),
        (b'{"results": [], "numErrors": true}', "$.numErrors: true is not an int"),
        (b'{"results": [], "numErrors": "some"}', '$.numErrors: "some" is not an int'),
        (b'{"results": [], "numErrors": "%b"}' % (b"9" * 5000), '$.numErrors: "999'),
    ],
)
def test_a_broken_answer_says_what_is_wrong_and_where(body: bytes, problem: str) -> None:
    """What decides is read strictly: no link is taken for missing because of a strange shape."""
    with pytest.raises(UndecodableError) as caught:
        finish(decode_links(body))
    (reported,) = caught.value.problems
    assert reported.startswith(problem)


@settings(max_examples=300)
@given(near_bodies | st.builds(lambda inner: {"results": [inner]}, near_bodies))
def test_any_json_is_an_answer_or_undecodable(value: object) -> None:
    """No JSON makes the reader fail in another way."""
    try:
        body = orjson.dumps(value)
    except TypeError:  # integers beyond 64 bits, lone surrogates
        body = b"x"
    try:
        reply = finish(decode_links(body))
    except UndecodableError as error:
        assert all(problem.startswith("$") for problem in error.problems)
        assert error.problems
    else:
        assert isinstance(value, dict)
        assert len(reply.records) <= len(value["results"])


def test_the_body_that_asks() -> None:
    """Ids in their order, each with the beginning of its page where that is not the first."""
    body = encode_records([("1", None), ("2", "NTAw"), ('"', "")])
    assert {
        "inputs": [{"id": "1"}, {"id": "2", "after": "NTAw"}, {"id": '"', "after": ""}]
    } == orjson.loads(body)
    assert b'{"inputs":[]}' == encode_records([])
