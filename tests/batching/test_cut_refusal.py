"""Of a refusal of which only the beginning was read, no pair is named that the whole does not."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from aiohubassoc import Pair, ValidationError
from aiohubassoc._batching.attribution import read_refusal
from aiohubassoc._protocol.bounds import MOST_ERROR_BYTES
from aiohubassoc._protocol.codec import decode_error, finish

# Of many ids the beginning is another one's id, and many records have more than one pair.
PAIRS = [
    Pair("contacts", one, "companies", other)
    for one, other in [(1, 2), (12, 3), (12, 34), (123, 3), (123, 345), (1234, 5), (4, 345), (3, 4)]
]
BOTH_ENDS = [
    {"message": "m", "context": {"fromObjectId": [one], "toObjectId": [other]}}
    for one, other in [("12", "34"), ("123", "345"), ("3", "4")]
]


def _named(body: bytes) -> set[int]:
    error = decode_error(body)
    assert error is not None
    given = (error.category, "m", "c-1", error.errors, error.context, error.sub_category)
    return set(finish(read_refusal(PAIRS, ValidationError(400, *given))))


@pytest.mark.parametrize(
    ("fields", "count"),
    [
        ({"context": {"INVALID_OBJECT_IDS": ["CONTACT=123 is not valid", "CONTACT=1234"]}}, 3),
        ({"context": {"INVALID_OBJECT_IDS": ["123 is not valid", "1234 is not valid"]}}, 3),
        ({"context": {"detail": ["CONTACT=12 and COMPANY=34 conflict"]}}, 1),
        ({"context": {"fromObjectId": ["12", "123"], "toObjectId": ["34", "345"]}}, 2),
        ({"context": {"toObjectId": ["34", "345"], "fromObjectId": ["12", "123"]}}, 2),
        ({"context": {"ids": ["12", "34"]}}, 1),
        ({"context": {"ids": "12, 34"}}, 1),
        ({"context": {"id": [12, 34]}}, 1),
        ({"context": {"objectId": ["1234"], "objectType": ["CONTACT"]}}, 1),
        ({"errors": BOTH_ENDS}, 3),
        ({"context": {"id": ["1234"]}, "errors": BOTH_ENDS}, 4),
        ({"context": {"toObjectId": ["34"]}, "errors": [{"context": {"fromObjectId": ["12"]}}]}, 1),
    ],
)
def test_a_cut_refusal_names_no_other_pair(fields: dict[str, Any], count: int) -> None:
    """Wherever it was cut: in an id, between two of them, or between both ends of a pair."""
    start = {"status": "error", "category": "VALIDATION_ERROR", "message": "x" * MOST_ERROR_BYTES}
    whole = orjson.dumps({**start, **fields})
    named = _named(whole)
    assert count == len(named)
    for length in range(len(orjson.dumps(start)), len(whole)):
        assert _named(whole[:length]) <= named, whole[MOST_ERROR_BYTES:length]


def test_a_cut_refusal_names_whom_it_calls_invalid() -> None:
    """Each such record is refused by itself, also if other text was cut off."""
    sentences = [f"CONTACT={one} is not valid" for one in (12, 3, 1234)]
    body = orjson.dumps({"message": "x" * MOST_ERROR_BYTES, "context": {"INVALID": sentences}})
    assert {1, 2, 7} == _named(body[: body.index(b"1234")])
    assert {1, 2, 7} == _named(body[: body.index(b"1234") + 2])


@pytest.mark.parametrize("length", range(1_985, 2_001))
def test_a_text_that_was_too_long_names_nobody(length: int) -> None:
    """Its last id may have been cut: of CONTACT=123 there is CONTACT=1."""
    text = "CONTACT=123 is not valid".rjust(length + 10, "x").replace("xCONTACT", " CONTACT")
    body = orjson.dumps({"context": {"INVALID_OBJECT_IDS": [text]}})
    assert _named(body) <= {3, 4}
    assert bool(_named(body)) == (len(text) <= 2_000)
