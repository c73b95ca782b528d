"""Parses paths and bodies as calls, and counts how often each call was received."""

from __future__ import annotations

import json
import re
from collections import Counter
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias
from urllib.parse import unquote

import attrs

from aiohubassoc.simulator import error_bodies
from aiohubassoc.simulator.records import LinkedPair
from aiohubassoc.simulator.settings import AccountCallName

if TYPE_CHECKING:
    from aiohubassoc.simulator.records import ObjectTypes
    from aiohubassoc.simulator.responses import PortalResponse
    from aiohubassoc.simulator.seeded_random import SeededRandom
    from aiohubassoc.simulator.settings import Latency

# HubSpot, Associations v4: the dated versions have the same schemas under other paths.
_DATED = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])(-beta)?")
# HubSpot's schema of this version declares only 200 for reads: the errors are in the body.
_ERRORS_IN_200 = "2026-09"

NO_INPUT = error_bodies.validation_error(
    "Invalid input JSON on line 1, column 1: Cannot deserialize value"
)

Inputs: TypeAlias = "list[Any] | PortalResponse"
"""The inputs of a batch call, not validated, or the response to a body without them."""

OperationKind: TypeAlias = Literal["put", "batch", "read", "account"]


@attrs.frozen
class PutCall:
    """Create Default for one pair; types and ids as in the request."""

    kind: ClassVar[OperationKind] = "put"
    method: ClassVar[str] = "PUT"

    from_type: str
    from_id: str
    to_type: str
    to_id: str


@attrs.frozen
class BatchCall:
    """Create Default for many pairs of the same two types, as in the request."""

    kind: ClassVar[OperationKind] = "batch"
    method: ClassVar[str] = "POST"
    max_inputs: ClassVar[int] = 2_000  # HubSpot, Associations v4

    from_type: str
    to_type: str


@attrs.frozen
class ReadCall:
    """Read the links of many records of one type to records of another, as in the request."""

    kind: ClassVar[OperationKind] = "read"
    method: ClassVar[str] = "POST"
    max_inputs: ClassVar[int] = 1_000  # HubSpot, Associations v4

    from_type: str
    to_type: str
    errors_in_200: bool = False


@attrs.frozen
class AccountCall:
    """One of the calls about the account; the types are those of its association limits."""

    kind: ClassVar[OperationKind] = "account"

    name: AccountCallName
    from_type: str = ""
    to_type: str = ""

    @property
    def method(self) -> str:
        """The HTTP method; ``POST`` for the call that sends a token in its body."""
        return "POST" if self.name == "token_info" else "GET"


PortalCall: TypeAlias = PutCall | BatchCall | ReadCall | AccountCall


def parse_path(raw_path: str) -> PortalCall | None:
    """Return the call of a path as in the request line; None if the portal has no such path."""
    path = raw_path.partition("?")[0]
    segments = [unquote(segment) for segment in path.split("/")]
    if "" in segments[1:]:
        return None
    match segments:
        case ["", "crm", "v4", area, *rest]:
            return _crm("v4", area, rest)
        case ["", "crm", area, version, *rest] if _DATED.fullmatch(version):
            return _crm(version, area, rest)
        case ["", "account-info", version, *rest] if version == "v3" or _DATED.fullmatch(version):
            return _ACCOUNT_INFO.get("/".join(rest))
        case ["", "oauth", "v2", "private-apps", "get", "access-token-info"]:
            return AccountCall("token_info")
        case _:
            return None


_ACCOUNT_INFO = {
    "details": AccountCall("details"),
    "api-usage/daily/private-apps": AccountCall("usage"),
}


def _crm(version: str, area: str, rest: list[str]) -> PortalCall | None:
    match area, rest:
        case "objects", [from_type, from_id, "associations", "default", to_type, to_id]:
            return PutCall(from_type, from_id, to_type, to_id)
        case "associations", [from_type, to_type, "batch", "associate", "default"]:
            return BatchCall(from_type, to_type)
        case "associations", [from_type, to_type, "batch", "read"]:
            errors_in_200 = version != "v4" and version >= _ERRORS_IN_200
            return ReadCall(from_type, to_type, errors_in_200)
        case "limits", ["associations", "records", from_type, to_type] if version != "v4":
            return AccountCall("limits", from_type, to_type)
        case _:
            return None


def parse_inputs(call: PortalCall, body: bytes) -> Inputs:
    if isinstance(call, PutCall | AccountCall):
        return []
    if not body:
        message = "Invalid JSON input: a request body was expected, but none found"
        return error_bodies.validation_error(message)
    try:
        inputs = json.loads(body)["inputs"]
    except (KeyError, TypeError, ValueError):
        return NO_INPUT
    if not isinstance(inputs, list):
        return NO_INPUT
    if len(inputs) > call.max_inputs:
        message = f"{len(inputs)} inputs are more than the {call.max_inputs} allowed"
        return error_bodies.validation_error(message)
    return inputs


@attrs.frozen(eq=False)
class PortalRequest:
    """A request before it is counted; compared by identity."""

    call: PortalCall | None  # the call of its path. None: the portal has no such path
    is_allowed: bool  # whether its method is the one of the call
    pair: LinkedPair | None  # the pair of a call for one pair; None for other calls
    body: bytes
    key: str  # the key of random draws: the pair, or the path and the body
    number: int  # counts the requests with this key, from 1
    delay: float  # seconds from its arrival until it is counted

    @property
    def is_batch(self) -> bool:
        return self.is_allowed and isinstance(self.call, BatchCall | ReadCall)


@attrs.frozen
class Position:
    """The number of a call among those that passed the rate limits, from 1."""

    of_key: int  # among the calls with its key
    of_kind: int  # among the calls of its kind
    overall: int  # among all calls except those about the account


@attrs.define
class _KeyCounts:
    arrived: int = 0
    passed: int = 0


class RequestTracker:
    """Parses requests and counts them by key."""

    # A request that the rate limits refuse has arrived but not passed. A fault is drawn by how
    # often its key has passed, so that it does not depend on how often the limits refused it.

    def __init__(self, latency: Latency, rng: SeededRandom, types: ObjectTypes) -> None:
        self._latency = latency
        self._rng = rng
        self._types = types
        self._by_key: dict[str, _KeyCounts] = {}
        self._passed: Counter[OperationKind] = Counter()

    def track(self, method: str, raw_path: str, body: bytes) -> PortalRequest:
        call = parse_path(raw_path)
        if call is None:
            return PortalRequest(call, False, None, body, raw_path, 1, 0.0)
        pair = None
        if isinstance(call, PutCall):
            pair = self._types.to_pair(call.from_type, call.from_id, call.to_type, call.to_id)
            key = "|".join(pair)
        else:
            key = f"{raw_path}|{blake2b(body, digest_size=16).hexdigest()}"
        counts = self._by_key.setdefault(key, _KeyCounts())
        counts.arrived += 1
        delay = self._delay(key, counts.arrived)
        is_allowed = method == call.method
        return PortalRequest(call, is_allowed, pair, body, key, counts.arrived, delay)

    def next_position(self, key: str, call: PortalCall) -> Position:
        counts = self._by_key.get(key)
        return Position(
            counts.passed + 1 if counts else 1,
            self._passed[call.kind] + 1,
            sum(count for kind, count in self._passed.items() if kind != "account") + 1,
        )

    def record_pass(self, key: str, call: PortalCall) -> None:
        self._by_key.setdefault(key, _KeyCounts()).passed += 1
        self._passed[call.kind] += 1

    def forget(self, key: str) -> None:
        """Delete the counts of *key*: its next request is the first again."""
        self._by_key.pop(key, None)

    def _delay(self, key: str, number: int) -> float:
        latency, rng = self._latency, self._rng
        delay = rng.lognormal(latency.before_median, latency.before_sigma, "before", key, number)
        if latency.stray_share and rng.uniform("stray", key, number) < latency.stray_share:
            delay += latency.stray_max * rng.uniform("stray by", key, number)
        return delay
