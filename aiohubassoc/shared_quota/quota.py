"""`SharedQuota`: in which store a quota is shared, and under which name."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

import attrs

from aiohubassoc.errors import OptionsError, SharedQuotaError, install_command

if TYPE_CHECKING:
    from aiohubassoc._http.clock import Clock
    from aiohubassoc._http.limiter import LimiterOptions
    from aiohubassoc.shared_quota.session import StoreSession, Worker
    from aiohubassoc.shared_quota.store import Store

SQLITE: Final = "sqlite:///"
_POSTGRES: Final = ("postgresql://", "postgres://")
_PASSWORD: Final = re.compile(r"(://[^/?#@:]*):([^/?#]*)@|([?&](?:ssl)?password=)([^&]*)")
_HIDDEN: Final = "***"
FOLDER_FILE: Final = "quota.db"  # in a run folder, what its runs share


def _check_url(_: object, field: attrs.Attribute[str], value: object) -> None:
    if isinstance(value, str) and "\0" not in value:
        if value.startswith(SQLITE) and value[len(SQLITE) :] not in {"", ":memory:"}:
            return
        if value.startswith(_POSTGRES):
            if importlib.util.find_spec("psycopg") is None:
                raise OptionsError(
                    f"a shared quota in PostgreSQL needs an extra: {install_command('postgres')}"
                )
            return
    shown = hide_password(value) if isinstance(value, str) else value
    raise OptionsError(
        f"{field.name} must be sqlite:///FILE, with four slashes for an absolute path, or "
        f"postgresql://..., not {shown!r}"
    )


def _check_key(_: object, field: attrs.Attribute[str], value: object) -> None:
    is_text = isinstance(value, str) and value and "\0" not in value
    if not is_text or any("\ud800" <= letter <= "\udfff" for letter in str(value)):  # no UTF-8
        raise OptionsError(f"{field.name} must be a text that is not empty, not {value!r}")


@attrs.frozen(repr=False)
class SharedQuota:
    """
    A quota that many processes keep together.

    Give the same URL and key to each client of the same HubSpot token, in any number of processes:
    together they keep one quota, and a throttle or a limit that one of them meets is known to all.
    Nothing is opened until a client is.

    Args:
        url: ``sqlite:///FILE`` for the processes of one machine: a relative path, or with four
            slashes an absolute one, on a local disk. ``postgresql://...`` for many machines, as
            libpq takes it (PostgreSQL, libpq, "Connection URIs"); it needs the extra
            ``[postgres]``. The file, or two tables, are made if they are not there.
        key: Names the quota: one for each HubSpot account and app.

    Raises:
        OptionsError: an argument that cannot work.
    """

    url: str = attrs.field(validator=_check_url)
    key: str = attrs.field(default="default", validator=_check_key)

    def open_session(self, options: LimiterOptions, clock: Clock) -> StoreSession:
        """Return a client's way to it, which is not open yet; the options are the client's."""
        from aiohubassoc.shared_quota.session import StoreSession  # noqa: PLC0415 -- when one is used

        store, worker = self.make_store(), self.make_worker()
        return StoreSession(store, self.key, self.explain, options, clock=clock, worker=worker)

    def explain(self, error: BaseException) -> SharedQuotaError:
        """Return the error that users see."""
        why = _hide_secrets(str(error), self.url)
        return SharedQuotaError(
            f"the shared quota {hide_password(self.url)} cannot be used, so nothing may be sent: "
            f"{why}"
        )

    def make_store(self) -> Store:
        """Return the store, which is not open yet."""
        if self.url.startswith(SQLITE):
            from aiohubassoc.shared_quota.sqlite_store import SqliteStore  # noqa: PLC0415 -- above

            return SqliteStore(self.url[len(SQLITE) :])
        from aiohubassoc.shared_quota.postgres_store import PostgresStore  # noqa: PLC0415 -- above

        return PostgresStore(self.url)

    def make_worker(self) -> Worker:
        """Return where the store is asked: a thread for each session."""
        from aiohubassoc.shared_quota.session import ThreadWorker  # noqa: PLC0415 -- as above

        return ThreadWorker()

    def __repr__(self) -> str:
        return f"SharedQuota({hide_password(self.url)!r}, key={self.key!r})"


def to_kept_url(url: str) -> str:
    """Return a URL as a run folder keeps it: without a password, and a path from the root."""
    if url.startswith(SQLITE):
        return f"{SQLITE}{Path(url[len(SQLITE) :]).absolute()}"
    return _PASSWORD.sub(lambda found: f"{found[1]}@" if found[1] else f"{found[3]}", url)


def hide_password(url: str) -> str:
    """Return a URL as it may be shown."""
    if url.startswith(SQLITE):
        return url
    return _PASSWORD.sub(
        lambda found: f"{found[1]}:{_HIDDEN}@" if found[1] else f"{found[3]}{_HIDDEN}", url
    )


def _hide_secrets(text: str, url: str) -> str:
    """Return what a library says of a store, without the password of its URL."""
    text = text.replace(url, hide_password(url))
    for found in _PASSWORD.finditer(url):
        secret = found[2] or found[4]
        for form in filter(None, (secret, unquote(secret or ""))):
            text = text.replace(form, _HIDDEN)
    return text
