"""What follows an attempt that did not just link its pair: its verdict is final, or a retry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar, assert_never

import attrs
import tenacity as _t

from aiohubassoc._http.call_outcome import FinalVerdict, Unfinished
from aiohubassoc._protocol.retry import (
    GiveUp,
    Retry,
    Why,
    decide_throttled,
    decide_transient,
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
from aiohubassoc.errors import AioHubAssocError, AuthenticationError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohubassoc._http.auth import TokenSource
    from aiohubassoc._http.clock import Clock
    from aiohubassoc._http.events import Events
    from aiohubassoc._http.sender import Call
    from aiohubassoc._protocol.classify import EndpointProof
    from aiohubassoc.options import RetryPolicy

SubjectT = TypeVar("SubjectT")


@attrs.define
class Resend(Transient):
    """The cause is its connection: send it over a new one, as the same attempt."""


class RetryLoop(Generic[SubjectT]):
    """
    Decides what follows each attempt of a call, and makes the next one where a retry may help.

    Args:
        policy: When to retry.
        clock: Time.
        jitter: Draws evenly from 0 to 1.
        tokens: Is asked for another token where HubSpot refuses one.
        proof: When HubSpot itself last responded: to any call of the client.
        events: What is reported of calls.
    """

    def __init__(
        self,
        policy: RetryPolicy,
        *,
        clock: Clock,
        jitter: Callable[[], float],
        tokens: TokenSource,
        proof: EndpointProof,
        events: Events,
    ) -> None:
        self._policy = policy
        self._clock = clock
        self._jitter = jitter
        self._tokens = tokens
        self._proof = proof
        self._events = events
        # Only this form is safe to share: tasks call it, none iterates it. Stopping is decided in
        # the core, because tenacity's own stops read another clock than ours.
        self._retrying = _t.AsyncRetrying(
            retry=_t.retry_if_result(_is_retry),
            wait=_wait,
            stop=_t.stop_never,
            sleep=clock.sleep,
        )

    async def finish(
        self,
        call: Call[SubjectT],
        verdict: Verdict,
        attempt: Callable[[Call[SubjectT]], Awaitable[Verdict]],
    ) -> FinalVerdict:
        """
        Return the final verdict of *call*, whose first attempt had this *verdict*.

        Args:
            call: The call.
            verdict: That of its first attempt.
            attempt: Makes another attempt.
        """
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

    def _after_interception(self, call: Call[SubjectT], error: AioHubAssocError) -> Refused | Fatal:
        """Decide whether a page that HubSpot did not write is about the pair or about the run."""
        if not self._proof.holds(self._clock.now()):
            return Fatal(error)
        # Other calls get through to HubSpot. One odd id must not end a run of a million.
        call.observer.on_progress()
        return Refused(error)

    def _after_fault(self, call: Call[SubjectT], verdict: Transient) -> FinalVerdict | Retry:
        if isinstance(verdict, Resend):
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


def _is_retry(verdict: FinalVerdict | Retry) -> bool:
    return isinstance(verdict, Retry)


def _wait(state: _t.RetryCallState) -> float:
    assert state.outcome is not None  # noqa: S101 -- tenacity asks after a result
    retry = state.outcome.result()
    assert isinstance(retry, Retry)  # noqa: S101 -- _is_retry said so
    return retry.after
