"""The links of the records of a window: read page by page, and around records at fault."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import attrs

from aiohubassoc._core.batch import Splitting
from aiohubassoc._core.ids import canonical
from aiohubassoc._core.links import LinksReply, RecordLinks
from aiohubassoc._core.mentions import kind_of, mentions_of
from aiohubassoc._core.verdict import Accepted, Told
from aiohubassoc._io.alone import is_about_content
from aiohubassoc._io.call import Call, settled_error
from aiohubassoc.errors import (
    AioHubAssocError,
    ApiError,
    GarbledAnswerError,
    UnconfirmedError,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from aiohubassoc._io.call import Final
    from aiohubassoc._io.crew import Run
    from aiohubassoc.models import StandardError

_Asked: TypeAlias = "Sequence[tuple[str, str | None]]"
# So often one that no answer mentions is asked for.
_MOST_UNMENTIONED = 2


@attrs.frozen
class Question:
    """
    Whose links are asked for.

    Attributes:
        types: Of the records, and of those they are linked to.
        records: The id of each, and where the page begins; None: the first.
    """

    types: tuple[str, str]
    records: _Asked

    def __str__(self) -> str:
        return f"the links of {len(self.records):,} {self.types[0]} to {self.types[1]}"


SettleQuestion: TypeAlias = "Callable[[Call[Question]], Awaitable[Final]]"
"""Asks until there is an answer."""


@attrs.define
class Found:
    """
    What was found of a record.

    Attributes:
        linked: Those of the wanted records to which it is linked.
        error: Why there may be more, or why there can be none; None: these are all.
        is_known: Whether there are no more.
    """

    linked: set[str] = attrs.Factory(set)
    error: AioHubAssocError | None = None
    is_known: bool = False
    times_unmentioned: int = 0


class LinksReader:
    """
    Reads which of the wanted links are there.

    Args:
        run: The run.
        ask: Asks a question until there is an answer.
        types: The two object types.
        wanted: By the id of the first record: those of the second that are of interest.
    """

    def __init__(
        self,
        run: Run,
        ask: SettleQuestion,
        types: tuple[str, str],
        wanted: Mapping[str, set[str]],
    ) -> None:
        self._run = run
        self._ask = ask
        self._types = types
        self._kind = kind_of(types[0])
        self._wanted = wanted
        self._found = {record_id: Found() for record_id in wanted}
        self._next: list[tuple[str, str | None]] = []
        self._alone: list[tuple[str, str | None]] = []
        self._splitting = Splitting()

    async def read(self) -> Mapping[str, Found]:
        """Return what was found of each; if the run stops meanwhile, not all is known."""
        asked: _Asked = [(record_id, None) for record_id in self._wanted]
        while asked and not self._run.stopping:
            await self._read(asked)
            asked, self._next = self._next, []
            if not asked and self._alone:
                asked = [self._alone.pop()]
        return self._found

    async def _read(self, asked: _Asked, *, is_refused: bool = False) -> bool:
        """
        Ask for records and note what is said; return whether any of them was refused.

        Args:
            asked: The records.
            is_refused: Whether it is known that they would be refused together.
        """
        was_refused = False
        while asked and not self._run.stopping:  # again as often as a refusal names records
            if is_refused and len(asked) > 1:
                return await self._split(asked, is_about_content=True)
            question = Call(Question(self._types, asked), self._run)
            settled = await self._run.call(self._ask, question)
            if isinstance(settled, Told):
                assert isinstance(settled.reply, LinksReply)  # noqa: S101 -- of a call that reads
                self._take(asked, settled.reply)
                self._splitting.settled(len(asked), 0)
                break
            assert not isinstance(settled, Accepted)  # noqa: S101 -- that is of one pair
            was_refused = True
            asked = await self._after_refusal(asked, settled_error(settled))
        return was_refused

    async def _after_refusal(self, asked: _Asked, error: AioHubAssocError) -> _Asked:
        """Note what a refusal says, and return the records that are to be asked for again."""
        is_about = is_about_content(error)
        if len(asked) == 1 or not (is_about or isinstance(error, GarbledAnswerError)):
            blamed = {record_id for record_id, _ in asked}
        else:
            blamed = self._blamed_by(asked, error) if is_about else set()
        for record_id in blamed:
            self._end(record_id, error)
        self._splitting.settled(len(blamed), len(blamed))
        if blamed:
            return [one for one in asked if one[0] not in blamed]
        await self._split(asked, is_about_content=is_about)
        return []

    async def _split(self, asked: _Asked, *, is_about_content: bool) -> bool:
        if self._splitting.is_cheaper_alone(len(asked)):
            for one in asked:
                await self._read([one])
            return True
        middle = (len(asked) + 1) // 2
        was_refused = await self._read(asked[:middle])
        # If there was nothing wrong with the first half, it is the second that was refused.
        is_refused = is_about_content and not was_refused
        return await self._read(asked[middle:], is_refused=is_refused) or was_refused

    def _take(self, asked: _Asked, reply: LinksReply) -> None:
        """Note what an answer says of each record that was asked for."""
        blamed, unnamed = self._blamed_in(asked, reply)
        unmentioned = []
        for record_id, after in asked:
            links = reply.records.get(record_id)
            if links is not None:
                self._take_page(record_id, after, links)
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

    def _take_page(self, record_id: str, after: str | None, links: RecordLinks) -> None:
        found, wanted = self._found[record_id], self._wanted[record_id]
        found.linked |= links.linked & wanted
        if links.after is None or found.linked >= wanted:
            found.is_known = True
        elif links.after == after:
            found.error = UnconfirmedError()  # the same page for ever
        else:
            self._next.append((record_id, links.after))

    def _blamed_in(
        self, asked: _Asked, reply: LinksReply
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

    def _blamed_by(self, asked: _Asked, error: AioHubAssocError) -> set[str]:
        assert isinstance(error, ApiError)  # noqa: S101 -- it is about content
        known = {canonical(record_id) for record_id, _ in asked}
        return set(self._named(error, known))

    def _named(self, error: ApiError | StandardError, known: set[str]) -> list[str]:
        """Return the records that an error names; those at the other end may have such ids too."""
        told = mentions_of(error.context, error.errors, error.sub_category, known)
        return [
            mention.record_id
            for mention in told
            if mention.role == "from"  # a custom type may be told by another name
            or (mention.role is None and mention.kind in {None, self._kind})
        ]


# As recorded; the whole category is that of a record that is not there.
_NO_LINKS = "crm.associations.NO_ASSOCIATIONS_FOUND"


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
