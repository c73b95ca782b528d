"""One call to its end: wait queue, request, verdict, and retries where they help."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, assert_never

import attrs
import tenacity as _t

from aiohubassoc._http.clock import bind_now
from aiohubassoc._http.failures import NoResponse
from aiohubassoc._http.limiter_interface import ExpiringLimiter
from aiohubassoc._http.request_state import Call, FinalVerdict, SubjectT, Unfinished, is_uncertain
from aiohubassoc._http.transport import ReusedResponse
from aiohubassoc._protocol.classify import is_from_hubspot
from aiohubassoc._protocol.verdicts import (
    About,
    Accepted,
    Fatal,
    GiveUp,
    Intercepted,
    Partial,
    Refused,
    Replied,
    Retry,
    Throttled,
    Transient,
    Verdict,
    Why,
    clamp,
    decide_throttled,
    decide_transient,
    is_beyond_patience,
)
from aiohubassoc.errors import (
    AioHubAssocError,
    AuthenticationError,
    ClientClosedError,
    ConnectError,
    ConnectionLostError,
    DailyReserveError,
    SharedQuotaError,
    TransportError,
    UnconfirmedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from typing import TypeAlias

    from aiohubassoc._http.auth import TokenSource
    from aiohubassoc._http.clock import Clock
    from aiohubassoc._http.events import Events
    from aiohubassoc._http.limiter_interface import Limiter
    from aiohubassoc._http.transport import Transport
    from aiohubassoc._protocol.classify import EndpointProof
    from aiohubassoc._protocol.requests import Endpoint
    from aiohubassoc._protocol.verdicts import Response
    from aiohubassoc.options import RetryPolicy

    Judge: TypeAlias = Callable[[Response, SubjectT, Callable[[], datetime]], Verdict]


@attrs.define
class _Resend(Transient):
    """The cause is its connection: send it over a new one, as the same attempt."""


class Sender(Generic[SubjectT]):
    """
    Makes calls of one kind of one client: all of them under one limiter and one semaphore.

    Args:
        transport: Makes one call.
        endpoint: Gives the call for a subject: a pair, or many.
        judge: Returns what its response means.
        tokens: Gives the token for a call.
        limiter: Keeps the quota.
        semaphore: Held while a request is in flight, never while waiting.
        policy: When to retry.
        clock: Time.
        jitter: Draws evenly from 0 to 1.
        proof: When HubSpot itself last responded: to any call of the client.
        events: What is reported of calls.
    """

    def __init__(
        self,
        *,
        transport: Transport,
        endpoint: Callable[[SubjectT], Endpoint],
        judge: Judge[SubjectT],
        tokens: TokenSource,
        limiter: Limiter,
        semaphore: asyncio.Semaphore,
        policy: RetryPolicy,
        clock: Clock,
        jitter: Callable[[], float],
        proof: EndpointProof,
        events: Events,
    ) -> None:
        self._transport = transport
        self._endpoint = endpoint
        self._judge = judge
        self._tokens = tokens
        self._limiter = limiter
        self._expiring = limiter if isinstance(limiter, ExpiringLimiter) else None
        self._semaphore = semaphore
        self._policy = policy
        self._clock = clock
        self._jitter = jitter
        self._proof = proof
        self._events = events
        self._on_response = events.on_response
        self._now = bind_now(clock)
        self._loop = asyncio.get_running_loop()
        # Only this form is safe to share: tasks call it, none iterates it. Stopping is decided in
        # the core, because tenacity's own stops read another clock than ours.
        self._retrying = _t.AsyncRetrying(
            retry=_t.retry_if_result(_is_retry),
            wait=_wait,
            stop=_t.stop_never,
            sleep=clock.sleep,
        )

    async def settle(self, call: Call[SubjectT]) -> FinalVerdict:
        """
        Make *call* to its final verdict.

        Its run learns that HubSpot is alive, but not of a pair that is linked at once: that it
        sees itself.

        Raises:
            ClientClosedError: the client was closed meanwhile.
            Exception: what the caller's token provider raises.
        """
        verdict = await self._try(call)
        if type(verdict) is Accepted and not call.token_renewed:  # nearly always
            return verdict
        first = await self._follow(call, verdict)
        # tenacity costs as much as a third of a request: it is entered after a first failure only.
        return first if not isinstance(first, Retry) else await self._repeat(call, first)

    async def _repeat(self, call: Call[SubjectT], first: Retry) -> FinalVerdict:
        pending: Retry | None = first

        async def step() -> FinalVerdict | Retry:
            nonlocal pending
            if pending is not None:
                decided, pending = pending, None
                return decided
            return await self._follow(call, await self._try(call))

        verdict: FinalVerdict = await self._retrying(step)
        return verdict

    async def _follow(self, call: Call[SubjectT], verdict: Verdict) -> FinalVerdict | Retry:
        """Decide what follows an attempt."""
        renewed, call.token_renewed = call.token_renewed, False
        match verdict:
            case Fatal(AuthenticationError()):
                return await self._with_another_token(call, verdict, renewed=renewed)
            case Fatal() | Refused(about=About.PATH):  # no pair has its outcome by it
                return verdict
            case Accepted() | Replied() | Partial() | Refused():
                call.observer.on_progress()
                return verdict
            case Intercepted(error):
                return self._after_interception(call, error)
            case Transient():
                return self._after_fault(call, verdict)
            case Throttled():
                return self._after_refusal(call, verdict)
            case _:
                assert_never(verdict)

    async def _try(  # noqa: C901, PLR0912, PLR0915 -- one place owns the permit, on every path
        self, call: Call[SubjectT]
    ) -> Verdict:
        """Wait for a permit, send once, and return the verdict. The limiter hears of every end."""
        limiter = self._limiter
        if not limiter.try_acquire() and (fatal := await self._wait_for_permit()) is not None:
            return fatal
        expiring = self._expiring
        generation = 0 if expiring is None else expiring.generation
        sent_at: float | None = None
        response: Response | None = None
        verdict: Verdict | None = None
        now, exact = 0.0, True
        try:
            call.token = self._tokens.fixed or await self._tokens.current()
            call.renewals = self._tokens.renewals
            await self._semaphore.acquire()  # "async with" costs two coroutines more
            try:
                endpoint = self._endpoint(call.subject)
                if expiring is not None and not expiring.is_usable(generation):
                    fatal = await self._renew_permit(expiring)
                    if fatal is not None:
                        return fatal
                sent_at = self._now()
                if call.is_resend:  # it is the same attempt still
                    sending = self._transport.send(endpoint, call.token, needs_new=True)
                else:
                    call.attempts += 1
                    sending = self._transport.send(endpoint, call.token)
                call.in_flight = True
                received, waited = await sending
            finally:
                self._semaphore.release()
            call.in_flight = False
            if call.is_resend:
                call.is_resend = False
            now = self._now()
            seconds = now - sent_at
            call.spent += seconds
            if isinstance(received, NoResponse):
                if isinstance(received.error, ConnectError):
                    sent_at = None
                verdict = _without_response(call, received)
                if self._on_response is not None:
                    self._on_response(call, endpoint, received, verdict, seconds)
                return verdict
            response, exact = received, waited is not None
            sent_at += waited or 0.0
            call.observer.on_response(response.status)
            verdict = self._judge(response, call.subject, self._clock.utc_now)
            if type(verdict) is Accepted:  # nearly always
                call.reply = verdict.reply
                self._proof.responded_at = now
            else:
                self._note_verdict(response, verdict, call, sent_at)
        except BaseException as error:
            if isinstance(error, ClientClosedError) and call.in_flight:  # nothing was sent
                call.attempts -= not call.is_resend
                call.in_flight, sent_at = False, None
            call.cut_off_in_flight, call.in_flight = call.in_flight, False
            call.uncertain = call.uncertain or response is not None  # it was not judged
            raise
        finally:
            if not self._loop.is_running():
                pass  # thrown away with its event loop, whose calls the limiter itself forgets
            elif sent_at is None:
                limiter.release_unused()
            elif response is None:
                limiter.record_no_response(sent_at)
            else:
                accepted = verdict is not None and not isinstance(verdict, Throttled)
                limiter.record_response(
                    sent_at, now, exact=exact, accepted=accepted, headers=response.headers
                )
        if self._on_response is not None:
            self._on_response(call, endpoint, response, verdict, seconds)
        if type(verdict) is Accepted:  # nearly always
            return verdict
        return await self._confirmed(call, response, verdict)

    async def _confirmed(
        self, call: Call[SubjectT], response: Response, verdict: Verdict
    ) -> Verdict:
        """Return *verdict* once *response* is sure to be the one to *call*."""
        # The response for many names its records, as that for one pair does that is linked.
        if isinstance(response, ReusedResponse) and not isinstance(verdict, Replied):
            response.body = b""  # it is judged, and other calls continue while this one waits
            call.in_flight = True
            try:
                is_own = await self._transport.confirm(response)
            except BaseException:
                call.cut_off_in_flight = True
                raise
            finally:
                call.in_flight = False
            if not is_own:
                lost = ConnectionLostError("the response may be that to another request")
                verdict = _Resend(lost)
        _keep_reply(call, verdict)
        return verdict

    def _note_verdict(
        self, response: Response, verdict: Verdict, call: Call[SubjectT], sent_at: float
    ) -> None:
        """Hold all calls back after a throttle, and note whether HubSpot responded."""
        # Before its permit is back: the next in the queue would go with that.
        if isinstance(verdict, Throttled) and not is_beyond_patience(self._policy, verdict):
            wait = clamp(self._policy, verdict.retry_after)
            call.pause = self._limiter.record_throttle(sent_at, wait, by_quota=verdict.by_quota)
        if is_from_hubspot(response, verdict):
            self._proof.responded_at = self._now()

    async def _wait_for_permit(self) -> Fatal | None:
        try:
            await self._limiter.acquire()
        except (DailyReserveError, SharedQuotaError) as error:
            return Fatal(error)
        return None

    async def _renew_permit(self, limiter: ExpiringLimiter) -> Fatal | None:
        try:
            await limiter.renew()
        except (DailyReserveError, SharedQuotaError) as error:
            return Fatal(error)
        return None

    def _after_interception(self, call: Call[SubjectT], error: AioHubAssocError) -> Refused | Fatal:
        """Decide whether a page that HubSpot did not write is about the pair or about the run."""
        if not self._proof.holds(self._clock.now()):
            return Fatal(error)
        # Other calls get through to HubSpot. One odd id must not end a run of a million.
        call.observer.on_progress()
        return Refused(error)

    def _after_fault(self, call: Call[SubjectT], verdict: Transient) -> FinalVerdict | Retry:
        if isinstance(verdict, _Resend):
            call.is_resend = True
            return self._retry_unless_stopping(call, verdict.error, Retry(0.0))
        decision = decide_transient(
            self._policy,
            verdict,
            attempt=call.attempts,
            elapsed=call.spent,
            jitter=self._jitter(),
        )
        if isinstance(decision, GiveUp):
            self._events.given_up(call, verdict.error, decision.why)
            # Where an attempt may have made the link, the caller must know that.
            return Refused(call.unknown or verdict.error, About.MOMENT)
        call.spent += decision.after
        return self._retry_unless_stopping(call, verdict.error, decision)

    def _after_refusal(self, call: Call[SubjectT], verdict: Throttled) -> FinalVerdict | Retry:
        attempt = call.total_attempts
        call.attempts -= 1  # it was not the pair's fault
        decision: Retry | GiveUp
        if is_beyond_patience(self._policy, verdict):
            decision = GiveUp(Why.PATIENCE)
        else:
            pause = call.pause
            self._events.throttled(call, verdict.error, pause)
            decision = decide_throttled(self._policy, pause=pause, elapsed=call.spent)
        if isinstance(decision, GiveUp):
            self._events.given_up(call, verdict.error, decision.why)
            if verdict.ends_run:
                return Fatal(verdict.error)
            return Refused(call.unknown or verdict.error, About.MOMENT)
        call.spent += decision.after
        # The limiter pauses all calls for that long: no wait of its own on top.
        return self._retry_unless_stopping(
            call, verdict.error, Retry(0.0), attempt=attempt, delay=decision.after
        )

    async def _with_another_token(
        self, call: Call[SubjectT], verdict: Fatal, *, renewed: bool
    ) -> FinalVerdict | Retry:
        """Report the refused token, and retry once with another, but not twice in a row."""
        if not await self._tokens.renew(call.token, call.renewals) or renewed:
            return verdict
        self._events.token_renewed(call, verdict.error)
        attempt = call.total_attempts
        call.attempts -= 1
        call.token_renewed = True
        return self._retry_unless_stopping(call, verdict.error, Retry(0.0), attempt=attempt)

    def _retry_unless_stopping(
        self,
        call: Call[SubjectT],
        error: AioHubAssocError,
        retry: Retry,
        *,
        attempt: int | None = None,
        delay: float | None = None,
    ) -> FinalVerdict | Retry:
        """Report *attempt*, that of the call if None; *delay* is that of *retry* if None."""
        call.error = error
        call.observer.on_retry(error)
        if call.observer.stopping:
            return Unfinished(error)
        self._events.retry(
            call,
            error,
            call.total_attempts if attempt is None else attempt,
            retry.after if delay is None else delay,
        )
        return retry


def _without_response(call: Call[SubjectT], received: NoResponse) -> Transient | Refused | Fatal:
    if is_uncertain(received.error):
        call.unknown, call.uncertain = received.error, True
    if received.was_reuse:
        return _Resend(received.error)
    if received.is_too_large:  # only a smaller call can help
        return Refused(received.error, About.BATCH)
    return Transient(received.error) if received.passing else Fatal(received.error)


def _keep_reply(call: Call[SubjectT], verdict: Verdict) -> None:
    """Keep on *call* what its outcome has to say, even if a later attempt ends otherwise."""
    if isinstance(verdict, Partial):
        call.reply = verdict.reply
    elif isinstance(verdict, Transient):
        if isinstance(verdict.error, UnconfirmedError):
            call.reply = verdict.error.reply
        elif isinstance(verdict.error, TransportError):
            call.unknown = verdict.error
        call.uncertain = call.uncertain or is_uncertain(verdict.error)


def _is_retry(verdict: FinalVerdict | Retry) -> bool:
    return isinstance(verdict, Retry)


def _wait(state: _t.RetryCallState) -> float:
    assert state.outcome is not None  # noqa: S101 -- tenacity asks after a result
    retry = state.outcome.result()
    assert isinstance(retry, Retry)  # noqa: S101 -- _is_retry said so
    return retry.after
