"""
Every exception of the package.

::

    AioHubAssocError
    ├── OptionsError (ValueError)      an option or argument that cannot work
    ├── PairError (ValueError)         a pair that cannot be sent, found before the network
    ├── InputError (ValueError)        a file that cannot be read as pairs
    ├── ClientClosedError              a client used outside its ``async with``
    ├── RunStoppedError                the run ended before this pair was settled
    ├── EarlierFailureError            an earlier run of the run folder could not link it
    ├── JournalError                   a run folder that cannot be used
    │   ├── JournalInUseError          another process is using it
    │   ├── JournalMismatchError       it belongs to another job
    │   ├── JournalVersionError        it was written by a newer version, or is something else
    │   └── JournalStorageError        it cannot be read or written: a full disk, no permission
    ├── DailyReserveError              what is left of the day's calls is reserved for others
    ├── TransportError                 no usable answer; see ``maybe_applied``
    │   ├── ConnectFailedError         nothing was sent
    │   ├── ConnectionLostError        sent, then the connection broke
    │   ├── AnswerTimeoutError         sent, no answer in time
    │   └── GarbledAnswerError         answered, but not as documented
    ├── ApiError                       HubSpot answered with an error
    │   ├── AuthenticationError        401: the token
    │   ├── MissingScopesError         403: the token's scopes
    │   ├── NotFoundError              404: a record
    │   ├── ValidationError            400: an id or a type
    │   ├── WrongEndpointError         3xx, or 404 from something that is not HubSpot's API
    │   ├── LockedError                423: a record is locked
    │   ├── MigratingError             477: the account is being moved
    │   ├── RateLimitedError           429
    │   │   └── DailyLimitError        429 of the daily limit
    │   └── ServerError                5xx
    ├── PartialFailureError            2xx with errors inside
    ├── UnconfirmedError               2xx that confirms nothing
    └── BulkLinkError                  only from ``Report.raise_for_failures()``

All of them pickle. They carry plain values and models, never a live response, session or token.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, ClassVar

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiohubassoc.models import DefaultAssociations, ErrorDetail, Outcome

# Scopes are named in the details of a 403. HubSpot uses either key (recorded answers, 2024-2026).
_SCOPE_KEYS = ("requiredGranularScopes", "requiredScopes")
# How much of what a response lists stands in a message; the error itself has all that was kept.
_MOST_NAMES = 5
_MOST_VALUES = 20
_MOST_LETTERS = 100


def _listed(values: Sequence[str]) -> str:
    shown = [
        one if len(one) <= _MOST_LETTERS else f"{one[:_MOST_LETTERS]}..."
        for one in values[:_MOST_VALUES]
    ]
    more = len(values) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more else "")


@attrs.define(slots=False)
class AioHubAssocError(Exception):
    """The base of every error of this package."""

    _label: ClassVar[str] = "ERROR"

    @property
    def label(self) -> str:
        """A short upper-case name to group failures by; HubSpot's category where there is one."""
        return self._label


@attrs.define(slots=False)
class _MessageError(AioHubAssocError):
    message: str

    def __str__(self) -> str:
        return self.message


@attrs.define(slots=False)
class OptionsError(_MessageError, ValueError):
    """An option or argument that cannot work. Nothing was sent."""

    _label = "INVALID_OPTIONS"


@attrs.define(slots=False)
class PairError(_MessageError, ValueError):
    """A pair that cannot be sent. The message names the pair and what is wrong with it."""

    _label = "INVALID_PAIR"


@attrs.define(slots=False)
class InputError(_MessageError, ValueError):
    """A file that cannot be read as pairs. The message says why and what to do."""

    _label = "INVALID_INPUT"


@attrs.define(slots=False)
class ClientClosedError(_MessageError):
    """The client was used before its ``async with`` was entered or after it was left."""

    message: str = "the client is not open: use it inside 'async with AssociationClient(...)'"
    _label = "CLIENT_CLOSED"


@attrs.define(slots=False)
class RunStoppedError(_MessageError):
    """The run ended before this pair was settled; the message says why it ended."""

    _label = "RUN_STOPPED"


@attrs.define(slots=False)
class EarlierFailureError(AioHubAssocError):
    """
    An earlier run of the same run folder could not link the pair, and it was not tried again.

    Attributes:
        category: The category of that failure.
        message: What was said of it.
        correlation_id: What HubSpot's support asks for; None where there was none.
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


@attrs.define(slots=False)
class JournalError(_MessageError):
    """A run folder cannot be used. The message names it and says why and what to do."""

    _label = "JOURNAL"


@attrs.define(slots=False)
class JournalInUseError(JournalError):
    """
    Another process is using the run folder.

    Attributes:
        process_id: Its process id; None where it could not be found out.
    """

    process_id: int | None = None
    _label = "JOURNAL_IN_USE"


@attrs.define(slots=False)
class JournalMismatchError(JournalError):
    """
    The run folder belongs to another job: another input, other types, another portal.

    Attributes:
        differences: What differs: a name to what the folder has and what was given.
    """

    differences: Mapping[str, tuple[object, object]] = attrs.Factory(dict)
    _label = "JOURNAL_MISMATCH"


@attrs.define(slots=False)
class JournalVersionError(JournalError):
    """The run folder was written by a newer version of this package, or by something else."""

    _label = "JOURNAL_VERSION"


@attrs.define(slots=False)
class JournalStorageError(JournalError):
    """The run folder cannot be read or written."""

    _label = "JOURNAL_STORAGE"


@attrs.define(slots=False)
class DailyReserveError(AioHubAssocError):
    """
    The calls left of the day are those that ``reserve_daily`` keeps for others.

    Come back after midnight in the account's time zone: HubSpot counts anew then (HubSpot, API
    usage guidelines, "Limits").

    Attributes:
        left: How many calls of the day are left.
        reserved: How many are reserved.
    """

    left: int
    reserved: int
    _label = "DAILY_RESERVE"

    def __str__(self) -> str:
        return (
            f"{self.left:,} calls of the day are left and {self.reserved:,} are reserved: go on "
            "after midnight in the account's time zone, when HubSpot counts anew"
        )


@attrs.define(slots=False)
class TransportError(_MessageError):
    """
    No usable answer came.

    Attributes:
        message: What happened, for people.
        maybe_applied: True when HubSpot may have made the link though no answer came. Sending the
            pair again is safe: the call is idempotent.
    """

    maybe_applied: bool = True
    _label = "TRANSPORT"


@attrs.define(slots=False)
class ConnectFailedError(TransportError):
    """No connection could be made, so nothing was sent."""

    maybe_applied: bool = False
    _label = "CONNECT_FAILED"


@attrs.define(slots=False)
class ConnectionLostError(TransportError):
    """The connection broke after the call may have been sent."""

    _label = "CONNECTION_LOST"


@attrs.define(slots=False)
class AnswerTimeoutError(TransportError):
    """The call was sent and no whole answer came in time."""

    _label = "ANSWER_TIMEOUT"


@attrs.define(slots=False)
class GarbledAnswerError(TransportError):
    """
    An answer came that is not what HubSpot documents.

    Attributes:
        status: The HTTP status of the answer.
        headers: The answer's headers.
        body_start: The first 1,000 bytes of the body, as text.
        problems: What is wrong and where, such as ``"$.results[0].from.id: null is not an id"``.
    """

    status: int = 0
    headers: Mapping[str, str] = attrs.Factory(dict)
    body_start: str = ""
    problems: tuple[str, ...] = ()
    _label = "GARBLED_ANSWER"


@attrs.define(slots=False)
class ApiError(AioHubAssocError):
    """
    HubSpot answered with an error.

    Attributes:
        status: The HTTP status.
        category: HubSpot's category such as ``"VALIDATION_ERROR"``; None where the body has none.
        message: HubSpot's message, or the start of a body that is not HubSpot's JSON.
        correlation_id: What HubSpot's support asks for; None where the answer has none.
        errors: The details, in HubSpot's order.
        context: HubSpot's context: names to lists of values, often the ids at fault.
        sub_category: HubSpot's finer category, as text; None where there is none.
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
        """HubSpot's category, or ``HTTP_`` and the status where there is none."""
        return self.category or f"HTTP_{self.status}"

    def __str__(self) -> str:
        text = f"{self.status} {self.category or type(self).__name__}: {self.message}"
        for name, values in islice(self.context.items(), _MOST_NAMES):
            text += f" [{name}: {_listed(values)}]"
        return f"{text} (correlation id {self.correlation_id})" if self.correlation_id else text


@attrs.define(slots=False)
class AuthenticationError(ApiError):
    """The token was refused: it is wrong, expired or revoked. No other pair would fare better."""


@attrs.define(slots=False)
class MissingScopesError(ApiError):
    """The token lacks scopes. No other pair would fare better."""

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes that HubSpot says are required; empty where it names none."""
        return tuple(
            scope
            for detail in self.errors
            for key in _SCOPE_KEYS
            for scope in detail.context.get(key, ())
        )

    def __str__(self) -> str:
        named = f"; needs {_listed(self.scopes)}" if self.scopes else ""
        return super().__str__() + named


@attrs.define(slots=False)
class NotFoundError(ApiError):
    """A record of the pair does not exist (any more)."""


@attrs.define(slots=False)
class ValidationError(ApiError):
    """An id or object type of the pair is not valid. HubSpot says it of missing records too."""


@attrs.define(slots=False)
class WrongEndpointError(ApiError):
    """
    Something other than HubSpot's API answered: the base URL or the API version is wrong.

    Attributes:
        url: The URL that was asked.
    """

    url: str = ""

    def __str__(self) -> str:
        return f"{super().__str__()}; check the base URL and the API version of {self.url}"


@attrs.define(slots=False)
class LockedError(ApiError):
    """A record stayed locked by another change."""


@attrs.define(slots=False)
class MigratingError(ApiError):
    """
    The account is being moved between HubSpot's data centres and takes no calls.

    Attributes:
        retry_after: Seconds that HubSpot asks to wait, up to 24 hours; None where it did not say.
    """

    retry_after: float | None = None


@attrs.define(slots=False)
class RateLimitedError(ApiError):
    """
    The quota was used up.

    Attributes:
        policy: HubSpot's name of the limit, such as ``"TEN_SECONDLY_ROLLING"``; None if not named.
        retry_after: Seconds that HubSpot asks to wait; None where it did not say.
    """

    policy: str | None = None
    retry_after: float | None = None

    @property
    def label(self) -> str:
        """``RATE_LIMIT`` and the policy: HubSpot's answers mostly have no category here."""
        return f"RATE_LIMIT_{self.policy}" if self.policy else "RATE_LIMIT"


@attrs.define(slots=False)
class DailyLimitError(RateLimitedError):
    """The account's daily limit is used up. It resets at midnight in the account's time zone."""


@attrs.define(slots=False)
class ServerError(ApiError):
    """HubSpot or its edge failed."""


@attrs.define(slots=False)
class PartialFailureError(AioHubAssocError):
    """HubSpot answered 2xx, with errors inside or a cancelled status. The reply holds them all."""

    reply: DefaultAssociations

    @property
    def label(self) -> str:
        """The category of the first error inside the reply."""
        categories = (error.category for error in self.reply.errors)
        return next(filter(None, categories), "PARTIAL_FAILURE")

    def __str__(self) -> str:
        reply = self.reply
        told = "; ".join(
            f"{error.category or 'error'}: {error.message}" for error in reply.errors[:_MOST_NAMES]
        )
        return (
            f"the answer reports success ({reply.status}) with {len(reply.results)} results, "
            f"numErrors {reply.num_errors} and {told or 'no named errors'}"
        )


@attrs.define(slots=False)
class UnconfirmedError(AioHubAssocError):
    """
    HubSpot answered 2xx, each time without confirming the link.

    Attributes:
        reply: The last reply; None where the answer had no body.
    """

    reply: DefaultAssociations | None = None
    _label = "UNCONFIRMED"

    def __str__(self) -> str:
        if self.reply is None:
            return (
                "the answers reported success without a body: nothing says that the pair is linked"
            )
        return (
            f"the answers reported success ({self.reply.status}) with "
            f"{len(self.reply.results)} results, none of them confirming this pair"
        )


@attrs.define(slots=False)
class BulkLinkError(AioHubAssocError):
    """
    Pairs of a run are not linked.

    Attributes:
        failures: The outcomes that are neither linked nor skipped, as many as the report kept.
        not_linked: How many there were in all.
        total: How many outcomes the run had.
    """

    failures: tuple[Outcome, ...]
    not_linked: int
    total: int
    _label = "BULK_LINK"

    def __str__(self) -> str:
        text = f"{self.not_linked} of {self.total} pairs are not linked"
        if not self.failures:
            return text
        first = self.failures[0]
        return f"{text}; the first: {first.pair}: {first.status}: {first.error}"
