"""A waiting line: first come, first served; only the head of it holds a timer."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from typing import TYPE_CHECKING, Final, Protocol

from aiohubassoc.errors import DailyReserveError

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohubassoc._http.clock import Clock, Timer

# A timer may fire a little early; asking again at once would spin without time moving on.
_TICK: Final = 1e-4


class Tokens(Protocol):
    """What is waited for."""

    def take(self, now: float) -> None:
        """Let a call go."""
        ...

    def release_unused(self) -> None:
        """Say that a call was not sent."""
        ...


class WaitQueue:
    """
    Those who wait for a token.

    Args:
        clock: Time.
        wait: Gives the seconds until a call may go: 0 means now, inf not before there is news. It
            may raise DailyReserveError, which whoever is first in line gets.
        tokens: What is waited for.
    """

    def __init__(self, clock: Clock, wait: Callable[[float], float], tokens: Tokens) -> None:
        self._clock = clock
        self._wait = wait
        self._tokens = tokens
        self._turns: deque[asyncio.Future[None]] = deque()
        self._timer: Timer | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nobody waits."""
        return not self._turns

    async def acquire(self) -> None:
        """
        Return when one call may be sent, in the order of asking. Cancelled, it costs nothing.

        Raises:
            DailyReserveError: no call may be sent any more today.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            # A line or timer of a loop that is gone would never move again.
            self._loop, self._timer = loop, None
            self._turns.clear()
        if not self._turns:
            now = self._clock.now()
            if self._wait(now) <= 0:
                self._tokens.take(now)
                return
        turn = loop.create_future()
        self._turns.append(turn)
        self.move()
        try:
            await turn
        except asyncio.CancelledError:
            # The turn came in the same tick as the cancellation.
            if not turn.cancelled() and turn.exception() is None:
                self.release_unused()
            raise

    def release_unused(self) -> None:
        """Return the token of a call that was not sent."""
        self._tokens.release_unused()
        self.move()

    def move(self) -> None:
        """Let go whoever may go, and set the timer for the head of the line."""
        if not self._turns:
            return
        turns = self._turns
        now = self._clock.now()
        while turns:
            turn = turns[0]
            if turn.done():  # cancelled in line
                turns.popleft()  # type: ignore[unused-awaitable]  # nobody waits for it
                continue
            try:
                wait = self._wait(now)
            except DailyReserveError as error:
                turn.set_exception(error)
            else:
                if wait > 0:
                    self._wake_in(now, wait)
                    return
                self._tokens.take(now)
                turn.set_result(None)
            turns.popleft()  # type: ignore[unused-awaitable]  # it is awaited in acquire()

    def _wake_in(self, now: float, wait: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        # Not before there is news: no timer, the next settle moves the line.
        endless = wait == math.inf
        self._timer = None if endless else self._clock.call_at(now + max(wait, _TICK), self.move)
