"""
The portal: requests in, answers out.

Rule 1: nothing here waits or reads a clock. Time is an argument, in seconds, and never goes back.
Rule 2: a request is judged in one order: path, token, scopes, the edge's faults, quota, HubSpot's
faults, object types, ids, records.
Rule 3: what is drawn depends on the seed, the pair and how often it came, and on nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohubassoc.simulator import cdn_pages, error_bodies
from aiohubassoc.simulator.auth import TokenRegistry
from aiohubassoc.simulator.batch_inputs import BatchInputs, inputs_of
from aiohubassoc.simulator.batch_operation import BatchOperation
from aiohubassoc.simulator.fault_plan import Fault
from aiohubassoc.simulator.faults import UNSEEN, Faults
from aiohubassoc.simulator.ledger import PortalLedger
from aiohubassoc.simulator.link_store import LinkStore
from aiohubassoc.simulator.object_types import ObjectTypes
from aiohubassoc.simulator.put_operation import CallResult, PutOperation
from aiohubassoc.simulator.rate_limits import BATCH_IN_FLIGHT, TEN_SECONDLY_ROLLING, RateLimits
from aiohubassoc.simulator.read_operation import ReadOperation
from aiohubassoc.simulator.requests import PortalRequest, RequestTracker
from aiohubassoc.simulator.response_headers import ResponseHeaders
from aiohubassoc.simulator.responses import Delivery, PortalResponse
from aiohubassoc.simulator.routing import BatchCall, Call, PutCall, kind_of, method_of
from aiohubassoc.simulator.seeded_random import SeededRandom
from aiohubassoc.simulator.settings import PortalSettings
from aiohubassoc.simulator.success_bodies import CallContext

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohubassoc.simulator.fault_plan import ScriptedPair

# After these the same call is likely to come again, faults or not.
_COMING_AGAIN = frozenset({401, 403, 429})


class Portal:
    """
    One HubSpot account.

    Args:
        settings: What it is like.

    Attributes:
        books: What happened.

    Raises:
        ValueError: the settings link pairs that no records can be, or keep no links.
    """

    def __init__(self, settings: PortalSettings | None = None) -> None:
        settings = PortalSettings() if settings is None else settings
        chance = SeededRandom(settings.seed)
        types = ObjectTypes(settings.custom_types)
        self.settings = settings
        self.ledger = PortalLedger(settings)
        self._tokens = TokenRegistry(settings)
        self._arrivals = RequestTracker(settings.latency, chance, types)
        self._quota = RateLimits(settings)
        self._faults = Faults(settings.faults, chance, types)
        self._made = LinkStore(settings, chance, types)
        self._linker = PutOperation(settings, chance, types)
        self._batch_linker = BatchOperation(settings, chance, types)
        self._reader = ReadOperation(settings, chance, types, self._made.links)
        self._dressing = ResponseHeaders(settings, chance, self._quota)
        self._open: set[PortalRequest] = set()
        self._batches_at_work: set[PortalRequest] = set()

    def accept(self, token: str) -> None:
        """Take *token* from now on."""
        self._tokens.accept(token)

    def revoke(self, token: str) -> None:
        """Call *token* expired from now on."""
        self._tokens.revoke(token)

    def add_links(self, pairs: Iterable[ScriptedPair]) -> None:
        """
        Have *pairs* linked by default without a call: no books count them, reads find them.

        Args:
            pairs: Each as from type, from id, to type, to id; the types by any of their names.

        Raises:
            ValueError: the portal keeps no links, or a type or an id cannot be; the pairs before
                are linked.
        """
        self._made.before(pairs)

    def opened(self, arrival: PortalRequest) -> None:
        """Note that a request has begun to be answered; `closed` must follow."""
        self.ledger.request_opened(is_batch=arrival.is_batch)
        self._open.add(arrival)

    def closed(self, arrival: PortalRequest) -> None:
        """Note that the answer to a request is out, or that it has none."""
        self.ledger.request_closed(is_batch=arrival.is_batch)
        self._open.discard(arrival)
        self._batches_at_work.discard(arrival)

    def arrive(self, method: str, raw_path: str, body: bytes = b"") -> PortalRequest:
        """
        Return what is known of a request before it is counted.

        Args:
            method: The HTTP method.
            raw_path: The path as in the request line.
            body: Of a batch call or a read; that of any other call does not matter.
        """
        return self._arrivals.note(method, raw_path, body)

    def answer(
        self, arrival: PortalRequest, authorization: str | None, now: float
    ) -> PortalResponse:
        """
        Count a request and return the answer to it; links are made here.

        Args:
            arrival: What `arrive` said of it.
            authorization: The header of this name. None: there was none.
            now: The portal's clock, `Arrival.delay` after the arrival.
        """
        answer, fault = self._judge(arrival, authorization, now)
        is_silent = answer.manner in (Delivery.NEVER, Delivery.RESET)
        self.ledger.answered(now, 0 if is_silent else answer.status, fault)
        if not self.settings.keep_links and fault is None and answer.status not in _COMING_AGAIN:
            self._arrivals.forget(arrival.key)
        return self._dressing.dressed(answer, arrival)

    def _judge(
        self, arrival: PortalRequest, authorization: str | None, now: float
    ) -> tuple[PortalResponse, Fault | None]:
        """Return the bare answer and the fault that shows on it."""
        call, key = arrival.call, arrival.key
        if call is None:
            return cdn_pages.not_found(), None
        if not arrival.is_allowed:
            return cdn_pages.method_not_allowed(method_of(call)), None
        self.ledger.called(call.from_type, call.to_type)
        if (refusal := self._tokens.refusal(authorization)) is not None:
            return refusal, None
        is_single = isinstance(call, PutCall)
        self.ledger.seen(now, is_single=is_single)
        place = self._arrivals.next_place(key, call)
        fault = self._faults.hit(call, arrival.pair, key, place)
        inputs = BatchInputs()
        if fault not in UNSEEN:
            at_work = len(self._batches_at_work)
            if (policy := self._quota.take(now, is_single=is_single, at_work=at_work)) is not None:
                return self._throttled(policy, now, is_single=is_single), None
            inputs = inputs_of(call, arrival.body)
            self.ledger.counted(now, kind_of(call), len(inputs.documents))
            # Only of those that somebody will close: of others the work would never end.
            if arrival.is_batch and arrival in self._open:
                self._batches_at_work.add(arrival)
        self._arrivals.note_pass(key, call)
        return self._serve(call, inputs, CallContext(now, key, place.of_key), fault)

    def _throttled(self, policy: str, now: float, *, is_single: bool) -> PortalResponse:
        self.ledger.refused_by(policy)
        # Nobody knows what HubSpot would call that one.
        told = TEN_SECONDLY_ROLLING if policy == BATCH_IN_FLIGHT else policy
        if not self.settings.quota_retry_after:
            return error_bodies.throttled(told)
        return error_bodies.throttled(
            told, self._quota.retry_after(policy, now, is_single=is_single)
        )

    def _serve(
        self, call: Call, inputs: BatchInputs, ask: CallContext, fault: Fault | None
    ) -> tuple[PortalResponse, Fault | None]:
        """Return the bare answer to a request that passed, and the fault that shows on it."""
        if fault is not None and (instead := self._faults.instead(fault)) is not None:
            return instead, fault
        work = self._work(call, inputs, ask)
        answer = work.answer
        if fault is not None:
            answer = self._faults.changed(fault, call, answer)
            if answer is work.answer:
                fault = None
        is_done = fault is None or self._faults.is_done(fault)
        if is_done:
            self.ledger.linked(self._made.by_call(work.linked))
        # What an unmade batch refuses is refused as it says.
        if is_done or fault is Fault.UNMADE:
            self.ledger.was_refused(work.refused)
        return answer, fault

    def _work(self, call: Call, inputs: BatchInputs, ask: CallContext) -> CallResult:
        if isinstance(call, PutCall):
            return self._linker.link(call, ask)
        if isinstance(call, BatchCall):
            return self._batch_linker.link(call, inputs, ask)
        return self._reader.read(call, inputs, ask)
