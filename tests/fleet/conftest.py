"""A PostgreSQL server for all tests of fleets, and an empty database for each."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

psycopg = pytest.importorskip("psycopg", reason="the extra 'fleet' is not installed")

from postgres import PostgresServer, postgres_server, why_not  # noqa: E402
from psycopg.conninfo import conninfo_to_dict  # noqa: E402

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
    if reason := why_not():
        pytest.skip(reason)
    with postgres_server() as server:
        yield server


@contextlib.contextmanager
def pgbouncer(database: str) -> Iterator[str]:
    """Run a PgBouncer in transaction mode, and yield the URI of the database behind it."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("PgBouncer is not installed: apt-get install pgbouncer")
    about = conninfo_to_dict(database)
    folder = Path(tempfile.mkdtemp(prefix="ahas-pgb-"))  # short: a socket's path is
    folder.chmod(0o755)
    path = folder / "ini"
    path.write_text(
        f"[databases]\n* = host={about['host']} user=postgres pool_size=2\n"
        f"[pgbouncer]\nlisten_addr=\nunix_socket_dir={folder}\nlisten_port=6543\nauth_type=any\npool_mode=transaction\n",
        encoding="utf-8",
    )
    user = "postgres" if os.geteuid() == 0 else None  # it refuses root
    if user is not None:
        shutil.chown(folder, user)
    process = subprocess.Popen([program, "-q", str(path)], user=user, stderr=subprocess.DEVNULL)
    try:
        while not (folder / ".s.PGSQL.6543").exists():
            assert process.poll() is None
            threading.Event().wait(0.02)
        yield f"postgresql://postgres@/{about['dbname']}?host={folder}&port=6543"
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder)


@pytest.fixture
def database(postgres: PostgresServer) -> str:
    """Return the URI of an empty database."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(postgres.url(), autocommit=True) as db:
        db.execute(f'create database "{name}"')
    return postgres.url(database=name)


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
