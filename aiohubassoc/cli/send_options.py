"""In what form links go to HubSpot, and whether they are read: options kept in a run folder."""

from __future__ import annotations

from typing import Literal

import attrs

from aiohubassoc._core.batch import MOST_PAIRS
from aiohubassoc.cli.options import Flag
from aiohubassoc.errors import OptionsError
from aiohubassoc.options import Quota


@attrs.frozen
class SendOptions:
    """
    In what form to link, and whether to read links.

    Args:
        via: put: a call for each pair; it is so if not given. batch: a call for up to 2,000 pairs.
        batch_size: The most pairs of a batch, 1 to 2000; 2000 if not given.
        batch_quota: Calls for many pairs, and calls that read links, in a window: as 20/10s. It is
            never exceeded. Without it: begin with 10/10s and rise while HubSpot refuses none.
        skip_linked: Ask HubSpot first which pairs are linked already; these are skipped.
        verify: When the run is at its end, read back what it told as linked.
    """

    via: Literal["put", "batch"] | None = None
    batch_size: int | None = None
    batch_quota: str | None = None
    skip_linked: Flag = False
    verify: Flag = False

    @property
    def is_batch(self) -> bool:
        """Whether many pairs go in one call."""
        return self.via == "batch"

    @property
    def makes_batch_calls(self) -> bool:
        """Whether any call is for many pairs, or reads links."""
        return self.is_batch or self.skip_linked or self.verify

    @property
    def size(self) -> int:
        """The most pairs of a batch."""
        return MOST_PAIRS if self.batch_size is None else self.batch_size

    def parsed_quota(self) -> Quota | None:
        """
        Return the batch quota; None if none is given.

        Raises:
            OptionsError: it is none.
        """
        return parsed_batch_quota(self.batch_quota)

    def check(self) -> None:
        """
        Raise OptionsError for what cannot work, or not together.

        Raises:
            OptionsError: it cannot.
        """
        check_batch_size(self.batch_size)
        self.parsed_quota()
        if self.batch_size is not None and not self.is_batch:
            raise OptionsError("--batch-size is for --via batch: other calls hold one pair each")
        if self.batch_quota is not None and not self.makes_batch_calls:
            raise OptionsError(
                "--batch-quota is for --via batch, --skip-linked and --verify: single calls keep "
                "--quota"
            )

    def over(self, other: SendOptions) -> SendOptions:
        """Return *other* with what is given here in its place."""
        given = {
            field.name: getattr(self, field.name)
            for field in attrs.fields(SendOptions)
            if getattr(self, field.name) != field.default
        }
        merged = attrs.evolve(other, **given)
        # What was kept for batches says nothing of single calls, and would be refused with them.
        if not merged.is_batch:
            merged = attrs.evolve(merged, batch_size=self.batch_size)
        if not merged.makes_batch_calls:
            merged = attrs.evolve(merged, batch_quota=self.batch_quota)
        return merged


def check_batch_size(given: int | None) -> None:
    """
    Raise OptionsError for a size that no batch can have.

    Raises:
        OptionsError: it cannot.
    """
    if given is not None and not 1 <= given <= MOST_PAIRS:
        raise OptionsError(f"--batch-size must be 1 to {MOST_PAIRS:,}, not {given:,}")


def parsed_batch_quota(given: str | None) -> Quota | None:
    """
    Return what ``--batch-quota`` says; None if it is not given.

    Raises:
        OptionsError: it is no quota.
    """
    if given is None:
        return None
    try:
        return Quota.parse(given)
    except OptionsError as error:
        raise OptionsError(f"--batch-quota: {error}") from None
