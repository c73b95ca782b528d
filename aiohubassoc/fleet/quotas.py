"""The quota of each portal, shared with every other worker by the fleet's own database."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Final, TypeVar

import attrs

from aiohubassoc.shared_quota.postgres_store import PostgresStore
from aiohubassoc.shared_quota.quota import SharedQuota
from aiohubassoc.shared_quota.session import StoreSession, ThreadWorker

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from aiohubassoc._http.clock import Clock
    from aiohubassoc.options import Quota
    from aiohubassoc.shared_quota.store import Transaction

_T = TypeVar("_T")

# All portals of a worker go through so few connections, each with a thread.
_CONNECTIONS: Final = 4


class FleetQuotas:
    """
    The quotas of all portals of a worker: a few connections for all of them.

    Args:
        database: The connection URI of the fleet's database.
    """

    def __init__(self, database: str) -> None:
        self._database = database
        self._lines = [_Line(database) for _ in range(_CONNECTIONS)]
        self._next = cycle(self._lines)

    def of_portal(self, portal: str) -> PortalQuota:
        """Return the quota of a portal, as a client takes it."""
        shared = SharedQuota(self._database, f"fleet:{portal}")
        return PortalQuota(shared, next(self._next))

    async def close(self) -> None:
        """Close the connections."""
        for line in self._lines:
            await line.end()


@attrs.frozen
class PortalQuota:
    """What `AssociationClient` takes for its ``shared_quota``: a quota by a line of the worker."""

    _shared: SharedQuota
    _line: _Line

    def open_session(
        self,
        *,
        quota: Quota | None,
        share: float,
        reserve_daily: float | None,
        strict: bool,
        batch_quota: Quota | None,
        clock: Clock,
    ) -> StoreSession:
        """Return a client's way to it; the arguments are the client's."""
        return StoreSession(
            self._line,
            self._shared.key,
            self._shared.explain,
            quota=quota,
            share=share,
            reserve_daily=reserve_daily,
            strict=strict,
            batch_quota=batch_quota,
            clock=clock,
            worker=self._line,
        )


class _Line:
    """One connection and its thread, for many clients: a store that no client opens or closes."""

    keeps_time = PostgresStore.keeps_time
    has_local_time = PostgresStore.has_local_time

    def __init__(self, database: str) -> None:
        self._store = PostgresStore(database)
        self._thread = ThreadWorker()

    # --- a store, as each client sees it ---------------------------------------------------------

    def local_time(self) -> float:
        """Return the machine's monotonic seconds."""
        return self._store.local_time()

    def open(self) -> None:
        """Do nothing: the first update connects."""

    def update(self, name: str, kind: str, change: Callable[[Transaction], bytes]) -> None:
        """Change one row."""
        self._store.update(name, kind, change)

    def submit(self, work: Callable[[], _T]) -> asyncio.Future[_T]:
        """Do *work* in the thread."""
        return self._thread.submit(work)

    def close(self) -> None:
        """Do nothing: others use it still."""

    async def end(self) -> None:
        """Close the connection and end the thread."""
        await self._thread.submit(self._store.close)
        self._thread.close()
