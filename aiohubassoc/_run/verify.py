"""Reads links back: a run that asks and sends nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohubassoc._run.pair_lookups import PairLookups
from aiohubassoc.models import LinkState, Verification
from aiohubassoc.pair import canonical_id

if TYPE_CHECKING:
    from aiohubassoc._http.request_state import History
    from aiohubassoc._run.lookup import Found
    from aiohubassoc.errors import AioHubAssocError
    from aiohubassoc.pair import Pair


class Verify(PairLookups):
    """Says of every pair what HubSpot says."""

    is_needed = True

    def make_rejected(self, index: int, pair: Pair, error: AioHubAssocError) -> Verification:
        """Return the result of a pair that cannot be asked for."""
        return Verification(index, pair, LinkState.UNKNOWN, error)

    def make_open(
        self, index: int, pair: Pair, _: History, cause: AioHubAssocError | None
    ) -> Verification:
        """Return the result of a pair that the run leaves open. Nothing was sent for it."""
        return Verification(index, pair, LinkState.UNKNOWN, cause)

    def note(self, index: int, pair: Pair, found: Found) -> None:
        """Report what was found; a pair of which nothing is known the run reports at its end."""
        if canonical_id(pair.to_id) in found.linked:
            self._run.put(Verification(index, pair, LinkState.LINKED))
        elif found.is_known:
            self._run.put(Verification(index, pair, LinkState.MISSING, found.error))
        elif found.error is not None:
            self._run.put(Verification(index, pair, LinkState.UNKNOWN, found.error))
