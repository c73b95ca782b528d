"""HubSpot without a network, for batch calls and lookups, in virtual time."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import orjson
from multidict import CIMultiDict

from aiohubassoc import AssociationClient, Pair, Quota, RetryPolicy
from aiohubassoc._http.clock import SystemClock
from aiohubassoc._http.failures import NoResponse
from aiohubassoc._protocol.verdicts import Response
from tests.fakes.transport import error, reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from aiohubassoc._protocol.requests import Endpoint

    Ends = tuple[str, str]
    Scripted = Response | NoResponse | Callable[["FakePortal", Endpoint], Response] | None

FAST = Quota(1_000_000, 1.0)
# The same, with a window so long that the rate does not rise.
STEADY = Quota(1_000_000, 1_000.0)


class FakePortal:
    """
    Links and reads links.

    Args:
        bad: Ids of records that do not exist, on either side.
        silent: Pairs that a batch's reply does not mention, and that are not linked by it.
        unmade: Pairs that are reported as linked and are not.
        linked: Pairs that are linked from the beginning.
        whole: Whether one bad record has a whole call refused.
        names: Whether refusals and errors name the rejected records.
        page: Links of a record in one response.
        script: For each kind of call, ``put``, ``batch`` and ``read``, the answers to successive
            ones; None: the usual one.
        latency: Seconds for each call.
    """

    def __init__(
        self,
        *,
        bad: Iterable[int | str] = (),
        silent: Iterable[Ends] = (),
        unmade: Iterable[Ends] = (),
        linked: Iterable[Ends] = (),
        whole: bool = False,
        names: bool = True,
        page: int = 500,
        script: Mapping[str, Iterable[Scripted]] | None = None,
        latency: float = 0.1,
    ) -> None:
        self.bad = {str(one) for one in bad}
        self.silent, self.unmade = set(silent), set(unmade)
        self.links: dict[Ends, int] = {}
        self._of_record: dict[str, list[str]] = {}
        for ends in linked:
            self._add(ends)
        self.whole, self.names, self.page, self.latency = whole, names, page, latency
        self._script = {kind: iter(answers) for kind, answers in (script or {}).items()}
        self.calls: Counter[str] = Counter()
        self.sent: list[tuple[float, str]] = []
        self.batches: list[list[Ends]] = []
        self.questions: list[list[tuple[str, str | None]]] = []
        self.types: list[Ends] = []
        self.on_wire = self.most_on_wire = 0
        self.connections = 64

    async def open(self) -> None:
        """Be ready."""

    async def close(self) -> None:
        """Be done."""

    async def send(
        self, endpoint: Endpoint, token: str
    ) -> tuple[Response | NoResponse, float | None]:
        """Return the response after the latency."""
        parts = [unquote(part) for part in endpoint.path.split("/")]
        kind = "put" if endpoint.method == "PUT" else "read" if parts[-1] == "read" else "batch"
        self.calls[kind] += 1
        self.sent.append((round(asyncio.get_running_loop().time(), 6), kind))
        if kind == "batch":
            self.batches.append(inputs_of(endpoint))
        elif kind == "read":
            self.questions.append(asked_of(endpoint))
        if kind != "put":
            self.types.append((parts[4], parts[5]))
        self.on_wire += 1
        self.most_on_wire = max(self.most_on_wire, self.on_wire)
        try:
            await SystemClock().sleep(self.latency)
        finally:
            self.on_wire -= 1
        scripted = next(self._script.get(kind, iter(())), None)
        if isinstance(scripted, Response | NoResponse):
            return scripted, 0.0
        if scripted is not None:
            return scripted(self, endpoint), 0.0
        return self.usual(endpoint), 0.0

    def usual(self, endpoint: Endpoint) -> Response:
        """Return the usual response if none is scripted."""
        parts = [unquote(part) for part in endpoint.path.split("/")]
        if endpoint.method == "PUT":
            return self._put(parts[5], parts[9])
        if parts[-1] == "read":
            return self._read(asked_of(endpoint))
        return self._batch(inputs_of(endpoint))

    def _put(self, from_id: str, to_id: str) -> Response:
        if {from_id, to_id} & self.bad:
            return error(400, category="VALIDATION_ERROR")
        self._link((from_id, to_id))
        return reply((from_id, to_id), (to_id, from_id))

    def _link(self, ends: Ends) -> None:
        if ends not in self.unmade:
            self._add(ends)
            self.links[ends] += 1

    def _add(self, ends: Ends) -> None:
        if ends not in self.links:
            self.links[ends] = 0
            self._of_record.setdefault(ends[0], []).append(ends[1])

    def _batch(self, inputs: list[Ends]) -> Response:
        bad = {one for ends in inputs for one in ends if one in self.bad}
        if bad and self.whole:
            context = {"INVALID_OBJECT_IDS": [f"{one} is not valid" for one in sorted(bad)]}
            more: dict[str, Any] = {"context": context} if self.names else {}
            return error(400, category="VALIDATION_ERROR", **more)
        results: list[Ends] = []
        errors = []
        for from_id, to_id in inputs:
            if {from_id, to_id} & self.bad:
                named = {"fromObjectId": [from_id], "toObjectId": [to_id]} if self.names else {}
                reported = {"category": "OBJECT_NOT_FOUND", "message": "none", "context": named}
                errors.append(reported)
            elif (from_id, to_id) not in self.silent:
                self._link((from_id, to_id))
                results = [(to_id, from_id), *results, (from_id, to_id)]
        more = {"errors": errors, "numErrors": len(errors)} if errors else {}
        return reply(*results, status=207 if errors else 200, **more)

    def _read(self, asked: list[tuple[str, str | None]]) -> Response:
        bad = sorted({one for one, _ in asked} & self.bad)
        if bad and self.whole:
            context = {"INVALID_OBJECT_IDS": [f"{one} is not valid" for one in bad]}
            more: dict[str, Any] = {"context": context} if self.names else {}
            return error(400, category="VALIDATION_ERROR", **more)
        results, errors = [], []
        for record_id, after in asked:
            ends = self._of_record.get(record_id, [])
            begin = int(after or 0)
            if not ends:
                errors.append(no_links(record_id))
                continue
            reported: dict[str, Any] = {
                "from": {"id": record_id},
                "to": [to_end(one) for one in ends[begin : begin + self.page]],
            }
            if begin + self.page < len(ends):
                reported["paging"] = {"next": {"after": str(begin + self.page)}}
            results.append(reported)
        body: dict[str, Any] = {"status": "COMPLETE", "results": results[::-1]}
        if errors:
            body |= {"errors": errors, "numErrors": len(errors)}
        return answer(body, 207 if errors else 200)


def inputs_of(endpoint: Endpoint) -> list[Ends]:
    """Return the pairs of a batch."""
    return [(one["from"]["id"], one["to"]["id"]) for one in orjson.loads(endpoint.body)["inputs"]]


def asked_of(endpoint: Endpoint) -> list[tuple[str, str | None]]:
    """Return the records of a lookup, and where their pages begin."""
    return [(one["id"], one.get("after")) for one in orjson.loads(endpoint.body)["inputs"]]


def answer(body: object, status: int = 200) -> Response:
    """Return a response with this JSON."""
    return Response(status, CIMultiDict(), orjson.dumps(body))


def to_end(record_id: str, *labels: str | None) -> dict[str, Any]:
    """Return one end of a link as in a lookup, by default with the default link."""
    kinds = [
        {"category": "HUBSPOT_DEFINED", "typeId": 279, "label": one} for one in labels or [None]
    ]
    return {"toObjectId": int(record_id), "associationTypes": kinds}


def no_links(record_id: str) -> dict[str, Any]:
    """Return the error of a record without links."""
    return {
        "status": "error",
        "category": "OBJECT_NOT_FOUND",
        "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
        "message": f"No company is associated with contact {record_id}.",
        "context": {"fromObjectId": [record_id], "fromObjectType": ["contact"]},
    }


def client_of(portal: FakePortal, **options: Any) -> AssociationClient:
    """Return a client whose calls go to *portal*, in the running loop's time."""
    settings: dict[str, Any] = {
        "quota": FAST,
        "batch_quota": STEADY,
        "retry": RetryPolicy(wait_initial=0.2),
        "jitter": lambda: 0.5,
        **options,
    }
    client = AssociationClient(settings.pop("token", "token-1"), **settings)
    client._transport = portal  # type: ignore[assignment]  # it has what a client uses
    return client


def pairs_of(count: int, first: int = 1) -> list[Pair]:
    """Return this many pairs."""
    return [Pair("contacts", n, "companies", n + 1_000_000) for n in range(first, first + count)]


def ends_of(pairs: Iterable[Pair]) -> list[Ends]:
    """Return the ids of pairs."""
    return [(pair.from_id, pair.to_id) for pair in pairs]
