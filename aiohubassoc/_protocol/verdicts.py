"""
What a response can mean, and what a 2xx means: only what its body confirms.

The meaning of other statuses is in `classify.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    """An HTTP response, read to its end."""

    status: int
    headers: Mapping[str, str]  # by name, ignoring case
    body: bytes
    url: str = ""  # the URL of the request, for messages
    # Replaces secrets in headers that are kept. In body and url they are replaced.
    redaction: Redaction = attrs.field(default=NO_SECRETS, repr=False)
    # What the body says of an error, once it was read; None: it was not.
    error: codec.ErrorBody | None = attrs.field(default=None, init=False, repr=False, eq=False)


class About(Enum):
    """What a refusal is about. It decides which other calls would be refused too."""

    PAIR = "pair"
    """This pair, or some pairs of a batch. Others may succeed."""
    BATCH = "batch"
    """How much was sent in one call. A smaller batch may succeed. For one pair: that pair."""
    PATH = "path"
    """The path of a batch call. Calls for one pair may succeed."""
    RUN = "run"
    """The token, the account, the object type or the base URL. No call would succeed."""
    MOMENT = "moment"
    """The moment. The same call may succeed later."""


@attrs.define
class Accepted:
    """The pair is linked."""

    reply: DefaultAssociations


@attrs.define
class AccountReply:
    """The reply to a call about the account."""

    body: Mapping[str, Any]  # the JSON object; empty where the body is another value
    headers: Mapping[str, str]  # by name, ignoring case

    @property
    def status(self) -> str | None:
        """As in `DefaultAssociations`; None where the body has none."""
        status = self.body.get("status")
        return status if isinstance(status, str) else None


@attrs.define
class Replied:
    """A 2xx to a call for many, or about the account. The caller reads what the reply says."""

    reply: DefaultAssociations | LinksReply | AccountReply
    # Of a call that links: the part about each pair, in their order; see `read_reply`.
    parts: Sequence[DefaultAssociations | Partial | None] = ()


@attrs.define
class Partial:
    """A 2xx with errors in it; *linked*: whether a result links the pair nevertheless."""

    about: ClassVar[About] = About.PAIR
    reply: DefaultAssociations
    linked: bool


@attrs.define
class Throttled:
    """HubSpot accepts no calls for a while, from any task."""

    about: ClassVar[About] = About.MOMENT
    error: ApiError  # the error of the pair if it is not retried
    retry_after: float | None = None  # seconds; None where HubSpot did not say
    ends_run: bool = False  # whether the run stops if the pair is not retried
    by_quota: bool = False  # whether the quota of the window is used up
    by_second: bool = False  # whether a limit of calls a second is used up


@attrs.define
class Transient:
    """A retry may succeed."""

    about: ClassVar[About] = About.MOMENT
    error: AioHubAssocError  # the error of the pair if it is not retried
    retry_after: float | None = None  # seconds that HubSpot asks for; None where it did not say
    wait_min: float = 0.0  # seconds before which a retry cannot succeed


@attrs.define
class Refused:
    """No further attempt is made."""

    error: AioHubAssocError
    # `About.PAIR` and `About.BATCH`: HubSpot refused what was sent. `About.PATH`: the path
    # was refused. `About.MOMENT`: the attempts are used up. Never `About.RUN`.
    about: About = About.PAIR


@attrs.define
class Intercepted:
    """A gateway, a proxy or a firewall responded to a call for one pair, not HubSpot."""

    # If HubSpot itself responded a moment ago it is about the pair, otherwise about the run.

    error: AioHubAssocError


@attrs.define
class Fatal:
    """No other pair would succeed: the run stops."""

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
    # `numErrors` counts ends, not pairs. Any value but 0 means that a link may be missing.
    if reply.errors or reply.num_errors:
        return Partial(reply, linked)
    if reply.status == "CANCELED" and linked:
        return Partial(reply, linked=True)
    if not linked or reply.status in _UNFINISHED:
        return Transient(UnconfirmedError(reply))
    return Accepted(reply)


def judge_batch_reply(response: Response) -> codec.Steps[Verdict]:
    """Return what a *response* with 2xx to many pairs means; it is `Replied` if it confirms any."""
    try:
        reply = yield from decode_reply(response.body)
    except codec.UndecodableError as error:
        return _judge_undecodable(response, error)
    # It contains no pair, or is not final.
    if reply.status in _UNFINISHED or not (reply.results or reply.errors):
        return Transient(UnconfirmedError(reply))
    return Replied(reply)


def judge_links_reply(response: Response) -> codec.Steps[Verdict]:
    """Return what a *response* with 2xx to a lookup of links means: `Replied`, if it is final."""
    try:
        links = yield from decode_links(response.body)
    except codec.UndecodableError as error:
        return _judge_undecodable(response, error)
    return Replied(links) if links.status not in _UNFINISHED else Transient(UnconfirmedError())


def judge_account_reply(response: Response) -> Verdict:
    """Return what a *response* with 2xx to a call about the account means: `Replied`, if JSON."""
    body = _read(response, codec.load)
    if isinstance(body, Transient):
        return body
    return Replied(AccountReply(body if isinstance(body, dict) else {}, response.headers))


def matches(reply: DefaultAssociations, pair: Pair) -> bool:
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
        return _judge_undecodable(response, error)


def _judge_undecodable(response: Response, error: codec.UndecodableError) -> Transient:
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
    return body[:SHOWN_BYTES].decode("utf-8", "replace")
