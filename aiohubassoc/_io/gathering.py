"""Reads pairs into groups that go together, and lets each go when it is full or due."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic

from aiohubassoc._core.cutting import Cutter, GroupT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from aiohubassoc._http.clock import Clock, Timer
    from aiohubassoc._io.crew import Run
    from aiohubassoc.pair import Pair


class Gathering(Generic[GroupT]):
    """
    The groups of a run.

    Args:
        run: The run.
        feed: Gives the next pairs with their places; none at the end.
        begin: Makes a group.
        go: Called with each group that is to go.
        wait: Seconds after which a group goes though it is not full: for a slow input. It waits
            longer while nothing more is read because outcomes are not taken.
        clock: Time.
        is_more_coming: Whether pairs come in any case, so that a group that is due need not go.
    """

    def __init__(
        self,
        run: Run,
        feed: Callable[[], Awaitable[list[tuple[int, Pair]]]],
        begin: Callable[[tuple[str, str], float], GroupT],
        go: Callable[[GroupT], None],
        *,
        wait: float,
        clock: Clock,
        is_more_coming: Callable[[], bool] = bool,
    ) -> None:
        self._run = run
        self._feed = feed
        self._go = go
        self._wait = wait
        self._clock = clock
        self._is_more_coming = is_more_coming
        self._cutter = Cutter(begin, wait)
        self._timer: Timer | None = None

    async def read(self) -> None:
        """Read to the end, or until the run stops."""
        while pairs := await self._feed():
            for group in self._cutter.add(pairs, self._clock.now()):
                self._go(group)
            if self._timer is None:
                self._arm(self._cutter.due_at)
        if not self._run.stopping:
            for group in self._cutter.rest(self._clock.now()):
                self._go(group)
        self._disarm()

    def abandoned(self) -> Iterable[tuple[int, Pair]]:
        """Give up the pairs of groups that did not go."""
        self._disarm()
        return self._cutter.abandon()

    def _arm(self, at: float) -> None:
        if not self._cutter.is_empty:
            self._timer = self._clock.call_at(at, self._due)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _due(self) -> None:
        self._timer = None
        now = self._clock.now()
        if self._is_more_coming() or self._run.is_held_up:
            self._arm(now + self._wait)
            return
        while (group := self._cutter.due(now)) is not None:
            self._go(group)
        self._arm(self._cutter.due_at)
