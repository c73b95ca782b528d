"""How a portal behaves. Cheap to import: no aiohttp."""

from __future__ import annotations

import json
from typing import Any, Literal, TypeAlias, get_args

import attrs
from attrs import validators

from aiohubassoc.simulator.fault_plan import FaultPlan, ScriptedPair

HeadersMode: TypeAlias = Literal["all", "some", "none"]
QuotaKind: TypeAlias = Literal["rolling", "fixed", "gcra"]
MissingResponse: TypeAlias = Literal["400", "404"]
BatchErrors: TypeAlias = Literal["named", "first", "ends", "unnamed"]
BatchMissing: TypeAlias = Literal["207", "400"]
ReadUnlinked: TypeAlias = Literal["errors", "left_out", "empty"]
AccountCallName: TypeAlias = Literal["details", "usage", "token_info", "limits"]
# From type, from id, to type, number of links.
LimitedRecord: TypeAlias = tuple[str, str, str, int]


def _one_of(literal: Any) -> Any:  # noqa: ANN401 -- a Literal, and a validator of attrs
    return validators.in_(get_args(literal))


def _pairs(_: object, field: attrs.Attribute[Any], value: tuple[ScriptedPair, ...]) -> None:
    for pair in value:
        if list(map(type, pair)) != [str] * 4:
            raise ValueError(f"{field.name} must hold pairs of four strings each, not {pair!r}")


_TEXTS = ("tokens", "custom_types", "missing_scopes", "scopes", "refused_calls", "unknown_calls")
_LIMIT: Any = validators.optional(validators.ge(1))
_CALLS = validators.deep_iterable(_one_of(AccountCallName))
_SHARE = [validators.ge(0.0), validators.le(1.0)]


@attrs.frozen
class Latency:
    """
    Two log-normal delays, drawn independently, before and after a request is counted.

    Args:
        before_median: Seconds from a request's arrival to its counting. 0: none.
        before_sigma: The standard deviation of its natural logarithm, 0 or more.
        after_median: Seconds from the counting to the response. 0: none.
        after_sigma: The standard deviation of its natural logarithm, 0 or more.
        stray_share: The share of requests, from 0 to 1, that are late besides.
        stray_max: Their longest extra delay before they are counted, in seconds, uniformly drawn.

    Raises:
        ValueError: a negative number, or a share above 1.
    """

    before_median: float = attrs.field(default=0.0, validator=validators.ge(0))
    before_sigma: float = attrs.field(default=0.0, validator=validators.ge(0))
    after_median: float = attrs.field(default=0.0, validator=validators.ge(0))
    after_sigma: float = attrs.field(default=0.0, validator=validators.ge(0))
    stray_share: float = attrs.field(default=0.0, validator=_SHARE)
    stray_max: float = attrs.field(default=2.0, validator=validators.ge(0))


@attrs.frozen
class Neighbour:
    """
    Another client of the same quota, at a constant rate or in regular bursts.

    Args:
        start: Seconds from the first request that the portal counts to the neighbour's first.
        length: Seconds for which the neighbour sends.
        per_second: Requests per second; those that exceed the quota are lost.
        burst: How many come at once, 1 or more.

    Raises:
        ValueError: a negative number, or a burst below 1.
    """

    start: float = attrs.field(validator=validators.ge(0))
    length: float = attrs.field(validator=validators.ge(0))
    per_second: float = attrs.field(validator=validators.ge(0))
    burst: int = attrs.field(default=1, validator=validators.ge(1))


@attrs.frozen
class PortalSettings:
    """
    These settings and the requests decide everything that a portal does.

    Args:
        seed: Of every random draw.
        tokens: The access tokens that are accepted.
        quota_limit: Requests in any window, counted for single PUTs only (HubSpot, API usage
            guidelines: batch association calls are exempt). None: no such limit.
        quota_window: The window's length in seconds.
        quota_kind: How the limit is counted: ``rolling``, in any window, as HubSpot does;
            ``fixed``, in windows that follow one another from the first request on; ``gcra``, a
            leaky bucket.
        secondly_limit: Single PUTs in any second. None: no such limit.
        batch_limit: Batch calls, creating and reading, in any window, counted separately. None: no
            such limit; HubSpot publishes none.
        batch_window: That window's length in seconds.
        batch_max_in_flight: Batch calls in flight at the same time, from their counting to their
            response. None: no such limit. Only a served portal can keep it. The 429 names the
            ten-second limit; the ledger calls it ``BATCH_IN_FLIGHT``.
        daily_limit: Requests of every kind in a day of 86,400 seconds that begins with the first
            one. None: no such limit.
        count_refused: Whether a request that is refused with 429 uses up the limits too; HubSpot
            does not document it.
        quota_retry_after: Whether a 429 of a limit has ``Retry-After``, in whole seconds.
        headers: Whether responses have the rate-limit headers: ``all``; ``some``, without the
            daily ones in half of the responses and without the others in a quarter; ``none``.
        reported_max: The value of ``X-HubSpot-RateLimit-Max``. None: the true limit.
        records_up_to: The records 1 to this one exist in every type. None: every positive id.
        missing_share: The share of those, from 0 to 1, that does not exist.
        missing_response: The status of the response to a single PUT for a missing record.
        custom_types: The names of the account's own object types.
        missing_scopes: If there are any, every call that links or reads is refused with 403, which
            names them.
        scopes: The scopes of the tokens. A call that links needs the write scopes of both types, a
            read their read scopes; else it is refused with 403, which names those that are missing.
            None: every scope but `missing_scopes`.
        refused_calls: The calls about the account that are refused with 403: ``details``,
            ``usage``, ``token_info``, ``limits``.
        unknown_calls: Those that get the page of an unknown path.
        time_zone: The account's time zone.
        utc_offset: Its offset from UTC in hours, -12 to 14.
        daily_used: Requests of the day that others made before the first one.
        association_limit: The most links of one record to records of another type.
        limited_records: Records near that limit or at it, each as from type, from id, to type and
            its number of links. They are only reported: they can still be linked.
        latency: The delays of a request and its response.
        neighbours: Other clients of the quota.
        faults: What goes wrong.
        batch_errors: How the errors of a batch call name what failed: ``named``, with both ids, or
            that of the record whose links are read; ``first``, the same, but the refusal of a
            whole call names the first missing record only; ``ends``, the missing record only;
            ``unnamed``.
        batch_missing: What a missing record costs: ``207``, its own input only; ``400``, the whole
            call.
        read_page: Links of one record in one response, 1 or more; the rest follows page by page.
        read_unlinked: How a read reports that a record has no links: ``errors``, by an error that
            names it; ``left_out``, not at all; ``empty``, by a result without links.
        unmade_share: The share of pairs, from 0 to 1, that are confirmed as linked and never are.
        labelled_only: Pairs that are linked from the start, with a label and not by default:
            each as from type, from id, to type, to id.
        keep_links: Whether the ledger keeps every link. False: counts only, so that memory stays
            flat over millions of pairs; a pair is forgotten after a response without a fault, and
            a read of links is refused with 400.
        keep_arrivals: Whether the ledger keeps the instant of every request.

    Raises:
        ValueError: a value out of range.
    """

    seed: int = 1
    tokens: tuple[str, ...] = ("simulated-token",)
    quota_limit: int | None = attrs.field(default=190, validator=_LIMIT)
    quota_window: float = attrs.field(default=10.0, validator=validators.gt(0))
    quota_kind: QuotaKind = attrs.field(default="rolling", validator=_one_of(QuotaKind))
    secondly_limit: int | None = attrs.field(default=None, validator=_LIMIT)
    batch_limit: int | None = attrs.field(default=None, validator=_LIMIT)
    batch_window: float = attrs.field(default=10.0, validator=validators.gt(0))
    batch_max_in_flight: int | None = attrs.field(default=None, validator=_LIMIT)
    daily_limit: int | None = attrs.field(default=None, validator=_LIMIT)
    count_refused: bool = False
    quota_retry_after: bool = False
    headers: HeadersMode = attrs.field(default="all", validator=_one_of(HeadersMode))
    reported_max: str | None = None
    records_up_to: int | None = attrs.field(
        default=None, validator=validators.optional(validators.ge(0))
    )
    missing_share: float = attrs.field(default=0.0, validator=_SHARE)
    missing_response: MissingResponse = attrs.field(
        default="400", validator=_one_of(MissingResponse)
    )
    custom_types: tuple[str, ...] = ("p12345_cars", "2-1234567")
    missing_scopes: tuple[str, ...] = ()
    scopes: tuple[str, ...] | None = None
    refused_calls: tuple[AccountCallName, ...] = attrs.field(default=(), validator=_CALLS)
    unknown_calls: tuple[AccountCallName, ...] = attrs.field(default=(), validator=_CALLS)
    time_zone: str = "US/Eastern"
    utc_offset: float = attrs.field(
        default=-5.0, validator=[validators.ge(-12.0), validators.le(14.0)]
    )
    daily_used: int = attrs.field(default=0, validator=validators.ge(0))
    association_limit: int = attrs.field(default=50_000, validator=validators.ge(1))
    limited_records: tuple[LimitedRecord, ...] = ()
    latency: Latency = attrs.field(factory=Latency)
    neighbours: tuple[Neighbour, ...] = ()
    faults: FaultPlan = attrs.field(factory=FaultPlan)
    batch_errors: BatchErrors = attrs.field(default="named", validator=_one_of(BatchErrors))
    batch_missing: BatchMissing = attrs.field(default="207", validator=_one_of(BatchMissing))
    read_page: int = attrs.field(default=500, validator=validators.ge(1))
    read_unlinked: ReadUnlinked = attrs.field(default="errors", validator=_one_of(ReadUnlinked))
    unmade_share: float = attrs.field(default=0.0, validator=_SHARE)
    labelled_only: tuple[ScriptedPair, ...] = attrs.field(default=(), validator=_pairs)
    keep_links: bool = True
    keep_arrivals: bool = True

    def to_json(self) -> str:
        """Return the settings as one line of JSON."""
        fields = attrs.asdict(self, filter=lambda field, _: field.name != "faults")
        return json.dumps(fields | {"faults": self.faults.to_dict()})

    @classmethod
    def from_json(cls, text: str | bytes) -> PortalSettings:
        """
        Return the settings that `to_json` wrote; what is missing keeps its default.

        Raises:
            ValueError: not a JSON object, an unknown name, or a value out of range.
        """
        fields = json.loads(text)
        try:
            for name in _TEXTS:
                if fields.get(name) is not None:
                    fields[name] = tuple(fields[name])
            for name in ("labelled_only", "limited_records"):
                if name in fields:
                    fields[name] = tuple(map(tuple, fields[name]))
            if "latency" in fields:
                fields["latency"] = Latency(**fields["latency"])
            if "neighbours" in fields:
                fields["neighbours"] = tuple(Neighbour(**each) for each in fields["neighbours"])
            if "faults" in fields:
                fields["faults"] = FaultPlan.from_dict(fields["faults"])
            return cls(**fields)
        except (AttributeError, TypeError) as error:
            raise ValueError(f"invalid settings of a portal: {error}") from error
