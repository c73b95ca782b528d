"""A client, or its lent session, that is closed while a run continues."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections import Counter
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from aiohubassoc import (
    AssociationClient,
    ClientClosedError,
    ConnectionLostError,
    NotFoundError,
    Pair,
    Quota,
    RetryPolicy,
    SharedQuota,
    Status,
    Timeouts,
)
from tests.conftest import pass_time, settle
from tests.http.raw_server import Exchange, raw_server, refused
from tests.http.slow_resolver import SlowResolver

if TYPE_CHECKING:
    from pathlib import Path

    from aiohubassoc import Outcome

LENT = [pytest.param(False, id="own"), pytest.param(True, id="lent")]
NOT_SENT = (Status.UNPROCESSED, 0, False, "ClientClosedError")


def _count(outcomes: list[Outcome]) -> Counter[tuple[Status, int, bool, str]]:
    return Counter(
        (one.status, one.attempts, one.maybe_applied, type(one.error).__name__) for one in outcomes
    )


async def _close(client: AssociationClient, session: aiohttp.ClientSession | None) -> None:
    await (client.aclose() if session is None else session.close())


async def test_a_cancelled_close_closes_the_shared_quota(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Cancelled while the connections close: the store is closed nevertheless."""
    closed = []
    shared = SharedQuota(f"sqlite:///{tmp_path / 'quota.db'}")
    client = AssociationClient("token-1", shared_quota=shared)
    await client.__aenter__()
    close, session = client._transport.close, client._shared
    assert session is not None
    monkeypatch.setattr(client._transport, "close", lambda: pass_time(9))
    whole = session.close

    async def close_store() -> None:
        await whole()
        closed.append(True)

    monkeypatch.setattr(session, "close", close_store)
    task = asyncio.create_task(client.aclose())
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await close()
    assert [True] == closed


@pytest.mark.parametrize("lent", LENT)
@pytest.mark.parametrize("after", [0.05, 0.15])
async def test_what_was_not_sent_is_reported_as_not_sent(after: float, lent: bool) -> None:
    """No attempt, no doubt; what was in flight may have made its link."""
    arrived: Counter[str] = Counter()

    async def respond(exchange: Exchange) -> None:
        arrived[exchange.ids[0]] += 1
        await pass_time(0.1)
        exchange.link()

    session = aiohttp.ClientSession() if lent else None
    outcomes: list[Outcome] = []
    async with raw_server(respond) as server:
        client = AssociationClient(
            "token-1", base_url=server.base_url, quota=Quota(5, 0.2), session=session
        )
        async with client:
            pairs = [Pair("contacts", number, "companies", number) for number in range(1, 21)]
            with pytest.raises(ClientClosedError):
                async with client.link_each(pairs) as run:
                    closing = asyncio.get_running_loop().call_later(
                        after, lambda: tasks.append(asyncio.create_task(_close(client, session)))
                    )
                    tasks: list[asyncio.Task[Any]] = []
                    async for outcome in run:
                        outcomes.append(outcome)  # noqa: PERF401 -- it raises in the midst
            closing.cancel()
            outcomes += [outcome async for outcome in run]
            await tasks[0]
    assert 20 == len(outcomes)
    assert 5 == len(arrived)
    not_sent = [one for one in outcomes if one.pair.from_id not in arrived]
    assert {NOT_SENT: 15} == _count(not_sent)
    sent = _count([one for one in outcomes if one.pair.from_id in arrived])
    lost = (Status.UNPROCESSED, 1, True, "ConnectionLostError")
    linked = (Status.LINKED, 1, False, "NoneType")
    assert sent == {(lost if after < 0.1 else linked): 5}


@pytest.mark.parametrize("length", ["Content-Length: 99", "Transfer-Encoding: chunked"])
async def test_a_client_that_is_closed_in_the_midst_of_a_body(length: str) -> None:
    """What is in flight may have made its link; nothing waits for the rest."""

    async def respond(exchange: Exchange) -> None:
        exchange.say(f"HTTP/1.1 200 OK\r\n{length}\r\n\r\n9\r\n{{".encode())

    outcomes: list[Outcome] = []
    async with raw_server(respond) as server:
        client = AssociationClient("token-1", base_url=server.base_url, timeouts=Timeouts(5, 5, 5))
        async with client, asyncio.timeout(100):
            with pytest.raises(ClientClosedError):
                async with client.link_each([Pair("contacts", 1, "companies", 1)]) as run:
                    await pass_time(1.0)
                    await client.aclose()
                    async for outcome in run:
                        outcomes.append(outcome)  # noqa: PERF401 -- it raises in the midst
    assert {(Status.UNPROCESSED, 1, True, "ConnectionLostError"): 1} == _count(outcomes)


async def test_a_client_that_is_closed_while_it_connects(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was sent over the connection that came too late."""
    connect = aiohttp.TCPConnector._create_connection

    async def slowly(*args: Any, **options: Any) -> Any:
        await pass_time(2.0)
        return await connect(*args, **options)

    async def respond(exchange: Exchange) -> None:
        exchange.link()

    monkeypatch.setattr(aiohttp.TCPConnector, "_create_connection", slowly)
    async with raw_server(respond) as server:
        async with AssociationClient("token-1", base_url=server.base_url) as client:
            linking = asyncio.create_task(client.create_default(Pair("a", 1, "b", 2)))
            await pass_time(1.0)
        with pytest.raises(ClientClosedError):
            await linking
        assert 0 == server.requests


@pytest.mark.parametrize("lent", LENT)
async def test_a_client_that_is_closed_while_a_name_is_looked_up(
    lent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session cancels the lookup, not the call: nobody cancelled that; nothing was sent."""
    resolver = SlowResolver(1.0)
    monkeypatch.setattr(aiohttp.connector, "DefaultResolver", lambda **_: resolver)
    session = aiohttp.ClientSession() if lent else None
    client = AssociationClient("token-1", base_url="http://localhost:1", session=session)
    async with client:
        call = asyncio.create_task(client.create_default(Pair("contacts", 1, "companies", 1)))
        run = asyncio.create_task(client.link_all([Pair("contacts", 2, "companies", 2)]))
        await pass_time(0.1)
        await _close(client, session)
        assert await asyncio.wait([call, run])
    assert ["ClientClosedError"] * 2 == [type(one.exception()).__name__ for one in (call, run)]


async def test_a_lent_session_whose_traces_raise_a_cancellation_cancels_nothing() -> None:
    """As one whose connections break: the caller's task was not cancelled."""

    async def trace(*_: object) -> None:
        raise asyncio.CancelledError

    async def respond(exchange: Exchange) -> None:
        exchange.link()

    traces = aiohttp.TraceConfig()
    traces.on_request_end.append(trace)
    async with (
        raw_server(respond) as server,
        aiohttp.ClientSession(trace_configs=[traces]) as session,
        AssociationClient(
            "token-1",
            base_url=server.base_url,
            session=session,
            retry=RetryPolicy(attempts=2, wait_initial=0.01),
        ) as client,
    ):
        with pytest.raises(ConnectionLostError) as caught:
            await client.create_default(Pair("contacts", 1, "companies", 1))
        report = await client.link_all([Pair("contacts", 1, "companies", 1)])
    assert caught.value.maybe_applied
    assert (1, None, True) == (report.failed, report.stopped, report.failures[0].maybe_applied)


@pytest.mark.parametrize("lent", LENT)
async def test_a_task_that_cancelled_itself_is_cancelled(lent: bool) -> None:
    """At its first wait, which is inside the call: this is no cancellation of the session's."""

    async def respond(exchange: Exchange) -> None:
        exchange.link()

    async with raw_server(respond) as server, AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession()) if lent else None
        client = AssociationClient("token-1", base_url=server.base_url, session=session)
        await stack.enter_async_context(client)

        async def call() -> None:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await client.create_default(Pair("contacts", 1, "companies", 1))

        with pytest.raises(asyncio.CancelledError):
            await asyncio.create_task(call())


async def test_a_client_that_is_closed_before_a_refusal_is_sure() -> None:
    """Silence says nothing where nobody listens."""

    async def respond(exchange: Exchange) -> None:
        await pass_time(0.1)
        if exchange.number == 1:
            exchange.link()
        else:
            exchange.say(refused())

    async with raw_server(respond) as server:
        async with AssociationClient("token-1", base_url=server.base_url) as client:
            await client.create_default(Pair("a", 1, "b", 2))
            linking = asyncio.create_task(client.create_default(Pair("a", 3, "b", 4)))
            await pass_time(0.15)
        with pytest.raises(ClientClosedError):
            await linking
        assert 2 == server.requests


@pytest.mark.parametrize("way", [pickle.dumps, copy.copy, copy.deepcopy])
async def test_a_client_is_neither_pickled_nor_copied(way: Any) -> None:
    """It holds the token; open or not."""
    client = AssociationClient("token-1")
    with pytest.raises(TypeError, match="cannot be pickled or copied: it holds the token"):
        way(client)
    async with client:
        with pytest.raises(TypeError, match="it holds the token"):
            way(client)


@pytest.mark.parametrize("lent", LENT)
async def test_outcomes_are_pickled_without_the_token(lent: bool) -> None:
    """Whatever a server said and an attempt came to."""

    async def respond(exchange: Exchange) -> None:
        number = int(exchange.ids[0])
        if number == 1:
            exchange.link()
        elif number == 2:
            exchange.say(refused(message="no token-canary"))
        elif number == 3:
            exchange.say(refused("200 OK", **{"x-token-canary": "token-canary"}))
        else:
            exchange.reset()

    session = aiohttp.ClientSession() if lent else None
    async with (
        raw_server(respond) as server,
        AssociationClient(
            "token-canary",
            base_url=server.base_url,
            session=session,
            retry=RetryPolicy(attempts=1),
        ) as client,
    ):
        pairs = [Pair("contacts", number, "companies", number) for number in range(1, 5)]
        report = await client.link_all(pairs)
    if session is not None:
        await session.close()
    assert (1, 3) == (report.linked, report.failed)
    pickled = pickle.dumps(report)
    assert b"canary" not in pickled
    kept = pickle.loads(pickled)  # noqa: S301 -- our own
    assert {"NotFoundError", "InvalidResponseError", "ConnectionLostError"} == {
        type(one.error).__name__ for one in kept.failures
    }
    assert isinstance(NotFoundError(404, None, "m", None), Exception)
    assert isinstance(ConnectionLostError("x"), Exception)
