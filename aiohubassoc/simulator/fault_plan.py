"""What may go wrong at a portal, how often, and at exactly which call."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeAlias

import attrs

# From type, from id, to type, to id.
ScriptedPair: TypeAlias = tuple[str, str, str, str]


class Fault(StrEnum):
    """Every fault by name; `FaultPlan` describes each."""

    SERVER_ERROR_500 = "server_error_500"
    BAD_GATEWAY_HTML_502 = "bad_gateway_html_502"
    UNAVAILABLE_503 = "unavailable_503"
    GATEWAY_TIMEOUT_504 = "gateway_timeout_504"
    CLOUDFLARE_524 = "cloudflare_524"
    PROBLEM_JSON_502 = "problem_json_502"
    LOCKED_423 = "locked_423"
    MIGRATING_477 = "migrating_477"
    THROTTLED_429 = "throttled_429"
    THROTTLED_429_BARE = "throttled_429_bare"
    CLOUDFLARE_1015 = "cloudflare_1015"
    SLOW = "slow"
    NEVER_BEFORE = "never_before"
    NEVER_AFTER = "never_after"
    RESET_BEFORE = "reset_before"
    RESET_AFTER = "reset_after"
    CUT_BODY = "cut_body"
    GARBLED_BODY = "garbled_body"
    NO_BODY = "no_body"
    ACCEPTED_202 = "accepted_202"
    PENDING = "pending"
    ERRORS_IN_2XX = "errors_in_2xx"
    PARTIAL_207 = "partial_207"
    EMPTY_RESULTS = "empty_results"
    NOT_FOUND_HTML_404 = "not_found_html_404"
    REDIRECT_302 = "redirect_302"
    UNKNOWN_FIELDS = "unknown_fields"
    CREATED_201 = "created_201"
    UNMADE = "unmade"


# Shares that add up to 1 may miss it by their rounding.
_SHARES_SLACK = 1e-9
_SCRIPTS = ("script_batches", "script_reads", "script_account", "script_all")


@attrs.frozen
class FaultPlan:
    """
    Which faults hit which share of the calls that the rate limits let through.

    Each share is from 0 to 1, and at most one fault hits a call, so the shares must not add up to
    more than 1. "Linked" means that the call makes its link although the response does not show it;
    the other faults make no link. A fault that changes a success has no effect on a call that is
    refused.

    Args:
        server_error_500: HubSpot's JSON "internal error".
        bad_gateway_html_502: Cloudflare's short HTML page; HubSpot has not seen the call.
        unavailable_503: A 503 without a body.
        gateway_timeout_504: Cloudflare's HTML page; HubSpot has not seen the call.
        cloudflare_524: Cloudflare's HTML page; HubSpot has not seen the call.
        problem_json_502: Cloudflare's newer JSON with an int ``status`` and ``Retry-After``;
            HubSpot has not seen the call.
        locked_423: The record is locked; no body.
        migrating_477: The account is being migrated; ``Retry-After``, no body.
        throttled_429: A 429 of the ten-second limit although the window has room, with
            ``Retry-After``.
        throttled_429_bare: The same without ``Retry-After``.
        cloudflare_1015: Cloudflare's own 429, plain text; HubSpot has not seen the call.
        slow: The response takes `slow_seconds` longer. Linked.
        never_before: No response is ever sent, and nothing is linked.
        never_after: No response is ever sent. Linked.
        reset_before: The connection is reset; HubSpot has not seen the call.
        reset_after: The connection is reset. Linked.
        cut_body: The connection closes in the middle of the body. Linked.
        garbled_body: The body is JSON that stops in the middle, at its stated length. Linked.
        no_body: 204. Linked.
        accepted_202: 202 and the status ``PENDING``. Linked.
        pending: 200 and the status ``PENDING``. Linked.
        errors_in_2xx: 200, ``COMPLETE``, no results, one error.
        partial_207: One result is replaced by an error. Linked.
        empty_results: 200, ``COMPLETE``, no results, no errors.
        not_found_html_404: The HTML page of a path that does not exist.
        redirect_302: A redirect to another path of the portal.
        unknown_fields: A success with undocumented fields and enum values, and with integer ids.
            Linked.
        created_201: A success with 201 instead of 200. Linked.
        unmade: A usual success, and nothing is linked: of a batch, none of its pairs. It does not
            show on a read, which links nothing.
        slow_seconds: What `slow` adds, in seconds.
        throttled_retry_after: Whole seconds, the ``Retry-After`` of `throttled_429`.
        migrating_retry_after: Whole seconds, the ``Retry-After`` of `migrating_477`; up to 86,400
            at HubSpot (HubSpot, API error handling).
        problem_retry_after: Whole seconds, the ``Retry-After`` of `problem_json_502`; 60 at
            Cloudflare.
        first_arrivals_only: Faults hit at most this many calls of a pair, the first ones, so that
            a retry succeeds in the end. None: any. Scripts have no such bound.
        script: For a pair, the faults of its successive calls, None for a call without a fault.
            The shares decide beyond the script.
        script_batches: The same for successive batch calls that create links, with any pairs.
        script_reads: The same for successive reads of links.
        script_account: The same for successive calls about the account. No other fault hits
            them, and faults that change the body of a success have no effect on them.
        script_all: The same for successive calls of the whole portal; the other scripts come
            first.

    Raises:
        ValueError: a share or a number out of range, or an unknown fault in a script.
    """

    server_error_500: float = 0.0
    bad_gateway_html_502: float = 0.0
    unavailable_503: float = 0.0
    gateway_timeout_504: float = 0.0
    cloudflare_524: float = 0.0
    problem_json_502: float = 0.0
    locked_423: float = 0.0
    migrating_477: float = 0.0
    throttled_429: float = 0.0
    throttled_429_bare: float = 0.0
    cloudflare_1015: float = 0.0
    slow: float = 0.0
    never_before: float = 0.0
    never_after: float = 0.0
    reset_before: float = 0.0
    reset_after: float = 0.0
    cut_body: float = 0.0
    garbled_body: float = 0.0
    no_body: float = 0.0
    accepted_202: float = 0.0
    pending: float = 0.0
    errors_in_2xx: float = 0.0
    partial_207: float = 0.0
    empty_results: float = 0.0
    not_found_html_404: float = 0.0
    redirect_302: float = 0.0
    unknown_fields: float = 0.0
    created_201: float = 0.0
    unmade: float = 0.0
    slow_seconds: float = attrs.field(default=5.0, validator=attrs.validators.ge(0))
    throttled_retry_after: int = attrs.field(default=1, validator=attrs.validators.ge(0))
    migrating_retry_after: int = attrs.field(default=1, validator=attrs.validators.ge(0))
    problem_retry_after: int = attrs.field(default=60, validator=attrs.validators.ge(0))
    first_arrivals_only: int | None = attrs.field(
        default=None, validator=attrs.validators.optional(attrs.validators.ge(0))
    )
    script: Mapping[ScriptedPair, tuple[str | None, ...]] = attrs.field(factory=dict)
    script_batches: tuple[str | None, ...] = ()
    script_reads: tuple[str | None, ...] = ()
    script_account: tuple[str | None, ...] = ()
    script_all: tuple[str | None, ...] = ()

    def __attrs_post_init__(self) -> None:
        shares = self.shares()
        for fault, share in shares.items():
            if not 0 <= share <= 1:
                raise ValueError(f"{fault} must be a share from 0 to 1, not {share!r}")
        if sum(shares.values()) > 1 + _SHARES_SLACK:
            raise ValueError("the shares of all faults add up to more than 1")
        for scripted in (*(getattr(self, name) for name in _SCRIPTS), *self.script.values()):
            for name in scripted:
                if name is not None:
                    Fault(name)

    def shares(self) -> dict[Fault, float]:
        """Return the share of every fault."""
        return {fault: getattr(self, fault) for fault in Fault}

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as JSON can hold it."""
        fields = attrs.asdict(self, filter=lambda field, _: field.name != "script")
        return fields | {"script": [[list(pair), list(hit)] for pair, hit in self.script.items()]}

    @classmethod
    def from_dict(cls, written: Mapping[str, Any]) -> FaultPlan:
        """Return the plan that `to_dict` wrote; what is missing keeps its default."""
        fields = dict(written)
        script = {tuple(pair): tuple(hit) for pair, hit in fields.pop("script", ())}
        for name in _SCRIPTS:
            if name in fields:
                fields[name] = tuple(fields[name])
        return cls(script=script, **fields)
