"""The quota of each portal, shared with every other worker by the fleet's own database."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Final, TypeVar

import attrs

from aiohubassoc.shared_quota.postgres_store import PostgresStore
from aiohubassoc.shared_quota.quota import SharedQuota
from aiohubassoc.shared_quota.session import ThreadWorker

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from aiohubassoc.shared_quota.session import Worker
    from aiohubassoc.shared_quota.store import RowTransaction, Store

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
        self._connections = [_LentConnection(database) for _ in range(_CONNECTIONS)]
        self._next = cycle(self._connections)

    def for_portal(self, portal: str) -> SharedQuota:
        """Return the quota of a portal, as a client takes it."""
        return _PortalQuota(self._database, f"fleet:{portal}", connection=next(self._next))

    async def close(self) -> None:
        """Close the connections."""
        for connection in self._connections:
            await connection.end()


@attrs.frozen(repr=False)
class _PortalQuota(SharedQuota):
    """A shared quota that goes through a connection of the worker."""

    connection: _LentConnection = attrs.field(kw_only=True)

    def make_store(self) -> Store:
        """Return the worker's connection."""
        return self.connection

    def make_worker(self) -> Worker:
        """Return the thread of the worker's connection."""
        return self.connection


class _LentConnection:
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

    def update(self, name: str, kind: str, change: Callable[[RowTransaction], bytes]) -> None:
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
