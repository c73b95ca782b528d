"""One call: waits for a permit, sends the request, judges the response, and retries."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import TYPE_CHECKING, Final, Generic, TypeAlias, TypeVar

from aiohubassoc._http.call_outcome import (
    NO_HISTORY,
    NO_OBSERVER,
    CallObserver,
    FinalVerdict,
    History,
    is_uncertain,
)
from aiohubassoc._http.clock import bind_now
from aiohubassoc._http.failures import NoResponse
from aiohubassoc._http.limiter_interface import ExpiringLimiter
from aiohubassoc._http.retry_loop import Dependencies, Resend, RetryLoop
from aiohubassoc._http.transport import ReusedResponse
from aiohubassoc._protocol.classify import is_from_hubspot
from aiohubassoc._protocol.retry import clamp, is_beyond_patience
from aiohubassoc._protocol.verdicts import (
    About,
    Accepted,
    Fatal,
    Partial,
    Refused,
    Replied,
    Throttled,
    Transient,
    Verdict,
)
from aiohubassoc.errors import (
    AioHubAssocError,
    ClientClosedError,
    ConnectError,
    ConnectionLostError,
    DailyReserveError,
    SharedQuotaError,
    TransportError,
    UnconfirmedError,
)
from aiohubassoc.pair import Pair

SubjectT = TypeVar("SubjectT")

_2XX: Final = range(200, 300)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from aiohubassoc._http.limiter_interface import Limiter
    from aiohubassoc._protocol.codec import Steps
    from aiohubassoc._protocol.requests import Endpoint
    from aiohubassoc._protocol.verdicts import Response
    from aiohubassoc.replies import DefaultAssociations

    JudgeReply: TypeAlias = Callable[[Response, SubjectT], Verdict | Steps[Verdict]]
    JudgeRefusal: TypeAlias = Callable[[Response, SubjectT, datetime], Verdict | Steps[Verdict]]


class Call(Generic[SubjectT]):
    """One logical call, with its retries; *history* is that of earlier calls for its pairs."""

    # On the class: to set them for every pair would cost as much as to read its reply.
    attempts: int = 0  # attempts made, without those that do not count, such as throttled ones
    failed_connects: int = 0  # in a run: how many attempts in a row made no connection
    # Seconds of the attempts in a row that made no connection, and of their waits.
    unconnected: float = 0.0
    spent: float = 0.0  # seconds since the first request was sent, without time in the wait queue
    pause: float = 0.0  # seconds for which the last throttle paused all calls
    in_flight: bool = False  # whether a request is in flight now
    cut_off_in_flight: bool = False  # whether the call was cancelled while a request was in flight
    reply: DefaultAssociations | None = None  # the last reply that could be read
    error: AioHubAssocError | None = None  # why the last attempt failed
    # The error of the last attempt that may have made the link without a response.
    unknown: TransportError | None = None
    uncertain: bool = False  # whether any attempt may have made the link without a confirmation
    token: str = ""  # the token of the last attempt
    renewals: int = 0  # how many renewals of tokens had ended when that token was used
    token_renewed: bool = False  # whether a token was refused, and this attempt has the renewed one
    # Whether this request repeats one over a new connection, as the same attempt.
    is_resend: bool = False

    history: History = NO_HISTORY

    def __init__(
        self, subject: SubjectT, observer: CallObserver = NO_OBSERVER, history: History = NO_HISTORY
    ) -> None:
        self.subject = subject
        self.observer = observer
        if history is not NO_HISTORY:
            self.history = history
            self.uncertain, self.unknown = history.uncertain, history.unknown

    @property
    def total_attempts(self) -> int:
        """The attempts of this call and of those before it."""
        return self.history.attempts + self.attempts

    def to_history(self) -> History:
        return History(self.total_attempts, self.uncertain, self.unknown)

    def to_cut_off_history(self) -> History:
        """Return the same for a call that was cancelled, while it waited or was in flight."""
        error, uncertain = self.error, self.uncertain
        if self.cut_off_in_flight:
            error, uncertain = ConnectionLostError("the run ended before the response came"), True
        unmentioned = self.history.unmentioned
        return History(self.total_attempts, uncertain, self.unknown, error, self.reply, unmentioned)


Send: TypeAlias = "Callable[[Call[SubjectT]], Awaitable[FinalVerdict]]"
"""Makes a call, with its retries, to its final verdict: `Sender.send`."""


class Sender(Generic[SubjectT]):
    """Makes the calls of one kind of a client, with one limiter and one semaphore."""

    def __init__(
        self,
        shared: Dependencies,
        limiter: Limiter,
        endpoint: Callable[[SubjectT], Endpoint],
        judge_reply: JudgeReply[SubjectT],
        judge_refusal: JudgeRefusal[SubjectT],
    ) -> None:
        self._transport = shared.transport
        self._endpoint = endpoint
        self._judge_reply = judge_reply
        self._judge_refusal = judge_refusal
        self._tokens = shared.tokens
        self._limiter = limiter
        self._expiring = limiter if isinstance(limiter, ExpiringLimiter) else None
        self._semaphore = shared.semaphore
        self._policy = shared.policy
        self._clock = shared.clock
        self._proof = shared.proof
        self._retry_loop: RetryLoop[SubjectT] = RetryLoop(shared)
        self._on_response = shared.events.on_response
        self._now = bind_now(shared.clock)
        self._loop = asyncio.get_running_loop()

    async def send(self, call: Call[SubjectT]) -> FinalVerdict:
        """Make a call, with its retries, and return its final verdict."""
        # `CallObserver.on_progress` is called for it, but not if the first attempt links the pair:
        # the caller sees that in the verdict.
        verdict = await self._try(call)
        if type(verdict) is Accepted and not call.token_renewed:  # nearly always
            return verdict
        return await self._retry_loop.finish(call, verdict, self._try)

    async def _try(  # noqa: C901, PLR0912, PLR0915 -- one place owns the permit, on every path
        self, call: Call[SubjectT]
    ) -> Verdict:
        """Wait for a permit, send once, return the verdict. The limiter learns of every end."""
        limiter = self._limiter
        if not limiter.try_acquire() and (fatal := await _wait_for_permit(limiter.acquire)):
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
                if (
                    expiring is not None
                    and not expiring.is_usable(generation)
                    and (fatal := await _wait_for_permit(expiring.renew))
                ):
                    return fatal
                sent_at = self._now()
                if call.is_resend:  # it is still the same attempt
                    sending = self._transport.send(endpoint, call.token, needs_new=True)
                else:
                    call.attempts += 1
                    sending = self._transport.send(endpoint, call.token)
                call.in_flight = True
                received, waited = await sending
            finally:
                self._semaphore.release()
            call.in_flight = False
            now = self._now()
            seconds = now - sent_at
            call.spent += seconds
            if isinstance(received, NoResponse):
                if isinstance(received.error, ConnectError):
                    sent_at = None
                    call.unconnected += seconds
                verdict = _without_response(call, received)
                if self._on_response is not None:
                    self._on_response(call, endpoint, received, verdict, seconds)
                return verdict
            response, exact = received, waited is not None
            sent_at += waited or 0.0
            call.observer.on_response(response.status)
            if response.status in _2XX:
                judged = self._judge_reply(response, call.subject)
            else:
                judged = self._judge_refusal(response, call.subject, self._clock.utc_now())
            if type(judged) is Accepted or not isinstance(judged, Generator):
                verdict = judged  # nearly always
            else:
                verdict = await self._step(call, judged)
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
                pass  # the event loop is closed: the limiter forgets its calls by itself
            elif sent_at is None:
                limiter.release_unused()
            elif response is None:
                limiter.record_no_response(sent_at)
            else:
                accepted = verdict is not None and not isinstance(verdict, Throttled)
                try:
                    limiter.record_response(
                        sent_at, now, exact=exact, accepted=accepted, headers=response.headers
                    )
                except BaseException:  # a limiter may be the caller's code
                    call.uncertain = True
                    raise
        if self._on_response is not None:
            self._on_response(call, endpoint, response, verdict, seconds)
        if type(verdict) is Accepted:  # nearly always
            return verdict
        return await self._confirmed(call, response, verdict)

    async def _step(self, call: Call[SubjectT], judging: Steps[Verdict]) -> Verdict:
        """Return the result of *judging*, and let other tasks run between its steps."""
        call.in_flight = True  # so a stop of the run lets it end
        while True:
            try:
                next(judging)
            except StopIteration as end:
                call.in_flight = False
                verdict: Verdict = end.value
                return verdict
            await self._clock.sleep(0)

    async def _confirmed(
        self, call: Call[SubjectT], response: Response, verdict: Verdict
    ) -> Verdict:
        """Return *verdict* once it is certain that *response* belongs to *call*."""
        # A reply to a call for many contains the ids of its records: it needs no confirmation.
        if isinstance(response, ReusedResponse) and not isinstance(verdict, Replied):
            response.body = b""  # it is judged; do not keep it in memory while waiting
            call.in_flight = True
            on_doubt = call.observer.on_doubt
            # A lent session gives the connection to the next call, which then waits for it. And if
            # no pair would succeed, no further one is sent meanwhile.
            is_of_pair = isinstance(call.subject, Pair) and not isinstance(verdict, Fatal)
            if self._transport.is_lent or not is_of_pair:
                on_doubt = NO_OBSERVER.on_doubt
            on_doubt(1)
            try:
                is_own = await self._transport.confirm(response)
            except BaseException:
                call.cut_off_in_flight = True
                raise
            finally:
                call.in_flight = False
                on_doubt(-1)
            if not is_own:
                lost = ConnectionLostError("the response may be that to another request")
                verdict = Resend(lost)
        _keep_reply(call, verdict)
        return verdict

    def _note_verdict(
        self, response: Response, verdict: Verdict, call: Call[SubjectT], sent_at: float
    ) -> None:
        """Pause all calls after a throttle, and note whether HubSpot responded."""
        # Before the permit is released, or the next call in the queue would be sent.
        if isinstance(verdict, Throttled) and not is_beyond_patience(self._policy, verdict):
            wait = clamp(self._policy, verdict.retry_after)
            call.pause = self._limiter.record_throttle(
                sent_at, wait, by_quota=verdict.by_quota, by_second=verdict.by_second
            )
        if is_from_hubspot(response, verdict):
            self._proof.responded_at = self._now()


async def _wait_for_permit(acquire: Callable[[], Awaitable[None]]) -> Fatal | None:
    try:
        await acquire()
    except (DailyReserveError, SharedQuotaError) as error:
        return Fatal(error)
    return None


def _without_response(call: Call[SubjectT], received: NoResponse) -> Transient | Refused | Fatal:
    if is_uncertain(received.error):
        call.unknown, call.uncertain = received.error, True
    if received.was_reuse:
        return Resend(received.error)
    if received.is_too_large:  # only a smaller call can help
        return Refused(received.error, About.BATCH)
    return Transient(received.error) if received.passing else Fatal(received.error)


def _keep_reply(call: Call[SubjectT], verdict: Verdict) -> None:
    """Keep in *call* what its outcome must contain, however later attempts end."""
    if isinstance(verdict, Partial):
        call.reply = verdict.reply
    elif isinstance(verdict, Transient):
        if isinstance(verdict.error, UnconfirmedError):
            call.reply = verdict.error.reply
        elif isinstance(verdict.error, TransportError):
            call.unknown = verdict.error
        call.uncertain = call.uncertain or is_uncertain(verdict.error)
