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
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import orjson

from aiohubassoc._protocol.bounds import MOST_ID, short
from aiohubassoc._protocol.codec import (
    MOST_OF_A_PAIR,
    MOST_OF_AN_ERROR,
    TOO_MUCH,
    WHOLE_BYTES,
    Steps,
    UndecodableError,
    dump,
    load,
    structure_errors,
    structure_reply,
    structure_result,
)
from aiohubassoc._protocol.json_values import WrongShapeError
from aiohubassoc.replies import Association, AssociationSpec, DefaultAssociations

if TYPE_CHECKING:
    from collections.abc import Callable

_from_iso = datetime.fromisoformat
# status, results, startedAt, completedAt: HubSpot, Associations v4, names them as required.
_ALWAYS_THERE: Final = 4
# The reply for one pair is shorter, with all its errors.
_LONG_BYTES: Final = 16 * 1024
_RESULTS_AT_ONCE: Final = 500
_MOST_RESULTS: Final = 20_000  # five times those of 2,000 pairs
_PIECE_BYTES: Final = 16 * 1024  # about a millisecond's work
_LONGEST_PIECE: Final = 16  # times as long: the links of one record may be hundreds
_BEGIN_OF_RESULTS: Final = re.compile(rb'"results"\s*:\s*\[\s*(\{\s*"\w*")')
_TAKEN: Final = "the results that are read already"
_ValueT = TypeVar("_ValueT")


def decode_pair_reply(body: bytes) -> DefaultAssociations:
    """Return the reply for one pair: what such a reply can have of `decode_reply`."""
    try:
        usual = usual_reply(orjson.loads(body)) if len(body) <= _LONG_BYTES else None
    except orjson.JSONDecodeError:  # explained below
        usual = None
    if usual is not None:  # nearly always
        return usual
    reply = structure_reply(load(body), MOST_OF_A_PAIR)
    reply.results = reply.results[:MOST_OF_A_PAIR]
    return reply


def decode_reply(body: bytes) -> Steps[DefaultAssociations]:
    """Return the reply of Create Default that *body* holds, or raise UndecodableError."""
    if len(body) <= _LONG_BYTES:
        value = load(body)
        return usual_reply(value) or structure_reply(value, MOST_OF_AN_ERROR)
    rest, results = yield from load_results(body, _read_results, _RESULTS_AT_ONCE)
    errors: object = None
    if isinstance(rest, dict) and isinstance(rest.get("errors"), list):
        errors = rest.pop("errors")
    reply = usual_reply(rest) or structure_reply(rest, MOST_OF_AN_ERROR)
    reply.results = tuple(results)
    reply.errors = yield from structure_errors(errors)
    return reply


def load_results(
    body: bytes, read: Callable[[list[object]], list[_ValueT | WrongShapeError]], at_once: int
) -> Steps[tuple[object, list[_ValueT]]]:
    """Return the value of *body* without its results, and what *read* makes of those."""
    value, taken = yield from load_in_steps(body, read)
    if isinstance(value, dict) and isinstance(results := value.get("results"), list):
        for begin in range(0, len(results), at_once):
            taken += read(results[begin : begin + at_once])
            if isinstance(taken[-1], WrongShapeError):
                break
            yield
        value["results"] = []
    if WrongShapeError in {*map(type, taken)}:
        wrong = ((at, one) for at, one in enumerate(taken) if isinstance(one, WrongShapeError))
        number, error = next(wrong)
        raise UndecodableError((f"$.results[{number}]{error.where}: {error}",))
    return value, cast("list[_ValueT]", taken)


def load_in_steps(
    body: bytes, read: Callable[[list[object]], list[_ValueT]]
) -> Steps[tuple[object, list[_ValueT]]]:
    """Return the value of *body* without its first results, and what *read* makes of those."""
    if len(body) <= WHOLE_BYTES:
        return load(body), []
    begin = _BEGIN_OF_RESULTS.match(body, body.find(b'"results"'))
    if begin is None:
        return load(body), []
    between = re.compile(rb"\}[ \t\r\n]*,[ \t\r\n]*(%b)" % re.escape(begin[1]))
    taken: list[_ValueT] = []
    start = begin.start(1)
    at = start + _PIECE_BYTES
    while (found := between.search(body, at, at + _LONGEST_PIECE * _PIECE_BYTES)) is not None:
        end = found.start() + 1
        try:
            # Nested as deep as in the body, because orjson limits the depth.
            (part,) = cast("list[list[object]]", load(b"[[%b]]" % body[start:end]))
        except ValueError:  # inside of a result, behind the last one, no JSON, or not one list
            if end - start > 2 * _PIECE_BYTES:
                break
            at = end + _PIECE_BYTES // 4
        else:
            taken += read(part)
            if len(taken) > _MOST_RESULTS:
                raise UndecodableError((TOO_MUCH,))
            start = found.start(1)
            at = start + _PIECE_BYTES
        yield
    if not taken:
        return load(body), []
    # If the body is JSON, results begin there and nowhere inside a string: the rest is JSON too.
    value = load(b"%b%b,%b" % (body[: begin.start(1)], dump(_TAKEN), body[start:]))
    results = value.get("results") if isinstance(value, dict) else None
    if isinstance(results, list) and results[:1] == [_TAKEN]:
        del results[0]
        return value, taken
    return load(body), []  # they are those of another value, or others of that name follow


def _read_results(results: list[object]) -> list[Association | WrongShapeError]:
    usual = usual_results(results)
    return read_each(results, structure_result) if usual is None else [*usual]


def read_each(
    results: list[object], read: Callable[[object], _ValueT]
) -> list[_ValueT | WrongShapeError]:
    """Return what the results are, up to the first that cannot be read: why."""
    taken: list[_ValueT | WrongShapeError] = []
    for result in results:
        try:
            taken.append(read(result))
        except WrongShapeError as error:
            taken.append(error.with_traceback(None))
            break
    return taken


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
