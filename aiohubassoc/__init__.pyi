# The public names, each with its home: for type checkers, and for __init__.py when one is used.
from aiohubassoc._http.auth import TokenProvider as TokenProvider
from aiohubassoc._http.limiter import QuotaLimiter as QuotaLimiter
from aiohubassoc._http.limiter_interface import Limiter as Limiter
from aiohubassoc._run.source import Pairs as Pairs
from aiohubassoc._run.stream import (
    OutcomeStream as OutcomeStream,
    VerificationStream as VerificationStream,
)
from aiohubassoc.account import (
    AccountCheck as AccountCheck,
    CheckItem as CheckItem,
    CheckState as CheckState,
    ScopeCheck as ScopeCheck,
)
from aiohubassoc.client import AssociationClient as AssociationClient
from aiohubassoc.errors import (
    AioHubAssocError as AioHubAssocError,
    ApiError as ApiError,
    AuthenticationError as AuthenticationError,
    ClientClosedError as ClientClosedError,
    ConnectError as ConnectError,
    ConnectionLostError as ConnectionLostError,
    DailyLimitError as DailyLimitError,
    DailyReserveError as DailyReserveError,
    GatewayError as GatewayError,
    InputError as InputError,
    InvalidResponseError as InvalidResponseError,
    JournalError as JournalError,
    JournalInUseError as JournalInUseError,
    JournalMismatchError as JournalMismatchError,
    JournalStorageError as JournalStorageError,
    JournalVersionError as JournalVersionError,
    LockedError as LockedError,
    MigratingError as MigratingError,
    MissingScopesError as MissingScopesError,
    NotFoundError as NotFoundError,
    OptionsError as OptionsError,
    PairError as PairError,
    PartialFailureError as PartialFailureError,
    PermissionDeniedError as PermissionDeniedError,
    PreviousFailureError as PreviousFailureError,
    RateLimitedError as RateLimitedError,
    RefusedAlikeError as RefusedAlikeError,
    ResponseTimeoutError as ResponseTimeoutError,
    RunStoppedError as RunStoppedError,
    ServerError as ServerError,
    SharedQuotaError as SharedQuotaError,
    TransportError as TransportError,
    UnconfirmedError as UnconfirmedError,
    UnknownObjectTypeError as UnknownObjectTypeError,
    ValidationError as ValidationError,
    WrongEndpointError as WrongEndpointError,
)
from aiohubassoc.journal.journal import Journal as Journal
from aiohubassoc.journal.reader import JournalRow as JournalRow
from aiohubassoc.models import (
    BulkLinkError as BulkLinkError,
    LinkState as LinkState,
    Outcome as Outcome,
    Report as Report,
    Skip as Skip,
    Status as Status,
    Verification as Verification,
    VerificationReport as VerificationReport,
)
from aiohubassoc.observer import (
    CallKind as CallKind,
    Observer as Observer,
    ResponseEvent as ResponseEvent,
    RetryEvent as RetryEvent,
    RunFinishedEvent as RunFinishedEvent,
    RunStartedEvent as RunStartedEvent,
    ThrottleEvent as ThrottleEvent,
)
from aiohubassoc.options import (
    ApiVersion as ApiVersion,
    Quota as Quota,
    RetryPolicy as RetryPolicy,
    Timeouts as Timeouts,
)
from aiohubassoc.pair import Pair as Pair
from aiohubassoc.planning import Plan as Plan
from aiohubassoc.replies import (
    Association as Association,
    AssociationSpec as AssociationSpec,
    DefaultAssociations as DefaultAssociations,
    ErrorDetail as ErrorDetail,
    StandardError as StandardError,
)
from aiohubassoc.shared_quota.quota import SharedQuota as SharedQuota

__version__: str
