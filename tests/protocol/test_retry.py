"""Whether to try again, and when."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from aiohubassoc import ApiError, RetryPolicy, ServerError
from aiohubassoc._protocol.retry import (
    GiveUp,
    Retry,
    Why,
    backoff,
    clamp,
    decide_throttled,
    decide_transient,
    decide_unconnected,
    is_beyond_patience,
)
from aiohubassoc._protocol.verdicts import Throttled, Transient

ERROR = ServerError(500, None, "internal error", None)
POLICY = RetryPolicy()
UNBOUND = RetryPolicy(attempts=None, budget=None, retry_after_max=None)


@pytest.mark.parametrize(
    ("attempt", "jitter", "expected"),
    [(1, 1.0, 0.5), (2, 1.0, 1.0), (3, 1.0, 2.0), (6, 1.0, 16.0), (7, 1.0, 20.0), (3, 0.25, 0.5)],
)
def test_full_jitter(attempt: int, jitter: float, expected: float) -> None:
    """The wait is drawn from 0 to a bound that doubles with each try, up to wait_max."""
    assert expected == backoff(POLICY, attempt, jitter)


def test_the_last_try_is_the_last() -> None:
    """Five attempts are five tries, the first included."""
    verdict = Transient(ERROR)
    decisions = [
        decide_transient(POLICY, verdict, attempt=attempt, elapsed=0.0, jitter=0.5)
        for attempt in (4, 5)
    ]
    assert [Retry(2.0), GiveUp(Why.ATTEMPTS)] == decisions


def test_the_budget_ends_it_too() -> None:
    """No try begins after the budget, counted from the first sending."""
    policy = RetryPolicy(attempts=None, budget=10.0)
    verdict = Transient(ERROR, retry_after=4.0)
    decisions = [
        decide_transient(policy, verdict, attempt=1, elapsed=elapsed, jitter=0.0)
        for elapsed in (6.0, 6.01)
    ]
    assert [Retry(4.0), GiveUp(Why.BUDGET)] == decisions


@pytest.mark.parametrize(
    ("policy", "elapsed", "jitter", "expected"),
    [
        (POLICY, 0.0, 0.5, Retry(0.25)),
        (POLICY, 0.0, 0.0, Retry(0.1)),
        (RetryPolicy(attempts=1, wait_max=0.0), 0.0, 0.5, Retry(0.1)),
        (RetryPolicy(budget=10.0), 9.875, 1.0, Retry(0.125)),
        (RetryPolicy(budget=10.0), 10.0, 1.0, GiveUp(Why.BUDGET)),
        (UNBOUND, 1e9, 0.5, Retry(0.25)),
    ],
)
def test_attempts_that_make_no_connection(
    policy: RetryPolicy, elapsed: float, jitter: float, expected: Retry | GiveUp
) -> None:
    """Only the budget bounds them, to its end; between two of them there is always a pause."""
    decision = decide_unconnected(policy, failures=1, elapsed=elapsed, jitter=jitter)
    assert expected == decision


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (Transient(ERROR), 0.25),
        (Transient(ERROR, retry_after=3.0), 3.0),
        (Transient(ERROR, retry_after=0.0), 0.25),
        (Transient(ERROR, retry_after=500.0), 60.0),
        (Transient(ERROR, wait_min=2.0), 2.25),
        (Transient(ERROR, wait_min=2.0, retry_after=1.0), 2.25),
    ],
)
def test_the_wait_is_the_longest_asked_for(verdict: Transient, expected: float) -> None:
    """`Retry-After`, cut to the policy's patience, and the least useful wait are both honoured."""
    decision = decide_transient(POLICY, verdict, attempt=1, elapsed=0.0, jitter=0.5)
    assert Retry(expected) == decision


@pytest.mark.parametrize(
    ("policy", "retry_after", "expected"),
    [(POLICY, 61.0, 60.0), (POLICY, 5.0, 5.0), (POLICY, None, None), (UNBOUND, 9e9, 9e9)],
)
def test_patience_clamps(
    policy: RetryPolicy, retry_after: float | None, expected: float | None
) -> None:
    """A longer `Retry-After` than the policy allows is cut; None stays None."""
    assert expected == clamp(policy, retry_after)


def test_a_refusal_by_the_gate_ends_with_the_budget_only() -> None:
    """A 429 uses no try; pauses count in the budget."""
    decisions = [decide_throttled(POLICY, pause=10.0, elapsed=e) for e in (0.0, 110.0, 110.1)]
    assert [Retry(10.0), Retry(10.0), GiveUp(Why.BUDGET)] == decisions
    assert Retry(10.0) == decide_throttled(UNBOUND, pause=10.0, elapsed=1e9)


@pytest.mark.parametrize(
    ("policy", "retry_after", "ends_run", "expected"),
    [
        (POLICY, 61.0, True, True),
        (POLICY, 60.0, True, False),
        (POLICY, None, True, False),
        (POLICY, 61.0, False, False),
        (UNBOUND, 9e9, True, False),
        (RetryPolicy(retry_after_max=0.5), None, True, False),
        (RetryPolicy(retry_after_max=0.5), 0.6, True, True),
    ],
)
def test_patience(
    policy: RetryPolicy, retry_after: float | None, *, ends_run: bool, expected: bool
) -> None:
    """Only a wait that concerns the whole account and is too long ends the run."""
    error = ApiError(477, None, "moving", None)
    assert expected == is_beyond_patience(policy, Throttled(error, retry_after, ends_run))


seconds = st.floats(0, 1e6)


@given(
    policy=st.builds(
        RetryPolicy,
        attempts=st.none() | st.integers(1, 2000),
        budget=st.none() | st.floats(0.001, 1e6),
        wait_initial=seconds,
        wait_max=seconds,
        retry_after_max=st.none() | st.floats(0.001, 1e6),
    ),
    verdict=st.builds(Transient, st.just(ERROR), st.none() | seconds, st.sampled_from([0.0, 2.0])),
    attempt=st.integers(1, 10**6),
    elapsed=seconds,
    jitter=st.floats(0, 1, exclude_max=True),
)
def test_the_laws_of_waiting(
    policy: RetryPolicy, verdict: Transient, attempt: int, elapsed: float, jitter: float
) -> None:
    """A wait is never negative, beyond its bounds, or allowed to end after the budget."""
    decision = decide_transient(policy, verdict, attempt=attempt, elapsed=elapsed, jitter=jitter)
    if isinstance(decision, GiveUp):
        used_up = policy.attempts is not None and attempt >= policy.attempts
        assert used_up == (decision.why is Why.ATTEMPTS)
        return
    asked = clamp(policy, verdict.retry_after) or 0.0
    assert max(asked, verdict.wait_min) <= decision.after
    assert decision.after <= max(asked, verdict.wait_min + policy.wait_max)
    assert policy.budget is None or elapsed + decision.after <= policy.budget
