"""One pair to its end, in virtual time."""

from __future__ import annotations

import asyncio
import itertools
import logging
from random import Random  # noqa: TID251 -- seeded
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from aiohubassoc import (
    ApiVersion,
    AuthenticationError,
    ConnectError,
    ConnectionLostError,
    DailyLimitError,
    GatewayError,
    InvalidResponseError,
    LockedError,
    MigratingError,
    NotFoundError,
    OptionsError,
    Pair,
    Quota,
    QuotaLimiter,
    RateLimitedError,
    ResponseTimeoutError,
    RetryPolicy,
    ServerError,
    UnconfirmedError,
    WrongEndpointError,
)
from aiohubassoc._http.call_outcome import Unfinished
from aiohubassoc._http.failures import NoResponse
from aiohubassoc._http.sender import Call
from aiohubassoc._http.transport import ReusedResponse
from aiohubassoc._protocol.classify import PROVEN_SECONDS, EndpointProof
from aiohubassoc._protocol.requests import create_default
from aiohubassoc._protocol.verdicts import (
    About,
    Accepted,
    Fatal,
    Partial,
    Refused,
    Replied,
    Response,
)
from tests.conftest import pass_time, settle
from tests.fakes.transport import FakeTransport, error, linked, pair, reply, sender_of
from tests.protocol.judging import judge_batch, judge_links
from tests.quota.virtual_portal import most_in_a_window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aiohubassoc._http.sender import Sender
    from aiohubassoc._protocol.requests import Endpoint
    from aiohubassoc._protocol.verdicts import Verdict

LOST = NoResponse(ConnectionLostError("reset"))
NOT_CONNECTED = NoResponse(ConnectError("refused"))
HTML_404 = Response(404, {}, b"<html>")
PAGES = [
    HTML_404,
    Response(302, {}, b""),
    Response(400, {}, b"<html>"),
    Response(403, {}, b"<html>Access denied</html>"),
    Response(403, {}, b""),
    Response(405, {}, b"<html>"),
    Response(422, {}, b'{"error": "blocked"}'),
]


def _refusal(retry_after: str | None = None) -> Response:
    headers = {"Retry-After": retry_after} if retry_after else {}
    return error(429, headers=headers, policyName="TEN_SECONDLY_ROLLING")


def _now() -> float:
    return asyncio.get_running_loop().time()


async def test_one_call_when_all_is_well() -> None:
    """A pair that HubSpot links costs one call, and the reply is handed on whole."""
    transport = FakeTransport()
    call = Call(pair(1))
    settled = await sender_of(transport).send(call)
    assert isinstance(settled, Accepted)
    assert ("1", "1000001") == (settled.reply.results[0].from_id, settled.reply.results[0].to_id)
    assert (1, settled.reply, False) == (call.attempts, call.reply, call.in_flight)
    assert [(0.0, "1")] == transport.sent


async def test_faults_are_tried_again_with_doubling_waits() -> None:
    """Half of 0.5, 1 and 2 seconds after each try of 0.1 s: full jitter, drawn in the middle."""
    transport = FakeTransport({"1": [error(500), LOST, error(503)]})
    call = Call(pair(1))
    assert isinstance(await sender_of(transport).send(call), Accepted)
    assert [0.0, 0.35, 0.95, 2.05] == [when for when, _ in transport.sent]
    assert 4 == call.attempts


async def test_tries_are_used_up() -> None:
    """Five tries, then the last error."""
    transport = FakeTransport({"1": itertools.repeat(error(500))})
    call = Call(pair(1))
    settled = await sender_of(transport).send(call)
    assert isinstance(settled, Refused)
    assert isinstance(settled.error, ServerError)
    assert (5, 5) == (call.attempts, transport.calls["1"])


async def test_a_refused_pair_is_not_tried_again() -> None:
    """A missing record stays missing."""
    transport = FakeTransport({"1": [error(404, category="OBJECT_NOT_FOUND")]})
    settled = await sender_of(transport).send(Call(pair(1)))
    assert isinstance(settled, Refused)
    assert isinstance(settled.error, NotFoundError)
    assert 1 == transport.calls["1"]


async def test_errors_inside_a_success_are_final() -> None:
    """A partial reply is the response, and it is kept."""
    transport = FakeTransport({"1": [reply(("1", "1000001"), numErrors=1)]})
    call = Call(pair(1))
    settled = await sender_of(transport).send(call)
    assert isinstance(settled, Partial)
    assert settled.reply is call.reply


async def test_nothing_confirmed_is_asked_again() -> None:
    """Empty results five times over: unconfirmed, with the last reply."""
    transport = FakeTransport({"1": itertools.repeat(reply())})
    call = Call(pair(1))
    settled = await sender_of(transport).send(call)
    assert isinstance(settled, Refused)
    assert isinstance(settled.error, UnconfirmedError)
    assert settled.error.reply is call.reply is not None


async def test_what_may_have_been_done_is_not_hidden_by_a_later_error() -> None:
    """After a lost response, four failed connections do not make the pair surely not linked."""
    transport = FakeTransport({"1": [LOST, *itertools.repeat(NOT_CONNECTED, 4)]})
    call = Call(pair(1))
    settled = await sender_of(transport).send(call)
    assert settled == Refused(LOST.error, About.MOMENT)
    assert call.unknown is LOST.error


async def test_a_garbled_answer_leaves_it_open_too() -> None:
    """An unreadable 2xx may have been a success, whatever came after."""
    garbled = Response(200, {}, b"{")
    transport = FakeTransport({"1": [garbled, *itertools.repeat(error(500), 4)]})
    settled = await sender_of(transport).send(Call(pair(1)))
    assert isinstance(settled, Refused)
    assert isinstance(settled.error, InvalidResponseError)


async def test_a_failed_connection_costs_no_token() -> None:
    """Nothing was sent, so HubSpot counted nothing."""
    transport = FakeTransport({"1": [NOT_CONNECTED]})
    sender = sender_of(transport, quota=Quota(1, 100.0))
    assert isinstance(await sender.send(Call(pair(1))), Accepted)
    assert _now() < 1.0


async def test_a_fault_that_cannot_pass_stops_everything() -> None:
    """A certificate that does not verify will not verify for the next pair."""
    never = NoResponse(ConnectError("certificate"), passing=False)
    settled = await sender_of(FakeTransport({"1": [never]})).send(Call(pair(1)))
    assert settled == Fatal(never.error)


async def test_a_locked_record_waits_two_seconds_at_least() -> None:
    """HubSpot's lock lasts two seconds; jitter comes on top."""
    transport = FakeTransport({"1": [error(423)]})
    await sender_of(transport, jitter=0.0).send(Call(pair(1)))
    assert [0.0, 2.1] == [when for when, _ in transport.sent]


async def test_locked_for_good() -> None:
    """A record that stays locked is reported as such."""
    transport = FakeTransport({"1": itertools.repeat(error(423))})
    settled = await sender_of(transport).send(Call(pair(1)))
    assert isinstance(settled, Refused)
    assert isinstance(settled.error, LockedError)


async def test_retry_after_of_a_fault_is_obeyed_and_clamped() -> None:
    """The answer's own wait wins over a shorter drawn one; patience has an end."""
    waits = [error(503, headers={"Retry-After": "7"}), error(503, headers={"Retry-After": "99"})]
    transport = FakeTransport({"1": waits})
    await sender_of(transport, policy=RetryPolicy(retry_after_max=20.0)).send(Call(pair(1)))
    assert [0.0, 7.1, 27.2] == [when for when, _ in transport.sent]


# --- 429 and 477 -------------------------------------------------------------------------------


async def test_a_429_uses_no_try() -> None:
    """Seven refusals and four faults: eleven calls more, and still within five tries."""
    answers = [_refusal()] * 7 + [error(500)] * 4
    transport = FakeTransport({"1": answers})
    call = Call(pair(1))
    assert isinstance(await sender_of(transport).send(call), Accepted)
    assert (5, 12) == (call.attempts, transport.calls["1"])


async def test_a_429_holds_everybody() -> None:
    """All wait until the moment that HubSpot named."""
    transport = FakeTransport({"1": [_refusal("5")]})
    sender = sender_of(transport)
    first = asyncio.create_task(sender.send(Call(pair(1))))
    await pass_time(1.0)
    await asyncio.wait([first, asyncio.create_task(sender.send(Call(pair(2))))])
    assert [(0.0, "1"), (5.1, "1"), (5.1, "2")] == sorted(transport.sent)


async def test_refusals_end_a_pair_with_its_budget() -> None:
    """Pauses after refusals count in the budget; the error is the limit's."""
    always = itertools.repeat(_refusal("10"))
    transport = FakeTransport({"1": always})
    call = Call(pair(1))
    settled = await sender_of(transport, policy=RetryPolicy(budget=35.0)).send(call)
    assert isinstance(settled, Refused)
    assert isinstance(settled.error, RateLimitedError)
    assert (0, 4) == (call.attempts, transport.calls["1"])


async def test_time_in_line_does_not_count_in_the_budget() -> None:
    """Two thousand callers at 19 a second wait up to 100 s with a budget of one: all succeed."""
    transport = FakeTransport(latency=0.05)
    sender = sender_of(
        transport, quota=Quota(190, 10.0), policy=RetryPolicy(budget=1.0), concurrency=16
    )
    tasks = [asyncio.create_task(sender.send(Call(pair(n)))) for n in range(2000)]
    await asyncio.wait(tasks)
    assert all(isinstance(task.result(), Accepted) for task in tasks)
    assert (2000, 16) == (len(transport.sent), transport.most_on_wire)
    assert 100.0 <= _now() <= 102.0


async def test_the_daily_limit_is_fatal() -> None:
    """Waiting seconds is of no use, so nothing waits."""
    transport = FakeTransport({"1": [error(429, policyName="DAILY")]})
    settled = await sender_of(transport).send(Call(pair(1)))
    assert isinstance(settled, Fatal)
    assert isinstance(settled.error, DailyLimitError)
    assert round(_now(), 3) == 0.1


async def test_a_short_migration_is_waited_for() -> None:
    """477 with a wait within the user's patience holds everybody, and then it continues."""
    transport = FakeTransport({"1": [error(477, headers={"Retry-After": "30"})]})
    call = Call(pair(1))
    assert isinstance(await sender_of(transport).send(call), Accepted)
    assert ([0.0, 30.1], 1) == ([when for when, _ in transport.sent], call.attempts)


@pytest.mark.parametrize("retry_after", ["61", "86400"])
async def test_a_long_migration_is_fatal(retry_after: str) -> None:
    """Beyond the user's patience the run ends rather than waits, and nobody else is held."""
    transport = FakeTransport({"1": [error(477, headers={"Retry-After": retry_after})]})
    limiter = QuotaLimiter(Quota(10))
    settled = await sender_of(transport, limiter=limiter).send(Call(pair(1)))
    assert isinstance(settled, Fatal)
    assert isinstance(settled.error, MigratingError)
    assert limiter._pacer.wait(_now()) == 0.0


async def test_a_migration_without_an_end_is_fatal_once_the_budget_is_spent() -> None:
    """Without `Retry-After` it is asked again, with longer and longer pauses, for the budget."""
    transport = FakeTransport({"1": itertools.repeat(error(477))})
    settled = await sender_of(transport).send(Call(pair(1)))
    assert isinstance(settled, Fatal)
    assert 60.0 <= _now() <= 120.0


# --- the token ---------------------------------------------------------------------------------


class Provider:
    """A caching token provider that counts how often it learns of a refusal."""

    def __init__(self) -> None:
        self.number = 1
        self.reported: list[str] = []

    async def __call__(self, refused: str | None) -> str:
        """Return the token, a new one if the present one was refused."""
        if refused is not None:
            self.reported.append(refused)
            await pass_time(0.5)
            self.number += 1
        return f"token-{self.number}"


async def test_a_fixed_token_that_is_refused_is_fatal() -> None:
    """Nobody can give another."""
    transport = FakeTransport()
    transport.refused_tokens = {"token-1"}
    settled = await sender_of(transport).send(Call(pair(1)))
    assert isinstance(settled, Fatal)
    assert isinstance(settled.error, AuthenticationError)
    assert 1 == transport.calls["1"]


async def test_a_refused_token_is_renewed_once_for_all() -> None:
    """Fifty calls meet a 401 at once: the provider is reported once, and every pair is linked."""
    transport = FakeTransport()
    transport.refused_tokens = {"token-1"}
    provider = Provider()
    sender = sender_of(transport, token=provider)
    calls = [Call(pair(n)) for n in range(50)]
    tasks = [asyncio.create_task(sender.send(call)) for call in calls]
    await asyncio.wait(tasks)
    assert all(isinstance(task.result(), Accepted) for task in tasks)
    assert ["token-1"] == provider.reported
    assert {1} == {call.attempts for call in calls}


async def test_calls_wait_for_the_new_token() -> None:
    """While a token is being renewed, nobody continues with the old one."""
    transport = FakeTransport()
    transport.refused_tokens = {"token-1"}
    sender = sender_of(transport, token=Provider())
    first = asyncio.create_task(sender.send(Call(pair(1))))
    await pass_time(0.3)
    await asyncio.wait([first, asyncio.create_task(sender.send(Call(pair(2))))])
    assert ["token-1", "token-2", "token-2"] == transport.tokens


async def test_a_late_refusal_drops_no_new_token() -> None:
    """A 401 for a token that was renewed meanwhile asks for no further one."""
    transport = FakeTransport()
    transport.refused_tokens = {"token-1"}
    provider = Provider()
    sender = sender_of(transport, token=provider)
    slow = asyncio.create_task(sender.send(Call(pair(1))))
    await settle()
    provider.number = 2  # somebody else renewed it while the call was in flight
    assert isinstance(await slow, Accepted)
    assert [] == provider.reported


async def test_a_renewed_token_that_is_refused_too_is_fatal() -> None:
    """One more try, then the run stops; the provider hears of both."""
    transport = FakeTransport()
    transport.refused_tokens = {"token-1", "token-2", "token-3"}
    provider = Provider()
    settled = await sender_of(transport, token=provider).send(Call(pair(1)))
    assert isinstance(settled, Fatal)
    assert ["token-1", "token-2"] == transport.tokens == provider.reported


async def test_a_token_may_be_renewed_again_later() -> None:
    """A call that outlives two tokens is not punished for it."""
    transport = FakeTransport({"1": [error(500)]})
    transport.refused_tokens = {"token-1"}
    provider = Provider()
    task = asyncio.create_task(sender_of(transport, token=provider).send(Call(pair(1))))
    await pass_time(0.75)  # refused, renewed, a 500 is being answered
    transport.refused_tokens.add("token-2")
    assert isinstance(await task, Accepted)
    assert ["token-1", "token-2"] == provider.reported


async def test_what_a_token_provider_raises_is_the_callers() -> None:
    """It comes out as it is, and costs neither a call nor a token of the quota."""

    async def broken(_: str | None) -> str:
        raise ZeroDivisionError

    transport = FakeTransport()
    limiter = QuotaLimiter(Quota(1, 100.0))
    with pytest.raises(ZeroDivisionError):
        await sender_of(transport, token=broken, limiter=limiter).send(Call(pair(1)))
    assert (0, 0) == (len(transport.sent), limiter.in_flight)


async def test_a_provider_that_raises_cancelled_error_cancels_nobody() -> None:
    """It comes out as an error of ours: nobody had cancelled the call."""

    async def broken(_: str | None) -> str:
        raise asyncio.CancelledError

    limiter = QuotaLimiter(Quota(1, 100.0))
    task = asyncio.create_task(
        sender_of(FakeTransport(), token=broken, limiter=limiter).send(Call(pair(1)))
    )
    await asyncio.wait([task])
    assert not task.cancelled()
    assert isinstance(task.exception(), OptionsError)
    assert 0 == limiter.in_flight


# --- the endpoint ------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
async def test_a_page_is_fatal_at_first(page: Response) -> None:
    """HubSpot never responded there: it is the base URL, or something on the way."""
    settled = await sender_of(FakeTransport({"1": [page]})).send(Call(pair(1)))
    assert isinstance(settled, Fatal)
    assert isinstance(settled.error, WrongEndpointError | GatewayError)


HUBSPOTS = {
    "linked": linked,
    "partial": reply(("1", "1000001"), numErrors=1),
    "unconfirmed": reply(),
    "400": error(400, category="VALIDATION_ERROR"),
    "404": error(404),
    "500": error(500),
    "429": error(429, headers={"Retry-After": "1"}),
    "423": error(423),
}


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("before", HUBSPOTS.values(), ids=HUBSPOTS)
async def test_a_page_after_a_response_of_hubspot_is_about_the_pair(
    before: Response, page: Response
) -> None:
    """Whatever HubSpot said: it can be reached."""
    sender = sender_of(FakeTransport({"1": [before], "2": [page]}))
    await sender.send(Call(pair(1)))
    settled = await sender.send(Call(pair(2)))
    assert isinstance(settled, Refused)
    assert settled.about is About.PAIR


@pytest.mark.parametrize(
    "before",
    [
        Response(502, {}, b"<html>"),
        Response(429, {}, b"error code: 1015"),
        Response(200, {}, b"<html>"),
        Response(204, {}, b""),
        LOST,
        NOT_CONNECTED,
    ],
    ids=["502", "429", "200", "204", "lost", "refused"],
)
async def test_what_hubspot_did_not_write_proves_nothing(before: Response | NoResponse) -> None:
    """A gateway's other pages, a sign-in page, silence."""
    transport = FakeTransport({"1": [before, HTML_404]})
    settled = await sender_of(transport).send(Call(pair(1)))
    assert isinstance(settled, Fatal)
    assert 2 == transport.calls["1"]


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(
    ("pause", "verdict"), [(PROVEN_SECONDS - 0.2, Refused), (PROVEN_SECONDS, Fatal)]
)
async def test_the_proof_grows_old(page: Response, pause: float, verdict: type) -> None:
    """A firewall may close in the midst of a run: ten seconds later it is about the run."""
    sender = sender_of(FakeTransport({"2": [page]}, latency=0.1))
    await sender.send(Call(pair(1)))
    await pass_time(pause)
    assert isinstance(await sender.send(Call(pair(2))), verdict)


async def test_pages_do_not_prove_themselves() -> None:
    """The last of many counts from HubSpot's own last response, as the first does."""
    sender = sender_of(FakeTransport({"1": [linked], "*": itertools.repeat(HTML_404)}))
    await sender.send(Call(pair(1)))
    settled = [await sender.send(Call(pair(n))) for n in range(2, 200)]
    assert 100 == sum(isinstance(one, Refused) for one in settled)
    assert isinstance(settled[-1], Fatal)


async def test_a_response_to_any_call_is_proof() -> None:
    """Calls of all kinds of one client go to one base URL."""
    proof = EndpointProof()
    reading = sender_of(
        FakeTransport({"1": [reply()]}),
        judge=lambda answer, one, now: judge_links(answer, (one.from_type, one.to_type), now),
        proof=proof,
    )
    assert isinstance(await reading.send(Call(pair(1))), Replied)
    linking = sender_of(FakeTransport({"1": [HTML_404]}), proof=proof)
    assert isinstance(await linking.send(Call(pair(1))), Refused)


@pytest.mark.parametrize("is_proven", [False, True])
@pytest.mark.parametrize("judge_many", [judge_batch, judge_links])
@pytest.mark.parametrize("refusal", [*PAGES, error(405)])
async def test_a_page_to_a_call_for_many_is_about_its_path(
    judge_many: Callable[..., Verdict], refusal: Response, *, is_proven: bool
) -> None:
    """Whether calls for one pair fare better is another call's to say. It settled no pair."""
    watch, proof = Watch(), EndpointProof()
    if is_proven:
        proof.responded_at = _now()
    sender = sender_of(
        FakeTransport({"1": [refusal]}),
        judge=lambda answer, one, now: judge_many(answer, (one.from_type, one.to_type), now),
        proof=proof,
    )
    settled = await sender.send(Call(pair(1), watch))
    assert isinstance(settled, Refused)
    assert (About.PATH, 0) == (settled.about, watch.alive_count)


@pytest.mark.parametrize("refusal", [error(402), error(405), error(410), error(426)])
async def test_hubspots_own_words_about_the_run_are_fatal_at_any_time(refusal: Response) -> None:
    """They are not about one pair, though HubSpot responded just before."""
    sender = sender_of(FakeTransport({"2": [refusal]}))
    await sender.send(Call(pair(1)))
    assert isinstance(await sender.send(Call(pair(2))), Fatal)


# --- what a refusal is about ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "answers", [error(500), error(423), error(429), LOST, NOT_CONNECTED, reply()], ids=str
)
async def test_attempts_that_are_used_up_are_of_the_moment(answers: Response | NoResponse) -> None:
    """The same call may fare better tomorrow: nothing was said against what was sent."""
    transport = FakeTransport({"1": itertools.repeat(answers)})
    settled = await sender_of(transport, policy=RetryPolicy(budget=90.0)).send(Call(pair(1)))
    assert isinstance(settled, Refused)
    assert settled.about is About.MOMENT


async def test_an_answer_too_large_is_about_how_much_was_sent() -> None:
    """Fewer in one call have a smaller one."""
    too_large = NoResponse(ConnectionLostError("8 MiB"), is_too_large=True)
    settled = await sender_of(FakeTransport({"1": [too_large]})).send(Call(pair(1)))
    assert settled == Refused(too_large.error, About.BATCH)


# --- runs, cancellation, logs --------------------------------------------------------------------


class Watch:
    """A run that is about to end."""

    stopping = True
    run_id = None

    def __init__(self) -> None:
        self.troubles: list[object] = []
        self.alive_count = 0

    def on_response(self, status: int) -> None:
        """Nothing to do."""

    def on_progress(self) -> None:
        """Count it."""
        self.alive_count += 1

    def on_retry(self, error: object) -> None:
        """Note it."""
        self.troubles.append(error)

    def on_doubt(self, change: int) -> None:
        """Nothing to do."""


@pytest.mark.parametrize("answer", [error(500), error(429), error(477), LOST])
async def test_a_run_that_ends_sends_nothing_again(answer: Response | NoResponse) -> None:
    """A call in flight may end, but a try that failed is not repeated."""
    transport = FakeTransport({"1": [answer]})
    watch = Watch()
    call = Call(pair(1), watch)
    settled = await sender_of(transport).send(call)
    assert isinstance(settled, Unfinished)
    assert [settled.error] == watch.troubles == [call.error]
    assert 1 == transport.calls["1"]


async def test_a_run_that_ends_takes_no_new_token() -> None:
    """Nor is a pair sent again because its token was renewed."""
    transport = FakeTransport()
    transport.refused_tokens = {"token-1"}
    settled = await sender_of(transport, token=Provider()).send(Call(pair(1), Watch()))
    assert isinstance(settled, Unfinished)


@pytest.mark.parametrize("after", [0.05, 0.2, 0.95, 1.5, 2.5])
async def test_cancelled_anywhere_nothing_is_held(after: float) -> None:
    """In line, in flight, in a wait: the semaphore is free and no token is in flight."""
    transport = FakeTransport({"1": itertools.repeat(error(500)), "2": [error(429)]}, latency=0.2)
    limiter = QuotaLimiter(Quota(2, 1.0))
    sender = sender_of(transport, limiter=limiter, concurrency=1)
    tasks = [asyncio.create_task(sender.send(Call(pair(n)))) for n in range(6)]
    await pass_time(after)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert (0, 0) == (transport.on_wire, limiter.in_flight)
    assert not sender._semaphore.locked()
    assert isinstance(await sender.send(Call(pair(9))), Accepted)


async def _cancel(sender: Sender[Pair], number: int, after: float) -> Call[Pair]:
    """Cancel a call that was sent this many seconds ago."""
    call = Call(pair(number))
    task = asyncio.create_task(sender.send(call))
    await pass_time(after)
    task.cancel()
    await asyncio.wait([task])
    return call


async def test_a_cancelled_call_counts_a_second_later_while_nothing_is_known() -> None:
    """HubSpot may count it after it was given up: its permit comes back a window after that."""
    transport = FakeTransport(latency=1.0)
    sender = sender_of(transport, limiter=QuotaLimiter(Quota(1, 10.0)))
    call = await _cancel(sender, 1, after=0.5)
    assert (True, 1) == (call.cut_off_in_flight, call.attempts)
    await sender.send(Call(pair(2)))
    assert [0.0, 0.5 + 1.0 + 10.0] == [round(when, 3) for when, _ in transport.sent]


@pytest.mark.parametrize(
    "lost",
    [None, NoResponse(ResponseTimeoutError("late")), LOST],
    ids=["cancelled", "timed out", "cut off"],
)
async def test_a_call_without_a_response_counts_a_usual_round_trip_later(
    lost: NoResponse | None,
) -> None:
    """All others took 0.1 s, so that is what a usual one takes."""
    transport = FakeTransport({"500": [lost]} if lost else None)
    limiter = QuotaLimiter(Quota(1, 1.0))
    sender = sender_of(transport, limiter=limiter, policy=RetryPolicy(attempts=1))
    for number in range(200):
        await sender.send(Call(pair(number)))
    transport.sent.clear()
    await pass_time(2.0)
    if lost is None:
        await _cancel(sender, 500, after=0.05)
    else:
        await sender.send(Call(pair(500)))
    given_up = _now()
    await sender.send(Call(pair(501)))
    assert pytest.approx(given_up + 0.1 + 1.0, abs=0.001) == transport.sent[1][0]


class BoomError(Exception):
    """What nobody expected."""


def _boom(*_: object, **__: object) -> NoReturn:
    raise BoomError


@pytest.mark.parametrize("where", ["endpoint", "judge", "heard", "headers"])
async def test_the_limiter_hears_of_every_call_whatever_is_raised(where: str) -> None:
    """The exception comes out, nothing is held, and what may have been done is said."""
    transport = FakeTransport()
    limiter = QuotaLimiter(Quota(2, 10.0))
    sender = sender_of(transport, limiter=limiter)
    call = Call(pair(1), Watch())
    if where == "endpoint":
        sender._endpoint = _boom
    elif where == "judge":
        sender._judge_reply = _boom
    elif where == "heard":
        call.observer.on_response = _boom  # type: ignore[method-assign]
    else:
        limiter._learn = _boom  # type: ignore[method-assign]
        transport.headers = {"Date": "today"}
    with pytest.raises(BoomError):
        await sender.send(call)
    assert (0, 0) == (limiter.in_flight, transport.on_wire)
    assert not sender._semaphore.locked()
    assert (where != "endpoint") == call.uncertain


async def test_a_quota_is_kept_strictly_though_half_of_the_callers_give_up() -> None:
    """What they sent is counted 10 to 300 ms later; no second holds more than 40."""
    chance = Random(1)
    loop = asyncio.get_running_loop()
    counted: list[float] = []

    async def send(endpoint: Endpoint, _: str) -> tuple[Response, float]:
        delay = chance.uniform(0.01, 0.3)
        loop.call_later(delay, lambda: counted.append(loop.time()))
        if chance.random() < 0.5 and (task := asyncio.current_task()):
            task.cancel()
        await pass_time(delay + 0.005)
        return linked(endpoint), 0.0

    transport = FakeTransport()
    transport.send = send  # type: ignore[assignment, method-assign]
    sender = sender_of(transport, limiter=QuotaLimiter(Quota(40, 1.0), strict=True))

    async def work(numbers: Iterator[int]) -> None:
        for number in numbers:
            await asyncio.wait([asyncio.create_task(sender.send(Call(pair(number))))])

    numbers = iter(range(800))
    await asyncio.wait([asyncio.create_task(work(numbers)) for _ in range(64)])
    await pass_time(1.0)
    assert (800, 40) == (len(counted), most_in_a_window(counted, 1.0))


async def test_the_log_names_pairs_and_reasons_but_no_token(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Somebody debugging sees why a pair waits; nobody sees the token."""
    caplog.set_level(logging.DEBUG, logger="aiohubassoc")
    answers = [error(429), error(500), *itertools.repeat(error(502), 4)]
    transport = FakeTransport({"1": answers})
    await sender_of(transport, token="canary-token").send(Call(pair(1)))
    assert "contacts:1 -> companies:1000001: attempt 1 failed, retrying in" in caplog.text
    assert "HubSpot throttles: all calls pause" in caplog.text
    assert "given up, its attempts are used up" in caplog.text
    assert "canary-token" not in caplog.text


@pytest.mark.parametrize(
    ("subject", "status", "changes"),
    [(pair(1), 404, [1, -1]), ("a lookup", 404, []), (pair(1), 401, [])],
)
async def test_only_calls_for_a_pair_have_others_sent_meanwhile(
    subject: object, status: int, changes: list[int]
) -> None:
    """No worker waits for a lookup that is in doubt, and a refused token stops the run."""
    refusal = error(status)
    doubts: list[int] = []

    class Reused(FakeTransport):
        is_lent = False

        async def confirm(self, _: ReusedResponse) -> bool:
            return True

    class Doubtful(Watch):
        def on_doubt(self, change: int) -> None:
            doubts.append(change)

    reused = ReusedResponse(refusal.status, refusal.headers, refusal.body)
    sender: Any = sender_of(Reused({"1": [reused]}))
    sender._endpoint = lambda _: create_default(ApiVersion.V4, pair(1))
    judge_refusal = sender._judge_refusal
    sender._judge_refusal = lambda response, _, now: judge_refusal(response, pair(1), now)
    assert isinstance(await sender.send(Call(subject, Doubtful())), Refused | Fatal)
    assert changes == doubts
