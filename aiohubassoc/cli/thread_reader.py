"""Reading what may block, such as standard input, beside the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

_T = TypeVar("_T")
_AHEAD: Final = 1000


class ThreadReader(Generic[_T]):
    """
    Iterates over *items* in a thread and hands them on to the event loop, at most 1,000 ahead.

    The thread is a daemon: while it waits for somebody to type, the process can end.
    """

    def __init__(self, items: Iterable[_T]) -> None:
        self._items = items
        self._ready: deque[_T] = deque()
        self._changed = threading.Condition()
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._waited_for = False
        self._over = False
        self._error: BaseException | None = None
        threading.Thread(target=self._run, name="aiohubassoc-input", daemon=True).start()

    def end(self) -> None:
        """Give nothing more, whatever the thread is waiting for."""
        with self._changed:
            self._over = True
            self._ready.clear()
            self._changed.notify_all()
        self._news.set()

    async def __aiter__(self) -> AsyncIterator[_T]:
        while True:
            with self._changed:
                taken = [self._ready.popleft()] if self._ready else []
                over = self._over
                if taken:
                    self._changed.notify_all()
                elif not over:
                    self._waited_for = True
                    self._news.clear()
            if taken:
                yield taken[0]
            elif over:
                break
            else:
                await self._news.wait()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            for item in self._items:
                with self._changed:
                    while len(self._ready) >= _AHEAD and not self._over:
                        self._changed.wait()
                    if self._over:
                        return
                    self._ready.append(item)
                self._tell()
        except BaseException as error:  # noqa: BLE001 -- it is raised where the items are taken
            self._error = error
        finally:
            with self._changed:
                self._over = True
            self._tell()

    def _tell(self) -> None:
        """Wake the event loop if it waits."""
        with self._changed:
            waited_for, self._waited_for = self._waited_for, False
        if waited_for:
            try:
                self._loop.call_soon_threadsafe(self._news.set)
            except RuntimeError:  # the loop is closed: nobody wants to know any more
                return
