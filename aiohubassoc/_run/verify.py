"""Reads links back: a run that asks and sends nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohubassoc._core.ids import canonical
from aiohubassoc._run.pair_lookups import PairLookups
from aiohubassoc.verification import LinkState, Verification

if TYPE_CHECKING:
    from aiohubassoc._io.call import History
    from aiohubassoc._run.lookup import Found
    from aiohubassoc._run.run import Run
    from aiohubassoc.errors import AioHubAssocError
    from aiohubassoc.pair import Pair


class Verify:
    """
    Says of every pair what HubSpot says.

    Args:
        lookups: Finds out which pairs are linked.
    """

    read_ahead = PairLookups.read_ahead

    def __init__(self, lookups: PairLookups) -> None:
        self._lookups = lookups

    def start(self, run: Run[Verification]) -> None:
        """Begin to read and to ask."""
        self._run = run
        self._lookups.start(run, self._report, lambda _: None)

    def wake(self) -> None:
        """Look nothing up for its waiting any more."""
        self._lookups.wake()

    def make_rejected(self, index: int, pair: Pair, error: AioHubAssocError) -> Verification:
        """Return the result of a pair that cannot be asked for."""
        return Verification(index, pair, LinkState.UNKNOWN, error)

    def make_open(
        self, index: int, pair: Pair, history: History, cause: AioHubAssocError | None
    ) -> Verification:
        """Return the result of a pair that the run leaves open."""
        del history  # nothing was sent
        return Verification(index, pair, LinkState.UNKNOWN, cause)

    def _report(self, index: int, pair: Pair, found: Found) -> None:
        if canonical(pair.to_id) in found.linked:
            self._run.put(Verification(index, pair, LinkState.LINKED))
        elif found.is_known:
            self._run.put(Verification(index, pair, LinkState.MISSING, found.error))
        elif found.error is not None:
            self._run.put(Verification(index, pair, LinkState.UNKNOWN, found.error))
        # Else the run stops: it reports the pair itself, with the reason.
