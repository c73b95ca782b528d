"""What a response that is not 2xx means, by the status table; and whether HubSpot wrote it."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final

from aiohubassoc._protocol import codec
from aiohubassoc._protocol.status_table import TABLE, Refusal
from aiohubassoc._protocol.verdicts import (
    About,
    Accepted,
    Fatal,
    Intercepted,
    Partial,
    Refused,
    Replied,
    Response,
    Transient,
    Verdict,
    make_invalid_response,
)
from aiohubassoc.errors import UnconfirmedError

if TYPE_CHECKING:
    from datetime import datetime

    from aiohubassoc.pair import Pair


def judge_refusal(response: Response, types: tuple[str, str], now: datetime) -> Verdict:
    """
    Return what a *response* that is not 2xx means for a call about many pairs, or none.

    Args:
        response: Any status but 2xx, headers and body.
        types: The object types that the call names, or two empty strings.
        now: The local time, aware: for a ``Retry-After`` date where ``Date`` is missing.
    """
    return _look_up(Refusal.from_response(response, types, now))


def judge_pair_refusal(response: Response, pair: Pair, now: datetime) -> Verdict:
    """Return what a *response* that is not 2xx means for *pair*: see `judge_refusal`."""
    types = (pair.from_type, pair.to_type)
    refusal = Refusal.from_response(response, types, now, codec.decode_pair_error)
    match _look_up(refusal):
        case Refused(error, About.BATCH):  # there is nothing smaller than one pair
            return Refused(error)
        case Refused(error, About.PATH):  # and no other path
            return Fatal(error) if refusal.is_hubspot() else Intercepted(error)
        case verdict:
            return verdict


def _look_up(refusal: Refusal) -> Verdict:
    for row in TABLE:
        if row.fits(refusal):
            return row.verdict(refusal)
    # A status that HTTP does not define proves nothing, even with a valid body.
    response = refusal.response
    return Transient(
        make_invalid_response(response, (f"{response.status} is no status of a final response",))
    )


def is_from_hubspot(response: Response, verdict: Verdict) -> bool:
    match verdict:
        case Accepted() | Replied() | Partial():
            return True
        case Transient(UnconfirmedError()):
            return bool(response.body.strip())  # a reply that can be read, or nothing
        case _:
            body = response.error or codec.decode_error(response.body)
            return body is not None and body.is_hubspot


# Seconds. If HubSpot itself responded within them, a gateway's refusal is about one pair. They are
# longer than a usual call with its retries, and so short that a firewall that blocks all calls in
# the middle of a run costs few pairs.
PROVEN_SECONDS: Final = 10.0


class EndpointProof:
    """What shows that HubSpot's API is behind the base URL."""

    __slots__ = ("responded_at",)

    def __init__(self) -> None:
        # When HubSpot itself last responded, with any status. Seconds on the clock.
        self.responded_at = -inf

    def holds(self, now: float) -> bool:
        """Return whether HubSpot itself responded a moment ago; *now* is on the same clock."""
        return now - self.responded_at <= PROVEN_SECONDS
