"""Through a proxy: given, or named by the environment."""

from __future__ import annotations

import asyncio
import base64
import ssl as _ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trustme
from aiohttp import web
from aiohttp.test_utils import TestServer

from aiohubassoc import (
    AioHubAssocError,
    AssociationClient,
    ConnectError,
    OptionsError,
    Pair,
    RetryPolicy,
)
from aiohubassoc.testing import FakeClock, simulated_portal
from tests.http.test_transport import raw_serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PAIR = Pair("contacts", 1, "companies", 2)
CREDENTIALS = "Basic " + base64.b64encode(b"user:canary-password").decode()


@attrs.define
class Proxy:
    """
    A proxy of this machine: it sends on to one place, whatever is asked for.

    Attributes:
        url: Where it is.
        asked: The first line of each request.
        authorizations: The credentials of each.
    """

    target: str
    url: str = ""
    status: str = ""
    asked: list[str] = attrs.Factory(list)
    authorizations: list[str | None] = attrs.Factory(list)
    tasks: set[asyncio.Task[None] | None] = attrs.Factory(set)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on what one connection sends."""
        self.tasks.add(asyncio.current_task())
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *fields = head.splitlines()
        parts = [field.partition(": ") for field in fields]
        headers = {name.lower(): value for name, _, value in parts}
        self.asked.append(first)
        self.authorizations.append(headers.get("proxy-authorization"))
        if self.status:
            writer.write(f"HTTP/1.1 {self.status}\r\nContent-Length: 0\r\n\r\n".encode())
            writer.close()
            return
        host, _, port = self.target.rpartition("://")[2].rpartition(":")
        inner, outer = await asyncio.open_connection(host, int(port))
        if first.startswith("CONNECT "):
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            method, url, version = first.split()
            path = "/" + url.split("/", 3)[3]
            # It rewrites the first request of a connection only: so there is one.
            once = f"{method} {path} {version}\r\nConnection: close"
            outer.write(head.replace(first, once, 1).encode())
        async with asyncio.TaskGroup() as group:
            group.create_task(_pump(reader, outer))
            group.create_task(_pump(inner, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
    except ConnectionError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def proxy_to(target: str, status: str = "") -> AsyncIterator[Proxy]:
    """Serve a proxy."""
    proxy = Proxy(target, status=status)
    try:
        async with raw_serving(proxy.talk) as proxy.url:
            yield proxy
    finally:
        open_ = [task for task in proxy.tasks if task is not None and not task.done()]
        for task in open_:
            task.cancel()
        if open_:
            await asyncio.wait(open_)


def _client(base_url: str, **options: Any) -> AssociationClient:
    retry = RetryPolicy(attempts=2, wait_initial=0)
    return AssociationClient(
        "simulated-token",
        base_url=base_url,
        allow_http=True,
        retry=retry,
        clock=FakeClock(),
        **options,
    )


async def test_a_proxy_that_is_given() -> None:
    """Everything goes through it, with its credentials; names are its to look up."""
    async with simulated_portal() as portal, proxy_to(portal.base_url) as proxy:
        url = proxy.url.replace("://", "://user:canary-password@")
        async with _client("http://hub.example", proxy=url) as client:
            await client.create_default(PAIR)
        assert len(portal.portal.ledger.links) == 1
    assert len(proxy.asked) == 1
    assert proxy.asked[0].startswith("PUT http://hub.example/crm/v4/objects/contacts/1/")
    assert [CREDENTIALS] == proxy.authorizations


async def test_tls_goes_through_a_tunnel() -> None:
    """The proxy sees the host and nothing else, as for HubSpot itself."""
    authority = trustme.CA()
    server_context = _ssl.create_default_context(_ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("hub.example").configure_cert(server_context)
    trusting = _ssl.create_default_context()
    authority.configure_trust(trusting)

    async def respond(request: web.BaseRequest) -> web.Response:
        ends = {"from": {"id": "1"}, "to": {"id": "2"}}
        spec = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 279}
        results = [{**ends, "associationSpec": spec}]
        return web.json_response({"status": "COMPLETE", "results": results})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", respond)
    server = TestServer(app)
    await server.start_server(ssl=server_context)
    try:
        async with (
            proxy_to(f"https://127.0.0.1:{server.port}") as proxy,
            _client("https://hub.example", proxy=proxy.url, ssl=trusting) as client,
        ):
            await client.create_default(PAIR)
    finally:
        await server.close()
    assert ["CONNECT hub.example:443 HTTP/1.1"] == proxy.asked


@pytest.mark.parametrize("base_url", ["http://hub.example", "https://hub.example"])
@pytest.mark.parametrize("status", ["407 Proxy Authentication Required", "nonsense"])
async def test_no_message_shows_the_password(base_url: str, status: str) -> None:
    """A proxy that refuses its credentials, speaks no HTTP, or is not there."""
    async with proxy_to("", status) as proxy:
        url = proxy.url.replace("://", "://user:canary-password@")
        async with _client(base_url, proxy=url) as client:
            with pytest.raises(AioHubAssocError) as refused:
                await client.create_default(PAIR)
            assert "canary" not in f"{refused.value!s}{refused.value!r}{client!r}"
    async with _client(base_url, proxy=url) as client:
        with pytest.raises(ConnectError, match="Proxy") as failed:
            await client.create_default(PAIR)
    assert "canary" not in f"{failed.value!s}{failed.value!r}"


@pytest.mark.parametrize(
    ("proxy", "reported"),
    [
        ("socks5://user:canary@proxy:1", "'socks5'"),
        ("http://", "names no host"),
        ("http://user:canary@proxy:x", "names no host"),
        ("http://user:canary@pro xy:1", "names no host"),
        ("", "names no host"),
        ("http://a..b:1", "names no host"),
        (f"http://{'a' * 64}:1", "names no host"),
        ("http://\x01:1", "names no host"),
        ("http://\udcff:1", "names no host"),
        (5, "must be a URL"),
    ],
)
def test_a_proxy_that_cannot_work(proxy: Any, reported: str) -> None:
    """Said when the client is made, without its password."""
    with pytest.raises(OptionsError, match=reported) as refused:
        AssociationClient("t", proxy=proxy)
    assert "canary" not in str(refused.value)


async def test_the_environments_proxy_may_have_no_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    """As curl takes it."""
    async with simulated_portal() as portal, proxy_to(portal.base_url) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.removeprefix("http://"))
        async with _client("http://hub.example", trust_env=True) as client:
            await client.create_default(PAIR)
    assert len(proxy.asked) == 1


async def test_no_proxy_leads_to_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A simulated portal is found though the environment names a proxy."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    async with (
        simulated_portal() as portal,
        _client(portal.base_url, trust_env=True) as client,
    ):
        await client.create_default(PAIR)
