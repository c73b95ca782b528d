"""Which failures can pass: the status table decides it, for a run folder as for a run."""

from __future__ import annotations

import pytest

from aiohubassoc.cli.hints import can_pass_later
from aiohubassoc.errors import (
    AioHubAssocError,
    ApiError,
    ConnectError,
    ConnectionLostError,
    LockedError,
    NotFoundError,
    PairError,
    PreviousFailureError,
    RateLimitedError,
    ResponseTimeoutError,
    ServerError,
    UnconfirmedError,
    ValidationError,
)


def _api(cls: type[ApiError], status: int, category: str | None = None) -> ApiError:
    return cls(status, category, "why", "c-1")


_PASSING = [
    _api(ServerError, 500),
    _api(ServerError, 503, "VALIDATION_ERROR"),  # HubSpot failed, though it names another category
    _api(ServerError, 530),
    _api(LockedError, 423, "LOCKED"),
    _api(RateLimitedError, 429),
    _api(ApiError, 408),
    _api(ApiError, 409, "CONFLICT"),
    ConnectError("refused"),
    ConnectionLostError("broken"),
    ResponseTimeoutError("late"),
    UnconfirmedError(),
]
_LASTING = [
    _api(ValidationError, 400, "VALIDATION_ERROR"),
    _api(NotFoundError, 404, "OBJECT_NOT_FOUND"),
    _api(ApiError, 403, "A_NEW_ONE"),
    _api(ApiError, 413),
    PairError("no pair"),
]


@pytest.mark.parametrize("error", [*_PASSING, *_LASTING], ids=str)
def test_what_can_pass(error: AioHubAssocError) -> None:
    """Also as a failure of an earlier run, of which only category and message are kept."""
    expected = error in _PASSING
    kept = PreviousFailureError(error.label, str(error))
    for one in (error, kept):
        assert can_pass_later(one.label, str(one)) is expected
