"""What a client does about its store, and about being stopped itself."""

from __future__ import annotations

import asyncio
from random import Random  # noqa: TID251 -- seeded
from typing import TYPE_CHECKING

import orjson
import pytest

from aiohubassoc import DailyReserveError, Quota, SharedQuotaError
from aiohubassoc.errors import ClientClosedError
from aiohubassoc.shared_quota import snapshot
from aiohubassoc.shared_quota.common_state import HEARTBEAT, LEASE, USABLE
from aiohubassoc.shared_quota.limiter import PATIENCE
from aiohubassoc.shared_quota.snapshot import FORMAT
from aiohubassoc.shared_quota.store import PermanentStoreError, StoredState, TransientStoreError
from tests.conftest import pass_time, settle
from tests.fakes.shared_store import LoopWorker, MemoryStore
from tests.shared_quota.crowd import Portal, make_session, send

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohubassoc.shared_quota.limiter import SharedLimiter
    from aiohubassoc.shared_quota.session import StoreSession

QUOTA = Quota(10, 5.0)


@pytest.fixture
def store() -> MemoryStore:
    """A store in memory."""
    return MemoryStore()


@pytest.fixture
async def session(store: MemoryStore) -> AsyncIterator[StoreSession]:
    """A client that is open."""
    session = make_session(store, QUOTA)
    await session.open()
    yield session
    await session.close()


@pytest.fixture
def limiter(session: StoreSession) -> SharedLimiter:
    """Its limiter of single calls."""
    return session.limiter


async def other(store: MemoryStore, quota: Quota = QUOTA) -> StoreSession:
    """Return another client of the same quota."""
    session = make_session(store, quota)
    await session.open()
    return session


async def test_a_store_that_cannot_be_used_is_an_error_before_anything_is_sent(
    store: MemoryStore,
) -> None:
    """Whether that passes or not; and it is closed again."""
    for error in (PermanentStoreError("not ours"), TransientStoreError("away")):
        store.error = error
        with pytest.raises(SharedQuotaError, match=str(error)):
            await make_session(store, QUOTA).open()
        assert not store.is_open


async def test_a_store_that_cannot_be_written_is_found_when_it_is_opened(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is visited once, though nothing is sent yet."""

    def fail(*_: object) -> None:
        raise PermanentStoreError("full")

    monkeypatch.setattr(MemoryStore, "update", fail)
    with pytest.raises(SharedQuotaError, match="full"):
        await make_session(store, QUOTA).open()


async def test_a_store_that_is_away_for_a_while_is_survived(
    store: MemoryStore, limiter: SharedLimiter
) -> None:
    """Callers wait, and what became of calls is reported once it is back."""
    await limiter.acquire()
    store.error = TransientStoreError("restarted")
    now = asyncio.get_running_loop().time()
    limiter.record_response(now, now + 0.1)
    waiting = asyncio.create_task(limiter.acquire())
    await pass_time(PATIENCE / 2)
    assert not waiting.done()
    store.error = None
    await waiting
    limiter.release_unused()


async def test_a_store_that_stays_away_ends_all_that_wait(
    store: MemoryStore, limiter: SharedLimiter
) -> None:
    """And all that come later; nothing rests on a guess."""
    store.error = TransientStoreError("restarted")
    waiting = [asyncio.create_task(limiter.acquire()) for _ in range(3)]
    await pass_time(PATIENCE + 1)
    for task in waiting:
        with pytest.raises(SharedQuotaError, match="restarted"):
            await task
    store.error = None
    with pytest.raises(SharedQuotaError):
        await limiter.acquire()
    assert not limiter.try_acquire()


async def test_a_store_that_breaks_ends_all_that_wait_at_once(
    store: MemoryStore, limiter: SharedLimiter
) -> None:
    """A full disk does not pass."""
    store.error = PermanentStoreError("disk full")
    with pytest.raises(SharedQuotaError, match="disk full"):
        await limiter.acquire()


async def test_a_permit_in_hand_is_not_used_once_the_store_is_away(
    store: MemoryStore, session: StoreSession
) -> None:
    """After a few seconds others may have it."""
    wide = await other(store, Quota(200, 5.0))
    limiter = wide.limiter
    await send(limiter, Portal(Quota(200, 5.0), Random(1)), 250)
    await pass_time(6)
    await limiter.acquire()
    limiter.release_unused()
    assert limiter.try_acquire()
    limiter.release_unused()
    await settle()
    store.error = TransientStoreError("away")
    await pass_time(USABLE + 0.1)
    assert not limiter.try_acquire()
    store.error = None
    await pass_time(1)
    await wide.close()


async def test_a_permit_of_a_process_that_was_stopped_is_traded(
    store: MemoryStore, session: StoreSession, limiter: SharedLimiter
) -> None:
    """The others had it meanwhile: it may be sent only for one that is there now."""
    await limiter.acquire()
    generation = limiter.generation
    assert limiter.is_usable(generation)
    worker = session._worker
    assert isinstance(worker, LoopWorker)
    worker.is_stuck = True  # as if it were stopped
    await pass_time(LEASE + 1)
    assert not limiter.is_usable(generation)
    second = await other(store)
    portal = Portal(QUOTA, Random(1))
    await send(second.limiter, portal, 19)
    await second.close()
    # It continues, and what it sent to the store was never there.
    worker.is_stuck = False
    limiter._is_asking = False
    renewing = asyncio.create_task(limiter.renew())
    await settle()
    assert not renewing.done()  # all of the window is used
    await renewing
    assert limiter.generation > generation
    assert limiter.is_usable(limiter.generation)
    assert limiter.in_flight == 1
    limiter.release_unused()


async def test_a_client_with_calls_in_flight_keeps_its_permits(
    store: MemoryStore, limiter: SharedLimiter
) -> None:
    """It comes to the store now and then, though nothing happens."""
    await limiter.acquire()
    updates = store.updates
    await pass_time(3 * LEASE)
    assert store.updates - updates >= 3 * LEASE / HEARTBEAT - 2
    assert limiter.is_usable(limiter.generation)
    limiter.release_unused()
    await pass_time(3 * LEASE)
    updates = store.updates
    await pass_time(3 * LEASE)
    assert store.updates == updates  # and stays away when it has none


async def test_a_reply_that_is_lost_is_given_again(store: MemoryStore) -> None:
    """A request that was carried out is not carried out twice: no permit is lost or doubled."""
    session = make_session(store, QUOTA)
    await session.open()
    row = session.limiter._row
    carried_out, request = 0, type(row).request

    def lose_the_first(self: object, asked: object) -> object:
        nonlocal carried_out
        reply = request(row, asked)  # type: ignore[arg-type]
        carried_out += 1
        if carried_out == 1:
            raise TransientStoreError("the connection broke")
        return reply

    row.request = lose_the_first.__get__(row)  # type: ignore[method-assign]
    await session.limiter.acquire()
    assert carried_out == 2
    second = await other(store)
    for _ in range(QUOTA.limit - 1):
        await second.limiter.acquire()
    waiting = asyncio.create_task(second.limiter.acquire())
    await pass_time(0.05)
    assert not waiting.done()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    for limiter in (*[second.limiter] * (QUOTA.limit - 1), session.limiter):
        limiter.release_unused()
    await session.close()
    await second.close()


async def test_a_throttle_holds_the_others_back_too(
    store: MemoryStore, limiter: SharedLimiter
) -> None:
    """As long as HubSpot asks for."""
    second = await other(store)
    await limiter.acquire()
    loop = asyncio.get_running_loop()
    sent_at = loop.time()
    await pass_time(0.1)
    assert limiter.record_throttle(sent_at, 3.0) == 3.0
    limiter.record_response(sent_at, loop.time(), accepted=False)
    await settle()
    begun = loop.time()
    for one in (limiter, second.limiter):
        await one.acquire()
        assert loop.time() - begun >= 2.99
        one.release_unused()
    await second.close()


async def test_a_reserve_holds_across_clients(store: MemoryStore) -> None:
    """What one learns of the day stops the other."""
    headers = {"X-HubSpot-RateLimit-Daily": "1000", "X-HubSpot-RateLimit-Daily-Remaining": "100"}
    sessions = [make_session(store, QUOTA, reserve_daily=100) for _ in range(2)]
    for session in sessions:
        await session.open()
    first, second = (session.limiter for session in sessions)
    await first.acquire()
    now = asyncio.get_running_loop().time()
    first.record_response(now, now + 0.1, headers=headers)
    await pass_time(1)
    with pytest.raises(DailyReserveError):
        await second.acquire()
    for session in sessions:
        await session.close()


async def test_a_closed_client_returns_its_permits_and_lets_nothing_go(store: MemoryStore) -> None:
    """What it did not use is free at once; what was cut off counts as sent."""
    first = await other(store)
    for _ in range(QUOTA.limit):
        await first.limiter.acquire()
    for _ in range(QUOTA.limit - 2):
        first.limiter.release_unused()
    await first.close()
    with pytest.raises(ClientClosedError):
        await first.limiter.acquire()
    second = await other(store)
    for _ in range(QUOTA.limit - 2):
        await second.limiter.acquire()
    waiting = asyncio.create_task(second.limiter.acquire())
    await pass_time(1)
    assert not waiting.done()
    await waiting
    for _ in range(QUOTA.limit - 1):
        second.limiter.release_unused()
    await second.close()


async def test_a_close_does_not_wait_for_a_store_that_is_away(
    store: MemoryStore, session: StoreSession, limiter: SharedLimiter
) -> None:
    """Its permits run out by themselves."""
    await limiter.acquire()
    worker = session._worker
    assert isinstance(worker, LoopWorker)
    store.error = TransientStoreError("away")
    limiter.record_no_response(0.0)
    await pass_time(0.5)
    begun = asyncio.get_running_loop().time()
    store_close = asyncio.create_task(session.close())
    await store_close
    assert asyncio.get_running_loop().time() - begun < 10
    store.error = None


@pytest.mark.parametrize("is_batch", [False, True], ids=["single", "batch"])
async def test_a_close_that_is_cancelled_lets_nobody_wait(
    store: MemoryStore, *, is_batch: bool
) -> None:
    """And the store is asked no more."""
    session = make_session(store, QUOTA, worker=LoopWorker(delay=0.2), batch_quota=QUOTA)
    await session.open()
    limiter = session.batch_limiter if is_batch else session.limiter
    for _ in range(2 if is_batch else QUOTA.limit):
        await limiter.acquire()
    waiting = asyncio.create_task(limiter.acquire())
    await pass_time(1)
    closing = asyncio.create_task(session.close())
    await pass_time(0.1)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    asked = store.updates
    with pytest.raises(ClientClosedError):
        await waiting
    await pass_time(3 * HEARTBEAT)
    assert asked == store.updates


async def test_a_new_epoch_costs_one_window(store: MemoryStore, limiter: SharedLimiter) -> None:
    """After a restart of the store what was sent just before may be missing: nothing is guessed."""
    loop = asyncio.get_running_loop()
    await limiter.acquire()
    limiter.record_response(loop.time(), loop.time())
    await pass_time(1)
    store.epoch, store.keeps_time = "second", False
    begun = loop.time()
    await limiter.acquire()
    assert QUOTA.window - 0.1 <= loop.time() - begun <= QUOTA.window + 0.1
    limiter.release_unused()


async def test_a_clock_that_is_set_back_by_a_restart_changes_nothing_about_that(
    store: MemoryStore, limiter: SharedLimiter
) -> None:
    """The window begins when the restart is noticed, not at what the clock shows."""
    loop = asyncio.get_running_loop()
    await limiter.acquire()
    limiter.record_response(loop.time(), loop.time())
    await pass_time(1)
    store.epoch, store.offset = "second", -3600.0
    second = await other(store)
    begun = loop.time()
    await second.limiter.acquire()
    assert loop.time() - begun >= QUOTA.window - 0.1
    second.limiter.release_unused()
    await second.close()


@pytest.mark.parametrize("content", [b"", b"nonsense", b"[]", b"{}", b'{"format": %d}' % FORMAT])
async def test_a_state_that_cannot_be_read_is_an_error(store: MemoryStore, content: bytes) -> None:
    """It is not taken for an empty one."""
    store.rows["default", "single"] = StoredState(1, store.epoch, content)
    with pytest.raises(SharedQuotaError, match="what is kept of it cannot be read"):
        await make_session(store, QUOTA).open()


@pytest.mark.parametrize(
    ("name", "value"),
    [("now", "inf"), ("held_until", []), ("holders", {"x/1": {"seen": -100.0}}), ("shift", None)],
)
async def test_a_state_with_other_values_is_an_error(
    store: MemoryStore, name: str, value: object
) -> None:
    """In any of its fields."""
    await (await other(store)).close()
    state = {**snapshot.from_bytes(store.rows["default", "single"].state), name: value}
    store.rows["default", "single"] = StoredState(1, store.epoch, orjson.dumps(state))
    with pytest.raises(SharedQuotaError):
        await make_session(store, QUOTA).open()
    assert not store.is_open


async def test_a_state_that_was_damaged_is_an_error(store: MemoryStore) -> None:
    """Though it can be read."""
    await (await other(store)).close()
    state = store.rows["default", "single"].state
    assert b'"limit":10' in state
    damaged = state.replace(b'"limit":10', b'"limit":90')
    store.rows["default", "single"] = StoredState(1, store.epoch, damaged)
    with pytest.raises(SharedQuotaError, match="checksum"):
        await make_session(store, QUOTA).open()


@pytest.mark.parametrize("is_deleted", [True, False])
async def test_a_state_that_is_lost_in_mid_run_costs_one_window(
    store: MemoryStore, limiter: SharedLimiter, *, is_deleted: bool
) -> None:
    """Its row is deleted, or an earlier one comes back: the calls since then are not known."""
    loop = asyncio.get_running_loop()
    earlier = store.rows["default", "single"]
    for _ in range(QUOTA.limit):
        await limiter.acquire()
    await pass_time(0.1)
    for _ in range(QUOTA.limit):
        limiter.record_response(loop.time() - 0.1, loop.time())
    await pass_time(1)
    if is_deleted:
        del store.rows["default", "single"]
    else:
        store.rows["default", "single"] = earlier
    begun = loop.time()
    await limiter.acquire()
    assert loop.time() - begun >= QUOTA.window - 1.2
    limiter.release_unused()


async def test_a_client_that_is_cancelled_while_it_opens_closes_its_store(
    store: MemoryStore,
) -> None:
    """Nothing is left open."""
    session = make_session(store, QUOTA)
    opening = asyncio.create_task(session.open())
    await pass_time(0)
    assert store.is_open
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert not store.is_open


async def test_a_state_of_a_newer_version_is_an_error(store: MemoryStore) -> None:
    """Whatever stands in it."""
    store.rows["default", "single"] = StoredState(1, store.epoch, b'{"format": 1000}')
    with pytest.raises(SharedQuotaError, match="a newer version of aiohubassoc wrote it: upgrade"):
        await make_session(store, QUOTA).open()


async def test_a_state_of_an_older_version_costs_one_window(store: MemoryStore) -> None:
    """What it says is not known, so that a whole window may have been used."""
    store.rows["default", "single"] = StoredState(1, store.epoch, b'{"format": 1}')
    session = await other(store)
    begun = asyncio.get_running_loop().time()
    await session.limiter.acquire()
    assert asyncio.get_running_loop().time() - begun >= QUOTA.window - 0.1
    session.limiter.release_unused()
    await session.close()


async def test_clients_with_different_quotas_each_keep_their_own(store: MemoryStore) -> None:
    """Given the calls of both."""
    low, high = Quota(5, 5.0), Quota(10, 5.0)
    first, second = await other(store, low), await other(store, high)
    for _ in range(6):
        await second.limiter.acquire()
    waiting = asyncio.create_task(first.limiter.acquire())
    await pass_time(3)
    assert not waiting.done()
    await second.limiter.acquire()
    for _ in range(7):
        second.limiter.release_unused()
    await waiting
    assert (first.limiter.quota, second.limiter.quota) == (low, high)
    first.limiter.release_unused()
    await first.close()
    await second.close()


async def test_batch_calls_have_a_quota_of_their_own(store: MemoryStore) -> None:
    """It is shared too."""
    sessions = [make_session(store, QUOTA, batch_quota=Quota(2, 5.0)) for _ in range(2)]
    for session in sessions:
        await session.open()
    first, second = (session.batch_limiter for session in sessions)
    await first.acquire()
    await second.acquire()
    for one in (first, second):
        now = asyncio.get_running_loop().time()
        one.record_response(now, now)
    begun = asyncio.get_running_loop().time()
    await first.acquire()
    assert asyncio.get_running_loop().time() - begun >= 4.9
    assert first.max_in_flight == 2
    first.release_unused()
    for session in sessions:
        await session.close()


@pytest.mark.parametrize("step", [-3600.0, 0.0])
async def test_a_store_whose_clock_is_set_back_goes_on(store: MemoryStore, step: float) -> None:
    """Time only moves on; nobody waits for an hour, and no window is exceeded."""
    store.offset = 5000.0
    session, portal = await other(store), Portal(QUOTA, Random(1))
    async with asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(send(session.limiter, portal, 40))
        await pass_time(3)
        store.offset += step
    begun = min(portal.times)
    assert sending.result() - begun <= 3 * QUOTA.window * 1.1
    assert not portal.throttled
    await session.close()
