"""
HubSpot's JSON to models: the only place that knows JSON and camelCase.

What decides whether a pair is linked (`results`, `errors` as a list, `numErrors`, `status`) is
read strictly: what is broken there makes the reply undecodable. Everything else is read
leniently: what is missing, null or unknown does no harm, an int may stand for a string, and what
is of another shape is kept as its JSON text where text is due, and left out elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping
from datetime import datetime
from typing import Any, Final, TypeAlias, TypeVar, cast, get_args, get_origin, get_type_hints

import attrs
import cattrs
import orjson

from aiohubassoc._protocol import json_values
from aiohubassoc._protocol.bounds import CUT, MOST_ERROR_BYTES, bounded, count_entries, short
from aiohubassoc.replies import (
    Association,
    AssociationSpec,
    DefaultAssociations,
    ErrorDetail,
    StandardError,
)

# Of one pair, what is kept: results, and entries of all lists and objects of its errors.
MOST_OF_A_PAIR: Final = 100
# So much of a body that was cut is read for one pair: more takes long, and little of it is kept.
_MOST_BYTES_OF_A_PAIR: Final = 16 * 1024
# Of many pairs: an error may have a detail, with two ids, about each of 2,000.
MOST_OF_AN_ERROR: Final = 12_000
_BYTES_AN_ENTRY: Final = 8  # an id in quotes takes more
_LEAST_ENTRIES: Final = 500  # of an error, however short
_MOST_PROBLEMS: Final = 20
# A string, or its beginning where the body was cut; a bracket; a comma.
_JSON_MARKS: Final = re.compile(rb'"(?:[^"\\]|\\.)*+("?)|[\[\]{},]', re.DOTALL)
_CLOSED: Final = bytes.maketrans(b"[{", b"]}")
_LONGEST_LETTER: Final = 12  # bytes, of a letter in JSON that is written as two escapes
_T = TypeVar("_T", bound=attrs.AttrsInstance)
_ValueT = TypeVar("_ValueT")
Steps: TypeAlias = Generator[None, None, _ValueT]
"""Work that gives way to other tasks where it yields, to its result."""
# The name of a field, its name in JSON, its type, and what reads it.
_Field: TypeAlias = tuple[str, str, Any, Callable[[object, Any], Any]]


class UndecodableError(ValueError):
    """A body that is not what HubSpot documents."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems  # such as ``"$.results[0].to.id: null is not an id"``


@attrs.define
class ErrorBody:
    """The body of a response that is not 2xx; fields that it does not have are None or empty."""

    status: str | None = None
    message: str | None = None
    correlation_id: str | None = None
    category: str | None = None
    sub_category: str | None = None
    policy_name: str | None = None
    context: Mapping[str, tuple[str, ...]] = attrs.Factory(dict)
    errors: tuple[ErrorDetail, ...] = ()
    title: str | None = None  # Cloudflare's problem JSON, recorded 2026
    detail: str | None = None

    @property
    def is_hubspot(self) -> bool:
        return self.status == "error" or bool(self.category or self.correlation_id)


def structure_reply(value: object, most_entries: int) -> DefaultAssociations:
    """Return the reply of Create Default that *value* is, or raise UndecodableError."""
    if not isinstance(value, dict):
        raise UndecodableError((f"$: {json_values.is_not(value, 'an object')}",))
    problems: list[str] = []
    read: dict[str, Any] = {"results": _structure_results(value, problems)}
    rest = {name: entry for name, entry in value.items() if name != "results"}
    kept = cast("dict[str, object]", bounded(rest, most_entries))
    for name, key, hint, hook in _REPLY_FIELDS:
        if key in kept:
            try:
                read[name] = hook(kept[key], hint)
            except json_values.WrongShapeError as error:
                problems.append(f"$.{key}{error.where}: {error}")
    if problems:
        raise UndecodableError(tuple(problems))
    return DefaultAssociations(**read)


def _structure_results(reply: dict[str, Any], problems: list[str]) -> tuple[Association, ...]:
    """Return the results of a reply, and add what is wrong with them to *problems*."""
    if "results" not in reply:
        problems.append(f"$.results: {json_values.MISSING}")
    results = [] if reply.get("results") is None else reply["results"]
    if not isinstance(results, list):
        problems.append(f"$.results: {json_values.is_not(results, 'a list')}")
        return ()
    read: list[Association] = []
    for number, result in enumerate(results):
        try:
            read.append(structure_result(result))
        except json_values.WrongShapeError as error:
            problems.append(f"$.results[{number}]{error.where}: {error}")
            if len(problems) == _MOST_PROBLEMS:
                break
    return tuple(read)


# What takes longer to load is no reply. The errors of 2,000 pairs have 60,000 marks in 1.2 MB;
# results, of which links may have more, are loaded in pieces.
_MOST_WHOLE_BYTES: Final = 2 * 1024 * 1024
_MOST_MARKS: Final = 80_000  # commas and brackets: about as many as values
WHOLE_BYTES: Final = 64 * 1024  # has no more than these
TOO_MUCH: Final = "$: more than any reply has"


def load(body: bytes) -> object:
    """Return the value that *body* holds; raise UndecodableError: it is not JSON, or too much."""
    if len(body) > WHOLE_BYTES and (
        len(body) > _MOST_WHOLE_BYTES or sum(map(body.count, (b",", b"[", b"{"))) > _MOST_MARKS
    ):
        raise UndecodableError((TOO_MUCH,))
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise UndecodableError((f"$: not JSON: {error}",)) from None


def dump(value: object) -> bytes:
    return orjson.dumps(value)


def structure_errors(value: object) -> Steps[tuple[StandardError, ...]]:
    """Return the errors inside a 2xx response that *value* is, or raise UndecodableError."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise UndecodableError((f"$.errors: {json_values.is_not(value, 'a list')}",))
    most = MOST_OF_AN_ERROR
    if len(value) > most or any(count_entries(one, most) > most for one in value):
        raise UndecodableError((TOO_MUCH,))  # of what is left out the records would be unknown
    return (yield from _structure_in_steps(value, most, StandardError))


# Errors that are read or assigned at a time, while other tasks of the event loop wait.
ERRORS_AT_ONCE: Final = 50
# Their entries that are read at a time.
_ENTRIES_AT_ONCE: Final = 250


def _structure_in_steps(
    values: list[object], most_entries: int, cls: type[_ValueT]
) -> Steps[tuple[_ValueT, ...]]:
    read: list[_ValueT] = []
    entries = 0
    for value in values[:most_entries]:
        read.append(_CONVERTER.structure(bounded(value, most_entries), cls))
        entries += 1 + count_entries(value, most_entries)
        if entries >= _ENTRIES_AT_ONCE:
            entries = 0
            yield
    return tuple(read)


def finish(steps: Steps[_ValueT]) -> _ValueT:
    """Return the result of work that is done in steps, all of them at once."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: _ValueT = end.value
            return result


def structure_result(value: object) -> Association:
    if not isinstance(value, dict):
        raise json_values.WrongShapeError(json_values.is_not(value, "an object"))
    return Association(
        json_values.record_id(value.get("from"), "from"),
        json_values.record_id(value.get("to"), "to"),
        _structure_spec(_with_short_texts(value.get("associationSpec")), AssociationSpec),
    )


def _with_short_texts(value: object) -> object:
    """Return what a result says of its link, which nothing has bounded; None if no object."""
    if not isinstance(value, dict):
        return None
    return {name: short(one) if isinstance(one, str) else one for name, one in value.items()}


def decode_error(body: bytes, most_entries: int | None = None) -> ErrorBody | None:
    """Return the error that *body* holds as far as it can be read; None if it is no JSON object."""
    # Of a body that was cut the beginning is read: a text that the cut is in ends with "...", and
    # so does the context. *most_entries* as for `bounded`; None: as its size allows.
    return finish(decode_error_in_steps(body, most_entries))


def decode_error_in_steps(body: bytes, most_entries: int | None = None) -> Steps[ErrorBody | None]:
    """Do the same as `decode_error`, a part of many details at a time, unless they are bounded."""
    is_cut = False
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        is_cut = True
        read = body[:_MOST_BYTES_OF_A_PAIR] if most_entries == MOST_OF_A_PAIR else body
        value = _beginning(read) if len(body) >= MOST_ERROR_BYTES else None
        yield
    if not isinstance(value, dict):
        return None
    most = most_entries or max(_LEAST_ENTRIES, len(body) // _BYTES_AN_ENTRY)
    details = value.get("errors")
    if most_entries is None and isinstance(details, list):
        error = _CONVERTER.structure(bounded(value | {"errors": []}, most), ErrorBody)
        error.errors = yield from _structure_in_steps(details, most, ErrorDetail)
    else:
        error = _CONVERTER.structure(bounded(value, most), ErrorBody)
    if is_cut:
        error.context = {**error.context, CUT: (CUT,)}
    return error


def decode_pair_error(body: bytes) -> ErrorBody | None:
    """Return the error of a call for one pair, without more than such an error can have."""
    return decode_error(body, MOST_OF_A_PAIR)


def _beginning(body: bytes) -> object:
    """Return the JSON value of which *body* is the beginning; None if it is not one's."""
    open_brackets: list[bytes] = []
    whole, unclosed = 0, b""
    begun = len(body)  # where the text begins that the cut is in
    for mark in _JSON_MARKS.finditer(body):
        text = mark[0]
        if text in {b"[", b"{"}:
            open_brackets.append(text)
        elif text in {b"]", b"}"}:
            if not open_brackets:
                return None
            open_brackets.pop()
        elif text == b",":
            whole, unclosed = mark.start(), b"".join(open_brackets)
        elif not mark[1]:
            begun = mark.start()
    # Keep the beginning of that text, without an incomplete escape or character.
    tail = CUT.encode() + b'"' + b"".join(open_brackets)[::-1].translate(_CLOSED)
    for end in range(len(body), max(begun, len(body) - _LONGEST_LETTER), -1):
        try:
            return orjson.loads(body[:end] + tail)
        except orjson.JSONDecodeError:
            continue
    # The cut is elsewhere: keep what is before the last comma.
    try:
        return orjson.loads(body[:whole] + unclosed[::-1].translate(_CLOSED))
    except orjson.JSONDecodeError:
        return None


def _json_name(name: str) -> str:
    first, *rest = name.rstrip("_").split("_")
    return first + "".join(word.capitalize() for word in rest)


def _fields(converter: cattrs.Converter, cls: type) -> list[_Field]:
    hints = get_type_hints(cls)
    return [
        (name, _json_name(name), hint, converter.get_structure_hook(hint))
        for name, hint in hints.items()
    ]


def _lenient(converter: cattrs.Converter, cls: type[_T]) -> Callable[[object, object], _T]:
    """Return a hook that reads each field by itself and never fails."""
    fields = _fields(converter, cls)
    has_message = any(name == "message" for name, *_ in fields)

    def structure(value: object, _: object) -> _T:
        if not isinstance(value, dict):
            whole = {} if value is None else {"message": json_values.text_or_json(value)}
            return cls(**whole) if has_message else cls()
        read: dict[str, Any] = {}
        for name, key, hint, hook in fields:
            if (one := value.get(key)) is None:
                continue
            try:
                read[name] = hook(one, hint)
            except Exception:  # noqa: BLE001 -- an unreadable ornament must not hide the rest
                if hint == str | None:
                    read[name] = json_values.json_text(one)
        return cls(**read)

    return structure


def _is_tuple(type_: object) -> bool:
    return get_origin(type_) is tuple


def _tuple_factory(
    type_: type, converter: cattrs.BaseConverter
) -> Callable[[object, object], tuple[object, ...]]:
    entry, _ = get_args(type_)
    hook = converter.get_structure_hook(entry)

    def structure(value: object, _: object) -> tuple[object, ...]:
        if value is None:
            return ()
        # cattrs alone would take the text "abc" for three entries.
        if not isinstance(value, list):
            raise json_values.WrongShapeError(json_values.is_not(value, "a list"))
        return tuple(hook(one, entry) for one in value)

    return structure


def _make_converter() -> cattrs.Converter:
    converter = cattrs.Converter(detailed_validation=False)
    converter.register_structure_hook(str, json_values.text)
    converter.register_structure_hook(int, json_values.integer)
    converter.register_structure_hook_func(lambda t: t == datetime | None, json_values.date)
    converter.register_structure_hook_func(
        lambda t: t == Mapping[str, tuple[str, ...]], json_values.context
    )
    converter.register_structure_hook_func(lambda t: t == Mapping[str, str], json_values.links)
    converter.register_structure_hook_factory(_is_tuple, _tuple_factory)
    for cls in (AssociationSpec, ErrorDetail, StandardError, ErrorBody):
        converter.register_structure_hook(cls, _lenient(converter, cls))
    return converter


_CONVERTER = _make_converter()
_structure_spec = _CONVERTER.get_structure_hook(AssociationSpec)
_REPLY_FIELDS: Final = [
    field for field in _fields(_CONVERTER, DefaultAssociations) if field[0] != "results"
]
