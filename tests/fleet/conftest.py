"""A PostgreSQL server for all tests of fleets, and an empty database for each."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

psycopg = pytest.importorskip("psycopg", reason="the extra 'fleet' is not installed")

from postgres import PostgresServer, find_programs, postgres_server  # noqa: E402

from aiohubassoc.fleet import Fleet, FleetPortal  # noqa: E402 -- needs psycopg
from aiohubassoc.options import Quota  # noqa: E402
from aiohubassoc.simulator import PortalSettings, serve  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from aiohubassoc.simulator import ServedPortal

TOKEN_VARIABLE = "AHAS_TEST_TOKEN"


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Return the server of all tests."""
    if find_programs() is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    with postgres_server() as server:
        yield server


@pytest.fixture
def database(postgres: PostgresServer) -> str:
    """Return the URI of an empty database."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(postgres.url, autocommit=True) as db:
        db.execute(f'create database "{name}"')
    return postgres.url.replace("/postgres?", f"/{name}?")


@pytest.fixture
async def fleet(database: str) -> AsyncIterator[Fleet]:
    """Return a fleet with its tables."""
    async with Fleet(database) as fleet:
        await fleet.init()
        yield fleet


@pytest.fixture
async def served(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ServedPortal]:
    """Return a portal that knows the records 1 to 1,000."""
    monkeypatch.setenv(TOKEN_VARIABLE, "simulated-token")
    settings = PortalSettings(quota_limit=100, quota_window=1.0, records_up_to=1000)
    async with serve(settings) as portal:
        yield portal


@pytest.fixture
def portals(served: ServedPortal) -> dict[str, FleetPortal]:
    """Return two names of that portal."""
    return {
        name: FleetPortal(name, served.base_url, token_env=TOKEN_VARIABLE, quota=Quota(100, 1.0))
        for name in ("acme", "other")
    }


def pytest_configure() -> None:
    """Have connections that hang end."""
    os.environ.setdefault("PGCONNECT_TIMEOUT", "20")
