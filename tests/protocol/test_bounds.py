"""Nothing that a server says is kept at any length."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime
from typing import Any, cast

import orjson
import pytest
from hypothesis import given, strategies as st

from aiohubassoc import ApiError, ErrorDetail, InvalidResponseError, Pair, PartialFailureError
from aiohubassoc._batching.error_ids import Excerpts
from aiohubassoc._protocol import codec, reply_codec
from aiohubassoc._protocol.bounds import MOST_ERROR_BYTES, bounded, is_cut, kept_headers, short
from aiohubassoc._protocol.links import decode_links
from aiohubassoc._protocol.verdicts import Partial, Refused, Response, Transient
from tests.protocol.judging import decode_reply, judge
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
    """The verdict is that of the whole, the reply that is kept is short; or nothing is believed."""
    result = {"from": {"id": "1"}, "to": {"id": "2"}}
    reply = {"status": "COMPLETE", "results": [result], "errors": [error] * count}
    body = orjson.dumps(reply)
    verdict = judge(Response(207, {}, body), PAIR, _now)
    if len(body) > codec._MOST_WHOLE_BYTES or sum(map(body.count, b",[{")) > codec._MOST_MARKS:
        assert isinstance(verdict, Transient)
        assert codec.TOO_MUCH in str(verdict.error)
        return
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
    links = codec.finish(decode_links(orjson.dumps({"results": [page]}))).records["1"]
    assert all(len(one) < 100 for one in links.linked)
    with pytest.raises(codec.UndecodableError, match="is not a cursor of at most 2,000 characters"):
        codec.finish(
            decode_links(orjson.dumps({"results": [page | {"paging": {"next": {"after": LONG}}}]}))
        )


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


def test_what_was_cut_is_known() -> None:
    """By its end."""
    assert all(is_cut(text) for text in ("...", "ab...", short("x" * 3_000), short("abc", 2)))
    assert not any(is_cut(text) for text in ("", "..", "a... b", "(3 characters)", "...\n"))


@pytest.mark.parametrize(
    ("name", "most"),
    [("message", 2_000), ("category", 2_000), ("correlationId", 2_000), ("title", 2_000)],
)
def test_a_text_of_an_error_is_whole_up_to_its_bound(name: str, most: int) -> None:
    """2,000 characters; of a longer one the beginning and its length are kept."""
    kept, cut = (
        codec.decode_error(orjson.dumps({"status": "error", name: "x" * count}))
        for count in (most, most + 1)
    )
    field = {"correlationId": "correlation_id"}.get(name, name)
    assert "x" * most == getattr(kept, field)
    assert "x" * most + "... (2,001 characters)" == getattr(cut, field)


def test_an_id_is_whole_up_to_its_bound() -> None:
    """64 characters: HubSpot's have at most 20. A longer one never looks like an id."""
    for count, expected in ((64, "x" * 64), (65, "x" * 64 + "... (65 characters)")):
        end = {"id": "x" * count}
        reply = decode_reply(orjson.dumps({"results": [{"from": end, "to": end}]}))
        (result,) = reply.results
        assert (expected, expected) == (result.from_id, result.to_id)


def test_the_first_headers_are_kept() -> None:
    """Fifty of them, with names of 200 and values of 2,000 characters."""
    headers = {f"x-{number}": "1" for number in range(51)}
    assert [f"x-{number}" for number in range(50)] == list(kept_headers(headers))
    assert {"n" * 200: "v" * 2_000} == kept_headers({"n" * 200: "v" * 2_000})
    (kept,) = kept_headers({"n" * 201: "v" * 2_001}).items()
    assert ("n" * 200 + "... (201 characters)", "v" * 2_000 + "... (2,001 characters)") == kept


def _levels(count: int, inner: Any) -> Any:
    for level in range(count):
        inner = [inner] if level % 2 else {"a": inner}
    return inner


def test_twenty_levels_are_kept() -> None:
    """More than HubSpot documents; of what is below only that it was there."""
    assert _levels(20, 1) == bounded(_levels(20, 1), 100)
    assert _levels(20, "...") == bounded(_levels(20, [1]), 100)
    assert _levels(20, "...") == bounded(_levels(20, {"b": 1}), 100)


@pytest.mark.parametrize("names", [False, True])
def test_all_lists_and_objects_have_so_many_entries_together(*, names: bool) -> None:
    """Those that come first, outer ones before inner ones."""

    def make(*counts: int) -> Any:
        inner = [{str(n): 0 for n in range(count)} if names else [0] * count for count in counts]
        return {str(n): one for n, one in enumerate(inner)} if names else inner

    assert make(3, 3, 0) == bounded(make(3, 3, 3), 9)
    assert make(3, 3, 1) == bounded(make(3, 3, 3), 10)
    assert make(3, 3, 3) == bounded(make(3, 3, 3), 12)


def test_a_name_is_whole_up_to_its_bound() -> None:
    """200 characters."""
    assert {"n" * 200: 1} == bounded({"n" * 200: 1}, 9)
    assert {"n" * 200 + "... (201 characters)": 1} == bounded({"n" * 201: 1}, 9)


def test_short_texts_use_up_nothing_of_the_long_ones() -> None:
    """A list of ids, of up to 64 characters each, leaves the message beside it whole."""
    value = {"id": ["x" * 64] * 50, "message": "m" * 2_000}
    assert value == bounded(value, 60)


def test_long_texts_share_what_there_is() -> None:
    """64 characters for each entry; the first texts get them, and each keeps its first 64."""
    first, second, third = cast("list[str]", bounded(["x" * 1_900, "y" * 1_900, "z" * 1_900], 31))
    assert "x" * 1_900 == first  # 31 * 64 - 1,900 = 84 are left
    assert "y" * 84 + "... (1,900 characters)" == second
    assert "z" * 64 + "... (1,900 characters)" == third


@pytest.mark.parametrize("count", [400, 5_000])
def test_an_error_keeps_as_many_entries_as_its_body_can_have(count: int) -> None:
    """A refusal of thousands of pairs may name each; of a short one none is left out either."""
    ids = [str(10**9 + number) for number in range(count)] if count > 500 else [1] * count
    error = codec.decode_error(orjson.dumps({"status": "error", "context": {"ids": ids}}))
    assert error is not None
    assert tuple(map(str, ids)) == error.context["ids"]


def test_no_error_keeps_more_entries_than_ids_have_room() -> None:
    """One for each eight bytes: a list of single digits fills no memory."""
    body = orjson.dumps({"status": "error", "context": {"ids": [1] * 10_000}})
    error = codec.decode_error(body)
    assert error is not None
    assert len(body) // 8 - 3 == len(error.context["ids"])


def test_an_error_of_one_pair_keeps_100_entries() -> None:
    """Its two ends need few; a server that sends more fills no memory."""
    body = orjson.dumps({"context": {"ids": [1] * 600}, "status": "error"})
    error = codec.decode_pair_error(body)
    assert error is not None
    assert 100 - len(orjson.loads(body)) - 1 == len(error.context["ids"])


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


def test_an_error_that_was_cut_has_64_kib() -> None:
    """So much of one is read at least, and its beginning is enough."""
    body = orjson.dumps({"status": "error", "message": "x" * 70_000})[: 64 * 1024]
    error = codec.decode_error(body)
    assert error is not None
    assert error.is_hubspot


@pytest.mark.parametrize(
    ("tail", "messages"),
    [
        (b'{"message":"a"},{"mess', ["a"]),
        (b'{"message":"a"},{"message":"b', ["a", "b..."]),
        (b'{"message":"a"},{"message":"', ["a", "..."]),
        (b'{"message":"a"},{"message":"b\\', ["a", "b..."]),
        (b'{"message":"a"},{"message":"b"', ["a"]),
        (b'{"message":"a"},{"message":404', ["a"]),
        (b'{"message":"a"},', ["a"]),
        (b'{"message":"a"}', []),
        (b'"a","b', ["a", "b..."]),
        (b'"a",["b', ["a", '["b..."]']),
    ],
)
def test_a_cut_list_is_read_as_far_as_it_goes(tail: bytes, messages: list[str]) -> None:
    """Entries that are whole, and a text that was begun, which says so."""
    filler = b'{"status":"error","x":"%b","errors":[' % (b"x" * MOST_ERROR_BYTES)
    found = codec.decode_error(filler + tail)
    assert found is not None
    assert messages == [error.message for error in found.errors]
    assert {"...": ("...",)} == found.context


@pytest.mark.parametrize(
    ("tail", "context"),
    [
        (b'"id":["12","34', {"id": ("12", "34...")}),
        (b'"id":["12","34"', {"id": ("12",)}),
        (b'"id":["12","34"]', {"id": ("12",)}),
        (b'"id":["12","34"],"x":[{"y":1', {"id": ("12", "34")}),
        (b'"id":["12","34"],"x":[{"y":"1', {"id": ("12", "34"), "x": ('{"y":"1..."}',)}),
        (b'"id":[12,34', {"id": ("12",)}),
        (b'"id":"12', {"id": ("12...",)}),
    ],
)
def test_a_cut_context_says_so(tail: bytes, context: dict[str, tuple[str, ...]]) -> None:
    """No number is kept that may have had more digits, and no text without a mark."""
    body = b'{"x":"%b","status":"error","context":{%b' % (b"x" * MOST_ERROR_BYTES, tail)
    found = codec.decode_error(body)
    assert found is not None
    assert {**context, "...": ("...",)} == found.context
    assert found.is_hubspot


@pytest.mark.parametrize("start", [b"<html>", b"[", b'"', b"]", b"{]", b"1", b""])
def test_what_was_no_object_is_none_when_it_is_cut(start: bytes) -> None:
    """A gateway's page of any length is not HubSpot's error."""
    assert codec.decode_error(start + b" " * MOST_ERROR_BYTES) is None


def test_of_a_long_error_about_one_pair_the_beginning_is_read() -> None:
    """Reading all of it would hold up the event loop, and little of it is kept."""
    body = b'{"status":"error","context":{"id":["12"]},"errors":[%b' % (b'{"message":"no"},' * 4000)
    found = codec.decode_pair_error(body[:MOST_ERROR_BYTES])
    assert found is not None
    assert {"id": ("12",), "...": ("...",)} == found.context
    assert 0 < len(found.errors) <= codec.MOST_OF_A_PAIR
