"""The account: its tokens and their scopes, and the calls about it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal

from aiohubassoc.simulator import error_bodies
from aiohubassoc.simulator.operations import find_types
from aiohubassoc.simulator.responses import PortalResponse, iso_date
from aiohubassoc.simulator.routing import AccountCall, ReadCall

if TYPE_CHECKING:
    from aiohubassoc.simulator.rate_limits import RateLimits
    from aiohubassoc.simulator.records import ObjectType, ObjectTypes
    from aiohubassoc.simulator.responses import Document
    from aiohubassoc.simulator.routing import PortalCall
    from aiohubassoc.simulator.settings import PortalSettings

# HubSpot, Scopes: types whose scope has another name. Activities: HubSpot, Notes guide.
_OTHER_SCOPES = {
    "tickets": "tickets",
    **dict.fromkeys(
        ("calls", "communications", "emails", "meetings", "notes", "postal_mail", "tasks"),
        "crm.objects.contacts.{access}",
    ),
}


_USER_ID = 7654321  # a user that does not exist


class Account:
    """The tokens that are valid now, those that were revoked, and the calls about the account."""

    def __init__(self, settings: PortalSettings, types: ObjectTypes, limits: RateLimits) -> None:
        self._settings = settings
        self._types = types
        self._limits = limits
        self._valid = set(settings.tokens)
        self._revoked: set[str] = set()

    def accept(self, token: str) -> None:
        self._revoked.discard(token)
        self._valid.add(token)

    def revoke(self, token: str) -> None:
        self._valid.discard(token)
        self._revoked.add(token)

    def _scopes(self) -> list[str]:
        if self._settings.scopes is not None:
            return sorted(self._settings.scopes)
        known = {_scope(kind, access) for kind in self._types for access in ("read", "write")}
        return sorted(known.difference(self._settings.missing_scopes))

    def error(self, authorization: str | None, call: PortalCall) -> PortalResponse | None:
        """Return the error response if *authorization* does not allow *call*, else None."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme != "Bearer" or token not in self._valid:
            if scheme == "Bearer" and token in self._revoked:
                return error_bodies.expired_token()
            return error_bodies.invalid_token()
        missing = self._missing(call)
        return error_bodies.missing_scopes(missing) if missing else None

    def _missing(self, call: PortalCall) -> tuple[str, ...]:
        if isinstance(call, AccountCall):
            return ()  # any token may make these calls
        granted = self._settings.scopes
        if self._settings.missing_scopes or granted is None:
            return self._settings.missing_scopes
        access: Literal["read", "write"] = "read" if isinstance(call, ReadCall) else "write"
        kinds = map(self._types.find, (call.from_type, call.to_type))
        needed = dict.fromkeys(_scope(kind, access) for kind in kinds if kind is not None)
        return tuple(scope for scope in needed if scope not in granted)

    def respond(self, call: AccountCall, body: bytes, now: float) -> PortalResponse:
        if call.name in self._settings.unknown_calls:
            return error_bodies.not_found()
        if call.name in self._settings.refused_calls:
            return error_bodies.missing_scopes(["oauth"])
        match call.name:
            case "details":
                return PortalResponse(200, self._details())
            case "usage":
                return PortalResponse(200, {"results": self._usage(now)})
            case "token_info":
                return self._token_info(body)
            case "limits":
                return self._association_limits(call.from_type, call.to_type)

    def _details(self) -> Document:
        hours = self._settings.utc_offset
        sign, (whole, minutes) = "-" if hours < 0 else "+", divmod(round(abs(hours) * 60), 60)
        return {
            "portalId": error_bodies.ACCOUNT_ID,
            "accountType": "STANDARD",
            "timeZone": self._settings.time_zone,
            "companyCurrency": "USD",
            "additionalCurrencies": [],
            "utcOffset": f"{sign}{whole:02}:{minutes:02}",
            "utcOffsetMilliseconds": round(hours * 3_600_000),
            "uiDomain": "app.hubspot.com",
            "dataHostingLocation": "na1",
        }

    def _usage(self, now: float) -> list[Document]:
        if self._settings.daily_limit is None:
            return []
        return [
            {
                "name": "private-apps-api-calls-daily",
                "usageLimit": self._settings.daily_limit,
                "currentUsage": self._limits.day_used,
                "collectedAt": iso_date(now),
                "fetchStatus": "SUCCESS",
                "resetsAt": iso_date(self._limits.day_end),
            }
        ]

    def _token_info(self, body: bytes) -> PortalResponse:
        try:
            token = json.loads(body)["tokenKey"]
        except (KeyError, TypeError, ValueError):
            return error_bodies.validation_error("tokenKey is required")
        if not isinstance(token, str) or token not in self._valid:
            return error_bodies.invalid_token()
        return PortalResponse(
            200,
            {
                "userId": _USER_ID,
                "hubId": error_bodies.ACCOUNT_ID,
                "appId": error_bodies.APP_ID,
                "scopes": self._scopes(),
            },
        )

    def _association_limits(self, from_name: str, to_name: str) -> PortalResponse:
        found = find_types(self._types, from_name, to_name)
        if isinstance(found, PortalResponse):
            return found
        limit = self._settings.association_limit
        at_limit: list[Document] = []
        near: list[Document] = []
        for from_written, record_id, to_written, count in self._settings.limited_records:
            if (self._types.find(from_written), self._types.find(to_written)) != found:
                continue
            sample = {"objectId": int(record_id), "label": f"{found[0].singular} {record_id}"}
            if count >= limit:
                at_limit.append(sample)
            else:
                near.append({**sample, "usage": count, "percentage": 100 * count / limit})
        return PortalResponse(
            200,
            {
                "limit": limit,
                "totalRecordsAtLimit": len(at_limit),
                "totalRecordsNearLimit": len(near),
                "atLimitFromRecordSamples": at_limit,
                "nearLimitFromRecordSamples": near,
            },
        )


def _scope(kind: ObjectType, access: str) -> str:
    name = "custom" if kind.custom else kind.name
    return _OTHER_SCOPES.get(name, f"crm.objects.{name}.{{access}}").format(access=access)
