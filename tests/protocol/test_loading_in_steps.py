"""A long body is loaded in pieces, and gives what it gives when loaded as a whole."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import example, given, strategies as st

from aiohubassoc import InvalidResponseError, Pair
from aiohubassoc._protocol import codec, reply_codec
from aiohubassoc._protocol.classify import is_from_hubspot
from aiohubassoc._protocol.links import _read_results, decode_links
from aiohubassoc._protocol.verdicts import (
    Response,
    Transient,
    Verdict,
    judge_account_reply,
    judge_batch_reply,
    judge_links_reply,
    judge_pair_reply,
)
from tests.protocol.strategies import json_values

if TYPE_CHECKING:
    from collections.abc import Callable

RESULT = {"from": {"id": "1"}, "to": [{"toObjectId": 2, "associationTypes": [{"label": "},{"}]}]}
LIST = json.dumps([RESULT] * 9)
FEW = ['{"a":1}'] * 9
DEPTHS = [1021, 1022]  # orjson reads the first
_VALUES = st.one_of(
    st.just(LIST),
    st.just(orjson.dumps([RESULT] * 9).decode()),
    st.just(f'{{"results":{LIST}}}'),
    st.just(json.dumps(f'"results":{LIST}')),
    st.just(json.dumps([{"from": [{"from": 1}, {"from": 2}] * 5}] * 3)),
    st.lists(json_values.map(lambda one: {"from": one}), max_size=9).map(json.dumps),
    json_values.map(json.dumps),
)
_FIELDS = st.lists(
    st.tuples(
        st.sampled_from(
            ['"results"', '"results" ', '"res\\u0075lts"', '"a"', '"a\\"results"', '"errors"']
        ),
        _VALUES,
    ),
    max_size=4,
).map(lambda fields: f"{{{','.join(f'{name}:{value}' for name, value in fields)}}}")
_CHANGES = st.lists(
    st.tuples(
        st.integers(0),
        st.integers(0, 2),
        st.sampled_from(["", '"', "\\", "{", "}", "[", "]", ",", "\f", "},{", '},{"from"', "\xff"]),
    ),
    max_size=2,
)


def _deep(levels: int) -> str:
    """Return JSON with three results, the first of them of that depth."""
    text = json.dumps({"results": [{"a": 0}, {"a": 1}, {"a": 1}]})
    return text.replace("0", "[" * levels + "]" * levels)


def _changed(text: str, changes: list[tuple[int, int, str]]) -> bytes:
    for at, length, new in changes:
        begin = at % (len(text) + 1)
        text = text[:begin] + new + text[begin + length :]
    return text.encode("latin-1", "replace")


def _in_pieces(body: bytes) -> object:
    value, taken = codec.finish(reply_codec.load_in_steps(body, list))
    if taken:
        assert isinstance(value, dict)
        value["results"] = taken + value["results"]
    return value


def _or_error(load: Any, body: bytes) -> object:
    try:
        return load(body)
    except codec.UndecodableError as error:
        (problem,) = error.problems
        return problem.partition("$: not JSON: ")[:2]


@given(_FIELDS | _VALUES, _CHANGES, st.integers(1, 120))
@example(f'{{"results":[{",".join(FEW)}]}}', [(20, 0, "\f")], 8)
@example(f'{{"results":{LIST},"results":[]}}', [], 30)
@example('{"results":[{"a":1},{"a":1}],[{"a":1},{"a":1},{"a":1},{"a":1}]}', [], 8)
@example(_deep(DEPTHS[0]), [], 2000)
@example(_deep(DEPTHS[1]), [], 2000)
def test_pieces_give_what_the_whole_gives(
    text: str, changes: list[tuple[int, int, str]], piece: int
) -> None:
    """Any JSON and what is none, with names twice, in other letters or inside of others."""
    body = _changed(text, changes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reply_codec, "WHOLE_BYTES", 0)
        patch.setattr(reply_codec, "_PIECE_BYTES", piece)
        assert _or_error(codec.load, body) == _or_error(_in_pieces, body)


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return what orjson loads from now on."""
    bodies, load = list[bytes](), orjson.loads

    def loads(body: bytes) -> object:
        bodies.append(body)
        return load(body)

    monkeypatch.setattr(orjson, "loads", loads)
    return bodies


@pytest.mark.parametrize("dump", [orjson.dumps, lambda value: json.dumps(value).encode()])
@pytest.mark.parametrize("more", [{}, {"errors": [{"message": "},{"}] * 20}])
def test_no_piece_is_large(dump: Any, more: Any, loaded: list[bytes]) -> None:
    """With blanks or without, and with what follows: nor is the rest."""
    body = dump({"status": "COMPLETE", "results": [RESULT] * 10_000, **more})
    _, taken = codec.finish(reply_codec.load_in_steps(body, list))
    assert len(taken) > 9_000
    assert max(map(len, loaded)) < codec.WHOLE_BYTES * 2


def test_records_with_many_links_are_loaded_one_by_one(loaded: list[bytes]) -> None:
    """HubSpot's pages have hundreds of links, which take more than a piece."""
    result = {**RESULT, "to": [{"toObjectId": n, "associationTypes": [{}]} for n in range(1_000)]}
    body = json.dumps({"results": [result] * 30}).encode()
    assert 1 == len(codec.finish(decode_links(body)).records)
    assert max(map(len, loaded)) < len(body) / 25


MANY = 3_000_000
TEXT = {"x": "x" * MANY}
LISTS: dict[str, Any] = {"x": [[]] * 50_000}
ERRORS = {"errors": [{"context": {"ids": ["1"]}}] * 30_000}


@pytest.mark.parametrize(
    "body",
    [
        *(orjson.dumps({"results": [RESULT] * 9, **more}) for more in (TEXT, LISTS, ERRORS)),
        *(orjson.dumps(value) for value in (TEXT, LISTS, ERRORS, {"results": LISTS["x"]})),
        orjson.dumps({"results": [RESULT] * 25_000}),
        orjson.dumps({"results": [{**RESULT, "to": [[]] * 9_000}] * 9}),
        b"[" * MANY,
        b'{"results":[{"from"' + b" " * MANY,
        b'{"results":[' + b'{"from":{},"from":{' * (MANY // 20),
    ],
)
@pytest.mark.parametrize(
    "judge",
    [
        lambda response: codec.finish(judge_links_reply(response)),
        lambda response: codec.finish(judge_batch_reply(response)),
        lambda response: judge_pair_reply(response, Pair("contacts", 1, "companies", 2)),
        judge_account_reply,
    ],
)
def test_what_is_more_than_a_reply_is_not_loaded(
    judge: Callable[[Response], Verdict], body: bytes, loaded: list[bytes]
) -> None:
    """It would hold up the event loop. Nothing of it is believed."""
    response = Response(200, {}, body)
    verdict = judge(response)
    assert not is_from_hubspot(response, verdict)
    assert isinstance(verdict, Transient)
    assert isinstance(verdict.error, InvalidResponseError)
    assert verdict.error.maybe_applied
    for one in loaded:
        assert len(one) <= 2 * 1024 * 1024
        assert sum(map(one.count, (b",", b"[", b"{"))) <= 80_000


def test_the_first_result_that_is_wrong_is_named() -> None:
    """In a piece or behind them, by its number in the body."""
    for number in (0, 500, 1999):
        results: list[object] = [RESULT] * 2000
        results[number] = {"from": 5}
        with pytest.raises(codec.UndecodableError, match=rf"results\[{number}\]\.from\.id"):
            codec.finish(decode_links(orjson.dumps({"results": results})))


def test_of_many_wrong_results_one_is_kept() -> None:
    """An exception takes a hundred times the memory of what it is about."""
    assert 1 == len(_read_results([1] * 50))
