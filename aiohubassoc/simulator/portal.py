"""
The portal: requests in, responses out.

Rule 1: nothing here waits or reads a clock. Time is an argument in seconds and never decreases.
Rule 2: a request is checked in one order: path, token, scopes, the CDN's faults, rate limits,
HubSpot's faults, object types, ids, records.
Rule 3: a random draw depends only on the seed, the pair and how often the pair was received.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from aiohubassoc.simulator import error_bodies
from aiohubassoc.simulator.account import Account
from aiohubassoc.simulator.fault_plan import Fault
from aiohubassoc.simulator.faults import BEFORE_HUBSPOT, Faults
from aiohubassoc.simulator.ledger import PortalLedger
from aiohubassoc.simulator.operations import CallResult, LinkOperations
from aiohubassoc.simulator.rate_limits import BATCH_IN_FLIGHT, TEN_SECONDLY_ROLLING, RateLimits
from aiohubassoc.simulator.records import LinkStore, ObjectTypes
from aiohubassoc.simulator.responses import CallContext, Delivery, PortalResponse
from aiohubassoc.simulator.routing import (
    AccountCall,
    BatchCall,
    Inputs,
    PortalRequest,
    PutCall,
    ReadCall,
    RequestTracker,
    parse_inputs,
)
from aiohubassoc.simulator.seeded_random import SeededRandom
from aiohubassoc.simulator.settings import PortalSettings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohubassoc.simulator.fault_plan import ScriptedPair

# With headers="some". Nearly half of the recorded responses lack the daily headers.
_DAILY_MISSING = 0.5
_ROLLING_MISSING = 0.25

# After these statuses a client is likely to send the same call again.
_RETRIED = frozenset({401, 403, 429})


class Portal:
    """
    One HubSpot account.

    Args:
        settings: How it behaves. None: every default.

    Attributes:
        ledger: What happened.

    Raises:
        ValueError: the settings have impossible links, or links though none are kept.
    """

    def __init__(self, settings: PortalSettings | None = None) -> None:
        settings = PortalSettings() if settings is None else settings
        self._rng = rng = SeededRandom(settings.seed)
        types = ObjectTypes(settings.custom_types)
        self.settings = settings
        self.ledger = PortalLedger(settings)
        self._requests = RequestTracker(settings.latency, rng, types)
        self._limits = RateLimits(settings)
        self._faults = Faults(settings.faults, rng, types)
        self._store = LinkStore(settings, rng, types)
        self._operations = LinkOperations(settings, rng, types, self._store)
        self._account = Account(settings, types, self._limits)
        self._open: set[PortalRequest] = set()
        self._batches_in_flight: set[PortalRequest] = set()

    def accept(self, token: str) -> None:
        """Accept *token* from now on."""
        self._account.accept(token)

    def revoke(self, token: str) -> None:
        """Refuse *token* as expired from now on."""
        self._account.revoke(token)

    def add_links(self, pairs: Iterable[ScriptedPair]) -> None:
        """
        Link *pairs* by default without a call: reads find them, the ledger does not count them.

        Args:
            pairs: Each as from type, from id, to type, to id; the types by any of their names.

        Raises:
            ValueError: the portal keeps no links, or a type or an id is impossible; the pairs
                before are linked.
        """
        self._store.add_existing(pairs)

    def receive(self, method: str, raw_path: str, body: bytes = b"") -> PortalRequest:
        """Return the request, before it is counted; *raw_path* is that of the request line."""
        return self._requests.track(method, raw_path, body)

    def open(self, request: PortalRequest) -> None:
        """Record that *request* is in flight; `close` must follow."""
        self.ledger.open_request(is_batch=request.is_batch)
        self._open.add(request)

    def close(self, request: PortalRequest) -> None:
        """Record that the response to *request* was sent, or never will be."""
        self.ledger.close_request(is_batch=request.is_batch)
        self._open.discard(request)
        self._batches_in_flight.discard(request)

    def respond(
        self, request: PortalRequest, authorization: str | None, now: float
    ) -> PortalResponse:
        """Count *request* and return the response to it; links are made here."""
        # *now*: the portal's clock, `PortalRequest.delay` after the arrival.
        response, fault = self._bare_response(request, authorization, now)
        is_silent = response.delivery in (Delivery.NEVER, Delivery.RESET)
        self.ledger.record_response(now, 0 if is_silent else response.status, fault)
        if not self.settings.keep_links and fault is None and response.status not in _RETRIED:
            self._requests.forget(request.key)
        return self._with_headers(response, request)

    def _with_headers(self, response: PortalResponse, request: PortalRequest) -> PortalResponse:
        """Add what every response has: headers, correlation id, delay."""
        key, number, latency = request.key, request.number, self.settings.latency
        headers = dict(response.headers)
        document = response.document
        if response.from_hubspot:
            correlation_id = self._rng.uuid("correlation id", key, number)
            headers["X-HubSpot-Correlation-Id"] = correlation_id
            if document is not None and not response.is_success:
                document = document | {"correlationId": correlation_id}
        if response.has_rate_headers and self.settings.headers != "none":
            is_all = self.settings.headers == "all"
            headers |= self._limits.headers(
                daily=is_all or self._rng.uniform("daily headers", key, number) >= _DAILY_MISSING,
                rolling=is_all
                or self._rng.uniform("rolling headers", key, number) >= _ROLLING_MISSING,
            )
        delay = response.delay + self._rng.lognormal(
            latency.after_median, latency.after_sigma, "after", key, number
        )
        return attrs.evolve(response, document=document, headers=headers, delay=delay)

    def _bare_response(
        self, request: PortalRequest, authorization: str | None, now: float
    ) -> tuple[PortalResponse, Fault | None]:
        """Return the response without its common headers, and the fault that changed it."""
        call, key = request.call, request.key
        if call is None:
            return error_bodies.not_found(), None
        if not request.is_allowed:
            return error_bodies.method_not_allowed(call.method), None
        if not isinstance(call, AccountCall):
            self.ledger.type_names.update((call.from_type, call.to_type))
        if (error := self._account.error(authorization, call)) is not None:
            return error, None
        self.ledger.record_seen(now, is_batch=request.is_batch)
        position = self._requests.next_position(key, call)
        fault = self._faults.pick(call, request.pair, key, position)
        inputs: Inputs = []
        if fault not in BEFORE_HUBSPOT:
            in_flight = len(self._batches_in_flight)
            policy = self._limits.take(now, is_batch=request.is_batch, in_flight=in_flight)
            if policy is not None:
                return self._rate_limited(policy, request, now), None
            inputs = parse_inputs(call, request.body)
            count = len(inputs) if isinstance(inputs, list) else 0
            self.ledger.record_counted(now, call.kind, count)
            # Only requests that were opened: nobody would close the others.
            if request.is_batch and request in self._open:
                self._batches_in_flight.add(request)
        self._requests.record_pass(key, call)
        context = CallContext(now, key, position.of_key)
        return self._serve(request, inputs, context, fault)

    def _rate_limited(self, policy: str, request: PortalRequest, now: float) -> PortalResponse:
        self.ledger.throttled[policy] += 1
        # HubSpot's name for that limit is not known.
        name = TEN_SECONDLY_ROLLING if policy == BATCH_IN_FLIGHT else policy
        if not self.settings.quota_retry_after:
            return error_bodies.rate_limited(name)
        seconds = self._limits.retry_after(policy, now, is_batch=request.is_batch)
        return error_bodies.rate_limited(name, seconds)

    def _serve(
        self, request: PortalRequest, inputs: Inputs, context: CallContext, fault: Fault | None
    ) -> tuple[PortalResponse, Fault | None]:
        """Return the response to a call that passed, and the fault that changed it."""
        call = request.call
        assert call is not None  # noqa: S101 -- else it has not passed
        if fault is not None and (replacement := self._faults.replacement(fault)) is not None:
            return replacement, fault
        if isinstance(call, PutCall):
            result = self._operations.put(call, context)
        elif isinstance(call, BatchCall):
            result = self._operations.batch(call, inputs, context)
        elif isinstance(call, ReadCall):
            result = self._operations.read(call, inputs, context)
        else:
            result = CallResult(self._account.respond(call, request.body, context.now))
        response = result.response
        if fault is not None:
            response = self._faults.change(fault, call, response)
            if response is result.response:
                fault = None
        makes_links = fault is None or self._faults.makes_links(fault)
        if makes_links:
            self.ledger.record_linked(self._store.add_by_call(result.linked))
        # A batch with this fault still refuses the pairs that its response names.
        if makes_links or fault is Fault.UNMADE:
            self.ledger.record_refused(result.refused)
        return response, fault
