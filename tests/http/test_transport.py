"""One HTTP call, over real sockets on this machine, in virtual time."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import aiohttp
import pytest
import trustme
import yarl
from aiohttp import web
from aiohttp.client_proto import ResponseHandler
from aiohttp.test_utils import TestServer

from aiohubassoc import (
    ClientClosedError,
    ConnectError,
    ConnectionLostError,
    InvalidResponseError,
    OptionsError,
    Pair,
    ResponseTimeoutError,
    Timeouts,
    TransportError,
)
from aiohubassoc._http import own_session, transport as transport_module
from aiohubassoc._http.failures import NoResponse, find_meaning, to_no_response
from aiohubassoc._http.transport import Transport
from aiohubassoc._protocol.bounds import Redaction
from aiohubassoc._protocol.requests import Endpoint
from aiohubassoc._protocol.verdicts import Response
from tests.conftest import pass_time
from tests.http.slow_resolver import SlowResolver
from tests.protocol.judging import judge

ENDPOINT = Endpoint("PUT", "/crm/v4/objects/a%2Fb/1/associations/default/c/2")
TOKEN = "canary-token"
PAIR = Pair("contacts", 1, "companies", 2)
NOW = datetime(2026, 12, 1, tzinfo=UTC)
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(handler: Handler, **options: Any) -> AsyncIterator[str]:
    """Serve *handler* for every path and give the base URL."""

    async def hand(request: web.Request) -> web.StreamResponse:
        return await handler(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", hand)
    server = TestServer(app)
    await server.start_server(**options)
    try:
        yield str(server.make_url("")).rstrip("/")
    finally:
        await server.close()


@asynccontextmanager
async def raw_serving(
    talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    """Serve bytes and give the base URL."""
    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield f"http://127.0.0.1:{port}"


@asynccontextmanager
async def opened(base_url: str, **options: Any) -> AsyncIterator[Transport]:
    """Open a transport."""
    settings: dict[str, Any] = {
        "timeouts": Timeouts(),
        "connections": 8,
        **options,
    }
    transport = Transport(base_url, **settings)
    await transport.open()
    try:
        yield transport
    finally:
        await transport.close()


async def _send(base_url: str, **options: Any) -> Response | NoResponse:
    async with opened(base_url, **options) as transport:
        answer, _ = await transport.send(ENDPOINT, TOKEN)
        return answer


async def _error(base_url: str, **options: Any) -> TransportError:
    answer = await _send(base_url, **options)
    assert isinstance(answer, NoResponse)
    return answer.error


# --- what is sent and what comes back ----------------------------------------------------------


@pytest.mark.parametrize("ready", [True, False])
async def test_the_request_is_what_hubspot_documents(
    monkeypatch: pytest.MonkeyPatch, *, ready: bool
) -> None:
    """A PUT without a body, the path as it was encoded, the token, and who is asking."""
    assert own_session._IS_KNOWN
    monkeypatch.setattr(own_session, "_IS_KNOWN", ready)
    seen: list[web.BaseRequest] = []

    async def handler(request: web.BaseRequest) -> web.Response:
        seen.append(request)
        assert b"" == await request.read()
        return web.Response(text="{}", headers={"X-Thing": "x"})

    async with serving(handler) as base_url:
        answer = await _send(base_url)
    assert isinstance(answer, Response)
    assert (200, b"{}", "x", "") == (
        answer.status,
        answer.body,
        answer.headers.get("x-thing"),
        answer.url,
    )
    (request,) = seen
    assert ("PUT", ENDPOINT.path) == (request.method, request.raw_path)
    assert f"Bearer {TOKEN}" == request.headers["Authorization"]
    assert "application/json" == request.headers["Accept"]
    assert request.headers["User-Agent"].startswith("aiohubassoc/")
    assert "identity" == request.headers["Accept-Encoding"]
    assert request.headers["Host"] in base_url


@pytest.mark.parametrize("ready", [True, False])
@pytest.mark.parametrize("lent", [True, False])
async def test_a_call_with_a_body(
    monkeypatch: pytest.MonkeyPatch, *, ready: bool, lent: bool
) -> None:
    """JSON, sent whole and named as such; the call after it has none and names none."""
    monkeypatch.setattr(own_session, "_IS_KNOWN", ready)
    seen: list[tuple[str, bytes, str | None, str | None]] = []

    async def handler(request: web.BaseRequest) -> web.Response:
        kind, length = (request.headers.get(f"Content-{name}") for name in ("Type", "Length"))
        seen.append((request.method, await request.read(), kind, length))
        assert f"Bearer {TOKEN}" == request.headers["Authorization"]
        assert "application/json" == request.headers["Accept"]
        return web.Response(text="x" * (400_000 if request.method == "POST" else 9))

    body = b'{"inputs":[%b]}' % b",".join([b'{"from":{"id":"1"},"to":{"id":"2"}}'] * 2000)
    batch = Endpoint("POST", "/crm/v4/associations/a/b/batch/associate/default", body)
    async with AsyncExitStack() as stack:
        base_url = await stack.enter_async_context(serving(handler))
        session = await stack.enter_async_context(aiohttp.ClientSession()) if lent else None
        transport = await stack.enter_async_context(opened(base_url, session=session))
        for endpoint in (batch, ENDPOINT):
            answer, _ = await transport.send(endpoint, TOKEN)
            assert isinstance(answer, Response)
            assert (400_000 if endpoint is batch else 9) == len(answer.body)
    assert ("POST", body, "application/json", str(len(body))) == seen[0]
    assert ("PUT", b"") == seen[1][:2]
    assert "application/json" != seen[1][2]


async def test_a_base_url_may_have_a_path() -> None:
    """Gateways serve HubSpot below a path of their own."""
    seen: list[str] = []

    async def handler(request: web.BaseRequest) -> web.Response:
        seen.append(request.raw_path)
        return web.Response()

    async with serving(handler) as base_url:
        await _send(f"{base_url}/gate/way")
    assert [f"/gate/way{ENDPOINT.path}"] == seen


@pytest.mark.parametrize("lent", [False, True])
@pytest.mark.parametrize("status", [301, 302, 307, 404, 500])
async def test_redirects_are_not_followed(status: int, lent: bool) -> None:
    """A redirect is a response like another, and the URL that was asked is reported."""
    seen: list[str] = []

    async def handler(request: web.BaseRequest) -> web.Response:
        seen.append(request.raw_path)
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    async with AsyncExitStack() as stack:
        base_url = await stack.enter_async_context(serving(handler))
        session = await stack.enter_async_context(aiohttp.ClientSession()) if lent else None
        answer = await _send(base_url, session=session)
        assert isinstance(answer, Response)
        assert (status, base_url + ENDPOINT.path) == (answer.status, answer.url)
    assert 1 == len(seen)


async def test_connections_are_reused_and_new_ones_told() -> None:
    """The first call opens a connection, the next ones do not."""

    async def handler(_: web.BaseRequest) -> web.Response:
        return web.Response(text="{}")

    async with serving(handler) as base_url, opened(base_url) as transport:
        waited = [(await transport.send(ENDPOINT, TOKEN))[1] for _ in range(3)]
    assert [None, 0.0, 0.0] == waited


async def test_cookies_are_not_kept() -> None:
    """HubSpot's edge sets cookies; sending them back only costs."""
    seen: list[str | None] = []

    async def handler(request: web.BaseRequest) -> web.Response:
        seen.append(request.headers.get("Cookie"))
        return web.Response(headers={"Set-Cookie": "edge=1; Path=/"})

    async with serving(handler) as base_url, opened(base_url) as transport:
        for _ in range(2):
            await transport.send(ENDPOINT, TOKEN)
    assert [None, None] == seen


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize(("body", "most"), [(b"", 65_536), (b"{}", 300_000)])
async def test_too_large_an_answer_is_refused(
    body: bytes, most: int, chunked: bool, large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A body up to the bound is read whole, of a call for one pair or many; a longer one is not."""
    monkeypatch.setattr(transport_module, "MAX_BODY_BYTES", 300_000)
    size = most + large

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        await request.read()
        response = web.StreamResponse()
        if chunked:
            response.enable_chunked_encoding()
        else:
            response.content_length = size
        await response.prepare(request)
        await response.write(b"x" * size)
        return response

    async with serving(handler) as base_url, opened(base_url) as transport:
        for _ in range(2):  # over a new connection, and over one that may be used again
            answer, _ = await transport.send(Endpoint("POST", "/a", body), TOKEN)
            if not large:
                assert isinstance(answer, Response)
                assert size == len(answer.body)
                continue
            assert isinstance(answer, NoResponse)
            assert isinstance(answer.error, InvalidResponseError)
            assert (True, 200) == (answer.error.maybe_applied, answer.error.status)
            assert answer.is_too_large
            assert f"larger than {most} bytes" in str(answer.error)


@pytest.mark.parametrize("lent", [False, True])
@pytest.mark.parametrize("status", [200, 400])
async def test_a_long_body_is_redacted_a_part_at_a_time(
    status: int, lent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Escapes are looked at one by one: other tasks run meanwhile, and the connection is free."""
    parts: list[int] = []
    in_bytes = Redaction.in_bytes

    def spy(self: Redaction, body: bytes) -> bytes:
        parts.append(len(body))
        assert all(one.attempt is None for one in transport._connections._own)
        return in_bytes(self, body)

    monkeypatch.setattr(Redaction, "in_bytes", spy)
    content = f"\\u00e4%41, {TOKEN} ".encode() * 2_500

    async def handler(request: web.BaseRequest) -> web.Response:
        await request.read()
        return web.Response(body=content, status=status)

    session = aiohttp.ClientSession() if lent else None
    async with serving(handler) as base_url, opened(base_url, session=session) as transport:
        for _ in range(3):
            answer, _ = await transport.send(Endpoint("POST", "/a", b"{}"), TOKEN)
            assert isinstance(answer, Response)
            assert content.replace(TOKEN.encode(), b"[secret]") == answer.body
    if session is not None:
        await session.close()
    assert 3 * len(content) <= sum(parts)
    assert max(parts) < 33_000


# --- faults ------------------------------------------------------------------------------------


async def test_nobody_listens() -> None:
    """A refused connection sent nothing."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        error = await _error(f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert isinstance(error, ConnectError)
    assert not error.maybe_applied


async def test_no_such_host() -> None:
    """A name that does not resolve sent nothing."""

    class NoHost(aiohttp.abc.AbstractResolver):
        async def resolve(self, *_: Any, **__: Any) -> Any:
            raise OSError(None, "no such host")

        async def close(self) -> None:
            """Nothing to close."""

    connector = aiohttp.TCPConnector(resolver=NoHost())
    async with aiohttp.ClientSession(connector=connector) as session:
        error = await _error("http://nowhere.localhost", session=session)
    assert isinstance(error, ConnectError)


async def test_no_answer_in_time() -> None:
    """Sent, and then silence: it may have been done."""

    async def handler(_: web.BaseRequest) -> web.Response:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    async with serving(handler) as base_url:
        error = await _error(base_url, timeouts=Timeouts(response=3.0))
        assert (True, 3.0) == (error.maybe_applied, round(asyncio.get_running_loop().time(), 2))
    assert isinstance(error, ResponseTimeoutError)


async def test_calls_are_ended_when_each_is_due() -> None:
    """One timer serves them all: those begun later end later, and new ones are watched too."""
    ends: list[float] = []

    async def handler(_: web.BaseRequest) -> web.Response:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    async def send(transport: Transport, after: float) -> None:
        await pass_time(after)
        answer, waited = await transport.send(ENDPOINT, TOKEN)
        assert isinstance(answer, NoResponse)
        assert isinstance(answer.error, ResponseTimeoutError)
        assert waited is None
        ends.append(round(asyncio.get_running_loop().time(), 1))

    async with (
        serving(handler) as base_url,
        opened(base_url, timeouts=Timeouts(response=3.0)) as transport,
        asyncio.TaskGroup() as group,
    ):
        for after in (0.0, 1.0, 1.0, 5.0):
            group.create_task(send(transport, after))
    assert [3.0, 4.0, 4.0, 8.0] == ends


async def test_a_cancellation_is_no_timeout() -> None:
    """Whoever cancels a call, even as its time is over, sees it cancelled."""

    async def handler(_: web.BaseRequest) -> web.Response:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    async with (
        serving(handler) as base_url,
        opened(base_url, timeouts=Timeouts(response=3.0)) as transport,
    ):
        loop = asyncio.get_running_loop()
        for after in (1.0, 3.0):
            task = asyncio.create_task(transport.send(ENDPOINT, TOKEN))
            loop.call_later(after, task.cancel)
            await asyncio.wait([task])
            assert task.cancelled()


async def test_the_time_for_an_answer_begins_with_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Connecting has its own bound; the total bounds both, and then nothing was sent."""
    connect = aiohttp.TCPConnector._create_connection

    async def slowly(*args: Any, **kwargs: Any) -> Any:
        await pass_time(4.0)
        return await connect(*args, **kwargs)

    async def handler(_: web.BaseRequest) -> web.Response:
        await pass_time(1.5)
        return web.Response(text="{}")

    monkeypatch.setattr(aiohttp.TCPConnector, "_create_connection", slowly)
    async with serving(handler) as base_url:
        only_answer = Timeouts(connect=None, response=2.0, total=None)
        assert isinstance(await _send(base_url, timeouts=only_answer), Response)
        late = Timeouts(connect=None, response=1.0, total=None)
        assert isinstance(await _error(base_url, timeouts=late), ResponseTimeoutError)
        in_total = Timeouts(connect=None, response=2.0, total=3.0)
        error = await _error(base_url, timeouts=in_total)
        assert isinstance(error, ConnectError)
        assert not error.maybe_applied


async def test_no_body_at_all() -> None:
    """A response may be empty."""

    async def handler(_: web.BaseRequest) -> web.Response:
        return web.Response(status=204)

    async with serving(handler) as base_url:
        answer = await _send(base_url)
    assert isinstance(answer, Response)
    assert (204, b"") == (answer.status, answer.body)


async def test_a_token_that_changes() -> None:
    """Each call is sent with its own."""
    seen: list[str] = []

    async def handler(request: web.BaseRequest) -> web.Response:
        seen.append(request.headers["Authorization"])
        return web.Response(text="{}")

    async with (
        serving(handler) as base_url,
        opened(base_url) as transport,
        asyncio.TaskGroup() as group,
    ):
        for token in "abab":
            group.create_task(transport.send(ENDPOINT, token))
    assert ["Bearer a", "Bearer a", "Bearer b", "Bearer b"] == sorted(seen)


async def test_the_total_bounds_a_dripping_answer() -> None:
    """A response that comes byte by byte is cut off by the total."""

    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        try:
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.wait_for(asyncio.get_running_loop().create_future(), 1.0)
        except TimeoutError:
            writer.close()

    async with raw_serving(talk) as base_url:
        error = await _error(base_url, timeouts=Timeouts(response=2.0, total=1.0))
    assert isinstance(error, ResponseTimeoutError)


async def test_a_slow_connection() -> None:
    """Connecting has a separate bound, and nothing was sent by then."""

    class Slow(aiohttp.abc.AbstractResolver):
        async def resolve(self, *_: Any, **__: Any) -> Any:
            await asyncio.get_running_loop().create_future()

        async def close(self) -> None:
            """Nothing to close."""

    connector = aiohttp.TCPConnector(resolver=Slow())
    async with aiohttp.ClientSession(connector=connector) as session:
        error = await _error(
            "http://slow.localhost", session=session, timeouts=Timeouts(connect=2.0)
        )
    assert isinstance(error, ConnectError)
    assert 2.0 == round(asyncio.get_running_loop().time(), 2)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (b"", ConnectionLostError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", ConnectionLostError),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{", ConnectionLostError),
        (b"HTTP/1.1 abc\r\n\r\n", InvalidResponseError),
        (b"SSH-2.0-OpenSSH\r\n", InvalidResponseError),
    ],
)
async def test_broken_answers(said: bytes, expected: type[TransportError]) -> None:
    """Cut off before, in the midst of, or instead of a response: it may have been done."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        writer.close()

    async with raw_serving(talk) as base_url:
        error = await _error(base_url)
    assert expected is type(error)
    assert error.maybe_applied


@pytest.mark.parametrize("lent", [False, True])
async def test_aiohttp_repeats_nothing_by_itself(lent: bool) -> None:
    """On a reused connection that turns out dead a PUT is sent once, not twice."""
    arrivals = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal arrivals
        while True:
            try:
                await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                break
            arrivals += 1
            if arrivals > 1:
                break
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()

    session = aiohttp.ClientSession() if lent else None
    async with raw_serving(talk) as base_url, opened(base_url, session=session) as transport:
        first, _ = await transport.send(ENDPOINT, TOKEN)
        second, waited = await transport.send(ENDPOINT, TOKEN)
    if session is not None:
        await session.close()
    assert isinstance(first, Response)
    assert isinstance(second, NoResponse)
    assert isinstance(second.error, ConnectionLostError)
    assert (2, 0.0) == (arrivals, waited)


NOT_CONNECTED = (ConnectError, True)
NEVER_CONNECTED = (ConnectError, False)
SILENT = (ResponseTimeoutError, True)
LOST = (ConnectionLostError, True)
GARBLED = (InvalidResponseError, True)
# Every exception of aiohttp 3.14's client: a new one must be looked at before it is let in here.
MEANINGS = {
    "ClientConnectionError": LOST,
    "ClientConnectionResetError": LOST,
    "ClientConnectorCertificateError": NEVER_CONNECTED,
    "ClientConnectorDNSError": NOT_CONNECTED,
    "ClientConnectorError": NOT_CONNECTED,
    "ClientConnectorSSLError": NOT_CONNECTED,
    "ClientError": LOST,
    "ClientHttpProxyError": NOT_CONNECTED,
    "ClientOSError": LOST,
    "ClientPayloadError": LOST,
    "ClientProxyConnectionError": NOT_CONNECTED,
    "ClientResponseError": GARBLED,
    "ClientSSLError": NOT_CONNECTED,
    "ConnectionTimeoutError": NOT_CONNECTED,
    "ContentTypeError": GARBLED,
    "InvalidURL": NEVER_CONNECTED,
    "InvalidUrlClientError": NEVER_CONNECTED,
    "InvalidUrlRedirectClientError": NEVER_CONNECTED,
    "NonHttpUrlClientError": NEVER_CONNECTED,
    "NonHttpUrlRedirectClientError": NEVER_CONNECTED,
    "RedirectClientError": LOST,
    "ServerConnectionError": LOST,
    "ServerDisconnectedError": LOST,
    "ServerFingerprintMismatch": NEVER_CONNECTED,
    "ServerTimeoutError": SILENT,
    "SocketTimeoutError": SILENT,
    "TooManyRedirects": GARBLED,
    "UnixClientConnectorError": NOT_CONNECTED,
    "UploadAbortedError": LOST,
    "WSServerHandshakeError": GARBLED,
}


def _subclasses(cls: type[BaseException]) -> set[type[BaseException]]:
    below: set[type[BaseException]] = {cls}
    for sub in cls.__subclasses__():
        below |= _subclasses(sub)
    return below


def test_every_exception_of_aiohttp_means_something() -> None:
    """Each subclass of ClientError has a meaning, and it is the one that was thought of."""
    classes = {c for c in _subclasses(aiohttp.ClientError) if c.__module__.startswith("aiohttp.")}
    meanings = {cls.__name__: find_meaning(cls) for cls in classes}
    assert meanings == {name: MEANINGS.get(name) for name in meanings}
    assert MEANINGS.keys() - meanings.keys() <= {"UploadAbortedError"}  # aiohttp has it since 3.14


@pytest.mark.parametrize(
    ("error", "expected", "passing", "maybe_applied"),
    [
        (TimeoutError(), ResponseTimeoutError, True, True),
        (OSError("broken"), ConnectionLostError, True, True),
        (ConnectionResetError("reset"), ConnectionLostError, True, True),
        (aiohttp.ServerDisconnectedError(), ConnectionLostError, True, True),
        (aiohttp.ClientPayloadError("cut"), ConnectionLostError, True, True),
        (aiohttp.SocketTimeoutError(), ResponseTimeoutError, True, True),
        (aiohttp.ConnectionTimeoutError(), ConnectError, True, False),
        (aiohttp.InvalidURL("x"), ConnectError, False, False),
    ],
)
def test_what_exceptions_mean(
    error: BaseException, expected: type, passing: bool, maybe_applied: bool
) -> None:
    """Whether anything may have been done, and whether another call may fare better."""
    found = to_no_response(error)
    assert (expected, passing, maybe_applied) == (
        type(found.error),
        found.passing,
        found.error.maybe_applied,
    )


def test_other_exceptions_are_nobodys_answer() -> None:
    """A fault of our own code is not taken for one of the network's."""
    with pytest.raises(ZeroDivisionError):
        to_no_response(ZeroDivisionError())


# --- TLS ---------------------------------------------------------------------------------------


async def test_certificates_are_verified() -> None:
    """An unknown authority is refused for good; a private one can be trusted on purpose."""

    async def handler(_: web.BaseRequest) -> web.Response:
        return web.Response(text="{}")

    authority = trustme.CA()
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(served)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    server = TestServer(app, scheme="https", host="localhost")
    await server.start_server(ssl=served)
    base_url = str(server.make_url("")).rstrip("/")
    try:
        refused = await _send(base_url)
        trusting = ssl.create_default_context()
        authority.configure_trust(trusting)
        answer = await _send(base_url, ssl=trusting)
    finally:
        await server.close()
    assert isinstance(refused, NoResponse)
    assert isinstance(refused.error, ConnectError)
    assert not refused.passing
    assert isinstance(answer, Response)


async def test_tls_cannot_be_left_unverified() -> None:
    """Neither by a context nor through a lent session."""
    lax = ssl.create_default_context()
    lax.check_hostname = False
    blind = ssl.create_default_context()
    blind.check_hostname = False
    blind.verify_mode = ssl.CERT_NONE
    for context in (lax, blind):
        with pytest.raises(OptionsError, match="TLS must be verified"):
            Transport("https://a.example", timeouts=Timeouts(), connections=1, ssl=context)
    for given in (False, blind):
        connector = aiohttp.TCPConnector(ssl=given)
        async with aiohttp.ClientSession(connector=connector) as session:
            with pytest.raises(OptionsError, match="TLS must be verified"):
                Transport("https://a.example", timeouts=Timeouts(), connections=1, session=session)


# --- sessions ----------------------------------------------------------------------------------


async def test_a_lent_session_lends_its_connections_only() -> None:
    """Its credentials, cookies, headers, base URL, raising and middlewares stay out of it."""
    seen: list[web.BaseRequest] = []
    middled = []

    async def handler(request: web.BaseRequest) -> web.Response:
        seen.append(request)
        return web.Response(status=500, text="{}", headers={"Set-Cookie": "edge=1; Path=/"})

    async def middleware(request: Any, handle: Any) -> Any:
        middled.append(request)
        return await handle(request)

    async with serving(handler) as base_url:
        session = aiohttp.ClientSession(
            base_url="http://elsewhere.localhost/",
            cookies={"own": "1"},
            cookie_jar=aiohttp.CookieJar(unsafe=True),
            headers={"Authorization": "Basic own", "Accept": "text/plain"},
            raise_for_status=True,
            timeout=aiohttp.ClientTimeout(total=0.001),
            middlewares=(middleware,),
        )
        async with session, opened(base_url, session=session) as transport:
            for _ in range(2):
                answer, waited = await transport.send(ENDPOINT, TOKEN)
                assert isinstance(answer, Response)
                assert (500, 0.0) == (answer.status, waited)
        assert session.closed
    assert [] == middled
    for request in seen:
        assert [f"Bearer {TOKEN}"] == request.headers.getall("Authorization")
        assert "application/json" == request.headers["Accept"]
        assert "Cookie" not in request.headers


async def test_a_lent_session_stays_open() -> None:
    """It is closed by whoever lent it; then calls say so."""
    async with aiohttp.ClientSession() as session:
        async with opened("http://127.0.0.1:1", session=session) as transport:
            assert TOKEN not in repr(vars(session))
        assert not session.closed
        with pytest.raises(ClientClosedError):
            await transport.send(ENDPOINT, TOKEN)
    async with opened("http://127.0.0.1:1", session=session) as transport:
        with pytest.raises(ClientClosedError):
            await transport.send(ENDPOINT, TOKEN)


async def test_how_long_a_call_waited_for_a_lent_connection() -> None:
    """For one to be opened, for one that another call has, or not at all."""

    async def handler(_: web.BaseRequest) -> web.Response:
        await pass_time(0.5)
        return web.Response(text="{}")

    async with serving(handler) as base_url:
        resolver = SlowResolver(0.25)
        connector = aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False, limit=1)
        session = aiohttp.ClientSession(connector=connector)
        local = base_url.replace("127.0.0.1", "localhost")
        async with session, opened(local, session=session) as transport:
            both = [asyncio.create_task(transport.send(ENDPOINT, TOKEN)) for _ in range(2)]
            await asyncio.wait(both)
            waited = [task.result()[1] for task in both]
            waited.append((await transport.send(ENDPOINT, TOKEN))[1])
    assert pytest.approx([0.25, 0.75, 0.0], abs=0.01) == waited


@pytest.mark.parametrize(
    ("limit", "limit_per_host", "expected"), [(100, 0, 8), (3, 0, 3), (0, 0, 8), (100, 2, 2)]
)
async def test_the_pool_is_no_second_line(limit: int, limit_per_host: int, expected: int) -> None:
    """No more calls go at once than a lent session's pool has connections."""
    connector = aiohttp.TCPConnector(limit=limit, limit_per_host=limit_per_host)
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        opened("http://127.0.0.1:1", session=session) as transport,
    ):
        assert expected == transport.connections


async def test_a_closed_transport_says_so() -> None:
    """Before it is opened, and after it is closed."""
    transport = Transport("http://127.0.0.1:1", timeouts=Timeouts(), connections=1)
    with pytest.raises(ClientClosedError):
        await transport.send(ENDPOINT, TOKEN)
    await transport.close()


async def test_the_environments_proxy_is_used_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only with trust_env, and never for hosts that the environment leaves out."""
    seen: list[str] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append((await reader.readuntil(b"\r\n\r\n")).decode().splitlines()[0])
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()

    async with raw_serving(talk) as proxy:
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.setenv("no_proxy", "left-out.example")
        answer = await _send("http://hubspot.example", trust_env=True)
        assert isinstance(answer, Response)
        assert [f"PUT http://hubspot.example{ENDPOINT.path} HTTP/1.1"] == seen
        assert (
            Transport(
                "http://left-out.example", timeouts=Timeouts(), connections=1, trust_env=True
            )._proxy
            is None
        )
        assert Transport("http://a.example", timeouts=Timeouts(), connections=1)._proxy is None


async def test_no_exception_shows_the_token() -> None:
    """Aiohttp's exceptions show it in their repr: none of them gets out."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 abc\r\n\r\n")
        writer.close()

    async with raw_serving(talk) as base_url:
        error = await _error(base_url)
    shown = repr(error) + str(error) + repr(error.__dict__)
    assert TOKEN not in shown
    assert (None, None) == (error.__cause__, error.__context__)


@pytest.mark.parametrize(
    ("said", "expected", "shown"),
    [
        (b"", ConnectionLostError, "needs a base URL with https://"),
        (b"\x15\x03\x03\x00\x02\x02\x16", InvalidResponseError, "needs a base URL with https://"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 5\r\n\r\nabcde",
            InvalidResponseError,
            "cannot be read: Can not decode content-encoding: brotli",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nabcde",
            InvalidResponseError,
            "cannot be read: Can not decode content-encoding: gzip, though none was asked for",
        ),
        (
            b"HTTP/1.1 200 OK\r\nX: " + b"a" * 9000 + b"\r\n\r\n",
            InvalidResponseError,
            "cannot be read: Got more than 8190 bytes",
        ),
        # The words behind are those of the parser, and differ between versions of aiohttp.
        (b"x" * 8000 + b"\r\n\r\n", InvalidResponseError, "cannot be read: "),
    ],
)
async def test_the_error_says_what_is_wrong_with_a_response(
    said: bytes, expected: type[TransportError], shown: str
) -> None:
    """In one line, and not at length; a server that speaks TLS is recognised."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        writer.close()

    async with raw_serving(talk) as base_url:
        error = await _error(base_url)
    assert expected is type(error)
    assert shown in str(error)
    assert "\n" not in str(error)
    assert len(str(error)) < 700


@pytest.mark.parametrize("lent", [False, True])
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [65_536, 65_537, 3_000_000])
async def test_no_more_of_an_error_is_read_than_is_kept(
    size: int, chunked: bool, lent: bool
) -> None:
    """64 KiB, then the connection is closed; of a shorter one everything, and it is used again."""

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(status=500)
        if chunked:
            response.enable_chunked_encoding()
        else:
            response.content_length = size
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            await response.write(b"x" * size)
        return response

    session = aiohttp.ClientSession() if lent else None
    async with serving(handler) as base_url, opened(base_url, session=session) as transport:
        first, _ = await transport.send(ENDPOINT, TOKEN)
        _, waited = await transport.send(ENDPOINT, TOKEN)
    if session is not None:
        await session.close()
    assert isinstance(first, Response)
    assert (500, 65_536) == (first.status, len(first.body))
    assert lent or (waited is None) == (size > 200_000)


async def test_no_more_is_read_of_the_error_of_many_pairs() -> None:
    """What it names beyond that is found by bisection."""

    async def handler(request: web.BaseRequest) -> web.Response:
        await request.read()
        return web.Response(status=400, body=b"x" * 500_000)

    batch = Endpoint("POST", "/batch", b"x" * 100_000)
    async with serving(handler) as base_url, opened(base_url) as transport:
        response, _ = await transport.send(batch, TOKEN)
    assert isinstance(response, Response)
    assert 65_536 == len(response.body)


async def test_a_lent_session_is_left_as_it_was() -> None:
    """No cookie of ours is in its jar; what it had stays, and its own calls get theirs."""
    seen: list[str | None] = []

    async def handler(request: web.BaseRequest) -> web.Response:
        seen.append(request.headers.get("Cookie"))
        return web.Response(text="{}", headers={"Set-Cookie": "edge=1; Path=/"})

    async with serving(handler) as base_url:
        jar = aiohttp.CookieJar(unsafe=True)
        jar.update_cookies({"own": "2"}, yarl.URL(base_url))
        async with (
            aiohttp.ClientSession(cookie_jar=jar) as session,
            opened(base_url, session=session) as transport,
        ):
            for _ in range(2):
                await transport.send(ENDPOINT, TOKEN)
            assert {"own": "2"} == {one.key: one.value for one in jar}
            await session.get(base_url)
            assert {"own": "2", "edge": "1"} == {one.key: one.value for one in jar}
    assert [None, None, "own=2"] == seen


@pytest.mark.parametrize("lent", [False, True])
@pytest.mark.parametrize("status", ["200 OK", "400 Bad Request", "999 Odd", "Odd canary-token"])
async def test_nothing_that_a_server_says_has_the_token(status: str, lent: bool) -> None:
    """Neither its body nor its headers, nor what aiohttp says of them; nor one that was renewed."""
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in TOKEN)
    body = f'"{TOKEN} {escaped} %63anary-token old-canary"'.encode()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 {status}\r\nX-{TOKEN}: a\r\nLocation: /?t={TOKEN}\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        writer.close()

    session = aiohttp.ClientSession() if lent else None
    async with raw_serving(talk) as base_url, opened(base_url, session=session) as transport:
        await transport.send(ENDPOINT, "old-canary")
        answer, _ = await transport.send(ENDPOINT, TOKEN)
    if session is not None:
        await session.close()
    if isinstance(answer, NoResponse):
        shown = f"{answer.error} {answer.error!r}"
    else:
        shown = f"{answer.body!r} {judge(answer, PAIR, lambda: NOW)!r}"
        assert 4 == answer.body.count(b"[secret]")
    assert "canary" not in shown


async def test_every_token_that_was_used_is_hidden() -> None:
    """A command that gives another token each time is no reason to show the earlier ones."""
    tokens = [f"canary-{number:03}" for number in range(200)]

    async def handler(request: web.BaseRequest) -> web.Response:
        last = request.headers["Authorization"] == "Bearer token-1"
        return web.Response(status=400, text=" ".join(tokens) if last else "")

    async with serving(handler) as base_url, opened(base_url) as transport:
        for token in (*tokens, *tokens[::50]):
            await transport.send(ENDPOINT, token)
        response, _ = await transport.send(ENDPOINT, "token-1")
    assert isinstance(response, Response)
    assert b" ".join([b"[secret]"] * 200) == response.body


@pytest.mark.parametrize(
    "credentials", ["u:pw", "user:s3cret-word", "user:s3cret%40word", "user:s3%2Fcret", "s3cret"]
)
@pytest.mark.parametrize("kind", ["refuses", "is not there", "is none", "repeats it"])
async def test_no_error_has_the_proxys_password(
    credentials: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However it is written, and whatever becomes of the proxy."""
    password = unquote(credentials.rpartition(":")[2])
    basic = b64encode(unquote(credentials).encode()).decode()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        assert basic in head
        said = f"{password} {basic} {credentials}" if kind == "repeats it" else ""
        if len(password) < 6:
            said = ""
        body = json.dumps({"status": "error", "message": said, "category": "NO"}).encode()
        status = "407 No" if head.startswith("CONNECT") else "400 No"
        writer.write(
            f"HTTP/1.1 {status} {said}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        )
        writer.close()

    async with raw_serving(talk) as proxy:
        place = {"is not there": "127.0.0.1:1", "is none": "127.0.0.1:port"}.get(kind, proxy[7:])
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, f"http://{credentials}@{place}")
        for base_url in ("https://hubspot.example", "http://hubspot.example"):
            try:
                answer = await _send(base_url, trust_env=True)
            except OptionsError as error:
                shown = str(error)
            else:
                if isinstance(answer, NoResponse):
                    shown = f"{answer.error} {answer.error!r}"
                else:
                    shown = repr(judge(answer, PAIR, lambda: NOW))
            for secret in (password, credentials, basic):
                assert secret not in shown


@pytest.mark.parametrize(
    "proxy",
    [
        "socks5://user:s3cret@127.0.0.1:9",
        "http://user:s3cret@",
        "http://user:s3cret@h:port",
        "http://user:s3/cret@127.0.0.1:9",
        "http://[user:s3cret@127.0.0.1",
        "user:s3cret",
    ],
)
def test_a_proxy_that_is_none(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused before anything is sent, and without its password."""
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(OptionsError, match="proxy must be") as caught:
        Transport("http://hubspot.example", timeouts=Timeouts(), connections=1, trust_env=True)
    assert "cret" not in str(caught.value)


@pytest.mark.parametrize("proxy", ["user:s3cret@127.0.0.1:9", "//user:s3cret@127.0.0.1:9"])
def test_a_proxy_without_a_scheme(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is one of HTTP, as curl has it."""
    monkeypatch.setenv("http_proxy", proxy)
    transport = Transport(
        "http://hubspot.example", timeouts=Timeouts(), connections=1, trust_env=True
    )
    assert "http://user:s3cret@127.0.0.1:9" == transport._proxy


async def test_whoever_traces_aiohttp_sees_the_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """As OpenTelemetry and Sentry do: they add a trace to each session that is made."""
    seen: list[str] = []
    make = aiohttp.ClientSession.__init__

    async def note(_: Any, __: Any, params: aiohttp.TraceRequestStartParams) -> None:
        seen.append(params.method)

    def traced(self: aiohttp.ClientSession, **options: Any) -> None:
        trace = aiohttp.TraceConfig()
        trace.on_request_start.append(note)
        make(self, **options, trace_configs=[trace])

    async def handler(_: web.BaseRequest) -> web.Response:
        return web.Response(text="{}")

    monkeypatch.setattr(aiohttp.ClientSession, "__init__", traced)
    async with serving(handler) as base_url, opened(base_url) as transport:
        for _ in range(2):
            await transport.send(ENDPOINT, TOKEN)
    assert ["PUT", "PUT"] == seen


async def test_a_connection_that_was_closed_here_is_lost() -> None:
    """In the midst of a body, by whatever closed it: aiohttp raises RuntimeError for it."""
    protocol = ResponseHandler(asyncio.get_running_loop())
    content = aiohttp.StreamReader(protocol, 2**16, loop=asyncio.get_running_loop())
    content.feed_data(b"the beginning")
    with pytest.raises(aiohttp.ClientConnectionError) as lost:
        await transport_module._read(content, 1000)
    assert isinstance(to_no_response(lost.value).error, ConnectionLostError)
