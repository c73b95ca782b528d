"""The client of a command: where to, with which token, how fast."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from aiohubassoc.cli.secrets import access_token
from aiohubassoc.client import BASE_URL, BASE_URL_VARIABLE, AssociationClient
from aiohubassoc.options import Quota

if TYPE_CHECKING:
    from contextlib import ExitStack

    from aiohubassoc._http.limiter import Limiter
    from aiohubassoc.cli.folder import Command
    from aiohubassoc.cli.options import TokenOptions


def target_of(stack: ExitStack, command: Command, options: TokenOptions) -> tuple[str, str]:
    """
    Return base URL and token; a simulated portal ends with *stack*.

    Raises:
        OptionsError: there is no token, or the quota is none.
    """
    if command.portal.simulate:
        from aiohubassoc.cli.portals import usual_portal  # noqa: PLC0415 -- only when asked for
        from aiohubassoc.simulator import portal_process  # noqa: PLC0415 -- likewise

        settings = usual_portal(command.pace.parsed_quota() or Quota.PROFESSIONAL)
        portal = stack.enter_context(portal_process(settings))
        return portal.base_url, settings.tokens[0]
    token = access_token(options.token_file, from_stdin=options.token_stdin)
    return base_url_of(command.portal.base_url), token


def client_of(
    command: Command, base_url: str, token: str, *, batch_limiter: Limiter | None = None
) -> AssociationClient:
    """
    Return a client for *command*.

    Args:
        command: Says how fast, and which version of the API.
        base_url: Where to.
        token: The access token.
        batch_limiter: Another client's, to go on with; None: one of its own.

    Raises:
        OptionsError: an option that cannot work.
    """
    return AssociationClient(
        token,
        base_url=base_url,
        api_version=command.portal.api_version,
        quota=command.pace.parsed_quota(),
        share=command.pace.share,
        reserve_daily=command.pace.reserve(),
        strict_quota=command.pace.strict_quota,
        concurrency=command.pace.concurrency,
        batch_quota=command.form.parsed_quota() if batch_limiter is None else None,
        batch_limiter=batch_limiter,
        allow_http=command.portal.allow_http,
    )


def base_url_of(given: str | None) -> str:
    """Return where HubSpot's API is: as given, else as the environment says, else HubSpot."""
    return given or os.environ.get(BASE_URL_VARIABLE, "").strip() or BASE_URL
