"""A portal that is served until this process is told to end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

from aiohubassoc.simulator.server import serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aiohubassoc.simulator.settings import PortalSettings


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
        settings: What the portal is like. None: every default.
        port: 0 for any free one.
        on_ready: Called with the base URL once requests are taken.
        while_stdin: Return also when the standard input ends, as it does when whoever holds its
            other end dies.

    Raises:
        OSError: the port is taken.
    """
    asyncio.run(_serve(settings, port, on_ready, while_stdin=while_stdin))


async def _serve(
    settings: PortalSettings | None,
    port: int,
    on_ready: Callable[[str], object],
    *,
    while_stdin: bool,
) -> None:
    loop = asyncio.get_running_loop()
    over = asyncio.Event()

    def end() -> None:
        # The loop may be gone by the time the standard input ends.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(over.set)

    with _on_signals(end):
        if while_stdin:
            threading.Thread(target=_watch_stdin, args=(end,), daemon=True).start()
        async with serve(settings, port=port) as running:
            on_ready(running.base_url)
            await over.wait()


@contextlib.contextmanager
def _on_signals(end: Callable[[], None]) -> Iterator[None]:
    """Call *end* for either signal while the context lasts."""
    # Not the loop's own handlers: those are unknown to Windows and forget what was there before.
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
    # Read below Python's buffers: one whose lock a daemon thread holds kills the interpreter's end.
    descriptor = sys.stdin.fileno()
    while os.read(descriptor, 1024):
        pass
    end()
