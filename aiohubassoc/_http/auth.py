"""The access token of each call, and a new one when HubSpot refuses it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

from aiohubassoc.errors import OptionsError, RunStoppedError
from aiohubassoc.pair import plain_text

TokenProvider: TypeAlias = Callable[[str | None], Awaitable[str]]
"""
``async def token(refused: str | None) -> str``: the access token for a call.

Awaited for each call with None, so it should be cheap when it has a token. After a 401 it is
awaited with the token that was refused, once for all calls that were sent with it, and returns
another. It may continue to return the old one for None: the new one is used in its place.
"""


class TokenSource:
    """Gives the token for each call, a fixed one or a provider's, and renews a refused one."""

    # Each method raises OptionsError if the provider returns no token, and RunStoppedError if it
    # does not return within *timeout* seconds; None: no limit.

    def __init__(self, token: str | TokenProvider, timeout: float | None = None) -> None:
        self.fixed: str | None = None  # the token; None: a provider gives it
        self.renewals = 0  # how many renewals have ended
        self._timeout = timeout
        self._provider: TokenProvider | None = None
        if callable(token):
            self._provider = token
        else:
            self.fixed = checked_token(token)
        self._renewal = asyncio.Lock()
        # The token of the last renewal and the renewal's number, by the token that it replaces: the
        # refused one, and the one that the provider returned for None. If it is the refused one
        # itself, the renewal failed.
        self._renewed: dict[str, tuple[str, int]] = {}

    async def current(self) -> str:
        """Return the provider's token; during a renewal, wait for the new one."""
        async with self._time_limit():
            if self._renewal.locked():
                async with self._renewal:
                    pass
            return self._newest(await self._ask(None))

    async def renew(self, refused: str, renewals: int) -> bool:
        """Return whether there is another token than *refused*."""
        # The provider is awaited with the refused token, unless it has another one already, or was
        # awaited with that token since. So a late refusal does not discard a new token. *renewals*:
        # how many had ended when the refused token was handed out.
        if self._provider is None:
            return False
        async with self._time_limit(), self._renewal:
            newest, number = self._renewed.get(refused, (refused, 0))
            if number > renewals:
                return newest != refused
            given = await self._ask(None)
            if self._newest(given) != refused:
                return True
            newest = await self._ask(refused)
            self.renewals += 1
            self._renewed = dict.fromkeys((given, refused), (newest, self.renewals))
            return newest != refused

    @asynccontextmanager
    async def _time_limit(self) -> AsyncIterator[None]:
        """Bound the wait for the provider, and for a renewal that another call has begun."""
        limit = asyncio.timeout(self._timeout)
        try:
            async with limit:
                yield
        except TimeoutError:
            if not limit.expired():  # it is the provider's own
                raise
            raise RunStoppedError(
                f"the token provider returned no token within {self._timeout:g} s"
            ) from None

    def _newest(self, token: str) -> str:
        return self._renewed[token][0] if token in self._renewed else token

    async def _ask(self, refused: str | None) -> str:
        assert self._provider is not None  # noqa: S101 -- or `fixed` is the token
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 -- a coroutine runs in a task
        try:
            token = await self._provider(refused)
        except asyncio.CancelledError as error:
            if task.cancelling():
                raise
            # Unchanged, it would look like a cancellation of the call.
            raise OptionsError(
                "the token provider raised CancelledError: it gave no token"
            ) from error
        return checked_token(token)


def checked_token(token: object) -> str:
    """Return *token* if it can be sent in a header. No error message contains it."""
    if not isinstance(token, str):
        raise OptionsError(f"the token must be a string, not {type(token).__name__}")
    if not token:
        raise OptionsError("the token is empty: a variable of the environment may not be set")
    if token.lower().startswith("bearer "):
        raise OptionsError("give the token alone, without 'Bearer '")
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise OptionsError("the token contains a space, a line break or a character no token has")
    return plain_text(token)
