"""A PostgreSQL server in a separate folder, on a socket there and nowhere else."""

from __future__ import annotations

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
_SECONDS: Final = 60.0


def find_programs() -> Path | None:
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
    A running server, which needs no password on its socket.

    Attributes:
        folder: Where its data and its socket are.
        programs: Where pg_ctl is.
    """

    folder: Path
    programs: Path

    @property
    def url(self) -> str:
        """The connection URI of its database."""
        return f"postgresql://postgres@/postgres?host={self.folder}"

    def start(self) -> None:
        """Start it; it takes connections when this returns."""
        options = f"-k {self.folder} -c listen_addresses='' -c max_connections=300 {_NO_SYNC}"
        log = str(self.folder / "log")
        self._run("pg_ctl", "-D", self._data, "-o", options, "-l", log, "-w", "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop it: ``fast`` ends connections, ``immediate`` as a crash does."""
        self._run("pg_ctl", "-D", self._data, "-m", mode, "-w", "stop")

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
            user=_user(),
            cwd=self.folder,
        )

    def create(self) -> None:
        """Make its data."""
        self._run("initdb", "-D", self._data, "-A", "trust", "-U", "postgres", "--no-sync")


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """
    Run a server while the context lasts.

    Raises:
        FileNotFoundError: PostgreSQL is not installed.
    """
    programs = find_programs()
    if programs is None:
        raise FileNotFoundError("PostgreSQL is not installed: apt-get install postgresql")
    with TemporaryDirectory(prefix="ahas-pg-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if (user := _user()) is not None:
            os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
        server = PostgresServer(folder, programs)
        server.create()
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")


def _user() -> str | None:
    """Return whom the server runs as: it refuses root."""
    return "postgres" if os.geteuid() == 0 else None
