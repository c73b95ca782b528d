"""
What an answer means: HubSpot's status table, as data.

Rows are read from the top; the first that fits decides. HubSpot, API error handling, and recorded
answers (2013-2026); where the two leave a doubt, the row takes the reading that loses no pair.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import attrs

from aiohubassoc._core import headers as _headers, wire
from aiohubassoc._core.bounds import kept_headers
from aiohubassoc._core.ids import canonical
from aiohubassoc._core.links import decode_links
from aiohubassoc._core.verdict import (
    Accepted,
    Answer,
    Fatal,
    Partial,
    Refused,
    Throttled,
    Told,
    Transient,
    Verdict,
)
from aiohubassoc.errors import (
    ApiError,
    AuthenticationError,
    DailyLimitError,
    GarbledAnswerError,
    LockedError,
    MigratingError,
    MissingScopesError,
    NotFoundError,
    RateLimitedError,
    ServerError,
    UnconfirmedError,
    ValidationError,
    WrongEndpointError,
)

if TYPE_CHECKING:
    from aiohubassoc.models import DefaultAssociations
    from aiohubassoc.pair import Pair

# HubSpot, API error handling, 423: "locks will last for 2 seconds".
LOCK_SECONDS = 2.0
_SHOWN_BYTES = 1000
_UNFINISHED = frozenset({"PENDING", "PROCESSING"})
_T = TypeVar("_T")

_Judge: TypeAlias = Callable[[Answer, wire.ErrorBody, datetime], Verdict]
_Condition: TypeAlias = Callable[[Answer, wire.ErrorBody], bool]


def judge(answer: Answer, pair: Pair, now: Callable[[], datetime]) -> Verdict:
    """
    Return what *answer* means for *pair*.

    Args:
        answer: Any status, headers and body.
        pair: The pair that was sent.
        now: Gives the local time, aware: for a ``Retry-After`` date in an answer without ``Date``.
    """
    if _is_success(answer):
        return _judge_success(answer, pair)
    return _judge_refusal(answer, now, wire.decode_pair_error)


def judge_batch(answer: Answer, now: Callable[[], datetime]) -> Verdict:
    """
    Return what *answer* to a batch of pairs means; a reply that confirms anything is `Told`.

    Args:
        answer: Any status, headers and body.
        now: As for `judge`.
    """
    if not _is_success(answer):
        return _judge_refusal(answer, now)
    reply = _read(answer, wire.decode_reply)
    if isinstance(reply, Transient):
        return reply
    # It says nothing of any pair, or nothing final.
    if reply.status in _UNFINISHED or not (reply.results or reply.errors):
        return Transient(UnconfirmedError(reply))
    return Told(reply)


def judge_links(answer: Answer, now: Callable[[], datetime]) -> Verdict:
    """
    Return what *answer* to a question for links means; what can be read is `Told`.

    Args:
        answer: Any status, headers and body.
        now: As for `judge`.
    """
    if not _is_success(answer):
        return _judge_refusal(answer, now)
    links = _read(answer, decode_links)
    if isinstance(links, Transient):
        return links
    return Told(links) if links.status not in _UNFINISHED else Transient(UnconfirmedError())


def _is_success(answer: Answer) -> bool:
    return 200 <= answer.status < 300  # noqa: PLR2004 -- "take any 2xx and look into the body"


def _judge_refusal(
    answer: Answer,
    now: Callable[[], datetime],
    decode: Callable[[bytes], wire.ErrorBody | None] = wire.decode_error,
) -> Verdict:
    body = decode(answer.body) or _NO_BODY
    for row in TABLE:
        if answer.status in row.statuses and (row.when is None or row.when(answer, body)):
            return row.judge(answer, body, now())
    return Refused(_api_error(ApiError, answer, body))


def matches(reply: DefaultAssociations, pair: Pair) -> bool:
    """Return whether a result of *reply* links *pair*, in either direction."""
    from_id, to_id = pair.from_id, pair.to_id
    for result in reply.results:  # nearly always the first
        one, other = result.from_id, result.to_id
        if (one == from_id and other == to_id) or (one == to_id and other == from_id):
            return True
    # HubSpot answers with the number that it read: 0101 comes back as 101.
    ends = {(canonical(from_id), canonical(to_id)), (canonical(to_id), canonical(from_id))}
    return any((canonical(r.from_id), canonical(r.to_id)) in ends for r in reply.results)


def _read(answer: Answer, decode: Callable[[bytes], _T]) -> _T | Transient:
    try:
        return decode(answer.body)
    except wire.UndecodableError as error:
        if not answer.body.strip():
            return Transient(UnconfirmedError())
        return Transient(_garbled(answer, error.problems))


def _judge_success(answer: Answer, pair: Pair) -> Verdict:
    reply = _read(answer, wire.decode_pair_reply)
    if isinstance(reply, Transient):
        return reply
    linked = matches(reply, pair)
    # `numErrors` counts ends, not pairs; any at all means that something was not done.
    if reply.errors or (reply.num_errors or 0) > 0:
        return Partial(reply, linked)
    if reply.status == "CANCELED" and linked:
        return Partial(reply, linked=True)
    if not linked or reply.status in _UNFINISHED:
        return Transient(UnconfirmedError(reply))
    return Accepted(reply)


def _garbled(answer: Answer, problems: tuple[str, ...]) -> GarbledAnswerError:
    return GarbledAnswerError(
        f"the answer with status {answer.status} cannot be read: {'; '.join(problems[:3])}",
        maybe_applied=True,
        status=answer.status,
        headers=kept_headers(answer.redaction.in_headers(answer.headers)),
        body_start=_shown(answer.body),
        problems=problems,
    )


def _shown(body: bytes) -> str:
    return body[:_SHOWN_BYTES].decode("utf-8", "replace")


_NO_BODY = wire.ErrorBody()


def _api_error(
    cls: type[ApiError], answer: Answer, body: wire.ErrorBody, **more: object
) -> ApiError:
    message = body.message or ": ".join(filter(None, (body.title, body.detail)))
    return cls(
        answer.status,
        body.category,
        message or _shown(answer.body).strip() or "no body",
        body.correlation_id or _headers.correlation_id(answer.headers),
        body.errors,
        body.context,
        body.sub_category,
        **more,
    )


def _refuse(cls: type[ApiError]) -> _Judge:
    return lambda answer, body, _: Refused(_api_error(cls, answer, body))


def _stop(cls: type[ApiError]) -> _Judge:
    return lambda answer, body, _: Fatal(_api_error(cls, answer, body))


def _again(cls: type[ApiError], wait_min: float = 0.0) -> _Judge:
    return lambda answer, body, now: Transient(
        _api_error(cls, answer, body), _headers.retry_after(answer.headers, now), wait_min
    )


def _wrong_endpoint(answer: Answer, body: wire.ErrorBody, _: datetime) -> Verdict:
    return Fatal(_api_error(WrongEndpointError, answer, body, url=answer.url))


def _migrating(answer: Answer, body: wire.ErrorBody, now: datetime) -> Verdict:
    wait = _headers.retry_after(answer.headers, now)
    error = _api_error(MigratingError, answer, body, retry_after=wait)
    return Throttled(error, wait, ends_run=True)


def _rate_limited(answer: Answer, body: wire.ErrorBody, now: datetime) -> Verdict:
    wait = _headers.retry_after(answer.headers, now)
    told = {"policy": body.policy_name, "retry_after": wait}
    if _is_daily(answer, body):
        return Fatal(_api_error(DailyLimitError, answer, body, **told))
    error = _api_error(RateLimitedError, answer, body, **told)
    return Throttled(error, wait, by_quota=_is_rolling(answer, body))


def _is_daily(_: Answer, body: wire.ErrorBody) -> bool:
    if body.policy_name:
        return "DAILY" in body.policy_name.upper()
    return "daily limit" in (body.message or "").lower()


def _is_rolling(_: Answer, body: wire.ErrorBody) -> bool:
    # Not HubSpot's edge, which speaks neither of an account nor of a policy.
    return "ROLLING" in body.policy_name.upper() if body.policy_name else body.is_hubspot


def _lacks_scopes(_: Answer, body: wire.ErrorBody) -> bool:
    return body.category == "MISSING_SCOPES" or any(
        key in detail.context
        for detail in body.errors
        for key in ("requiredGranularScopes", "requiredScopes")
    )


def _not_hubspot(_: Answer, body: wire.ErrorBody) -> bool:
    return not body.is_hubspot


def _from_cloudflare(answer: Answer, _: wire.ErrorBody) -> bool:
    return answer.body.lstrip().lower().startswith(b"error code:")


@attrs.frozen
class Row:
    """
    One row of the table.

    Attributes:
        statuses: The HTTP statuses that it speaks of.
        judge: Makes the verdict.
        when: What else must hold; None: nothing.
        why: The reason, for people.
    """

    statuses: frozenset[int] | range
    judge: _Judge
    when: _Condition | None
    why: str


def _row(*statuses: int, judge: _Judge, when: _Condition | None = None, why: str) -> Row:
    return Row(frozenset(statuses), judge, when, why)


TABLE: tuple[Row, ...] = (
    Row(range(300, 400), _wrong_endpoint, None, "redirects are not followed: wrong base URL"),
    _row(400, judge=_refuse(ValidationError), why="a bad id or type; also a missing record"),
    _row(401, judge=_stop(AuthenticationError), why="the token"),
    _row(403, judge=_stop(MissingScopesError), when=_lacks_scopes, why="the token's scopes"),
    _row(403, judge=_refuse(ApiError), why="this record, or a permission"),
    _row(404, judge=_wrong_endpoint, when=_not_hubspot, why="wrong base URL or version"),
    _row(404, judge=_refuse(NotFoundError), why="the record is gone"),
    _row(408, judge=_again(ApiError), why="passing"),
    _row(423, judge=_again(LockedError, LOCK_SECONDS), why="locked for two seconds"),
    _row(429, judge=_rate_limited, why="hold everybody; the daily limit ends the run"),
    _row(477, judge=_migrating, why="the account is being moved, up to 24 hours"),
    Row(range(400, 500), _refuse(ApiError), None, "conflict, too long, ...: this pair"),
    _row(525, 526, judge=_refuse(ServerError), why="TLS at HubSpot's edge"),
    _row(530, judge=_again(ServerError), when=_from_cloudflare, why="Cloudflare's DNS: passing"),
    _row(530, judge=_stop(AuthenticationError), why="a malformed token"),
    Row(range(500, 600), _again(ServerError), None, "passing"),
)
