"""
The longest callback on the event loop: how long a program's other tasks wait for this client.

Each case makes the largest replies and inputs that there are. What is counted is CPU time of the
loop's thread, so that a busy machine changes little, and it is compared with what the same machine
takes to read JSON: a ratio, and milliseconds. The portal runs in a separate process.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import logging
import sys
import tempfile
import threading
import time
from asyncio import events
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

from report import conclude, print_table

from aiohubassoc import AioHubAssocError, AssociationClient, Journal, Pair, Quota, RetryPolicy
from aiohubassoc.simulator import PortalSettings, portal_process

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

_MOST_MS: Final = 20.0
# Work that takes longer is cancelled, as each pair is tried again where all are refused: the
# callbacks of that are measured, too.
_MOST_SECONDS: Final = 20.0
_MANY: Final = Quota(10**6, 1.0)
_PAIRS: Final = [Pair("contacts", n, "companies", n) for n in range(1, 2001)]
_LARGE: Final = 8_000_000  # bytes
_YARDSTICK: Final = json.dumps(
    {"results": [{"from": {"id": str(n)}, "to": {"id": str(n)}} for n in range(2000)]}
)


class Longest:
    """The longest callback, and which one it was."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.what = ""

    def run(self, handle: events.Handle) -> None:
        """Run a callback as the loop does, and note how long it takes."""
        callback: Any = handle._callback  # type: ignore[attr-defined]  # noqa: SLF001
        began = time.thread_time()
        _RUN(handle)
        seconds = time.thread_time() - began
        if seconds > self.seconds:
            self.seconds, self.what = seconds, _name(callback)


_RUN: Final = events.Handle._run  # noqa: SLF001 -- where every callback is called


def _name(callback: Any) -> str:  # noqa: ANN401 -- any callback of an event loop
    task = getattr(callback, "__self__", None)
    if isinstance(task, asyncio.Task):
        return str(getattr(task.get_coro(), "__qualname__", task))
    return str(getattr(callback, "__qualname__", callback))


def measure(work: Callable[[], Coroutine[Any, Any, object]]) -> Longest:
    """Return the longest callback of *work*, of three times: the least of them."""
    least = None
    for _ in range(3):
        longest = Longest()

        async def main() -> None:
            with (
                patch.object(events.Handle, "_run", lambda handle: longest.run(handle)),  # noqa: B023, PLW0108 -- a function, bound to a handle
                contextlib.suppress(TimeoutError),
            ):
                await asyncio.wait_for(work(), _MOST_SECONDS)

        asyncio.run(main())
        if least is None or longest.seconds < least.seconds:
            least = longest
    assert least is not None
    return least


def yardstick() -> float:
    """Return the seconds of CPU in which this machine reads a reply of 2,000 results."""
    times = []
    for _ in range(20):
        began = time.thread_time()
        json.loads(_YARDSTICK)
        times.append(time.thread_time() - began)
    return min(times)


@contextlib.contextmanager
def replying(status: int, body: bytes) -> Iterator[str]:
    """Serve one response to every request, and yield the base URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(body)

        do_POST = do_PUT  # noqa: N815 -- as http.server has it

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def client(base_url: str) -> AssociationClient:
    """Return a client that waits for no quota."""
    return AssociationClient(
        "simulated-token",
        base_url=base_url,
        quota=_MANY,
        batch_quota=_MANY,
        retry=RetryPolicy(attempts=2, wait_initial=0.01),
    )


def linking(
    base_url: str,
    pairs: object = _PAIRS,
    **options: Any,  # noqa: ANN401 -- those of link_all
) -> Callable[[], Coroutine[Any, Any, None]]:
    """Return what links pairs."""

    async def work() -> None:
        async with client(base_url) as one:
            with contextlib.suppress(AioHubAssocError):
                await one.link_all(pairs, **{"via": "batch", "batch_size": 2000, **options})  # type: ignore[arg-type]

    return work


def cases(home: Path) -> Iterator[tuple[str, Callable[[], Coroutine[Any, Any, object]]]]:
    """Yield the name and the work of each case, while its server is there."""
    open_portal = PortalSettings(quota_limit=None, batch_limit=None)
    with portal_process(open_portal) as portal:
        url = portal.base_url
        yield "a reply of 2,000 pairs", linking(url)
        yield "2,000 pairs one by one", linking(url, via="put")
        numbers = iter(range(100))
        yield (
            "2,000 pairs with a run folder",
            lambda: linking(url, journal=Journal(home / str(next(numbers))))(),  # noqa: PLW0108
        )
        done = Journal(home / "done")
        asyncio.run(linking(url, journal=done)())
        yield "2,000 pairs of an earlier run", linking(url, journal=Journal(home / "done"))
        yield "the same pair 20,000 times", linking(url, list(repeat(_PAIRS[0], 20_000)))
        yield "2,000 pairs, skip_linked", linking(url, skip_linked=True)
        yield "2,000 pairs read back", lambda: reading_back(url)

        async def plan() -> None:
            await client(url).plan(_PAIRS * 10)

        yield "plan of 20,000 pairs", plan
    for errors, missing in (("named", "207"), ("unnamed", "207"), ("unnamed", "400")):
        settings = PortalSettings(
            quota_limit=None,
            batch_limit=None,
            missing_share=0.5 if missing == "207" else 0.005,
            batch_errors=errors,  # type: ignore[arg-type]
            batch_missing=missing,  # type: ignore[arg-type]
        )
        with portal_process(settings) as portal:
            yield (
                f"2,000 pairs with {errors} errors in {missing}",
                linking(portal.base_url, stop_after_failures=None, stop_after_alike=None),
            )
    error = {"status": "error", "category": "VALIDATION_ERROR", "message": "wrong " * 20}
    detail = {"message": "no record 12 there", "context": {"id": ["1", "2"]}}
    count = _LARGE // len(json.dumps(detail))
    bodies = {
        "one text": {**error, "message": "x" * _LARGE},
        "many errors": {**error, "errors": [detail] * count},
        "many numbers": {**error, "message": "1 " * (_LARGE // 2)},
    }
    for name, content in bodies.items():
        for status in (400, 503):
            with replying(status, json.dumps(content).encode()) as url:
                yield f"{status} of 8 MB, {name}, for 2,000", linking(url)
                yield f"{status} of 8 MB, {name}, for one", linking(url, _PAIRS[:1], via="put")
    for name, body in (
        ("results", json.dumps({"status": "COMPLETE", "results": [_result(1)] * 60_000})),
        ("many errors", json.dumps({"status": "COMPLETE", "errors": [error] * 30_000})),
        ("one error", json.dumps({"status": "COMPLETE", "errors": [_naming(600_000)]})),
        ("many numbers", json.dumps({"status": "COMPLETE", "x": [1] * (_LARGE // 3)})),
        ("escapes", json.dumps({"status": "COMPLETE", "x": "\\" * (_LARGE // 4)})),
        ("no JSON", "<html>" + "x" * _LARGE),
        ("brackets", "[" * _LARGE),
    ):
        with replying(200, body.encode()) as url:
            yield f"200 of 8 MB, {name}, for two", linking(url, _PAIRS[:2])
            yield f"200 of 8 MB, {name}, for one", linking(url, _PAIRS[:1], via="put")

    with replying(
        207, json.dumps({"status": "COMPLETE", "errors": [_naming(4000)]}).encode()
    ) as url:
        yield "207, one error with 4,000 ids, for 2,000", linking(url)
    kinds = [{"category": "HUBSPOT_DEFINED", "typeId": 279, "label": None}]
    for count, each in ((700, 100), (140, 500)):
        records = [
            {
                "from": {"id": str(pair.from_id)},
                "to": [{"toObjectId": n, "associationTypes": kinds} for n in range(each)],
            }
            for pair in _PAIRS[:count]
        ]
        body = json.dumps({"status": "COMPLETE", "results": records})
        with replying(200, body.encode()) as url:
            yield (
                f"{count} records with {each} links each",
                lambda: reading_back(url, _PAIRS[:count]),  # noqa: B023 -- used at once
            )


async def reading_back(base_url: str, pairs: list[Pair] = _PAIRS) -> None:
    """Read back whether pairs are linked."""
    async with client(base_url) as one, one.verify(pairs) as found:
        async for _ in found:
            pass


def _naming(count: int) -> dict[str, Any]:
    return {"status": "error", "context": {"ids": [str(n) for n in range(count)]}, "message": "no"}


def _result(number: int) -> dict[str, Any]:
    kind = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 279}
    return {"from": {"id": str(number)}, "to": {"id": str(number)}, "associationSpec": kind}


def main() -> int:
    """Measure, print and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="cases with this in their name")
    options = parser.parse_args()
    logging.disable(logging.ERROR)
    gc.collect()
    gc.freeze()  # what is imported: how long the collector looks at it is not this client's
    unit, rows = yardstick(), []
    with tempfile.TemporaryDirectory() as home:
        for name, work in cases(Path(home)):
            if options.only in name:
                longest = measure(work)
                rows.append(
                    {
                        "case": name,
                        "ms": round(1000 * longest.seconds, 1),
                        "readings": round(longest.seconds / unit, 1),
                        "callback": longest.what[-48:],
                    }
                )
                print(rows[-1], flush=True)
    print_table(rows)
    print(f"a reading of a reply of 2,000 results takes {1000 * unit:.2f} ms")
    longest_ms = max(float(str(row["ms"])) for row in rows)
    return conclude(
        "callbacks", rows, {f"no callback takes more than {_MOST_MS:g} ms": longest_ms <= _MOST_MS}
    )


if __name__ == "__main__":
    sys.exit(main())
