"""The access token of each call, and a new one when HubSpot refuses it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from aiohubassoc.errors import OptionsError

TokenProvider: TypeAlias = Callable[[str | None], Awaitable[str]]
"""
``async def token(refused: str | None) -> str``: the access token for a call.

Awaited for each call with None, so it should be cheap when it has a token; after a 401 it is told
which token was refused, once for all calls that were refused with it, and returns another.
"""


class TokenSource:
    """
    Gives the token for each call.

    Args:
        token: An access token (service key, private app or OAuth), or a provider of them.

    Attributes:
        fixed: The one token there is; None: ask a provider.
    """

    def __init__(self, token: str | TokenProvider) -> None:
        self.fixed: str | None = None
        self._provider: TokenProvider | None = None
        if callable(token):
            self._provider = token
        else:
            self.fixed = _checked(token)
        self._renewal = asyncio.Lock()
        self._renewed: dict[str, str] = {}  # the last refused token and what came for it

    async def current(self) -> str:
        """Return the provider's token; while one is being renewed, the new one."""
        assert self._provider is not None  # noqa: S101 -- or `fixed` is the token
        if self._renewal.locked():
            async with self._renewal:
                pass
        token = _checked(await self._provider(None))
        return self._renewed.get(token, token)

    async def renew(self, refused: str) -> str | None:
        """Return another token than *refused*, or None if there is none to be had."""
        if self._provider is None:
            return None
        async with self._renewal:
            token = self._renewed.get(refused)
            if token is None:
                # Somebody else may have renewed it meanwhile: a late refusal drops nothing.
                token = _checked(await self._provider(None))
                if token == refused:
                    token = _checked(await self._provider(refused))
                    self._renewed = {refused: token}
        return None if token == refused else token


def _checked(token: object) -> str:
    """Return *token* if it can stand in a header. No message shows it."""
    if not isinstance(token, str) or not token:
        raise OptionsError(f"the token must be a non-empty string, not {type(token).__name__}")
    if token.lower().startswith("bearer "):
        raise OptionsError("give the token alone, without 'Bearer '")
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise OptionsError("the token holds a blank, a line break or another character it cannot")
    return token
