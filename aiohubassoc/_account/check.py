"""Makes the calls of a check, and stops where every later call would end alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from aiohubassoc._account.items import Responses, make_check
from aiohubassoc._http.request_state import Call, settled_error
from aiohubassoc._protocol import codec
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
from aiohubassoc.errors import (
    AuthenticationError,
    ConnectError,
    ConnectionLostError,
    DailyLimitError,
    DailyReserveError,
    MigratingError,
    PermissionDeniedError,
    ResponseTimeoutError,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohubassoc._http import request_state as _state
    from aiohubassoc.account import AccountCheck

SettleRequest: TypeAlias = "Callable[[Call[AccountRequest]], Awaitable[_state.Final]]"
"""Makes a call about the account until there is a response, or none to be had."""

_FINAL_ERRORS: Final = (
    ResponseTimeoutError,
    AuthenticationError,
    ConnectError,
    ConnectionLostError,
    DailyLimitError,
    DailyReserveError,
    MigratingError,
    PermissionDeniedError,
)
# Any record will do: HubSpot responds about a missing one too.
_RECORD: Final = "1"


async def check_account(
    settle: SettleRequest,
    base_url: str,
    version: str,
    types: tuple[str, str],
    token: Callable[[], Awaitable[str]],
    *,
    quick: bool,
) -> AccountCheck:
    """
    Return what HubSpot says about the account, the token and two object types.

    It takes up to five calls, two if *quick*, which wait for the quota of single calls.

    Args:
        settle: Makes a call.
        base_url: Where the calls go, for messages.
        version: The API version of the paths.
        types: The object types of the first and of the second records.
        token: Gives the access token that calls are sent with.
        quick: Whether to make two calls only: a batch read, which HubSpot's ten-second limit does
            not count, and the one for the token's scopes. What they do not tell is unknown.

    Raises:
        ClientClosedError: the client was closed meanwhile.
        Exception: any error of *token*.
    """
    responses: Responses = {}

    async def send(name: str, endpoint: Endpoint) -> None:
        if any(isinstance(one, _FINAL_ERRORS) for one in responses.values()):
            return
        settled = await settle(Call(AccountRequest(endpoint, types)))
        assert not isinstance(settled, Accepted)  # noqa: S101 -- that is about a pair
        if isinstance(settled, Replied):
            assert isinstance(settled.reply, AccountReply)  # noqa: S101 -- of such a request
            responses[name] = settled.reply
        else:
            responses[name] = settled_error(settled)

    if not quick:
        await send("details", account_details(version))
    await send("read", read_links(version, types, encode_records([(_RECORD, None)])))
    # Now, not before: the first call may have had it renewed.
    await send("token info", token_info(codec.dump({"tokenKey": await token()})))
    if quick:
        return make_check(responses, base_url, types)
    await send("usage", daily_usage(version))
    await send("limits", association_limits(version, types))
    return make_check(responses, base_url, types)
