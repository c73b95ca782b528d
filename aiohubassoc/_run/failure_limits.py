"""Stops a run when too many pairs have failed, or too many in a row were refused alike."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias

from aiohubassoc.errors import (
    ApiError,
    PartialFailureError,
    RefusedAlikeError,
    RunStoppedError,
    plural,
)
from aiohubassoc.models import Status
from aiohubassoc.pair import canonical_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aiohubassoc.errors import AioHubAssocError
    from aiohubassoc.models import Outcome
    from aiohubassoc.pair import Pair
    from aiohubassoc.replies import StandardError

# Deleted records are often adjacent in the input. If each refusal names a record of its pair, this
# many times as many refusals stop the run.
_NAMED_FACTOR: Final = 10
# Only this many characters are compared, because a text may have been cut anywhere after them.
_COMPARED: Final = 300
_READ: Final = 4_000
_QUOTED: Final = re.compile(r"(?<!\w)'[^']*'(?!\w)|\"[^\"]*\"|`[^`]*`")
_WORD: Final = re.compile(r"[\w-]+")
_LINKED: Final = Status.LINKED  # to look it up on the enum costs as much as a call
_DIGIT: Final = re.compile(r"\d")
_RefusalKey: TypeAlias = tuple[int | None, str | None, str]


class RefusalStreak:
    """Pairs in a row that HubSpot refused for the same reason, with no link between them."""

    # Pairs that needed no call, or failed for another reason, do not change it.

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self._key: _RefusalKey | None = None
        self._unnamed = 0
        self.length = 0  # 0 once HubSpot linked a pair, wholly or in part

    def refused(self, pair: Pair, error: AioHubAssocError) -> RefusedAlikeError | None:
        """Note that HubSpot refused a pair, and return why the run stops; None: it continues."""
        if self.limit is None or not isinstance(error, ApiError | PartialFailureError):
            return None
        ids = {pair.from_id, pair.to_id, canonical_id(pair.from_id), canonical_id(pair.to_id)}
        key = _to_key(error, ids)
        if not self.length or key != self._key:
            self._key, self._unnamed, self.length = key, 0, 0
        self.length += 1
        self._unnamed += not _names(error, ids)
        if self._unnamed < self.limit and self.length < _NAMED_FACTOR * self.limit:
            return None
        return RefusedAlikeError(self.length, error)


def _to_key(error: ApiError | PartialFailureError, ids: set[str]) -> _RefusalKey:
    """Return the status, category and text of a refusal; equal ones are alike."""
    first = next(iter(_errors(error)), None)
    if first is None:
        return None, None, ""
    status = error.status if isinstance(error, ApiError) else None
    return status, first.category, _blanked(first.message or "", ids)


def _errors(error: ApiError | PartialFailureError) -> Sequence[ApiError | StandardError]:
    return (error,) if isinstance(error, ApiError) else error.reply.errors


def _blanked(text: str, ids: set[str]) -> str:
    """Return *text* without ids, numbers and quoted values."""

    def blank(word: re.Match[str]) -> str:
        # Correlation ids, dates and UUIDs have digits in them, as most ids have.
        return "#" if word[0] in ids or _DIGIT.search(word[0]) else word[0]

    text = text[:_READ]
    for one in ids:
        if not _WORD.fullmatch(one):
            text = text.replace(one, "#")
    return _WORD.sub(blank, _QUOTED.sub("#", text))[:_COMPARED]


def _names(error: ApiError | PartialFailureError, ids: set[str]) -> bool:
    """Return whether an error of HubSpot contains one of *ids* as a whole word."""
    texts = [text for one in _errors(error) for text in _texts(one)]
    return any(_contains(text, one) for text in texts for one in ids)


def _texts(error: ApiError | StandardError) -> Iterator[str]:
    for one in (error, *error.errors):
        yield one.message or ""
        for values in one.context.values():
            yield from values


def _contains(text: str, word: str) -> bool:
    at = text.find(word)
    while at >= 0:
        end = at + len(word)
        if not (text[max(at - 1, 0) : at].isalnum() or text[end : end + 1].isalnum()):
            return True
        at = text.find(word, end)
    return False


class FailureLimitError(RunStoppedError):
    """As many pairs failed as may: to continue would not heed that."""


class FailureLimits:
    """Decides when a run stops because pairs failed, or were refused alike. None: never."""

    def __init__(self, stop_after_failures: int | None, stop_after_alike: int | None) -> None:
        self._most = stop_after_failures
        self._count = 0
        self.streak = RefusalStreak(stop_after_alike)  # while it is empty, links need no note
        self._first_index = 0  # the lowest index of a pair in the streak

    def note_link(self, index: int) -> None:
        """Note that HubSpot linked the pair at this index, perhaps with others before it."""
        # Calls end in any order. A link of a pair before the streak does not interrupt the streak.
        if index > self._first_index:
            self.streak.length = 0

    def allows(self, refusals: int) -> bool:
        """Return whether this many more refusals, alike and nameless, would not stop the run."""
        limits = ((self.streak.limit, self.streak.length), (self._most, self._count))
        return all(most is None or count + refusals < most for most, count in limits)

    def check(self, outcome: Outcome, *, is_refusal: bool) -> AioHubAssocError | None:
        """Count an outcome, and return why the run stops; *is_refusal* as for `Run.put`."""
        status = outcome.status
        if status is _LINKED or status is Status.PARTIAL:
            self.note_link(outcome.index)
        elif status is not Status.FAILED:
            return None
        if status is not _LINKED and self._most is not None:
            self._count += 1
            if self._count >= self._most:
                return FailureLimitError(f"{plural(self._count, 'pair')} failed")
        if is_refusal and status is Status.FAILED and outcome.error is not None:
            error = self.streak.refused(outcome.pair, outcome.error)
            is_new = self.streak.length == 1
            self._first_index = outcome.index if is_new else min(self._first_index, outcome.index)
            return error
        return None
