"""
Link HubSpot CRM records in bulk: as fast as the quota allows, never above, truthfully.

The names below are loaded when they are first used: importing the package is cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohubassoc._http.auth import TokenProvider
    from aiohubassoc._http.limiter import Limiter, QuotaLimiter
    from aiohubassoc._run.source import Pairs
    from aiohubassoc._run.stream import OutcomeStream, VerificationStream
    from aiohubassoc.client import AssociationClient
    from aiohubassoc.errors import (
        AioHubAssocError,
        AnswerTimeoutError,
        ApiError,
        AuthenticationError,
        BulkLinkError,
        ClientClosedError,
        ConnectFailedError,
        ConnectionLostError,
        DailyLimitError,
        DailyReserveError,
        EarlierFailureError,
        GarbledAnswerError,
        GatewayError,
        InputError,
        JournalError,
        JournalInUseError,
        JournalMismatchError,
        JournalStorageError,
        JournalVersionError,
        LockedError,
        MigratingError,
        MissingScopesError,
        NotFoundError,
        OptionsError,
        PairError,
        PartialFailureError,
        PermissionDeniedError,
        RateLimitedError,
        RefusedAlikeError,
        RunStoppedError,
        ServerError,
        TransportError,
        UnconfirmedError,
        UnknownObjectTypeError,
        ValidationError,
        WrongEndpointError,
    )
    from aiohubassoc.journal.journal import Journal
    from aiohubassoc.journal.reader import JournalRow
    from aiohubassoc.models import (
        Association,
        AssociationSpec,
        DefaultAssociations,
        ErrorDetail,
        Outcome,
        Report,
        Skip,
        StandardError,
        Status,
    )
    from aiohubassoc.options import ApiVersion, Quota, RetryPolicy, Timeouts
    from aiohubassoc.pair import Pair
    from aiohubassoc.planning import Plan
    from aiohubassoc.verification import LinkState, Verification, VerificationReport

__version__ = "0.1.0"

_HOMES = {
    "AioHubAssocError": "errors",
    "AnswerTimeoutError": "errors",
    "ApiError": "errors",
    "ApiVersion": "options",
    "Association": "models",
    "AssociationClient": "client",
    "AssociationSpec": "models",
    "AuthenticationError": "errors",
    "BulkLinkError": "errors",
    "ClientClosedError": "errors",
    "ConnectFailedError": "errors",
    "ConnectionLostError": "errors",
    "DailyLimitError": "errors",
    "DailyReserveError": "errors",
    "DefaultAssociations": "models",
    "EarlierFailureError": "errors",
    "ErrorDetail": "models",
    "GarbledAnswerError": "errors",
    "GatewayError": "errors",
    "InputError": "errors",
    "Journal": "journal.journal",
    "JournalError": "errors",
    "JournalInUseError": "errors",
    "JournalMismatchError": "errors",
    "JournalRow": "journal.reader",
    "JournalStorageError": "errors",
    "JournalVersionError": "errors",
    "Limiter": "_http.limiter",
    "LinkState": "verification",
    "LockedError": "errors",
    "MigratingError": "errors",
    "MissingScopesError": "errors",
    "NotFoundError": "errors",
    "OptionsError": "errors",
    "Outcome": "models",
    "OutcomeStream": "_run.stream",
    "Pair": "pair",
    "PairError": "errors",
    "Pairs": "_run.source",
    "PartialFailureError": "errors",
    "PermissionDeniedError": "errors",
    "Plan": "planning",
    "Quota": "options",
    "RateLimitedError": "errors",
    "RefusedAlikeError": "errors",
    "Report": "models",
    "RetryPolicy": "options",
    "RunStoppedError": "errors",
    "ServerError": "errors",
    "Skip": "models",
    "StandardError": "models",
    "Status": "models",
    "Timeouts": "options",
    "TokenProvider": "_http.auth",
    "TransportError": "errors",
    "UnconfirmedError": "errors",
    "UnknownObjectTypeError": "errors",
    "ValidationError": "errors",
    "Verification": "verification",
    "VerificationReport": "verification",
    "VerificationStream": "_run.stream",
    "QuotaLimiter": "_http.limiter",
    "WrongEndpointError": "errors",
}

__all__ = [
    "AioHubAssocError",
    "AnswerTimeoutError",
    "ApiError",
    "ApiVersion",
    "Association",
    "AssociationClient",
    "AssociationSpec",
    "AuthenticationError",
    "BulkLinkError",
    "ClientClosedError",
    "ConnectFailedError",
    "ConnectionLostError",
    "DailyLimitError",
    "DailyReserveError",
    "DefaultAssociations",
    "EarlierFailureError",
    "ErrorDetail",
    "GarbledAnswerError",
    "GatewayError",
    "InputError",
    "Journal",
    "JournalError",
    "JournalInUseError",
    "JournalMismatchError",
    "JournalRow",
    "JournalStorageError",
    "JournalVersionError",
    "Limiter",
    "LinkState",
    "LockedError",
    "MigratingError",
    "MissingScopesError",
    "NotFoundError",
    "OptionsError",
    "Outcome",
    "OutcomeStream",
    "Pair",
    "PairError",
    "Pairs",
    "PartialFailureError",
    "PermissionDeniedError",
    "Plan",
    "Quota",
    "QuotaLimiter",
    "RateLimitedError",
    "RefusedAlikeError",
    "Report",
    "RetryPolicy",
    "RunStoppedError",
    "ServerError",
    "Skip",
    "StandardError",
    "Status",
    "Timeouts",
    "TokenProvider",
    "TransportError",
    "UnconfirmedError",
    "UnknownObjectTypeError",
    "ValidationError",
    "Verification",
    "VerificationReport",
    "VerificationStream",
    "WrongEndpointError",
    "__version__",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
