"""
A response, what it can mean, and what one with 2xx does mean: only what its body confirms.

What any other response means, the status table says.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias, TypeVar

import attrs

from aiohubassoc._protocol import codec
from aiohubassoc._protocol.bounds import NO_SECRETS, Redaction, kept_headers
from aiohubassoc._protocol.links import LinksReply, decode_links
from aiohubassoc._protocol.reply_codec import decode_pair_reply, decode_reply
from aiohubassoc.errors import AioHubAssocError, ApiError, InvalidResponseError, UnconfirmedError
from aiohubassoc.pair import canonical_id
from aiohubassoc.replies import DefaultAssociations

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohubassoc.pair import Pair

_UNFINISHED: Final = frozenset({"PENDING", "PROCESSING"})
# The start of a body that is not HubSpot's JSON: enough to recognise whose page it is.
SHOWN_BYTES: Final = 1000
_T = TypeVar("_T")


@attrs.define
class Response:
    """
    An HTTP response, read to its end.

    Attributes:
        status: The HTTP status.
        headers: By name, ignoring case.
        body: Whole.
        url: What was asked, for messages.
        redaction: What to hide in its headers where they are kept. Elsewhere it is hidden.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str = ""
    redaction: Redaction = attrs.field(default=NO_SECRETS, repr=False)


class About(Enum):
    """What a refusal is about. It decides who else would meet it."""

    PAIR = "pair"
    """What was sent: this pair, or of many calls in one some of them. Others may fare better."""
    BATCH = "batch"
    """How much was sent at once. Fewer in one call may fare better; of one pair: that pair."""
    PATH = "path"
    """The path of a call for many. Calls for one pair may fare better."""
    RUN = "run"
    """The token, the account, the object type or the address. No call would fare better."""
    MOMENT = "moment"
    """The time. The same call may fare better later."""


@attrs.define
class Accepted:
    """The pair is linked."""

    reply: DefaultAssociations


@attrs.define
class AccountReply:
    """
    The reply to a call about the account.

    Attributes:
        body: The JSON object; empty where the body is another value.
        headers: By name, ignoring case.
    """

    body: Mapping[str, Any]
    headers: Mapping[str, str]

    @property
    def status(self) -> str | None:
        """As in `DefaultAssociations`; None where the body has none."""
        status = self.body.get("status")
        return status if isinstance(status, str) else None


@attrs.define
class Replied:
    """A call for many, or about the account, got its reply; what that says is read elsewhere."""

    reply: DefaultAssociations | LinksReply | AccountReply


@attrs.define
class Partial:
    """2xx with errors inside; *linked* if a result matches the pair all the same."""

    about: ClassVar[About] = About.PAIR
    reply: DefaultAssociations
    linked: bool


@attrs.define
class Throttled:
    """
    HubSpot takes no calls for a while, from any task.

    Attributes:
        error: What to say if the pair is given up.
        retry_after: Seconds; None where HubSpot did not say.
        ends_run: Whether giving up on this pair means giving up on all.
        by_quota: Whether it is the quota of the window that is used up.
    """

    about: ClassVar[About] = About.MOMENT
    error: ApiError
    retry_after: float | None = None
    ends_run: bool = False
    by_quota: bool = False


@attrs.define
class Transient:
    """
    It may pass: retry.

    Attributes:
        error: What to say if the pair is given up.
        retry_after: Seconds that HubSpot asks for; None where it did not say.
        wait_min: Seconds below which a retry is of no use.
    """

    about: ClassVar[About] = About.MOMENT
    error: AioHubAssocError
    retry_after: float | None = None
    wait_min: float = 0.0


@attrs.define
class Refused:
    """
    No further attempt is made.

    Attributes:
        error: Why.
        about: `About.PAIR` and `About.BATCH`: HubSpot refused what was sent. `About.PATH`: as it
            says. `About.MOMENT`: the attempts are used up. Never `About.RUN`.
    """

    error: AioHubAssocError
    about: About = About.PAIR


@attrs.define
class Intercepted:
    """
    A gateway, a proxy or a firewall responded to a call for one pair, not HubSpot.

    It is about the pair where HubSpot itself responded a moment ago, else about the run.
    """

    error: AioHubAssocError


@attrs.define
class Fatal:
    """No pair would fare better: the run stops."""

    about: ClassVar[About] = About.RUN
    error: AioHubAssocError


Verdict: TypeAlias = (
    Accepted | Replied | Partial | Throttled | Transient | Refused | Intercepted | Fatal
)


def judge_pair_reply(response: Response, pair: Pair) -> Verdict:
    """Return what a *response* with 2xx means for *pair*, the pair that was sent."""
    reply = _read(response, decode_pair_reply)
    if isinstance(reply, Transient):
        return reply
    linked = matches(reply, pair)
    # `numErrors` counts ends, not pairs; any but 0 means that something was not done.
    if reply.errors or reply.num_errors:
        return Partial(reply, linked)
    if reply.status == "CANCELED" and linked:
        return Partial(reply, linked=True)
    if not linked or reply.status in _UNFINISHED:
        return Transient(UnconfirmedError(reply))
    return Accepted(reply)


def judge_batch_reply(response: Response) -> Verdict:
    """Return what a *response* with 2xx to many pairs means; it is `Replied` if it confirms any."""
    reply = _read(response, decode_reply)
    if isinstance(reply, Transient):
        return reply
    # It says nothing of any pair, or nothing final.
    if reply.status in _UNFINISHED or not (reply.results or reply.errors):
        return Transient(UnconfirmedError(reply))
    return Replied(reply)


def judge_links_reply(response: Response) -> Verdict:
    """Return what a *response* with 2xx to a lookup of links means: `Replied`, if it is final."""
    links = _read(response, decode_links)
    if isinstance(links, Transient):
        return links
    return Replied(links) if links.status not in _UNFINISHED else Transient(UnconfirmedError())


def judge_account_reply(response: Response) -> Verdict:
    """Return what a *response* with 2xx to a call about the account means: `Replied`, if JSON."""
    body = _read(response, codec.load)
    if isinstance(body, Transient):
        return body
    return Replied(AccountReply(body if isinstance(body, dict) else {}, response.headers))


def matches(reply: DefaultAssociations, pair: Pair) -> bool:
    """Return whether a result of *reply* links *pair*, in either direction."""
    from_id, to_id = pair.from_id, pair.to_id
    for result in reply.results:  # nearly always the first
        one, other = result.from_id, result.to_id
        if (one == from_id and other == to_id) or (one == to_id and other == from_id):
            return True
    # HubSpot responds with the number that it read: 0101 comes back as 101.
    ends = {
        (canonical_id(from_id), canonical_id(to_id)),
        (canonical_id(to_id), canonical_id(from_id)),
    }
    return any((canonical_id(r.from_id), canonical_id(r.to_id)) in ends for r in reply.results)


def _read(response: Response, decode: Callable[[bytes], _T]) -> _T | Transient:
    try:
        return decode(response.body)
    except codec.UndecodableError as error:
        if not response.body.strip():
            return Transient(UnconfirmedError())
        return Transient(make_invalid_response(response, error.problems))


def make_invalid_response(response: Response, problems: tuple[str, ...]) -> InvalidResponseError:
    return InvalidResponseError(
        f"the response with status {response.status} cannot be read: {'; '.join(problems[:3])}",
        maybe_applied=True,
        status=response.status,
        headers=kept_headers(response.redaction.in_headers(response.headers)),
        body_start=decode_start(response.body),
        problems=problems,
    )


def decode_start(body: bytes) -> str:
    """Return the start of a body as text."""
    return body[:SHOWN_BYTES].decode("utf-8", "replace")
