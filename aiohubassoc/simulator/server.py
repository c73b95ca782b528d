"""Serves a portal on a loopback socket."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import struct
import sys
import threading
from typing import TYPE_CHECKING

import attrs
from aiohttp import web

from aiohubassoc.simulator.portal import Portal
from aiohubassoc.simulator.process import OWN_PATHS, respond_about
from aiohubassoc.simulator.responses import Delivery, PortalResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from aiohttp.web_protocol import RequestHandler

    from aiohubassoc.simulator.settings import PortalSettings

_LOOPBACK = "127.0.0.1"  # a portal takes tokens: only this machine may reach it

# Makes close() send a reset instead of a regular end.
_NO_LINGER = struct.pack("ii", 1, 0)

# HubSpot is behind Cloudflare.
_COMMON_HEADERS = {"Server": "cloudflare"}


@attrs.frozen
class ServedPortal:
    """
    A portal that is being served.

    Args:
        base_url: Its URL, without a slash at the end.
        portal: What is served; its ledger is live.
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
    Serve a portal on 127.0.0.1 while the context lasts, in the running event loop.

    The portal's clock is the event loop's. Leaving the context drops every connection at once and
    leaves no task and no socket.

    Args:
        settings: How the portal behaves. None: every default.
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
        # Stop listening first: a connection that is accepted later would not be dropped.
        for site in runner.sites:
            await site.stop()
        await server.drop_connections()
        await runner.cleanup()


def serve_forever(
    settings: PortalSettings | None = None,
    *,
    port: int = 0,
    on_ready: Callable[[str], object],
    while_stdin: bool = False,
) -> None:
    """
    Serve a portal on 127.0.0.1 and return after SIGINT or SIGTERM. For the main thread.

    Args:
        settings: How the portal behaves. None: every default.
        port: 0 for any free one.
        on_ready: Called with the base URL when the portal accepts requests.
        while_stdin: Return also when the standard input ends, for example because the parent
            process died.

    Raises:
        OSError: the port is taken.
    """

    async def run() -> None:
        loop = asyncio.get_running_loop()
        over = asyncio.Event()

        def end() -> None:
            # The loop may be closed by the time the standard input ends.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(over.set)

        with _on_signals(end):
            if while_stdin:
                threading.Thread(target=_watch_stdin, args=(end,), daemon=True).start()
            async with serve(settings, port=port) as served:
                on_ready(served.base_url)
                await over.wait()

    asyncio.run(run())


@contextlib.contextmanager
def _on_signals(end: Callable[[], None]) -> Iterator[None]:
    # Not the loop's own handlers: Windows lacks them, and they forget the handlers before them.
    before = {
        number: signal.signal(number, lambda *_: end())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _watch_stdin(end: Callable[[], None]) -> None:
    # Below Python's buffers: a daemon thread that holds their lock breaks the interpreter's exit.
    descriptor = sys.stdin.fileno()
    while os.read(descriptor, 1024):
        pass
    end()


class _PortalServer(web.Server):
    """Passes requests to a portal, and records its connections."""

    def __init__(self, portal: Portal) -> None:
        # Without cancellation a response that is never sent would outlive its connection.
        super().__init__(self._handle, handler_cancellation=True, access_log=None)
        self._portal = portal
        self._transports: dict[RequestHandler, asyncio.Transport] = {}
        self._clock = asyncio.get_running_loop().time

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        self._transports[handler] = transport
        self._portal.ledger.record_connections(len(self._transports))

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        super().connection_lost(handler, exc)
        self._transports.pop(handler, None)
        self._portal.ledger.record_connections(len(self._transports))

    async def drop_connections(self) -> None:
        """Return when every connection is closed and the task that served it has ended."""
        while self._transports or self.connections:
            for transport in self._transports.values():
                transport.abort()
            await asyncio.sleep(0)

    async def _handle(self, http_request: web.BaseRequest) -> web.StreamResponse:
        method, path = http_request.method, http_request.raw_path
        # The body of a PUT is ignored.
        body = await http_request.read() if method == "POST" else b""
        if path.startswith(OWN_PATHS):
            return _whole(respond_about(self._portal, method, path, body))
        request = self._portal.receive(method, path, body)
        self._portal.open(request)
        try:
            if request.delay:
                await asyncio.sleep(request.delay)
            authorization = http_request.headers.get("Authorization")
            response = self._portal.respond(request, authorization, self._clock())
            if response.delay:
                await asyncio.sleep(response.delay)
            return await _deliver(response, http_request)
        finally:
            self._portal.close(request)


async def _deliver(response: PortalResponse, request: web.BaseRequest) -> web.StreamResponse:
    """Return a response to send, or break the connection if the delivery requires it."""
    if response.delivery in {Delivery.WHOLE, Delivery.TRUNCATED}:
        return _whole(response)
    if response.delivery is Delivery.CUT:
        await _cut(response, request)
    if response.delivery is Delivery.RESET and (transport := request.transport) is not None:
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        transport.abort()
    # The server cancels this task when the connection is lost.
    await asyncio.get_running_loop().create_future()
    raise AssertionError("this future never completes")


def _whole(response: PortalResponse) -> web.Response:
    body = response.body()
    headers = {**_COMMON_HEADERS, **response.headers}
    if body:
        headers["Content-Type"] = response.content_type
    return web.Response(status=response.status, body=body, headers=headers)


async def _cut(response: PortalResponse, request: web.BaseRequest) -> None:
    body = response.body()
    headers = {**_COMMON_HEADERS, **response.headers, "Content-Type": response.content_type}
    stream = web.StreamResponse(status=response.status, headers=headers)
    stream.content_length = len(body)
    await stream.prepare(request)
    await stream.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
