"""The portals of a fleet: where each one is, where its token is, and the quota of its workers."""

from __future__ import annotations

import logging
import os
import tomllib
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from aiohubassoc.client import BASE_URL, AssociationClient
from aiohubassoc.errors import OptionsError
from aiohubassoc.options import Quota
from aiohubassoc.shared_quota.postgres_store import PostgresStore
from aiohubassoc.shared_quota.quota import SharedQuota
from aiohubassoc.shared_quota.session import ThreadWorker
from aiohubassoc.token_reading import (
    RenewingToken,
    parse_token,
    token_from_command,
    token_from_file,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from threading import Event

    from aiohubassoc._http.auth import TokenProvider
    from aiohubassoc.shared_quota.session import Worker
    from aiohubassoc.shared_quota.store import Store

logger = logging.getLogger("aiohubassoc")

# All portals of a worker share so few connections for their quotas, each with a thread.
_QUOTA_CONNECTIONS: Final = 4
_TOKENS: Final = ("token_env", "token_file", "token_command")


@attrs.frozen
class FleetPortal:
    """
    A portal of a fleet.

    Attributes:
        name: What runs call it by.
        base_url: Where its API is.
        quota: The upper limit of its single calls; None: adopt what HubSpot reports.
        batch_quota: The upper limit of its batch calls; None: adopt what HubSpot accepts.
        share: The part of the quota to use, above 0 and up to 1.
        reserve_daily: Calls of the day to leave for others, or a share of them from 0 to 1; None:
            none.
        api_version: As `AssociationClient` takes it.
        allow_http: Whether the token may travel unencrypted to another machine.
        token_env: The environment variable that holds the token.
        token_file: The file that holds it; it is read again when HubSpot refuses the token.
        token_command: The command that prints it; it is run again when HubSpot refuses the
            token. One of the three is set.

    Raises:
        OptionsError: an argument that cannot work.
    """

    name: str
    base_url: str = BASE_URL
    quota: Quota | None = None
    batch_quota: Quota | None = None
    share: float = 1.0
    reserve_daily: float | None = None
    api_version: str = "v4"
    allow_http: bool = False
    token_env: str | None = None
    token_file: str | None = None
    token_command: str | None = None

    @property
    def token_source(self) -> str:
        """Where the token is, for people; never the token itself."""
        if self.token_env is not None:
            return f"variable {self.token_env}"
        if self.token_file is not None:
            return f"file {self.token_file}"
        return f"command {self.token_command}"

    def __attrs_post_init__(self) -> None:
        if not _is_text(self.name):
            raise OptionsError(f"a portal cannot be called {self.name!r}")
        if not isinstance(self.allow_http, bool):
            raise OptionsError(f"allow_http must be true or false, not {self.allow_http!r}")
        self.make_client("unused")

    def make_client(self, token: str | TokenProvider, **options: Any) -> AssociationClient:  # noqa: ANN401 -- the client's
        """Return a client of the portal; *options* are more of its arguments."""
        return AssociationClient(
            token,
            base_url=self.base_url,
            api_version=self.api_version,
            quota=self.quota,
            batch_quota=self.batch_quota,
            share=self.share,
            reserve_daily=self.reserve_daily,
            allow_http=self.allow_http,
            **options,
        )

    def read_token(self, is_over: Event | None = None) -> str | TokenProvider:
        """
        Return the token, or what gives it and a new one once HubSpot refuses it. It may block.

        Args:
            is_over: Once it is set, nobody waits for the token. None: it is waited for.

        Raises:
            OptionsError: there is none, or it cannot be read.
        """
        if (path := self.token_file) is not None:
            return RenewingToken(lambda _: token_from_file(path), logger.warning, is_over)
        if (command := self.token_command) is not None:
            return RenewingToken(partial(token_from_command, command), logger.warning, is_over)
        assert self.token_env is not None  # noqa: S101 -- one of the three is set
        if token := parse_token(os.environ.get(self.token_env, "")):
            return token
        raise OptionsError(f"portal {self.name}: the variable {self.token_env} has no access token")


def load_portals(path: str | Path) -> dict[str, FleetPortal]:
    """
    Return the portals of a TOML file by their names.

    Each is a table ``[portals.NAME]`` with ``base_url``, one of ``token_env``, ``token_file`` and
    ``token_command``, and optionally ``quota`` and ``batch_quota`` such as ``"190/10s"``,
    ``share``, ``reserve_daily``, ``api_version`` and ``allow_http``. A relative ``token_file`` is
    relative to the folder of the TOML file.

    Raises:
        OptionsError: the file cannot be read, is not TOML, or has an entry that cannot work.
    """
    path = Path(path)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise OptionsError(f"{path} is not TOML: {error}") from None
    except (OSError, ValueError) as error:  # a path cannot hold NUL
        reason = getattr(error, "strerror", None) or error
        raise OptionsError(f"cannot read the portals in {path}: {reason}") from None
    entries = content.get("portals")
    if not isinstance(entries, dict) or not entries:
        raise OptionsError(f"{path} has no [portals.NAME] table")
    return {name: _parse(path, name, entry) for name, entry in entries.items()}


def find_portal(portals: Mapping[str, FleetPortal], name: str) -> FleetPortal:
    """
    Return the portal of that name.

    Raises:
        OptionsError: there is none.
    """
    if name not in portals:
        raise OptionsError(f"there is no portal {name!r}. Portals: {', '.join(portals)}")
    return portals[name]


def _parse(path: Path, name: str, entry: Any) -> FleetPortal:  # noqa: ANN401 -- of TOML
    where = f"{path}: [portals.{name}]"
    if not isinstance(entry, dict):
        raise OptionsError(f"{where} must be a table")
    known = [field.name for field in attrs.fields(FleetPortal) if field.name != "name"]
    if unknown := [key for key in entry if key not in known]:
        raise OptionsError(f"{where} has no option {unknown[0]!r}. Options: {', '.join(known)}")
    if len([key for key in _TOKENS if key in entry]) != 1:
        raise OptionsError(f"{where} needs one of {', '.join(_TOKENS)}")
    for key in ("base_url", "quota", "batch_quota", "api_version", *_TOKENS):
        if key in entry and not _is_text(entry[key]):
            raise OptionsError(f"{where}: {key} must be a text, not {entry[key]!r}")
    try:
        values = dict(entry)
        for key in ("quota", "batch_quota"):
            if key in values:
                values[key] = _parse_quota(key, values[key])
        if "token_file" in values:
            values["token_file"] = str(path.parent / values["token_file"])
        return FleetPortal(name, **values)
    except OptionsError as error:
        raise OptionsError(f"{where}: {error}") from None


def _parse_quota(key: str, text: str) -> Quota:
    try:
        return Quota.parse(text)
    except OptionsError as error:
        raise OptionsError(f"{key}: {error}") from None


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value.strip() != "" and "\0" not in value


class FleetQuotas:
    """The quotas of all portals of a worker: a few connections for all of them."""

    def __init__(self, database: str) -> None:
        self._database = database
        self._connections = [_LentConnection(database) for _ in range(_QUOTA_CONNECTIONS)]
        self._next = cycle(self._connections)

    def for_portal(self, portal: str) -> SharedQuota:
        return _PortalQuota(self._database, f"fleet:{portal}", connection=next(self._next))

    async def close(self) -> None:
        for connection in self._connections:
            await connection.end()


@attrs.frozen(repr=False)
class _PortalQuota(SharedQuota):
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
