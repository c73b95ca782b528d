"""What a response means: a 2xx by what its body confirms, any other by the status table."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final, TypeVar

from aiohubassoc._protocol import codec
from aiohubassoc._protocol.bounds import kept_headers
from aiohubassoc._protocol.links import decode_links
from aiohubassoc._protocol.status_table import TABLE, Refusal, decode_start
from aiohubassoc._protocol.verdicts import (
    About,
    Accepted,
    AccountReply,
    Fatal,
    Intercepted,
    Partial,
    Refused,
    Replied,
    Response,
    Transient,
    Verdict,
)
from aiohubassoc.errors import InvalidResponseError, UnconfirmedError
from aiohubassoc.pair import canonical_id

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from aiohubassoc.pair import Pair
    from aiohubassoc.replies import DefaultAssociations

_UNFINISHED: Final = frozenset({"PENDING", "PROCESSING"})
_T = TypeVar("_T")


def judge(response: Response, pair: Pair, now: Callable[[], datetime]) -> Verdict:
    """
    Return what *response* means for *pair*.

    Args:
        response: Any status, headers and body.
        pair: The pair that was sent.
        now: Gives the local time, aware: for a ``Retry-After`` date where ``Date`` is missing.
    """
    if _is_success(response):
        return _judge_success(response, pair)
    refusal = Refusal.from_response(
        response, (pair.from_type, pair.to_type), now(), codec.decode_pair_error
    )
    match _judge_refusal(refusal):
        case Refused(error, About.BATCH):  # there is nothing smaller than one pair
            return Refused(error)
        case Refused(error, About.PATH):  # and no other path
            return Fatal(error) if refusal.is_hubspot() else Intercepted(error)
        case verdict:
            return verdict


def judge_batch(response: Response, types: tuple[str, str], now: Callable[[], datetime]) -> Verdict:
    """
    Return what *response* to a batch of pairs means; a reply that confirms anything is `Replied`.

    Args:
        response: Any status, headers and body.
        types: The object types of the pairs.
        now: As for `judge`.
    """
    if not _is_success(response):
        return _judge_refusal(Refusal.from_response(response, types, now()))
    reply = _read(response, codec.decode_reply)
    if isinstance(reply, Transient):
        return reply
    # It says nothing of any pair, or nothing final.
    if reply.status in _UNFINISHED or not (reply.results or reply.errors):
        return Transient(UnconfirmedError(reply))
    return Replied(reply)


def judge_links(response: Response, types: tuple[str, str], now: Callable[[], datetime]) -> Verdict:
    """
    Return what *response* to a question for links means; what can be read is `Replied`.

    Args:
        response: Any status, headers and body.
        types: The object types of the records, and of those they are linked to.
        now: As for `judge`.
    """
    if not _is_success(response):
        return _judge_refusal(Refusal.from_response(response, types, now()))
    links = _read(response, decode_links)
    if isinstance(links, Transient):
        return links
    return Replied(links) if links.status not in _UNFINISHED else Transient(UnconfirmedError())


def judge_account(
    response: Response, types: tuple[str, str], now: Callable[[], datetime]
) -> Verdict:
    """
    Return what *response* to a call about the account means; what can be read is `Replied`.

    Args:
        response: Any status, headers and body.
        types: The object types that the call names, or two empty strings.
        now: As for `judge`.
    """
    if not _is_success(response):
        return _judge_refusal(Refusal.from_response(response, types, now()))
    body = _read(response, codec.load)
    if isinstance(body, Transient):
        return body
    return Replied(AccountReply(body if isinstance(body, dict) else {}, response.headers))


def is_from_hubspot(response: Response, verdict: Verdict) -> bool:
    """Return whether HubSpot's API wrote *response*, which means *verdict*, not something else."""
    match verdict:
        case Accepted() | Replied() | Partial():
            return True
        case Transient(UnconfirmedError()):
            return bool(response.body.strip())  # a reply that can be read, or nothing
        case _:
            body = codec.decode_error(response.body)
            return body is not None and body.is_hubspot


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


def _is_success(response: Response) -> bool:
    return 200 <= response.status < 300  # noqa: PLR2004 -- "take any 2xx and look into the body"


def _read(response: Response, decode: Callable[[bytes], _T]) -> _T | Transient:
    try:
        return decode(response.body)
    except codec.UndecodableError as error:
        if not response.body.strip():
            return Transient(UnconfirmedError())
        return Transient(_invalid_response(response, error.problems))


def _judge_success(response: Response, pair: Pair) -> Verdict:
    reply = _read(response, codec.decode_pair_reply)
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


def _invalid_response(response: Response, problems: tuple[str, ...]) -> InvalidResponseError:
    return InvalidResponseError(
        f"the response with status {response.status} cannot be read: {'; '.join(problems[:3])}",
        maybe_applied=True,
        status=response.status,
        headers=kept_headers(response.redaction.in_headers(response.headers)),
        body_start=decode_start(response.body),
        problems=problems,
    )


def _judge_refusal(refusal: Refusal) -> Verdict:
    """Return what the table says of *refusal*, of a call for many pairs."""
    for row in TABLE:
        if row.fits(refusal):
            return row.verdict(refusal)
    # What is no status of HTTP proves nothing, even if the body does.
    response = refusal.response
    return Transient(
        _invalid_response(response, (f"{response.status} is no status of a final response",))
    )


# For so long a response of HubSpot's own shows that a gateway's refusal is about one pair. It is
# longer than a usual call with its retries, and short enough that a firewall that closes in the
# middle of a run costs few pairs.
PROVEN_SECONDS: Final = 10.0


class EndpointProof:
    """
    What shows that HubSpot's API is behind the base URL.

    Attributes:
        responded_at: When HubSpot itself last responded, with any status. Seconds on the clock.
    """

    __slots__ = ("responded_at",)

    def __init__(self) -> None:
        self.responded_at = -inf

    def holds(self, now: float) -> bool:
        """Return whether HubSpot itself responded a moment ago; *now* is on the same clock."""
        return now - self.responded_at <= PROVEN_SECONDS
