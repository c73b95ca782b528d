"""
The status table: what each response that is not 2xx means, as data.

The first row from the top that fits decides. Each row says what a refusal is about. No other module
knows statuses. Sources: HubSpot, API error handling, and recorded responses (2013-2026). Where they
leave a doubt, the row has the meaning that loses no pair.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import attrs

from aiohubassoc._protocol import codec, headers as _headers
from aiohubassoc._protocol.verdicts import (
    About,
    Fatal,
    Refused,
    Response,
    Throttled,
    Transient,
    Verdict,
    decode_start,
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
    UnknownObjectTypeError,
    ValidationError,
    WrongEndpointError,
)

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
    """
    A response that is not 2xx.

    Attributes:
        response: The response.
        body: What could be read of its body.
        types: The two object types of the pairs that were sent.
        now: The local time, aware.
    """

    response: Response
    body: codec.ErrorBody
    types: tuple[str, str]
    now: datetime

    @classmethod
    def from_response(
        cls,
        response: Response,
        types: tuple[str, str],
        now: datetime,
        decode: Callable[[bytes], codec.ErrorBody | None] = codec.decode_error,
    ) -> Refusal:
        """Return the refusal that *response* is; *decode* reads its body."""
        response.error = response.error or decode(response.body) or _NO_BODY
        return cls(response, response.error, types, now)

    @property
    def retry_after(self) -> float | None:
        """Seconds that HubSpot asks to wait; None where it does not say."""
        return _headers.retry_after(self.response.headers, self.now)

    def is_hubspot(self) -> bool:
        """Return whether HubSpot's API wrote it, not a gateway or another server."""
        return self.body.is_hubspot

    def is_foreign(self) -> bool:
        """Return whether something other than HubSpot's API wrote it."""
        return not self.body.is_hubspot

    def is_cloudflare_text(self) -> bool:
        """Return whether it is the short text of HubSpot's edge."""
        return self.response.body.lstrip().lower().startswith(b"error code:")

    def lacks_scopes(self) -> bool:
        """Return whether the token lacks scopes."""
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
        """Return whether HubSpot does not know one of the two types."""
        return self.unknown_type() is not None

    def is_daily(self) -> bool:
        """Return whether the day's limit is used up."""
        if self.body.policy_name:
            return "DAILY" in self.body.policy_name.upper()
        return "daily limit" in (self.body.message or "").lower()

    def is_by_quota(self) -> bool:
        """Return whether the window's limit is used up, not one of HubSpot's edge or a second's."""
        if self.body.policy_name:
            return "ROLLING" in self.body.policy_name.upper()
        return self.body.is_hubspot

    def to_error(self, cls: type[ApiError]) -> ApiError:
        """Return it as an error of that class."""
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
        """Return the fields that are of that class only."""
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
    """
    One row of the table.

    Attributes:
        statuses: The HTTP statuses that it speaks of.
        about: What such a refusal is about, in a call for many pairs.
        error: The class of the error.
        why: The reason, for people.
        when: A further condition; None: there is none.
        wait_min: Seconds before which a retry cannot succeed.
        judge: Makes the verdict; None: *about* decides it.
    """

    statuses: frozenset[int] | range
    about: About
    error: type[ApiError]
    why: str
    when: Callable[[Refusal], bool] | None = None
    wait_min: float = 0.0
    judge: Callable[[Refusal, ApiError], Verdict] | None = None

    def fits(self, refusal: Refusal) -> bool:
        """Return whether the row fits *refusal*."""
        return refusal.response.status in self.statuses and (
            self.when is None or self.when(refusal)
        )

    def verdict(self, refusal: Refusal) -> Verdict:
        """Return the verdict of the row on *refusal*."""
        error = refusal.to_error(self.error)
        if self.judge is not None:
            return self.judge(refusal, error)
        if self.about is About.RUN:
            return Fatal(error)
        if self.about is About.MOMENT:
            return Transient(error, refusal.retry_after, self.wait_min)
        return Refused(error, self.about)


def _row(*statuses: int, about: About, error: type[ApiError], why: str, **more: Any) -> Row:  # noqa: ANN401 -- fields of `Row`
    return Row(frozenset(statuses), about, error, why, **more)


def _throttle(refusal: Refusal, error: ApiError) -> Verdict:
    return Throttled(error, refusal.retry_after, by_quota=refusal.is_by_quota())


def _wait_for_move(refusal: Refusal, error: ApiError) -> Verdict:
    return Throttled(error, refusal.retry_after, ends_run=True)


def _fail(_: Refusal, error: ApiError) -> Verdict:
    return Refused(error, About.MOMENT)


_PAIR, _BATCH, _PATH, _RUN, _MOMENT = About

TABLE: Final[tuple[Row, ...]] = (
    Row(range(300, 400), _PATH, WrongEndpointError, "redirects are not followed: wrong base URL"),
    _row(401, about=_RUN, error=AuthenticationError, why="the token"),
    _row(402, about=_RUN, error=ApiError, why="the account's subscription"),
    _row(
        403,
        about=_RUN,
        error=MissingScopesError,
        when=Refusal.lacks_scopes,
        why="the token's scopes",
    ),
    _row(
        404,
        about=_PATH,
        error=WrongEndpointError,
        when=Refusal.is_foreign,
        why="wrong base URL or version",
    ),
    _row(405, about=_PATH, error=WrongEndpointError, why="no such call at this path"),
    _row(407, about=_RUN, error=GatewayError, why="a proxy wants credentials"),
    _row(408, about=_MOMENT, error=ApiError, why="passing"),
    _row(410, about=_RUN, error=WrongEndpointError, why="this API version is gone"),
    _row(413, 414, about=_BATCH, error=ApiError, why="too much in one call"),
    _row(
        423,
        about=_MOMENT,
        error=LockedError,
        wait_min=LOCK_SECONDS,
        why="locked for two seconds",
    ),
    _row(426, about=_RUN, error=ApiError, why="another protocol is wanted"),
    _row(429, about=_RUN, error=DailyLimitError, when=Refusal.is_daily, why="the daily limit"),
    _row(429, about=_MOMENT, error=RateLimitedError, judge=_throttle, why="all calls are paused"),
    _row(
        477,
        about=_MOMENT,
        error=MigratingError,
        judge=_wait_for_move,
        why="the account is being moved, up to 24 hours",
    ),
    Row(
        range(400, 500),
        _PATH,
        GatewayError,
        "a gateway, a proxy or a firewall on the way",
        when=Refusal.is_foreign,
    ),
    _row(
        400,
        about=_RUN,
        error=UnknownObjectTypeError,
        when=Refusal.names_unknown_type,
        why="an object type that HubSpot does not know",
    ),
    _row(400, about=_PAIR, error=ValidationError, why="a bad id; also a missing record"),
    _row(
        403,
        about=_RUN,
        error=PermissionDeniedError,
        when=Refusal.denies_account,
        why="the token's user or app, or the account",
    ),
    _row(403, about=_PAIR, error=ApiError, why="a category that is not known: this record"),
    _row(404, about=_PAIR, error=NotFoundError, why="the record is gone"),
    Row(range(400, 500), _PAIR, ApiError, "conflict, ...: this pair"),
    _row(525, 526, about=_MOMENT, error=ServerError, judge=_fail, why="TLS at HubSpot's edge"),
    _row(
        530,
        about=_MOMENT,
        error=ServerError,
        when=Refusal.is_cloudflare_text,
        why="Cloudflare's DNS: passing",
    ),
    _row(530, about=_RUN, error=AuthenticationError, why="a malformed token"),
    Row(range(500, 600), _MOMENT, ServerError, "passing"),
)


def passes_later(status: int) -> bool:
    """Return whether a pair that was refused with *status* may be linked by a later run."""
    return any(row.about is _MOMENT and status in row.statuses for row in TABLE)
