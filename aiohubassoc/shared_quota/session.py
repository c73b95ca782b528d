"""A client's way to a store: one connection, one thread, a limiter for each kind of calls."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol, TypeVar

from aiohubassoc.shared_quota import process_identity
from aiohubassoc.shared_quota.common_state import CommonState, Decider, StoreClock
from aiohubassoc.shared_quota.limiter import SharedLimiter

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohubassoc._http.clock import Clock
    from aiohubassoc.errors import SharedQuotaError
    from aiohubassoc.options import Quota
    from aiohubassoc.shared_quota.messages import Grant, Request
    from aiohubassoc.shared_quota.store import RowTransaction, Store

ResultT = TypeVar("ResultT")


class Worker(Protocol):
    """Where a store is asked, so that the event loop does not wait for it."""

    def submit(self, work: Callable[[], ResultT]) -> asyncio.Future[ResultT]:
        """Do *work* after what was submitted before, and return what it comes to."""
        ...

    def close(self) -> None:
        """Do nothing more."""
        ...


class ThreadWorker:
    """One thread, as a connection serves one at a time."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, "aiohubassoc-shared-quota")

    def submit(self, work: Callable[[], ResultT]) -> asyncio.Future[ResultT]:
        """See `Worker`."""
        return asyncio.get_running_loop().run_in_executor(self._executor, work)

    def close(self) -> None:
        """See `Worker`; what is under way ends by itself."""
        self._executor.shutdown(wait=False)


class CommonRow:
    """
    One row of a store, as one client sees it. It is used in the worker's thread.

    Args:
        store: The store.
        name: Of the quota.
        kind: Of calls.
        make_decider: Makes what decides, with this client's options.
        is_gone: Says whether a process has surely ended.
    """

    def __init__(
        self,
        store: Store,
        name: str,
        kind: str,
        make_decider: Callable[[StoreClock], Decider],
        is_gone: Callable[[str], bool] = process_identity.is_gone,
    ) -> None:
        self._store = store
        self._name = name
        self._kind = kind
        self._make_decider = make_decider
        self._is_gone = is_gone
        self._seen = 0  # the last revision
        # The state as it was left: while nobody else changes it, it need not be read.
        self._left: tuple[CommonState, int, str] | None = None
        self._candidate: tuple[CommonState, int, str] | None = None

    def request(self, request: Request) -> tuple[Grant, float]:
        """
        Carry out a request; return the reply and the machine's monotonic time to which it refers.

        Raises:
            TransientStoreError: the store cannot be reached just now; nothing is known of it.
            PermanentStoreError, SharedQuotaError: it cannot be used.
        """
        reply: Grant | None = None
        state, revision, epoch, at = None, 0, "", 0.0

        def change(transaction: RowTransaction) -> bytes:
            nonlocal reply, state, revision, epoch, at
            at = transaction.now if self._store.has_local_time else self._store.local_time()
            state = self._read(transaction)
            revision, epoch = (
                (0 if transaction.row is None else transaction.row.revision) + 1,
                transaction.epoch,
            )
            reply = state.apply(request, transaction.now, transaction.arrived_at)
            return state.dump()

        left, self._left = self._left, None  # whatever comes, it is another one from now on
        self._candidate = left
        self._store.update(self._name, self._kind, change)
        assert state is not None  # noqa: S101 -- the store called
        assert reply is not None  # noqa: S101 -- the store called
        self._left, self._seen = (state, revision, epoch), revision
        return reply, at

    def _read(self, transaction: RowTransaction) -> CommonState:
        left, self._candidate = self._candidate, None
        row = transaction.row
        key = None if row is None else (row.revision, row.epoch)
        if left is not None and left[1:] == key and left[2] == transaction.epoch:
            return left[0]
        clock = StoreClock()
        state = CommonState(self._make_decider(clock), clock, self._is_gone)
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
    """
    A client's way to a store.

    Args:
        store: The store.
        key: Of the quota.
        explain: Returns the error that users see.
        quota: As for the client, and so below.
        share: Likewise.
        reserve_daily: Likewise.
        strict: Likewise.
        batch_quota: Likewise.
        clock: Time.
        worker: Where the store is asked.

    Attributes:
        limiter: Of single calls.
        batch_limiter: Of batch calls.
        explain: As given.
    """

    def __init__(
        self,
        store: Store,
        key: str,
        explain: Callable[[BaseException], SharedQuotaError],
        *,
        quota: Quota | None,
        share: float,
        reserve_daily: float | None,
        strict: bool,
        batch_quota: Quota | None,
        clock: Clock,
        worker: Worker,
    ) -> None:
        def make_single(store_clock: StoreClock) -> Decider:
            return Decider(
                quota, share=share, reserve_daily=reserve_daily, strict=strict, clock=store_clock
            )

        def make_batch(store_clock: StoreClock) -> Decider:
            return Decider.for_batches(batch_quota, reserve_daily=reserve_daily, clock=store_clock)

        self._store = store
        self.explain = explain
        self._is_open = False
        self._worker = worker
        identity = process_identity.make_identity()
        self.limiter, self.batch_limiter = (
            SharedLimiter(
                CommonRow(store, key, kind, make),
                self,
                identity,
                make(StoreClock()),
                clock=clock,
            )
            for kind, make in (("single", make_single), ("batch", make_batch))
        )

    async def open(self) -> None:
        """
        Open the store and show that it can be written.

        Raises:
            SharedQuotaError: it cannot be used.
        """
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
        """Return what is left of permits, if the store can be reached, and close it."""
        if not self._is_open:
            return
        self._is_open = False
        try:
            await self.limiter.close()
            await self.batch_limiter.close()
        finally:  # cancelled or not
            await self._close_store()

    async def _close_store(self) -> None:
        closed = self.submit(self._store.close)
        self._worker.close()
        await closed

    def submit(self, work: Callable[[], ResultT]) -> asyncio.Future[ResultT]:
        """Do *work* in the store's thread."""
        return self._worker.submit(work)

    def stamp(self) -> float | None:
        """Return the store's time; None: only the store knows."""
        return self._store.local_time() if self._store.has_local_time else None

    def age(self, at: float) -> float:
        """Return how many seconds ago a moment of the machine's monotonic time was."""
        return self._store.local_time() - at
