"""Makes the calls of an account check, and stops when all later calls would fail too."""

from __future__ import annotations

import asyncio
from datetime import timezone
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from aiohubassoc import errors
from aiohubassoc._http.call_outcome import to_error
from aiohubassoc._http.sender import Call
from aiohubassoc._protocol import codec, headers as _headers
from aiohubassoc._protocol.account_replies import (
    AssociationLimitsReply,
    DailyUsageReply,
    PortalReply,
    check_scopes,
    find_scopes,
    parse_scopes,
)
from aiohubassoc._protocol.links import encode_records
from aiohubassoc._protocol.requests import (
    AccountRequest,
    Endpoint,
    account_details,
    association_limits,
    daily_usage,
    read_links,
    token_info,
)
from aiohubassoc._protocol.verdicts import Accepted, AccountReply, Replied
from aiohubassoc.account import AccountCheck, CheckItem, CheckState, ScopeCheck
from aiohubassoc.pair import OBJECT_TYPE_FORMS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import datetime

    from aiohubassoc._http.sender import Send
    from aiohubassoc.options import Quota

Responses: TypeAlias = dict[str, AccountReply | errors.AioHubAssocError]
"""By call: ``details``, ``read``, ``token info``, ``usage``, ``limits``. Not made: missing."""

_TOKEN_ERRORS: Final = (errors.AuthenticationError, errors.PermissionDeniedError)
_NO_RESPONSE: Final = (
    errors.ConnectError,
    errors.ConnectionLostError,
    errors.ResponseTimeoutError,
)
# A refusal to read (403) is none: a run that only links reads nothing.
_OBSTACLES: Final = (
    errors.AuthenticationError,
    errors.ConnectError,
    errors.DailyLimitError,
    errors.DailyReserveError,
    errors.UnknownObjectTypeError,
)
# With these HubSpot has accepted the token, and knows both types. HubSpot, "Error handling".
_ABOUT_RECORDS: Final = {"OBJECT_NOT_FOUND", "VALIDATION_ERROR", "INVALID_OBJECT_IDS"}


def make_check(responses: Responses, base_url: str, types: tuple[str, str]) -> AccountCheck:
    """Return what *responses* say of the account, the token and two object types."""
    portal = PortalReply.from_reply(_body(responses, "details"))
    usage = DailyUsageReply.from_reply(_body(responses, "usage"))
    limits = AssociationLimitsReply.from_reply(_body(responses, "limits"))
    refusal = responses.get("read")
    refused = refusal.scopes if isinstance(refusal, errors.MissingScopesError) else ()
    scopes = check_scopes(types, parse_scopes(_body(responses, "token info")), refused)
    quota, daily_limit, daily_left = None, usage.limit, usage.left
    for response in responses.values():  # the last headers are the freshest
        if isinstance(response, AccountReply):
            quota = _headers.parse_quota(response.headers) or quota
            limit, left = _headers.parse_daily(response.headers)
            if limit is not None and left is not None:
                daily_limit, daily_left = limit, left
    return AccountCheck(
        items=(
            _connection(responses, base_url),
            _token(responses),
            _portal(portal, responses),
            _scopes(scopes, types, responses),
            _quota(quota, responses),
            _daily_limit(daily_limit, daily_left, portal.to_local(usage.resets_at), responses),
            _object_types(types, responses),
            _read(responses),
            _association_limits(limits, types, responses),
        ),
        scopes=scopes,
        portal_id=portal.portal_id,
        time_zone=portal.time_zone,
        utc_offset=portal.utc_offset,
        quota=quota,
        daily_limit=daily_limit,
        daily_left=daily_left,
        resets_at=usage.resets_at,
        records_at_limit=limits.at_limit,
        obstacle=next((one for one in responses.values() if isinstance(one, _OBSTACLES)), None),
    )


def _connection(responses: Responses, base_url: str) -> CheckItem:
    name = "connection"
    read = responses.get("read")
    if isinstance(
        read, errors.WrongEndpointError | errors.GatewayError | errors.InvalidResponseError
    ):
        return _failed(name, str(read), "Check the base URL, the API version and the proxy.")
    failures = [one for one in responses.values() if isinstance(one, errors.ApiError)]
    unavailable = errors.ServerError | errors.MigratingError
    if any(map(_is_object, responses.values())) or not all(
        isinstance(one, unavailable) for one in failures
    ):
        return _ok(name, f"{base_url} responds")
    if failures:  # of HubSpot itself, each time
        return _failed(name, f"{base_url} responds: {failures[0]}", "Check again later.")
    for response in responses.values():
        if isinstance(response, errors.TransportError):
            text = f"no response from {base_url}: {response}"
            return _failed(name, text, "Check the network, the proxy and the base URL.")
    text = f"{base_url} responds, but not as HubSpot does"
    return _failed(name, text, "Check the base URL, the API version and the proxy.")


def _token(responses: Responses) -> CheckItem:
    name = "token"
    for response in responses.values():
        if isinstance(response, _TOKEN_ERRORS):
            cure = "Make a new access token (service key) in HubSpot and use that."
            return _failed(name, f"refused: {response}", cure)
    if any(
        _is_object(one) or isinstance(one, errors.MissingScopesError) or _is_about_record(one)
        for one in responses.values()
    ):
        return _ok(name, "accepted")
    return _unknown(name, responses.get("details"))


def _portal(portal: PortalReply, responses: Responses) -> CheckItem:
    if portal.portal_id is None:
        return _unknown("portal", responses.get("details"))
    text = f"portal {portal.portal_id}"
    if portal.time_zone is not None:
        text += f", time zone {portal.time_zone}"
    if portal.utc_offset is not None:
        text += f" ({timezone(portal.utc_offset)})"
    return _ok("portal", text)


def _quota(quota: Quota | None, responses: Responses) -> CheckItem:
    if quota is None:
        return _unknown("quota", responses.get("details"))
    return _ok("quota", f"{errors.plural(quota.limit, 'call')} in {quota.window:g} s")


def _daily_limit(
    limit: int | None, left: int | None, resets_at: datetime | None, responses: Responses
) -> CheckItem:
    name = "daily limit"
    when = "midnight in the account's time zone"
    if resets_at is not None:
        when = f"{resets_at:%Y-%m-%d %H:%M} ({resets_at.tzinfo})"
    cure = f"Start the run after {when}, when the day's calls reset."
    for response in responses.values():
        if isinstance(response, errors.DailyLimitError | errors.DailyReserveError):
            return _failed(name, str(response), cure)
    if limit is None or left is None:
        return _unknown(name, responses.get("usage"))
    text = f"{left:,} of {limit:,} calls left; they reset at {when}"
    return _ok(name, text) if left else _failed(name, text, cure)


def _scopes(scopes: ScopeCheck, types: tuple[str, str], responses: Responses) -> CheckItem:
    name = "scopes"
    if scopes.lacks:
        lacks = ", ".join(scopes.lacks)
        cure = f"Add {lacks} to the app or service key of the token."
        return _failed(name, f"the token lacks {lacks}", cure)
    if not scopes.has:
        return _unknown(name, responses.get("token info"))
    text = f"the token has {', '.join(scopes.has)}"
    unknown = [kind for kind in dict.fromkeys(types) if not find_scopes(kind, "write")]
    if unknown:
        needs = f"{text}; which scopes {' and '.join(unknown)} need is not known here"
        return CheckItem(name, CheckState.UNKNOWN, needs)
    return _ok(name, text)


def _object_types(types: tuple[str, str], responses: Responses) -> CheckItem:
    name = "object types"
    response = responses.get("read")
    if isinstance(response, errors.UnknownObjectTypeError):
        cure = f"Use {OBJECT_TYPE_FORMS}."
        return _failed(name, f"HubSpot does not know {response.object_type!r}", cure)
    if _is_about_links(response):
        return _ok(name, f"HubSpot knows {' and '.join(dict.fromkeys(types))}")
    return _unknown(name, response)


def _read(responses: Responses) -> CheckItem:
    name = "read"
    response = responses.get("read")
    if isinstance(response, errors.MissingScopesError):
        lacks = ", ".join(response.scopes) or "scopes to read"
        cure = f"Add {lacks} to the token: skip_linked (--skip-linked) and verify read links."
        return _failed(name, str(response), cure)
    if isinstance(response, errors.UnknownObjectTypeError):
        return _unknown(name, None)
    if _is_about_links(response):
        return _ok(name, "links can be read")
    return _unknown(name, response)


def _association_limits(
    limits: AssociationLimitsReply, types: tuple[str, str], responses: Responses
) -> CheckItem:
    name = "association limits"
    from_type, to_type = types
    if limits.at_limit is None:
        return _unknown(name, responses.get("limits"))
    links = (
        "their limit of links"
        if limits.limit is None
        else f"the limit of {errors.plural(limits.limit, 'link')}"
    )
    samples = f" (such as {', '.join(limits.samples[:5])})" if limits.samples else ""
    near = f"; near it: {limits.near_limit:,}" if limits.near_limit else ""
    count = f"{limits.at_limit:,}" if limits.at_limit else "no"
    text = f"{count} {from_type} at {links} to {to_type}{samples}{near}"
    if not limits.at_limit:
        return _ok(name, text)
    return _failed(name, text, "Leave their pairs out, or remove links of them in HubSpot.")


def _is_object(response: AccountReply | errors.AioHubAssocError) -> bool:
    """Return whether it is a JSON object with content, as each of HubSpot's replies is."""
    return isinstance(response, AccountReply) and bool(response.body)


def _is_about_links(response: AccountReply | errors.AioHubAssocError | None) -> bool:
    if isinstance(response, AccountReply):
        return isinstance(response.body.get("results"), list)
    return _is_about_record(response)


def _is_about_record(response: AccountReply | errors.AioHubAssocError | None) -> bool:
    if not isinstance(response, errors.NotFoundError | errors.ValidationError):
        return False
    return response.category in _ABOUT_RECORDS


def _body(responses: Responses, call: str) -> Mapping[str, Any]:
    response = responses.get(call)
    return response.body if isinstance(response, AccountReply) else {}


def _ok(name: str, text: str) -> CheckItem:
    return CheckItem(name, CheckState.OK, text)


def _failed(name: str, text: str, cure: str) -> CheckItem:
    return CheckItem(name, CheckState.FAILED, text, cure)


def _unknown(name: str, response: AccountReply | errors.AioHubAssocError | None) -> CheckItem:
    text = "not reported by HubSpot"
    if response is None or isinstance(response, _TOKEN_ERRORS + _NO_RESPONSE):
        text = "not checked"  # another item says why
    elif isinstance(response, errors.ApiError):
        text += f" (it responded {response.status} {response.category or 'without a category'})"
    elif isinstance(response, errors.TransportError):
        text += f" ({response})"
    return CheckItem(name, CheckState.UNKNOWN, text)


_FINAL_ERRORS: Final = (
    *_NO_RESPONSE,
    *_TOKEN_ERRORS,
    errors.DailyLimitError,
    errors.DailyReserveError,
    errors.MigratingError,
)
# Any record will do: HubSpot responds about a missing one too.
_RECORD: Final = "1"


async def check_account(
    send: Send[AccountRequest],
    base_url: str,
    version: str,
    types: tuple[str, str],
    token: Callable[[], Awaitable[str]],
    *,
    quick: bool,
) -> AccountCheck:
    """Return what HubSpot reports about the account, the token and two object types."""
    # It takes up to five calls, which wait for the quota of single calls. If *quick* it takes
    # three: a batch read, which HubSpot's ten-second limit does not count, the one for the token's
    # scopes, and beside these the one for the time zone, which nobody waits for.
    responses: Responses = {}

    async def respond(endpoint: Endpoint) -> AccountReply | errors.AioHubAssocError:
        verdict = await send(Call(AccountRequest(endpoint, types)))
        assert not isinstance(verdict, Accepted)  # noqa: S101 -- that is about a pair
        if not isinstance(verdict, Replied):
            return to_error(verdict)
        assert isinstance(verdict.reply, AccountReply)  # noqa: S101 -- of such a request
        return verdict.reply

    async def ask(name: str, endpoint: Endpoint) -> None:
        if not any(isinstance(one, _FINAL_ERRORS) for one in responses.values()):
            responses[name] = await respond(endpoint)

    details = asyncio.create_task(respond(account_details(version)))
    try:
        if not quick:
            responses["details"] = await details
        await ask("read", read_links(version, types, encode_records([(_RECORD, None)])))
        # Now, not before: the first call may have had it renewed.
        await ask("token info", token_info(codec.dump({"tokenKey": await token()})))
    finally:
        details.cancel()
        await asyncio.wait({details})
    if not quick:
        await ask("usage", daily_usage(version))
        await ask("limits", association_limits(version, types))
    elif not (details.cancelled() or details.exception()) and isinstance(
        reply := details.result(), AccountReply
    ):  # an error of this call alone says nothing of a run
        responses["details"] = reply
    return make_check(responses, base_url, types)
