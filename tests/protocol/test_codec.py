"""HubSpot's JSON to models."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given

from aiohubassoc import (
    Association,
    AssociationSpec,
    DefaultAssociations,
    ErrorDetail,
    StandardError,
)
from aiohubassoc._protocol import json_values, reply_codec
from aiohubassoc._protocol.codec import (
    ErrorBody,
    UndecodableError,
    decode_error,
    dump,
    finish,
    load,
    structure_errors,
)
from tests.protocol.judging import decode_reply
from tests.protocol.strategies import near_bodies

# HubSpot, Associations v4, "Create Default": the documented reply with each field filled.
DOCUMENTED: dict[str, Any] = {
    "completedAt": "2026-11-23T10:00:01.500Z",
    "requestedAt": "2026-11-23T10:00:00Z",
    "startedAt": "2026-11-23T10:00:01.25Z",
    "links": {"self": "https://api.hubapi.com/x", "count": 3},
    "numErrors": 1,
    "results": [
        {
            "from": {"id": "101"},
            "to": {"id": "202"},
            "associationSpec": {
                "associationCategory": "HUBSPOT_DEFINED",
                "associationTypeId": 279,
            },
        }
    ],
    "errors": [
        {
            "subCategory": {"reason": "x"},
            "context": {"objectId": ["202"], "objectType": ["COMPANY"]},
            "links": {"docs": "https://developers.hubspot.com"},
            "id": "e-1",
            "category": "OBJECT_NOT_FOUND",
            "message": "No company with ID 202 exists",
            "status": "error",
            "errors": [
                {
                    "subCategory": "s",
                    "code": "C",
                    "in": "path",
                    "context": {"id": ["202"]},
                    "message": "detail",
                }
            ],
        }
    ],
    "status": "COMPLETE",
}

DECODED = DefaultAssociations(
    status="COMPLETE",
    results=(Association("101", "202", AssociationSpec("HUBSPOT_DEFINED", 279)),),
    errors=(
        StandardError(
            category="OBJECT_NOT_FOUND",
            message="No company with ID 202 exists",
            status="error",
            context={"objectId": ("202",), "objectType": ("COMPANY",)},
            errors=(
                ErrorDetail(
                    message="detail",
                    sub_category="s",
                    code="C",
                    in_="path",
                    context={"id": ("202",)},
                ),
            ),
            links={"docs": "https://developers.hubspot.com"},
            id="e-1",
            sub_category='{"reason":"x"}',
        ),
    ),
    num_errors=1,
    started_at=datetime(2026, 11, 23, 10, 0, 1, 250000, tzinfo=UTC),
    completed_at=datetime(2026, 11, 23, 10, 0, 1, 500000, tzinfo=UTC),
    requested_at=datetime(2026, 11, 23, 10, 0, tzinfo=UTC),
    links={"self": "https://api.hubapi.com/x", "count": "3"},
)


def _reply(**changes: Any) -> DefaultAssociations:
    return decode_reply(orjson.dumps({**DOCUMENTED, **changes}))


def _problems(body: bytes) -> tuple[str, ...]:
    with pytest.raises(UndecodableError) as caught:
        decode_reply(body)
    return caught.value.problems


def test_the_documented_reply_arrives_whole() -> None:
    """Every field of HubSpot's description is decoded, down to the details of errors."""
    assert DECODED == decode_reply(orjson.dumps(DOCUMENTED))


def test_both_directions_are_kept_in_their_order() -> None:
    """Recorded 2023-12-21 (line item to deal): two results, the reverse direction first."""
    forward = {
        "from": {"id": "7791176460"},
        "to": {"id": "14795354663"},
        "associationSpec": {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 20},
    }
    reverse = {
        "from": {"id": "14795354663"},
        "to": {"id": "7791176460"},
        "associationSpec": {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 19},
    }
    expected = (
        Association("14795354663", "7791176460", AssociationSpec("HUBSPOT_DEFINED", 19)),
        Association("7791176460", "14795354663", AssociationSpec("HUBSPOT_DEFINED", 20)),
    )
    assert expected == _reply(results=[reverse, forward]).results


def test_absent_and_null_fields_are_none_or_empty() -> None:
    """Only `results` must be there; null is as good as absent."""
    bare = DefaultAssociations(results=())
    assert bare == decode_reply(b'{"results": []}')
    names = [name for name in DOCUMENTED if name != "results"]
    assert bare == decode_reply(orjson.dumps({"results": None, **dict.fromkeys(names)}))


def test_unknown_fields_and_values_survive() -> None:
    """What HubSpot adds later does no harm, and its new values are handed on."""
    spec = {"associationCategory": "NEW", "associationTypeId": 1, "label": None}
    result = {"from": {"id": "1", "x": 1}, "to": {"id": "2"}, "associationSpec": spec, "y": {}}
    reply = _reply(status="ARCHIVED", results=[result], new={"a": [1]})
    assert ("ARCHIVED", "NEW") == (
        reply.status,
        reply.results[0].association_spec.association_category,
    )


@pytest.mark.parametrize(
    ("record_id", "expected"),
    [
        (46989749974, "46989749974"),
        (2**60, str(2**60)),
        (2**64 - 1, str(2**64 - 1)),
        ("007", "007"),
        ("", ""),
    ],
)
def test_ids_may_be_ints(record_id: object, expected: str) -> None:
    """Recorded replies hold integers above 2**31, and nothing is lost above 2**53."""
    ends = {"from": {"id": record_id}, "to": {"id": record_id}}
    (result,) = _reply(results=[ends]).results
    assert (expected, expected) == (result.from_id, result.to_id)


def test_a_missing_spec_is_empty() -> None:
    """A result without a spec, or with nonsense for one, still says what was linked."""
    ends = {"from": {"id": "1"}, "to": {"id": "2"}}
    for spec in ({}, {"associationSpec": None}, {"associationSpec": 5}):
        assert (Association("1", "2", AssociationSpec()),) == _reply(results=[ends | spec]).results


@pytest.mark.parametrize(
    ("type_id", "expected"),
    [(1e30, int(1e30)), ("279", 279), (1.5, None), (True, None), ({}, None), ("x", None)],
)
def test_an_odd_type_id_garbles_nothing(type_id: object, expected: int | None) -> None:
    """A huge or senseless type id is no reason to doubt a link."""
    ends = {"from": {"id": "1"}, "to": {"id": "2"}}
    result = {**ends, "associationSpec": {"associationTypeId": type_id}}
    assert expected == _reply(results=[result]).results[0].association_spec.association_type_id


@pytest.mark.parametrize(
    ("value", "expected"), [(0, 0), ("2", 2), (1e30, int(1e30)), (None, None), (-1, -1)]
)
def test_num_errors(value: object, expected: int | None) -> None:
    """The count of errors is an int whichever way JSON wrote it."""
    assert expected == _reply(numErrors=value).num_errors


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-11-23T10:00:00", datetime(2026, 11, 23, 10, tzinfo=UTC)),
        ("2026-11-23T12:00:00+02:00", datetime(2026, 11, 23, 10, tzinfo=UTC)),
        (1795428000000, datetime(2026, 11, 23, 10, tzinfo=UTC)),
        ("yesterday", None),
        (1e300, None),
        ({}, None),
    ],
)
def test_dates(value: object, expected: datetime | None) -> None:
    """Dates are aware; epoch milliseconds are taken, and what is no date is none."""
    assert expected == _reply(startedAt=value).started_at


@pytest.mark.parametrize(
    ("body", "problems"),
    [
        ({}, ("$.results: is missing",)),
        ([], ("$: [] is not an object",)),
        ("text", ('$: "text" is not an object',)),
        (None, ("$: null is not an object",)),
        ({"results": "abc"}, ('$.results: "abc" is not a list',)),
        ({"results": {}}, ("$.results: {} is not a list",)),
        ({"results": [5]}, ("$.results[0]: 5 is not an object",)),
        ({"results": [{}]}, ("$.results[0].from.id: is missing",)),
        ({"results": [{"from": 1}]}, ("$.results[0].from.id: is missing",)),
        (
            {"results": [{"from": {"id": "1"}, "to": {"id": None}}]},
            ("$.results[0].to.id: null is not an id",),
        ),
        (
            {"results": [{"from": {"id": 1.5}}, {"from": {"id": True}}]},
            (
                "$.results[0].from.id: 1.5 is not an id",
                "$.results[1].from.id: true is not an id",
            ),
        ),
        (
            {"results": [{"from": {"id": {"a": 1}}}]},
            ('$.results[0].from.id: {"a":1} is not an id',),
        ),
        ({"results": [], "errors": "no"}, ('$.errors: "no" is not a list',)),
        ({"results": [], "numErrors": 1.5}, ("$.numErrors: 1.5 is not an int",)),
        ({"results": [], "numErrors": "many"}, ('$.numErrors: "many" is not an int',)),
        ({"results": [], "numErrors": True}, ("$.numErrors: true is not an int",)),
        ({"results": [], "status": {}}, ("$.status: {} is not a string",)),
        (
            {"results": [], "status": False, "numErrors": []},
            ("$.status: false is not a string", "$.numErrors: [] is not an int"),
        ),
    ],
)
def test_a_broken_reply_says_what_is_wrong_and_where(body: object, problems: tuple[str]) -> None:
    """Each problem is named by its path in the wire's own names."""
    assert problems == _problems(orjson.dumps(body))


_LONG_LIST = ["x" * 100]
_SHOWN = orjson.dumps(_LONG_LIST).decode()[:60]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (_LONG_LIST, f"$: {_SHOWN} is not an object"),
        ({"results": {"x": _LONG_LIST}}, f'$.results: {{"x":{_SHOWN[:55]} is not a list'),
        ({"results": [_LONG_LIST]}, f"$.results[0]: {_SHOWN} is not an object"),
        (
            {"results": [{"from": {"id": _LONG_LIST}}]},
            f"$.results[0].from.id: {_SHOWN} is not an id",
        ),
        ({"results": [], "status": _LONG_LIST}, f"$.status: {_SHOWN} is not a string"),
        ({"results": [], "numErrors": _LONG_LIST}, f"$.numErrors: {_SHOWN} is not an int"),
    ],
)
def test_a_problem_shows_the_start_of_the_value(body: object, problem: str) -> None:
    """Sixty characters of it."""
    assert (problem,) == _problems(orjson.dumps(body))


@pytest.mark.parametrize("length", [64, 65])
def test_no_count_has_more_digits(length: int) -> None:
    """Python would take minutes for one of megabytes."""
    if length == 64:
        assert int("9" * 64) == _reply(numErrors="9" * length).num_errors
    else:
        with pytest.raises(UndecodableError, match="is not an int"):
            _reply(numErrors="9" * length)


def test_a_value_in_place_of_a_text_is_whole_up_to_its_bound() -> None:
    """2,000 characters of its JSON."""
    kept, cut = ["x" * 1_996], ["x" * 1_997]
    assert (2_000, 2_001) == (len(orjson.dumps(kept)), len(orjson.dumps(cut)))
    (first, second) = _reply(errors=[{"category": kept}, {"category": cut}]).errors
    assert orjson.dumps(kept).decode() == first.category
    assert orjson.dumps(cut).decode()[:2_000] + "..." == second.category


def test_an_id_too_large_for_json_readers_is_refused() -> None:
    """Integers of 2**64 and more are read as floats: such an id cannot be trusted."""
    (problem,) = _problems(b'{"results": [{"from": {"id": 18446744073709551617}}]}')
    assert problem.startswith("$.results[0].from.id: ")


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"results": [', b"\xff", b'{"a": NaN}'])
def test_what_is_not_json_is_undecodable(body: bytes) -> None:
    """HTML, cut-off bodies and bad encodings are reported as what they are."""
    (problem,) = _problems(body)
    assert problem.startswith("$: not JSON: ")


def test_every_error_inside_a_reply_is_kept() -> None:
    """Errors of any shape are kept: texts, nulls, missing fields, values of other types."""
    errors = [
        "CONTACT=1 is not valid",
        None,
        7,
        {"message": {"a": 1}, "context": {"id": [1, None, {"b": 2}], "n": 5, "z": None}},
        {"context": [], "links": [], "errors": "many", "category": 404},
        {"links": {"a": None, "b": 1}, "errors": ["text", {"in": "query"}]},
    ]
    expected = (
        StandardError(message="CONTACT=1 is not valid"),
        StandardError(),
        StandardError(message="7"),
        StandardError(message='{"a":1}', context={"id": ("1", '{"b":2}'), "n": ("5",), "z": ()}),
        StandardError(category="404"),
        StandardError(
            links={"b": "1"}, errors=(ErrorDetail(message="text"), ErrorDetail(in_="query"))
        ),
    )
    assert expected == _reply(errors=errors).errors


def test_a_plain_error_body() -> None:
    """Recorded 404 of 2025: message, category, correlation id, context and sub-category."""
    body = {
        "status": "error",
        "message": "No contact with ID 123456789 exists",
        "correlationId": "aabbcc5b01-c9c7-4000-9191-000000000000",
        "context": {"objectType": ["contact"], "id": ["123456789"]},
        "category": "OBJECT_NOT_FOUND",
        "subCategory": "crm.associations.TO_OBJECT_NOT_FOUND",
    }
    expected = ErrorBody(
        status="error",
        message="No contact with ID 123456789 exists",
        correlation_id="aabbcc5b01-c9c7-4000-9191-000000000000",
        category="OBJECT_NOT_FOUND",
        sub_category="crm.associations.TO_OBJECT_NOT_FOUND",
        context={"objectType": ("contact",), "id": ("123456789",)},
    )
    assert expected == decode_error(orjson.dumps(body))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{missingScopes=[scope1, scope2]}", {"missingScopes": ("scope1", "scope2")}),
        (
            "{invalidPropertyName=[propertyValue], missingScopes=[scope1, scope2]}",
            {"invalidPropertyName": ("propertyValue",), "missingScopes": ("scope1", "scope2")},
        ),
        (
            "{INVALID_OBJECT_IDS=[CONTACT=1 is not valid]}",
            {"INVALID_OBJECT_IDS": ("CONTACT=1 is not valid",)},
        ),
        ("{id=[ 1 ,, 2 ]}", {"id": ("1", "2")}),
        ("{id=[]}", {"id": ()}),
        ("", {}),
        ("some words", {}),
        ("id=[" * 50_000, {}),
        ("a" * 500_000, {}),
    ],
)
def test_a_context_in_one_text(text: str, expected: dict[str, tuple[str, ...]]) -> None:
    """As HubSpot's page of Create Default shows it in an error (Associations v4)."""
    body = decode_error(orjson.dumps({"context": text, "errors": [{"context": text}]}))
    assert body is not None
    assert expected == body.context == body.errors[0].context


@pytest.mark.parametrize("body", [b"", b"<html></html>", b"[]", b'"text"', b"error code: 1015"])
def test_no_error_body(body: bytes) -> None:
    """Gateways answer HTML, text or nothing: there is no error body then."""
    assert decode_error(body) is None


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (ErrorBody(status="error"), True),
        (ErrorBody(category="OBJECT_NOT_FOUND"), True),
        (ErrorBody(correlation_id="x"), True),
        (ErrorBody(message="Cannot PUT /crm"), False),
        (ErrorBody(status="502", title="Error 502: Bad gateway"), False),
    ],
)
def test_who_wrote_an_error_body(body: ErrorBody, *, expected: bool) -> None:
    """HubSpot's own errors are distinguished from those of gateways and of other servers."""
    assert expected == body.is_hubspot


def test_deep_nesting_is_no_way_out() -> None:
    """A body nested deeper than Python's own encoder goes is still read."""
    deep = b"[" * 990 + b"]" * 990
    error = decode_error(b'{"status": "error", "message": ' + deep + b"}")
    assert error is not None
    assert error.message


@given(near_bodies)
def test_any_json_is_a_reply_or_undecodable(value: object) -> None:
    """No JSON makes the decoder fail in another way, and no error goes unexplained."""
    body = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS) if _is_json(value) else b"x"
    try:
        reply = decode_reply(body)
    except UndecodableError as error:
        assert all(problem.startswith("$") for problem in error.problems)
        assert error.problems
    else:
        assert isinstance(reply, DefaultAssociations)
    assert decode_error(body) is None or isinstance(decode_error(body), ErrorBody)


def _is_json(value: object) -> bool:
    try:
        orjson.dumps(value)
    except TypeError:  # integers beyond 64 bits, lone surrogates
        return False
    return True


def test_what_is_nested_too_deeply_to_be_shown() -> None:
    """Is said to be so: how deep that is differs between versions of Python."""
    value: list[Any] = []
    for _ in range(200_000):
        value = [value]
    assert "(nested too deeply)" == json_values.json_text(value)


# --- for what is no reply to Create Default ----------------------------------------------------


@pytest.mark.parametrize("value", [None, True, 1, 2**64 - 1, 1.5, "ä\n", [], {"a": [{"b": None}]}])
def test_what_was_dumped_is_loaded(value: object) -> None:
    """Any JSON comes back as it was."""
    assert value == load(dump(value))


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"a": [', b"\xff", b"NaN", b"{} {}"])
def test_what_is_not_json_is_not_loaded(body: bytes) -> None:
    """It is reported as what it is."""
    with pytest.raises(UndecodableError) as caught:
        load(body)
    (problem,) = caught.value.problems
    assert problem.startswith("$: not JSON: ")


def test_errors_by_themselves() -> None:
    """They are read as those inside a reply; null and nothing are none."""
    assert DECODED.errors == finish(structure_errors(DOCUMENTED["errors"]))
    assert () == finish(structure_errors(None)) == finish(structure_errors([]))
    odd = [StandardError(message="text"), StandardError(), StandardError(message="[1]")]
    assert odd == list(finish(structure_errors(["text", None, [1]])))


@pytest.mark.parametrize(
    ("most", "more"),
    [([None] * 12_000, [None]), ([{"context": {"id": ["1"] * 11_998}}], [{"a": [None] * 12_000}])],
)
def test_errors_of_more_than_a_call_has_are_not_believed(most: list[Any], more: list[Any]) -> None:
    """Which of them, or which ids, are left out would be a guess."""
    assert len(most) == len(finish(structure_errors(most)))
    with pytest.raises(UndecodableError, match="more than any reply has"):
        finish(structure_errors(most + more))


@pytest.mark.parametrize(
    ("value", "shown"), [({}, "{}"), ("no", '"no"'), (0, "0"), (False, "false")]
)
def test_errors_that_are_no_list(value: object, shown: str) -> None:
    """They are not taken for none: something is wrong."""
    with pytest.raises(UndecodableError) as caught:
        finish(structure_errors(value))
    assert (f"$.errors: {shown} is not a list",) == caught.value.problems


# --- long replies, which are read piece by piece -----------------------------------------------


def _many(count: int, **odd: Any) -> list[dict[str, Any]]:
    """Return so many results; the one in the midst is *odd*."""
    spec = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 279}
    results: list[dict[str, Any]] = [
        {"from": {"id": str(n)}, "to": {"id": str(n + 10**6)}, "associationSpec": spec}
        for n in range(count)
    ]
    results[count // 2] |= odd
    return results


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"numErrors": None, "errors": None},
        {"results": _many(4000, **{"from": {"id": 7}})},
        {"results": _many(600, associationSpec=None)},
        {"results": _many(600, associationSpec={"associationTypeId": [1, {}]})},
        {"results": _many(600, new={"a": [1]})},
        {"results": _many(600, new="]")},
        {"results": _many(600, new="},{")},
        {"results": [*_many(600), *_many(1, to={"id": "x" * 20_000})]},
        {"results": _many(1, to={"id": "x" * 20_000})},
        {"results": None, "new": "x" * 20_000},
        {"results": [], "new": {"results": _many(600)}},
        {"results": _many(600), "new": {"results": []}},
        {"new": '"results":[' + "x" * 20_000},
    ],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_a_long_reply_is_read_like_a_short_one(changes: dict[str, Any], *, is_first: bool) -> None:
    """Whatever stands in it and wherever: blanks, which nobody cuts at, make no difference."""
    fields = {**DOCUMENTED, "results": _many(600), **changes}
    if is_first:
        fields = {"results": fields.pop("results"), **fields}
    cut = decode_reply(orjson.dumps(fields))
    whole = decode_reply(json.dumps(fields).encode())
    assert whole == cut
    assert len(fields["results"] or ()) == len(cut.results)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"results": _many(600, to=None)}, "$.results[300].to.id: is missing"),
        ({"results": [*_many(600), 5]}, "$.results[600]: 5 is not an object"),
        ({"results": _many(600), "status": []}, "$.status: [] is not a string"),
        ({"results": _many(600), "errors": {}}, "$.errors: {} is not a list"),
        ({"new": {"results": _many(600)}}, "$.results: is missing"),
    ],
)
def test_a_long_reply_that_is_broken_says_where(fields: dict[str, Any], problem: str) -> None:
    """As a short one does."""
    assert (problem,) == _problems(orjson.dumps(fields))


def test_results_of_something_inside_are_not_the_replys() -> None:
    """Even where braces in a text make it look as if they were."""
    inside = {"new": ["}", {"results": _many(600)}], "results": _many(2)}
    assert ["0", "1"] == [one.from_id for one in decode_reply(orjson.dumps(inside)).results]


def test_a_name_in_other_letters_is_that_name() -> None:
    """JSON may write any letter by its number."""
    inside = orjson.dumps({"a": "}", "x": {"results": _many(600)}, "RESULTS": _many(2)})
    body = inside.replace(b'"RESULTS"', b'"\\u0072esults"')
    assert ["0", "1"] == [one.from_id for one in decode_reply(body).results]


@pytest.mark.parametrize(
    "body",
    [
        # A blank hides the true list, a brace in a text evens out the braces (laws.md, 12).
        b'{"results" :[],"status":"COMPLETE","x":"}","y":{"results":%b}}',
        b'{"results":[],"x":"}","y":{"results":%b}}',
        b'{"results":[],"x":{"results":%b}}',
        b'{"results":%b,"results":[]}',
        b'{"results":%b,"x":0,"results" : []}',
        b'{"results":%b,"res\\u0075lts":[]}',
        b'{"results":%b,"\\u0072esults":[]}',
        b'{"x":"\\"results\\":[","results":[],"y":{"results":%b}}',
        b'{"x":["}"],"y":[{"results":%b}],"results":[]}',
        b'{"a":"b,\\"results\\":[","results":[],"z":%b}',
        b'[{"results":%b}]',
        b'{"x":{"results":%b}',
    ],
)
def test_no_list_but_the_replys_own_is_read(body: bytes) -> None:
    """Wherever else a list of that name stands: nothing is linked by it."""
    whole = body % orjson.dumps(_many(600))
    try:
        assert () == decode_reply(whole).results
    except UndecodableError as error:
        assert error.problems


@pytest.mark.parametrize("end", [1, 2, 100, 3000])
def test_a_long_reply_that_breaks_off_is_undecodable(end: int) -> None:
    """Nothing of it is believed."""
    (problem,) = _problems(orjson.dumps({"status": "COMPLETE", "results": _many(600)})[:-end])
    assert problem.startswith("$: not JSON: ")


def test_of_many_broken_results_the_first_are_named() -> None:
    """Twenty of them, and what is wrong beside them."""
    value = {"results": [*_many(2), *range(1_000)], "status": []}
    problems = _problems(orjson.dumps(value))
    assert 21 == len(problems)
    assert ("$.results[2]: 0 is not an object", "$.status: [] is not a string") == (
        problems[0],
        problems[-1],
    )


@pytest.mark.parametrize("count", [2, 600])
def test_the_reply_for_one_pair_is_read_as_any_other(count: int) -> None:
    """With the results that such a reply can have: 100 at most."""
    fields = {**DOCUMENTED, "results": _many(count), "errors": [], "numErrors": None, "links": {}}
    body = orjson.dumps(fields)
    reply = reply_codec.decode_pair_reply(body)
    assert decode_reply(body).results[:100] == reply.results
    assert min(count, 100) == len(reply.results)
