"""HubSpot without a network, for users' tests."""

from __future__ import annotations

import builtins
from typing import Any

import aiohttp
import pytest

from aiohubassoc import (
    AssociationClient,
    AuthenticationError,
    ConnectionLostError,
    DailyLimitError,
    MissingScopesError,
    NotFoundError,
    Pair,
    ValidationError,
)
from aiohubassoc.testing import FakeClock, Reply, batch, linked, mocked, rate_limited, refused

ONE, TWO = Pair("contacts", 1, "companies", 2), Pair("contacts", 3, "companies", 4)
HERE = "https://gateway.example/hubspot"


def _client(**options: Any) -> AssociationClient:
    return AssociationClient("canary-token", clock=FakeClock(), **options)


@pytest.mark.parametrize("via", ["put", "batch"])
@pytest.mark.parametrize("version", ["v4", "2026-09"])
@pytest.mark.parametrize("base_url", ["https://api.hubapi.com", HERE])
async def test_every_pair_is_linked_by_default(base_url: str, version: str, via: Any) -> None:
    """In every form, without a word about replies."""
    pairs = [Pair("2-1", f"a/{number}", "p1_cars", number) for number in range(1, 40)]
    with mocked(base_url=base_url, api_version=version) as hubspot:
        async with _client(base_url=base_url, api_version=version) as client:
            report = await client.link_all(pairs, via=via)
    assert report.linked == 39
    assert sorted(map(str, hubspot.pairs)) == sorted(map(str, pairs))
    assert hubspot.calls == (39 if via == "put" else 1)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (refused(), ValidationError),
        (refused(404, "OBJECT_NOT_FOUND"), NotFoundError),
        (refused(401, "INVALID_AUTHENTICATION"), AuthenticationError),
        (refused(403, "MISSING_SCOPES"), MissingScopesError),
        (rate_limited("DAILY"), DailyLimitError),
        (aiohttp.ServerDisconnectedError(), ConnectionLostError),
    ],
)
async def test_a_custom_reply(reply: Reply | Exception, error: type[Exception]) -> None:
    """Of one pair; others are linked."""
    with mocked(base_url=HERE) as hubspot:
        hubspot.reply(ONE, reply)
        async with _client(base_url=HERE) as client:
            with pytest.raises(error):
                await client.create_default(ONE)
            await client.create_default(TWO)


async def test_replies_in_their_order() -> None:
    """The last one stays."""
    with mocked() as hubspot:
        hubspot.reply(ONE, rate_limited(retry_after=5), Reply(502), linked(ONE))
        async with _client() as client:
            await client.create_default(ONE)
            await client.create_default(ONE)
    assert (hubspot.calls, hubspot.pairs) == (4, [ONE] * 4)


async def test_a_reply_to_batches() -> None:
    """Each pair that is refused is named."""
    with mocked() as hubspot:
        hubspot.reply_to_batches("contacts", "companies", batch([ONE], refused=[TWO]))
        async with _client() as client:
            made = await client.create_default_batch("contacts", "companies", [ONE, TWO])
    assert [(str(one.status), one.category) for one in made] == [
        ("linked", None),
        ("failed", "OBJECT_NOT_FOUND"),
    ]


async def test_other_calls_are_refused_and_other_hosts_are_not_reached() -> None:
    """Nothing leaves this machine."""
    with mocked() as hubspot:
        async with aiohttp.ClientSession() as session:
            async with session.get("https://api.hubapi.com/crm/v3/objects") as response:
                assert response.status == 404
            with pytest.raises(aiohttp.ClientConnectionError):
                await session.get("https://example.com/")
    assert hubspot.calls == 0


def test_without_aioresponses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the extra to install; the rest of the module works without it."""
    real = builtins.__import__

    def without(name: str, *more: Any) -> Any:
        if name == "aioresponses":
            raise ModuleNotFoundError(name=name)
        return real(name, *more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ModuleNotFoundError, match=r"aiohubassoc\[testing\]"), mocked():
        pass
