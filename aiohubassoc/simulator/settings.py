"""What a portal is like. Cheap to import: no aiohttp."""

from __future__ import annotations

import json
from typing import Any, Literal, TypeAlias

import attrs
from attrs import validators

from aiohubassoc.simulator.fault_plan import FaultPlan, ScriptedPair
from aiohubassoc.simulator.network import Latency, Neighbour

HeadersMode: TypeAlias = Literal["all", "some", "none"]
QuotaKind: TypeAlias = Literal["rolling", "fixed", "gcra"]
MissingResponse: TypeAlias = Literal["400", "404"]
BatchErrors: TypeAlias = Literal["named", "first", "ends", "unnamed"]
BatchMissing: TypeAlias = Literal["207", "400"]
ReadUnlinked: TypeAlias = Literal["errors", "left_out", "empty"]


def _count_or_none(_: object, field: attrs.Attribute[Any], value: int | None) -> None:
    if value is not None and value < 1:
        raise ValueError(f"{field.name} must be 1 or more, or None, not {value!r}")


def _pairs(_: object, field: attrs.Attribute[Any], value: tuple[ScriptedPair, ...]) -> None:
    for pair in value:
        if list(map(type, pair)) != [str] * 4:
            raise ValueError(f"{field.name} must hold pairs of four strings each, not {pair!r}")


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
        batch_limit: Batch calls, creating and reading, in any window of their own. None: no such
            limit; HubSpot publishes none.
        batch_window: That window's length in seconds.
        batch_max_in_flight: Batch calls that are worked on at the same time, from being counted to
            their answer. None: no such limit. Only a portal that is served can keep it. A refusal
            speaks of the ten-second limit; the books call it ``BATCH_IN_FLIGHT``.
        daily_limit: Requests of every kind in a day of 86,400 seconds that begins with the first
            one. None: no such limit.
        count_refused: Whether a request that is refused with 429 uses up the limits too; HubSpot
            does not say.
        quota_retry_after: Whether a 429 says, in whole seconds, when there is room again.
        headers: Whether answers carry the rate-limit headers: ``all``; ``some``, the daily ones
            missing on half of the answers and the others on a quarter; ``none``.
        reported_max: What ``X-HubSpot-RateLimit-Max`` says. None: the truth.
        records_up_to: The records 1 to this one exist in every type. None: every positive id.
        missing_share: The share of those that is missing all the same, from 0 to 1.
        missing_response: A single PUT for a record that does not exist is answered with this.
        custom_types: The names of the account's own object types.
        missing_scopes: If there are any, every call is refused with 403 for want of these.
        latency: Around the moment of counting.
        neighbours: Others who use the quota.
        faults: What goes wrong.
        batch_errors: How the errors of a batch call name what failed: ``named``, with both ids, or
            that of the record whose links are read; ``first``, the same, but the refusal of a
            whole call names the first bad end only; ``ends``, the missing end only; ``unnamed``.
        batch_missing: Whether a record that does not exist costs its own input only, ``207``, or
            has the whole call refused, ``400``.
        read_page: Links of one record in one answer, 1 or more; the rest is read page by page.
        read_unlinked: How a read tells that a record has no links: ``errors``, by an error that
            names it; ``left_out``, not at all; ``empty``, by a result without links.
        unmade_share: The share of pairs, from 0 to 1, that are told as linked and never are.
        labelled_only: Pairs that are linked from the beginning, with a label and not by default:
            each as from type, from id, to type, to id.
        keep_links: Whether the books hold every link. False: counts only, so that memory stays
            flat over millions of pairs; a pair is forgotten once it had an answer without a
            fault, and a read of links is refused with 400.
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
    batch_limit: int | None = attrs.field(default=None, validator=_count_or_none)
    batch_window: float = attrs.field(default=10.0, validator=validators.gt(0))
    batch_max_in_flight: int | None = attrs.field(default=None, validator=_count_or_none)
    daily_limit: int | None = attrs.field(default=None, validator=_count_or_none)
    count_refused: bool = False
    quota_retry_after: bool = False
    headers: HeadersMode = attrs.field(
        default="all", validator=validators.in_(("all", "some", "none"))
    )
    reported_max: str | None = None
    records_up_to: int | None = attrs.field(
        default=None, validator=validators.optional(validators.ge(0))
    )
    missing_share: float = attrs.field(default=0.0, validator=[validators.ge(0), validators.le(1)])
    missing_response: MissingResponse = attrs.field(
        default="400", validator=validators.in_(("400", "404"))
    )
    custom_types: tuple[str, ...] = ("p12345_cars", "2-1234567")
    missing_scopes: tuple[str, ...] = ()
    latency: Latency = attrs.field(factory=Latency)
    neighbours: tuple[Neighbour, ...] = ()
    faults: FaultPlan = attrs.field(factory=FaultPlan)
    batch_errors: BatchErrors = attrs.field(
        default="named", validator=validators.in_(("named", "first", "ends", "unnamed"))
    )
    batch_missing: BatchMissing = attrs.field(
        default="207", validator=validators.in_(("207", "400"))
    )
    read_page: int = attrs.field(default=500, validator=validators.ge(1))
    read_unlinked: ReadUnlinked = attrs.field(
        default="errors", validator=validators.in_(("errors", "left_out", "empty"))
    )
    unmade_share: float = attrs.field(default=0.0, validator=[validators.ge(0), validators.le(1)])
    labelled_only: tuple[ScriptedPair, ...] = attrs.field(default=(), validator=_pairs)
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
            if "labelled_only" in fields:
                fields["labelled_only"] = tuple(map(tuple, fields["labelled_only"]))
            if "latency" in fields:
                fields["latency"] = Latency(**fields["latency"])
            if "neighbours" in fields:
                fields["neighbours"] = tuple(Neighbour(**each) for each in fields["neighbours"])
            if "faults" in fields:
                fields["faults"] = FaultPlan.from_plain(fields["faults"])
            return cls(**fields)
        except (AttributeError, TypeError) as error:
            raise ValueError(f"these are no settings of a portal: {error}") from error
