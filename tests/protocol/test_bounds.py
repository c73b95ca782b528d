"""Nothing that a server says is kept at any length."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given, strategies as st

from aiohubassoc import ApiError, ErrorDetail, InvalidResponseError, Pair, PartialFailureError
from aiohubassoc._batching.error_ids import Excerpts
from aiohubassoc._protocol import codec, reply_codec
from aiohubassoc._protocol.bounds import MOST_ERROR_BYTES, bounded, kept_headers, short
from aiohubassoc._protocol.links import decode_links
from aiohubassoc._protocol.verdicts import Partial, Refused, Response, Transient
from tests.protocol.judging import judge
from tests.protocol.strategies import json_values

LONG = "x" * 300_000
PAIR = Pair("contacts", 1, "companies", 2)
MOST_PICKLED = 70_000


def _now() -> Any:
    raise AssertionError("nobody needs the time")


def _nested(levels: int) -> Any:
    value: Any = LONG
    for _ in range(levels):
        value = {"a": [value]}
    return value


TOO_MUCH: list[Any] = [
    LONG,
    [LONG],
    {"x": LONG},
    {LONG: "x"},
    {"x": [LONG] * 3},
    {"x": ["1"] * 50_000},
    {str(number): [] for number in range(20_000)},
    [{}] * 50_000,
    [{"message": "m", "context": {"id": ["1"]}}] * 3_000,
    [{"message": LONG, "code": LONG, "in": LONG, "subCategory": {"x": LONG}}],
    _nested(15),
    _nested(100),
]


@pytest.mark.parametrize(
    "name",
    ["message", "category", "subCategory", "correlationId", "context", "errors", "title", "status"],
)
@pytest.mark.parametrize("value", TOO_MUCH)
def test_no_error_is_large(name: str, value: Any) -> None:
    """Whatever its fields hold; it is still the error that it was."""
    fields = {"status": "error", "category": "GONE", "correlationId": "c-1", "message": "reported"}
    answer = Response(404, {}, orjson.dumps({**fields, name: value}))
    verdict = judge(answer, PAIR, lambda: None)  # type: ignore[arg-type, return-value]
    assert isinstance(verdict, Refused)
    assert isinstance(verdict.error, ApiError)
    assert len(pickle.dumps(verdict.error)) < MOST_PICKLED
    assert len(str(verdict.error)) < 10_000


@pytest.mark.parametrize(
    "error",
    [*({"message": value, "context": value, "errors": value} for value in TOO_MUCH), LONG],
)
@pytest.mark.parametrize("count", [1, 9])
def test_no_error_inside_a_success_is_large(error: Any, count: int) -> None:
    """The verdict is that of the whole, the reply that is kept is short."""
    result = {"from": {"id": "1"}, "to": {"id": "2"}}
    reply = {"status": "COMPLETE", "results": [result], "errors": [error] * count}
    verdict = judge(Response(207, {}, orjson.dumps(reply)), PAIR, _now)
    assert isinstance(verdict, Partial)
    assert verdict.linked
    assert len(pickle.dumps(verdict.reply)) < MOST_PICKLED
    assert len(str(PartialFailureError(verdict.reply))) < 20_000


@pytest.mark.parametrize(
    "changes",
    [
        {"links": {"x": LONG}},
        {"status": LONG},
        {"results": [{"from": {"id": LONG}, "to": {"id": "2"}}]},
        {"results": [{"from": {"id": "3"}, "to": {"id": "4"}}] * 6_000},
        {
            "results": [
                {
                    "from": {"id": "3"},
                    "to": {"id": "4"},
                    "associationSpec": {"associationCategory": LONG, "associationTypeId": 1},
                }
            ]
        },
    ],
)
def test_no_reply_is_large(changes: dict[str, Any]) -> None:
    """An id that is longer than any is no id of ours, and what is cut never looks like one."""
    reply = reply_codec.decode_pair_reply(
        orjson.dumps({"status": "COMPLETE", "results": [], **changes})
    )
    assert len(pickle.dumps(reply)) < MOST_PICKLED


@pytest.mark.parametrize(
    "body",
    [
        orjson.dumps({"results": [LONG]}),
        orjson.dumps({"results": LONG}),
        orjson.dumps({"results": [{"from": {"id": [LONG]}, "to": {"id": {LONG: 1}}}]}),
        orjson.dumps({"results": [[]] * 3_000}),
        orjson.dumps({"results": [], "errors": {LONG: LONG}}),
        orjson.dumps({"results": [], "numErrors": LONG}),
        orjson.dumps(LONG),
        LONG.encode(),
    ],
)
def test_no_problem_is_large(body: bytes) -> None:
    """Of what cannot be read, the beginning tells enough; so of its headers."""
    headers = {"set-cookie": "s", **{f"x-{n}": LONG[:8000] for n in range(500)}, LONG: "x"}
    verdict = judge(Response(200, headers, body), PAIR, _now)
    assert isinstance(verdict, Transient)
    error = verdict.error
    assert isinstance(error, InvalidResponseError)
    assert len(error.problems) <= 21
    assert len(error.headers) == 50
    assert "set-cookie" not in error.headers
    assert len(pickle.dumps(error)) < 200_000


def test_no_list_of_links_is_large() -> None:
    """A cursor of megabytes is none, and is not sent back; an id of megabytes is no record's."""
    page = {"from": {"id": "1"}, "to": [{"toObjectId": LONG}]}
    links = decode_links(orjson.dumps({"results": [page]})).records["1"]
    assert all(len(one) < 100 for one in links.linked)
    with pytest.raises(codec.UndecodableError, match="is too long"):
        decode_links(orjson.dumps({"results": [page | {"paging": {"next": {"after": LONG}}}]}))


def test_what_is_said_of_nobody_is_not_kept_thousands_of_times() -> None:
    """Each pair of a batch keeps its own part of an error, and little more."""
    context = {"id": ("1", "2", *["word"] * 500), **{f"empty{n}": () for n in range(500)}}
    excerpts = Excerpts(context, [ErrorDetail("m")] * 500, {"1", "2"})
    kept, details = excerpts.of((("contacts", "1"), ("companies", "9")))
    assert kept["id"][0] == "1"
    assert len(kept["id"]) <= 101
    assert len(kept) <= 101
    assert len(details) <= 100


def test_a_header_that_names_the_call_is_short() -> None:
    """As the one in the body is."""
    response = Response(409, {"X-HubSpot-Correlation-Id": LONG}, b'{"status": "error"}')
    verdict = judge(response, PAIR, lambda: datetime(2026, 1, 1, tzinfo=UTC))
    assert isinstance(verdict, Refused)
    assert isinstance(verdict.error, ApiError)
    assert len(verdict.error.correlation_id or "") < 300


@given(json_values)
def test_what_is_short_stays_as_it_is(value: Any) -> None:
    """Nothing is lost of usual sizes."""
    assert bounded(value, 10_000) == value


def test_what_is_cut_says_so() -> None:
    """A reader sees that there was more."""
    assert ("ab", "ab... (3 characters)") == (short("ab", 2), short("abc", 2))
    assert {"A": "1"} == kept_headers({"A": "1", "Set-Cookie": "x"})


# --- the beginning of a body ---------------------------------------------------------------------

WORDS = {
    "status": "error",
    "correlationId": "c-1",
    "category": "VALIDATION_ERROR",
    "message": 'ä😀"\\ ],{[' * 20_000,
    "errors": [{"message": "m, ]", "context": {"id": ["1"]}}],
}


@given(st.integers(MOST_ERROR_BYTES, len(orjson.dumps(WORDS))), st.booleans())
def test_the_beginning_of_an_error_is_read(length: int, escaped: bool) -> None:
    """Wherever it was cut: in a letter, in an escape, in a name or between two fields."""
    whole = orjson.dumps(WORDS)
    if escaped:
        whole = whole.replace("😀".encode(), b"\\ud83d\\ude00")
    error = codec.decode_error(whole[:length])
    assert error is not None
    assert error.is_hubspot
    assert ("VALIDATION_ERROR", "c-1") == (error.category, error.correlation_id)
    assert (error.message or "").startswith('ä😀"\\ ],{[ä')


@pytest.mark.parametrize(
    ("tail", "errors"), [(b'{"message":"a"},{"mess', 1), (b'{"message":"a"},{"message":"b', 2)]
)
def test_a_cut_list_is_read_as_far_as_it_goes(tail: bytes, errors: int) -> None:
    """Entries that are whole, and a text that was begun."""
    filler = b'{"status":"error","x":"%b","errors":[' % (b"x" * MOST_ERROR_BYTES)
    found = codec.decode_error(filler + tail)
    assert found is not None
    assert errors == len(found.errors)


@pytest.mark.parametrize("start", [b"<html>", b"[", b'"', b"]", b"{]", b"1", b""])
def test_what_was_no_object_is_none_when_it_is_cut(start: bytes) -> None:
    """A gateway's page of any length is not HubSpot's error."""
    assert codec.decode_error(start + b" " * MOST_ERROR_BYTES) is None
