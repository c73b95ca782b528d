"""Which fault hits a call, and how it changes the response."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, TypeAlias

import attrs

from aiohubassoc.simulator import error_bodies
from aiohubassoc.simulator.fault_plan import Fault
from aiohubassoc.simulator.responses import Delivery, Document, PortalResponse
from aiohubassoc.simulator.routing import AccountCall, ReadCall

if TYPE_CHECKING:
    from aiohubassoc.simulator.fault_plan import FaultPlan
    from aiohubassoc.simulator.records import LinkedPair, ObjectTypes
    from aiohubassoc.simulator.routing import OperationKind, PortalCall, Position
    from aiohubassoc.simulator.seeded_random import SeededRandom

# Makes the error that takes the place of a result.
Describe: TypeAlias = Callable[[Document], Document]

# These replace a result by an error.
_NEED_RESULTS = frozenset({Fault.ERRORS_IN_2XX, Fault.PARTIAL_207})


def _pending(document: Document) -> Document:
    return _with_results(document, []) | {"status": "PENDING"}


def _errors_only(describe: Describe, document: Document) -> Document:
    return _with_results(document, [], [describe(document["results"][0])])


def _partial(describe: Describe, document: Document) -> Document:
    *kept, lost = document["results"]
    return _with_results(document, kept, [*(document.get("errors") or []), describe(lost)])


def _with_results(
    document: Document, results: list[Document], errors: list[Document] | None = None
) -> Document:
    """Return the body with other results and, if there are any, other errors."""
    changed = document | {"results": results}
    changed.pop("errors", None)
    changed.pop("numErrors", None)
    return changed | {"errors": errors, "numErrors": len(errors)} if errors else changed


def _no_default_error(result: Document) -> Document:
    ids = {"objectId": [result["from"]["id"], result["to"]["id"]]}
    return _error("No default association exists between these records", ids)


def _direction_error(result: Document) -> Document:
    ids = {"fromObjectId": [result["from"]["id"]], "toObjectId": [result["to"]["id"]]}
    return _error("One direction could not be associated", ids)


def _read_error(result: Document) -> Document:
    record_id = result["from"]["id"]
    message = f"The associations of {record_id} could not be read"
    return _error(message, {"fromObjectId": [record_id]})


def _error(message: str, context: Document) -> Document:
    category = "VALIDATION_ERROR"
    return {"status": "error", "category": category, "message": message, "context": context}


def _unknown_fields(document: Document) -> Document:
    results = [
        result
        | {"from": _unknown_end(result["from"])}
        | (
            _unknown_link(result, document["completedAt"])
            if "associationSpec" in result
            else {"to": list(map(_unknown_types, result["to"])), "total": len(result["to"])}
        )
        for result in document["results"]
    ]
    return document | {"results": results, "traceId": "0af7651916cd43dd", "warnings": []}


def _unknown_end(end: Document) -> Document:
    return {"id": int(end["id"]), "objectTypeId": "0-0"}


def _unknown_link(result: Document, made_at: str) -> Document:
    unknown = {"associationCategory": "PARTNER_DEFINED", "label": None}
    return {
        "to": _unknown_end(result["to"]),
        "associationSpec": result["associationSpec"] | unknown,
        "associatedAt": made_at,
    }


def _unknown_types(link: Document) -> Document:
    unknown = {"category": "PARTNER_DEFINED", "typeId": 4242, "label": None, "pinned": False}
    types = [{**each, "inverseLabel": None} for each in link["associationTypes"]]
    return link | {"associationTypes": [unknown, *types], "objectTypeId": "0-0"}


# The status and the body that they make of a success.
_OF_LINKING: dict[Fault, tuple[int, Callable[[Document], Document]]] = {
    Fault.ACCEPTED_202: (202, _pending),
    Fault.PENDING: (200, _pending),
    Fault.ERRORS_IN_2XX: (200, partial(_errors_only, _no_default_error)),
    Fault.PARTIAL_207: (207, partial(_partial, _direction_error)),
    # Recorded ones have neither results nor errors.
    Fault.EMPTY_RESULTS: (200, partial(_with_results, results=[])),
    Fault.UNKNOWN_FIELDS: (200, _unknown_fields),
    Fault.CREATED_201: (201, dict),
}
_OF_READ = _OF_LINKING | {
    Fault.ERRORS_IN_2XX: (200, partial(_errors_only, _read_error)),
    Fault.PARTIAL_207: (207, partial(_partial, _read_error)),
}


BEFORE_HUBSPOT = frozenset(
    {
        Fault.BAD_GATEWAY_HTML_502,
        Fault.GATEWAY_TIMEOUT_504,
        Fault.CLOUDFLARE_524,
        Fault.PROBLEM_JSON_502,
        Fault.CLOUDFLARE_1015,
        Fault.RESET_BEFORE,
    }
)
_MAKE_NO_LINK = frozenset({Fault.ERRORS_IN_2XX, Fault.EMPTY_RESULTS, Fault.UNMADE})

_DELIVERIES = {
    Fault.NEVER_AFTER: Delivery.NEVER,
    Fault.RESET_AFTER: Delivery.RESET,
    Fault.CUT_BODY: Delivery.CUT,
    Fault.GARBLED_BODY: Delivery.TRUNCATED,
}
_NO_STATUS = 0  # of a response that is never sent


class Faults:
    """The faults of one portal."""

    def __init__(self, plan: FaultPlan, rng: SeededRandom, types: ObjectTypes) -> None:
        self._rng = rng
        shares = {fault: share for fault, share in plan.shares().items() if share}
        self._bounds = list(accumulate(shares.values()))
        self._drawn = list(shares)
        self._plan = plan
        self._pair_scripts = {types.to_pair(*pair): script for pair, script in plan.script.items()}
        self._kind_scripts: dict[OperationKind, tuple[str | None, ...]] = {
            "batch": plan.script_batches,
            "read": plan.script_reads,
            "account": plan.script_account,
        }
        self._replacements = _replacements(plan)

    def pick(
        self, call: PortalCall, pair: LinkedPair | None, key: str, position: Position
    ) -> Fault | None:
        """Return the fault that hits a call, or None; *pair* is that of a call for one pair."""
        scripts = [
            (self._pair_scripts.get(pair, ()) if pair else (), position.of_key),
            (self._kind_scripts.get(call.kind, ()), position.of_kind),
        ]
        if not isinstance(call, AccountCall):
            scripts.append((self._plan.script_all, position.overall))
        for script, number in scripts:
            if number <= len(script):
                scripted = script[number - 1]
                return None if scripted is None else Fault(scripted)
        if not self._drawn or isinstance(call, AccountCall):
            return None
        most = self._plan.first_arrivals_only
        if most is not None and position.of_key > most:
            return None
        index = bisect_right(self._bounds, self._rng.uniform("fault", key, position.of_key))
        return self._drawn[index] if index < len(self._drawn) else None

    def replacement(self, fault: Fault) -> PortalResponse | None:
        return self._replacements.get(fault)

    def makes_links(self, fault: Fault) -> bool:
        return fault not in self._replacements and fault not in _MAKE_NO_LINK

    def change(self, fault: Fault, call: PortalCall, response: PortalResponse) -> PortalResponse:
        if fault is Fault.SLOW:
            return attrs.evolve(response, delay=response.delay + self._plan.slow_seconds)
        if fault in _DELIVERIES:
            return attrs.evolve(response, delivery=_DELIVERIES[fault])
        is_read = isinstance(call, ReadCall)
        document = response.document
        if (
            document is None
            or isinstance(call, AccountCall)
            or not (response.is_success and _has_effect(fault, document, is_read=is_read))
        ):
            return response
        if fault is Fault.UNMADE:
            return attrs.evolve(response)
        if fault is Fault.NO_BODY:
            return attrs.evolve(response, status=204, document=None)
        status, change_body = (_OF_READ if is_read else _OF_LINKING)[fault]
        return attrs.evolve(response, status=status, document=change_body(document))


def _has_effect(fault: Fault, document: Document, *, is_read: bool) -> bool:
    has_results = bool(document.get("results"))
    if is_read:
        # A read that finds nothing is a success too.
        return fault is not Fault.UNMADE and (has_results or fault not in _NEED_RESULTS)
    return has_results


def _replacements(plan: FaultPlan) -> dict[Fault, PortalResponse]:
    rate_limited = error_bodies.rate_limited
    migrating = {"Retry-After": str(plan.migrating_retry_after)}
    return {
        Fault.SERVER_ERROR_500: error_bodies.error_response(500, "internal error"),
        Fault.BAD_GATEWAY_HTML_502: error_bodies.short_page(502, "Bad Gateway"),
        Fault.UNAVAILABLE_503: PortalResponse(503),
        Fault.GATEWAY_TIMEOUT_504: error_bodies.gateway_timeout(),
        Fault.CLOUDFLARE_524: error_bodies.short_page(524, "Origin Time-out"),
        Fault.PROBLEM_JSON_502: error_bodies.problem_json(plan.problem_retry_after),
        Fault.LOCKED_423: PortalResponse(423),
        Fault.MIGRATING_477: PortalResponse(477, headers=migrating),
        Fault.THROTTLED_429: rate_limited("TEN_SECONDLY_ROLLING", plan.throttled_retry_after),
        Fault.THROTTLED_429_BARE: rate_limited("TEN_SECONDLY_ROLLING"),
        Fault.CLOUDFLARE_1015: error_bodies.cloudflare_rate_limited(),
        Fault.NEVER_BEFORE: PortalResponse(_NO_STATUS, delivery=Delivery.NEVER),
        Fault.RESET_BEFORE: PortalResponse(_NO_STATUS, delivery=Delivery.RESET),
        Fault.NOT_FOUND_HTML_404: error_bodies.not_found(),
        Fault.REDIRECT_302: error_bodies.redirect(),
    }
