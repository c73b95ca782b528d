"""Who settles the pairs of a run where they do not go one by one, and what the run is to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from aiohubassoc._io.call import Call, Final, SubjectT, Watch

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence

    from aiohubassoc.errors import AioHubAssocError
    from aiohubassoc.models import Outcome, Report
    from aiohubassoc.pair import Pair


class Run(Watch, Protocol):
    """A run, to its crew. Each pair that the crew took is told once, or abandoned once."""

    report: Report
    read_ahead: int
    """How many pairs beyond the last outcome taken may be read."""

    @property
    def is_held_up(self) -> bool:
        """Whether nothing more is read until outcomes are taken, and some can be."""
        ...

    def begin(self, work: Coroutine[None, None, None]) -> None:
        """Begin a task of the run."""
        ...

    async def next_pairs(self) -> list[tuple[int, Pair]]:
        """Return the next pairs that need a call, with their places; none: there are no more."""
        ...

    async def call(
        self, settle: Callable[[Call[SubjectT]], Awaitable[Final]], call: Call[SubjectT]
    ) -> Final:
        """Make a call for a task of the run: on the wire it ends, elsewhere a stop cancels it."""
        ...

    def put(self, outcome: Outcome) -> None:
        """Tell an outcome."""
        ...

    def put_linked(self, outcomes: Sequence[Outcome]) -> None:
        """Tell outcomes, all of them linked."""
        ...

    def unprocessed(self, index: int, pair: Pair) -> Outcome:
        """Return the outcome of a pair that was not sent."""
        ...

    def stop(self, cause: AioHubAssocError) -> None:
        """Send nothing more."""
        ...


class Crew(Protocol):
    """Settles the pairs of one run."""

    read_ahead: int
    """How many pairs beyond the last outcome taken it needs."""

    def start(self, run: Run) -> None:
        """Begin its tasks."""
        ...

    def abandoned(self) -> Iterable[tuple[int, Pair]]:
        """Give up the pairs that no task has in hand, as the run ends: each is given up once."""
        ...
