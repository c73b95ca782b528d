"""The quota of each portal, shared by all workers in the fleet's database."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Final

import attrs

from aiohubassoc.shared_quota.postgres_store import PostgresStore
from aiohubassoc.shared_quota.quota import SharedQuota
from aiohubassoc.shared_quota.session import ThreadWorker

if TYPE_CHECKING:
    from aiohubassoc.shared_quota.session import Worker
    from aiohubassoc.shared_quota.store import Store

# All portals of a worker go through so few connections, each with a thread.
_CONNECTIONS: Final = 4


class FleetQuotas:
    """The quotas of all portals of a worker: a few connections for all of them."""

    def __init__(self, database: str) -> None:
        self._database = database
        self._connections = [_LentConnection(database) for _ in range(_CONNECTIONS)]
        self._next = cycle(self._connections)

    def for_portal(self, portal: str) -> SharedQuota:
        """Return the quota of a portal, as a client takes it."""
        return _PortalQuota(self._database, f"fleet:{portal}", connection=next(self._next))

    async def close(self) -> None:
        for connection in self._connections:
            await connection.end()


@attrs.frozen(repr=False)
class _PortalQuota(SharedQuota):
    """A shared quota that goes through a connection of the worker."""

    connection: _LentConnection = attrs.field(kw_only=True)

    def make_store(self) -> Store:
        return self.connection

    def make_worker(self) -> Worker:
        return self.connection


class _LentConnection:
    """One connection and its thread, for many clients: a store that no client opens or closes."""

    keeps_time = PostgresStore.keeps_time
    has_local_time = PostgresStore.has_local_time

    def __init__(self, database: str) -> None:
        self._store = PostgresStore(database)
        self._thread = ThreadWorker()

        self.local_time = self._store.local_time
        self.update = self._store.update
        self.submit = self._thread.submit

    def open(self) -> None:
        """Do nothing: the first update connects."""

    def close(self) -> None:
        """Do nothing: others use it still."""

    async def end(self) -> None:
        await self.submit(self._store.close)
        self._thread.close()
