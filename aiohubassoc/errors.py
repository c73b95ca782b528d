"""
Every exception of the package.

::

    AioHubAssocError
    ├── OptionsError (ValueError)      an invalid option or argument
    ├── PairError (ValueError)         an invalid pair; nothing was sent for it
    ├── InputError (ValueError)        a file that cannot be read as pairs
    ├── ClientClosedError              the client is used outside its ``async with``
    ├── RunStoppedError                the run ended before this pair completed
    ├── RefusedAlikeError              HubSpot refused many pairs in a row for the same reason
    ├── PreviousFailureError           the pair failed in an earlier run of the run folder
    ├── JournalError                   a run folder cannot be used
    │   ├── JournalInUseError          another process is using it
    │   ├── JournalMismatchError       it belongs to another job
    │   ├── JournalVersionError        it was written by a newer version, or is not a run folder
    │   └── JournalStorageError        it cannot be read or written: a full disk, no permission
    ├── FleetError                     the database of a fleet cannot be used
    ├── SharedQuotaError               the store of a shared quota cannot be used
    ├── DailyReserveError              the remaining calls of the day are reserved
    ├── TransportError                 no valid response; see ``maybe_applied``
    │   ├── ConnectError               nothing was sent
    │   ├── ConnectionLostError        the connection broke after sending
    │   ├── ResponseTimeoutError       sent, but no response in time
    │   └── InvalidResponseError       the response is not in HubSpot's documented form
    ├── ApiError                       HubSpot responded with an error
    │   ├── AuthenticationError        401: the token
    │   ├── MissingScopesError         403: the token's scopes
    │   ├── PermissionDeniedError      403: the token's user or app, or the account
    │   ├── NotFoundError              404: a record
    │   ├── ValidationError            400: an id
    │   │   └── UnknownObjectTypeError 400: an object type
    │   ├── WrongEndpointError         3xx, 405, 410, or 404 that does not come from HubSpot's API
    │   ├── GatewayError               any other 4xx that does not come from HubSpot's API
    │   ├── LockedError                423: a record is locked
    │   ├── MigratingError             477: the account is being moved
    │   ├── RateLimitedError           429
    │   │   └── DailyLimitError        429 of the daily limit
    │   └── ServerError                5xx
    ├── PartialFailureError            2xx with errors inside
    └── UnconfirmedError               2xx that does not confirm the link

All errors can be pickled. They contain plain values and models, never a response object, a session
or a token.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, ClassVar, Final

import attrs

from aiohubassoc.replies import DefaultAssociations, ErrorDetail

if TYPE_CHECKING:
    from collections.abc import Sequence

# A 403 names scopes under one of these, in its details or beside them (recorded responses,
# 2024-2026; HubSpot, Associations v4, the example of an error, read 2026-11-28).
SCOPE_KEYS: Final = ("requiredGranularScopes", "requiredScopes", "missingScopes")
_BETWEEN_SCOPES: Final = re.compile(r"[\s,\[\]{}\"']+")
# A merged record has one other id, in both directions; more would only lengthen the message.
_RESULTS_SHOWN: Final = 4
_ID_SHOWN: Final = 64
# How much of a response's lists a message shows; the error's attributes have all of it.
_MOST_NAMES = 5
_MOST_VALUES = 20
_MOST_LETTERS = 100


def plural(count: int, noun: str) -> str:
    """Return a count with its noun, such as ``1 call`` and ``2 calls``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def install_command(extra: str) -> str:
    """Return how to install an extra: from the package index, or from a clone."""
    return f"pip install 'aiohubassoc[{extra}]' (in a clone: pip install '.[{extra}]')"


def _listed(values: Sequence[str]) -> str:
    shown = [
        one if len(one) <= _MOST_LETTERS else f"{one[:_MOST_LETTERS]}..."
        for one in values[:_MOST_VALUES]
    ]
    more = len(values) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more else "")


@attrs.define(slots=False)
class AioHubAssocError(Exception):
    """The base class of every error of this package."""

    _label: ClassVar[str] = "ERROR"

    @property
    def label(self) -> str:
        """A short upper-case name to group failures by; HubSpot's category if there is one."""
        return self._label


@attrs.define(slots=False)
class _MessageError(AioHubAssocError):
    message: str

    def __str__(self) -> str:
        return self.message


class OptionsError(_MessageError, ValueError):
    """An invalid option or argument. Nothing was sent."""

    _label = "INVALID_OPTIONS"


class PairError(_MessageError, ValueError):
    """An invalid pair. The message has the pair and the problem."""

    _label = "INVALID_PAIR"


class InputError(_MessageError, ValueError):
    """A file cannot be read as pairs. The message has the reason and what to do."""

    _label = "INVALID_INPUT"


@attrs.define(slots=False)
class ClientClosedError(_MessageError):
    """The client was used before its ``async with`` was entered or after it was left."""

    message: str = "the client is not open: use it inside 'async with AssociationClient(...)'"
    _label = "CLIENT_CLOSED"


class RunStoppedError(_MessageError):
    """The run ended before this pair completed; the message has the reason."""

    _label = "RUN_STOPPED"


@attrs.define(slots=False)
class RefusedAlikeError(AioHubAssocError):
    """
    The run ended because HubSpot refused many pairs in a row for the same reason and linked none.

    Attributes:
        count: How many pairs in a row were refused for that reason.
        error: The last of these refusals.
    """

    count: int
    error: AioHubAssocError
    _label = "REFUSED_ALIKE"

    def __str__(self) -> str:
        return (
            f"HubSpot refused {plural(self.count, 'pair')} in a row for the same reason and linked "
            f"none between them. The last refusal: {self.error}"
        )


@attrs.define(slots=False)
class PreviousFailureError(AioHubAssocError):
    """
    The pair failed in an earlier run of the same run folder and was not sent again.

    Attributes:
        category: The category of that failure.
        message: Its message.
        correlation_id: The id for HubSpot's support; None if the response had none.
    """

    category: str
    message: str
    correlation_id: str | None = None

    @property
    def label(self) -> str:
        """The category of that failure."""
        return self.category

    def __str__(self) -> str:
        return self.message


class JournalError(_MessageError):
    """A run folder cannot be used. The message has its path, the reason and what to do."""

    _label = "JOURNAL"


class FleetError(_MessageError):
    """The database of a fleet cannot be used. The message has the reason and what to do."""

    _label = "FLEET"


@attrs.define(slots=False)
class JournalInUseError(JournalError):
    """
    Another process is using the run folder.

    Attributes:
        process_id: Its process id; None if unknown.
    """

    process_id: int | None = None
    _label = "JOURNAL_IN_USE"


@attrs.define(slots=False)
class JournalMismatchError(JournalError):
    """
    The run folder belongs to another job: another input, other types, another portal.

    Attributes:
        differences: For each name that differs, the folder's value and the given value.
    """

    differences: Mapping[str, tuple[object, object]] = attrs.Factory(dict)
    _label = "JOURNAL_MISMATCH"


class JournalVersionError(JournalError):
    """The run folder was written by a newer version of this package, or by another program."""

    _label = "JOURNAL_VERSION"


class JournalStorageError(JournalError):
    """The run folder cannot be read or written."""

    _label = "JOURNAL_STORAGE"


class SharedQuotaError(_MessageError):
    """
    The store of a shared quota cannot be used, so nothing can be sent.

    The message has the store without its password, the reason and what to do.
    """

    _label = "SHARED_QUOTA"


@attrs.define(slots=False)
class DailyReserveError(AioHubAssocError):
    """
    The remaining calls of the day are reserved for other programs (``reserve_daily``).

    The daily limit resets at midnight in the account's time zone (HubSpot, API usage guidelines,
    "Limits").

    Attributes:
        left: How many calls of the day are left.
        reserved: How many calls are reserved.
    """

    left: int
    reserved: int
    _label = "DAILY_RESERVE"

    def __str__(self) -> str:
        return (
            f"{plural(self.left, 'call')} of the day left, {self.reserved:,} reserved. Continue "
            "after midnight in the account's time zone, when the daily limit resets"
        )


@attrs.define(slots=False)
class TransportError(_MessageError):
    """
    There was no valid response.

    Attributes:
        message: What happened.
        maybe_applied: True if HubSpot may have made the link although no response confirmed it.
            Sending the pair again is safe, because the call is idempotent.
    """

    maybe_applied: bool = True
    _label = "TRANSPORT"


@attrs.define(slots=False)
class ConnectError(TransportError):
    """No connection could be made, so nothing was sent."""

    maybe_applied: bool = False
    _label = "CONNECT_FAILED"


class ConnectionLostError(TransportError):
    """The connection broke after the call was sent, or while it was being sent."""

    _label = "CONNECTION_LOST"


class ResponseTimeoutError(TransportError):
    """The call was sent, but no complete response arrived in time."""

    _label = "RESPONSE_TIMEOUT"


@attrs.define(slots=False)
class InvalidResponseError(TransportError):
    """
    The response is not in HubSpot's documented form.

    Attributes:
        status: The HTTP status of the response.
        headers: The response's headers.
        body_start: The first 1,000 bytes of the body, as text.
        problems: What is wrong and where, such as ``"$.results[0].from.id: null is not an id"``.
    """

    status: int = 0
    headers: Mapping[str, str] = attrs.Factory(dict)
    body_start: str = ""
    problems: tuple[str, ...] = ()
    _label = "INVALID_RESPONSE"


@attrs.define(slots=False)
class ApiError(AioHubAssocError):
    """
    HubSpot responded with an error.

    Attributes:
        status: The HTTP status.
        category: HubSpot's category such as ``"VALIDATION_ERROR"``; None if the body has none.
        message: HubSpot's message, or the start of a body that is not HubSpot's JSON.
        correlation_id: The id for HubSpot's support; None if the response has none.
        errors: The details, in HubSpot's order.
        context: HubSpot's context: names to lists of values, often the ids that caused the error.
        sub_category: HubSpot's subcategory, as text; None if there is none.
    """

    status: int
    category: str | None
    message: str
    correlation_id: str | None
    errors: tuple[ErrorDetail, ...] = ()
    context: Mapping[str, tuple[str, ...]] = attrs.Factory(dict)
    sub_category: str | None = None

    @property
    def label(self) -> str:
        """HubSpot's category, or ``HTTP_`` and the status if there is none."""
        return self.category or f"HTTP_{self.status}"

    def __str__(self) -> str:
        text = f"{self.status} {self.category or type(self).__name__}: {self.message}"
        for name, values in islice(self.context.items(), _MOST_NAMES):
            text += f" [{name}: {_listed(values)}]"
        return f"{text} (correlation id {self.correlation_id})" if self.correlation_id else text


class AuthenticationError(ApiError):
    """The token was refused: it is wrong, expired or revoked. All other pairs would fail too."""


class MissingScopesError(ApiError):
    """The token lacks scopes. All other pairs would fail too."""

    @property
    def scopes(self) -> tuple[str, ...]:
        """The required scopes in HubSpot's response, each once; empty if it names none."""
        contexts = (self.context, *(detail.context for detail in self.errors))
        values = [one for context in contexts for key in SCOPE_KEYS for one in context.get(key, ())]
        return tuple(dict.fromkeys(filter(None, _BETWEEN_SCOPES.split(" ".join(values)))))

    def __str__(self) -> str:
        named = f"; needs {_listed(self.scopes)}" if self.scopes else ""
        return super().__str__() + named


class PermissionDeniedError(ApiError):
    """
    The token's user or app, or the account, lacks the permission. All other pairs would fail too.

    HubSpot gives the same response if the creator of a private app has left: rotate the token or
    use a service key (HubSpot, Legacy private apps, read 2026-11-28).
    """


class NotFoundError(ApiError):
    """A record of the pair does not exist, or no longer exists."""


class ValidationError(ApiError):
    """An id or object type of the pair is not valid, or a record does not exist."""


@attrs.define(slots=False)
class UnknownObjectTypeError(ValidationError):
    """
    HubSpot does not know an object type. All other pairs of that type would fail too.

    Attributes:
        object_type: The type as it was sent.
    """

    object_type: str = ""


@attrs.define(slots=False)
class WrongEndpointError(ApiError):
    """
    There is no API call at this URL: the base URL or the API version is wrong.

    Attributes:
        url: The URL of the request.
    """

    url: str = ""

    def __str__(self) -> str:
        return f"{super().__str__()}; check the base URL and the API version of {self.url}"


@attrs.define(slots=False)
class GatewayError(ApiError):
    """
    A gateway, a proxy or a firewall refused the request; the response is not from HubSpot's API.

    Attributes:
        url: The URL of the request.
    """

    url: str = ""

    def __str__(self) -> str:
        return (
            f"{super().__str__()}; this response is not from HubSpot's API: check the base URL "
            f"and every proxy and firewall between this machine and {self.url}"
        )


class LockedError(ApiError):
    """A record stayed locked by another change."""


@attrs.define(slots=False)
class MigratingError(ApiError):
    """
    The account is being moved between HubSpot's data centres and accepts no calls.

    Attributes:
        retry_after: Seconds that HubSpot asks to wait, up to 24 hours; None if not in the response.
    """

    retry_after: float | None = None


@attrs.define(slots=False)
class RateLimitedError(ApiError):
    """
    The quota was used up.

    Attributes:
        policy: HubSpot's name of the limit, such as ``"TEN_SECONDLY_ROLLING"``; None if not named.
        retry_after: Seconds that HubSpot asks to wait; None if not in the response.
    """

    policy: str | None = None
    retry_after: float | None = None

    @property
    def label(self) -> str:
        """``RATE_LIMIT`` and the policy, because these responses mostly have no category."""
        return f"RATE_LIMIT_{self.policy}" if self.policy else "RATE_LIMIT"


class DailyLimitError(RateLimitedError):
    """The account's daily limit is used up. It resets at midnight in the account's time zone."""

    @property
    def label(self) -> str:
        """As of `RateLimitedError`; ``RATE_LIMIT_DAILY`` where HubSpot names no policy."""
        return f"RATE_LIMIT_{self.policy or 'DAILY'}"


class ServerError(ApiError):
    """HubSpot or its CDN failed."""


@attrs.define(slots=False)
class PartialFailureError(AioHubAssocError):
    """HubSpot responded 2xx with errors inside or the status CANCELED. See ``reply``."""

    reply: DefaultAssociations

    @property
    def label(self) -> str:
        """The category of the first error inside the reply."""
        categories = (error.category for error in self.reply.errors)
        return next(filter(None, categories), "PARTIAL_FAILURE")

    def __str__(self) -> str:
        reply = self.reply
        errors = "; ".join(
            f"{one.category or 'error'}: {one.message}" for one in reply.errors[:_MOST_NAMES]
        )
        results = len(reply.results)
        made = f"with {results} results and reported" if results else "but linked nothing"
        count = "" if reply.num_errors is None else f" (numErrors {reply.num_errors})"
        return f"HubSpot responded {reply.status} {made}: {errors or 'no error text'}{count}"


@attrs.define(slots=False)
class UnconfirmedError(AioHubAssocError):
    """
    HubSpot responded 2xx, but no response confirmed the link.

    Attributes:
        reply: The last reply; None if the response had no body.
    """

    reply: DefaultAssociations | None = None
    _label = "UNCONFIRMED"

    def __str__(self) -> str:
        if self.reply is None:
            return "HubSpot responded 2xx without a body, which does not confirm the link"
        results = self.reply.results
        # For a merged record HubSpot may link the remaining record: the results have its id.
        shown = [
            f"{result.from_id[:_ID_SHOWN]} -> {result.to_id[:_ID_SHOWN]}"
            for result in results[:_RESULTS_SHOWN]
        ]
        more = ["..."] if len(results) > _RESULTS_SHOWN else []
        named = f" ({', '.join(shown + more)})" if shown else ""
        return (
            f"HubSpot responded {self.reply.status} with {len(results)} results{named}, none of "
            "which confirms this pair"
        )
