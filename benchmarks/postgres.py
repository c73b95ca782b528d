"""A PostgreSQL server in a separate folder, on a socket there and nowhere else."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

# Debian's package installs the programs here, apart from PATH.
_DEBIAN: Final = Path("/usr/lib/postgresql")
_NO_SYNC: Final = "-c fsync=off -c full_page_writes=off"
_SECONDS: Final = 300.0
PASSWORD: Final = "right-password"  # noqa: S105 -- of a server that is gone soon
# Who logs in as "guarded" needs that password; the server trusts everybody else.
_HBA: Final = """
local all guarded scram-sha-256
local all all trust
"""


def why_not() -> str | None:
    """Return why PostgreSQL cannot be started here; None: it can."""
    if _find_programs() is None:
        return "PostgreSQL is not installed here: apt-get install postgresql"
    if os.geteuid() == 0 and _find_user() is None:
        return "PostgreSQL refuses to run as root, and there is no user postgres or nobody"
    if importlib.util.find_spec("psycopg") is None:
        return "psycopg is not installed here: pip install 'aiohubassoc[postgres]'"
    return None


def _find_programs() -> Path | None:
    """Return the folder with initdb and pg_ctl; None: PostgreSQL is not installed."""
    folders = sorted(_DEBIAN.glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
    for folder in folders:
        if (folder / "initdb").exists():
            return folder
    found = shutil.which("initdb")
    return None if found is None else Path(found).resolve().parent


@attrs.frozen
class PostgresServer:
    """
    A running server. Its user "guarded" needs `PASSWORD`, all others none.

    Attributes:
        folder: Where its data and its socket are.
        programs: Where pg_ctl is.
    """

    folder: Path
    programs: Path

    def url(self, user: str = "postgres", password: str = "", database: str = "postgres") -> str:
        """Return the connection URI of a database."""
        secret = f":{password}" if password else ""
        return f"postgresql://{user}{secret}@/{database}?host={self.folder}"

    def start(self) -> None:
        """Start it; it takes connections when this returns."""
        options = f"-k {self.folder} -c listen_addresses='' -c max_connections=300 {_NO_SYNC}"
        log = str(self.folder / "log")
        self._run("pg_ctl", "-D", self._data, "-o", options, "-l", log, "-w", "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop it: ``fast`` ends connections, ``immediate`` as a crash does."""
        self._run("pg_ctl", "-D", self._data, "-m", mode, "-w", "stop")

    def run(self, *statements: str) -> None:
        """Execute SQL."""
        options = [part for statement in statements for part in ("-c", statement)]
        self._run("psql", "-q", self.url(), *options)

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self.programs / program, *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=_SECONDS,
            user=_find_user(),
            cwd=self.folder,
        )

    def create(self) -> None:
        """Make its data."""
        encoding = ("-E", "UTF8", "--locale=C")
        self._run("initdb", "-D", self._data, "-U", "postgres", "--no-sync", *encoding)
        (self.folder / "data" / "pg_hba.conf").write_text(_HBA, encoding="utf-8")


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """
    Run a server while the context lasts.

    Raises:
        RuntimeError: it cannot be started: see `why_not`.
    """
    programs = _find_programs()
    if (reason := why_not()) or programs is None:
        raise RuntimeError(reason)
    with TemporaryDirectory(prefix="ahas-pg-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if (user := _find_user()) is not None:
            shutil.chown(folder, user)
        server = PostgresServer(folder, programs)
        server.create()
        server.start()
        try:
            server.run(f"create role guarded login password '{PASSWORD}'")
            yield server
        finally:
            server.stop("immediate")


def _find_user() -> str | None:
    """Return whom the server runs as: it refuses root; None: oneself."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in names), None)
