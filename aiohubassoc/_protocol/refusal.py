"""A response that is not 2xx: what its body says, and the error that it becomes."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import attrs

from aiohubassoc._protocol import codec, headers as _headers
from aiohubassoc._protocol.verdicts import Answer
from aiohubassoc.errors import (
    SCOPE_KEYS,
    ApiError,
    GatewayError,
    MigratingError,
    RateLimitedError,
    UnknownObjectTypeError,
    WrongEndpointError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

# The start of a body that is not HubSpot's JSON: enough to recognise whose page it is.
SHOWN_BYTES: Final = 1000
_NO_BODY: Final = codec.ErrorBody()
# Recorded, both without a category: the first names a type by its name, the second by its id.
_UNKNOWN_TYPE: Final = ("Unable to infer object type from: ", "Invalid object or event type id: ")
# HubSpot, Legacy private apps (read 2026-11-28), does not say in which field it stands.
_NO_PERMISSIONS: Final = "USER_DOES_NOT_HAVE_PERMISSIONS"
# Seen in other programs' fixtures. In each the account or its app is refused, not a record.
_ACCOUNT_CATEGORIES: Final = frozenset({_NO_PERMISSIONS, "BANNED", "PORTAL_AUTHENTICATION_FAILED"})
# Recorded without a category (onyx-dot-app/onyx, issue 6050).
_NOT_PUBLIC: Final = "API call isn't available for public use"


@attrs.frozen
class Refusal:
    """
    A response that is not 2xx.

    Attributes:
        response: It itself.
        body: What could be read of its body.
        types: The two object types of the pairs that were sent.
        now: The local time, aware.
    """

    response: Answer
    body: codec.ErrorBody
    types: tuple[str, str]
    now: datetime

    @classmethod
    def from_response(
        cls,
        response: Answer,
        types: tuple[str, str],
        now: datetime,
        decode: Callable[[bytes], codec.ErrorBody | None] = codec.decode_error,
    ) -> Refusal:
        """Return the refusal that *response* is; *decode* reads its body."""
        return cls(response, decode(response.body) or _NO_BODY, types, now)

    @property
    def retry_after(self) -> float | None:
        """Seconds that HubSpot asks to wait; None where it does not say."""
        return _headers.retry_after(self.response.headers, self.now)

    def is_hubspot(self) -> bool:
        """Return whether HubSpot's API wrote it, not a gateway or another server."""
        return self.body.is_hubspot

    def is_foreign(self) -> bool:
        """Return whether something other than HubSpot's API wrote it."""
        return not self.body.is_hubspot

    def is_cloudflare_text(self) -> bool:
        """Return whether it is the short text of HubSpot's edge."""
        return self.response.body.lstrip().lower().startswith(b"error code:")

    def lacks_scopes(self) -> bool:
        """Return whether the token lacks scopes."""
        contexts = (self.body.context, *(detail.context for detail in self.body.errors))
        return self.body.category == "MISSING_SCOPES" or any(
            key in context for context in contexts for key in SCOPE_KEYS
        )

    def denies_account(self) -> bool:
        """Return whether the token's user or app, or the account, is refused."""
        body, message = self.body, self.body.message or ""
        return (
            not _ACCOUNT_CATEGORIES.isdisjoint({body.category, body.sub_category})
            or _NO_PERMISSIONS in message
            or message.startswith(_NOT_PUBLIC)
        )

    def unknown_type(self) -> str | None:
        """Return which of the two types HubSpot does not know; None: it does not say so."""
        message = self.body.message or ""
        for start in _UNKNOWN_TYPE:
            if message.startswith(start) and not self.body.context:
                named = message.removeprefix(start).strip()
                written = {named, named.removesuffix("."), named.rstrip(". ")}
                # An id with a slash in it may be read as a type on the way: that is one pair's.
                return next((one for one in self.types if one in written), None)
        return None

    def names_unknown_type(self) -> bool:
        """Return whether HubSpot does not know one of the two types."""
        return self.unknown_type() is not None

    def is_daily(self) -> bool:
        """Return whether the day's limit is used up."""
        if self.body.policy_name:
            return "DAILY" in self.body.policy_name.upper()
        return "daily limit" in (self.body.message or "").lower()

    def is_by_quota(self) -> bool:
        """Return whether the window's limit is used up, not one of HubSpot's edge or a second's."""
        if self.body.policy_name:
            return "ROLLING" in self.body.policy_name.upper()
        return self.body.is_hubspot

    def to_error(self, cls: type[ApiError]) -> ApiError:
        """Return it as an error of that class."""
        body, response = self.body, self.response
        message = body.message or ": ".join(filter(None, (body.title, body.detail)))
        return cls(
            response.status,
            body.category,
            message or shown(response.body).strip() or "no body",
            body.correlation_id or _headers.correlation_id(response.headers),
            body.errors,
            body.context,
            body.sub_category,
            **self._more(cls),
        )

    def _more(self, cls: type[ApiError]) -> dict[str, Any]:
        """Return the fields that are of that class only."""
        if issubclass(cls, RateLimitedError):
            return {"policy": self.body.policy_name, "retry_after": self.retry_after}
        if issubclass(cls, MigratingError):
            return {"retry_after": self.retry_after}
        if issubclass(cls, WrongEndpointError | GatewayError):
            return {"url": self.response.url}
        if issubclass(cls, UnknownObjectTypeError):
            return {"object_type": self.unknown_type() or ""}
        return {}


def shown(body: bytes) -> str:
    """Return the start of a body as text."""
    return body[:SHOWN_BYTES].decode("utf-8", "replace")
