"""A portal on a real socket of this machine, in the running event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import TYPE_CHECKING, NoReturn

import attrs
from aiohttp import web

from aiohubassoc.simulator import admin
from aiohubassoc.simulator.portal import Portal
from aiohubassoc.simulator.responses import Delivery, PortalResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp.web_protocol import RequestHandler

    from aiohubassoc.simulator.settings import PortalSettings

_LOOPBACK = "127.0.0.1"  # a portal takes tokens: it is nobody's business but this machine's

# Lets close() send a reset instead of a regular end.
_LINGER_NOT = struct.pack("ii", 1, 0)

# HubSpot stands behind Cloudflare.
_EVERY_ANSWER = {"Server": "cloudflare"}


@attrs.frozen
class ServedPortal:
    """
    A portal that is being served.

    Args:
        base_url: Where, without a slash at the end.
        portal: What is served; its books are live.
    """

    base_url: str
    portal: Portal

    @property
    def open_connections(self) -> int:
        """Connections that are open now."""
        return self.portal.ledger.open_connections


@contextlib.asynccontextmanager
async def serve(
    settings: PortalSettings | None = None, *, port: int = 0
) -> AsyncIterator[ServedPortal]:
    """
    Serve a portal on 127.0.0.1 while the context lasts.

    The portal's clock is the event loop's. Leaving the context drops every connection at once and
    leaves no task and no socket.

    Args:
        settings: What the portal is like. None: every default.
        port: 0 for any free one.

    Raises:
        OSError: the port is taken.
    """
    portal = Portal(settings)
    server = _PortalServer(portal)
    runner = web.ServerRunner(server)
    await runner.setup()
    try:
        await web.TCPSite(runner, _LOOPBACK, port).start()
        _, bound_port = runner.addresses[0]
        yield ServedPortal(f"http://{_LOOPBACK}:{bound_port}", portal)
    finally:
        # Stop listening first: a connection accepted later would be left over.
        for site in runner.sites:
            await site.stop()
        await server.drop_connections()
        await runner.cleanup()


class _PortalServer(web.Server):
    """
    Turns requests into answers of a portal, and notes its connections.

    Args:
        portal: Whose books note them.
    """

    def __init__(self, portal: Portal) -> None:
        # Without cancellation an answer that never comes would outlive its connection.
        super().__init__(self._handle, handler_cancellation=True, access_log=None)
        self._portal = portal
        self._transports: dict[RequestHandler, asyncio.Transport] = {}
        self._clock = asyncio.get_running_loop().time

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        """Note the connection."""
        super().connection_made(handler, transport)
        self._transports[handler] = transport
        self._portal.ledger.connections(len(self._transports))

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        """Note its end."""
        super().connection_lost(handler, exc)
        self._transports.pop(handler, None)
        self._portal.ledger.connections(len(self._transports))

    async def drop_connections(self) -> None:
        """Return when every connection is gone, and with it the task that served it."""
        while self._transports or self.connections:
            for transport in self._transports.values():
                transport.abort()
            await asyncio.sleep(0)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.raw_path
        # A PUT has no body; whatever somebody sends along is ignored.
        body = await request.read() if request.method == "POST" else b""
        if path.startswith(admin.PREFIX):
            return _whole(admin.administer(self._portal, request.method, path, body))
        arrival = self._portal.arrive(request.method, path, body)
        self._portal.opened(arrival)
        try:
            if arrival.delay:
                await asyncio.sleep(arrival.delay)
            authorization = request.headers.get("Authorization")
            answer = self._portal.answer(arrival, authorization, self._clock())
            if answer.delay:
                await asyncio.sleep(answer.delay)
            return await _sent(answer, request)
        finally:
            self._portal.closed(arrival)


async def _sent(answer: PortalResponse, request: web.BaseRequest) -> web.StreamResponse:
    """Return a response to send, or break the connection as the answer's manner has it."""
    if answer.manner is Delivery.NEVER:
        await _until_gone()
    if answer.manner is Delivery.RESET:
        _reset(request)
        await _until_gone()
    if answer.manner is Delivery.CUT:
        await _cut(answer, request)
        await _until_gone()
    return _whole(answer)


def _whole(answer: PortalResponse) -> web.Response:
    body = answer.body()
    headers = {**_EVERY_ANSWER, **answer.headers}
    if body:
        headers["Content-Type"] = answer.content_type
    return web.Response(status=answer.status, body=body, headers=headers)


async def _cut(answer: PortalResponse, request: web.BaseRequest) -> None:
    body = answer.body()
    response = web.StreamResponse(status=answer.status, headers={**_EVERY_ANSWER, **answer.headers})
    response.headers["Content-Type"] = answer.content_type
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()


def _reset(request: web.BaseRequest) -> None:
    transport = request.transport
    if transport is not None:
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        transport.abort()


async def _until_gone() -> NoReturn:
    """Wait to be cancelled: the server does so when the connection is lost."""
    await asyncio.get_running_loop().create_future()
    raise AssertionError("nobody completes this future")
