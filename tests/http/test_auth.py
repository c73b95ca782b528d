"""Tokens and who renews them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from aiohubassoc import OptionsError, RunStoppedError, Timeouts
from aiohubassoc._http.auth import TokenProvider, TokenSource
from tests.conftest import pass_time, settle
from tests.fakes.portal import FakePortal, client_of, pairs_of
from tests.fakes.transport import error


class Service:
    """
    Calls with the tokens of a provider, of which some are refused.

    Args:
        provider: The provider.
        refused: The tokens that are refused.
    """

    def __init__(self, provider: TokenProvider, *refused: str) -> None:
        self.tokens = TokenSource(provider)
        self.refused = set(refused)

    async def call(self, seconds: float = 0.1) -> str | None:
        """Make a call, once more after a refusal, and return the token that it got through with."""
        for _ in range(2):
            token = await self.tokens.current()
            renewals = self.tokens.renewals
            await pass_time(seconds)
            if token not in self.refused:
                return token
            if not await self.tokens.renew(token, renewals):
                break
        return None

    async def calls(self, count: int) -> list[str | None]:
        """Make calls at the same time."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self.call()) for _ in range(count)]
        return [task.result() for task in tasks]


class Caching:
    """Has one token, and gets the next when it learns that this one was refused."""

    def __init__(self) -> None:
        self.number = 1
        self.reported: list[str] = []

    async def __call__(self, refused: str | None) -> str:
        """Return the token."""
        if refused is not None:
            self.reported.append(refused)
            await settle()
            if refused == f"token-{self.number}":
                self.number += 1
        return f"token-{self.number}"


class Fixed(Caching):
    """Returns its first token to whoever does not say that it was refused."""

    async def __call__(self, refused: str | None) -> str:
        """Return the first token, or the one after that which was refused."""
        return "token-1" if refused is None else await super().__call__(refused)


kinds = pytest.mark.parametrize("kind", [Caching, Fixed])


@kinds
@pytest.mark.parametrize("count", [1, 50])
async def test_each_generation_is_renewed_once(kind: type[Caching], count: int) -> None:
    """One token after another is refused: the provider hears of each once, and no call fails."""
    provider = kind()
    service = Service(provider)
    for generation in range(1, 6):
        assert {f"token-{generation}"} == set(await service.calls(count))
        assert {f"token-{generation}"} == set(await service.calls(count))
        service.refused.add(f"token-{generation}")
    assert [f"token-{number}" for number in range(1, 5)] == provider.reported
    assert len(service.tokens._renewed) <= 2


@kinds
async def test_a_late_refusal_drops_no_new_token(kind: type[Caching]) -> None:
    """Of the token before, or of the one before that: a call with the newest is made instead."""
    provider = kind()
    service = Service(provider)
    slowest = asyncio.create_task(service.call(9.0))
    await pass_time(1.0)
    service.refused.add("token-1")
    assert "token-2" == await service.call()
    slow = asyncio.create_task(service.call(3.0))
    await pass_time(1.0)
    service.refused.add("token-2")
    assert "token-3" == await service.call()
    assert ["token-3", "token-3"] == [await slow, await slowest]
    assert ["token-1", "token-2"] == provider.reported


@kinds
async def test_a_renewal_that_came_to_nothing_is_tried_again(kind: type[Caching]) -> None:
    """Not for the calls that were refused together, but for the next ones."""

    class Failing(kind):  # type: ignore[misc, valid-type]
        failures = 1

        async def __call__(self, refused: str | None) -> str:
            if refused is not None and self.failures:
                self.failures -= 1
                self.reported.append(refused)
                return refused
            answer: str = await super().__call__(refused)
            return answer

    provider = Failing()
    service = Service(provider, "token-1")
    assert [None] * 20 == await service.calls(20)
    assert ["token-1"] == provider.reported
    assert ["token-2"] * 20 == await service.calls(20)
    assert ["token-1", "token-1"] == provider.reported


@kinds
async def test_a_provider_that_raised_is_told_again(kind: type[Caching]) -> None:
    """What it raises comes out of one call; the next reports the same token to it."""

    class Raising(kind):  # type: ignore[misc, valid-type]
        failures = 1

        async def __call__(self, refused: str | None) -> str:
            if refused is not None and self.failures:
                self.failures -= 1
                raise ZeroDivisionError
            answer: str = await super().__call__(refused)
            return answer

    provider = Raising()
    service = Service(provider, "token-1")
    with pytest.raises(ZeroDivisionError):
        await service.call()
    assert ["token-2"] * 5 == await service.calls(5)
    assert ["token-1"] == provider.reported


async def test_tokens_that_take_turns() -> None:
    """A token that was refused once may be the next but one."""
    service = Service(Turning())
    for number in (1, 2, 1, 2, 1):
        assert f"token-{number}" == await service.call()
        service.refused = {f"token-{number}"}


class Turning(Caching):
    """Has two tokens in turn."""

    async def __call__(self, refused: str | None) -> str:
        """Return the present one."""
        if refused == f"token-{self.number}":
            self.number = 3 - self.number
        return f"token-{self.number}"


async def test_an_old_token_that_comes_back_is_refused_again() -> None:
    """A provider that falls back to its first token learns of that refusal again."""
    provider = Fixed()
    service = Service(provider, "token-1")
    assert "token-2" == await service.call()
    service.refused.add("token-2")
    provider.number = 1  # it forgot: after the refusal of the second token it returns the first
    assert None is await service.call()
    assert ["token-1", "token-2", "token-1"] == provider.reported


@pytest.mark.parametrize("at", [None, "token-1"])
async def test_a_provider_cannot_cancel_a_call(at: str | None) -> None:
    """A CancelledError of its own is an error of ours: nobody had cancelled the call."""

    async def provider(refused: str | None) -> str:
        if refused == at:
            raise asyncio.CancelledError
        return "token-1"

    task = asyncio.create_task(Service(provider, "token-1").call())
    await asyncio.wait([task])
    assert not task.cancelled()
    assert isinstance(task.exception(), OptionsError)


async def test_a_call_that_is_cancelled_while_it_waits_for_a_token_is_cancelled() -> None:
    """As ever; and the next call has the provider asked anew."""

    async def provider(_: str | None) -> str:
        await pass_time(1.0)
        return "token-1"

    service = Service(provider)
    task = asyncio.create_task(service.call())
    await settle()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert "token-1" == await service.call()


async def test_a_call_of_a_task_that_cancelled_itself_is_cancelled() -> None:
    """While the provider is asked: this is no cancellation of the provider's."""

    async def provider(_: str | None) -> str:
        await settle()
        return "token-1"

    async def call() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await TokenSource(provider).current()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(call())


@pytest.mark.parametrize("at", [None, "token-1"])
async def test_a_provider_that_never_returns_stops_the_run(at: str | None) -> None:
    """After the timeout of a call, whether it is asked for a token or for another one."""

    async def provider(refused: str | None) -> str:
        if refused == at:
            await asyncio.Event().wait()
        return "token-1"

    portal = FakePortal(script={"put": [error(401, category="EXPIRED_AUTHENTICATION")] * 9})
    client = client_of(portal, token=provider, timeouts=Timeouts(total=7.0), concurrency=4)
    began = asyncio.get_running_loop().time()
    async with client:
        with pytest.raises(RunStoppedError, match="no token within 7 s") as caught:
            async with client.link_each(pairs_of(20)) as outcomes:
                async for _ in outcomes:
                    pass
        with pytest.raises(RunStoppedError, match="no token within 7 s"):
            await client.create_default(pairs_of(1)[0])
    report = outcomes.report
    assert report.stopped is caught.value
    assert report.total == report.unprocessed > 0
    assert asyncio.get_running_loop().time() - began < 15.0


async def test_a_timeout_of_the_providers_own_is_its_own() -> None:
    """It is raised as it is."""

    async def provider(_: str | None) -> str:
        raise TimeoutError("my service is slow")

    with pytest.raises(TimeoutError, match="my service is slow"):
        await TokenSource(provider, 7.0).current()


@pytest.mark.parametrize("token", ["", "Bearer abc", "a b", "a\nb", "é", None, b"abc"])
async def test_what_is_no_token(token: Any) -> None:
    """Is refused without being shown, given or returned."""

    async def provider(_: str | None) -> str:
        reported: str = token
        return reported

    with pytest.raises(OptionsError, match="token"):
        await TokenSource(provider).current()
    with pytest.raises(OptionsError, match="token"):
        TokenSource(token)


async def test_a_token_that_shows_itself_to_nobody() -> None:
    """It stands in the header as it is, whatever its class writes in its place."""

    class Hidden(str):
        __slots__ = ()

        def __str__(self) -> str:
            return "***"

    async def provider(_: str | None) -> str:
        return Hidden("token-2")

    assert f"{TokenSource(Hidden('token-1')).fixed}" == "token-1"
    assert f"{await TokenSource(provider).current()}" == "token-2"
