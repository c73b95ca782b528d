"""What a read of links does when nothing else goes wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from aiohubassoc.simulator import error_bodies
from aiohubassoc.simulator.association_types import AssociationTypes
from aiohubassoc.simulator.batch_inputs import NO_INPUT
from aiohubassoc.simulator.missing_record_errors import MissingRecordErrors
from aiohubassoc.simulator.put_operation import CallResult, LinkedPair
from aiohubassoc.simulator.records import PortalRecords, RecordRef
from aiohubassoc.simulator.responses import PortalResponse
from aiohubassoc.simulator.success_bodies import SuccessBodies

if TYPE_CHECKING:
    from aiohubassoc.simulator.batch_inputs import BatchInputs
    from aiohubassoc.simulator.link_index import LinkIndex
    from aiohubassoc.simulator.object_types import ObjectType, ObjectTypes
    from aiohubassoc.simulator.responses import Document
    from aiohubassoc.simulator.routing import ReadCall
    from aiohubassoc.simulator.seeded_random import SeededRandom
    from aiohubassoc.simulator.settings import PortalSettings
    from aiohubassoc.simulator.success_bodies import CallContext

# Of the answers, so many tell ids as integers: the versions of HubSpot's schema differ.
_INTEGERS = 0.5


class _LinkQuery(NamedTuple):
    """A record whose links are asked for, and how many of them were told before."""

    end: RecordRef
    start: int


class ReadOperation:
    """
    Does batch calls that read links.

    Args:
        settings: Say which records exist, what a missing one costs, and how links are told.
        chance: Draws whatever may vary at HubSpot.
        types: The portal's object types.
        links: Those there are.
    """

    def __init__(
        self, settings: PortalSettings, chance: SeededRandom, types: ObjectTypes, links: LinkIndex
    ) -> None:
        self._settings = settings
        self._chance = chance
        self._types = types
        self._links = links
        self._records = PortalRecords(settings, chance)
        self._errors = MissingRecordErrors(settings.batch_errors, chance)
        self._labels = AssociationTypes(chance)
        self._successes = SuccessBodies(chance)

    def read(self, call: ReadCall, inputs: BatchInputs, ask: CallContext) -> CallResult:
        """
        Return what *call* comes to; it links nothing.

        Args:
            call: Names the two types.
            inputs: The records.
            ask: What is answered.
        """
        from_type = self._types.find(call.from_type)
        if from_type is None:
            return CallResult(error_bodies.unknown_type(call.from_type))
        to_type = self._types.find(call.to_type)
        if to_type is None:
            return CallResult(error_bodies.unknown_type(call.to_type))
        if inputs.refusal is not None:
            return CallResult(inputs.refusal)
        if not self._settings.keep_links:
            return CallResult(
                error_bodies.invalid(
                    "This simulated portal has keep_links=False: it keeps no links to be read. "
                    "Run it with keep_links=True."
                )
            )
        wanted = _wanted(inputs, from_type)
        if isinstance(wanted, PortalResponse):
            return CallResult(wanted)
        return CallResult(self._read(wanted, to_type, ask))

    def _read(
        self, wanted: list[_LinkQuery], to_type: ObjectType, ask: CallContext
    ) -> PortalResponse:
        if strange := [each.end for each in wanted if not each.end.is_numeric]:
            return self._errors.refusal(strange)
        missing = [each.end for each in wanted if not self._records.has(each.end)]
        if missing and self._settings.batch_missing == "400":
            return self._errors.refusal(missing)
        errors = [
            self._errors.error(end, "FROM", {"fromObjectId": [end.record_id]}, ask)
            for end in missing
        ]
        results: list[Document] = []
        as_integers = self._chance.share("integer ids", ask.key, ask.number) < _INTEGERS
        gone = set(missing)
        for each in wanted:
            if each.end in gone:
                continue
            result = self._result(each, to_type, as_integers=as_integers)
            # Behind the last page there is nothing, which does not say that there are no links.
            if result["to"] or each.start or self._settings.read_unlinked == "empty":
                results.append(result)
            elif self._settings.read_unlinked == "errors":
                errors.append(_no_links(each.end, to_type))
        self._chance.generator("order", ask.key, ask.number).shuffle(results)
        document = self._successes.document(results, ask, errors)
        return PortalResponse(207 if errors else 200, document)

    def _result(self, wanted: _LinkQuery, to_type: ObjectType, *, as_integers: bool) -> Document:
        (kind, _), from_id, page = wanted.end, wanted.end.canonical_id, self._settings.read_page
        others, has_more = self._links.others(kind.name, from_id, to_type.name, wanted.start, page)
        told: list[Document] = []
        for other in others:
            pair = LinkedPair(kind.name, from_id, to_type.name, other)
            is_default = self._links.is_default(pair)
            types = self._labels.types_of(pair, (kind, to_type), is_default=is_default)
            to_id = int(other) if as_integers else other
            told.append({"toObjectId": to_id, "associationTypes": types})
        result: Document = {"from": {"id": from_id}, "to": told}
        if has_more:
            after = str(wanted.start + page)
            result["paging"] = {"next": {"after": after, "link": f"?after={after}"}}
        return result


def _wanted(inputs: BatchInputs, kind: ObjectType) -> list[_LinkQuery] | PortalResponse:
    """Return each record once, or the refusal of inputs that name none."""
    wanted: dict[tuple[str, int], _LinkQuery] = {}
    try:
        for each in inputs.documents:
            end = RecordRef(kind, str(each["id"]))
            after = each.get("after")
            start = 0 if after is None else int(after)
            wanted.setdefault((end.canonical_id, start), _LinkQuery(end, max(0, start)))
    except (AttributeError, KeyError, TypeError, ValueError):
        return NO_INPUT
    return list(wanted.values())


def _no_links(end: RecordRef, to_type: ObjectType) -> Document:
    singular, record_id = end.kind.singular, end.canonical_id
    return {
        "status": "error",
        "category": "OBJECT_NOT_FOUND",
        "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
        "message": f"No {to_type.singular} is associated with {singular} {record_id}.",
        "context": {
            "fromObjectId": [record_id],
            "fromObjectType": [singular],
            "toObjectType": [to_type.singular],
        },
    }
