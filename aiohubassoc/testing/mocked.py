"""HubSpot without a network: aioresponses, with what it needs for aiohttp 3.14."""

from __future__ import annotations

import inspect
import json
import re
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from unittest.mock import Mock, patch

import yarl
from aiohttp import ClientResponse

from aiohubassoc._protocol.requests import create_default, create_default_batch
from aiohubassoc.client import BASE_URL
from aiohubassoc.errors import install_command
from aiohubassoc.options import ApiVersion
from aiohubassoc.pair import Pair
from aiohubassoc.testing.replies import Reply, batch, linked, refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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
