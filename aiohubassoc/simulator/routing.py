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
from aiohubassoc.simulator.responses import PortalResponse
from aiohubassoc.simulator.settings import AccountCallName

if TYPE_CHECKING:
    from aiohubassoc.simulator.records import ObjectTypes
    from aiohubassoc.simulator.seeded_random import SeededRandom
    from aiohubassoc.simulator.settings import Latency

# HubSpot, Associations v4: the dated versions have the same schemas under other paths.
_DATED = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])(-beta)?")
# HubSpot's schema of this version declares only 200 for reads: the errors are in the body.
_ERRORS_IN_200 = "2026-09"

NO_INPUT = error_bodies.validation_error(
    "Invalid input JSON on line 1, column 1: Cannot deserialize value"
)

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
    """
    Return the call of *raw_path*, None if the portal has no such path.

    Args:
        raw_path: As in the request line, percent-encoded; a query is ignored.
    """
    path = raw_path.partition("?")[0]
    segments = [unquote(segment) for segment in path.split("/")]
    if "" in segments[1:]:
        return None
    match segments:
        case ["", "crm", "v4", "objects", *rest]:
            return _put(rest)
        case ["", "crm", "objects", version, *rest] if _DATED.fullmatch(version):
            return _put(rest)
        case ["", "crm", "v4", "associations", *rest]:
            return _batch(rest)
        case ["", "crm", "associations", version, *rest] if _DATED.fullmatch(version):
            return _batch(rest, errors_in_200=version >= _ERRORS_IN_200)
        case _:
            return _account(segments)


def _put(segments: list[str]) -> PutCall | None:
    match segments:
        case [from_type, from_id, "associations", "default", to_type, to_id]:
            return PutCall(from_type, from_id, to_type, to_id)
        case _:
            return None


def _batch(segments: list[str], *, errors_in_200: bool = False) -> BatchCall | ReadCall | None:
    match segments:
        case [from_type, to_type, "batch", "associate", "default"]:
            return BatchCall(from_type, to_type)
        case [from_type, to_type, "batch", "read"]:
            return ReadCall(from_type, to_type, errors_in_200)
        case _:
            return None


def _account(segments: list[str]) -> AccountCall | None:
    match segments:
        case ["", "account-info", version, "details"] if _is_account_version(version):
            return AccountCall("details")
        case ["", "account-info", version, "api-usage", "daily", "private-apps"] if (
            _is_account_version(version)
        ):
            return AccountCall("usage")
        case ["", "oauth", "v2", "private-apps", "get", "access-token-info"]:
            return AccountCall("token_info")
        case ["", "crm", "limits", version, "associations", "records", from_type, to_type] if (
            _DATED.fullmatch(version)
        ):
            return AccountCall("limits", from_type, to_type)
        case _:
            return None


def _is_account_version(version: str) -> bool:
    return version == "v3" or _DATED.fullmatch(version) is not None


@attrs.frozen
class BatchInputs:
    """
    The inputs of a batch call.

    Args:
        documents: The inputs, not validated. A single call has none.
        error: The error response if the inputs cannot be read, else None.
    """

    documents: list[Any] = attrs.field(factory=list)
    error: PortalResponse | None = None


def parse_inputs(call: PortalCall, body: bytes) -> BatchInputs:
    """Return the inputs in the body of *call*."""
    if isinstance(call, PutCall | AccountCall):
        return BatchInputs()
    if not body:
        return _invalid("Invalid JSON input: a request body was expected, but none found")
    try:
        documents = json.loads(body)["inputs"]
    except (KeyError, TypeError, ValueError):
        return BatchInputs(error=NO_INPUT)
    if not isinstance(documents, list):
        return BatchInputs(error=NO_INPUT)
    if len(documents) > call.max_inputs:
        return _invalid(f"{len(documents)} inputs are more than the {call.max_inputs} allowed")
    return BatchInputs(documents)


def _invalid(message: str) -> BatchInputs:
    return BatchInputs(error=error_bodies.validation_error(message))


@attrs.frozen(eq=False)
class PortalRequest:
    """
    A request before it is counted; compared by identity.

    Args:
        call: The call of its path. None: the portal has no such path.
        is_allowed: Whether its method is the one of the call.
        pair: The pair of a call for one pair; None for other calls.
        body: The request body.
        key: The key of random draws: the pair, or the path and the body.
        number: Counts the requests with this key, from 1.
        delay: Seconds from its arrival until it is counted.
    """

    call: PortalCall | None
    is_allowed: bool
    pair: LinkedPair | None
    body: bytes
    key: str
    number: int
    delay: float

    @property
    def is_batch(self) -> bool:
        """Whether the limits of batch calls apply: to those that link and those that read."""
        return self.is_allowed and isinstance(self.call, BatchCall | ReadCall)


@attrs.frozen
class Position:
    """
    The number of a call among those that passed the rate limits, from 1.

    Args:
        of_key: Among the calls with its key.
        of_kind: Among the calls of its kind.
        overall: Among all calls except those about the account.
    """

    of_key: int
    of_kind: int
    overall: int


@attrs.define
class _KeyCounts:
    arrived: int = 0
    passed: int = 0


class RequestTracker:
    """
    Parses requests and counts them by key.

    A request that the rate limits refuse has arrived but not passed. A fault is drawn by how often
    its key has passed, so that it does not depend on how often the limits refused it.
    """

    def __init__(self, latency: Latency, rng: SeededRandom, types: ObjectTypes) -> None:
        self._latency = latency
        self._rng = rng
        self._types = types
        self._by_key: dict[str, _KeyCounts] = {}
        self._passed: Counter[OperationKind] = Counter()

    def track(self, method: str, raw_path: str, body: bytes) -> PortalRequest:
        """Return the parsed request."""
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
        """Return the position of *call* if it passes now."""
        counts = self._by_key.get(key)
        return Position(
            counts.passed + 1 if counts else 1,
            self._passed[call.kind] + 1,
            sum(count for kind, count in self._passed.items() if kind != "account") + 1,
        )

    def record_pass(self, key: str, call: PortalCall) -> None:
        """Record that *call* has passed."""
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
