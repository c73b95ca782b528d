"""
What each fault does to an answer, and which fault hits which arrival.

Rule 1: a fault in `UNSEEN` is the edge's doing. HubSpot neither counts nor does the call.
Rule 2: a fault that answers by itself leaves the records as they were.
Rule 3: every other fault changes what is said about work that is done, but for those in `_UNDONE`.
Rule 4: what a fault cannot show on leaves the answer as it was, and is no fault.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

import attrs

from aiohubassoc.simulator import cdn_pages, error_bodies, mutations, read_mutations
from aiohubassoc.simulator.fault_plan import Fault
from aiohubassoc.simulator.put_operation import pair_of
from aiohubassoc.simulator.responses import Delivery, PortalResponse
from aiohubassoc.simulator.routing import PutCall, ReadCall, kind_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohubassoc.simulator.fault_plan import FaultPlan
    from aiohubassoc.simulator.object_types import ObjectTypes
    from aiohubassoc.simulator.put_operation import LinkedPair
    from aiohubassoc.simulator.requests import Ordinals
    from aiohubassoc.simulator.responses import Document
    from aiohubassoc.simulator.routing import Call, Kind
    from aiohubassoc.simulator.seeded_random import SeededRandom

UNSEEN = frozenset(
    {
        Fault.BAD_GATEWAY_HTML_502,
        Fault.GATEWAY_TIMEOUT_504,
        Fault.CLOUDFLARE_524,
        Fault.PROBLEM_JSON_502,
        Fault.CLOUDFLARE_1015,
        Fault.RESET_BEFORE,
    }
)
_UNDONE = frozenset({Fault.ERRORS_IN_2XX, Fault.EMPTY_RESULTS, Fault.UNMADE})

_MANNERS = {
    Fault.NEVER_AFTER: Delivery.NEVER,
    Fault.RESET_AFTER: Delivery.RESET,
    Fault.CUT_BODY: Delivery.CUT,
    Fault.GARBLED_BODY: Delivery.GARBLED,
}
# What a success of linking, with results, is told as.
_RETOLD: dict[Fault, tuple[int, Callable[[Document], Document]]] = {
    Fault.ACCEPTED_202: (202, mutations.pending),
    Fault.PENDING: (200, mutations.pending),
    Fault.ERRORS_IN_2XX: (200, mutations.errors_only),
    Fault.PARTIAL_207: (207, mutations.partial),
    Fault.EMPTY_RESULTS: (200, mutations.emptied),
    Fault.UNKNOWN_FIELDS: (200, mutations.with_unknown_fields),
    Fault.CREATED_201: (201, dict),
}
# The same of a read.
_REREAD = _RETOLD | {
    Fault.ERRORS_IN_2XX: (200, read_mutations.errors_only),
    Fault.PARTIAL_207: (207, read_mutations.partial),
    Fault.UNKNOWN_FIELDS: (200, read_mutations.with_unknown_fields),
}
# These put an error in the place of a result.
_OF_RESULTS = frozenset({Fault.ERRORS_IN_2XX, Fault.PARTIAL_207})

_NO_STATUS = 0  # of an answer that never comes


class Faults:
    """
    The faults of one portal.

    Args:
        plan: Which, how often, how long.
        chance: Draws which fault hits.
        types: Make scripts hold whatever name a type is called by.
    """

    def __init__(self, plan: FaultPlan, chance: SeededRandom, types: ObjectTypes) -> None:
        self._chance = chance
        self._shares = {fault: share for fault, share in plan.shares().items() if share}
        self._bounds = list(accumulate(self._shares.values()))
        self._drawn = list(self._shares)
        self._first_arrivals_only = plan.first_arrivals_only
        self._script = {pair_of(types, PutCall(*pair)): hit for pair, hit in plan.script.items()}
        self._script_kinds: dict[Kind, tuple[str | None, ...]] = {
            "batch": plan.script_batches,
            "read": plan.script_reads,
        }
        self._script_all = plan.script_all
        self._instead = _instead(plan)
        self._slow_seconds = plan.slow_seconds

    def hit(self, call: Call, pair: LinkedPair | None, key: str, place: Ordinals) -> Fault | None:
        """
        Return the fault that hits an arrival, None for none.

        Args:
            call: What it is.
            pair: The pair. None: a batch call, for whose pairs no script is.
            key: For whom chance is drawn.
            place: Which arrival it is.
        """
        own_script = self._script.get(pair, ()) if pair else ()
        kind_script = self._script_kinds.get(kind_of(call), ())
        for script, number in (
            (own_script, place.of_key),
            (kind_script, place.of_kind),
            (self._script_all, place.overall),
        ):
            if number <= len(script):
                scripted = script[number - 1]
                return None if scripted is None else Fault(scripted)
        if not self._drawn:
            return None
        if self._first_arrivals_only is not None and place.of_key > self._first_arrivals_only:
            return None
        index = bisect_right(self._bounds, self._chance.share("fault", key, place.of_key))
        return self._drawn[index] if index < len(self._drawn) else None

    def instead(self, fault: Fault) -> PortalResponse | None:
        """Return what *fault* answers by itself, None if it changes what the work comes to."""
        return self._instead.get(fault)

    def is_done(self, fault: Fault) -> bool:
        """Return whether the work is done although *fault* hides it."""
        return fault not in self._instead and fault not in _UNDONE

    def changed(self, fault: Fault, call: Call, answer: PortalResponse) -> PortalResponse:
        """Return what *fault* makes of *answer*: the same object if it does not show on it."""
        if fault is Fault.SLOW:
            return attrs.evolve(answer, delay=answer.delay + self._slow_seconds)
        if fault in _MANNERS:
            return attrs.evolve(answer, manner=_MANNERS[fault])
        if not _shows(fault, call, answer):
            return answer
        if fault is Fault.UNMADE:
            return attrs.evolve(answer)
        return _retold(fault, call, answer)


def _shows(fault: Fault, call: Call, answer: PortalResponse) -> bool:
    """Return whether *fault* can retell *answer*."""
    if not answer.is_success or answer.document is None:
        return False
    has_results = bool(answer.document.get("results"))
    if isinstance(call, ReadCall):
        # All records of a read may be without links: that is a success to be retold too.
        return fault is not Fault.UNMADE and (has_results or fault not in _OF_RESULTS)
    return has_results


def _retold(fault: Fault, call: Call, answer: PortalResponse) -> PortalResponse:
    if fault is Fault.NO_BODY or answer.document is None:
        return attrs.evolve(answer, status=204, document=None)
    status, distort = (_REREAD if isinstance(call, ReadCall) else _RETOLD)[fault]
    return attrs.evolve(answer, status=status, document=distort(answer.document))


def _instead(plan: FaultPlan) -> dict[Fault, PortalResponse]:
    migrating = {"Retry-After": str(plan.migrating_retry_after)}
    return {
        Fault.SERVER_ERROR_500: error_bodies.refusal(500, "internal error"),
        Fault.BAD_GATEWAY_HTML_502: cdn_pages.short_page(502, "Bad Gateway"),
        Fault.UNAVAILABLE_503: PortalResponse(503),
        Fault.GATEWAY_TIMEOUT_504: cdn_pages.long_page(504, "Gateway time-out"),
        Fault.CLOUDFLARE_524: cdn_pages.short_page(524, "Origin Time-out"),
        Fault.PROBLEM_JSON_502: cdn_pages.problem(plan.problem_retry_after),
        Fault.LOCKED_423: PortalResponse(423),
        Fault.MIGRATING_477: PortalResponse(477, headers=migrating),
        Fault.THROTTLED_429: error_bodies.throttled(
            "TEN_SECONDLY_ROLLING", plan.throttled_retry_after
        ),
        Fault.THROTTLED_429_BARE: error_bodies.throttled("TEN_SECONDLY_ROLLING"),
        Fault.CLOUDFLARE_1015: cdn_pages.rate_limited(),
        Fault.NEVER_BEFORE: PortalResponse(_NO_STATUS, manner=Delivery.NEVER),
        Fault.RESET_BEFORE: PortalResponse(_NO_STATUS, manner=Delivery.RESET),
        Fault.NOT_FOUND_HTML_404: cdn_pages.not_found(),
        Fault.REDIRECT_302: cdn_pages.redirect(),
    }
