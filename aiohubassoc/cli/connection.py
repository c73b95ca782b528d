"""The connection options of a command: where it sends to, with which token and how fast."""

from __future__ import annotations

import os
import re
import sqlite3
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from aiohubassoc import token_reading
from aiohubassoc._http.auth import TokenProvider
from aiohubassoc.cli.options import given
from aiohubassoc.cli.run_folder import SIMULATED_PORTAL, Command, describe_portal
from aiohubassoc.cli.terminal import print_warning
from aiohubassoc.client import BASE_URL, BASE_URL_VARIABLE, TOKEN_VARIABLES, AssociationClient
from aiohubassoc.errors import OptionsError, SharedQuotaError
from aiohubassoc.journal.schema import to_storage_error
from aiohubassoc.options import Quota
from aiohubassoc.shared_quota.quota import FOLDER_FILE, SQLITE, SharedQuota

if TYPE_CHECKING:
    from contextlib import ExitStack

    from aiohubassoc._http.limiter_interface import Limiter
    from aiohubassoc.cli.options import AccessOptions
    from aiohubassoc.observer import Observer
    from aiohubassoc.shared_quota.store import Store
    from aiohubassoc.simulator import PortalSettings

# What the library calls what is an option here.
_ARGUMENTS: Final = re.compile(
    r"^(?:base_url|api_version|proxy|share|reserve_daily|concurrency)\b|\ballow_http\b"
)


@attrs.frozen
class Connection:
    command: Command
    base_url: str
    token: str | TokenProvider = attrs.field(repr=False)
    # The URL of a proxy; None: the environment's, if it names one.
    proxy: str | None = attrs.field(default=None, repr=False)
    # What other processes, or other runs of a run folder, share.
    shared_quota: SharedQuota | None = None

    @classmethod
    def open(
        cls, stack: ExitStack, command: Command, access: AccessOptions, *, folder: str | None = None
    ) -> Connection:
        """
        Return where *command* sends to, or OptionsError; *stack* ends a simulated portal.

        *folder* is the run folder, whose runs share a quota; None: there is none.
        """
        shared = command.pace.shared()
        if shared is None and folder is not None:
            shared = FolderQuota.of_folder(folder)
        if command.portal.simulate:
            if access.proxy is not None:
                raise OptionsError("--proxy is for HubSpot: a simulated portal is on this machine")
            from aiohubassoc.simulator import portal_process  # noqa: PLC0415 -- if asked

            settings = simulated_portal(command.pace.parsed_quota() or Quota.PROFESSIONAL)
            portal = stack.enter_context(portal_process(settings))
            return cls(command, portal.base_url, settings.tokens[0], shared_quota=shared)
        base_url = find_base_url(command.portal.base_url)
        return cls(command, base_url, read_token(access), access.proxy, shared)

    @property
    def portal(self) -> str:
        """Where pairs go, for people and programs."""
        return describe_portal(SIMULATED_PORTAL if self.command.portal.simulate else self.base_url)

    @property
    def _is_from_variable(self) -> bool:
        return self.base_url == os.environ.get(BASE_URL_VARIABLE, "").strip()

    @property
    def details(self) -> str:
        """What else the first line of a run says of it."""
        is_unusual = self._is_from_variable and self.base_url != BASE_URL
        variable = f", {BASE_URL_VARIABLE}" if is_unusual else ""
        return f" ({self.command.portal.api_version}{variable})"

    def make_client(
        self, *, batch_limiter: Limiter | None = None, observer: Observer | None = None
    ) -> AssociationClient:
        """
        Return a client, which is not entered yet, or OptionsError.

        *batch_limiter* is that of another client, to share; with a shared quota, which has both
        limiters, it is left out.
        """
        pace, portal = self.command.pace, self.command.portal
        if self.shared_quota is not None:
            batch_limiter = None
        own_quota = batch_limiter is None
        try:
            return AssociationClient(
                self.token,
                base_url=self.base_url,
                api_version=portal.api_version,
                quota=pace.parsed_quota(),
                share=pace.share,
                reserve_daily=pace.reserve(),
                strict_quota=pace.strict_quota,
                concurrency=pace.concurrency,
                batch_quota=self.command.send.parsed_batch_quota() if own_quota else None,
                batch_limiter=batch_limiter,
                shared_quota=self.shared_quota,
                allow_http=portal.allow_http,
                proxy=self.proxy,
                trust_env=True,
                observer=observer,
            )
        except OptionsError as error:
            raise OptionsError(_ARGUMENTS.sub(self._name_option, str(error))) from None

    def _name_option(self, argument: re.Match[str]) -> str:
        if argument[0] == "base_url" and self._is_from_variable:
            return BASE_URL_VARIABLE
        if argument[0] == "proxy" and self.proxy is None:  # the environment's
            return f"{self.base_url.partition(':')[0].upper()}_PROXY"
        return f"--{argument[0].replace('_', '-')}"


class FolderQuota(SharedQuota):
    """The quota that the runs of a run folder share, so that one knows what the last one sent."""

    @classmethod
    def of_folder(cls, folder: str | os.PathLike[str]) -> FolderQuota:
        """Return that of a run folder, which is made if it is not there."""
        return cls(f"{SQLITE}{Path(folder) / FOLDER_FILE}")

    def make_store(self) -> Store:
        from aiohubassoc.shared_quota.sqlite_store import SqliteStore  # noqa: PLC0415 -- when used

        return SqliteStore(self.url.removeprefix(SQLITE), makes_folder=True)

    def explain(self, error: BaseException) -> SharedQuotaError:
        """Return the error that users see: it is about the folder, which they know."""
        cause, path = error.__cause__, Path(self.url.removeprefix(SQLITE))
        # Of damage in the run's own database it would say that the run is lost.
        are_tables_there = "no such" not in str(cause)
        if isinstance(cause, OSError | sqlite3.OperationalError) and are_tables_there:
            return SharedQuotaError(str(to_storage_error(path.parent, cause)))
        if not path.parent.is_dir():
            return SharedQuotaError(f"the run folder {path.parent} was removed during the run")
        return SharedQuotaError(
            f"{path}, which knows what the last run sent, cannot be used, so nothing may be sent: "
            f"{error}. If it is damaged and no run uses the folder: rm {path}*, and go on after a "
            "window of the quota, ten seconds"
        )


def simulated_portal(quota: Quota) -> PortalSettings:
    from aiohubassoc.simulator import Latency, PortalSettings  # noqa: PLC0415 -- if asked

    # 40 ms each way, log-normal: about what a client in another region of the continent sees.
    latency = Latency(before_median=0.04, before_sigma=0.3, after_median=0.04, after_sigma=0.3)
    return PortalSettings(
        quota_limit=quota.limit, quota_window=quota.window, latency=latency, keep_arrivals=False
    )


def find_base_url(given: str | None) -> str:
    """Return where HubSpot's API is: as given, else as the environment says, else HubSpot."""
    return given or os.environ.get(BASE_URL_VARIABLE, "").strip() or BASE_URL


def read_token(options: AccessOptions) -> str | TokenProvider:
    """
    Return the token, or what gives it and a new one once HubSpot refuses it; OptionsError: none.

    It comes from a file, a command, standard input's first line, or the environment. It is never
    an argument, which others can see.
    """
    path, command = options.token_file, options.token_command
    names = [name for name in given(options) if name.startswith("--token")]
    if len(names) > 1:
        raise OptionsError(f"give {names[0]} or {names[1]}, not both")
    if path is not None:
        if warning := token_reading.find_other_readers(path):
            print_warning(warning)
        return token_reading.RenewingToken(
            lambda _: token_reading.token_from_file(path), print_warning
        )
    if command is not None:
        return token_reading.RenewingToken(
            partial(token_reading.token_from_command, command), print_warning
        )
    if options.token_stdin:
        token = "" if sys.stdin is None else token_reading.token_from_line(sys.stdin.readline)
        if not token:
            raise OptionsError("standard input has no access token on its first line")
        return token_reading.check_source(token, "standard input")
    variable = _token_variable()
    if token := token_reading.parse_token(os.environ.get(variable, "")):
        return token_reading.check_source(token, variable)
    raise OptionsError(
        f"no access token: set {TOKEN_VARIABLES[0]}, or give --token-file, --token-command or "
        "--token-stdin"
    )


def name_token_source(options: AccessOptions) -> str:
    if options.token_file is not None:
        return options.token_file
    if options.token_command is not None:
        return "what --token-command prints"
    return "standard input" if options.token_stdin else _token_variable()


def _token_variable() -> str:
    """Return the variable that holds the token; the first where none does."""
    return next(
        (name for name in TOKEN_VARIABLES if os.environ.get(name, "").strip()), TOKEN_VARIABLES[0]
    )
