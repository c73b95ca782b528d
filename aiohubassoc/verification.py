"""What is there at HubSpot: the links of pairs, read back."""

from __future__ import annotations

from enum import StrEnum

import attrs

from aiohubassoc.errors import AioHubAssocError
from aiohubassoc.pair import Pair


class LinkState(StrEnum):
    """What reading back says of a pair."""

    LINKED = "linked"
    """HubSpot has the default link."""
    MISSING = "missing"
    """HubSpot does not have it."""
    UNKNOWN = "unknown"
    """HubSpot did not say: it was not asked, or gave no usable answer."""


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


@attrs.define
class VerificationReport:
    """
    How many pairs are linked.

    Attributes:
        linked: How many pairs are linked; so for the others. They add up to `total`.
        missing: How many are not.
        unknown: Of how many nothing is known.
        not_linked: What was found of pairs that are missing or unknown: the first
            *keep_failures*.
        stopped: Why the run ended early; None if it went to the end of its input.
        keep_failures: How many of these are kept.
        answers: How many answers HubSpot gave, those to tries that were repeated included.
        error_answers: How many of them had a status of 400 or more.
    """

    linked: int = 0
    missing: int = 0
    unknown: int = 0
    not_linked: list[Verification] = attrs.Factory(list)
    stopped: AioHubAssocError | None = None
    keep_failures: int = 1000
    answers: int = 0
    error_answers: int = 0

    @property
    def total(self) -> int:
        """How many pairs were told of."""
        return self.linked + self.missing + self.unknown

    def add(self, verification: Verification) -> None:
        """Count it."""
        if verification.state is LinkState.LINKED:
            self.linked += 1
            return
        if verification.state is LinkState.MISSING:
            self.missing += 1
        else:
            self.unknown += 1
        if len(self.not_linked) < self.keep_failures:
            self.not_linked.append(verification)
