"""A response before it is sent, and HubSpot's successes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohubassoc.simulator.records import LinkedPair, ObjectType, RecordRef
    from aiohubassoc.simulator.seeded_random import SeededRandom

Document: TypeAlias = dict[str, Any]

HTML = "text/html;charset=iso-8859-1"
JSON = "application/json;charset=utf-8"

# The portal's clock counts from this date.
_CLOCK_ZERO = datetime(2026, 1, 1, tzinfo=UTC)

# How long HubSpot works on a call in its documented examples, in seconds.
_WORK_SHORTEST = 0.03
_WORK_LONGEST = 0.12

# HubSpot, Associations v4, "Association type ID values": the unlabelled ones, each way. Fees and
# quotes: HubSpot, Fees guide. Line items: HubSpot, Line items guide.
_BOTH_WAYS = (
    ("contacts", "contacts", 449, 449),
    ("contacts", "companies", 279, 280),
    ("companies", "companies", 450, 450),
    ("deals", "contacts", 3, 4),
    ("deals", "companies", 341, 342),
    ("deals", "deals", 451, 451),
    ("contacts", "tickets", 15, 16),
    ("tickets", "companies", 339, 340),
    ("deals", "tickets", 27, 28),
    ("deals", "line_items", 19, 20),
    ("fees", "quotes", 363, 364),
    ("contacts", "notes", 201, 202),
    ("companies", "notes", 189, 190),
    ("deals", "notes", 213, 214),
    ("contacts", "tasks", 203, 204),
    ("companies", "tasks", 191, 192),
    ("deals", "tasks", 215, 216),
)
_ASSOCIATION_TYPE_IDS = {(one, other): there for one, other, there, _ in _BOTH_WAYS} | {
    (other, one): back for one, other, _, back in _BOTH_WAYS
}

# The seeded ids of all other pairs of types lie above every published one.
_FIRST_SEEDED_ID = 10_000
_SEEDED_IDS = 90_000


# The share of default links that also have a label.
_LABELLED_SHARE = 0.125

# HubSpot, Associations v4, "Association type ID values": its own labels, each way.
_PRIMARY_IDS = {
    ("contacts", "companies"): 1,
    ("companies", "contacts"): 2,
    ("deals", "companies"): 5,
    ("companies", "deals"): 6,
    ("tickets", "companies"): 26,
    ("companies", "tickets"): 25,
}
# Examples of an account's own labels.
_CUSTOM_LABELS = ("Billing contact", "Decision maker", "Former employer")


class Delivery(Enum):
    """How a response is sent."""

    WHOLE = auto()
    TRUNCATED = auto()  # half of the body, and a Content-Length that agrees with it
    CUT = auto()  # the connection closes in the middle of the body
    NEVER = auto()  # nothing is sent, the connection stays open
    RESET = auto()  # nothing is sent, the connection is reset


@attrs.frozen
class PortalResponse:
    """One response."""

    status: int
    # The body as JSON; the correlation id of an error is added later. None: `text` is the
    # body.
    document: Document | None = None
    text: str = ""  # the body where there is no document; may be empty
    content_type: str = JSON  # of a body that is not empty
    # Headers beyond those that every response has.
    headers: Mapping[str, str] = attrs.field(factory=dict)
    from_hubspot: bool = True  # whether HubSpot itself responds, with a correlation id
    has_rate_headers: bool = True  # whether it has the rate-limit headers
    delay: float = 0.0  # seconds to wait before it is sent
    delivery: Delivery = Delivery.WHOLE  # how it is sent

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300  # noqa: PLR2004 -- RFC 9110, 15.3: successful

    def body(self) -> bytes:
        if self.document is None:
            whole = self.text.encode()
        else:
            whole = json.dumps(self.document, separators=(",", ":")).encode()
        return whole[: len(whole) // 2] if self.delivery is Delivery.TRUNCATED else whole


class CallContext(NamedTuple):
    """What the body of a response depends on."""

    now: float  # the portal's clock when the call is counted, in seconds
    key: str  # the key of random draws: the pair, or the batch
    number: int  # the number of the call among those with this key that passed, from 1


def iso_date(now: float) -> str:
    """Return the time of the portal's clock in HubSpot's date format."""
    moment = _CLOCK_ZERO + timedelta(seconds=now)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class SuccessBodies:
    """The bodies of successes. What varies at HubSpot is drawn."""

    def __init__(self, rng: SeededRandom) -> None:
        self._rng = rng
        self._default_types: dict[tuple[ObjectType, ObjectType], tuple[str, int]] = {}

    def results(self, from_ref: RecordRef, to_ref: RecordRef) -> list[Document]:
        from_id, to_id = from_ref.canonical_id, to_ref.canonical_id
        return [
            self._result(from_id, to_id, from_ref.kind, to_ref.kind),
            self._result(to_id, from_id, to_ref.kind, from_ref.kind),
        ]

    def shuffled(self, results: list[Document], context: CallContext) -> list[Document]:
        """Return *results* in a random order, because HubSpot has no fixed order."""
        if len(results) == 2:  # noqa: PLR2004 -- one pair; a generator would cost ten times this
            reverse = self._rng.uniform("order", context.key, context.number) < 1 / 2
            return results[::-1] if reverse else results
        self._rng.generator("order", context.key, context.number).shuffle(results)
        return results

    def document(
        self, results: list[Document], context: CallContext, errors: Sequence[Document] = ()
    ) -> Document:
        """Return the body with *results* in this order, and with *errors* and their number."""
        key, number = context.key, context.number
        work = self._rng.uniform("work", key, number)
        completed = context.now + _WORK_SHORTEST + work * (_WORK_LONGEST - _WORK_SHORTEST)
        requested = iso_date(context.now)
        document: Document = {
            "status": "COMPLETE",
            "results": results,
            "startedAt": requested,
            "completedAt": iso_date(completed),
        }
        # Each optional field may be absent, null or present (HubSpot, Associations v4; recorded).
        shape = int(self._rng.uniform("optional fields", key, number) * 27)
        for name, value in (("requestedAt", requested), ("links", {}), ("errors", [])):
            shape, form = divmod(shape, 3)
            if form:
                document[name] = None if form == 1 else value
        if document.get("errors") == []:
            document["numErrors"] = 0
        if errors:
            document["errors"] = list(errors)
            document["numErrors"] = len(errors)
        return document

    def link_types(
        self, pair: LinkedPair, kinds: tuple[ObjectType, ObjectType], *, is_default: bool
    ) -> list[Document]:
        """Return the association types of one link of these *kinds*, in a random order."""
        # A link has the same labels in both directions.
        key = "|".join(sorted((f"{pair.from_type}|{pair.from_id}", f"{pair.to_type}|{pair.to_id}")))
        drawn = self._rng.uniform("label", key)
        if not is_default:
            return [self._labelled(kinds, drawn)]
        category, type_id = self._default_type(*kinds)
        default = {"category": category, "typeId": type_id, "label": None}
        if drawn >= _LABELLED_SHARE:
            return [default]
        both = [default, self._labelled(kinds, drawn / _LABELLED_SHARE)]
        return both if self._rng.uniform("label first", key) < 1 / 2 else both[::-1]

    def _labelled(self, kinds: tuple[ObjectType, ObjectType], drawn: float) -> Document:
        from_type, to_type = kinds
        primary = _PRIMARY_IDS.get((from_type.name, to_type.name))
        if primary is not None and drawn < 1 / 2:
            return {"category": "HUBSPOT_DEFINED", "typeId": primary, "label": "Primary"}
        label = _CUSTOM_LABELS[int(drawn * 100) % len(_CUSTOM_LABELS)]
        type_id = self._seeded_id(f"{from_type.name}|{to_type.name}|{label}")
        return {"category": "USER_DEFINED", "typeId": type_id, "label": label}

    def _result(
        self, from_id: str, to_id: str, from_type: ObjectType, to_type: ObjectType
    ) -> Document:
        category, type_id = self._default_type(from_type, to_type)
        spec = {"associationCategory": category, "associationTypeId": type_id}
        return {"from": {"id": from_id}, "to": {"id": to_id}, "associationSpec": spec}

    def _default_type(self, from_type: ObjectType, to_type: ObjectType) -> tuple[str, int]:
        """Return the category and the id of the default association in this direction."""
        known = self._default_types.get((from_type, to_type))
        if known is None:
            names = from_type.name, to_type.name
            is_custom = from_type.custom or to_type.custom
            type_id = _ASSOCIATION_TYPE_IDS.get(names) or self._seeded_id("|".join(names))
            known = "USER_DEFINED" if is_custom else "HUBSPOT_DEFINED", type_id
            self._default_types[from_type, to_type] = known
        return known

    def _seeded_id(self, key: str) -> int:
        """Return the id of an association type for which HubSpot publishes none."""
        return _FIRST_SEEDED_ID + int(self._rng.uniform("association type", key) * _SEEDED_IDS)
