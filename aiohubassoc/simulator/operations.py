"""The calls that create links, without faults."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import attrs

from aiohubassoc.simulator import error_bodies
from aiohubassoc.simulator.error_bodies import BatchErrorBodies
from aiohubassoc.simulator.records import ExistingRecords, LinkedPair, RecordRef
from aiohubassoc.simulator.responses import PortalResponse
from aiohubassoc.simulator.routing import NO_INPUT
from aiohubassoc.simulator.success_bodies import (
    SuccessBodies,
    default_association_type,
    seeded_type_id,
)

if TYPE_CHECKING:
    from aiohubassoc.simulator.records import LinkStore, ObjectType, ObjectTypes
    from aiohubassoc.simulator.responses import Document
    from aiohubassoc.simulator.routing import BatchCall, BatchInputs, PutCall, ReadCall
    from aiohubassoc.simulator.seeded_random import SeededRandom
    from aiohubassoc.simulator.settings import PortalSettings
    from aiohubassoc.simulator.success_bodies import CallContext


@attrs.frozen
class CallResult:
    """The response to a call, the pairs that it linked, and those that it refused."""

    response: PortalResponse
    linked: tuple[LinkedPair, ...] = ()
    refused: tuple[LinkedPair, ...] = ()


def find_types(
    types: ObjectTypes, from_type: str, to_type: str
) -> tuple[ObjectType, ObjectType] | PortalResponse:
    """Return both types of a call, or the response to the first unknown one."""
    found = []
    for written in (from_type, to_type):
        kind = types.find(written)
        if kind is None:
            return error_bodies.unknown_type(written)
        found.append(kind)
    return found[0], found[1]


class LinkOperations:
    """The calls that create links."""

    def __init__(self, settings: PortalSettings, rng: SeededRandom, types: ObjectTypes) -> None:
        self._missing_response = settings.missing_response
        self._batch_missing = settings.batch_missing
        self._rng = rng
        self._types = types
        self._records = ExistingRecords(settings, rng)
        self._batch_errors = BatchErrorBodies(settings.batch_errors, rng)
        self._bodies = SuccessBodies(rng)

    def put(self, call: PutCall, context: CallContext) -> CallResult:
        """Return the result of a call for one pair."""
        pair = self._types.to_pair(call.from_type, call.from_id, call.to_type, call.to_id)
        found = find_types(self._types, call.from_type, call.to_type)
        if isinstance(found, PortalResponse):
            return CallResult(found, refused=(pair,))
        from_type, to_type = found
        refs = [RecordRef(from_type, call.from_id), RecordRef(to_type, call.to_id)]
        for ref in refs:
            if (error := error_bodies.invalid_id(ref)) is not None:
                return CallResult(error, refused=(pair,))
        missing = [ref for ref in refs if not self._records.has(ref)]
        if missing:
            return CallResult(self._missing(missing, refs, context), refused=(pair,))
        results = self._bodies.shuffled(self._bodies.results(*refs), context)
        document = self._bodies.document(results, context)
        return CallResult(PortalResponse(200, document), linked=(pair,))

    def batch(self, call: BatchCall, inputs: BatchInputs, context: CallContext) -> CallResult:
        """Return the result of a call for many pairs."""
        found = find_types(self._types, call.from_type, call.to_type)
        if isinstance(found, PortalResponse):
            return CallResult(found)
        if inputs.error is not None:
            return CallResult(inputs.error)
        from_type, to_type = found
        try:
            pairs = [
                (
                    RecordRef(from_type, str(each["from"]["id"])),
                    RecordRef(to_type, str(each["to"]["id"])),
                )
                for each in inputs.documents
            ]
        except (KeyError, TypeError):
            return CallResult(NO_INPUT)
        return self._batch(pairs, context)

    def _missing(
        self, missing: list[RecordRef], refs: list[RecordRef], context: CallContext
    ) -> PortalResponse:
        if self._missing_response == "404":
            role = "FROM" if missing[0] is refs[0] else "TO"
            return error_bodies.missing_record(missing[0], role)
        # Recorded responses have them or not.
        with_ids = self._rng.uniform("context", context.key, context.number) < 1 / 2
        return error_bodies.missing_records(missing, with_ids=with_ids)

    def _batch(self, pairs: list[tuple[RecordRef, RecordRef]], context: CallContext) -> CallResult:
        linked: list[LinkedPair] = []
        refused: list[LinkedPair] = []
        results: list[Document] = []
        errors: list[Document] = []
        missing: list[RecordRef] = []
        for refs in pairs:
            bad = [
                ref for ref in refs if error_bodies.invalid_id(ref) or not self._records.has(ref)
            ]
            if bad:
                refused.append(LinkedPair.from_refs(*refs))
                missing += bad
                # One error for each record, as in recorded responses: not one for each input.
                errors += [self._error(ref, refs, context) for ref in bad]
            else:
                linked.append(LinkedPair.from_refs(*refs))
                results += self._bodies.results(*refs)
        if missing and self._batch_missing == "400":
            response = self._batch_errors.whole_call(missing)
            return CallResult(response, refused=tuple(refused))
        results = self._bodies.shuffled(results, context)
        document = self._bodies.document(results, context, errors)
        response = PortalResponse(207 if errors else 200, document)
        return CallResult(response, tuple(linked), tuple(refused))

    def _error(
        self, ref: RecordRef, refs: tuple[RecordRef, RecordRef], context: CallContext
    ) -> Document:
        from_ref, to_ref = refs
        ids = {"fromObjectId": [from_ref.record_id], "toObjectId": [to_ref.record_id]}
        role = "FROM" if ref is from_ref else "TO"
        return self._batch_errors.one_record(ref, role, ids, context)


# The share of responses with ids as integers: the versions of HubSpot's schema differ.
_INTEGERS = 0.5

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


class _LinkQuery(NamedTuple):
    """A record whose links are read, and how many of them earlier pages had."""

    ref: RecordRef
    start: int


class ReadOperation:
    """The batch call that reads links."""

    def __init__(
        self, settings: PortalSettings, rng: SeededRandom, types: ObjectTypes, store: LinkStore
    ) -> None:
        self._settings = settings
        self._rng = rng
        self._types = types
        self._store = store
        self._records = ExistingRecords(settings, rng)
        self._errors = BatchErrorBodies(settings.batch_errors, rng)
        self._association_types = AssociationTypes(rng)
        self._bodies = SuccessBodies(rng)

    def read(self, call: ReadCall, inputs: BatchInputs, context: CallContext) -> CallResult:
        """Return the result of the call; it links nothing."""
        found = find_types(self._types, call.from_type, call.to_type)
        if isinstance(found, PortalResponse):
            return CallResult(found)
        if inputs.error is not None:
            return CallResult(inputs.error)
        if not self._settings.keep_links:
            return CallResult(
                error_bodies.validation_error(
                    "This simulated portal has keep_links=False: it keeps no links to be read. "
                    "Run it with keep_links=True."
                )
            )
        from_type, to_type = found
        queries = _queries(inputs, from_type)
        if isinstance(queries, PortalResponse):
            return CallResult(queries)
        response = self._read(queries, to_type, context)
        if call.errors_in_200 and response.is_success:
            response = attrs.evolve(response, status=200)
        return CallResult(response)

    def _read(
        self, queries: list[_LinkQuery], to_type: ObjectType, context: CallContext
    ) -> PortalResponse:
        if invalid := [query.ref for query in queries if not query.ref.is_numeric]:
            return self._errors.whole_call(invalid)
        missing = [query.ref for query in queries if not self._records.has(query.ref)]
        if missing and self._settings.batch_missing == "400":
            return self._errors.whole_call(missing)
        errors = [
            self._errors.one_record(ref, "FROM", {"fromObjectId": [ref.record_id]}, context)
            for ref in missing
        ]
        results: list[Document] = []
        as_integers = self._rng.uniform("integer ids", context.key, context.number) < _INTEGERS
        skipped = set(missing)
        for query in queries:
            if query.ref in skipped:
                continue
            result = self._result(query, to_type, as_integers=as_integers)
            # An empty page after the last one does not mean that the record has no links.
            if result["to"] or query.start or self._settings.read_unlinked == "empty":
                results.append(result)
            elif self._settings.read_unlinked == "errors":
                errors.append(error_bodies.no_links(query.ref, to_type))
        self._rng.generator("order", context.key, context.number).shuffle(results)
        document = self._bodies.document(results, context, errors)
        return PortalResponse(207 if errors else 200, document)

    def _result(self, query: _LinkQuery, to_type: ObjectType, *, as_integers: bool) -> Document:
        kind, from_id, page = query.ref.kind, query.ref.canonical_id, self._settings.read_page
        others, has_more = self._store.others(kind.name, from_id, to_type.name, query.start, page)
        links: list[Document] = []
        for other in others:
            pair = LinkedPair(kind.name, from_id, to_type.name, other)
            types = self._association_types.of_link(
                pair, (kind, to_type), is_default=self._store.is_default(pair)
            )
            to_id = int(other) if as_integers else other
            links.append({"toObjectId": to_id, "associationTypes": types})
        result: Document = {"from": {"id": from_id}, "to": links}
        if has_more:
            after = str(query.start + page)
            result["paging"] = {"next": {"after": after, "link": f"?after={after}"}}
        return result


def _queries(inputs: BatchInputs, kind: ObjectType) -> list[_LinkQuery] | PortalResponse:
    """Return each record once, or the error response to inputs that are not records."""
    queries: dict[tuple[str, int], _LinkQuery] = {}
    try:
        for each in inputs.documents:
            ref = RecordRef(kind, str(each["id"]))
            start = _start(each.get("after"))
            queries.setdefault((ref.canonical_id, start), _LinkQuery(ref, start))
    except (AttributeError, KeyError, TypeError, ValueError):
        return NO_INPUT
    return list(queries.values())


def _start(after: object) -> int:
    """Return how many links the earlier pages had; ValueError if *after* is invalid."""
    if after is None:
        return 0
    if not (isinstance(after, str) and after.isascii() and after.isdigit()):
        raise ValueError("not a page")
    return int(after)


class AssociationTypes:
    """The association types of links; a link has the same labels in both directions."""

    def __init__(self, rng: SeededRandom) -> None:
        self._rng = rng
        self._default: dict[tuple[ObjectType, ObjectType], Document] = {}

    def of_link(
        self, pair: LinkedPair, kinds: tuple[ObjectType, ObjectType], *, is_default: bool
    ) -> list[Document]:
        """
        Return the association types of one link, at least one, in a random order.

        Args:
            pair: The link in the direction that is read.
            kinds: The types of its ends in the same order.
            is_default: Whether the default type is among them.
        """
        key = "|".join(sorted((f"{pair.from_type}|{pair.from_id}", f"{pair.to_type}|{pair.to_id}")))
        drawn = self._rng.uniform("label", key)
        if not is_default:
            return [self._labelled(kinds, drawn)]
        if drawn >= _LABELLED_SHARE:
            return [self._unlabelled(kinds)]
        both = [self._unlabelled(kinds), self._labelled(kinds, drawn / _LABELLED_SHARE)]
        return both if self._rng.uniform("label first", key) < 1 / 2 else both[::-1]

    def _unlabelled(self, kinds: tuple[ObjectType, ObjectType]) -> Document:
        known = self._default.get(kinds)
        if known is None:
            category, type_id = default_association_type(*kinds, self._rng)
            known = {"category": category, "typeId": type_id, "label": None}
            self._default[kinds] = known
        return known

    def _labelled(self, kinds: tuple[ObjectType, ObjectType], drawn: float) -> Document:
        from_type, to_type = kinds
        primary = _PRIMARY_IDS.get((from_type.name, to_type.name))
        if primary is not None and drawn < 1 / 2:
            return {"category": "HUBSPOT_DEFINED", "typeId": primary, "label": "Primary"}
        label = _CUSTOM_LABELS[int(drawn * 100) % len(_CUSTOM_LABELS)]
        type_id = seeded_type_id(from_type, to_type, self._rng, label)
        return {"category": "USER_DEFINED", "typeId": type_id, "label": label}
