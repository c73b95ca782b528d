"""The calls that create and read links, without faults."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import attrs

from aiohubassoc.simulator import error_bodies
from aiohubassoc.simulator.error_bodies import BatchErrorBodies
from aiohubassoc.simulator.records import LinkedPair, RecordRef
from aiohubassoc.simulator.responses import PortalResponse, SuccessBodies
from aiohubassoc.simulator.routing import NO_INPUT

if TYPE_CHECKING:
    from typing import Any

    from aiohubassoc.simulator.records import LinkStore, ObjectType, ObjectTypes
    from aiohubassoc.simulator.responses import CallContext, Document
    from aiohubassoc.simulator.routing import BatchCall, Inputs, PutCall, ReadCall
    from aiohubassoc.simulator.seeded_random import SeededRandom
    from aiohubassoc.simulator.settings import PortalSettings

# The share of responses to reads with ids as integers: the versions of HubSpot's schema differ.
_INTEGERS = 0.5


@attrs.frozen
class CallResult:
    """The response to a call, the pairs that it linked, and those that it refused."""

    response: PortalResponse
    linked: tuple[LinkedPair, ...] = ()
    refused: tuple[LinkedPair, ...] = ()


class _LinkQuery(NamedTuple):
    """A record whose links are read, and how many of them earlier pages had."""

    ref: RecordRef
    start: int


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
    """The calls that create and read links."""

    def __init__(
        self, settings: PortalSettings, rng: SeededRandom, types: ObjectTypes, store: LinkStore
    ) -> None:
        self._settings = settings
        self._rng = rng
        self._types = types
        self._store = store
        self._batch_errors = BatchErrorBodies(settings.batch_errors, rng)
        self._bodies = SuccessBodies(rng)

    def put(self, call: PutCall, context: CallContext) -> CallResult:
        pair = self._types.to_pair(call.from_type, call.from_id, call.to_type, call.to_id)
        found = find_types(self._types, call.from_type, call.to_type)
        if isinstance(found, PortalResponse):
            return CallResult(found, refused=(pair,))
        refs = [RecordRef(found[0], call.from_id), RecordRef(found[1], call.to_id)]
        for ref in refs:
            if (error := error_bodies.invalid_id(ref)) is not None:
                return CallResult(error, refused=(pair,))
        missing = [ref for ref in refs if not self._store.exists(ref)]
        if missing:
            return CallResult(self._missing(missing, refs, context), refused=(pair,))
        results = self._bodies.shuffled(self._bodies.results(*refs), context)
        document = self._bodies.document(results, context)
        return CallResult(PortalResponse(200, document), linked=(pair,))

    def _missing(
        self, missing: list[RecordRef], refs: list[RecordRef], context: CallContext
    ) -> PortalResponse:
        if self._settings.missing_response == "404":
            role = "FROM" if missing[0] is refs[0] else "TO"
            return error_bodies.missing_record(missing[0], role)
        # Recorded responses have them or not.
        with_ids = self._rng.uniform("context", context.key, context.number) < 1 / 2
        return error_bodies.missing_records(missing, with_ids=with_ids)

    def batch(self, call: BatchCall, inputs: Inputs, context: CallContext) -> CallResult:
        found = find_types(self._types, call.from_type, call.to_type)
        if isinstance(found, PortalResponse):
            return CallResult(found)
        if isinstance(inputs, PortalResponse):
            return CallResult(inputs)
        from_type, to_type = found
        try:
            pairs = [
                (
                    RecordRef(from_type, str(each["from"]["id"])),
                    RecordRef(to_type, str(each["to"]["id"])),
                )
                for each in inputs
            ]
        except (KeyError, TypeError):
            return CallResult(NO_INPUT)
        return self._link(pairs, context)

    def _link(self, pairs: list[tuple[RecordRef, RecordRef]], context: CallContext) -> CallResult:
        linked: list[LinkedPair] = []
        refused: list[LinkedPair] = []
        results: list[Document] = []
        errors: list[Document] = []
        missing: list[RecordRef] = []
        for refs in pairs:
            bad = [
                ref for ref in refs if error_bodies.invalid_id(ref) or not self._store.exists(ref)
            ]
            if bad:
                refused.append(LinkedPair.from_refs(*refs))
                missing += bad
                # One error for each record, as in recorded responses: not one for each input.
                errors += [self._error(ref, refs, context) for ref in bad]
            else:
                linked.append(LinkedPair.from_refs(*refs))
                results += self._bodies.results(*refs)
        if missing and self._settings.batch_missing == "400":
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

    def read(self, call: ReadCall, inputs: Inputs, context: CallContext) -> CallResult:
        found = find_types(self._types, call.from_type, call.to_type)
        if isinstance(found, PortalResponse):
            return CallResult(found)
        if isinstance(inputs, PortalResponse):
            return CallResult(inputs)
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
            return self._batch_errors.whole_call(invalid)
        missing = [query.ref for query in queries if not self._store.exists(query.ref)]
        if missing and self._settings.batch_missing == "400":
            return self._batch_errors.whole_call(missing)
        errors = [
            self._batch_errors.one_record(ref, "FROM", {"fromObjectId": [ref.record_id]}, context)
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
            types = self._bodies.link_types(
                pair, (kind, to_type), is_default=self._store.is_default(pair)
            )
            to_id = int(other) if as_integers else other
            links.append({"toObjectId": to_id, "associationTypes": types})
        result: Document = {"from": {"id": from_id}, "to": links}
        if has_more:
            after = str(query.start + page)
            result["paging"] = {"next": {"after": after, "link": f"?after={after}"}}
        return result


def _queries(inputs: list[Any], kind: ObjectType) -> list[_LinkQuery] | PortalResponse:
    """Return each record once, or the error response to inputs that are not records."""
    queries: dict[tuple[str, int], _LinkQuery] = {}
    try:
        for each in inputs:
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
