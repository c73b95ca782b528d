"""
The sessions that calls go through: one of our own, or one that somebody else lends.

Through either a call is sent once, over a connection that can be used.
"""

from __future__ import annotations

import ssl as _ssl
from base64 import b64encode
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote
from urllib.request import getproxies, proxy_bypass

import aiohttp

from aiohubassoc._http.connections import Connections, UnfitConnectionError, WatchedProtocol
from aiohubassoc._protocol.requests import checked_proxy, is_loopback
from aiohubassoc.errors import OptionsError

if TYPE_CHECKING:
    import yarl
    from aiohttp.connector import Connection
    from multidict import CIMultiDict

    from aiohubassoc._http.deadlines import Deadlines, OnWire

_send = aiohttp.ClientRequest.send


class Connector(aiohttp.TCPConnector):
    """Tells which calls had to open a connection: aiohttp itself does so at a great cost only."""

    deadlines: Deadlines

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 -- aiohttp's own, passed on
        super().__init__(**options)
        # If a later aiohttp makes them elsewhere, they are watched as those of a lent session.
        self._factory = partial(WatchedProtocol, loop=self._loop)  # type: ignore[assignment]

    async def _create_connection(self, *args: object, **kwargs: object):  # type: ignore[no-untyped-def]  # noqa: ANN202 -- aiohttp's own signature, passed on
        call = self.deadlines.connecting()
        if call.aside:
            call.give_back()
        connection = await super()._create_connection(*args, **kwargs)  # type: ignore[arg-type]  # see above
        self.deadlines.connected()
        return connection


class _Request(aiohttp.ClientRequest):
    """
    A request of our own session, sent over a connection that can be used.

    If a later aiohttp sends in another way, every connection is used as it comes.
    """

    connections: Connections
    deadlines: Deadlines
    call: OnWire  # The newest when the request is made: nothing is awaited in between.

    def send(self, conn: Connection) -> Coroutine[Any, Any, aiohttp.ClientResponse]:
        call, protocol = self.call, conn.protocol
        if (
            type(protocol) is WatchedProtocol
            and not protocol.is_spoilt
            and not protocol.doubted_until
            and not call.fresh
            and not call.needs_new
        ):
            call.protocol, protocol.call = protocol, call  # nearly always
        else:
            self.connections.take(call, conn)
        return _send(self, conn)


class CheckedRequest(_Request):
    """A request as aiohttp makes it."""

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 -- passed on
        super().__init__(*args, **options)
        self.call = self.deadlines.newest


class ReadyRequest(_Request):
    """A request whose headers are ready made: they are the same for every call."""

    ready: CIMultiDict[str]

    def update_headers(self, headers: object) -> None:
        self.headers = self.ready.copy()
        if isinstance(headers, Mapping) and "Content-Type" in headers:  # only where there is a body
            self.headers["Content-Type"] = headers["Content-Type"]

    def update_auto_headers(self, skip_auto_headers: object) -> None:  # noqa: ARG002 -- aiohttp's
        """They are there."""
        self.call = self.deadlines.newest


class SentOnceError(Exception):
    """Carries an exception past aiohttp's own repeating of calls, which knows its type."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__()
        self.cause = cause


async def send_once(
    call: OnWire,
    connections: Connections,
    request: aiohttp.ClientRequest,
    handler: Callable[[aiohttp.ClientRequest], Awaitable[aiohttp.ClientResponse]],
) -> aiohttp.ClientResponse:
    """
    Send a call through a lent session, over a connection that can be used, and leave no cookie.

    Raises:
        SentOnceError: for what aiohttp would repeat by itself.
    """
    send = request.send

    async def checked(connection: Connection) -> aiohttp.ClientResponse:
        await connections.take_lent(call, connection)
        return await send(connection)

    request.send = checked  # type: ignore[method-assign, assignment]  # as in CheckedRequest
    while True:
        try:
            response = await handler(request)
        except UnfitConnectionError:
            continue
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            raise
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            raise SentOnceError(error) from None
        response.cookies = SimpleCookie()
        return response


def proxy_of(base: yarl.URL) -> str | None:
    # Asked once: aiohttp's own trust_env asks for each call, and reads .netrc credentials too.
    # No proxy leads to this machine: a portal for tests is here.
    if base.host is None or is_loopback(base.host) or proxy_bypass(base.host):
        return None
    found = getproxies().get(base.scheme)
    return checked_proxy(found) if found else None


def credentials_of(proxy: str | None) -> set[str]:
    """Return the credentials of a proxy, in the ways that messages may have them."""
    written = (proxy or "").partition("://")[2].rpartition("@")[0]
    plain = unquote(written)
    return {written, plain, plain.partition(":")[2], b64encode(plain.encode()).decode()}


def refuse_unverified(
    base: yarl.URL, ssl: _ssl.SSLContext | None, session: aiohttp.ClientSession | None
) -> None:
    """Raise OptionsError if TLS would go unverified."""
    if base.scheme != "https":
        return
    used: object = ssl
    if session is not None and isinstance(session.connector, aiohttp.TCPConnector):
        used = session.connector._ssl  # noqa: SLF001 -- aiohttp shows it nowhere else
    if used is False or (
        isinstance(used, _ssl.SSLContext)
        and not (used.verify_mode == _ssl.CERT_REQUIRED and used.check_hostname)
    ):
        raise OptionsError("TLS must be verified: use an SSL context that checks certificates")
