"""What is there at HubSpot: the links of pairs, read back."""

from __future__ import annotations

from enum import StrEnum

import attrs

from aiohubassoc.errors import AioHubAssocError
from aiohubassoc.models import RunReport
from aiohubassoc.pair import Pair


class LinkState(StrEnum):
    """What reading back says of a pair."""

    LINKED = "linked"
    """HubSpot has the default link."""
    MISSING = "missing"
    """HubSpot does not have it."""
    UNKNOWN = "unknown"
    """HubSpot did not say: it was not asked, or gave no usable response."""


@attrs.define
class Verification:
    """
    Whether one pair is linked.

    Attributes:
        index: The pair's place in the input, from 0.
        pair: The caller's own pair.
        state: See `LinkState`.
        error: Why nothing is known; of a missing link HubSpot's reason, such as a record that does
            not exist. None where there is none.
    """

    index: int
    pair: Pair
    state: LinkState
    error: AioHubAssocError | None = None


@attrs.define(kw_only=True)
class VerificationReport(RunReport):
    """
    How many pairs are linked.

    Attributes:
        linked: How many pairs are linked. The three numbers add up to `total`.
        missing: How many are not.
        unknown: For how many HubSpot did not say.
        not_linked: What was found about pairs that are missing or unknown: the first
            *max_failures_kept*.
    """

    linked: int = 0
    missing: int = 0
    unknown: int = 0
    not_linked: list[Verification] = attrs.Factory(list)

    @property
    def total(self) -> int:
        """How many pairs were reported: at the end, all that were read."""
        return self.linked + self.missing + self.unknown

    def add(self, verification: Verification) -> None:
        """Count *verification*."""
        if verification.state is LinkState.LINKED:
            self.linked += 1
            return
        if verification.state is LinkState.MISSING:
            self.missing += 1
        else:
            self.unknown += 1
        if len(self.not_linked) < self.max_failures_kept:
            self.not_linked.append(verification)
