"""Finds out which pairs of a batch are linked: reads the links of their records, page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

import attrs

from aiohubassoc._batching.bisection import Bisection
from aiohubassoc._batching.error_ids import parse_kind
from aiohubassoc._batching.link_attribution import named_records, read_links
from aiohubassoc._http.call_outcome import NotLinked, to_error
from aiohubassoc._http.sender import Call, Send
from aiohubassoc._protocol.links import LinksReply, RecordLinks
from aiohubassoc._protocol.requests import LookupRequest
from aiohubassoc._protocol.verdicts import About, Accepted, Refused, Replied
from aiohubassoc.errors import (
    AioHubAssocError,
    ApiError,
    InvalidResponseError,
    NotFoundError,
    ValidationError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiohubassoc._batching.batch import LookupBatch
    from aiohubassoc._batching.link_attribution import LinksRead
    from aiohubassoc._run.run import Run
    from aiohubassoc.replies import StandardError

# A record, and where the page of its links begins; None: the first.
_RecordPage: TypeAlias = "tuple[str, str | None]"
# How many responses may leave out a record before it is no longer asked for.
_MOST_UNMENTIONED: Final = 2
_MULTI_STATUS: Final = 207  # RFC 4918, 11.1: a response with errors inside
# As recorded. Its category is the same as that of a record that does not exist.
_NO_LINKS: Final = "crm.associations.NO_ASSOCIATIONS_FOUND"
# Pages of the links of one record. HubSpot names no limit of links: with some hundred a page it is
# more than any record has.
_MOST_PAGES: Final = 1_000


@attrs.define
class Found:
    """What was found about a record."""

    linked: set[str] = attrs.Factory(set)  # the wanted records to which it is linked
    # Why it may have more links, or why it can have none; None: these are all.
    error: AioHubAssocError | None = None
    is_known: bool = False  # whether these are all its links to wanted records
    times_unmentioned: int = 0  # how many responses left it out
    pages: int = 0  # how many pages of its links were read
    # Where a page after one of these begins: of the last whose number is a power of two.
    cursor: str | None = None

    def is_endless(self, after: str) -> bool:
        """Note a further page, which begins at *after*; return whether the pages may never end."""
        if after == self.cursor or self.pages >= _MOST_PAGES:
            return True
        self.pages += 1
        if self.pages & (self.pages - 1) == 0:  # sooner or later this is one of any circle
            self.cursor = after
        return False


@attrs.define
class LookupCalls:
    """The calls of a run that read links."""

    send: Send[LookupRequest]
    is_needed: bool  # whether the run stops if none of them reaches HubSpot
    is_proven: bool = False  # whether HubSpot has responded to one of them


class Lookup:
    """Reads which links of a batch of pairs exist."""

    def __init__(self, run: Run[Any], calls: LookupCalls, batch: LookupBatch) -> None:
        self._run = run
        self._calls = calls
        self._types = batch.types
        self._kind = parse_kind(batch.types[0])
        self._wanted = batch.to_ids()
        self._found = {record_id: Found() for record_id in self._wanted}
        self._next: list[_RecordPage] = []
        self._alone: list[_RecordPage] = []

    async def read(self) -> Mapping[str, Found]:
        """Return what was found about each record; incomplete if the run stops meanwhile."""
        asked: list[_RecordPage] = [(record_id, None) for record_id in self._wanted]
        while asked and not self._run.stopping:
            await self._read(Bisection(asked))
            asked, self._next = self._next, []
            if not asked and self._alone:
                asked = [self._alone.pop()]
        return self._found

    async def _read(self, bisection: Bisection[_RecordPage]) -> None:
        """Ask for records, bisect where HubSpot refuses, and note what the responses say."""
        while not self._run.stopping and (part := bisection.next()) is not None:
            if part.is_singly:
                bisection.completed_singly(await self._read_singly(part.items))
            elif (refusal := await self._ask(part.items)) is None:
                bisection.accepted(len(part.items))
            else:
                await self._after_refusal(bisection, part.items, refusal)

    async def _read_singly(self, asked: Sequence[_RecordPage]) -> int:
        """Ask for records one by one; return how many were refused."""
        refused = 0
        for one in asked:
            if self._run.stopping:
                break
            if (refusal := await self._ask([one])) is not None:
                self._end(one[0], refusal)
                refused += 1
        return refused

    async def _ask(self, asked: Sequence[_RecordPage]) -> NotLinked | None:
        """Make one call and note what its response says. Return why it failed; None: it did not."""
        call = Call(LookupRequest(self._types, asked), self._run)
        verdict = await self._run.call(self._calls.send, call, ())
        if isinstance(verdict, Replied):
            assert isinstance(verdict.reply, LinksReply)  # noqa: S101 -- of a call that reads
            self._calls.is_proven = True
            after = dict(asked)
            reading = read_links(after, self._types[0], verdict.reply)
            self._note(after, await self._run.in_steps(reading))
            return None
        assert not isinstance(verdict, Accepted)  # noqa: S101 -- that is of one pair
        calls = self._calls
        if verdict.about is About.PATH and calls.is_needed and not calls.is_proven:
            self._run.stop(to_error(verdict))
        return verdict

    async def _after_refusal(
        self, bisection: Bisection[_RecordPage], asked: Sequence[_RecordPage], refusal: NotLinked
    ) -> None:
        """Note what a refusal means for its records, and how to continue with the others."""
        about, error = refusal.about, to_error(refusal)
        is_unreadable = isinstance(error, InvalidResponseError)  # one record may be the cause
        if len(asked) == 1 or not (about in {About.PAIR, About.BATCH} or is_unreadable):
            for record_id, _ in asked:
                self._end(record_id, refusal)
            bisection.closed()
        elif about is not About.PAIR:
            bisection.failed()
        else:
            assert isinstance(error, ApiError)  # noqa: S101 -- HubSpot refused what was sent
            records = {record_id for record_id, _ in asked}
            named = set(await self._run.in_steps(named_records(error, records, self._kind)))
            for record_id in named:
                self._end(record_id, refusal)
            bisection.refused({at for at, one in enumerate(asked) if one[0] in named})

    def _note(self, after: Mapping[str, str | None], read: LinksRead) -> None:
        """Note what a response says about each record, and where the page asked for began."""
        for record_id, links in read.pages.items():
            self._note_page(record_id, after[record_id], links, read.doubt)
        for record_id, error in read.failed.items():
            self._end(record_id, Refused(_to_api_error(error)))
        for record_id in read.unmentioned:
            found = self._found[record_id]
            if self._ask_next(record_id, after[record_id]):
                continue
            if not read.nameless:
                found.is_known = True  # HubSpot may leave out records without links
            elif len(after) == 1:
                self._end(record_id, Refused(_to_api_error(read.nameless[0])))
            elif len(read.unmentioned) <= len(read.nameless):
                # Asked for alone, an error that names no record can only be about it.
                self._alone.append((record_id, after[record_id]))
            else:
                found.error = _to_api_error(read.nameless[0])

    def _ask_next(self, record_id: str, after: str | None) -> bool:
        found = self._found[record_id]
        found.times_unmentioned += 1
        if found.times_unmentioned >= _MOST_UNMENTIONED:
            return False
        self._next.append((record_id, after))
        return True

    def _note_page(
        self, record_id: str, after: str | None, links: RecordLinks, doubt: StandardError | None
    ) -> None:
        found, wanted = self._found[record_id], self._wanted[record_id]
        found.linked |= links.linked & wanted
        if found.linked >= wanted:
            found.is_known = True
        elif doubt is not None:
            if not self._ask_next(record_id, after):
                found.error = _to_api_error(doubt)
        elif links.after is None:
            found.is_known = True
        elif found.is_endless(links.after):
            found.error = InvalidResponseError(
                f"HubSpot's pages of the links of record {record_id} do not end: {found.pages:,} "
                "were read, and the last names a page as the next that was read before, or is one "
                "of too many"
            )
        else:
            self._next.append((record_id, links.after))

    def _end(self, record_id: str, refusal: NotLinked) -> None:
        """Note that the other links of a record cannot be read."""
        found = self._found[record_id]
        error = to_error(refusal)
        if isinstance(error, ApiError) and error.sub_category == _NO_LINKS:
            found.is_known = True
            return
        found.error = error
        # A record that does not exist has no links.
        found.is_known = refusal.about is About.PAIR and _is_gone(error)


def _is_gone(error: AioHubAssocError) -> bool:
    return isinstance(error, NotFoundError | ValidationError) or (
        isinstance(error, ApiError) and error.category in {"OBJECT_NOT_FOUND", "VALIDATION_ERROR"}
    )


def _to_api_error(error: StandardError) -> ApiError:
    """Return an error inside a 2xx response as the error of a call for one record."""
    cls = NotFoundError if error.category == "OBJECT_NOT_FOUND" else ApiError
    return cls(
        _MULTI_STATUS,
        error.category,
        error.message or "no message",
        None,
        error.errors,
        error.context,
        error.sub_category,
    )
