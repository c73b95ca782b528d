"""
The status table: what each response that is not 2xx means, as data.

Rows are read from the top; the first that fits decides. Each says what a refusal is about, and
nothing else in the package knows statuses. HubSpot, API error handling, and recorded responses
(2013-2026); where the two leave a doubt, the row takes the reading that loses no pair.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import attrs

from aiohubassoc._protocol.refusal import Refusal
from aiohubassoc._protocol.verdicts import About, Fatal, Refused, Throttled, Transient, Verdict
from aiohubassoc.errors import (
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
        when: What else must hold; None: nothing.
        wait_min: Seconds below which a retry is of no use.
        judge: Makes the verdict; None: *about* says which.
    """

    statuses: frozenset[int] | range
    about: About
    error: type[ApiError]
    why: str
    when: Callable[[Refusal], bool] | None = None
    wait_min: float = 0.0
    judge: Callable[[Refusal, ApiError], Verdict] | None = None

    def fits(self, refusal: Refusal) -> bool:
        """Return whether it decides *refusal* if no row above does."""
        return refusal.response.status in self.statuses and (
            self.when is None or self.when(refusal)
        )

    def verdict(self, refusal: Refusal) -> Verdict:
        """Return what it says of *refusal*."""
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
    _row(429, about=_MOMENT, error=RateLimitedError, judge=_throttle, why="hold everybody"),
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
