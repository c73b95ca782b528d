"""Where a command sends to, with which token, and how fast."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

import attrs

from aiohubassoc._http.auth import TokenProvider
from aiohubassoc.cli.report import SIMULATED, describe_portal
from aiohubassoc.cli.run_folder import Command
from aiohubassoc.cli.token_source import read_token
from aiohubassoc.client import BASE_URL, BASE_URL_VARIABLE, AssociationClient
from aiohubassoc.errors import OptionsError
from aiohubassoc.options import Quota

if TYPE_CHECKING:
    from contextlib import ExitStack

    from aiohubassoc._http.limiter import Limiter
    from aiohubassoc.cli.options import AccessOptions
    from aiohubassoc.observer import Observer


# What the library calls what is an option here.
_ARGUMENTS: Final = re.compile(
    r"^(?:base_url|api_version|proxy|share|reserve_daily|concurrency)\b|\ballow_http\b"
)


def _to_option(argument: re.Match[str]) -> str:
    return f"--{argument[0].replace('_', '-')}"


@attrs.frozen
class Connection:
    """
    Where a command sends to.

    Attributes:
        command: Says how fast, and which version of the API.
        base_url: Where HubSpot's API, or the simulated portal, is.
        token: The access token, or what gives it.
        proxy: The URL of a proxy; None: the environment's, if it names one.
    """

    command: Command
    base_url: str
    token: str | TokenProvider = attrs.field(repr=False)
    proxy: str | None = attrs.field(default=None, repr=False)

    @classmethod
    def open(cls, stack: ExitStack, command: Command, access: AccessOptions) -> Connection:
        """
        Return where *command* sends to; a simulated portal ends with *stack*.

        Raises:
            OptionsError: there is no token, or the quota is none.
        """
        if command.portal.simulate:
            if access.proxy is not None:
                raise OptionsError("--proxy is for HubSpot: a simulated portal is on this machine")
            from aiohubassoc.cli.simulator_presets import usual_portal  # noqa: PLC0415 -- if asked
            from aiohubassoc.simulator import portal_process  # noqa: PLC0415 -- if asked

            settings = usual_portal(command.pace.parsed_quota() or Quota.PROFESSIONAL)
            portal = stack.enter_context(portal_process(settings))
            return cls(command, portal.base_url, settings.tokens[0])
        base_url = find_base_url(command.portal.base_url)
        return cls(command, base_url, read_token(access), access.proxy)

    @property
    def portal(self) -> str:
        """Where pairs go, for people and programs."""
        return SIMULATED if self.command.portal.simulate else describe_portal(self.base_url)

    @property
    def details(self) -> str:
        """What else the first line of a run says of it."""
        is_set = self.base_url == os.environ.get(BASE_URL_VARIABLE, "").strip() != BASE_URL
        variable = f", {BASE_URL_VARIABLE}" if is_set else ""
        return f" ({self.command.portal.api_version}{variable})"

    def make_client(
        self, *, batch_limiter: Limiter | None = None, observer: Observer | None = None
    ) -> AssociationClient:
        """
        Return a client, which is not entered yet.

        Args:
            batch_limiter: Another client's, to go on with; None: one of its own.
            observer: What is told of the run; None: nothing is.

        Raises:
            OptionsError: an option that cannot work.
        """
        pace, portal = self.command.pace, self.command.portal
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
                allow_http=portal.allow_http,
                proxy=self.proxy,
                trust_env=True,
                observer=observer,
            )
        except OptionsError as error:
            raise OptionsError(_ARGUMENTS.sub(_to_option, str(error))) from None


def find_base_url(given: str | None) -> str:
    """Return where HubSpot's API is: as given, else as the environment says, else HubSpot."""
    return given or os.environ.get(BASE_URL_VARIABLE, "").strip() or BASE_URL
