"""HubSpot's error responses, as its documentation and recorded traffic show them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import attrs

from aiohubassoc.simulator.responses import HTML, CallContext, Document, PortalResponse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohubassoc.simulator.records import ObjectType, RecordRef
    from aiohubassoc.simulator.seeded_random import SeededRandom
    from aiohubassoc.simulator.settings import BatchErrors

# An app and an account that do not exist.
APP_ID = 1234567
ACCOUNT_ID = 12345

_TYPE_ID = re.compile(r"[0-9]+-[0-9]+")
_SCOPES_PAGE = "https://developers.hubspot.com/scopes"
_OAUTH_PAGE = "https://developers.hubspot.com/docs/methods/auth/oauth-overview"


def error_response(
    status: int, message: str, category: str | None = None, **more: object
) -> PortalResponse:
    """Return HubSpot's plain error; some have no *category*."""
    document: Document = {"status": "error", "message": message, **more}
    if category is not None:
        document["category"] = category
    return PortalResponse(status, document)


def validation_error(message: str, **more: object) -> PortalResponse:
    return error_response(400, message, "VALIDATION_ERROR", **more)


# --- the whole call ----------------------------------------------------------------------------


def invalid_token() -> PortalResponse:
    """Return the 401 of a token that is missing, malformed or unknown."""
    return _unauthorized(
        "Authentication credentials not found. This API supports OAuth 2.0 authentication and "
        f"you can find more details at {_OAUTH_PAGE}",
        "INVALID_AUTHENTICATION",
    )


def expired_token() -> PortalResponse:
    return _unauthorized(
        "The OAuth token used to make this call expired 0 second(s) ago.", "EXPIRED_AUTHENTICATION"
    )


def missing_scopes(scopes: Sequence[str]) -> PortalResponse:
    response = error_response(
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
    return attrs.evolve(response, has_rate_headers=False)


def rate_limited(policy: str, retry_after: int | None = None) -> PortalResponse:
    """Return the 429 of a policy such as ``SECONDLY``; *retry_after* is in whole seconds."""
    group = policy.removesuffix("_ROLLING").lower().replace("_", "-")
    response = error_response(
        429,
        f"You have reached your {policy.lower()} limit.",
        errorType="RATE_LIMIT",
        policyName=policy,
        groupName=f"publicapi:private_app-api-calls-{group}:{APP_ID}:{ACCOUNT_ID}",
    )
    if retry_after is None:
        return response
    return attrs.evolve(response, headers={"Retry-After": str(retry_after)})


def unknown_type(written: str) -> PortalResponse:
    """Return the 400 of an unknown object type; a type id has its own wording."""
    if _TYPE_ID.fullmatch(written):
        return error_response(400, f"Invalid object or event type id: {written}")
    return error_response(400, f"Unable to infer object type from: {written}")


def _unauthorized(message: str, category: str) -> PortalResponse:
    headers = {"X-HubSpot-Auth-Failure": "401 Unauthorized"}
    response = error_response(401, message, category)
    return attrs.evolve(response, has_rate_headers=False, headers=headers)


# --- records -----------------------------------------------------------------------------------


def invalid_id(ref: RecordRef) -> PortalResponse | None:
    """Return the 404 of an impossible id, None for a possible one."""
    if not ref.is_numeric:
        # Two blanks, as in recorded responses.
        message = "Object not found.  objectId are usually numeric."
    elif int(ref.record_id) < 1:
        message = "Object not found. objectId is usually positive."
    else:
        return None
    return error_response(404, message, "OBJECT_NOT_FOUND", context={"id": [ref.record_id]})


def missing_records(refs: list[RecordRef], *, with_ids: bool) -> PortalResponse:
    """Return the 400 for missing records; *with_ids* adds their ids and types to the context."""
    context: Document = {"INVALID_OBJECT_IDS": [_sentence(ref) for ref in refs]}
    if with_ids:
        context["objectId"] = [ref.record_id for ref in refs]
        context["objectType"] = [ref.kind.label for ref in refs]
    return validation_error("One or more associations are invalid", context=context)


def missing_record(ref: RecordRef, role: str) -> PortalResponse:
    context = {"objectType": [ref.kind.singular], "id": [ref.record_id]}
    return PortalResponse(404, _not_found(ref, role, context))


def _not_found(ref: RecordRef, role: str, context: Document) -> Document:
    return {
        "status": "error",
        "category": "OBJECT_NOT_FOUND",
        "subCategory": f"crm.associations.{role}_OBJECT_NOT_FOUND",
        "message": f"No {ref.kind.singular} with ID {ref.record_id} exists",
        "context": context,
    }


def _sentence(ref: RecordRef) -> str:
    return f"{ref.kind.label}={ref.record_id} is not valid"


# --- records of a batch ------------------------------------------------------------------------


class BatchErrorBodies:
    """The errors of batch calls about missing records; *names*: which records they name."""

    def __init__(self, names: BatchErrors, rng: SeededRandom) -> None:
        self._names = names
        self._rng = rng

    def whole_call(self, refs: list[RecordRef]) -> PortalResponse:
        if self._names == "unnamed":
            return validation_error("One or more associations are invalid")
        named = refs[:1] if self._names == "first" else refs
        return missing_records(named, with_ids=self._names != "ends")

    def one_record(
        self, ref: RecordRef, role: str, ids: Document, context: CallContext
    ) -> Document:
        """Return the error for a missing record of a call that succeeded for others."""
        if self._names in {"named", "first"}:
            return _not_found(ref, role, ids)
        if self._names == "unnamed":
            message = f"Some {ref.kind.singular} records do not exist"
            return _not_found(ref, role, {}) | {"message": message}
        key = f"{context.key}|{role}|{ref.record_id}"
        if self._rng.uniform("error", key, context.number) < 1 / 2:
            named = {"objectId": [ref.record_id], "objectType": [ref.kind.label]}
        else:
            named = {"INVALID_OBJECT_IDS": [_sentence(ref)]}
        return _not_found(ref, role, named)


def no_links(ref: RecordRef, to_type: ObjectType) -> Document:
    """Return the error of a read about a record without links."""
    singular, record_id = ref.kind.singular, ref.canonical_id
    return {
        "status": "error",
        "category": "OBJECT_NOT_FOUND",
        "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
        "message": f"No {to_type.singular} is associated with {singular} {record_id}.",
        "context": {
            "fromObjectId": [record_id],
            "fromObjectType": [singular],
            "toObjectType": [to_type.singular],
        },
    }


# --- pages of Cloudflare and of HubSpot's router ------------------------------------------------

_CLOUDFLARE_HTML = "text/html; charset=UTF-8"

_SHORT_PAGE = (
    "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
    "<center><h1>{title}</h1></center>\r\n<hr><center>cloudflare</center>\r\n"
    "</body>\r\n</html>\r\n"
)
_TIMEOUT_PAGE = (
    '<!DOCTYPE html>\n<html class="no-js" lang="en-US">\n<head>\n'
    "<title>api.hubapi.com | 504: Gateway time-out</title>\n</head>\n<body>\n"
    '<span class="code-label">Error code 504</span>\n</body>\n</html>\n'
)
_ROUTER_PAGE = (
    '<html>\n<head>\n<meta http-equiv="Content-Type" content="text/html;charset=utf-8"/>\n'
    "<title>Error {status} {title}</title>\n</head>\n<body><h2>HTTP ERROR {status}</h2>\n"
    "<p>{title}</p>\n</body>\n</html>\n"
)


def short_page(status: int, title: str) -> PortalResponse:
    return _page(status, _SHORT_PAGE.format(title=f"{status} {title}"), _CLOUDFLARE_HTML)


def gateway_timeout() -> PortalResponse:
    return _page(504, _TIMEOUT_PAGE, _CLOUDFLARE_HTML)


def cloudflare_rate_limited() -> PortalResponse:
    return _page(429, "error code: 1015", "text/plain; charset=UTF-8")


def problem_json(retry_after: int) -> PortalResponse:
    """Return Cloudflare's problem JSON, whose ``status`` is an int where HubSpot has a string."""
    response = _page(502, "", "application/json", **{"Retry-After": str(retry_after)})
    return attrs.evolve(
        response,
        document={
            "type": "https://developers.cloudflare.com/support/troubleshooting/"
            "http-status-codes/cloudflare-5xx-errors/error-502/",
            "title": "Error 502: Bad gateway",
            "status": 502,
            "error_code": 502,
            "error_name": "origin_bad_gateway",
            "error_category": "origin",
            "zone": "hubapi.com",
            "cloudflare_error": True,
            "retryable": True,
            "retry_after": retry_after,
        },
    )


def not_found() -> PortalResponse:
    return _page(404, _ROUTER_PAGE.format(status=404, title="Not Found"), HTML)


def method_not_allowed(allowed: str) -> PortalResponse:
    """Return the router's page for a path that has only another method."""
    page = _ROUTER_PAGE.format(status=405, title="Method Not Allowed")
    return _page(405, page, HTML, Allow=f"{allowed},OPTIONS")


def redirect() -> PortalResponse:
    """Return a redirect to another path of this portal: following it leads to no other host."""
    return _page(302, "", HTML, Location="/login")


def _page(status: int, text: str, content_type: str, **headers: str) -> PortalResponse:
    return PortalResponse(
        status,
        text=text,
        content_type=content_type,
        headers=headers,
        from_hubspot=False,
        has_rate_headers=False,
    )
