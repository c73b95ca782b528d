"""HubSpot's error bodies, as its documentation and recorded traffic show them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import attrs

from aiohubassoc.simulator.responses import Document, PortalResponse

if TYPE_CHECKING:
    from collections.abc import Sequence

# An app and an account that nobody has; they show in the group name of a 429.
_APP_ID = 1234567
_ACCOUNT_ID = 12345

_TYPE_ID = re.compile(r"[0-9]+-[0-9]+")
_SCOPES_PAGE = "https://developers.hubspot.com/scopes"
_OAUTH_PAGE = "https://developers.hubspot.com/docs/methods/auth/oauth-overview"


def refusal(
    status: int, message: str, category: str | None = None, **more: object
) -> PortalResponse:
    """Return HubSpot's plain error; some of them have no *category*."""
    document: Document = {"status": "error", "message": message, **more}
    if category is not None:
        document["category"] = category
    return PortalResponse(status, document)


def no_authentication() -> PortalResponse:
    """Return the 401 of a token that is missing, malformed or unknown."""
    return _unauthorized(
        "Authentication credentials not found. This API supports OAuth 2.0 authentication and "
        f"you can find more details at {_OAUTH_PAGE}",
        "INVALID_AUTHENTICATION",
    )


def expired_authentication() -> PortalResponse:
    """Return the 401 of a token that was good once."""
    return _unauthorized(
        "The OAuth token used to make this call expired 0 second(s) ago.",
        "EXPIRED_AUTHENTICATION",
    )


def missing_scopes(scopes: Sequence[str]) -> PortalResponse:
    """Return the 403 that names the scopes it wants."""
    answer = refusal(
        403,
        "This app hasn't been granted all required scopes to make this call. "
        f"Read more about required scopes here: {_SCOPES_PAGE}.",
        "MISSING_SCOPES",
        errors=[
            {
                "message": "One or more of the following scopes are required.",
                "context": {"requiredGranularScopes": list(scopes)},
            }
        ],
        links={"scopes": _SCOPES_PAGE},
    )
    return attrs.evolve(answer, tells_limits=False)


def throttled(policy: str, retry_after: int | None = None) -> PortalResponse:
    """
    Return the 429 of a rate limit, which has no category.

    Args:
        policy: ``TEN_SECONDLY_ROLLING``, ``SECONDLY`` or ``DAILY``.
        retry_after: Whole seconds. None: the answer does not say.
    """
    group = policy.removesuffix("_ROLLING").lower().replace("_", "-")
    answer = refusal(
        429,
        f"You have reached your {policy.lower()} limit.",
        errorType="RATE_LIMIT",
        policyName=policy,
        groupName=f"publicapi:private_app-api-calls-{group}:{_APP_ID}:{_ACCOUNT_ID}",
    )
    if retry_after is None:
        return answer
    return attrs.evolve(answer, headers={"Retry-After": str(retry_after)})


def unknown_type(written: str) -> PortalResponse:
    """Return the 400 of an object type that does not exist; a type id has words of its own."""
    if _TYPE_ID.fullmatch(written):
        return refusal(400, f"Invalid object or event type id: {written}")
    return refusal(400, f"Unable to infer object type from: {written}")


def invalid(message: str, **more: object) -> PortalResponse:
    """Return a 400 VALIDATION_ERROR."""
    return refusal(400, message, "VALIDATION_ERROR", **more)


def _unauthorized(message: str, category: str) -> PortalResponse:
    headers = {"X-HubSpot-Auth-Failure": "401 Unauthorized"}
    return attrs.evolve(refusal(401, message, category), tells_limits=False, headers=headers)
