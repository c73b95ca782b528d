"""
What a reply about links means for each record that was asked for.

A record is found by its id. An error belongs to a record only if it names it. What HubSpot counts
as an error and does not describe, and records in the reply that were not asked for, belong to none:
they may be about any record without a result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from aiohubassoc._batching.error_ids import find_ids, parse_kind
from aiohubassoc._protocol.codec import ERRORS_AT_ONCE
from aiohubassoc._protocol.links import RecordLinks
from aiohubassoc.errors import plural
from aiohubassoc.replies import StandardError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohubassoc._protocol.codec import Steps
    from aiohubassoc._protocol.links import LinksReply
    from aiohubassoc.errors import ApiError

# As `errors.UnconfirmedError` cuts ids.
_ID_SHOWN = 64


@attrs.frozen
class LinksRead:
    """A reply about links, by record."""

    pages: dict[str, RecordLinks]  # the links of each record that has some in the reply
    failed: dict[str, StandardError]  # HubSpot's error of each record that an error names
    unmentioned: tuple[str, ...]  # the records that the reply does not mention, in the order asked
    # The errors that name none of the records, at most as many as were asked for.
    nameless: tuple[StandardError, ...]

    @property
    def doubt(self) -> StandardError | None:
        """An error that may have cost a page some of its links; None: the pages are whole."""
        # A link that such a page does not have is not known to be missing.
        return self.nameless[0] if len(self.nameless) > len(self.unmentioned) else None


def read_links(asked: Iterable[str], object_type: str, reply: LinksReply) -> Steps[LinksRead]:
    """Return the parts of *reply* by record; *asked* are ids as HubSpot writes them, each once."""
    order = list(asked)
    wanted = {*order}
    kind = parse_kind(object_type)
    failed: dict[str, StandardError] = {}
    nameless = []
    for number, error in enumerate(reply.errors, 1):
        named = yield from named_records(error, wanted, kind)
        failed |= dict.fromkeys(named, error)
        if not named:
            nameless.append(error)
        if number % ERRORS_AT_ONCE == 0:
            yield
    nameless += _undescribed(reply, len(order))
    nameless += [_unexpected(one) for one in reply.records if one not in wanted]
    pages = {one: links for one, links in reply.records.items() if one in wanted}
    return LinksRead(
        pages,
        {one: error for one, error in failed.items() if one not in pages},
        tuple(one for one in order if one not in pages and one not in failed),
        tuple(nameless[: len(order)]),
    )


def named_records(error: ApiError | StandardError, asked: set[str], kind: str) -> Steps[list[str]]:
    """Return which of the *asked* records, of type *kind*, an error names."""
    # Records at the other end may have such ids too.
    mentions = yield from find_ids(error.context, error.errors, error.sub_category)
    return [
        one.record_id
        for one in mentions
        if one.record_id in asked
        # At the end "from" a custom type may have another name.
        and (one.role == "from" or (one.role is None and one.kind in {None, kind}))
    ]


def _undescribed(reply: LinksReply, most: int) -> list[StandardError]:
    """Return an error for each that HubSpot counts and does not describe, *most* at most."""
    counted, described = reply.num_errors or 0, len(reply.errors)
    count = most if counted < 0 else min(counted - described, most)
    text = f"HubSpot counts {plural(counted, 'error')} in its response and describes {described:,}"
    return [StandardError(message=text)] * count


def _unexpected(record_id: str) -> StandardError:
    shown = record_id[:_ID_SHOWN]
    return StandardError(
        message=f"HubSpot responded for record {shown}, which was not asked for. "
        "One that was asked for may be merged into it."
    )
