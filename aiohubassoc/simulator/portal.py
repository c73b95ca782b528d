"""
The portal: requests in, answers out.

Rule 1: nothing here waits or reads a clock. Time is an argument, in seconds, and never goes back.
Rule 2: a request is judged in one order: path, token, scopes, the edge's faults, quota, HubSpot's
faults, object types, ids, records.
Rule 3: what is drawn depends on the seed, the pair and how often it came, and on nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from aiohubassoc.simulator import edge_pages, refusals
from aiohubassoc.simulator.answers import Answer, Manner
from aiohubassoc.simulator.arrivals import Arrival, Arrivals
from aiohubassoc.simulator.batch import BatchLinker
from aiohubassoc.simulator.books import Books
from aiohubassoc.simulator.chance import Chance
from aiohubassoc.simulator.faults import UNSEEN, Faults
from aiohubassoc.simulator.linking import Linker, Work
from aiohubassoc.simulator.object_types import ObjectTypes
from aiohubassoc.simulator.paths import BatchCall, Call, PutCall, method_of
from aiohubassoc.simulator.quota import Quota
from aiohubassoc.simulator.settings import PortalSettings
from aiohubassoc.simulator.successes import Ask

if TYPE_CHECKING:
    from aiohubassoc.simulator.fault_plan import Fault

# With headers="some". Recorded answers lack the daily ones nearly half of the time.
_DAILY_MISSING = 0.5
_ROLLING_MISSING = 0.25

# After these the same call is likely to come again, faults or not.
_COMING_AGAIN = frozenset({401, 403, 429})


class Portal:
    """
    One HubSpot account.

    Args:
        settings: What it is like.

    Attributes:
        books: What happened.
    """

    def __init__(self, settings: PortalSettings | None = None) -> None:
        settings = PortalSettings() if settings is None else settings
        chance = Chance(settings.seed)
        types = ObjectTypes(settings.custom_types)
        self.settings = settings
        self.books = Books(settings)
        self._chance = chance
        self._tokens = set(settings.tokens)
        self._revoked: set[str] = set()
        self._arrivals = Arrivals(settings.latency, chance, types)
        self._quota = Quota(settings)
        self._faults = Faults(settings.faults, chance, types)
        self._linker = Linker(settings, chance, types)
        self._batch_linker = BatchLinker(settings, chance, types)

    def accept(self, token: str) -> None:
        """Take *token* from now on."""
        self._revoked.discard(token)
        self._tokens.add(token)

    def revoke(self, token: str) -> None:
        """Call *token* expired from now on."""
        self._tokens.discard(token)
        self._revoked.add(token)

    def arrive(self, method: str, raw_path: str, body: bytes = b"") -> Arrival:
        """
        Return what is known of a request before it is counted.

        Args:
            method: The HTTP method.
            raw_path: The path as in the request line.
            body: Of a batch call; that of any other call does not matter.
        """
        return self._arrivals.note(method, raw_path, body)

    def answer(self, arrival: Arrival, authorization: str | None, now: float) -> Answer:
        """
        Count a request and return the answer to it; links are made here.

        Args:
            arrival: What `arrive` said of it.
            authorization: The header of this name. None: there was none.
            now: The portal's clock, `Arrival.delay` after the arrival.
        """
        answer, fault = self._judge(arrival, authorization, now)
        is_silent = answer.manner in (Manner.NEVER, Manner.RESET)
        self.books.answered(now, 0 if is_silent else answer.status, fault)
        if not self.settings.keep_links and fault is None and answer.status not in _COMING_AGAIN:
            self._arrivals.forget(arrival.key)
        return self._dressed(answer, arrival)

    def _judge(
        self, arrival: Arrival, authorization: str | None, now: float
    ) -> tuple[Answer, Fault | None]:
        """Return the bare answer and the fault that shows on it."""
        call, key = arrival.call, arrival.key
        if call is None:
            return edge_pages.not_found(), None
        if not arrival.is_allowed:
            return edge_pages.method_not_allowed(method_of(call)), None
        self.books.called(call.from_type, call.to_type)
        if (refusal := self._stranger(authorization)) is not None:
            return refusal, None
        is_single = isinstance(call, PutCall)
        if is_single:
            self.books.seen(now)
        number = self._arrivals.next_pass(key)
        fault = self._faults.hit(arrival.pair, key, number, self._arrivals.passed + 1)
        if fault not in UNSEEN:
            if (policy := self._quota.take(now, is_single=is_single)) is not None:
                return self._throttled(policy, now), None
            self.books.counted(now, is_single=is_single)
        self._arrivals.note_pass(key)
        return self._serve(call, arrival.body, Ask(now, key, number), fault)

    def _stranger(self, authorization: str | None) -> Answer | None:
        """Return the refusal of a caller who may not call, None for one who may."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme != "Bearer" or token not in self._tokens:
            if scheme == "Bearer" and token in self._revoked:
                return refusals.expired_authentication()
            return refusals.no_authentication()
        if self.settings.missing_scopes:
            return refusals.missing_scopes(self.settings.missing_scopes)
        return None

    def _throttled(self, policy: str, now: float) -> Answer:
        self.books.refused_by(policy)
        if not self.settings.quota_retry_after:
            return refusals.throttled(policy)
        return refusals.throttled(policy, self._quota.retry_after(policy, now))

    def _serve(
        self, call: Call, body: bytes, ask: Ask, fault: Fault | None
    ) -> tuple[Answer, Fault | None]:
        """Return the bare answer to a request that passed, and the fault that shows on it."""
        if fault is not None and (instead := self._faults.instead(fault)) is not None:
            return instead, fault
        work = self._work(call, body, ask)
        answer = work.answer
        if fault is not None:
            answer = self._faults.changed(fault, answer)
            if answer is work.answer:
                fault = None
        if fault is None or self._faults.is_done(fault):
            self.books.linked(work.linked)
            self.books.was_refused(work.refused)
        return answer, fault

    def _work(self, call: Call, body: bytes, ask: Ask) -> Work:
        if isinstance(call, BatchCall):
            return self._batch_linker.link(call, body, ask)
        return self._linker.link(call, ask)

    def _dressed(self, answer: Answer, arrival: Arrival) -> Answer:
        """Return *answer* with all that does not depend on what it says."""
        key, number = arrival.key, arrival.number
        headers = dict(answer.headers)
        document = answer.document
        if answer.by_hubspot:
            correlation_id = self._chance.uuid("correlation id", key, number)
            headers["X-HubSpot-Correlation-Id"] = correlation_id
            if document is not None and not answer.is_success:
                document = document | {"correlationId": correlation_id}
        if answer.tells_limits:
            headers |= self._rate_headers(key, number)
        latency = self.settings.latency
        delay = answer.delay + self._chance.delay(
            latency.after_median, latency.after_sigma, "after", key, number
        )
        return attrs.evolve(answer, document=document, headers=headers, delay=delay)

    def _rate_headers(self, key: str, number: int) -> dict[str, str]:
        mode = self.settings.headers
        if mode == "none":
            return {}
        if mode == "all":
            return self._quota.headers()
        return self._quota.headers(
            daily=self._chance.share("daily headers", key, number) >= _DAILY_MISSING,
            rolling=self._chance.share("rolling headers", key, number) >= _ROLLING_MISSING,
        )
