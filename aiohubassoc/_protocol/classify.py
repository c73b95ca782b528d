"""
The status table: what each response that is not 2xx means; and whether HubSpot wrote it.

The first row from the top that fits decides. Each row says what a refusal is about. No other module
knows statuses. Sources: HubSpot, API error handling, and recorded responses (2013-2026). Where they
leave a doubt, the row has the meaning that loses no pair.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from math import inf
from typing import TYPE_CHECKING, Any, Final

import attrs

from aiohubassoc._protocol import codec, headers as _headers
from aiohubassoc._protocol.bounds import MOST_ERROR_BYTES
from aiohubassoc._protocol.verdicts import (
    About,
    Accepted,
    Fatal,
    Intercepted,
    Partial,
    Refused,
    Replied,
    Response,
    Throttled,
    Transient,
    Verdict,
    decode_start,
    make_invalid_response,
)
from aiohubassoc.errors import (
    SCOPE_KEYS,
    ApiError,
    AuthenticationError,
    DailyLimitError,
    GatewayError,
    LockedError,
    MigratingError,
    MissingScopesError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
    UnconfirmedError,
    UnknownObjectTypeError,
    ValidationError,
    WrongEndpointError,
)

if TYPE_CHECKING:
    from aiohubassoc.pair import Pair

_NO_BODY: Final = codec.ErrorBody()
# Recorded, both without a category: the first names a type by its name, the second by its id.
_UNKNOWN_TYPE: Final = ("Unable to infer object type from: ", "Invalid object or event type id: ")
# HubSpot, Legacy private apps (read 2026-11-28), does not say in which field it stands.
_NO_PERMISSIONS: Final = "USER_DOES_NOT_HAVE_PERMISSIONS"
# Seen in other programs' fixtures. In each the account or its app is refused, not a record.
_ACCOUNT_CATEGORIES: Final = frozenset({_NO_PERMISSIONS, "BANNED", "PORTAL_AUTHENTICATION_FAILED"})
# Recorded without a category (onyx-dot-app/onyx, issue 6050).
_NOT_PUBLIC: Final = "API call isn't available for public use"


@attrs.frozen
class Refusal:
    """A response that is not 2xx."""

    response: Response
    body: codec.ErrorBody  # what could be read of its body
    types: tuple[str, str]  # the two object types of the pairs that were sent
    now: datetime  # the local time, aware

    @classmethod
    def from_response(
        cls,
        response: Response,
        types: tuple[str, str],
        now: datetime,
        decode: Callable[[bytes], codec.ErrorBody | None] = codec.decode_error,
    ) -> Refusal:
        response.error = response.error or decode(response.body) or _NO_BODY
        return cls(response, response.error, types, now)

    @property
    def retry_after(self) -> float | None:
        """Seconds that HubSpot asks to wait; None where it does not say."""
        return _headers.retry_after(self.response.headers, self.now)

    def is_foreign(self) -> bool:
        """Return whether a gateway or another server wrote it, not HubSpot's API."""
        return not self.body.is_hubspot

    def is_cloudflare_text(self) -> bool:
        return self.response.body.lstrip().lower().startswith(b"error code:")

    def lacks_scopes(self) -> bool:
        contexts = (self.body.context, *(detail.context for detail in self.body.errors))
        return self.body.category == "MISSING_SCOPES" or any(
            key in context for context in contexts for key in SCOPE_KEYS
        )

    def denies_account(self) -> bool:
        """Return whether the token's user or app, or the account, is refused."""
        body, message = self.body, self.body.message or ""
        return (
            not _ACCOUNT_CATEGORIES.isdisjoint({body.category, body.sub_category})
            or _NO_PERMISSIONS in message
            or message.startswith(_NOT_PUBLIC)
        )

    def unknown_type(self) -> str | None:
        """Return which of the two types HubSpot does not know; None: it does not say so."""
        message = self.body.message or ""
        for start in _UNKNOWN_TYPE:
            if message.startswith(start) and not self.body.context:
                named = message.removeprefix(start).strip()
                written = {named, named.removesuffix("."), named.rstrip(". ")}
                # An id with a slash in it may be read as a type on the way: that is one pair's.
                return next((one for one in self.types if one in written), None)
        return None

    def names_unknown_type(self) -> bool:
        return self.unknown_type() is not None

    def is_daily(self) -> bool:
        if self.body.policy_name:
            return "DAILY" in self.body.policy_name.upper()
        return "daily limit" in (self.body.message or "").lower()

    def is_by_quota(self) -> bool:
        if self.body.policy_name:
            name = self.body.policy_name.upper()
            return "ROLLING" in name or "TEN_SECONDLY" in name
        return self.body.is_hubspot

    def is_by_second(self) -> bool:
        """Return whether a limit of calls a second is used up."""
        return "SECONDLY" in (self.body.policy_name or "").upper() and not self.is_by_quota()

    def to_error(self, cls: type[ApiError]) -> ApiError:
        body, response = self.body, self.response
        message = body.message or ": ".join(filter(None, (body.title, body.detail)))
        return cls(
            response.status,
            body.category,
            message or decode_start(response.body).strip() or "no body",
            body.correlation_id or _headers.correlation_id(response.headers),
            body.errors,
            body.context,
            body.sub_category,
            **self._more(cls),
        )

    def _more(self, cls: type[ApiError]) -> dict[str, Any]:
        if issubclass(cls, RateLimitedError):
            return {"policy": self.body.policy_name, "retry_after": self.retry_after}
        if issubclass(cls, MigratingError):
            return {"retry_after": self.retry_after}
        if issubclass(cls, WrongEndpointError | GatewayError):
            return {"url": self.response.url}
        if issubclass(cls, UnknownObjectTypeError):
            return {"object_type": self.unknown_type() or ""}
        return {}


# HubSpot, API error handling, 423: "locks will last for 2 seconds".
LOCK_SECONDS: Final = 2.0


@attrs.frozen
class Row:
    """One row of the table."""

    statuses: Collection[int]  # the HTTP statuses that it speaks of
    about: About  # what such a refusal is about, in a call for many pairs
    error: type[ApiError]
    why: str  # the reason, for people
    when: Callable[[Refusal], bool] | None = None  # a further condition; None: there is none
    wait_min: float = 0.0  # seconds before which a retry cannot succeed
    # Makes the verdict; None: *about* decides it.
    judge: Callable[[Refusal, ApiError], Verdict] | None = None

    def fits(self, refusal: Refusal) -> bool:
        return refusal.response.status in self.statuses and (
            self.when is None or self.when(refusal)
        )

    def verdict(self, refusal: Refusal) -> Verdict:
        error = refusal.to_error(self.error)
        if self.judge is not None:
            return self.judge(refusal, error)
        if self.about is About.RUN:
            return Fatal(error)
        if self.about is About.MOMENT:
            return Transient(error, refusal.retry_after, self.wait_min)
        return Refused(error, self.about)


def _throttle(refusal: Refusal, error: ApiError) -> Verdict:
    return Throttled(
        error, refusal.retry_after, by_quota=refusal.is_by_quota(), by_second=refusal.is_by_second()
    )


def _pause(refusal: Refusal, error: ApiError) -> Verdict:
    return Throttled(error, refusal.retry_after, ends_run=True)


def _fail(_: Refusal, error: ApiError) -> Verdict:
    return Refused(error, About.MOMENT)


_PAIR, _BATCH, _PATH, _RUN, _MOMENT = About

TABLE: Final = (
    Row(range(300, 400), _PATH, WrongEndpointError, "redirects are not followed: wrong base URL"),
    Row({401}, _RUN, AuthenticationError, "the token"),
    Row({402}, _RUN, ApiError, "the account's subscription"),
    Row({403}, _RUN, MissingScopesError, "the token's scopes", Refusal.lacks_scopes),
    Row({404}, _PATH, WrongEndpointError, "wrong base URL or version", Refusal.is_foreign),
    Row({405}, _PATH, WrongEndpointError, "no such call at this path"),
    Row({407}, _RUN, GatewayError, "a proxy wants credentials"),
    Row({408}, _MOMENT, ApiError, "passing"),
    Row({410}, _RUN, WrongEndpointError, "this API version is gone"),
    Row({413, 414}, _BATCH, ApiError, "too much in one call"),
    Row({423}, _MOMENT, LockedError, "locked for two seconds", wait_min=LOCK_SECONDS),
    Row({426}, _RUN, ApiError, "another protocol is wanted"),
    Row({429}, _RUN, DailyLimitError, "the daily limit", Refusal.is_daily),
    Row({429}, _MOMENT, RateLimitedError, "all calls are paused", judge=_throttle),
    Row({477}, _MOMENT, MigratingError, "the account is being moved, up to 24 hours", judge=_pause),
    Row(
        range(400, 500),
        _PATH,
        GatewayError,
        "a gateway, a proxy or a firewall on the way",
        Refusal.is_foreign,
    ),
    Row(
        {400},
        _RUN,
        UnknownObjectTypeError,
        "an object type that HubSpot does not know",
        Refusal.names_unknown_type,
    ),
    Row({400}, _PAIR, ValidationError, "a bad id; also a missing record"),
    Row(
        {403},
        _RUN,
        PermissionDeniedError,
        "the token's user or app, or the account",
        Refusal.denies_account,
    ),
    Row({403}, _PAIR, ApiError, "a category that is not known: this record"),
    Row({404}, _PAIR, NotFoundError, "the record is gone"),
    Row(range(400, 500), _PAIR, ApiError, "conflict, ...: this pair"),
    Row({525, 526}, _MOMENT, ServerError, "TLS at HubSpot's edge", judge=_fail),
    Row({530}, _MOMENT, ServerError, "Cloudflare's DNS: passing", Refusal.is_cloudflare_text),
    Row({530}, _RUN, AuthenticationError, "a malformed token"),
    Row(range(500, 600), _MOMENT, ServerError, "passing"),
)


def passes_later(status: int) -> bool:
    """Return whether a pair that was refused with *status* may be linked by a later run."""
    return any(row.about is _MOMENT and status in row.statuses for row in TABLE)


def judge_refusal(response: Response, types: tuple[str, str], now: datetime) -> Verdict:
    """Return what a *response* that is not 2xx means; *types*: those that the call names, or ""."""
    return _look_up(Refusal.from_response(response, types, now))


def judge_pair_refusal(response: Response, pair: Pair, now: datetime) -> Verdict:
    types = (pair.from_type, pair.to_type)
    refusal = Refusal.from_response(response, types, now, codec.decode_pair_error)
    match _look_up(refusal):
        case Refused(error, About.BATCH):  # there is nothing smaller than one pair
            return Refused(error)
        case Refused(error, About.PATH):  # and no other path
            return Intercepted(error) if refusal.is_foreign() else Fatal(error)
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
            # Of an error no more is read; and a 2xx may have megabytes.
            body = response.error or codec.decode_pair_error(response.body[:MOST_ERROR_BYTES])
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
