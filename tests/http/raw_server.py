"""A server of bytes: what it says, and when, is the test's own."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable


class Exchange:
    """
    One request and the connection that it came over.

    Attributes:
        number: The request's number, from 1, of all that came.
        of_connection: Its number of those of its connection, from 1.
        head: Its method, path and headers.
        ids: Those in its path, if it is about one pair.
    """

    def __init__(
        self, number: int, of_connection: int, head: str, writer: asyncio.StreamWriter
    ) -> None:
        self.number = number
        self.of_connection = of_connection
        self.head = head
        self._writer = writer
        parts = head.split(" ")[1].split("/")
        self.ids = (parts[5], parts[9]) if len(parts) > 9 else ("", "")

    def say(self, *said: bytes) -> None:
        """Send bytes."""
        self._writer.write(b"".join(said))

    def link(self) -> None:
        """Say that the pair is linked."""
        self.say(linked(*self.ids))

    def end(self) -> None:
        """Close the connection."""
        self._writer.close()

    def reset(self) -> None:
        """Break it off."""
        self._writer.transport.abort()


class RawServer:
    """
    What came to a server.

    Attributes:
        base_url: Where it is.
        connections: How many there were.
        requests: How many there were.
        heads: Of each of them.
    """

    def __init__(self) -> None:
        self.base_url = ""
        self.connections = 0
        self.heads: list[str] = []

    @property
    def requests(self) -> int:
        """How many requests came."""
        return len(self.heads)


@asynccontextmanager
async def raw_server(respond: Callable[[Exchange], Awaitable[None]]) -> AsyncIterator[RawServer]:
    """Serve *respond* for each request, one after the other on each connection."""
    seen = RawServer()
    tasks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        seen.connections += 1
        count = 0
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                count += 1
                seen.heads.append(head)
                await respond(Exchange(seen.requests, count, head, writer))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            tasks.discard(task)

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    seen.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield seen
    finally:
        server.close()
        for task in tasks.copy():
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)  # noqa: TID251 -- they are over


def http(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """Return a response."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def linked(from_id: str, to_id: str) -> bytes:
    """Return the usual success."""
    results = [{"from": {"id": from_id}, "to": {"id": to_id}}]
    return http(orjson.dumps({"status": "COMPLETE", "results": results}))


def refused(status: str = "404 Not Found", *headers: str, **fields: Any) -> bytes:
    """Return an error of HubSpot's."""
    body = {"status": "error", "message": "reported", "category": "OBJECT_NOT_FOUND", **fields}
    return http(orjson.dumps(body), status, *headers)
