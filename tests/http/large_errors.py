"""
A server with errors of any size, and a client that says how much memory they took.

``serve SIZE`` prints its port. ``link KIND COUNT URL...`` links this many pairs with each server in
turn, and prints for each what became of them and the largest size of the process so far, in kB. The
first part of each id names the kind of error.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys

from aiohubassoc import AssociationClient, Pair, Quota, RetryPolicy


def _body(kind: str, size: int) -> tuple[str, object]:
    text = "x" * size
    error = {"status": "error", "category": "VALIDATION_ERROR", "message": "refused"}
    match kind:
        case "message":
            return "400 Bad Request", {**error, "message": text}
        case "context":
            return "400 Bad Request", {**error, "context": {"id": ["1234567"] * (size // 10)}}
        case "details":
            return "400 Bad Request", {**error, "errors": [{"message": "x"}] * (size // 16)}
        case "page":
            return "502 Bad Gateway", text
        case "inside":
            errors = [{**error, "message": text[::2], "context": {"id": [text[::2]]}}]
            return "207 Multi-Status", {"status": "COMPLETE", "results": [], "errors": errors}
        case _:
            return "200 OK", {"status": "COMPLETE", "results": [text]}


async def _serve(size: int) -> None:
    bodies = {
        kind: (status, json.dumps(body).encode())
        for kind in ("message", "context", "details", "page", "inside", "garbled")
        for status, body in [_body(kind, size)]
    }

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                status, body = bodies[head.split("/")[5].partition("-")[0]]
                writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode())
                for begin in range(0, len(body), 65_536):
                    writer.write(body[begin : begin + 65_536])
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 -- that is how it tells
    await server.serve_forever()


async def _link(base_url: str, kind: str, count: int) -> None:
    pairs = [Pair("contacts", f"{kind}-{number}", "companies", 1) for number in range(count)]
    async with AssociationClient(
        "token-1",
        base_url=base_url,
        quota=Quota(1_000_000, 1.0),
        concurrency=4,
        retry=RetryPolicy(attempts=1),
    ) as client:
        report = await client.link_all(pairs, stop_after_alike=None)
    kept = sorted({str(outcome.category) for outcome in report.failures})
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"failed": report.failed, "kept": kept, "kB": size}))  # noqa: T201 -- its output


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        asyncio.run(_serve(int(sys.argv[2])))
    else:
        for url in sys.argv[4:]:
            asyncio.run(_link(url, sys.argv[2], int(sys.argv[3])))
