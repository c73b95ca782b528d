"""The crews that link: in batches, or one by one what is not linked yet."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from aiohubassoc._core.batch import MOST_PAIRS, Batch
from aiohubassoc._io.alone import Loners, settle_alone
from aiohubassoc._io.gathering import Gathering
from aiohubassoc._io.outbox import READ_AHEAD
from aiohubassoc._io.settling import Settling
from aiohubassoc._io.unlinked import Unlinked
from aiohubassoc.errors import OptionsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aiohubassoc._http.clock import Clock
    from aiohubassoc._io.alone import Settle
    from aiohubassoc._io.crew import Crew, Run
    from aiohubassoc._io.senders import Senders
    from aiohubassoc._io.settling import SettleBatch
    from aiohubassoc.pair import Pair


class BatchCrew:
    """
    Settles pairs in batches.

    Args:
        send: Makes a call for many pairs.
        send_alone: Makes a call for one pair.
        size: The most pairs of a batch.
        wait: Seconds after which a batch goes though it is not full.
        at_once: Gives how many batches may be on the wire.
        alone_at_once: How many pairs may go one by one at once.
        clock: Time.
        unlinked: Leaves out what is linked already; None: nothing is left out.
    """

    def __init__(
        self,
        send: SettleBatch,
        send_alone: Settle,
        *,
        size: int,
        wait: float,
        at_once: Callable[[], int],
        alone_at_once: int,
        clock: Clock,
        unlinked: Unlinked | None = None,
    ) -> None:
        self._send = send
        self._send_alone = send_alone
        self._size = size
        self._wait = wait
        self._at_once = at_once
        self._alone_at_once = alone_at_once
        self._clock = clock
        self._unlinked = unlinked
        self.read_ahead = self._pairs_at_once()

    def start(self, run: Run) -> None:
        """Begin to read."""
        self._run = run
        self._loners = Loners(run, self._send_alone, self._alone_at_once)
        unlinked = self._unlinked
        if unlinked is not None:
            unlinked.start(run)
        self._gathering = Gathering(
            run,
            run.next_pairs if unlinked is None else unlinked.next_pairs,
            lambda types, now: Batch(types, self._size, now),
            self._go,
            wait=self._wait,
            clock=self._clock,
            is_more_coming=bool if unlinked is None else unlinked.is_asking,
        )
        run.begin(self._gathering.read())

    def abandoned(self) -> Iterable[tuple[int, Pair]]:
        """Give up what is not on its way."""
        more: Iterable[tuple[int, Pair]] = ()
        if self._unlinked is not None:
            more = self._unlinked.abandoned()
        return chain(self._gathering.abandoned(), more)

    def _go(self, batch: Batch) -> None:
        self._run.read_ahead = max(self._run.read_ahead, self._pairs_at_once())
        self._run.begin(Settling(self._run, batch, self._send, self._loners).settle())

    def _pairs_at_once(self) -> int:
        """Return how many pairs may be in hand: those of the batches on the wire, at least two."""
        more = 0 if self._unlinked is None else self._unlinked.read_ahead
        return self._size * max(2, self._at_once()) + more


class UnlinkedCrew:
    """
    Settles one by one what is not linked yet.

    Args:
        send_alone: Makes a call for one pair.
        at_once: How many go at once.
        unlinked: Leaves out what is linked already.
    """

    def __init__(self, send_alone: Settle, *, at_once: int, unlinked: Unlinked) -> None:
        self._send_alone = send_alone
        self._at_once = at_once
        self._unlinked = unlinked
        self.read_ahead = READ_AHEAD + unlinked.read_ahead

    def start(self, run: Run) -> None:
        """Begin to read."""
        self._run = run
        self._unlinked.start(run)
        for _ in range(self._at_once):
            run.begin(self._work())

    def abandoned(self) -> Iterable[tuple[int, Pair]]:
        """Give up what is not on its way."""
        return self._unlinked.abandoned()

    async def _work(self) -> None:
        while (item := await self._unlinked.next()) is not None:
            await settle_alone(self._run, self._send_alone, *item)


def crew_of(
    via: str,
    senders: Senders,
    *,
    skip_linked: bool,
    size: int,
    wait: float,
    at_once: Callable[[], int],
    alone_at_once: int,
    clock: Clock,
) -> Crew | None:
    """
    Return who settles the pairs of a run; None: each goes by itself.

    The arguments are those of `AssociationClient.link_each` and of `BatchCrew`.

    Raises:
        OptionsError: one of them cannot work.
    """
    if via not in {"put", "batch"}:
        raise OptionsError(f"via must be 'put' or 'batch', not {via!r}")
    if size not in range(1, MOST_PAIRS + 1) or isinstance(size, bool):
        raise OptionsError(f"batch_size must be an int from 1 to {MOST_PAIRS:,}, not {size!r}")
    if not wait > 0:
        raise OptionsError("batch_wait must be a number of seconds above 0")
    send_alone = senders.single.settle
    unlinked = Unlinked(senders.links.settle, wait=wait, clock=clock) if skip_linked else None
    if via == "batch":
        return BatchCrew(
            senders.batch.settle,
            send_alone,
            size=size,
            wait=wait,
            at_once=at_once,
            alone_at_once=alone_at_once,
            clock=clock,
            unlinked=unlinked,
        )
    if unlinked is None:
        return None
    return UnlinkedCrew(send_alone, at_once=alone_at_once, unlinked=unlinked)
