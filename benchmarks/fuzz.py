"""
Coverage-guided fuzzing of all that reads what others wrote: only documented errors, in time.

Targets: ``responses`` (a status, headers and a body, judged as the response to each kind of call),
``files`` (every reader of input files, from the corpus of the tests), ``folders`` (opening and
reading a run folder). With atheris (https://github.com/google/atheris), which is no dependency, it
looks for new paths; without it the same seeds are changed at random. Exit code 1: an error that is
not documented, or an input that takes too long; it is printed.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_CORPUS: Final = Path(__file__).parents[1] / "tests" / "corpus"
_NOW: Final = datetime(2026, 11, 29, tzinfo=UTC)
_HAS_ATHERIS: Final = importlib.util.find_spec("atheris") is not None
_MOST_BYTES: Final = 20_000
_MOST_SECONDS: Final = 5  # for one input
_BODIES: Final = (
    (
        b'{"status":"COMPLETE","results":[{"from":{"id":"1"},"to":{"id":"2"},"associationSpec":'
        b'{"associationCategory":"HUBSPOT_DEFINED","associationTypeId":279}}],"numErrors":1,'
        b'"errors":[{"status":"error","category":"OBJECT_NOT_FOUND","message":"no 1","context":'
        b'{"fromObjectId":["1"]}}],"startedAt":"2026-11-29T00:00:00Z"}'
    ),
    (
        b'{"status":"error","message":"no","correlationId":"c","category":"RATE_LIMITS","policyName":'
        b'"DAILY","errors":[{"message":"m","context":{"ids":["1"]}}],"links":{"a":"b"}}'
    ),
    (
        b'{"results":[{"from":{"id":"1"},"to":[{"toObjectId":2,"associationTypes":[{"category":'
        b'"HUBSPOT_DEFINED","typeId":279,"label":null}]}],"paging":{"next":{"after":"x"}}}]}'
    ),
    b"<html><h1>502 Bad Gateway</h1>cloudflare</html>",
)


def make_responses(_: Path) -> Callable[[bytes], None]:
    """Return what judges the bytes as a response: two of the status, one of a header's length."""
    from multidict import CIMultiDict  # noqa: PLC0415 -- instrumented first

    from aiohubassoc import Pair  # noqa: PLC0415
    from aiohubassoc._batching.attribution import read_refusal, read_reply  # noqa: PLC0415
    from aiohubassoc._protocol import headers as parsing  # noqa: PLC0415
    from aiohubassoc._protocol.classify import (  # noqa: PLC0415
        judge_pair_refusal,
        judge_refusal,
    )
    from aiohubassoc._protocol.codec import finish  # noqa: PLC0415
    from aiohubassoc._protocol.verdicts import (  # noqa: PLC0415
        Refused,
        Replied,
        Response,
        judge_batch_reply,
        judge_links_reply,
        judge_pair_reply,
    )
    from aiohubassoc.errors import ApiError  # noqa: PLC0415
    from aiohubassoc.replies import DefaultAssociations  # noqa: PLC0415

    pairs = [Pair("contacts", 1, "companies", 2), Pair("contacts", 3, "companies", 4)]
    types = ("contacts", "companies")

    def use(data: bytes) -> None:
        status = int.from_bytes(data[:2], "big") % 600
        length = data[2] if len(data) > 2 else 0
        text, body = data[3 : 3 + length].decode("latin-1"), data[3 + length :]
        names = ("Retry-After", "Date", "X-HubSpot-RateLimit-Max", "X-HubSpot-Correlation-Id")
        headers = CIMultiDict(dict.fromkeys(names, text))
        parsing.retry_after(headers, _NOW)
        parsing.parse_daily(headers)
        parsing.parse_quota(headers)
        for code in (status, 200, 207, 400, 429):
            response = Response(code, headers, body)
            if code in {200, 207}:
                judge_pair_reply(response, pairs[0])
                finish(judge_links_reply(response))
                verdict = finish(judge_batch_reply(response))
            else:
                judge_pair_refusal(response, pairs[0], _NOW)
                verdict = judge_refusal(response, types, _NOW)
            if isinstance(verdict, Replied) and isinstance(verdict.reply, DefaultAssociations):
                parts = finish(read_reply(pairs, verdict.reply))
                assert len(parts) == len(pairs)
            if isinstance(verdict, Refused) and isinstance(verdict.error, ApiError):
                finish(read_refusal(pairs, verdict.error))

    return use


def make_files(home: Path) -> Callable[[bytes], None]:
    """Return what reads the bytes as an input: the first one chooses the format."""
    from aiohubassoc import InputError  # noqa: PLC0415 -- instrumented first
    from aiohubassoc.files.layout import Layout  # noqa: PLC0415
    from aiohubassoc.files.pairs import PairTable  # noqa: PLC0415

    suffixes = ("csv", "tsv", "jsonl", "parquet", "xlsx", "csv.gz", "csv.zst", "bin")
    layout = Layout(from_type="contacts", to_type="companies")

    def use(data: bytes) -> None:
        path = home / f"input.{suffixes[data[0] % len(suffixes) if data else 0]}"
        path.write_bytes(data[1:])
        with contextlib.suppress(InputError), PairTable(str(path), layout) as table:
            for record, pair in table:
                assert (pair is None) == (record.problem is not None)

    return use


def make_folders(home: Path) -> Callable[[bytes], None]:
    """Return a function that opens a run folder after it changed its database by the bytes."""
    import asyncio  # noqa: PLC0415 -- instrumented first

    from aiohubassoc import Journal, JournalError, Outcome, Pair, Report, Status  # noqa: PLC0415
    from aiohubassoc._http.clock import SystemClock  # noqa: PLC0415

    pairs = [Pair("contacts", n, "companies", n) for n in range(1, 30)]

    async def write(folder: Path) -> None:
        recorder = Journal(folder).recording({"portal": "x"}, SystemClock(), retry_failed=False)
        await recorder.open()
        statuses = (Status.LINKED, Status.UNPROCESSED)
        reported = [Outcome(n, pair, statuses[n % 2]) for n, pair in enumerate(pairs)]
        for outcome in reported:
            recorder.begin(outcome.index, outcome.pair)
        await recorder.write(reported)
        await recorder.close(Report(), complete=True)

    async def use_again(folder: Path) -> None:
        recorder = Journal(folder).recording({"portal": "x"}, SystemClock(), retry_failed=False)
        await recorder.open()
        try:
            for index, pair in enumerate(pairs):
                recorder.begin(index, pair)
        finally:
            await recorder.close(Report(), complete=False)

    asyncio.run(write(home / "whole"))
    whole = (home / "whole" / "journal.db").read_bytes()

    def use(data: bytes) -> None:
        folder = home / "changed"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        content = bytearray(whole)
        for start in range(0, len(data) - 3, 4):
            at = int.from_bytes(data[start : start + 3], "big") % len(content)
            content[at] = data[start + 3]
        (folder / "journal.db").write_bytes(content)
        for read in (
            lambda: Journal(folder).counts(),
            lambda: list(Journal(folder).rows()),
            lambda: asyncio.run(use_again(folder)),
        ):
            with contextlib.suppress(JournalError):
                read()

    return use


TARGETS: Final = {"responses": make_responses, "files": make_files, "folders": make_folders}


def seeds_of(target: str) -> list[bytes]:
    """Return inputs to begin with."""
    if target == "responses":
        return [b"\x00\xc8\x011" + body for body in _BODIES]
    if target == "folders":
        return [b"\x00\x00\x10\x00", bytes(range(200)) * 2]
    order = (".csv", ".tsv", ".jsonl", ".parquet", ".xlsx", ".csv.gz", ".csv.zst", ".bin")
    return [
        bytes([index]) + path.read_bytes()
        for path in sorted(_CORPUS.iterdir())
        for index, suffix in enumerate(order)
        if path.name.endswith(suffix)
        and path.stat().st_size < _MOST_BYTES
        # pyarrow 26 ends the whole process for some damaged footers: nothing else would be found.
        and suffix != ".parquet"
    ]


def fuzz_with_atheris(target: str, seconds: int, seed: int, home: Path) -> None:
    """Fuzz in this process, which libFuzzer ends."""
    import atheris  # noqa: PLC0415 -- no dependency

    with atheris.instrument_imports(include=["aiohubassoc"]):
        use = TARGETS[target](home)
    seeds = home / "seeds"
    seeds.mkdir()
    for number, data in enumerate(seeds_of(target)):
        (seeds / str(number)).write_bytes(data)
    atheris.Setup(
        [
            *(sys.argv[0], str(seeds), f"-max_total_time={seconds}", f"-seed={seed}"),
            *(f"-max_len={_MOST_BYTES}", f"-timeout={_MOST_SECONDS}", "-rss_limit_mb=1024"),
            *(f"-artifact_prefix={home}/", "-verbosity=1", "-print_final_stats=1"),
        ],
        use,
    )
    atheris.Fuzz()


def fuzz_at_random(target: str, seconds: int, seed: int, home: Path) -> int:
    """Change the seeds at random, and return the exit code."""
    rng, use, seeds = Random(seed), TARGETS[target](home), seeds_of(target)
    ends_at, tried = time.monotonic() + seconds, 0
    while time.monotonic() < ends_at:
        data = bytearray(rng.choice(seeds))
        for _ in range(rng.randint(0, 6)):
            at = rng.randrange(len(data) + 1)
            data[at : at + rng.randint(0, 4)] = rng.randbytes(rng.randint(0, 4))
        began = time.monotonic()
        try:
            use(bytes(data))
        except Exception:  # noqa: BLE001 -- that is what is looked for
            traceback.print_exc()
            print(f"input: {base64.b64encode(data).decode()}")
            return 1
        if time.monotonic() - began > _MOST_SECONDS:
            print(f"too slow: {base64.b64encode(data).decode()}")
            return 1
        tried += 1
    print(f"{target}: {tried:,} inputs at random, no error that is not documented")
    return 0


def main() -> int:
    """Fuzz each target in a separate process, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--targets", nargs="*", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        (target,) = options.targets
        if _HAS_ATHERIS:
            fuzz_with_atheris(target, options.seconds, options.seed, Path(options.inside))
        return fuzz_at_random(target, options.seconds, options.seed, Path(options.inside))
    failed = []
    for target in options.targets:
        with tempfile.TemporaryDirectory() as home:
            own = ("--inside", home, "--targets", target)
            more = ("--seconds", str(options.seconds), "--seed", str(options.seed))
            done = subprocess.run(
                [sys.executable, __file__, *own, *more],
                check=False,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONWARNINGS": "ignore"},
            )
            lines = done.stdout.decode(errors="replace").splitlines()
            for line in lines if done.returncode else lines[-12:]:
                print(line)
            if done.returncode:
                failed.append(target)
                for path in Path(home).glob("*-*"):
                    print(f"{path.name}: {base64.b64encode(path.read_bytes()).decode()}")
        print(f"{'NO' if done.returncode else 'ok'}  {target}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
