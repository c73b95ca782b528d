"""The connection of a client to a store: one thread, and a limiter for each kind of calls."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

from aiohubassoc.shared_quota.common_state import CommonState, Decider, StoreClock
from aiohubassoc.shared_quota.limiter import SharedLimiter
from aiohubassoc.shared_quota.store import is_gone, make_identity

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohubassoc._http.clock import Clock
    from aiohubassoc._http.limiter import LimiterOptions
    from aiohubassoc.errors import SharedQuotaError
    from aiohubassoc.shared_quota.messages import Grant, Request
    from aiohubassoc.shared_quota.store import RowTransaction, Store

ResultT = TypeVar("ResultT")


class Worker(Protocol):
    """Runs requests to a store, so that the event loop does not wait for them."""

    def submit(self, work: Callable[[], ResultT]) -> asyncio.Future[ResultT]:
        """Run *work* after earlier submissions, and return its result."""
        ...

    def close(self) -> None:
        """Accept no more work."""
        ...


class ThreadWorker:
    """One thread, as a connection serves one at a time."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, "aiohubassoc-shared-quota")

    def submit(self, work: Callable[[], ResultT]) -> asyncio.Future[ResultT]:
        return asyncio.get_running_loop().run_in_executor(self._executor, work)

    def close(self) -> None:
        self._executor.shutdown(wait=False)


class CommonRow:
    """One row of a store, for one client and kind of calls, used in the worker's thread."""

    def __init__(
        self,
        store: Store,
        name: str,
        kind: str,
        make_decider: Callable[[StoreClock], Decider],
    ) -> None:
        self._store = store
        self._name = name
        self._kind = kind
        self._make_decider = make_decider
        self._seen = 0  # the last revision
        # The last state: while no other client changes it, it need not be read again.
        self._left: tuple[CommonState, int, str] | None = None

    def request(self, request: Request) -> tuple[Grant, float]:
        """Execute a request; return the reply and the monotonic time to which it refers."""
        # After TransientStoreError the request may have been executed.
        reply: Grant | None = None
        changed: tuple[CommonState, int, str] | None = None
        at = 0.0
        left, self._left = self._left, None  # also after an error it is outdated

        def change(transaction: RowTransaction) -> bytes:
            nonlocal reply, changed, at, left
            at = transaction.now if self._store.has_local_time else self._store.local_time()
            state, left = self._read(transaction, left), None
            revision = 1 if transaction.row is None else transaction.row.revision + 1
            changed = (state, revision, transaction.epoch)
            reply = state.apply(request, transaction.now, transaction.arrived_at)
            return state.dump()

        self._store.update(self._name, self._kind, change)
        assert changed is not None  # noqa: S101 -- the store called
        assert reply is not None  # noqa: S101 -- the store called
        self._left, self._seen = changed, changed[1]
        return reply, at

    def _read(
        self, transaction: RowTransaction, left: tuple[CommonState, int, str] | None
    ) -> CommonState:
        row = transaction.row
        key = None if row is None else (row.revision, row.epoch)
        if left is not None and left[1:] == key and left[2] == transaction.epoch:
            return left[0]
        clock = StoreClock()
        state = CommonState(self._make_decider(clock), clock, is_gone)
        if row is not None:
            state.load(
                row.state,
                is_same_epoch=row.epoch == transaction.epoch,
                keeps_time=self._store.keeps_time,
            )
        if (0 if row is None else row.revision) < self._seen:  # deleted, or from a backup
            state.hold_window()
        return state


class StoreSession:
    """The connection of a client to a store; the options are the client's."""

    def __init__(
        self,
        store: Store,
        key: str,
        explain: Callable[[BaseException], SharedQuotaError],
        options: LimiterOptions,
        *,
        clock: Clock,
        worker: Worker,
    ) -> None:
        self._store = store
        self.explain = explain
        self._is_open = False
        self._worker = worker
        identity = make_identity()
        self.limiter, self.batch_limiter = (
            SharedLimiter(
                CommonRow(store, key, kind, make),
                self,
                identity,
                make(StoreClock()),
                clock=clock,
            )
            for kind, make in (
                ("single", partial(options.make_limiter, Decider)),
                ("batch", partial(options.make_batch_limiter, Decider)),
            )
        )

    async def open(self) -> None:
        """Open the store, and check that it can be written, or raise SharedQuotaError."""
        try:
            await self.submit(self._store.open)
            await self.limiter.register()
        except BaseException as error:
            await self._close_store()
            if isinstance(error, Exception):
                raise self.explain(error) from error
            raise
        self._is_open = True

    async def close(self) -> None:
        """Return unused permits if the store is available, and close it."""
        if not self._is_open:
            return
        self._is_open = False
        async with AsyncExitStack() as stack:  # cancelled or not
            stack.push_async_callback(self._close_store)
            stack.push_async_callback(self.batch_limiter.close)
            stack.push_async_callback(self.limiter.close)

    async def _close_store(self) -> None:
        closed = self.submit(self._store.close)
        self._worker.close()
        await closed

    def submit(self, work: Callable[[], ResultT]) -> asyncio.Future[ResultT]:
        return self._worker.submit(work)

    def stamp(self) -> float | None:
        """Return the store's time; None: only the store knows."""
        return self._store.local_time() if self._store.has_local_time else None

    def age(self, at: float) -> float:
        """Return how many seconds ago a time of the machine's monotonic clock was."""
        return self._store.local_time() - at
