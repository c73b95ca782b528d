"""Connections that are used again: over real sockets on this machine, in virtual time."""

from __future__ import annotations

import asyncio
import gc
import math
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from aiohubassoc import (
    AssociationClient,
    ClientClosedError,
    ConnectionLostError,
    InvalidResponseError,
    NotFoundError,
    Pair,
    Quota,
    RefusedAlikeError,
    RetryPolicy,
    RunStoppedError,
    Status,
    Timeouts,
)
from aiohubassoc._http import own_session
from aiohubassoc._http.clock import SystemClock
from aiohubassoc._http.connections import (
    Attempt,
    Connections,
    UnfitConnectionError,
    WatchedProtocol,
)
from aiohubassoc._http.transport import ReusedResponse, Transport
from aiohubassoc._protocol.requests import Endpoint
from tests.conftest import pass_time
from tests.http.raw_server import Exchange, RawServer, http, linked, raw_server, refused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohubassoc import Outcome

OURS = [pytest.param(False, id="own"), pytest.param(True, id="lent")]
STRAYS = {
    "404": refused(),
    "400": refused("400 Bad Request", category="VALIDATION_ERROR"),
    "401": refused("401 Unauthorized", category="INVALID_AUTHENTICATION"),
    "403": refused("403 Forbidden", category="MISSING_SCOPES"),
    "408": http(b"", "408 Request Timeout"),
    "409": refused("409 Conflict"),
    "429": refused("429 Too Many", "Retry-After: 0", policyName="TEN_SECONDLY_ROLLING"),
    "429 of the day": refused("429 Too Many", policyName="DAILY"),
    "477": refused("477 Migrating", "Retry-After: 86400"),
    "500": refused("500 Server Error"),
    "302": http(b"", "302 Found", "Location: /"),
    "a page": http(b"<html>not found</html>", "404 Not Found"),
    "another pair's": linked("8", "9"),
    "nothing": http(b""),
    "no JSON": http(b"<html>"),
    "errors": http(b'{"status":"COMPLETE","results":[],"numErrors":1}', "207 Multi"),
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "304": b"HTTP/1.1 304 Not Modified\r\n\r\n",
    "999": http(b"", "999 Odd"),
    "the beginning of a line": b"HTTP/1.1 404 Not Fou",
    "the beginning of a header": b"HTTP/1.1 404 Not Found\r\nContent-Type: appl",
    "the beginning of a body": refused()[:-30],
    "junk": b"\x00\xff\r\n\r\n",
}


@asynccontextmanager
async def _client(
    server: RawServer, *, lent: bool = False, **options: Any
) -> AsyncIterator[AssociationClient]:
    settings: dict[str, Any] = {
        "quota": Quota(1_000_000, 1.0),
        "retry": RetryPolicy(attempts=3),
        **options,
    }
    async with aiohttp.ClientSession() as session:
        settings["session"] = session if lent else None
        async with AssociationClient("token-1", base_url=server.base_url, **settings) as client:
            yield client


def _pair(number: int) -> Pair:
    return Pair("contacts", number, "companies", 1000 + number)


async def _outcomes(client: AssociationClient, *numbers: int) -> list[Outcome]:
    async with client.link_each(map(_pair, numbers), ordered=True) as outcomes:
        return [outcome async for outcome in outcomes]


async def _one(client: AssociationClient, number: int) -> Outcome:
    (outcome,) = await _outcomes(client, number)
    return outcome


# --- idle connections --------------------------------------------------------------------------


@pytest.mark.parametrize("lent", OURS)
@pytest.mark.parametrize("name", STRAYS)
async def test_a_connection_that_spoke_while_idle_is_not_used(name: str, lent: bool) -> None:
    """Whatever it said, and however little: the next call goes over another one."""
    if lent and "beginning" in name:
        pytest.skip("of a lent session, only whole responses can be seen: see the next test")

    async def respond(exchange: Exchange) -> None:
        await pass_time(0.1)
        exchange.link()
        if exchange.number == 1:
            await pass_time(1.0)
            exchange.say(STRAYS[name])

    async with raw_server(respond) as server, _client(server, lent=lent) as client:
        await _one(client, 1)
        await pass_time(5.0)
        outcome = await _one(client, 2)
        assert (Status.LINKED, 1) == (outcome.status, outcome.attempts)
        assert (2, 2) == (server.requests, server.connections)


@pytest.mark.parametrize("lent", OURS)
async def test_a_connection_that_ended_while_idle_is_not_used(lent: bool) -> None:
    """Nor is one that the server has closed."""

    async def respond(exchange: Exchange) -> None:
        exchange.link()
        await pass_time(1.0)
        exchange.end()

    async with raw_server(respond) as server, _client(server, lent=lent) as client:
        for number in (1, 2):
            outcome = await _one(client, number)
            assert (Status.LINKED, 1) == (outcome.status, outcome.attempts)
            await pass_time(5.0)
        assert (2, 2) == (server.requests, server.connections)


# --- responses that belong to nobody -----------------------------------------------------------


@pytest.mark.parametrize("lent", OURS)
@pytest.mark.parametrize("when", ["before its own", "with its own"])
@pytest.mark.parametrize("name", STRAYS)
async def test_what_comes_before_a_calls_own_response_is_not_believed(
    name: str, when: str, lent: bool
) -> None:
    """The call goes again over a new connection, as the same attempt, and is linked."""

    async def respond(exchange: Exchange) -> None:
        is_first = exchange.number == 2
        if is_first and when == "before its own":
            await pass_time(0.03)
            exchange.say(STRAYS[name])
        await pass_time(0.1)
        if is_first and when == "with its own":
            exchange.say(STRAYS[name])
        exchange.link()

    async with raw_server(respond) as server, _client(server, lent=lent) as client:
        await _one(client, 1)
        outcome = await _one(client, 2)
        assert (Status.LINKED, 1, False) == (
            outcome.status,
            outcome.attempts,
            outcome.maybe_applied,
        )
        assert (3, 2) == (server.requests, server.connections)


@pytest.mark.parametrize("lent", OURS)
async def test_a_stray_link_is_nobodys(lent: bool) -> None:
    """What links another pair links not this one; and if that is all there is, it may be linked."""

    async def respond(exchange: Exchange) -> None:
        await pass_time(0.1)
        exchange.say(linked("8", "9"))

    async with raw_server(respond) as server, _client(server, lent=lent) as client:
        outcome = await _one(client, 1)
        assert (Status.FAILED, 3, True) == (
            outcome.status,
            outcome.attempts,
            outcome.maybe_applied,
        )


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
@pytest.mark.parametrize("lent", OURS)
async def test_a_response_before_the_request_was_sent_is_not_believed(lent: bool) -> None:
    """A server that has not read a request cannot refuse it, not even where silence follows."""
    body = b"x" * 40_000_000  # more than the system takes off our hands

    async def respond(exchange: Exchange) -> None:
        if exchange.number == 1:
            exchange.link()
        else:
            exchange.say(refused("400 Bad Request"))
            await pass_time(100.0)

    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(raw_server(respond))
        session = await stack.enter_async_context(aiohttp.ClientSession()) if lent else None
        transport = Transport(server.base_url, timeouts=Timeouts(), connections=8, session=session)
        await transport.open()
        stack.push_async_callback(transport.close)
        await transport.send(Endpoint("PUT", "/a"), "token-1")
        answer, _ = await transport.send(Endpoint("POST", "/b", body), "token-1")
        assert isinstance(answer, ReusedResponse)
        assert 400 == answer.status
        began = asyncio.get_running_loop().time()
        assert not await transport.confirm(answer)
        assert began == asyncio.get_running_loop().time()


@pytest.mark.parametrize("lent", OURS)
async def test_a_refusal_is_believed_after_silence(lent: bool) -> None:
    """It costs one call and about one round trip; its connection stays in use."""

    async def respond(exchange: Exchange) -> None:
        await pass_time(0.2)
        if exchange.number == 2:
            exchange.say(refused())
        else:
            exchange.link()

    loop = asyncio.get_running_loop()
    async with raw_server(respond) as server, _client(server, lent=lent) as client:
        await _one(client, 1)
        began = loop.time()
        outcome = await _one(client, 2)
        took = loop.time() - began
        await _one(client, 3)
        assert (3, 1) == (server.requests, server.connections)
    assert isinstance(outcome.error, NotFoundError)
    assert (Status.FAILED, 1, False) == (outcome.status, outcome.attempts, outcome.maybe_applied)
    assert 0.4 <= took <= 0.6


@pytest.mark.parametrize("lent", OURS)
async def test_a_refusal_over_a_new_connection_is_believed_at_once(lent: bool) -> None:
    """Nobody else's response can be on it."""

    async def respond(exchange: Exchange) -> None:
        await pass_time(0.2)
        exchange.say(refused())

    loop = asyncio.get_running_loop()
    async with raw_server(respond) as server, _client(server, lent=lent) as client:
        began = loop.time()
        outcome = await _one(client, 1)
        assert 0.2 == round(loop.time() - began, 2)
        assert (Status.FAILED, 1) == (outcome.status, server.requests)


@pytest.mark.parametrize("header", ["Connection: close", "X-A: b"])
@pytest.mark.parametrize("lent", OURS)
async def test_a_refusal_with_which_the_connection_ends_is_believed(
    lent: bool, header: str
) -> None:
    """Nothing can follow it."""

    async def respond(exchange: Exchange) -> None:
        await pass_time(0.2)
        if exchange.number == 1:
            exchange.link()
        else:
            exchange.say(refused("404 Not Found", header))
            exchange.end()

    async with raw_server(respond) as server, _client(server, lent=lent) as client:
        await _one(client, 1)
        outcome = await _one(client, 2)
        assert (Status.FAILED, 1, False) == (
            outcome.status,
            outcome.attempts,
            outcome.maybe_applied,
        )
        assert (2, 1) == (server.requests, server.connections)


async def test_a_notice_that_crossed_the_request_is_not_believed() -> None:
    """It came sooner than the server can respond, and the connection ended with it."""

    async def respond(exchange: Exchange) -> None:
        if exchange.number == 2:
            await pass_time(0.01)
            exchange.say(refused("400 Bad Request", "Connection: close"))
            exchange.end()
        await pass_time(0.2)
        exchange.link()

    async with raw_server(respond) as server, _client(server) as client:
        await _one(client, 1)
        outcome = await _one(client, 2)
        assert (Status.LINKED, 1) == (outcome.status, outcome.attempts)
        assert (3, 2) == (server.requests, server.connections)


async def test_whoever_waits_for_silence_holds_up_nobody() -> None:
    """With one request at a time: the next pair goes meanwhile, over another connection."""
    arrivals: list[float] = []
    loop = asyncio.get_running_loop()

    async def respond(exchange: Exchange) -> None:
        arrivals.append(round(loop.time() - began, 1))
        await pass_time(0.5)
        if exchange.number == 2:
            exchange.say(refused())
        else:
            exchange.link()

    began = loop.time()
    async with raw_server(respond) as server, _client(server, concurrency=1) as client:
        await client.create_default(_pair(1))
        async with asyncio.TaskGroup() as group:
            refused_one = group.create_task(_one(client, 2))
            group.create_task(_one(client, 3))
        assert [0.0, 0.5, 1.0] == arrivals
        assert Status.FAILED is (await refused_one).status
        assert 2 == server.connections
        await asyncio.gather(*(_one(client, number) for number in (4, 5)))  # noqa: TID251 -- two
        assert 2 == server.connections


@pytest.mark.parametrize(
    ("how", "lent", "quota"),
    [
        ("a run", False, 190),
        ("a run", True, 190),
        ("tasks", False, 190),
        ("a run", False, 1_000_000),
        ("tasks", False, 1_000_000),
    ],
    ids=str,
)
async def test_refusals_stay_as_fast_as_links(how: str, lent: bool, quota: int) -> None:
    """Within a third, at any quota: what waits for silence holds no request."""

    async def respond(exchange: Exchange) -> None:
        await pass_time(0.1)
        if int(exchange.ids[0]) > 5_000:
            exchange.say(refused())
        else:
            exchange.link()

    async def link(client: AssociationClient, numbers: range) -> None:
        if how == "a run":
            report = await client.link_all(map(_pair, numbers), stop_after_alike=None)
            assert len(numbers) == report.total == report.linked + report.failed
            return
        async with asyncio.TaskGroup() as group:
            for number in numbers:
                group.create_task(_link_one(client, number))

    loop = asyncio.get_running_loop()
    options: dict[str, Any] = {"quota": Quota(quota, 1.0), "lent": lent}
    async with raw_server(respond) as server, _client(server, **options) as client:
        await link(client, range(1, 191))
        took = []
        for first in (201, 5_001):
            began = loop.time()
            await link(client, range(first, first + 760))
            took.append(loop.time() - began)
    assert took[1] <= took[0] * 4 / 3


async def _link_one(client: AssociationClient, number: int) -> None:
    with suppress(NotFoundError):
        await client.create_default(_pair(number))


@pytest.mark.parametrize("quota", [Quota(190), Quota(1_000_000)], ids=str)
@pytest.mark.parametrize("first", [1, 301])
async def test_pairs_that_wait_for_silence_are_few_calls_more(first: int, quota: Quota) -> None:
    """Pairs that are refused alike stop a run after few calls over real connections, too."""

    async def respond(exchange: Exchange) -> None:
        await pass_time(0.1)
        if int(exchange.ids[0]) >= first:
            exchange.say(refused("403 Forbidden", category="SOME_LIMIT"))
        else:
            exchange.link()

    concurrency = 64 if first == 1 else 32
    options: dict[str, Any] = {"quota": quota, "concurrency": concurrency}
    async with raw_server(respond) as server, _client(server, **options) as client:
        report = await client.link_all(map(_pair, range(1, 1_501)))
        assert isinstance(report.stopped, RefusedAlikeError)
        assert report.linked == first - 1
        assert server.requests <= (120 if first == 1 else 400)


@pytest.mark.parametrize("failures", [1, 5])
async def test_a_stop_after_failures_is_as_early_though_refusals_are_awaited(failures: int) -> None:
    """While failures enough are in doubt, no worker sends in place of one that waits."""

    async def respond(exchange: Exchange) -> None:
        await pass_time(0.1)
        if int(exchange.ids[0]) > 300:
            exchange.say(refused())
        else:
            exchange.link()

    async with raw_server(respond) as server, _client(server, concurrency=8) as client:
        report = await client.link_all(map(_pair, range(1, 1_001)), stop_after_failures=failures)
        assert (300, failures) <= (report.linked, report.failed)
        assert server.requests <= 300 + 8 + failures


async def _slowly(read: list[int]) -> AsyncIterator[Pair]:
    for number in range(1, 200):
        if number % 20 == 0:
            await pass_time(0.03)
        read.append(number)
        yield _pair(number)


@pytest.mark.parametrize("how", ["left", "stopped", "cancelled", "to its end"])
@pytest.mark.parametrize("after", [0.05, 0.15, 0.25, 0.35, 0.5, 0.77])
async def test_a_run_that_ends_while_refusals_are_confirmed_loses_nothing(
    how: str, after: float
) -> None:
    """Each pair that was read has one outcome."""
    read: list[int] = []
    seen: list[int] = []

    async def respond(exchange: Exchange) -> None:
        await pass_time(0.1)
        if int(exchange.ids[0]) % 3:
            exchange.say(refused())
        else:
            exchange.link()

    async with raw_server(respond) as server, _client(server, concurrency=8) as client:
        await _outcomes(client, *range(3, 90, 3))
        stream = client.link_each(_slowly(read), stop_after_alike=None, drain_timeout=0.0)

        async def use() -> None:
            async with stream as outcomes:
                await pass_time(after)
                if how == "stopped":
                    outcomes.stop(RunStoppedError("enough"), drain_timeout=0.05)
                if how in {"stopped", "to its end"}:
                    seen.extend([one.index async for one in outcomes])
                if how == "cancelled":
                    await pass_time(100.0)

        task = asyncio.create_task(use())
        if how == "cancelled":
            asyncio.get_running_loop().call_later(after, task.cancel)
        await asyncio.wait([task])
        assert how == "cancelled" or task.exception() is None
        seen += [one.index async for one in stream]
        assert sorted(seen) == list(range(len(read)))
        assert stream.report.total == len(read)
        assert how != "to its end" or (len(read), stream.report.linked) == (199, 66)


async def test_a_run_that_ends_meanwhile_claims_nothing() -> None:
    """Cancelled before it was sure: the link may be there."""

    async def respond(exchange: Exchange) -> None:
        await pass_time(0.5)
        if exchange.number == 2:
            exchange.say(refused())
        else:
            exchange.link()

    async with raw_server(respond) as server, _client(server) as client:
        await _one(client, 1)
        async with client.link_each([_pair(2)], drain_timeout=0) as outcomes:
            await pass_time(0.6)
        (outcome,) = [outcome async for outcome in outcomes]
        assert (Status.UNPROCESSED, 1, True) == (
            outcome.status,
            outcome.attempts,
            outcome.maybe_applied,
        )
        assert Status.LINKED is (await _one(client, 3)).status
        assert 2 == server.connections


async def test_calls_for_many_are_waited_for_as_long_as_they_take() -> None:
    """What is usual for one pair is not usual for a thousand."""

    async def respond(exchange: Exchange) -> None:
        if exchange.number == 2:
            exchange.say(refused("500 Server Error"))
        is_for_many = exchange.head.startswith("POST")
        await pass_time(0.8 if is_for_many else 0.01)
        exchange.say(linked("2", "1002") if is_for_many else linked(*exchange.ids))

    async with raw_server(respond) as server, _client(server) as client:
        await _one(client, 1)
        (outcome,) = await client.create_default_batch("contacts", "companies", [(2, 1002)])
        assert (Status.LINKED, 1) == (outcome.status, outcome.attempts)
        assert 3 == server.requests


@pytest.mark.parametrize("lent", OURS)
async def test_a_stray_response_now_and_then_costs_no_pair(lent: bool) -> None:
    """After each tenth response of a connection one more, a little later (attacks of 2026-12)."""
    made: Counter[tuple[str, str]] = Counter()

    async def respond(exchange: Exchange) -> None:
        await pass_time(0.005)
        made[exchange.ids] += 1
        exchange.link()
        if exchange.of_connection % 10 == 0:
            await pass_time(0.003)
            exchange.say(STRAYS["404"])

    async with (
        raw_server(respond) as server,
        _client(server, lent=lent, quota=Quota(50, 0.1)) as client,
    ):
        outcomes = await _outcomes(client, *range(1, 501))
    assert {(Status.LINKED, 1)} == {(outcome.status, outcome.attempts) for outcome in outcomes}
    assert 500 == len(made)


# --- connections that are dead -----------------------------------------------------------------


@asynccontextmanager
async def _burst(lent: bool, **options: Any) -> AsyncIterator[tuple[RawServer, AssociationClient]]:
    """Open forty connections, each of which is then reset when it is used again."""
    is_over = False

    async def respond(exchange: Exchange) -> None:
        await pass_time(0.1)
        if is_over and exchange.of_connection > 1:
            exchange.reset()
        else:
            exchange.link()

    async with raw_server(respond) as server, _client(server, lent=lent, **options) as client:
        while server.connections < 40:  # at first fewer go at once
            await _outcomes(client, *range(1, 41))
        is_over = True
        yield server, client


@pytest.mark.parametrize("lent", OURS)
async def test_dead_connections_use_up_no_attempts(lent: bool) -> None:
    """One quiet call after a burst: lost once, then over a new connection; the others are gone."""
    async with _burst(lent) as (server, client):
        await pass_time(1.0)
        before = server.requests
        outcome = await _one(client, 41)
        assert (Status.LINKED, 1, False) == (
            outcome.status,
            outcome.attempts,
            outcome.maybe_applied,
        )
        assert (2, 41) == (server.requests - before, server.connections)


async def test_a_call_that_is_sent_twice_counts_twice() -> None:
    """The limiter lets each of them go: HubSpot's window holds no more than the quota."""
    loop = asyncio.get_running_loop()

    async def respond(exchange: Exchange) -> None:
        if exchange.number == 2:
            exchange.reset()
        else:
            exchange.link()

    async with raw_server(respond) as server, _client(server, quota=Quota(2, 60.0)) as client:
        for number in (1, 2):
            outcome = await _one(client, number)
            assert (Status.LINKED, 1) == (outcome.status, outcome.attempts)
        assert 3 == server.requests
        assert loop.time() >= 60.0


async def test_what_was_lost_may_be_there() -> None:
    """Whatever the second call comes to."""
    gone = False

    async def respond(exchange: Exchange) -> None:
        if exchange.of_connection > 1:
            exchange.reset()
        elif gone:
            exchange.say(refused())
        else:
            exchange.link()

    async with raw_server(respond) as server, _client(server) as client:
        await _one(client, 1)
        gone = True
        outcome = await _one(client, 2)
        assert isinstance(outcome.error, NotFoundError)
        assert (Status.FAILED, 1, True) == (outcome.status, outcome.attempts, outcome.maybe_applied)
        assert 3 == server.requests


async def test_a_server_that_is_gone_costs_attempts() -> None:
    """Over the new connection a loss is a loss, and it is reported as the one that left it open."""
    dead = False

    async def respond(exchange: Exchange) -> None:
        if dead:
            exchange.reset()
        else:
            exchange.link()

    async with raw_server(respond) as server, _client(server) as client:
        await _one(client, 1)
        dead = True
        outcome = await _one(client, 2)
        assert isinstance(outcome.error, ConnectionLostError)
        assert (Status.FAILED, 3, True) == (outcome.status, outcome.attempts, outcome.maybe_applied)
        assert 5 == server.requests


@pytest.mark.parametrize("status", ["000 None", "101 Switching Protocols", "600 Odd", "999 Odd"])
@pytest.mark.parametrize("lent", OURS)
async def test_a_status_that_no_response_has(status: str, lent: bool) -> None:
    """It proves nothing, whatever the body says: the link may be there."""

    async def respond(exchange: Exchange) -> None:
        exchange.say(refused(status))

    async with raw_server(respond) as server, _client(server, lent=lent) as client:
        outcome = await _one(client, 1)
        assert isinstance(outcome.error, InvalidResponseError)
        assert int(status[:3]) == outcome.error.status
        assert (Status.FAILED, 3, True) == (outcome.status, outcome.attempts, outcome.maybe_applied)
        assert 3 == server.requests


async def test_a_server_that_drops_every_second_call() -> None:
    """Six hundred pairs, each linked."""

    async def respond(exchange: Exchange) -> None:
        await pass_time(0.01)
        if exchange.of_connection == 2:
            exchange.reset()
        else:
            exchange.link()

    timeouts = Timeouts(connect=5.0)
    async with raw_server(respond) as server, _client(server, timeouts=timeouts) as client:
        outcomes = await _outcomes(client, *range(1, 601))
    assert {(Status.LINKED, 1)} == {(outcome.status, outcome.attempts) for outcome in outcomes}


async def test_a_lent_session_that_is_closed_while_a_call_looks_for_a_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The connection cannot be used, and there is no other: the client is closed, nothing sent."""

    async def respond(exchange: Exchange) -> None:
        exchange.link()

    take = Connections.take_lent

    async def take_and_close(self: Connections, attempt: Attempt, connection: Any) -> None:
        await take(self, attempt, connection)
        if attempt.is_reuse:
            await client._transport._session.close()  # type: ignore[union-attr]
            raise UnfitConnectionError

    monkeypatch.setattr(Connections, "take_lent", take_and_close)
    async with raw_server(respond) as server, _client(server, lent=True) as client:
        assert (await _one(client, 1)).ok
        with pytest.raises(ClientClosedError):
            await client.create_default(_pair(2))
        async with client.link_each([_pair(2)]) as outcomes:
            outcome = await anext(outcomes)
            assert (0, False) == (outcome.attempts, outcome.maybe_applied)
            with pytest.raises(ClientClosedError):
                await anext(outcomes)
        assert 1 == server.requests


@pytest.mark.parametrize("lent", OURS)
async def test_connections_that_are_gone_take_no_memory(lent: bool) -> None:
    """A hundred are lost: no more of them are known than are open."""

    async def respond(exchange: Exchange) -> None:
        if exchange.of_connection == 2:
            exchange.reset()
        else:
            exchange.link()

    async with raw_server(respond) as server, _client(server, lent=lent, concurrency=4) as client:
        await _outcomes(client, *range(1, 101))
        assert server.connections >= 100
        gc.collect()
        connections = client._transport._connections
        assert len(connections._own) + len(connections._lent) <= 4


async def test_however_many_wait_for_silence() -> None:
    """No more connections than that are kept out of use: the refusal is asked for again."""

    async def respond(exchange: Exchange) -> None:
        await pass_time(0.1)
        if exchange.ids[0] == "1":
            exchange.link()
        else:
            exchange.say(refused())

    async with raw_server(respond) as server, _client(server, concurrency=2) as client:
        await _one(client, 1)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_one(client, number)) for number in range(2, 42)]
        outcomes = [task.result() for task in tasks]
        assert {Status.FAILED} == {outcome.status for outcome in outcomes}
        assert {1} == {outcome.attempts for outcome in outcomes}
        assert server.requests < 2 * 41


async def test_a_lent_session_with_one_connection() -> None:
    """Whoever gets it while it is in doubt waits, and takes another one if it is no good."""

    async def respond(exchange: Exchange) -> None:
        if exchange.number == 2:
            await pass_time(0.05)
            exchange.say(refused())
        await pass_time(0.2)
        exchange.link()

    async with raw_server(respond) as server, AsyncExitStack() as stack:
        connector = aiohttp.TCPConnector(limit=1)
        session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        client = await stack.enter_async_context(
            AssociationClient("token-1", base_url=server.base_url, session=session)
        )
        await client.create_default(_pair(1))
        async with asyncio.TaskGroup() as group:
            for number in (2, 3):
                group.create_task(client.create_default(_pair(number)))
        assert 4 == server.requests


@pytest.mark.parametrize("idle", [True, False])
async def test_where_aiohttp_makes_connections_in_another_way(
    idle: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then whole responses are seen that nobody asked for, as in a lent session."""
    plain = aiohttp.TCPConnector.__init__
    monkeypatch.setattr(own_session.Connector, "__init__", plain)

    async def respond(exchange: Exchange) -> None:
        if exchange.number == 2 and not idle:
            exchange.say(refused())
        await pass_time(0.1)
        exchange.link()
        if exchange.number == 1 and idle:
            await pass_time(1.0)
            exchange.say(refused())

    async with raw_server(respond) as server, _client(server) as client:
        await _one(client, 1)
        await pass_time(5.0)
        outcome = await _one(client, 2)
        assert (Status.LINKED, 1) == (outcome.status, outcome.attempts)
        assert 2 == server.connections
        assert Status.LINKED is (await _one(client, 3)).status


@pytest.mark.parametrize("idle", [True, False])
async def test_where_requests_go_through_aiohttps_session(
    idle: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a later aiohttp, or where it is traced: no other call's response is believed."""
    monkeypatch.setattr(own_session, "_IS_KNOWN", False)

    async def respond(exchange: Exchange) -> None:
        if exchange.number == 2 and not idle:
            exchange.say(refused())
        await pass_time(0.1)
        exchange.link()
        if exchange.number == 1 and idle:
            await pass_time(1.0)
            exchange.say(b"HTTP/1.1 404 Not Fou")

    async with raw_server(respond) as server, _client(server) as client:
        await _one(client, 1)
        await pass_time(5.0)
        outcome = await _one(client, 2)
        assert (Status.LINKED, 1) == (outcome.status, outcome.attempts)
        assert 2 == server.connections
        assert Status.LINKED is (await _one(client, 3)).status


async def test_a_call_that_took_the_connection_meanwhile_keeps_it() -> None:
    """The loop stood still for so long that the connection was in use again: it is not closed."""
    loop = asyncio.get_running_loop()

    class Clock(SystemClock):
        async def sleep(self, seconds: float) -> None:
            if seconds:
                protocol.attempt = other
                protocol.is_spoilt = True  # the response to the other call is coming

    class OpenTransport(asyncio.Transport):
        def is_closing(self) -> bool:
            return False

    task = asyncio.current_task()
    assert task is not None
    connections = Connections(Clock(), most_in_doubt=8)
    protocol = WatchedProtocol(loop)
    transport = protocol.transport = OpenTransport()
    call, other = (Attempt(task, loop.time(), math.inf) for _ in range(2))
    call.protocol = protocol
    assert not await connections.confirm(call)
    assert protocol.transport is transport
    assert protocol.is_spoilt
