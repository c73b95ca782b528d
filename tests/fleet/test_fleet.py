"""Runs of a fleet: stored whole or not at all, linked once, each pair with one outcome."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import attrs
import psycopg
import pytest

from aiohubassoc import OptionsError, Pair, PairError, Status
from aiohubassoc.cli.fleet_report import read_fleet_contents
from aiohubassoc.errors import FleetError
from aiohubassoc.fleet import (
    Fleet,
    FleetOptions,
    FleetPortal,
    FleetWorker,
    RunState,
    SubmittedInput,
    recorder,
)
from aiohubassoc.html_report.page import render
from aiohubassoc.options import Quota
from aiohubassoc.simulator import FaultPlan, PortalSettings, serve
from tests.fleet.conftest import pgbouncer
from tests.http.test_proxy import proxy_to

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from postgres import PostgresServer

    from aiohubassoc.fleet import FleetRun
    from aiohubassoc.simulator import ServedPortal

pytestmark = [pytest.mark.looptime(False), pytest.mark.timeout(600)]

ENDED = {RunState.DONE, RunState.FAILED, RunState.CANCELLED}
PATIENCE = 300.0


async def nap() -> None:
    """Wait for what another process, PostgreSQL, does."""
    woken = asyncio.Event()
    asyncio.get_running_loop().call_later(0.02, woken.set)
    await woken.wait()


@contextlib.asynccontextmanager
async def working(
    database: str, portals: dict[str, FleetPortal], **options: Any
) -> AsyncIterator[FleetWorker]:
    """Let a worker work while the context lasts."""
    worker = FleetWorker(
        database, portals, **{"heartbeat": 1.0, "dead_after": 30.0, "poll": 0.05, **options}
    )
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        await task


async def until(fleet: Fleet, run: int, *states: RunState) -> FleetRun:
    """Return the run once it is in one of these states, or has ended."""
    loop = asyncio.get_running_loop()
    end = loop.time() + PATIENCE
    while True:
        (found,) = await fleet.runs(run)
        if found.state in (states or ENDED):
            return found
        assert loop.time() < end, found
        await nap()


def pairs(count: int) -> list[tuple[int, int]]:
    """Return so many."""
    return [(number, number) for number in range(1, count + 1)]


async def submit(fleet: Fleet, items: Any, portal: str = "acme", **options: Any) -> int:
    """Return the number of a run of contacts and companies."""
    return await fleet.submit(portal, items, from_type="contacts", to_type="companies", **options)


async def test_every_pair_has_the_outcome_that_the_portal_knows(
    fleet: Fleet, database: str, portals: dict[str, FleetPortal], served: ServedPortal
) -> None:
    """Every pair has the outcome that the portal knows."""
    run = await submit(fleet, [*pairs(150), (5000, 1), (1, 1)])
    async with working(database, portals):
        ended = await until(fleet, run)
    assert ended.state is RunState.DONE
    assert (ended.linked, ended.failed, ended.skipped, ended.unprocessed) == (150, 1, 1, 0)
    assert ended.total == 152
    rows = [row async for row in fleet.rows(run)]
    assert [row.line for row in rows] == list(range(152))
    linked = {(r.from_type, r.from_id, r.to_type, r.to_id) for r in rows if r.status == "linked"}
    assert linked == set(served.portal.ledger.links)
    assert rows[150].status is Status.FAILED
    assert rows[150].category == "VALIDATION_ERROR"
    assert rows[151].category == "DUPLICATE"
    assert rows[151].message == "repeats item 0"


async def test_a_batch_run_links_the_same(
    fleet: Fleet, database: str, portals: dict[str, FleetPortal]
) -> None:
    """A batch run links the same."""
    run = await submit(fleet, pairs(300), options=FleetOptions(via="batch"))
    async with working(database, portals):
        ended = await until(fleet, run)
    assert (ended.state, ended.linked) == (RunState.DONE, 300)


async def test_init_may_be_repeated(fleet: Fleet) -> None:
    """Init may be repeated."""
    assert await fleet.init() is False


async def test_tables_of_a_newer_version_are_refused(fleet: Fleet, database: str) -> None:
    """Tables of a newer version are refused."""
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as db:
        await db.execute("update aiohubassoc_fleet set version = version + 1")
    with pytest.raises(FleetError, match="newer aiohubassoc"):
        await fleet.runs()
    with pytest.raises(FleetError, match="newer aiohubassoc"):
        await fleet.init()


async def init_by_five(database: str) -> list[bool]:
    """Call init five times at once, and return what it returned, sorted."""

    async def init() -> bool:
        async with Fleet(database) as fleet:
            return await fleet.init()

    async with asyncio.TaskGroup() as tasks:
        calls = [tasks.create_task(init()) for _ in range(5)]
    return sorted(call.result() for call in calls)


async def make_first_version(database: str) -> None:
    """Make the tables those of the first version."""
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as db:
        await db.execute("alter table aiohubassoc_runs drop column statistics")
        await db.execute("update aiohubassoc_fleet set version = 1")


async def test_tables_of_an_earlier_version_are_upgraded_by_many_at_once(
    fleet: Fleet, database: str, portals: dict[str, FleetPortal]
) -> None:
    """One of them does it, the others find it done; runs of before are linked after it."""
    run = await submit(fleet, pairs(3))
    await make_first_version(database)
    with pytest.raises(FleetError, match="fleet init"):
        await fleet.runs()
    with pytest.raises(FleetError, match="fleet init"):
        await FleetWorker(database, portals).run()

    assert await init_by_five(database) == [False] * 4 + [True]
    async with working(database, portals):
        assert (await until(fleet, run)).linked == 3


async def test_many_make_the_tables_at_once(database: str) -> None:
    """One of them makes them, the others find them."""
    assert await init_by_five(database) == [False] * 4 + [True]


async def test_a_worker_without_rights_says_so(fleet: Fleet, database: str) -> None:
    """As each command does."""
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as db:
        await db.execute("drop role if exists nobody_here")
        await db.execute("create role nobody_here login")
    url = database.replace("postgres@", "nobody_here@")
    with pytest.raises(FleetError, match="permission denied"):
        await FleetWorker(url, {}).run()
    async with Fleet(url) as other:
        with pytest.raises(FleetError, match="permission denied"):
            await other.runs()


async def test_a_table_of_another_program_is_no_fleet(fleet: Fleet, database: str) -> None:
    """Its version is no number."""
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as db:
        await db.execute("alter table aiohubassoc_fleet alter version type text using 'x'")
    for work in (fleet.runs(), fleet.init(), FleetWorker(database, {}).run()):
        with pytest.raises(FleetError, match="not that of a fleet"):
            await work


async def test_a_database_without_tables_names_the_command(database: str) -> None:
    """A database without tables names the command."""
    async with Fleet(database) as fleet:
        with pytest.raises(FleetError, match="fleet init"):
            await fleet.runs()


@pytest.mark.parametrize(
    "url", ["postgresql://u:secret@127.0.0.1:1/x", "postgresql://u:secret@[bad", "secret"]
)
async def test_a_database_that_cannot_be_reached_is_an_error_without_the_password(
    url: str,
) -> None:
    """A database that cannot be reached is an error without the password."""
    with pytest.raises(FleetError) as caught:
        async with Fleet(url):
            pass
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("url", ["", "  ", "\n"])
async def test_a_blank_name_is_no_database(url: str) -> None:
    """Not the one that has the user's own name, which libpq would open."""
    with pytest.raises(FleetError, match="no libpq URI"):
        async with Fleet(url):
            pass
    with pytest.raises(FleetError, match="no libpq URI"):
        await FleetWorker(url, {}).run()


async def test_an_input_that_breaks_leaves_nothing_behind(fleet: Fleet, database: str) -> None:
    """An input that breaks leaves nothing behind."""

    def broken() -> Any:
        yield (1, 1)
        yield ("not an id", 2)

    with pytest.raises(PairError):
        await submit(fleet, broken())
    assert await fleet.runs() == []
    async with await psycopg.AsyncConnection.connect(database) as db:
        cursor = await db.execute(
            "select count(*) from aiohubassoc_pairs union all"
            " select count(*) from procrastinate_jobs"
        )
        assert await cursor.fetchall() == [(0,), (0,)]


async def test_an_unknown_portal_fails_the_run_with_the_reason(
    fleet: Fleet, database: str, portals: dict[str, FleetPortal]
) -> None:
    """An unknown portal fails the run with the reason."""
    run = await submit(fleet, pairs(3), portal="nowhere")
    async with working(database, portals):
        ended = await until(fleet, run)
    assert ended.state is RunState.FAILED
    assert "nowhere" in (ended.reason or "")
    assert f"continue with aiohubassoc fleet resume {run}" in (ended.reason or "")
    assert ended.unprocessed == 3


async def test_a_refused_token_fails_the_run_and_nothing_else(
    fleet: Fleet,
    database: str,
    portals: dict[str, FleetPortal],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A refused token fails the run and nothing else."""
    monkeypatch.setenv("WRONG", "wrong-token")
    portals["other"] = attrs.evolve(portals["other"], token_env="WRONG")
    bad = await submit(fleet, pairs(30), portal="other")
    good = await submit(fleet, pairs(30))
    async with working(database, portals):
        refused, linked = await until(fleet, bad), await until(fleet, good)
    assert (refused.state, refused.unprocessed) == (RunState.FAILED, 30)
    assert "401" in (refused.reason or "")
    assert "wrong-token" not in (refused.reason or "")
    assert (linked.state, linked.linked) == (RunState.DONE, 30)


async def test_a_run_that_stops_after_failures_is_not_continued(
    fleet: Fleet, database: str, portals: dict[str, FleetPortal]
) -> None:
    """Only a user resumes it."""
    options = FleetOptions(stop_after_failures=3, stop_after_alike=None)
    run = await submit(fleet, [(number, 5000) for number in range(1, 301)], options=options)
    async with working(database, portals):
        ended = await until(fleet, run)
    assert ended.state is RunState.FAILED
    assert ended.reason == "3 pairs failed"
    assert ended.unprocessed > 0


async def test_runs_of_one_portal_go_one_after_the_other_by_priority(
    fleet: Fleet, database: str, portals: dict[str, FleetPortal]
) -> None:
    """Runs of one portal go one after the other by priority."""
    low = await submit(fleet, pairs(40), priority=1)
    high = await submit(fleet, pairs(40), priority=2)
    async with working(database, portals):
        first, second = await until(fleet, high), await until(fleet, low)
    assert first.ended_at is not None
    assert second.started_at is not None
    assert first.ended_at <= second.started_at


async def test_a_run_does_not_start_before_its_time_and_keeps_no_other_waiting(
    fleet: Fleet, database: str, portals: dict[str, FleetPortal]
) -> None:
    """A run does not start before its time and keeps no other waiting."""
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    later = await submit(fleet, pairs(5), start_at=tomorrow, priority=9)
    soon = await submit(fleet, pairs(5), start_at=datetime.now(UTC) + timedelta(seconds=0.5))
    now = await submit(fleet, pairs(5))
    async with working(database, portals):
        for run in (now, soon):
            assert (await until(fleet, run)).state is RunState.DONE
    (waiting,) = await fleet.runs(later)
    assert (waiting.state, waiting.due_at) == (RunState.QUEUED, tomorrow)


async def test_a_start_without_a_time_zone_is_refused(fleet: Fleet) -> None:
    """A start without a time zone is refused."""
    with pytest.raises(OptionsError, match="aware"):
        await submit(fleet, pairs(1), start_at=datetime(2026, 1, 1))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start_at": datetime.max.replace(tzinfo=UTC)}, "out of range"),
        ({"start_at": datetime.min.replace(tzinfo=UTC)}, "out of range"),
        ({"priority": 2**31}, "priority must be"),
        ({"portal": "a\0b"}, "cannot be called"),
        ({"portal": "\udcff"}, "cannot be called"),
    ],
)
async def test_what_cannot_be_stored_is_refused(
    fleet: Fleet, options: dict[str, Any], message: str
) -> None:
    """Before anything is, so that runs can be listed still."""
    with pytest.raises(OptionsError, match=message):
        await submit(fleet, pairs(1), **options)
    assert await fleet.runs() == []


async def test_a_number_that_no_run_has_is_no_run(fleet: Fleet) -> None:
    """However large it is."""
    for number in (-1, 2**31, 2**63, 10**30):
        for work in (fleet.runs(number), fleet.cancel(number), fleet.resume(number)):
            with pytest.raises(OptionsError, match="there is no run"):
                await work


async def test_no_statement_is_prepared(fleet: Fleet) -> None:
    """A PgBouncer that pools transactions would send it to a session that does not know it."""
    for _ in range(8):
        await fleet.runs()
    assert fleet._db is not None
    cursor = await fleet._db.execute("select count(*) from pg_prepared_statements")
    assert await cursor.fetchone() == (0,)


async def test_a_fleet_works_behind_a_pgbouncer_that_pools_transactions(
    database: str, portals: dict[str, FleetPortal]
) -> None:
    """All of it: the tables, runs, workers, quotas."""
    with pgbouncer(database) as url:
        async with Fleet(url) as fleet:
            await fleet.init()
            runs = [await submit(fleet, pairs(150), portal=name) for name in portals]
            async with working(url, portals, listen=False):
                for run in runs:
                    ended = await until(fleet, run)
                    assert (ended.state, ended.linked) == (RunState.DONE, 150)


async def test_a_database_that_cannot_hold_every_text_is_refused(postgres: PostgresServer) -> None:
    """A message of HubSpot may hold any letter."""
    async with await psycopg.AsyncConnection.connect(postgres.url(), autocommit=True) as db:
        await db.execute("create database latin encoding 'LATIN1' template template0 locale 'C'")
    async with Fleet(postgres.url(database="latin")) as fleet:
        with pytest.raises(FleetError, match="encoding LATIN1: create one with encoding 'UTF8'"):
            await fleet.init()


async def test_a_database_without_an_encoding_holds_every_text(
    postgres: PostgresServer, portals: dict[str, FleetPortal]
) -> None:
    """Texts are UTF-8 there too."""
    async with await psycopg.AsyncConnection.connect(postgres.url(), autocommit=True) as db:
        await db.execute("create database ascii encoding 'SQL_ASCII' template template0 locale 'C'")
    url = postgres.url(database="ascii")
    snowy = {"\N{SNOWMAN}": attrs.evolve(portals["acme"], name="\N{SNOWMAN}")}
    async with Fleet(url) as fleet:
        await fleet.init()
        run = await submit(fleet, [*pairs(3), (5000, 1)], portal="\N{SNOWMAN}")
        async with working(url, snowy):
            ended = await until(fleet, run)
        assert (ended.portal, ended.linked, ended.failed) == ("\N{SNOWMAN}", 3, 1)
        (row,) = [row async for row in fleet.rows(run, Status.FAILED)]
        assert row.category == "VALIDATION_ERROR"


async def test_outcomes_that_cannot_be_written_let_no_run_wait_for_ever(
    fleet: Fleet,
    database: str,
    portals: dict[str, FleetPortal],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After any error the run reports it and continues later."""
    writing = recorder._write

    async def fail_once(*arguments: Any) -> set[int]:
        monkeypatch.setattr(recorder, "_write", writing)
        raise UnicodeEncodeError("latin-1", "\N{SNOWMAN}", 0, 1, "ordinal not in range")

    monkeypatch.setattr(recorder, "_write", fail_once)
    run = await submit(fleet, pairs(20))
    async with working(database, portals):
        ended = await until(fleet, run)
    assert (ended.state, ended.linked) == (RunState.DONE, 20)


async def test_a_queued_run_that_is_cancelled_never_starts(
    fleet: Fleet, database: str, portals: dict[str, FleetPortal], served: ServedPortal
) -> None:
    """A queued run that is cancelled never starts."""
    run = await submit(fleet, pairs(5))
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as db:
        await db.execute("update aiohubassoc_runs set reason = 'the worker stopped'")
    await fleet.cancel(run)
    (cancelled,) = await fleet.runs(run)
    assert (cancelled.state, cancelled.reason) == (RunState.CANCELLED, None)
    other = await submit(fleet, pairs(1))
    async with working(database, portals):
        await until(fleet, other)
    assert len(served.portal.ledger.links) == 1
    with pytest.raises(OptionsError, match="no run 999"):
        await fleet.cancel(999)


async def test_a_running_run_that_is_cancelled_keeps_what_was_done(
    fleet: Fleet, database: str, portals: dict[str, FleetPortal], served: ServedPortal
) -> None:
    """A running run that is cancelled keeps what was done."""
    run = await submit(fleet, pairs(900))
    async with working(database, portals):
        while not (await fleet.runs(run))[0].linked:
            await nap()
        await fleet.cancel(run)
        ended = await until(fleet, run)
    assert ended.state is RunState.CANCELLED
    assert 0 < ended.linked < 900
    assert ended.linked == len(served.portal.ledger.links)
    await fleet.cancel(run)  # of a run that has ended: nothing


async def test_a_worker_that_is_stopped_before_it_works_does_not_begin(
    fleet: Fleet, database: str, portals: dict[str, FleetPortal]
) -> None:
    """As by a SIGTERM that comes early."""
    run = await submit(fleet, pairs(3))
    worker = FleetWorker(database, portals)
    worker.stop()
    await worker.run()
    assert (await fleet.runs(run))[0].state is RunState.QUEUED


async def test_a_worker_goes_through_the_proxy_of_the_environment(
    fleet: Fleet,
    database: str,
    portals: dict[str, FleetPortal],
    served: ServedPortal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If it is told to, as the command tells it."""
    away = attrs.evolve(portals["acme"], base_url="http://hub.example", allow_http=True)
    run = await submit(fleet, pairs(3))
    async with proxy_to(served.base_url) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        async with working(database, {"acme": away}, trust_env=True):
            assert (await until(fleet, run)).linked == 3
    assert all(" http://hub.example/" in line for line in proxy.asked)


async def test_a_worker_that_is_stopped_gives_its_runs_to_the_next(
    fleet: Fleet, database: str, portals: dict[str, FleetPortal]
) -> None:
    """A worker that is stopped gives its runs to the next one, and the quota it has used."""
    settings = PortalSettings(quota_limit=100, quota_window=3.0)
    # In this event loop: on a busy machine a separate process would count calls later.
    async with serve(settings) as portal:
        quota = Quota(100, 3.0)
        here = {"acme": attrs.evolve(portals["acme"], base_url=portal.base_url, quota=quota)}
        run = await submit(fleet, pairs(220))
        async with working(database, here):
            while not (await fleet.runs(run))[0].linked:
                await nap()
        given_back = (await fleet.runs(run))[0]
        assert given_back.state is RunState.QUEUED
        assert given_back.unprocessed
        async with working(database, here):
            ended = await until(fleet, run)
        assert (ended.state, ended.linked) == (RunState.DONE, 220)
        assert not portal.portal.ledger.throttled
        assert set(portal.portal.ledger.links.values()) == {1}


async def test_what_is_collected_of_a_run_adds_up_over_its_workers(
    fleet: Fleet, database: str, portals: dict[str, FleetPortal]
) -> None:
    """As a run folder's over its runs; and the worker's own observer gets every event."""
    seen: list[str] = []

    class Watching:
        """An observer that leaves methods out."""

        def response(self, event: Any) -> None:
            """Note it."""
            seen.append(event.kind)

    run = await submit(fleet, pairs(220))
    async with working(database, portals, observer=Watching()):
        while not (await fleet.runs(run))[0].linked:
            await nap()
    async with working(database, portals, observer=Watching()):
        assert (await until(fleet, run)).linked == 220
    statistics = await fleet.statistics(run)
    assert statistics is not None
    assert len(statistics.runs) == 2
    assert statistics.responses.total == len(seen) >= 220
    assert sum(statistics.timeline.counts["linked"]) == 220
    assert max(statistics.timeline.quota) == 100.0


async def test_pairs_that_were_linked_before_are_not_repeats(
    fleet: Fleet, database: str, portals: dict[str, FleetPortal]
) -> None:
    """Both are skipped, and the report tells them apart."""
    run = await submit(fleet, pairs(3))
    async with working(database, portals):
        await until(fleet, run)
    run = await submit(fleet, [*pairs(5), (1, 1)], options=FleetOptions(skip_linked=True))
    async with working(database, portals):
        ended = await until(fleet, run)
    assert (ended.linked, ended.skipped) == (2, 4)
    assert await fleet.skipped_counts(run) == (1, 3)
    contents = await read_fleet_contents(fleet, run, None)
    assert (contents.outcomes.linked_now, contents.outcomes.linked_already) == (2, 3)
    assert contents.outcomes.total == 5


async def test_a_worker_that_no_longer_owns_a_run_sends_and_writes_nothing(
    fleet: Fleet, database: str, portals: dict[str, FleetPortal]
) -> None:
    """A worker that no longer owns a run sends and writes nothing."""
    run = await submit(fleet, pairs(900))
    async with working(database, portals):
        while not (await fleet.runs(run))[0].linked:
            await nap()
        async with await psycopg.AsyncConnection.connect(database, autocommit=True) as db:
            await db.execute(
                "update aiohubassoc_runs set owner = gen_random_uuid(), job = null,"
                " state = 'cancelled'"
            )
            at_once = (await fleet.runs(run))[0].linked
            row: Any = None
            while row is None or row[0]:  # until the job's end says that the worker let go
                cursor = await db.execute(
                    "select count(*) from procrastinate_jobs where status = 'doing'"
                )
                row = await cursor.fetchone()
                await nap()
    assert (await fleet.runs(run))[0].linked == at_once


async def why_it_waits(
    fleet: Fleet, run: int, database: str, portals: dict[str, FleetPortal]
) -> str:
    """Return why a worker has put a run off: it is queued, for a later time."""
    async with working(database, portals):
        (waiting,) = await fleet.runs(run)
        while waiting.reason is None:
            await nap()
            (waiting,) = await fleet.runs(run)
    assert waiting.state is RunState.QUEUED
    assert waiting.due_at is not None
    assert waiting.due_at > datetime.now(UTC)
    return waiting.reason


async def test_a_run_that_cannot_begin_says_why_and_waits(
    fleet: Fleet, database: str, portals: dict[str, FleetPortal]
) -> None:
    """It is not begun again at once, again and again."""
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as db:
        await db.execute("update aiohubassoc_quota_schema set version = 99")
    run = await submit(fleet, pairs(3))
    assert "newer version of aiohubassoc" in await why_it_waits(fleet, run, database, portals)


async def test_a_run_with_options_of_a_newer_version_says_why_and_waits(
    fleet: Fleet, database: str, portals: dict[str, FleetPortal]
) -> None:
    """After an error of any kind the run is not begun again at once."""
    run = await submit(fleet, pairs(3))
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as db:
        await db.execute("update aiohubassoc_runs set options = options || '{\"nonsense\": 1}'")
    assert "nonsense" in await why_it_waits(fleet, run, database, portals)


def slow_token(folder: Path) -> tuple[str, Path]:
    """Return a command that prints the token once a file is there, and that file."""
    program, allowed = folder / "token.py", folder / "allowed"
    program.write_text(
        "import pathlib, sys, time\n"
        "while not pathlib.Path(sys.argv[1]).exists():\n    time.sleep(0.02)\n"
        "print('simulated-token')\n",
        encoding="utf-8",
    )
    return shlex.join([sys.executable, str(program), str(allowed)]), allowed


async def test_a_token_that_takes_long_to_read_keeps_no_other_run_waiting(
    fleet: Fleet, database: str, portals: dict[str, FleetPortal], tmp_path: Path
) -> None:
    """A password manager may ask a person."""
    command, allowed = slow_token(tmp_path)
    portals["other"] = attrs.evolve(portals["other"], token_env=None, token_command=command)
    slow = await submit(fleet, pairs(3), portal="other")
    async with working(database, portals):
        await until(fleet, slow, RunState.RUNNING)
        quick = await submit(fleet, pairs(3))
        assert (await until(fleet, quick)).linked == 3
        allowed.touch()
        assert (await until(fleet, slow)).linked == 3


async def test_a_run_that_is_cancelled_before_its_first_call_sends_nothing(
    fleet: Fleet, database: str, portals: dict[str, FleetPortal], tmp_path: Path
) -> None:
    """The worker hears of it while it reads the token."""
    command, _ = slow_token(tmp_path)
    portals["acme"] = attrs.evolve(portals["acme"], token_env=None, token_command=command)
    run = await submit(fleet, pairs(3))
    async with working(database, portals):
        await until(fleet, run, RunState.RUNNING)
        await fleet.cancel(run)
        ended = await until(fleet, run)
    assert (ended.state, ended.linked, ended.unprocessed) == (RunState.CANCELLED, 0, 3)


async def test_the_daily_limit_puts_a_run_to_sleep_until_midnight(
    fleet: Fleet, database: str, portals: dict[str, FleetPortal]
) -> None:
    """The daily limit puts a run to sleep until midnight."""
    async with serve(PortalSettings(daily_limit=20, utc_offset=2.0)) as portal:
        limited = attrs.evolve(portals["acme"], base_url=portal.base_url)
        run = await submit(fleet, pairs(50))
        async with working(database, {"acme": limited}):
            asleep = await until(fleet, run, RunState.SLEEPING)
    assert asleep.due_at is not None
    assert timedelta(0) < asleep.due_at - datetime.now(UTC) <= timedelta(days=1)
    assert asleep.linked == 20
    assert asleep.unprocessed == 30
    page = render(await read_fleet_contents(fleet, run, None))
    assert "The last run stopped early" in page
    assert "killed" not in page


async def test_a_run_sleeps_while_hubspot_moves_the_account(
    fleet: Fleet, database: str, portals: dict[str, FleetPortal]
) -> None:
    """It continues by itself once the time has come that HubSpot names."""
    faults = FaultPlan(migrating_477=1.0, migrating_retry_after=3600)
    async with serve(PortalSettings(faults=faults)) as portal:
        moving = attrs.evolve(portals["acme"], base_url=portal.base_url)
        run = await submit(fleet, pairs(5))
        async with working(database, {"acme": moving}):
            asleep = await until(fleet, run, RunState.SLEEPING)
    assert asleep.due_at is not None
    assert timedelta(minutes=50) < asleep.due_at - datetime.now(UTC) <= timedelta(hours=1)
    assert asleep.unprocessed == 5


async def test_a_run_that_ended_can_go_on_with_what_is_left_of_it(
    fleet: Fleet, database: str, portals: dict[str, FleetPortal]
) -> None:
    """A run that ended can continue with what is left of it."""
    run = await submit(fleet, [*pairs(20), (5000, 1)])
    with pytest.raises(OptionsError, match="has not ended"):
        await fleet.resume(run)
    await fleet.cancel(run)
    await fleet.resume(run)
    async with working(database, portals):
        ended = await until(fleet, run)
        assert (ended.state, ended.linked, ended.failed) == (RunState.DONE, 20, 1)
        with pytest.raises(OptionsError, match="--retry-failed"):
            await fleet.resume(run)
        await fleet.resume(run, retry_failed=True)
        again = await until(fleet, run)
    assert (again.state, again.linked, again.failed) == (RunState.DONE, 20, 1)
    await fleet.resume(run, retry_failed=True)
    page = render(await read_fleet_contents(fleet, run, None))
    assert ("It waits for a worker" in page, "killed" in page) == (True, False)
    with pytest.raises(OptionsError, match="no run 99"):
        await fleet.resume(99)


async def test_a_partial_link_may_still_be_there_while_it_is_sent_again(
    fleet: Fleet, database: str, portals: dict[str, FleetPortal]
) -> None:
    """It is sent again as those that failed are, and its earlier link is not forgotten."""
    faults = PortalSettings(faults=FaultPlan(partial_207=1.0))
    async with serve(faults) as portal:
        partly = attrs.evolve(portals["acme"], base_url=portal.base_url)
        run = await submit(fleet, pairs(3))
        async with working(database, {"acme": partly}):
            assert (await until(fleet, run)).partial == 3
    await fleet.resume(run, retry_failed=True)
    assert [(Status.UNPROCESSED, True)] * 3 == [
        (row.status, row.maybe_applied) async for row in fleet.rows(run)
    ]
    async with working(database, portals):
        again = await until(fleet, run)
    assert (again.linked, again.partial) == (3, 0)


async def test_rows_without_a_pair_are_kept(fleet: Fleet) -> None:
    """Rows without a pair are kept."""
    about = SubmittedInput(columns=["a", "b"], sources=["x.csv"])
    about.rejected.append((0, 7, "from_id is empty", ["", "2\0"]))
    run = await fleet.submit("acme", [Pair("contacts", 1, "companies", 2)], about=about)
    assert (await fleet.runs(run))[0].rejected == 1
    assert await fleet.rejected_rows(run) == [(0, 7, "from_id is empty", ["", "2\0"])]
    assert await fleet.input_of(run) == (["a", "b"], ["x.csv"])


async def test_a_fleet_outside_its_context_says_how_it_is_used(database: str) -> None:
    """A fleet outside its context says how it is used."""
    with pytest.raises(FleetError, match="async with"):
        await Fleet(database).runs()
