"""A temporary PostgreSQL server in a temporary folder, on a Unix socket only."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

_DEBIAN: Final = "/usr/lib/postgresql"
_START_SECONDS: Final = 300.0
PASSWORD: Final = "right-password"
# Who logs in as "guarded" needs that password.
_HBA: Final = """
local all guarded scram-sha-256
local all all trust
"""


def why_not() -> str | None:
    """Return why PostgreSQL cannot be started here; None: it can."""
    if _find_programs() is None:
        return "PostgreSQL is not installed here: apt-get install postgresql"
    if os.getuid() == 0 and _find_user() is None:
        return "PostgreSQL refuses to run as root, and there is no user postgres or nobody"
    try:
        import psycopg  # noqa: F401, PLC0415 -- an extra
    except ImportError:
        return "psycopg is not installed here: pip install 'aiohubassoc[postgres]'"
    return None


@attrs.define
class PostgresServer:
    """
    A server.

    Attributes:
        folder: Where it and its socket are.
        process: The server, while it runs.
    """

    folder: Path
    process: subprocess.Popen[bytes] | None = None

    def url(self, user: str = "tester", password: str = "", database: str = "postgres") -> str:
        """Return the URL of a database."""
        secret = f":{password}" if password else ""
        return f"postgresql://{user}{secret}@/{database}?host={self.folder}"

    def start(self) -> None:
        """Start and return once it takes connections."""
        with (self.folder / "log").open("ab") as log:
            self.process = _popen(
                [
                    *(f"{_find_programs()}/postgres", "-D", str(self.folder / "data")),
                    *("-k", str(self.folder), "-c", "listen_addresses="),
                ],
                log,
            )
        give_up_at = time.monotonic() + _START_SECONDS
        ready = [f"{_find_programs()}/pg_isready", "-q", "-h", str(self.folder)]
        while subprocess.run(ready, check=False).returncode != 0:
            if self.process.poll() is not None or time.monotonic() > give_up_at:
                raise RuntimeError((self.folder / "log").read_text(encoding="utf-8"))
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop: SIGINT disconnects clients and shuts down; SIGQUIT is like a crash."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(_START_SECONDS)
            self.process = None

    def run(self, *statements: str) -> None:
        """Execute SQL."""
        options = [part for statement in statements for part in ("-c", statement)]
        subprocess.run(
            [f"{_find_programs()}/psql", "-q", self.url(), *options],
            check=True,
            stdout=subprocess.DEVNULL,
        )


@contextlib.contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """
    Start a server and stop it at the end.

    Raises:
        RuntimeError: it cannot be started: see `why_not`.
    """
    if reason := why_not():
        raise RuntimeError(reason)
    folder = Path(tempfile.mkdtemp(prefix="aiohubassoc-pg-"))  # short: a socket's path is
    server = PostgresServer(folder)
    try:
        if user := _find_user():
            os.chown(folder, user.pw_uid, user.pw_gid)
        with (folder / "log").open("ab") as log:
            command = [
                *(f"{_find_programs()}/initdb", "-D", str(folder / "data"), "-U", "tester"),
                *("-A", "trust", "-N", "-E", "UTF8", "--locale=C"),
            ]
            if _popen(command, log).wait() != 0:
                raise RuntimeError((folder / "log").read_text(encoding="utf-8"))
        (folder / "data" / "pg_hba.conf").write_text(_HBA, encoding="utf-8")
        server.start()
        server.run(f"create role guarded login password '{PASSWORD}'")
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _find_programs() -> str | None:
    there = sorted(Path(_DEBIAN).glob("*/bin/postgres"))
    found = str(there[-1]) if there else shutil.which("postgres")
    return None if found is None else str(Path(found).parent)


def _find_user() -> pwd.struct_passwd | None:
    """Return the user to run it as; None: the current user."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    return None


def _popen(command: list[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
    user = _find_user()
    others: list[int] = []
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        user=None if user is None else user.pw_uid,
        group=None if user is None else user.pw_gid,
        extra_groups=None if user is None else others,
        cwd="/",
        start_new_session=True,
    )
