"""
A server that needs very little CPU, to measure the CPU of a client.

It responds to each Create Default, of one pair or of a batch, with HubSpot's usual reply and
headers. It reads no token and keeps only a count of the pairs. As a script it is a separate
process, on the machine's last core where processes can be pinned.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, cast

import attrs
import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator

# As recorded: one line of JSON, both directions, dates in milliseconds.
_THERE = (
    '{{"from":{{"id":"{0}"}},"to":{{"id":"{1}"}},'
    '"associationSpec":{{"associationCategory":"HUBSPOT_DEFINED","associationTypeId":279}}}}'
)
_BACK = (
    '{{"from":{{"id":"{1}"}},"to":{{"id":"{0}"}},'
    '"associationSpec":{{"associationCategory":"HUBSPOT_DEFINED","associationTypeId":280}}}}'
)
_BODY = (
    '{{"status":"COMPLETE","results":[{}],'
    '"startedAt":"2026-11-23T10:15:30.123Z","completedAt":"2026-11-23T10:15:30.187Z"}}'
)
_ONE = _BODY.replace("{}", f"{_THERE},{_BACK}")
# Results of a batch come in no order (HubSpot, Associations v4). A step is one, and costs nothing.
_STEP = 7
# The limit in the headers, which it does not enforce: clients that read the headers have as much
# to read as with HubSpot.
_NO_LIMIT = (1_000_000, 1000)
_HEADERS = (
    "Date: Mon, 23 Nov 2026 10:15:30 GMT\r\n"
    "X-HubSpot-Correlation-Id: 4c5e6f70-8192-4a3b-8c5d-6e7f80910212\r\n"
    "X-HubSpot-RateLimit-Max: {0}\r\n"
    "X-HubSpot-RateLimit-Interval-Milliseconds: {1}\r\n"
    "X-HubSpot-RateLimit-Remaining: {2}\r\n"
    "Server: cloudflare\r\n"
)


def _make_headers(limit: int, milliseconds: int) -> bytes:
    return _HEADERS.format(limit, milliseconds, limit - 1).encode()


class _Connection(asyncio.Protocol):
    """One connection; requests may come in pieces, or several in one."""

    count = 0
    headers = _make_headers(*_NO_LIMIT)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's has no common base
        self._pieces: list[bytes] = []
        self._short = 0

    def data_received(self, data: bytes) -> None:
        self._pieces.append(data)
        self._short -= len(data)
        if self._short > 0:  # or every piece of a long body would be copied with all before it
            return
        data = b"".join(self._pieces)
        while (end := data.find(b"\r\n\r\n")) >= 0:
            head, body_at = data[:end], end + 4
            body_end = body_at + _body_length(head)
            self._short = body_end - len(data)
            if self._short > 0:
                break
            self._answer(head, data[body_at:body_end])
            data = data[body_end:]
        self._pieces = [data] if data else []

    def _answer(self, head: bytes, sent: bytes) -> None:
        method, path, _ = head[: head.index(b"\r\n")].split(b" ", 2)
        kind = b"application/json;charset=utf-8"
        if path == b"/count":
            kind, body = b"application/json", json.dumps(_Connection.count).encode()
        elif method == b"POST":
            inputs = orjson.loads(sent)["inputs"]
            _Connection.count += len(inputs)
            body = _batch_body(inputs)
        else:
            _Connection.count += 1
            # /crm/v4/objects/{type}/{id}/associations/default/{type}/{id}
            parts = path.decode().split("/")
            body = _ONE.format(parts[-5], parts[-1]).encode()
        self._transport.write(
            b"HTTP/1.1 200 OK\r\n%bContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b"
            % (self.headers, kind, len(body), body)
        )


def _batch_body(inputs: list[dict[str, dict[str, str]]]) -> bytes:
    pairs = [(each["from"]["id"], each["to"]["id"]) for each in inputs]
    results = [_THERE.format(*ids) for ids in pairs] + [_BACK.format(*ids) for ids in pairs]
    mixed = [result for start in range(_STEP) for result in results[start::_STEP]]
    return _BODY.format(",".join(mixed)).encode()


def _body_length(head: bytes) -> int:
    at = head.lower().find(b"\r\ncontent-length:")
    return 0 if at < 0 else int(head[at + 17 :].split(b"\r\n", 1)[0])


@attrs.frozen
class LeanServer:
    """A lean server in a separate process."""

    base_url: str

    def count(self) -> int:
        """Return how many pairs were answered."""
        with urllib.request.urlopen(f"{self.base_url}/count", timeout=10) as answer:  # noqa: S310 -- loopback
            count: int = json.load(answer)
        return count


def cores() -> tuple[int, int] | None:
    """Return a core for clients and another for servers; None where that cannot be chosen."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    there = sorted(os.sched_getaffinity(0))
    return (there[0], there[-1]) if len(there) > 1 else None


@contextlib.contextmanager
def lean_server(limit: tuple[int, int] = _NO_LIMIT) -> Iterator[LeanServer]:
    """Run a server until the block is left; its headers name *limit*: calls and milliseconds."""
    process = subprocess.Popen(
        [sys.executable, Path(__file__), *map(str, limit)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        if (pair := cores()) is not None:
            os.sched_setaffinity(process.pid, {pair[1]})
        yield LeanServer(f"http://127.0.0.1:{int(process.stdout.readline())}")
    finally:
        process.stdin.close()  # it ends with its input, so it never outlives this process
        process.wait(timeout=10)
        process.stdout.close()


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Connection, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    _Connection.headers = _make_headers(*map(int, sys.argv[1:3]))
    try:
        import uvloop
    except ImportError:
        asyncio.run(_serve())
    else:
        uvloop.run(_serve())
