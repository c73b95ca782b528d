"""
The reply of Create Default from its JSON: the usual one at a fraction of the general codec's cost.

The quick way takes the one shape that nearly every reply has and reads each of its fields. A reply
that differs anywhere goes to the general codec. For the usual reply both give the same:
tests/protocol/test_reply_codec.py compares them.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import orjson

from aiohubassoc._protocol.bounds import MOST_ID, short
from aiohubassoc._protocol.codec import (
    ERRORS_AT_ONCE,
    MOST_OF_A_PAIR,
    Steps,
    count_entries,
    finish,
    load,
    structure_in_steps,
    structure_reply,
)
from aiohubassoc.replies import Association, AssociationSpec, DefaultAssociations, StandardError

_from_iso = datetime.fromisoformat
# status, results, startedAt, completedAt: HubSpot, Associations v4, names them as required.
_ALWAYS_THERE: Final = 4
# About sixty results.
_PIECE_BYTES: Final = 8 * 1024
# A piece is longer only where a result is longer than any that HubSpot documents. The reply for one
# pair is shorter, with all its errors, and needs no cut.
_LONGEST_PIECE: Final = 2 * _PIECE_BYTES
_LONG_BYTES: Final = _LONGEST_PIECE


def decode_pair_reply(body: bytes) -> DefaultAssociations:
    """Return the reply for one pair: what such a reply can have of `decode_reply`."""
    try:
        usual = usual_reply(orjson.loads(body)) if len(body) <= _LONG_BYTES else None
    except orjson.JSONDecodeError:  # explained below
        usual = None
    if usual is not None:  # nearly always
        return usual
    reply = decode_reply(body, MOST_OF_A_PAIR)
    reply.results = reply.results[:MOST_OF_A_PAIR]
    return reply


def decode_reply(body: bytes, most_entries: int | None = None) -> DefaultAssociations:
    """Return the reply of Create Default that *body* holds, or raise UndecodableError."""
    return finish(decode_in_steps(body, most_entries))


def decode_in_steps(body: bytes, most_entries: int | None = None) -> Steps[DefaultAssociations]:
    """Do the same as `decode_reply`, a part of many errors at a time."""
    entries = most_entries or count_entries(body)
    errors: list[object] = []
    if len(body) > _LONG_BYTES:
        reply = _long_reply(body, entries, errors)
        if reply is None:
            reply = structure_reply(_move_errors(load(body), errors), entries)
    else:
        value = load(body)
        reply = usual_reply(value) or structure_reply(value, entries)
    if errors:
        reply.errors = yield from structure_in_steps(errors, entries, StandardError)
    return reply


def _move_errors(value: Any, errors: list[object]) -> Any:  # noqa: ANN401 -- what JSON holds
    """Return *value* without its errors if it has many, and put those into *errors*."""
    found = value.get("errors") if isinstance(value, dict) else None
    if not isinstance(found, list) or len(found) <= ERRORS_AT_ONCE:
        return value
    errors[:] = found
    return {**value, "errors": []}


def _long_reply(body: bytes, most_entries: int, errors: list[object]) -> DefaultAssociations | None:
    """Return the reply that *body* holds, read piece by piece; None if it is unusual."""
    cut = cut_results(body)
    if cut is None:
        return None
    rest, pieces = cut
    results: list[Association] = []
    try:
        for piece in pieces:
            read = usual_results(orjson.loads(piece))
            if read is None:
                return None
            results += read
        value = orjson.loads(rest)
        reply = usual_reply(value) or structure_reply(_move_errors(value, errors), most_entries)
    except ValueError:  # the whole is read and explained
        return None
    reply.results = tuple(results)
    return reply


def usual_reply(value: Any) -> DefaultAssociations | None:  # noqa: ANN401 -- what JSON holds
    """Return the reply that *value* is, or None if anything about it is unusual."""
    try:
        status, results = value["status"], value["results"]
        started_at = _from_iso(value["startedAt"])
        completed_at = _from_iso(value["completedAt"])
        num_errors = requested_at = None
        if len(value) > _ALWAYS_THERE:
            errors, num_errors = value.get("errors"), value.get("numErrors")
            if (
                value.get("links")
                or not (errors is None or errors == [])
                or not (num_errors is None or type(num_errors) is int)
            ):
                return None
            if value.get("requestedAt") is not None:
                requested_at = _from_iso(value["requestedAt"])
                if requested_at.tzinfo is None:
                    return None
        if (
            type(status) is not str
            or started_at.tzinfo is None
            or completed_at.tzinfo is None
            or (associations := usual_results(results)) is None
        ):
            return None
        return DefaultAssociations(
            tuple(associations), status, (), num_errors, started_at, completed_at, requested_at
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def usual_results(results: Any) -> list[Association] | None:  # noqa: ANN401 -- what JSON holds
    """Return the results that *results* is, or None if anything about one of them is unusual."""
    if type(results) is not list:
        return None
    associations = []
    try:
        for result in results:
            from_id, to_id = result["from"]["id"], result["to"]["id"]
            spec = result["associationSpec"]
            category, type_id = spec["associationCategory"], spec["associationTypeId"]
            if not (
                type(from_id) is str
                and type(to_id) is str
                and type(category) is str
                and type(type_id) is int
                and len(from_id) + len(to_id) <= MOST_ID
            ):
                return None
            associations.append(Association(from_id, to_id, _spec(category, type_id)))
    except (KeyError, TypeError):
        return None
    return associations


@lru_cache(maxsize=64)  # a run has two of them
def _spec(category: str, type_id: int) -> AssociationSpec:
    return AssociationSpec(short(category), type_id)


_NAME: Final = b'"results"'
# The beginning of a reply, down to its own list of results: before it there are only names with
# a number, a word, an empty list or object, or a text without quotes and escapes.
_BEGIN: Final = re.compile(
    rb'\{(?:"\w{1,40}":(?:"[^"\\]{0,200}"|-?\d{1,20}|null|true|false|\[\]|\{\}),){0,20}'
    rb'"results":\[',
    re.ASCII,
)
_BETWEEN: Final = b"},{"


def cut_results(body: bytes) -> tuple[bytes, list[bytes]] | None:
    """
    Return *body* with an empty list of results, and its results in pieces: lists of them.

    None: it is not certain that the list belongs to the reply itself. If a cut is inside a value, a
    piece or the rest is not valid JSON, and the caller reads the whole body instead.
    """
    match = _BEGIN.match(body)
    if match is None:
        return None
    begin = match.end()
    end = body.find(b"]", begin)
    # Of two fields of one name the last one holds: the name must not stand behind them, not even
    # in other letters.
    if end == -1 or body.find(_NAME, end) != -1 or body.find(b"\\", end) != -1:
        return None
    pieces = []
    start = begin
    while (between := body.find(_BETWEEN, start + _PIECE_BYTES, end)) != -1:
        if between - start > _LONGEST_PIECE:
            return None
        pieces.append(b"[%b}]" % body[start:between])
        start = between + 2
    if end - start > _LONGEST_PIECE:
        return None
    pieces.append(b"[%b]" % body[start:end])
    return body[:begin] + body[end:], pieces
