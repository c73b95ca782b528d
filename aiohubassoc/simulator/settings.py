"""What a portal is like. Cheap to import: no aiohttp."""

from __future__ import annotations

import json
from typing import Any, Literal, TypeAlias

import attrs
from attrs import validators

from aiohubassoc.simulator.fault_plan import FaultPlan

HeadersMode: TypeAlias = Literal["all", "some", "none"]
QuotaKind: TypeAlias = Literal["rolling", "fixed", "gcra"]
MissingAnswer: TypeAlias = Literal["400", "404"]
BatchErrors: TypeAlias = Literal["named", "ends", "unnamed"]
BatchMissing: TypeAlias = Literal["207", "400"]


def _count_or_none(_: object, field: attrs.Attribute[Any], value: int | None) -> None:
    if value is not None and value < 1:
        raise ValueError(f"{field.name} must be 1 or more, or None, not {value!r}")


@attrs.frozen
class Latency:
    """
    Two log-normal delays, each drawn on its own, around the moment a request is counted.

    Args:
        before_median: Seconds from a request's arrival to its being counted. 0: none.
        before_sigma: The standard deviation of its natural logarithm, 0 or more.
        after_median: Seconds from being counted to the answer. 0: none.
        after_sigma: The standard deviation of its natural logarithm, 0 or more.
        stray_share: The share of requests, from 0 to 1, that are late besides.
        stray_most: By up to so many seconds, evenly drawn, before they are counted.

    Raises:
        ValueError: a negative number, or a share above 1.
    """

    before_median: float = attrs.field(default=0.0, validator=validators.ge(0))
    before_sigma: float = attrs.field(default=0.0, validator=validators.ge(0))
    after_median: float = attrs.field(default=0.0, validator=validators.ge(0))
    after_sigma: float = attrs.field(default=0.0, validator=validators.ge(0))
    stray_share: float = attrs.field(default=0.0, validator=[validators.ge(0), validators.le(1)])
    stray_most: float = attrs.field(default=2.0, validator=validators.ge(0))


@attrs.frozen
class Neighbour:
    """
    Somebody else who uses the same quota, at an even pace or in even bursts.

    Args:
        start: Seconds from the first request that the portal counts to the neighbour's first.
        length: For how many seconds the neighbour keeps on.
        per_second: Requests per second; those that find the quota used up are lost.
        burst: So many come at once, 1 or more.

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
    Everything a portal does is settled by this and by the requests it gets.

    Args:
        seed: Of every draw.
        tokens: The bearer tokens that are accepted.
        quota_limit: Requests in any window, counted for single PUTs only (HubSpot, API usage
            guidelines: batch association calls are exempt). None: no such limit.
        quota_window: The window's length in seconds.
        quota_kind: How the limit is kept: ``rolling``, in any window, as HubSpot does; ``fixed``,
            from one full window after the first request to the next; ``gcra``, a leaky bucket.
        secondly_limit: Single PUTs in any second. None: no such limit.
        daily_limit: Requests of every kind in a day of 86,400 seconds that begins with the first
            one. None: no such limit.
        refused_count: Whether a request that is refused with 429 uses up the limits too; HubSpot
            does not say.
        quota_retry_after: Whether a 429 says, in whole seconds, when there is room again.
        headers: Whether answers carry the rate-limit headers: ``all``; ``some``, the daily ones
            missing on half of the answers and the others on a quarter; ``none``.
        told_max: What ``X-HubSpot-RateLimit-Max`` says. None: the truth.
        records_up_to: The records 1 to this one exist in every type. None: every positive id.
        missing_share: The share of those that is missing all the same, from 0 to 1.
        missing_answer: A single PUT for a record that does not exist is answered with this.
        custom_types: The names of the account's own object types.
        missing_scopes: If there are any, every call is refused with 403 for want of these.
        latency: Around the moment of counting.
        neighbours: Others who use the quota.
        faults: What goes wrong.
        batch_errors: How the errors of a batch name a failed pair: ``named``, with both ids;
            ``ends``, the missing end only; ``unnamed``.
        batch_missing: Whether a record that does not exist costs its own pair only, ``207``, or
            has the whole batch refused, ``400``.
        keep_links: Whether the books hold every link. False: counts only, so that memory stays
            flat over millions of pairs; a pair is forgotten once it had an answer without a fault.
        keep_arrivals: Whether the books hold the instant of every arrival.

    Raises:
        ValueError: a value out of range.
    """

    seed: int = 1
    tokens: tuple[str, ...] = ("simulated-token",)
    quota_limit: int | None = attrs.field(default=190, validator=_count_or_none)
    quota_window: float = attrs.field(default=10.0, validator=validators.gt(0))
    quota_kind: QuotaKind = attrs.field(
        default="rolling", validator=validators.in_(("rolling", "fixed", "gcra"))
    )
    secondly_limit: int | None = attrs.field(default=None, validator=_count_or_none)
    daily_limit: int | None = attrs.field(default=None, validator=_count_or_none)
    refused_count: bool = False
    quota_retry_after: bool = False
    headers: HeadersMode = attrs.field(
        default="all", validator=validators.in_(("all", "some", "none"))
    )
    told_max: str | None = None
    records_up_to: int | None = attrs.field(
        default=None, validator=validators.optional(validators.ge(0))
    )
    missing_share: float = attrs.field(default=0.0, validator=[validators.ge(0), validators.le(1)])
    missing_answer: MissingAnswer = attrs.field(
        default="400", validator=validators.in_(("400", "404"))
    )
    custom_types: tuple[str, ...] = ("p12345_cars", "2-1234567")
    missing_scopes: tuple[str, ...] = ()
    latency: Latency = attrs.field(factory=Latency)
    neighbours: tuple[Neighbour, ...] = ()
    faults: FaultPlan = attrs.field(factory=FaultPlan)
    batch_errors: BatchErrors = attrs.field(
        default="named", validator=validators.in_(("named", "ends", "unnamed"))
    )
    batch_missing: BatchMissing = attrs.field(
        default="207", validator=validators.in_(("207", "400"))
    )
    keep_links: bool = True
    keep_arrivals: bool = True

    def to_json(self) -> str:
        """Return the settings as one line of JSON."""
        plain = attrs.asdict(self, filter=lambda field, _: field.name != "faults")
        return json.dumps(plain | {"faults": self.faults.to_plain()})

    @classmethod
    def from_json(cls, text: str | bytes) -> PortalSettings:
        """
        Return the settings that `to_json` gave; what is missing keeps its default.

        Raises:
            ValueError: not a JSON object, an unknown name, or a value out of range.
        """
        fields = json.loads(text)
        try:
            for name in ("tokens", "custom_types", "missing_scopes"):
                if name in fields:
                    fields[name] = tuple(fields[name])
            if "latency" in fields:
                fields["latency"] = Latency(**fields["latency"])
            if "neighbours" in fields:
                fields["neighbours"] = tuple(Neighbour(**each) for each in fields["neighbours"])
            if "faults" in fields:
                fields["faults"] = FaultPlan.from_plain(fields["faults"])
            return cls(**fields)
        except (AttributeError, TypeError) as error:
            raise ValueError(f"these are no settings of a portal: {error}") from error
