"""
The reply to "Read" of a batch of records: the links that exist.

HubSpot, Associations v4. Strictly read are records, their links and kinds, the next page, and
errors. Everything else is ignored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from aiohubassoc._protocol import codec, json_values
from aiohubassoc._protocol.bounds import MOST_ID, MOST_TEXT, short
from aiohubassoc._protocol.reply_codec import load_results, read_each
from aiohubassoc.pair import canonical_id
from aiohubassoc.replies import StandardError

if TYPE_CHECKING:
    from collections.abc import Iterable

# Records that are read at a time, each with up to some hundred links.
_RECORDS_AT_ONCE = 20
_MERGED_AT_ONCE = 2000


@attrs.define
class RecordLinks:
    """A page of the links of one record."""

    # The records to which it has the default link, or a link of unknown kind.
    linked: set[str] = attrs.Factory(set)
    after: str | None = None  # where the next page begins; None: this is the last


@attrs.define
class LinksReply:
    """The reply for a batch of records."""

    # The links of each record in the reply, by its id. A record without links is mostly not
    # there: HubSpot names it in an error.
    records: dict[str, RecordLinks]
    errors: tuple[StandardError, ...] = ()  # HubSpot's errors about other records
    status: str | None = None  # as in `DefaultAssociations`
    num_errors: int | None = None  # as in `DefaultAssociations`


def encode_records(records: Iterable[tuple[str, str | None]]) -> bytes:
    """Return the body that asks for the links of records: ids, and where a page begins or None."""
    return codec.dump(
        {
            "inputs": [
                {"id": record_id} if after is None else {"id": record_id, "after": after}
                for record_id, after in records
            ]
        }
    )


def decode_links(body: bytes) -> codec.Steps[LinksReply]:
    """Return the reply that *body* holds, or raise UndecodableError."""
    value, read = yield from load_results(body, _read_results, _RECORDS_AT_ONCE)
    if not isinstance(value, dict):
        raise codec.UndecodableError((f"$: {json_values.is_not(value, 'an object')}",))
    if not isinstance(results := value.get("results"), list):
        raise codec.UndecodableError((f"$.results: {json_values.is_not(results, 'a list')}",))
    records: dict[str, RecordLinks] = {}
    for number, (from_id, links) in enumerate(read):
        # A record may be named twice: a later page without "after" does not end an earlier one.
        known = records.setdefault(from_id, links)
        known.linked |= links.linked
        known.after = links.after or known.after
        if number % _MERGED_AT_ONCE == _MERGED_AT_ONCE - 1:
            yield
    errors = yield from codec.structure_errors(value.get("errors"))
    status, counted = value.get("status"), value.get("numErrors")
    try:
        num_errors = None if counted is None else json_values.integer(counted)
    except json_values.WrongShapeError as error:
        raise codec.UndecodableError((f"$.numErrors: {error}",)) from None
    return LinksReply(records, errors, status if isinstance(status, str) else None, num_errors)


def _read_results(
    results: list[object],
) -> list[tuple[str, RecordLinks] | json_values.WrongShapeError]:
    return read_each(results, _read_result)


def _read_result(result: object) -> tuple[str, RecordLinks]:
    if not isinstance(result, dict):
        raise json_values.WrongShapeError(json_values.is_not(result, "an object"))
    from_id = canonical_id(json_values.record_id(result.get("from"), "from"))
    linked: set[str] = set()
    ends = [] if result.get("to") is None else result["to"]
    if not isinstance(ends, list):
        raise json_values.WrongShapeError(json_values.is_not(ends, "a list"), ".to")
    for number, end in enumerate(ends):
        if not isinstance(end, dict) or "toObjectId" not in end:
            raise json_values.WrongShapeError(json_values.MISSING, f".to[{number}].toObjectId")
        try:
            to_id = short(json_values.text(end["toObjectId"]), MOST_ID)
        except json_values.WrongShapeError as error:
            raise json_values.WrongShapeError(str(error), f".to[{number}].toObjectId") from None
        if _has_default(end.get("associationTypes")):
            linked.add(canonical_id(to_id))
    return from_id, RecordLinks(linked, _after(result.get("paging")))


def _has_default(types: object) -> bool:
    """Return whether the default link, the one without a label, is among these kinds of a link."""
    # Labelled links are kept beside it, each as a separate entry.
    if not isinstance(types, list) or not types:
        return True  # the link exists, and its kind is not known
    return any(not isinstance(kind, dict) or not kind.get("label") for kind in types)


def _after(paging: object) -> str | None:
    following = paging.get("next") if isinstance(paging, dict) else None
    after = following.get("after") if isinstance(following, dict) else None
    if after is None or after == "":
        return None
    text = json_values.text_or_json(after)
    if len(text) > MOST_TEXT:
        due = f"a cursor of at most {MOST_TEXT:,} characters"
        raise json_values.WrongShapeError(json_values.is_not(after, due), ".paging.next.after")
    return text
