"""What follows an attempt that did not link its pair: the verdict is final, or a retry follows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar, assert_never

import attrs
import tenacity as _t

from aiohubassoc._http.auth import TokenSource
from aiohubassoc._http.call_outcome import FinalVerdict, Unfinished
from aiohubassoc._http.clock import Clock
from aiohubassoc._http.events import Events
from aiohubassoc._http.transport import Transport
from aiohubassoc._protocol.classify import EndpointProof
from aiohubassoc._protocol.retry import (
    GiveUp,
    Retry,
    Why,
    decide_throttled,
    decide_transient,
    decide_unconnected,
    is_beyond_patience,
)
from aiohubassoc._protocol.verdicts import (
    About,
    Accepted,
    Fatal,
    Intercepted,
    Partial,
    Refused,
    Replied,
    Throttled,
    Transient,
    Verdict,
)
from aiohubassoc.errors import (
    AioHubAssocError,
    AuthenticationError,
    ConnectError,
    RunStoppedError,
)
from aiohubassoc.options import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from aiohubassoc._http.sender import Call

SubjectT = TypeVar("SubjectT")


@attrs.define
class Resend(Transient):
    """Its connection was the cause: send it again over a new one. It is still the same attempt."""


@attrs.frozen
class Dependencies:
    """What all senders of a client share."""

    transport: Transport
    tokens: TokenSource  # gives the token of each attempt, and renews one that HubSpot refused
    semaphore: asyncio.Semaphore  # held while a request is in flight, never while waiting
    policy: RetryPolicy  # when to retry
    clock: Clock
    jitter: Callable[[], float]  # draws evenly from 0 to 1
    events: Events  # what is reported of calls
    # When HubSpot itself last responded: to any call, as all have the same base URL.
    proof: EndpointProof = attrs.Factory(EndpointProof)


class RetryLoop(Generic[SubjectT]):
    """Decides what follows each attempt of a call, and makes the next one where it may help."""

    def __init__(self, shared: Dependencies) -> None:
        self._shared = shared
        self._policy = shared.policy
        self._events = shared.events
        # Called, not iterated: only then tasks may share it. When to give up is decided in
        # `_protocol/retry.py`, because tenacity's own stops read another clock.
        self._retrying = _t.AsyncRetrying(
            retry=_t.retry_if_result(_is_retry),
            wait=_wait,
            stop=_t.stop_never,
            sleep=shared.clock.sleep,
        )

    async def finish(
        self,
        call: Call[SubjectT],
        verdict: Verdict,
        attempt: Callable[[Call[SubjectT]], Awaitable[Verdict]],
    ) -> FinalVerdict:
        first = await self._follow(call, verdict)
        # tenacity costs as much as a third of a request: it is entered for a second attempt only.
        if not isinstance(first, Retry):
            return first
        pending: Retry | None = first

        async def step() -> FinalVerdict | Retry:
            nonlocal pending
            if pending is not None:
                decided, pending = pending, None
                return decided
            return await self._follow(call, await attempt(call))

        final: FinalVerdict = await self._retrying(step)
        return final

    async def _follow(self, call: Call[SubjectT], verdict: Verdict) -> FinalVerdict | Retry:
        renewed, call.token_renewed = call.token_renewed, False
        was_resend, call.is_resend = call.is_resend, False
        if not (isinstance(verdict, Transient) and isinstance(verdict.error, ConnectError)):
            call.failed_connects, call.unconnected = 0, 0.0
        match verdict:
            case Fatal(AuthenticationError()):
                return await self._with_another_token(call, verdict, renewed=renewed)
            case Fatal() | Refused(about=About.PATH):  # it completes no pair
                return verdict
            case Accepted() | Replied() | Partial() | Refused():
                call.observer.on_progress()
                return verdict
            case Intercepted(error):
                return self._after_interception(call, error)
            case Transient():
                return self._after_fault(call, verdict, was_resend=was_resend)
            case Throttled():
                return self._after_refusal(call, verdict)
            case _:
                assert_never(verdict)

    def _after_interception(self, call: Call[SubjectT], error: AioHubAssocError) -> Refused | Fatal:
        """Decide whether a page that HubSpot did not write is about the pair or about the run."""
        if not self._shared.proof.holds(self._shared.clock.now()):
            return Fatal(error)
        # Other calls reach HubSpot. One odd id must not stop a run of a million pairs.
        call.observer.on_progress()
        return Refused(error)

    def _after_no_connection(
        self, call: Call[SubjectT], error: ConnectError, *, was_resend: bool
    ) -> FinalVerdict | Retry:
        """Decide what follows in a run where nothing could be sent: no pair is at fault."""
        attempt = call.total_attempts
        call.attempts -= not was_resend  # it does not count as an attempt
        call.is_resend = was_resend
        call.failed_connects += 1
        decision = decide_unconnected(
            self._policy,
            failures=call.failed_connects,
            elapsed=call.unconnected,
            jitter=self._shared.jitter(),
        )
        if isinstance(decision, GiveUp):
            self._events.given_up(call, error, decision.why)
            text = f"no connection for {call.unconnected:.0f} s. Last error: {error}"
            return Fatal(RunStoppedError(text))
        call.unconnected += decision.after
        return self._retry_unless_stopping(call, error, decision, attempt=attempt)

    def _after_fault(
        self, call: Call[SubjectT], verdict: Transient, *, was_resend: bool
    ) -> FinalVerdict | Retry:
        if isinstance(verdict, Resend):
            call.is_resend = True
            return self._retry_unless_stopping(call, verdict.error, Retry(0.0))
        # Who makes a call outside of a run waits for its error.
        if isinstance(verdict.error, ConnectError) and call.observer.run_id is not None:
            return self._after_no_connection(call, verdict.error, was_resend=was_resend)
        decision = decide_transient(
            self._policy,
            verdict,
            attempt=call.attempts,
            elapsed=call.spent,
            jitter=self._shared.jitter(),
        )
        if isinstance(decision, GiveUp):
            self._events.given_up(call, verdict.error, decision.why)
            # An attempt that may have made the link matters more to the caller than the last one.
            return Refused(call.unknown or verdict.error, About.MOMENT)
        call.spent += decision.after
        return self._retry_unless_stopping(call, verdict.error, decision)

    def _after_refusal(self, call: Call[SubjectT], verdict: Throttled) -> FinalVerdict | Retry:
        attempt = call.total_attempts
        call.attempts -= 1  # a throttle does not count as an attempt
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
        # The limiter pauses all calls until then, so this call does not wait here as well.
        return self._retry_unless_stopping(
            call, verdict.error, Retry(0.0), attempt=attempt, delay=decision.after
        )

    async def _with_another_token(
        self, call: Call[SubjectT], verdict: Fatal, *, renewed: bool
    ) -> FinalVerdict | Retry:
        """Renew the refused token, and retry with the new one, unless that is refused as well."""
        if not await self._shared.tokens.renew(call.token, call.renewals) or renewed:
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
        """Report a retry; *attempt* and *delay* are those of the call and of *retry* if None."""
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


def _is_retry(verdict: FinalVerdict | Retry) -> bool:
    return isinstance(verdict, Retry)


def _wait(state: _t.RetryCallState) -> float:
    assert state.outcome is not None  # noqa: S101 -- tenacity asks after a result
    retry = state.outcome.result()
    assert isinstance(retry, Retry)  # noqa: S101 -- _is_retry said so
    return retry.after
