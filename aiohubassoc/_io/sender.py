"""One call to its end: line, wire, verdict, and again where that helps."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Generic, assert_never

import attrs
import tenacity as _t

from aiohubassoc._core.retry import (
    Again,
    GiveUp,
    Why,
    clamp,
    decide_throttled,
    decide_transient,
    is_beyond_patience,
)
from aiohubassoc._core.verdict import (
    Accepted,
    Fatal,
    Partial,
    Refused,
    Throttled,
    Told,
    Transient,
    Verdict,
)
from aiohubassoc._io.call import Call, Final, SubjectT, Unsettled, is_uncertain
from aiohubassoc._io.transport import ReusedAnswer, Unanswered
from aiohubassoc.errors import (
    AioHubAssocError,
    AuthenticationError,
    ClientClosedError,
    ConnectFailedError,
    ConnectionLostError,
    DailyReserveError,
    TransportError,
    UnconfirmedError,
    WrongEndpointError,
)

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from datetime import datetime
    from typing import TypeAlias

    from aiohubassoc._core.endpoints import Endpoint
    from aiohubassoc._core.verdict import Answer
    from aiohubassoc._io.clock import Clock
    from aiohubassoc._io.limiter import Limiter
    from aiohubassoc._io.tokens import TokenSource
    from aiohubassoc._io.transport import Transport
    from aiohubassoc.options import RetryPolicy

    Judge: TypeAlias = Callable[[Answer, SubjectT, Callable[[], datetime]], Verdict]

logger = logging.getLogger("aiohubassoc")


@attrs.define
class _Resend(Transient):
    """Its connection is to blame: the call goes again over a new one, as the same attempt."""


class Sender(Generic[SubjectT]):
    """
    Makes calls of one kind of one client: all of them under one limiter and one semaphore.

    Args:
        transport: Makes one call.
        endpoint: Gives the call for a subject: a pair, or many.
        judge: Says what its answer means.
        tokens: Gives the token for a call.
        limiter: Keeps the quota.
        semaphore: Held while a request is on the wire, never across a wait.
        policy: When to try again.
        clock: Time.
        jitter: Draws evenly from 0 to 1.
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
    ) -> None:
        self._transport = transport
        self._endpoint = endpoint
        self._judge = judge
        self._tokens = tokens
        self._limiter = limiter
        self._semaphore = semaphore
        self._policy = policy
        self._clock = clock
        self._jitter = jitter
        self._endpoint_proven = False
        # Only this form is safe to share: tasks call it, none iterates it. Stopping is decided in
        # the core, because tenacity's own stops read another clock than ours.
        self._retrying = _t.AsyncRetrying(
            retry=_t.retry_if_result(_is_again),
            wait=_wait,
            stop=_t.stop_never,
            sleep=clock.sleep,
        )

    async def settle(self, call: Call[SubjectT]) -> Final:
        """
        Make *call* until it is settled or given up.

        Its run is told that HubSpot is alive, but not of a pair that is linked at once: that it
        sees itself.

        Raises:
            ClientClosedError: the client was closed meanwhile.
            Exception: whatever the caller's token provider raises.
        """
        verdict = await self._try(call)
        if type(verdict) is Accepted and not call.token_renewed:  # nearly always
            self._endpoint_proven = True
            return verdict
        first = await self._follow(call, verdict)
        # tenacity costs as much as a third of a request: it is entered after a first failure only.
        return first if not isinstance(first, Again) else await self._repeat(call, first)

    async def _repeat(self, call: Call[SubjectT], first: Again) -> Final:
        pending: Again | None = first

        async def step() -> Final | Again:
            nonlocal pending
            if pending is not None:
                decided, pending = pending, None
                return decided
            return await self._follow(call, await self._try(call))

        settled: Final = await self._retrying(step)
        return settled

    async def _follow(self, call: Call[SubjectT], verdict: Verdict) -> Final | Again:
        """Decide what follows a try."""
        renewed, call.token_renewed = call.token_renewed, False
        match verdict:
            case Accepted() | Told() | Partial() | Refused():
                self._endpoint_proven = True
                call.watch.alive()
                return verdict
            case Transient():
                return self._after_fault(call, verdict)
            case Throttled():
                return self._after_refusal(call, verdict)
            case Fatal(AuthenticationError()) if not renewed:
                return await self._with_another_token(call, verdict)
            case Fatal(WrongEndpointError()) if self._endpoint_proven:
                # Other pairs got through: the address is right, it is something about this pair.
                return Refused(verdict.error)
            case Fatal():
                return verdict
            case _:
                assert_never(verdict)

    async def _try(self, call: Call[SubjectT]) -> Verdict:
        """Wait in line, send once, tell the limiter what came of it, and return the verdict."""
        limiter = self._limiter
        if not limiter.acquire_at_once() and (fatal := await self._wait_in_line()) is not None:
            return fatal
        sent_at: float | None = None
        try:
            call.token = self._tokens.fixed or await self._tokens.current()
            await self._semaphore.acquire()  # "async with" costs two coroutines more
            try:
                sent_at = self._clock.now()
                endpoint = self._endpoint(call.subject)
                if call.is_resend:  # it is the same attempt still
                    sending = self._transport.send(endpoint, call.token, needs_new=True)
                else:
                    call.attempts += 1
                    sending = self._transport.send(endpoint, call.token)
                call.on_wire = True
                answer, fresh = await sending
            finally:
                self._semaphore.release()
        except BaseException as error:
            self._interrupted(call, sent_at, error)
            raise
        call.on_wire = False
        if call.is_resend:
            call.is_resend = False
        now = self._clock.now()
        call.spent += now - sent_at
        if isinstance(answer, Unanswered):
            return self._unanswered(call, answer, sent_at, now, fresh=fresh)
        call.watch.heard(answer.status)
        verdict = self._judge(answer, call.subject, self._clock.utc_now)
        taken = True
        # The refusal first: with its token the next in line would go.
        if isinstance(verdict, Throttled):
            taken = False
            if not is_beyond_patience(self._policy, verdict):
                wait = clamp(self._policy, verdict.retry_after)
                call.pause = limiter.refused(sent_at, wait, by_quota=verdict.by_quota)
        limiter.settle(sent_at, now, fresh=fresh, taken=taken, headers=answer.headers)
        if type(verdict) is Accepted:
            call.reply = verdict.reply
            return verdict
        return await self._confirmed(call, answer, verdict)

    def _interrupted(
        self, call: Call[SubjectT], sent_at: float | None, error: BaseException
    ) -> None:
        """Note that a try ended without an answer, by *error*, which is no fault of the wire."""
        if isinstance(error, ClientClosedError) and call.on_wire:  # nothing was sent
            call.attempts -= not call.is_resend
            call.on_wire, sent_at = False, None
        # Cancelled on the wire, the request may have been sent, and counted by HubSpot.
        call.interrupted_on_wire, call.on_wire = call.on_wire, False
        if sent_at is None:
            self._limiter.give_back()
        else:
            self._limiter.settle(sent_at, self._clock.now(), fresh=True, taken=False)

    async def _confirmed(self, call: Call[SubjectT], answer: Answer, verdict: Verdict) -> Verdict:
        """Return *verdict* once *answer* is sure to be the one to *call*."""
        # The answer for many names its records, and for one pair that is linked likewise.
        if isinstance(answer, ReusedAnswer) and not isinstance(verdict, Told):
            call.on_wire = True
            try:
                is_own = await self._transport.confirm(answer)
            except BaseException:
                call.interrupted_on_wire = True
                raise
            finally:
                call.on_wire = False
            if not is_own:
                verdict = _Resend(ConnectionLostError("the answer may be that to another request"))
        _keep_reply(call, verdict)
        return verdict

    async def _wait_in_line(self) -> Fatal | None:
        try:
            await self._limiter.acquire()
        except DailyReserveError as error:
            return Fatal(error)
        return None

    def _unanswered(
        self, call: Call[SubjectT], answer: Unanswered, sent_at: float, now: float, *, fresh: bool
    ) -> Transient | Refused | Fatal:
        if isinstance(answer.error, ConnectFailedError):  # nothing was sent
            self._limiter.give_back()
        else:
            self._limiter.settle(sent_at, now, fresh=fresh, taken=False)
        if is_uncertain(answer.error):
            call.unknown, call.uncertain = answer.error, True
        if answer.was_reuse:
            return _Resend(answer.error)
        if answer.is_too_large:  # it would be so again: only a smaller call can help
            return Refused(answer.error)
        return Transient(answer.error) if answer.passing else Fatal(answer.error)

    def _after_fault(self, call: Call[SubjectT], verdict: Transient) -> Final | Again:
        if isinstance(verdict, _Resend):
            call.is_resend = True
            return _again_unless_stopping(call, verdict.error, Again(0.0))
        decision = decide_transient(
            self._policy,
            verdict,
            attempt=call.attempts,
            elapsed=call.spent,
            jitter=self._jitter(),
        )
        if isinstance(decision, GiveUp):
            logger.debug("%s given up, %s: %s", call.subject, decision.why, verdict.error)
            # Where a try may have made the link, that is what the caller must know.
            return Refused(call.unknown or verdict.error)
        logger.debug("%s again after %.2f s: %s", call.subject, decision.after, verdict.error)
        call.spent += decision.after
        return _again_unless_stopping(call, verdict.error, decision)

    def _after_refusal(self, call: Call[SubjectT], verdict: Throttled) -> Final | Again:
        call.attempts -= 1  # it was not the pair's fault
        decision: Again | GiveUp
        if is_beyond_patience(self._policy, verdict):
            decision = GiveUp(Why.PATIENCE)
        else:
            pause = call.pause
            logger.info("HubSpot takes no calls: all held for %.2f s: %s", pause, verdict.error)
            decision = decide_throttled(self._policy, pause=pause, elapsed=call.spent)
        if isinstance(decision, GiveUp):
            logger.debug("%s given up, %s: %s", call.subject, decision.why, verdict.error)
            if verdict.ends_run:
                return Fatal(verdict.error)
            return Refused(call.unknown or verdict.error)
        call.spent += decision.after
        # The limiter holds everybody for that long: no wait of its own on top.
        return _again_unless_stopping(call, verdict.error, Again(0.0))

    async def _with_another_token(self, call: Call[SubjectT], verdict: Fatal) -> Final | Again:
        if await self._tokens.renew(call.token) is None:
            return verdict
        logger.info("the access token was refused and renewed")
        call.attempts -= 1
        call.token_renewed = True
        return _again_unless_stopping(call, verdict.error, Again(0.0))


def _again_unless_stopping(
    call: Call[SubjectT], error: AioHubAssocError, again: Again
) -> Final | Again:
    call.error = error
    call.watch.trouble(error)
    return Unsettled(error) if call.watch.stopping else again


def _keep_reply(call: Call[SubjectT], verdict: Verdict) -> None:
    """Keep on *call* what its outcome is to say, whatever a later try comes to."""
    if isinstance(verdict, Partial):
        call.reply = verdict.reply
    elif isinstance(verdict, Transient):
        if isinstance(verdict.error, UnconfirmedError):
            call.reply = verdict.error.reply
        elif isinstance(verdict.error, TransportError):
            call.unknown = verdict.error
        call.uncertain = call.uncertain or is_uncertain(verdict.error)


def _is_again(settled: Final | Again) -> bool:
    return isinstance(settled, Again)


def _wait(state: _t.RetryCallState) -> float:
    assert state.outcome is not None  # noqa: S101 -- tenacity asks after a result
    again = state.outcome.result()
    assert isinstance(again, Again)  # noqa: S101 -- _is_again said so
    return again.after
