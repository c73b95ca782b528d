"""HubSpot without a network: aioresponses, with what it needs for aiohttp 3.14."""

from __future__ import annotations

import inspect
import json
import re
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from unittest.mock import Mock, patch

import attrs
import yarl
from aiohttp import ClientResponse

from aiohubassoc._protocol.requests import create_default, create_default_batch
from aiohubassoc.client import BASE_URL
from aiohubassoc.errors import install_command
from aiohubassoc.options import ApiVersion
from aiohubassoc.pair import Pair, canonical_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SPEC: Final = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 279}
_TIMES: Final = {"startedAt": "2026-01-01T00:00:00.000Z", "completedAt": "2026-01-01T00:00:00.050Z"}


@attrs.frozen
class Reply:
    """
    One HTTP response.

    Args:
        status: The HTTP status.
        body: The JSON body; None: no body.
        headers: More headers, such as ``{"Retry-After": "2"}``.
    """

    status: int = 200
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = attrs.Factory(dict)


def linked(pair: Pair) -> Reply:
    """Return the reply to a call that links *pair*; it has both directions."""
    return Reply(200, {"status": "COMPLETE", "results": _directions(pair), **_TIMES})


def refused(
    status: int = 400,
    category: str | None = "VALIDATION_ERROR",
    message: str = "refused",
    **more: object,
) -> Reply:
    """
    Return the reply to a call that HubSpot refuses.

    Args:
        status: The HTTP status.
        category: Such as ``"OBJECT_NOT_FOUND"`` (404), ``"MISSING_SCOPES"`` (403) or
            ``"INVALID_AUTHENTICATION"`` (401). None: the body has none.
        message: For people.
        **more: Further fields of the body, such as ``context={"objectId": ["1"]}``.
    """
    body = {"status": "error", "message": message, "correlationId": "0-0-0-0", **more}
    if category is not None:
        body["category"] = category
    return Reply(status, body)


def rate_limited(
    policy: str = "TEN_SECONDLY_ROLLING", *, retry_after: float | None = None
) -> Reply:
    """
    Return the 429 response of a rate limit.

    Args:
        policy: ``"TEN_SECONDLY_ROLLING"``, ``"SECONDLY"``, or ``"DAILY"``, which ends a run.
        retry_after: Seconds, as a header. None: no header.
    """
    message = f"You have reached your {policy.lower()} limit."
    headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
    reply = refused(429, None, message, errorType="RATE_LIMIT", policyName=policy)
    return attrs.evolve(reply, headers=headers)


def batch(
    linked: Iterable[Pair] = (), refused: Iterable[Pair] = (), *, category: str = "OBJECT_NOT_FOUND"
) -> Reply:
    """
    Return the reply to a batch call.

    Args:
        linked: The pairs that are linked.
        refused: The pairs that are not linked, each with a separate error.
        category: The category of these errors.
    """
    results = [result for pair in linked for result in _directions(pair)]
    errors = [
        {
            "status": "error",
            "category": category,
            "message": f"{pair} cannot be linked",
            "context": {"fromObjectId": [pair.from_id], "toObjectId": [pair.to_id]},
        }
        for pair in refused
    ]
    body = {"status": "COMPLETE", "results": results, **_TIMES}
    if not errors:
        return Reply(200, body)
    return Reply(207, {**body, "numErrors": len(errors), "errors": errors})


def _directions(pair: Pair) -> list[dict[str, Any]]:
    ends = {"id": canonical_id(pair.from_id)}, {"id": canonical_id(pair.to_id)}
    return [
        {"from": one, "to": other, "associationSpec": _SPEC} for one, other in (ends, ends[::-1])
    ]


_ReplyOrError: TypeAlias = Reply | Exception


_NEEDS_WRITER: Final = "stream_writer" in inspect.signature(ClientResponse.__init__).parameters


class ResponseWithWriter(ClientResponse):
    """A response with the stream writer that aiohttp 3.14 needs and aioresponses 0.7.9 omits."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 -- of the base class
        if _NEEDS_WRITER:
            kwargs.setdefault("stream_writer", Mock(output_size=0))
        super().__init__(*args, **kwargs)


class MockedHubSpot:
    """
    The replies of HubSpot, and the pairs that it was asked to link.

    It links every pair, in single and in batch calls, unless other replies are set.

    Attributes:
        pairs: The pairs of all single and batch calls, in order.
        calls: The number of single and batch calls.
    """

    def __init__(self, base_url: str, api_version: str) -> None:
        self.pairs: list[Pair] = []
        self.calls = 0
        self._prefix = yarl.URL(base_url).raw_path.rstrip("/")
        self._version = api_version
        self._replies: dict[str, deque[_ReplyOrError]] = {}

    def reply(self, pair: Pair, *replies: _ReplyOrError) -> None:
        """Set the replies to calls that link *pair*; the last one is repeated."""
        self._replies[create_default(self._version, pair).path] = deque(replies)

    def reply_to_batches(self, from_type: str, to_type: str, *replies: _ReplyOrError) -> None:
        """Set the replies to batch calls between these types; the last one is repeated."""
        path = create_default_batch(self._version, (from_type, to_type), b"").path
        self._replies[path] = deque(replies)

    def respond(self, url: yarl.URL, **request: Any) -> Reply:  # noqa: ANN401 -- of aiohttp
        """Return the reply to a request, or raise the exception that was set as its reply."""
        path, parts = url.raw_path.removeprefix(self._prefix), url.parts
        if path.endswith("/batch/associate/default"):
            inputs = json.loads(request["data"])["inputs"]
            ends = [(each["from"]["id"], each["to"]["id"]) for each in inputs]
            pairs = [Pair(parts[-5], one, parts[-4], other) for one, other in ends]
            usual = batch(pairs)
        elif parts[-4:-2] == ("associations", "default"):
            pairs = [Pair(parts[-6], parts[-5], parts[-2], parts[-1])]
            usual = linked(pairs[0])
        else:
            return refused(404, "OBJECT_NOT_FOUND", "mocked() links pairs, and nothing else")
        self.pairs += pairs
        self.calls += 1
        found = next(
            (self._replies[known] for known in self._replies if path.endswith(known)), None
        )
        if not found:
            return usual
        given = found.popleft() if len(found) > 1 else found[0]
        if isinstance(given, Exception):
            raise given
        return given


@contextmanager
def mocked(
    *,
    base_url: str = BASE_URL,
    api_version: str = ApiVersion.V4.value,
    passthrough: Sequence[str] = (),
) -> Iterator[MockedHubSpot]:
    """
    Respond to every request to HubSpot without a network while the context lasts.

    It needs aioresponses: ``pip install 'aiohubassoc[testing]'``. Requests to other addresses fail
    as without a network.

    Args:
        base_url: The base URL of the client.
        api_version: The API version of the client.
        passthrough: The beginnings of URLs that are really requested, such as
            ``"http://127.0.0.1"``.

    Raises:
        ModuleNotFoundError: aioresponses is not installed.
    """
    try:
        from aioresponses import CallbackResult, aioresponses, core  # noqa: PLC0415 -- an extra
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"mocked() needs aioresponses: {install_command('testing')}", name=error.name
        ) from None
    hubspot = MockedHubSpot(base_url, api_version)

    def respond(url: yarl.URL, **request: Any) -> CallbackResult:  # noqa: ANN401 -- of aiohttp
        reply = hubspot.respond(url, **request)
        body = "" if reply.body is None else json.dumps(reply.body)
        return CallbackResult(status=reply.status, body=body, headers=dict(reply.headers))

    everything = re.compile(re.escape(base_url.rstrip("/")) + "/.*")
    with (
        patch.object(core, "ClientResponse", ResponseWithWriter),
        aioresponses(passthrough=list(passthrough)) as responses,
    ):
        for method in ("PUT", "POST", "GET"):
            responses.add(everything, method, callback=respond, repeat=True)
        yield hubspot
