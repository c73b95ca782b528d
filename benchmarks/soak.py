"""
Runs under all faults for any time, and compares server, run folders and reports pair by pair.

Several concurrent jobs link pairs by single calls, in batches, and with ``skip_linked``, each with
a run folder; half of the clients share a quota. Every fault of the simulator hits a share of the
calls; latency is 0 to 30 seconds; a neighbour uses the quota; tokens expire; the server stops and
starts again; clients are opened and closed; runs are cancelled, stopped and left at any moment, and
started again; single calls beside them are cancelled too. In real time the command is also killed
and resumed. ``--virtual`` runs on a loop whose clock jumps: an hour takes less than half a minute,
with pauses between the jobs.

All random numbers come from the seed; the timing of threads and of other processes does not. It
leaves no file behind.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import logging
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs
from kills import Runs, contradicted, untrue
from report import print_checks, print_table

from aiohubassoc import (
    AioHubAssocError,
    AssociationClient,
    Journal,
    LinkState,
    Outcome,
    Pair,
    Quota,
    RetryPolicy,
    RunStoppedError,
    SharedQuota,
    Status,
    Timeouts,
)
from aiohubassoc.shared_quota.session import StoreSession
from aiohubassoc.shared_quota.sqlite_store import SqliteStore
from aiohubassoc.simulator import (
    Fault,
    FaultPlan,
    Latency,
    Neighbour,
    PortalSettings,
    portal_process,
    serve,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from aiohubassoc._http.clock import Clock
    from aiohubassoc._http.limiter import LimiterOptions

ResultT = TypeVar("ResultT")

_JOBS: Final = 4  # at once
_MOST_PAIRS: Final = 80
_BATCH: Final = 20
_MOST_SESSIONS: Final = 12
_FAULT_SHARE: Final = 0.3  # of all calls, for all faults together
_QUOTA: Final = Quota(100, 10.0)
_LATENCY: Final = Latency(0.03, 1.0, 0.05, 1.0, stray_share=0.03, stray_max=30.0)
_TIMEOUTS: Final = (Timeouts(connect=2.0, response=5.0), Timeouts())
_TOKEN_LIFE: Final = 20.0  # seconds at most
_STORE_TAKES: Final = 0.001  # seconds
_KILLS_SHARE: Final = 0.3  # of the real time, for the command
_KILLS: Final = 3
_PAUSE: Final = 600.0  # in virtual time, where a job takes about 15 s
_MORE_MB: Final = 24.0
_SETTLED: Final = {Status.LINKED, Status.PARTIAL, Status.FAILED}


@attrs.define
class Findings:
    """What went on, and what does not agree; each kind of it must stay 0."""

    jobs: int = 0
    sessions: int = 0
    cut_short: int = 0
    outcomes: int = 0
    calls: int = 0
    cancelled_calls: int = 0
    lives: int = 0
    tokens: int = 0
    sharing: int = 0
    requests: int = 0
    faults: Counter[str] = attrs.Factory(Counter)
    wrong: Counter[str] = attrs.Factory(Counter)

    def check(self, claim: str, *, holds: bool, about: object = "") -> None:
        """Note that *claim* does not hold."""
        if not holds:
            self.wrong[claim] += 1
            print(f"NOT SO: {claim}: {about}", file=sys.stderr)


class Server:
    """
    A portal that comes and goes, always at one address; what was linked stays linked.

    Args:
        rng: Chance.
        life: Seconds for which it stays, on average.
        findings: What it counts into.

    Attributes:
        base_url: Its address.
        token: What it accepts now.
    """

    def __init__(self, rng: Random, life: float, findings: Findings) -> None:
        self._rng = rng
        self._life = life
        self._findings = findings
        self._past: Counter[tuple[str, ...]] = Counter()
        self._portal: Any = None
        self.base_url = ""
        self.token = ""
        self.is_up = asyncio.Event()

    async def run(self, over: asyncio.Event) -> None:
        """Serve until it is over, with pauses."""
        port = 0
        while not over.is_set():
            self._issue_token()
            async with serve(self._settings(), port=port) as served, asyncio.TaskGroup() as group:
                port = int(served.base_url.rpartition(":")[2])
                self.base_url, self._portal = served.base_url, served.portal
                served.portal.add_links((a, b, c, d) for a, b, c, d in self._past)
                self._findings.lives += 1
                self.is_up.set()
                expiring = group.create_task(self._let_tokens_expire(served.portal))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._life * self._rng.uniform(0.2, 2.0)):
                        await over.wait()
                expiring.cancel()
            ledger = served.portal.ledger
            self._past, self._portal = self.link_counts(), None
            self._findings.requests += ledger.requests
            self._findings.faults.update(ledger.faults)
            await asyncio.sleep(self._rng.uniform(0.0, 1.5))

    def link_counts(self) -> Counter[tuple[str, ...]]:
        """Return how often each pair was linked."""
        links = {} if self._portal is None else self._portal.ledger.links
        return self._past + Counter({tuple(pair): count for pair, count in links.items()})

    def unmade(self) -> int:
        """Return how many calls were reported as done and were not."""
        now: Counter[str] = Counter() if self._portal is None else self._portal.ledger.faults
        return self._findings.faults[Fault.UNMADE] + now[Fault.UNMADE]

    async def current_token(self, refused: str | None) -> str:
        """Return the token that it accepts now."""
        await asyncio.sleep(0.01 if refused else 0.0)
        return self.token

    def _issue_token(self) -> None:
        self._findings.tokens += 1
        self.token = f"soak-token-{self._findings.tokens}"

    async def _let_tokens_expire(self, portal: Any) -> None:  # noqa: ANN401 -- the simulator's
        while True:
            await asyncio.sleep(self._rng.uniform(0.0, _TOKEN_LIFE))
            portal.revoke(self.token)
            self._issue_token()
            portal.accept(self.token)

    def _settings(self) -> PortalSettings:
        rng = self._rng
        weights = {fault.value: rng.random() for fault in Fault}
        total = sum(weights.values()) / _FAULT_SHARE
        faults = {name: weight / total for name, weight in weights.items()}
        # A wrong address ends a run at once: rare, or nothing else would be seen.
        for fault in (Fault.NOT_FOUND_HTML_404, Fault.REDIRECT_302):
            faults[fault.value] /= 20
        return PortalSettings(
            seed=rng.randrange(1 << 30),
            tokens=(self.token,),
            quota_limit=_QUOTA.limit,
            quota_retry_after=rng.random() < 0.5,
            batch_limit=60,
            missing_share=0.02,
            headers=rng.choice(("all", "some", "none")),
            latency=_LATENCY,
            neighbours=(Neighbour(rng.uniform(0, self._life), self._life, 3.0, burst=5),),
            faults=FaultPlan.from_dict({**faults, "slow_seconds": 3.0, "problem_retry_after": 2}),
            batch_errors=rng.choice(("named", "first", "ends", "unnamed")),
            batch_missing=rng.choice(("207", "400")),
            read_unlinked=rng.choice(("errors", "left_out", "empty")),
            keep_arrivals=False,
        )


class Job:
    """
    Pairs that are linked with a separate run folder, in any number of sessions.

    Args:
        number: The number of the job.
        seed: The seed of its random numbers.
        server: The server to which it links.
        folder: The run folder.
        findings: What it counts into.
        quota: What half of its clients share with those of the other jobs.
        ends_at: When it is to be over, of the loop's clock.
    """

    def __init__(
        self,
        number: int,
        *,
        seed: int,
        server: Server,
        folder: Path,
        findings: Findings,
        quota: SharedQuota,
        ends_at: float,
    ) -> None:
        self._rng = rng = Random(f"{seed}-{number}")
        self._server = server
        self._folder = folder
        self._findings = findings
        self._quota = quota
        self._ends_at = ends_at
        first = 1 + number * _MOST_PAIRS
        own = [
            Pair("contacts", n, "companies", n)
            for n in range(first, first + rng.randint(5, _MOST_PAIRS - 3))
        ]
        self._pairs = [*own, *rng.sample(own, 2)]  # some of them twice
        self._linked: set[Pair] = set()
        self._alone = [
            Pair("contacts", n, "deals", n) for n in range(first, first + rng.randint(1, 4))
        ]

    async def run(self) -> None:
        """Link, compare, and read back."""
        for _ in range(_MOST_SESSIONS):
            if self._is_late() or await self._session():
                break
        self._compare()
        if not self._is_late():
            await self._verify()
        self._findings.jobs += 1

    def _is_late(self) -> bool:
        return asyncio.get_running_loop().time() >= self._ends_at

    def _client(self) -> AssociationClient:
        rng = self._rng
        shares = rng.random() < 0.5
        self._findings.sharing += shares
        return AssociationClient(
            self._server.current_token,
            base_url=self._server.base_url,
            quota=_QUOTA if rng.random() < 0.5 else None,
            shared_quota=self._quota if shares else None,
            concurrency=rng.choice((1, 4, 32)),
            retry=RetryPolicy(attempts=rng.choice((2, 5, 8)), wait_initial=0.1, wait_max=3.0),
            timeouts=rng.choice(_TIMEOUTS),
            jitter=rng.random,
        )

    async def _session(self) -> bool:
        """Run once, disturbed or not, and return whether nothing is left to do."""
        rng, findings = self._rng, self._findings
        before = self._server.link_counts()
        reported: list[Outcome] = []
        streams: list[Any] = []
        fate = rng.choice(("cancel", "stop", "leave", "none"))
        at = rng.uniform(0.0, 8.0)

        async def work(client: AssociationClient) -> None:
            options: dict[str, Any] = {
                "via": rng.choice(("put", "batch")),
                "skip_linked": rng.random() < 0.3,
                "ordered": rng.random() < 0.5,
                "batch_size": rng.randint(1, _BATCH),
                "stall_timeout": 60.0,
                "drain_timeout": rng.choice((0.0, 1.0, 5.0)),
                "retry_failed": rng.random() < 0.3,
                "journal": Journal(self._folder),
            }
            pairs = self._slowly() if rng.random() < 0.3 else self._pairs
            async with client.link_each(pairs, **options) as outcomes:
                streams.append(outcomes)
                async for outcome in outcomes:
                    reported.append(outcome)
                    if fate == "leave" and len(reported) > at * 4:
                        break

        async with self._client() as client:
            beside = asyncio.create_task(self._calls(client))
            task = asyncio.create_task(work(client))
            left = max(0.5, self._ends_at - asyncio.get_running_loop().time())
            await asyncio.wait([task], timeout=left if fate in {"leave", "none"} else min(at, left))
            if not task.done():
                findings.cut_short += 1
                if fate == "stop" and streams:
                    cause = RunStoppedError("the storm")
                    streams[0].stop(cause, drain_timeout=rng.choice((None, 0.0, 0.5)))
                else:
                    task.cancel()
                await asyncio.wait([task])
            if not task.cancelled() and (error := task.exception()) is not None:
                findings.check("a run raises nothing", holds=False, about=repr(error))
            await beside
        for stream in streams:
            reported += [outcome async for outcome in stream]
            findings.check(
                "a report counts every outcome", holds=len(reported) == stream.report.total
            )
        findings.sessions += 1
        findings.outcomes += len(reported)
        self._look_at(reported, before)
        is_whole = bool(streams) and streams[0].report.input_complete
        return is_whole and all(outcome.status is not Status.UNPROCESSED for outcome in reported)

    def _look_at(self, reported: list[Outcome], before: Counter[tuple[str, ...]]) -> None:
        check, link_counts = self._findings.check, self._server.link_counts()
        indexes = sorted(outcome.index for outcome in reported)
        check("each pair read has one outcome", holds=indexes == list(range(len(reported))))
        for outcome in reported:
            if outcome.pair in self._linked:
                check(
                    "what was linked is skipped in each later session",
                    holds=outcome.status in {Status.SKIPPED, Status.UNPROCESSED},
                    about=outcome,
                )
                key = _key(outcome.pair)
                check("and not sent", holds=link_counts[key] == before[key], about=outcome)
        self._linked |= {one.pair for one in reported if one.status is Status.LINKED}

    def _compare(self) -> None:
        """Compare the folder with the reports and with the server's links."""
        check, link_counts = self._findings.check, self._server.link_counts()
        if not Journal(self._folder).is_there:
            check("what was reported is in a folder", holds=not self._linked)
            return
        rows = {row.pair: row for row in Journal(self._folder).rows()}
        linked = {pair for pair, row in rows.items() if row.status is Status.LINKED}
        check("the folder has what was reported", holds=self._linked <= linked)
        for pair, row in rows.items():
            if row.status in {Status.FAILED, Status.UNPROCESSED} and _key(pair) in link_counts:
                check(
                    "a link that was not confirmed is possible", holds=row.maybe_applied, about=row
                )
        false = sum(_key(pair) not in link_counts for pair in linked)
        most = self._server.unmade() * _BATCH
        check("the server has what is linked", holds=false <= most, about=(false, most))

    async def _verify(self) -> None:
        await self._server.is_up.wait()
        link_counts = self._server.link_counts()
        async with self._client() as client, client.verify(self._pairs) as found:
            states = [(one.pair, one.state) async for one in found]
        self._findings.check(
            "each pair is read back once",
            holds=Counter(p for p, _ in states) == Counter(self._pairs),
        )
        # A fault of a read may hide a link, and none can show one that is not there.
        for pair, state in states:
            if state is LinkState.LINKED:
                is_there = _key(pair) in link_counts
                self._findings.check("what is read back is there", holds=is_there, about=pair)

    async def _calls(self, client: AssociationClient) -> None:
        """Make calls beside the run; some of them are cancelled."""
        for pair in self._alone:
            if self._is_late():
                return
            is_batch = self._rng.random() < 0.3
            unmade = self._server.unmade()
            try:
                async with asyncio.timeout(self._rng.uniform(0.0, 4.0)):
                    result: Any = await (
                        client.create_default_batch("contacts", "deals", [pair])
                        if is_batch
                        else client.create_default(pair)
                    )
            except TimeoutError:
                self._findings.cancelled_calls += 1
                continue
            except AioHubAssocError:
                continue
            self._findings.calls += 1
            is_linked = not isinstance(result, list) or result[0].status is Status.LINKED
            self._findings.check(
                "a call that returned has linked",
                holds=not is_linked
                or _key(pair) in self._server.link_counts()
                or self._server.unmade() > unmade,
                about=pair,
            )

    async def _slowly(self) -> AsyncIterator[Pair]:
        for pair in self._pairs:
            if self._rng.random() < 0.1:
                await asyncio.sleep(self._rng.uniform(0.0, 0.5))
            yield pair


def _key(pair: Pair) -> tuple[str, ...]:
    return pair.from_type, pair.from_id, pair.to_type, pair.to_id


async def storm(
    seconds: float, seed: int, home: Path, quota: SharedQuota, *, pause: float = 0.0
) -> tuple[Findings, dict[str, bool]]:
    """
    Let it rage for *seconds* of the running loop, and return what was found.

    Args:
        seconds: How long new jobs begin.
        seed: Of all chance.
        home: For run folders.
        quota: What half of the clients share.
        pause: The longest pause between two jobs of a worker, in seconds.
    """
    loop, findings = asyncio.get_running_loop(), Findings()
    over = asyncio.Event()
    server = Server(Random(seed), min(300.0, seconds / 5), findings)
    memory: list[float] = []
    descriptors: list[int] = []
    numbers = iter(range(1 << 30))
    rng = Random(f"{seed}-pauses")
    ends_at = loop.time() + seconds

    async def work() -> None:
        while loop.time() < ends_at:
            number = next(numbers)
            folder = home / str(number)
            await Job(
                number,
                seed=seed,
                server=server,
                folder=folder,
                findings=findings,
                quota=quota,
                ends_at=ends_at,
            ).run()
            _remove(folder)
            memory.append(_memory_mb())
            descriptors.append(_descriptors())
            await asyncio.sleep(min(rng.uniform(0.0, pause), max(0.0, ends_at - loop.time())))

    serving = asyncio.create_task(server.run(over))
    await server.is_up.wait()
    async with asyncio.TaskGroup() as group:
        for _ in range(_JOBS):
            group.create_task(work())
    over.set()
    await serving
    gc.collect()
    left = asyncio.all_tasks() - {asyncio.current_task()}
    clients = sum(isinstance(each, AssociationClient) for each in gc.get_objects())
    half = len(memory) // 2
    return findings, {
        "no task and no client is left": not left and clients == 0,
        "memory is flat": max(memory[half:]) <= max(memory[: half + 1]) + _MORE_MB,
        "descriptors are flat": max(descriptors[half:]) <= max(descriptors[: half + 1]) + 40,
    }


def _remove(folder: Path) -> None:
    if folder.is_dir():
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()


def _memory_mb() -> float:
    """Return what the process has in memory; 0 where the system does not say."""
    path = Path("/proc/self/statm")
    return int(path.read_text().split()[1]) * 4096 / 1e6 if path.exists() else 0.0


def _descriptors() -> int:
    path = Path("/proc/self/fd")
    return len(os.listdir(path)) if path.exists() else 0  # noqa: PTH208 -- only how many


def kill_the_command(seconds: float, seed: int) -> tuple[int, Counter[str]]:
    """Kill and resume the command for *seconds*; return how often, and what does not agree."""
    rng, wrong, killed = Random(seed), Counter[str](), 0
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        via = rng.choice(("put", "batch"))
        options = ("--via", "batch", "--batch-size", "10") if via == "batch" else ()
        pairs = rng.randint(30, 90)
        rows = [*range(1, pairs + 1), *rng.sample(range(1, pairs + 1), 3)]
        faults = FaultPlan(
            server_error_500=0.02, reset_after=0.02, reset_before=0.02, cut_body=0.02
        )
        settings = PortalSettings(
            seed=rng.randrange(1 << 30),
            quota_limit=None,
            latency=Latency(0.01, 0.5, 0.02, 0.5),
            missing_share=0.02,
            faults=faults,
        )
        os.environ["HUBSPOT_ACCESS_TOKEN"] = settings.tokens[0]
        with portal_process(settings) as portal, tempfile.TemporaryDirectory() as home:
            runs = Runs(Path(home), portal, rows, options, rng)
            runs.kill_some(_KILLS)
            runs.finish()
            settled, links = runs.settled(), portal.links()["links"]
            wrong["the server contradicts the folder"] += contradicted(settled, links)
            wrong["the folder contradicts the stream"] += runs.unheld
            wrong["a row was reported with two truths"] += untrue(runs.sessions)
            wrong["a settled pair was sent again"] += runs.resent()
            wrong["a pair was lost"] += len(settled) != pairs
            killed += sum(session.was_killed for session in runs.sessions)
    return killed, wrong


def _url(home: Path) -> str:
    return f"sqlite:///{home / 'quota.db'}"


class _VirtualStore(SqliteStore):
    """The file, with the loop's clock."""

    def __init__(self, path: str, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(path)
        self.local_time = loop.time  # type: ignore[method-assign]


class _LoopWorker:
    """Uses the store on the loop: its clock would jump while a thread works."""

    def submit(self, work: Callable[[], ResultT]) -> asyncio.Future[ResultT]:
        """See `Worker`."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[ResultT] = loop.create_future()

        def do() -> None:
            if not future.done():
                try:
                    future.set_result(work())
                except Exception as error:  # noqa: BLE001 -- it is the future's
                    future.set_exception(error)

        loop.call_later(_STORE_TAKES, do)
        return future

    def close(self) -> None:
        """See `Worker`."""


@attrs.frozen(repr=False)
class VirtualQuota(SharedQuota):
    """
    A shared quota in the time of a loop.

    Args:
        loop: Whose clock the store has.
    """

    loop: asyncio.AbstractEventLoop = attrs.field(kw_only=True)

    def open_session(self, options: LimiterOptions, clock: Clock) -> StoreSession:
        """See `SharedQuota`."""
        store = _VirtualStore(self.url.removeprefix("sqlite:///"), self.loop)
        return StoreSession(
            store, self.key, self.explain, options, clock=clock, worker=_LoopWorker()
        )


def run_virtually(seconds: float, seed: int, home: Path) -> tuple[Findings, dict[str, bool]]:
    """Let the storm rage in virtual time."""
    import looptime  # noqa: PLC0415 -- of the tests

    loop = looptime.new_event_loop()
    try:
        quota = VirtualQuota(_url(home), loop=loop)
        return loop.run_until_complete(storm(seconds, seed, home, quota, pause=_PAUSE))
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def _positive(text: str) -> float:
    if not (value := float(text)) > 0:
        raise argparse.ArgumentTypeError("must be above 0")
    return value


def main(arguments: Iterable[str] | None = None) -> int:
    """Storm, compare, print and return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=_positive, default=30.0, help="may be a fraction")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--virtual", action="store_true", help="minutes of virtual time")
    options = parser.parse_args(None if arguments is None else list(arguments))
    logging.disable(logging.ERROR)  # each run logs why it was stopped
    seconds, seed = options.minutes * 60.0, options.seed
    began, killed, wrong = time.perf_counter(), 0, Counter[str]()
    with tempfile.TemporaryDirectory() as home:
        if options.virtual:
            findings, checks = run_virtually(seconds, seed, Path(home))
        else:
            share = (1 - _KILLS_SHARE) * seconds
            quota = SharedQuota(_url(Path(home)))
            findings, checks = asyncio.run(storm(share, seed, Path(home), quota))
            killed, wrong = kill_the_command(seconds - share, seed)
    row = {
        "seed": seed,
        "minutes": options.minutes,
        **attrs.asdict(findings, filter=lambda field, _: field.name not in {"faults", "wrong"}),
        "kinds of fault": len(findings.faults),
        "faults": findings.faults.total(),
        "kills": killed,
        "seconds": round(time.perf_counter() - began, 1),
    }
    print_table([row])
    wrong += findings.wrong
    for claim, count in wrong.items():
        print(f"{count} times not so: {claim}")
    return print_checks(
        {
            "the records of server, folders and reports agree for every pair": not wrong.total(),
            "something was linked": findings.outcomes > 0 and findings.jobs > 0,
            **checks,
        }
    )


if __name__ == "__main__":
    sys.exit(main())
