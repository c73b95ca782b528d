"""What HubSpot says when records are linked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from aiohubassoc.simulator.object_types import association_type

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohubassoc.simulator.object_types import ObjectType
    from aiohubassoc.simulator.records import RecordRef
    from aiohubassoc.simulator.responses import Document
    from aiohubassoc.simulator.seeded_random import SeededRandom

# The portal has no calendar: its clock's zero is told as this date.
_CLOCK_ZERO = datetime(2026, 1, 1, tzinfo=UTC)

# How long the documented examples say HubSpot works on a call, in seconds.
_WORK_SHORTEST = 0.03
_WORK_LONGEST = 0.12


class CallContext(NamedTuple):
    """
    One request as far as it matters to what is answered.

    Args:
        now: The portal's clock when the request is counted, in seconds.
        key: For whom chance is drawn: the pair, or the batch.
        number: How many times the portal has let this key through, this time included.
    """

    now: float
    key: str
    number: int


def iso_date(now: float) -> str:
    """Return the portal's clock as HubSpot writes dates."""
    moment = _CLOCK_ZERO + timedelta(seconds=now)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class SuccessBodies:
    """
    The bodies of successes; whatever may vary at HubSpot is drawn.

    Args:
        chance: Draws order, optional fields and the ids of unpublished association types.
    """

    def __init__(self, chance: SeededRandom) -> None:
        self._chance = chance
        self._specs: dict[tuple[ObjectType, ObjectType], Document] = {}

    def results(self, from_end: RecordRef, to_end: RecordRef) -> list[Document]:
        """Return the results of one pair: there and back."""
        there, back = from_end.canonical_id, to_end.canonical_id
        return [
            self._result(there, back, from_end.kind, to_end.kind),
            self._result(back, there, to_end.kind, from_end.kind),
        ]

    def shuffled(self, results: list[Document], ask: CallContext) -> list[Document]:
        """Return *results* in an order of its own: HubSpot keeps to none."""
        if len(results) == 2:  # noqa: PLR2004 -- one pair; a generator would cost ten times this
            turned = self._chance.share("order", ask.key, ask.number) < 1 / 2
            return results[::-1] if turned else results
        self._chance.generator("order", ask.key, ask.number).shuffle(results)
        return results

    def document(
        self, results: list[Document], ask: CallContext, errors: Sequence[Document] = ()
    ) -> Document:
        """
        Return the body around *results*.

        Args:
            results: As they are told.
            ask: What is answered.
            errors: Told with their number. None of them: the fields are told empty, or not at all.
        """
        worked = self._chance.share("work", ask.key, ask.number)
        completed = ask.now + _WORK_SHORTEST + worked * (_WORK_LONGEST - _WORK_SHORTEST)
        document: Document = {
            "status": "COMPLETE",
            "results": results,
            "startedAt": iso_date(ask.now),
            "completedAt": iso_date(completed),
        }
        # Each optional field may be absent, null or there (HubSpot, Associations v4; recorded).
        shape = int(self._chance.share("optional fields", ask.key, ask.number) * 27)
        for name, value in (("requestedAt", iso_date(ask.now)), ("links", {}), ("errors", [])):
            shape, form = divmod(shape, 3)
            if form:
                document[name] = None if form == 1 else value
        if document.get("errors") == []:
            document["numErrors"] = 0
        if errors:
            document["errors"] = list(errors)
            document["numErrors"] = len(errors)
        return document

    def _result(
        self, from_id: str, to_id: str, from_type: ObjectType, to_type: ObjectType
    ) -> Document:
        spec = self._specs.get((from_type, to_type))
        if spec is None:
            category, type_id = association_type(from_type, to_type, self._chance)
            spec = {"associationCategory": category, "associationTypeId": type_id}
            self._specs[from_type, to_type] = spec
        return {"from": {"id": from_id}, "to": {"id": to_id}, "associationSpec": spec}
