"""
Whether a call is retried, and after how many seconds. No clock and no randomness in here.

Everywhere *attempt* counts from 1, *elapsed* is in seconds since the pair was first sent, without
time in the wait queue, and *jitter* is drawn evenly from 0 to 1.
"""

from __future__ import annotations

from enum import StrEnum
from math import inf
from typing import TYPE_CHECKING, Final, TypeAlias

import attrs

if TYPE_CHECKING:
    from aiohubassoc._protocol.verdicts import Throttled, Transient
    from aiohubassoc.options import RetryPolicy


class Why(StrEnum):
    """Why a call is not retried."""

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

# Seconds between two attempts to connect: a policy without waits must not try without a pause.
_LEAST_RECONNECT_WAIT: Final = 0.1


def clamp(policy: RetryPolicy, retry_after: float | None) -> float | None:
    """Return *retry_after* cut to what *policy* allows; None stays None. Seconds."""
    if retry_after is None or policy.retry_after_max is None:
        return retry_after
    return min(retry_after, policy.retry_after_max)


def backoff(policy: RetryPolicy, attempt: int, jitter: float) -> float:
    """Return the seconds to wait after an attempt: "full jitter"."""
    doublings = min(attempt - 1, 60)  # beyond that wait_max rules, and 2.0 ** 1100 overflows
    return jitter * min(policy.wait_max, policy.wait_initial * 2.0**doublings)


def decide_transient(
    policy: RetryPolicy, verdict: Transient, *, attempt: int, elapsed: float, jitter: float
) -> Decision:
    if policy.attempts is not None and attempt >= policy.attempts:
        return GiveUp(Why.ATTEMPTS)
    wait = verdict.wait_min + backoff(policy, attempt, jitter)
    pause = max(wait, clamp(policy, verdict.retry_after) or 0.0)
    return decide_throttled(policy, pause=pause, elapsed=elapsed)


def is_beyond_patience(policy: RetryPolicy, verdict: Throttled) -> bool:
    """Return whether HubSpot asks for so long a wait that the run stops instead."""
    patience = policy.retry_after_max
    return verdict.ends_run and patience is not None and (verdict.retry_after or 0.0) > patience


def decide_throttled(policy: RetryPolicy, *, pause: float, elapsed: float) -> Decision:
    """Decide after a throttle that pauses all calls for *pause* seconds: no attempt counts."""
    if policy.budget is not None and elapsed + pause > policy.budget:
        return GiveUp(Why.BUDGET)
    return Retry(pause)


def decide_unconnected(
    policy: RetryPolicy, *, failures: int, elapsed: float, jitter: float
) -> Decision:
    """Decide in a run after *failures* attempts in a row made no connection: they do not count."""
    # The last attempt is made when the budget ends, so that an outage that ends before is survived.
    left = inf if policy.budget is None else policy.budget - elapsed
    if left <= 0:
        return GiveUp(Why.BUDGET)
    return Retry(min(left, max(_LEAST_RECONNECT_WAIT, backoff(policy, failures, jitter))))
