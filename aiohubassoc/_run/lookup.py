"""Which pairs are linked already: their records' links, read page by page, in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

import attrs

from aiohubassoc._core.bisection import Bisection
from aiohubassoc._core.blame import is_about_types
from aiohubassoc._core.endpoints import LookupRequest
from aiohubassoc._core.ids import canonical
from aiohubassoc._core.links import LinksReply, RecordLinks
from aiohubassoc._core.mentions import kind_of, mentions_of
from aiohubassoc._core.verdict import Accepted, Told
from aiohubassoc._io.call import Call, settled_error
from aiohubassoc._run.settle_one import is_about_content
from aiohubassoc.errors import (
    AioHubAssocError,
    ApiError,
    GarbledAnswerError,
    UnconfirmedError,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from aiohubassoc._io import call as _call
    from aiohubassoc._run.run import Run
    from aiohubassoc.models import StandardError

SettleLookup: TypeAlias = "Callable[[Call[LookupRequest]], Awaitable[_call.Final]]"
"""Asks for the links of records until there is a response."""

# A record, and where the page of its links begins; None: the first.
_Asked: TypeAlias = "tuple[str, str | None]"
# How often a record that no response mentions is asked for.
_MOST_UNMENTIONED: Final = 2
# As recorded; its category is that of a record that does not exist.
_NO_LINKS: Final = "crm.associations.NO_ASSOCIATIONS_FOUND"


@attrs.define
class Found:
    """
    What was found about a record.

    Attributes:
        linked: Those of the wanted records to which it is linked.
        error: Why there may be more, or why there can be none; None: these are all.
        is_known: Whether there are no more.
    """

    linked: set[str] = attrs.Factory(set)
    error: AioHubAssocError | None = None
    is_known: bool = False
    times_unmentioned: int = 0


class Lookup:
    """
    Reads which of the wanted links exist.

    Args:
        run: The run.
        settle: Asks for the links of records.
        types: The two object types.
        wanted: By the id of the first record: those of the second that are of interest.
    """

    def __init__(
        self,
        run: Run[Any],
        settle: SettleLookup,
        types: tuple[str, str],
        wanted: Mapping[str, set[str]],
    ) -> None:
        self._run = run
        self._settle = settle
        self._types = types
        self._kind = kind_of(types[0])
        self._wanted = wanted
        self._found = {record_id: Found() for record_id in wanted}
        self._next: list[_Asked] = []
        self._alone: list[_Asked] = []

    async def read(self) -> Mapping[str, Found]:
        """Return what was found about each; if the run stops meanwhile, not all is known."""
        asked: list[_Asked] = [(record_id, None) for record_id in self._wanted]
        while asked and not self._run.stopping:
            await self._read(Bisection(asked))
            asked, self._next = self._next, []
            if not asked and self._alone:
                asked = [self._alone.pop()]
        return self._found

    async def _read(self, bisection: Bisection[_Asked]) -> None:
        """Ask for records and note what is said, around those at fault."""
        while not self._run.stopping and (part := bisection.next()) is not None:
            if part.is_singly:
                bisection.settled_singly(await self._read_singly(part.items))
            elif (error := await self._ask(part.items)) is None:
                bisection.accepted(len(part.items))
            else:
                self._after_refusal(bisection, part.items, error)

    async def _read_singly(self, asked: Sequence[_Asked]) -> int:
        """Ask for records one by one; return how many were refused."""
        refused = 0
        for one in asked:
            if self._run.stopping:
                break
            if (error := await self._ask([one])) is not None:
                self._end(one[0], error)
                refused += 1
        return refused

    async def _ask(self, asked: Sequence[_Asked]) -> AioHubAssocError | None:
        """Make one call and note what its response says; return why there is none."""
        call = Call(LookupRequest(self._types, asked), self._run)
        settled = await self._run.call(self._settle, call, ())
        if isinstance(settled, Told):
            assert isinstance(settled.reply, LinksReply)  # noqa: S101 -- of a call that reads
            self._note(asked, settled.reply)
            return None
        assert not isinstance(settled, Accepted)  # noqa: S101 -- that is of one pair
        return settled_error(settled)

    def _after_refusal(
        self, bisection: Bisection[_Asked], asked: Sequence[_Asked], error: AioHubAssocError
    ) -> None:
        """Note what a refusal says, and how to go on with the other records."""
        is_about = is_about_content(error)
        is_whole = isinstance(error, ApiError) and is_about_types(error, self._types)
        if len(asked) == 1 or is_whole or not (is_about or isinstance(error, GarbledAnswerError)):
            for record_id, _ in asked:
                self._end(record_id, error)
            bisection.closed()
        elif not is_about:
            bisection.failed()
        else:
            assert isinstance(error, ApiError)  # noqa: S101 -- it is about content
            known = {canonical(record_id) for record_id, _ in asked}
            named = set(self._named(error, known))
            for record_id in named:
                self._end(record_id, error)
            bisection.refused([at for at, one in enumerate(asked) if one[0] in named])

    def _note(self, asked: Sequence[_Asked], reply: LinksReply) -> None:
        """Note what a response says about each record that was asked for."""
        blamed, unnamed = self._blamed_in(asked, reply)
        unmentioned = []
        for record_id, after in asked:
            links = reply.records.get(record_id)
            if links is not None:
                self._note_page(record_id, after, links)
            elif record_id in blamed:
                self._end(record_id, _api_error(blamed[record_id]))
            else:
                unmentioned.append((record_id, after))
        for one in unmentioned:
            found = self._found[one[0]]
            found.times_unmentioned += 1
            if found.times_unmentioned < _MOST_UNMENTIONED:
                self._next.append(one)
            elif not unnamed:
                found.is_known = True  # records without links may just be left out
            elif len(asked) == 1:
                self._end(one[0], _api_error(unnamed[0]))
            elif len(unmentioned) <= len(unnamed):
                self._alone.append(one)  # then an error without a name can only be about it
            else:
                found.error = _api_error(unnamed[0])

    def _note_page(self, record_id: str, after: str | None, links: RecordLinks) -> None:
        found, wanted = self._found[record_id], self._wanted[record_id]
        found.linked |= links.linked & wanted
        if links.after is None or found.linked >= wanted:
            found.is_known = True
        elif links.after == after:
            found.error = UnconfirmedError()  # the same page for ever
        else:
            self._next.append((record_id, links.after))

    def _blamed_in(
        self, asked: Sequence[_Asked], reply: LinksReply
    ) -> tuple[dict[str, StandardError], list[StandardError]]:
        """Return the errors of records by their ids, and those that name none."""
        known = {record_id for record_id, _ in asked}
        blamed: dict[str, StandardError] = {}
        unnamed = []
        for error in reply.errors:
            named = self._named(error, known)
            blamed |= dict.fromkeys(named, error)
            if not named:
                unnamed.append(error)
        return blamed, unnamed

    def _end(self, record_id: str, error: AioHubAssocError) -> None:
        """Note that nothing more can be read of a record."""
        found = self._found[record_id]
        if isinstance(error, ApiError) and error.sub_category == _NO_LINKS:
            found.is_known = True
            return
        found.error = error
        # No such record, no such link.
        found.is_known = is_about_content(error) and _is_gone(error)

    def _named(self, error: ApiError | StandardError, known: set[str]) -> list[str]:
        """Return the records that an error names; those at the other end may have such ids too."""
        told = mentions_of(error.context, error.errors, error.sub_category, known)
        return [
            mention.record_id
            for mention in told
            if mention.role == "from"  # a custom type may be told by another name
            or (mention.role is None and mention.kind in {None, self._kind})
        ]


def _is_gone(error: AioHubAssocError) -> bool:
    return isinstance(error, ApiError) and (
        error.category in {"OBJECT_NOT_FOUND", "VALIDATION_ERROR"} or error.status in {400, 404}
    )


def _api_error(error: StandardError) -> ApiError:
    """Return an error inside an answer as one of its own: of one record."""
    not_found = 404
    return ApiError(
        not_found if error.category == "OBJECT_NOT_FOUND" else 207,
        error.category,
        error.message or "no message",
        None,
        error.errors,
        error.context,
        error.sub_category,
    )
