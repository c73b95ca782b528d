"""A response, what it can mean, and whether to retry. No clock and no randomness in here."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import attrs

from aiohubassoc._protocol.bounds import NO_SECRETS, Redaction
from aiohubassoc._protocol.links import LinksReply
from aiohubassoc.errors import AioHubAssocError, ApiError
from aiohubassoc.replies import DefaultAssociations

if TYPE_CHECKING:
    from aiohubassoc.options import RetryPolicy


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


class Why(StrEnum):
    """Why a pair is given up."""

    ATTEMPTS = "its attempts are used up"
    BUDGET = "its time is used up"
    PATIENCE = "the wait asked for is longer than retry_after_max"


@attrs.frozen
class Retry:
    """Retry *after* this many seconds."""

    after: float


@attrs.frozen
class GiveUp:
    """Do not retry."""

    why: Why


Decision: TypeAlias = Retry | GiveUp


def clamp(policy: RetryPolicy, retry_after: float | None) -> float | None:
    """Return *retry_after* cut to what *policy* allows; None stays None. Seconds."""
    if retry_after is None or policy.retry_after_max is None:
        return retry_after
    return min(retry_after, policy.retry_after_max)


def backoff(policy: RetryPolicy, attempt: int, jitter: float) -> float:
    """
    Return the seconds to wait after attempt number *attempt* (from 1): "full jitter".

    ``jitter * min(wait_max, wait_initial * 2 ** (attempt - 1))``

    Args:
        policy: For ``wait_initial`` and ``wait_max``.
        attempt: From 1.
        jitter: Drawn evenly from 0 to 1.
    """
    doublings = min(attempt - 1, 60)  # beyond that wait_max rules, and 2.0 ** 1100 overflows
    return jitter * min(policy.wait_max, policy.wait_initial * 2.0**doublings)


def decide_transient(
    policy: RetryPolicy, verdict: Transient, *, attempt: int, elapsed: float, jitter: float
) -> Decision:
    """
    Decide after attempt number *attempt* failed.

    Args:
        policy: The bounds.
        verdict: The fault.
        attempt: From 1: the attempts made, this one included.
        elapsed: Seconds since the pair was first sent, without time in the wait queue.
        jitter: Drawn evenly from 0 to 1.
    """
    if policy.attempts is not None and attempt >= policy.attempts:
        return GiveUp(Why.ATTEMPTS)
    wait = verdict.wait_min + backoff(policy, attempt, jitter)
    return _within(policy, max(wait, clamp(policy, verdict.retry_after) or 0.0), elapsed)


def is_beyond_patience(policy: RetryPolicy, verdict: Throttled) -> bool:
    """Return whether the run ends rather than wait as long as HubSpot asks for."""
    patience = policy.retry_after_max
    return verdict.ends_run and patience is not None and (verdict.retry_after or 0.0) > patience


def decide_throttled(policy: RetryPolicy, *, pause: float, elapsed: float) -> Decision:
    """
    Decide after a throttle: it does not count as an attempt.

    Args:
        policy: The bounds.
        pause: Seconds for which all calls are paused.
        elapsed: Seconds since the pair was first sent, without time in the wait queue.
    """
    return _within(policy, pause, elapsed)


def _within(policy: RetryPolicy, wait: float, elapsed: float) -> Decision:
    if policy.budget is not None and elapsed + wait > policy.budget:
        return GiveUp(Why.BUDGET)
    return Retry(wait)
