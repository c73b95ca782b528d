"""A store in memory and a worker without a thread, in the event loop's (virtual) time."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import attrs

from aiohubassoc.shared_quota.store import RowTransaction, StoredState

if TYPE_CHECKING:
    from collections.abc import Callable

ResultT = TypeVar("ResultT")


@attrs.define
class MemoryStore:
    """
    A store.

    Attributes:
        rows: What is kept.
        epoch: Which start of the machine this is.
        offset: The store's clock, less the event loop's.
        error: What each update raises.
        updates: How many there were.
    """

    rows: dict[tuple[str, str], StoredState] = attrs.Factory(dict)
    epoch: str = "first"
    keeps_time: bool = True
    has_local_time: bool = False
    offset: float = 0.0
    error: Exception | None = None
    updates: int = 0
    is_open: bool = False

    def local_time(self) -> float:
        """See `Store`."""
        return asyncio.get_running_loop().time()

    def open(self) -> None:
        """See `Store`."""
        if self.error is not None:
            raise self.error
        self.is_open = True

    def update(self, name: str, kind: str, change: Callable[[RowTransaction], bytes]) -> None:
        """See `Store`."""
        if self.error is not None:
            raise self.error
        self.updates += 1
        now = self.local_time() + self.offset
        row = self.rows.get((name, kind))
        state = change(RowTransaction(row, self.epoch, now, now))
        revision = (0 if row is None else row.revision) + 1
        self.rows[name, kind] = StoredState(revision, self.epoch, state)

    def close(self) -> None:
        """See `Store`."""
        self.is_open = False


@attrs.define
class LoopWorker:
    """
    Does work in the event loop, after a while.

    Attributes:
        delay: Seconds to the store, and the same back.
        service: Seconds that a request takes; the others wait.
        busy_until: Of the store: shared by all of its workers.
        is_stuck: Whether nothing comes back.
    """

    delay: float = 0.0
    service: float = 0.0
    busy_until: list[float] = attrs.Factory(lambda: [0.0])
    is_stuck: bool = False

    def submit(self, work: Callable[[], ResultT]) -> asyncio.Future[ResultT]:
        """See `Worker`."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[ResultT] = loop.create_future()
        if self.is_stuck:
            return future
        if not self.delay and not self.service:
            loop.call_soon(self._do, work, future)
            return future
        begins = max(loop.time() + self.delay, self.busy_until[0])
        self.busy_until[0] = begins + self.service
        loop.call_at(begins + self.service, self._do, work, future)
        return future

    def close(self) -> None:
        """See `Worker`."""

    def _do(self, work: Callable[[], ResultT], future: asyncio.Future[ResultT]) -> None:
        if future.cancelled():
            return
        try:
            settle: Callable[[], None] = partial(future.set_result, work())
        except Exception as error:  # noqa: BLE001 -- it is the future's
            settle = partial(future.set_exception, error)
        if self.delay:
            asyncio.get_running_loop().call_later(
                self.delay, lambda: None if future.cancelled() else settle()
            )
        else:
            settle()
