"""
HubSpot's replies, for `mocked`.

HubSpot, Associations v4, "Create Default" and "Error handling" (read 2026-11-28).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import attrs

from aiohubassoc.pair import Pair, canonical_id

_SPEC: Final = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 279}
_TIMES: Final = {"startedAt": "2026-01-01T00:00:00.000Z", "completedAt": "2026-01-01T00:00:00.050Z"}


@attrs.frozen
class Reply:
    """
    One HTTP response.

    Args:
        status: The HTTP status.
        body: The JSON body; None: no body.
        headers: More headers, such as ``{"Retry-After": "2"}``.
    """

    status: int = 200
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = attrs.Factory(dict)


def linked(pair: Pair) -> Reply:
    """Return the reply to a call that links *pair*; it has both directions."""
    return Reply(200, {"status": "COMPLETE", "results": _directions(pair), **_TIMES})


def refused(
    status: int = 400,
    category: str | None = "VALIDATION_ERROR",
    message: str = "refused",
    **more: object,
) -> Reply:
    """
    Return the reply to a call that HubSpot refuses.

    Args:
        status: The HTTP status.
        category: Such as ``"OBJECT_NOT_FOUND"`` (404), ``"MISSING_SCOPES"`` (403) or
            ``"INVALID_AUTHENTICATION"`` (401). None: the body has none.
        message: For people.
        **more: Further fields of the body, such as ``context={"objectId": ["1"]}``.
    """
    body = {"status": "error", "message": message, "correlationId": "0-0-0-0", **more}
    if category is not None:
        body["category"] = category
    return Reply(status, body)


def rate_limited(
    policy: str = "TEN_SECONDLY_ROLLING", *, retry_after: float | None = None
) -> Reply:
    """
    Return the 429 response of a rate limit.

    Args:
        policy: ``"TEN_SECONDLY_ROLLING"``, ``"SECONDLY"``, or ``"DAILY"``, which ends a run.
        retry_after: Seconds, as a header. None: no header.
    """
    message = f"You have reached your {policy.lower()} limit."
    headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
    reply = refused(429, None, message, errorType="RATE_LIMIT", policyName=policy)
    return attrs.evolve(reply, headers=headers)


def batch(
    linked: Iterable[Pair] = (), refused: Iterable[Pair] = (), *, category: str = "OBJECT_NOT_FOUND"
) -> Reply:
    """
    Return the reply to a batch call.

    Args:
        linked: The pairs that are linked.
        refused: The pairs that are not linked, each with a separate error.
        category: The category of these errors.
    """
    results = [result for pair in linked for result in _directions(pair)]
    errors = [
        {
            "status": "error",
            "category": category,
            "message": f"{pair} cannot be linked",
            "context": {"fromObjectId": [pair.from_id], "toObjectId": [pair.to_id]},
        }
        for pair in refused
    ]
    body = {"status": "COMPLETE", "results": results, **_TIMES}
    if not errors:
        return Reply(200, body)
    return Reply(207, {**body, "numErrors": len(errors), "errors": errors})


def _directions(pair: Pair) -> list[dict[str, Any]]:
    ends = {"id": canonical_id(pair.from_id)}, {"id": canonical_id(pair.to_id)}
    return [
        {"from": one, "to": other, "associationSpec": _SPEC} for one, other in (ends, ends[::-1])
    ]
