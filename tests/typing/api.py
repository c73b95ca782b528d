"""The public names as users type against them: checked by mypy, never run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict, assert_type

from aiohubassoc import (
    AccountCheck,
    AioHubAssocError,
    Association,
    AssociationClient,
    CheckItem,
    CheckState,
    DefaultAssociations,
    Journal,
    JournalRow,
    Limiter,
    LinkState,
    Observer,
    Outcome,
    OutcomeStream,
    Pair,
    Plan,
    Quota,
    QuotaLimiter,
    Report,
    ResponseEvent,
    RetryPolicy,
    StandardError,
    Status,
    Timeouts,
    Verification,
    VerificationReport,
    VerificationStream,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


async def token(refused: str | None) -> str:
    """Give a token."""
    return refused or "token"


async def rows() -> AsyncIterator[tuple[str, int]]:
    """Return ids of types that databases return."""
    yield "1", 2


async def use() -> None:
    """Use everything."""
    limiter: Limiter = QuotaLimiter(Quota.PROFESSIONAL)
    batches: Limiter = QuotaLimiter.for_batches(Quota(20))
    retry = RetryPolicy(attempts=3)
    client = AssociationClient(token, limiter=limiter, batch_limiter=batches, retry=retry)
    async with client, AssociationClient("t", quota=Quota(19, 1.0), timeouts=Timeouts(response=1)):
        reply = await client.create_default(Pair("contacts", 101, "companies", "202"))
        assert_type(reply, DefaultAssociations)
        assert_type(reply.results[0], Association)
        assert_type(reply.results[0].association_spec.association_type_id, int | None)
        assert_type(reply.errors, tuple[StandardError, ...])
        async with client.link_each([Pair.of("contacts:1", "companies:2")]) as outcomes:
            assert_type(outcomes, OutcomeStream)
            async for outcome in outcomes:
                assert_type(outcome, Outcome)
                assert_type(outcome.status, Status)
                assert_type(outcome.error, AioHubAssocError | None)
        report = await client.link_all(rows(), from_type="contacts", to_type="companies")
        assert_type(report, Report)
        report.raise_for_failures()
        await client.link_all([(1, 2), (3, 4)], from_type="contacts", to_type="companies")
        await client.link_all(rows(), from_type="a", to_type="b", via="batch", skip_linked=True)
        for made in await client.create_default_batch("deals", "contacts", [(1, "2")]):
            assert_type(made, Outcome)
        async with client.verify(rows(), from_type="deals", to_type="contacts") as found:
            assert_type(found, VerificationStream)
            async for one in found:
                assert_type(one, Verification)
                assert_type(one.state, LinkState)
            assert_type(found.report, VerificationReport)
        account = await client.check("contacts", "companies")
        assert_type(account, AccountCheck)
        assert_type(account.item("token"), CheckItem)
        assert_type(account.items[0].state, CheckState)
        assert_type(account.scopes.lacks, tuple[str, ...])
        journal = Journal("runs/nightly")
        assert_type(await client.link_all(rows(), journal=journal, retry_failed=True), Report)
        assert_type(await client.plan(rows(), journal=journal, daily_calls=625_000), Plan)
        assert_type(journal.counts(), dict[Status, int])
        for row in journal.rows(Status.FAILED):
            assert_type(row, JournalRow)
            assert_type(row.pair, Pair)
    async with AssociationClient.from_env(quota=Quota.STARTER) as from_env:
        assert_type(from_env, AssociationClient)


class Row(TypedDict):
    """A tag of the caller."""

    row: int


class Watching(Observer):
    """Has two of the methods."""

    def response(self, event: ResponseEvent) -> None:
        """Read what an event has."""
        assert_type(event.status, int | None)
        assert_type(event.pair, Pair | None)

    def outcome(self, outcome: Outcome | Verification) -> None:
        """Distinguish outcomes from verifications."""
        if isinstance(outcome, Outcome):
            assert_type(outcome.status, Status)


def observe() -> AssociationClient:
    """Pass an observer without some methods."""
    return AssociationClient("t", observer=Watching())


def use_tags() -> None:
    """Use a typed tag; ``Pair`` without a type has any tag."""
    numbered = Pair("contacts", 1, "companies", 2, tag=7)
    assert_type(numbered, Pair[int])
    assert_type(numbered.tag, int)
    assert_type(Pair.of("contacts:1", "companies:2", tag="a"), Pair[str])
    plain: Pair = Pair("contacts", 1, "companies", 2)
    anything: Pair = numbered
    pairs: list[Pair] = [plain, anything, numbered]
    assert_type(pairs[0].tag, Any)


def read_tags(plain: Outcome, typed: Outcome[Row]) -> Outcome:
    """Read the outcomes."""
    assert_type(plain.pair.tag, Any)
    assert_type(plain.pair.tag["row"], Any)
    assert_type(typed.pair, Pair[Row])
    assert_type(typed.pair.tag["row"], int)
    return typed
