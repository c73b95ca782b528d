"""A session that the caller lends: sends a request through it once, and leaves nothing in it."""

from __future__ import annotations

from http.cookies import SimpleCookie
from typing import TYPE_CHECKING

import aiohttp

from aiohubassoc._http.connections import UnfitConnectionError
from aiohubassoc._http.own_session import HEADERS, JSON_HEADERS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import yarl
    from aiohttp.connector import Connection

    from aiohubassoc._http.connections import Attempt, Connections
    from aiohubassoc._protocol.requests import Endpoint
    from aiohubassoc.options import Timeouts


async def request_through(
    session: aiohttp.ClientSession,
    attempt: Attempt,
    connections: Connections,
    endpoint: Endpoint,
    url: yarl.URL,
    *,
    token: str,
    timeouts: Timeouts,
) -> aiohttp.ClientResponse:
    """Send a request through a lent *session*, and return its response, not yet read."""
    # Only the connections of the session are used: its credentials, cookies, timeouts and redirects
    # do not apply. Instead of an exception after which aiohttp would send again: SentOnceError.

    async def lend(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        request.headers["Authorization"] = f"Bearer {token}"
        request.headers.popall("Cookie", None)
        return await _send_once(session, attempt, connections, request, handler)

    return await session.request(
        endpoint.method,
        url,
        headers={**HEADERS, **JSON_HEADERS} if endpoint.body else HEADERS,
        data=endpoint.body or None,
        timeout=aiohttp.ClientTimeout(
            total=timeouts.total, connect=timeouts.connect, sock_read=timeouts.response
        ),
        allow_redirects=False,
        raise_for_status=False,
        middlewares=(lend,),
    )


class SentOnceError(Exception):
    """Wraps an exception after which aiohttp would send the request again by itself."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__()
        self.cause = cause


async def _send_once(
    session: aiohttp.ClientSession,
    attempt: Attempt,
    connections: Connections,
    request: aiohttp.ClientRequest,
    handler: Callable[[aiohttp.ClientRequest], Awaitable[aiohttp.ClientResponse]],
) -> aiohttp.ClientResponse:
    """Send a request over a connection that may be used, and let the session keep no cookie."""
    send = request.send

    async def checked(connection: Connection) -> aiohttp.ClientResponse:
        await connections.take_lent(attempt, connection)
        return await send(connection)

    request.send = checked  # type: ignore[method-assign, assignment]  # as `CheckedRequest` does
    while True:
        if session.closed:  # aiohttp asserts that it is not
            raise aiohttp.ClientConnectionError("the session was closed")
        try:
            response = await handler(request)
        except UnfitConnectionError:
            attempt.protocol = None
            continue
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            raise
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            raise SentOnceError(error) from None
        response.cookies = SimpleCookie()
        return response
