"""
Checks the outcome of every pair while the command is killed again and again.

The command links the pairs of a file, some of which are repeated, with a run folder, against a
portal in another process with missing records and faults. It is killed at a random moment and
started again by ``resume`` or by the same ``link``; the last time it is not killed. It sends single
calls, or batches with ``--via batch``. Each line of output of these processes is compared with the
folder after the kill, with the lines of the other processes, and with the portal's records.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import attrs
from report import conclude, print_table

from aiohubassoc import Journal, JournalError, Status
from aiohubassoc.journal.reader import Reader
from aiohubassoc.simulator import FaultPlan, Latency, PortalSettings, portal_process

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohubassoc import JournalRow
    from aiohubassoc.simulator import PortalProcess

_CONCURRENCY: Final = 8
_LATENCY: Final = Latency(0.04, 0.3, 0.04, 0.3)
_FAULTS: Final = FaultPlan(server_error_500=0.01, reset_after=0.01, reset_before=0.01)
_MISSING_SHARE: Final = 0.01
_REPEATED_SHARE: Final = 0.05
# The share of kills while the command starts, or reports the outcomes of earlier runs.
_EARLY_SHARE: Final = 0.3
# Maximum seconds until an outcome is written to the folder and reported.
_HELD: Final = 0.2
_LOOK_EVERY: Final = 0.0005
_PATIENCE: Final = 600.0
_BATCH, _BATCHES_AT_ONCE = 20, 4
_FORMS: Final = {
    "put": (),
    "batch": ("--via", "batch", "--batch-size", str(_BATCH), "--batch-quota", "100000/1s"),
}
_SOME_FAILED: Final = 1

_DUPLICATE: Final = "duplicate"
_SETTLED: Final = {Status.LINKED, Status.PARTIAL, Status.FAILED}

Ends: TypeAlias = tuple[str, str]


@attrs.frozen
class Replied:
    """One line of the stream."""

    line: int
    ends: Ends
    truth: str  # a status, or duplicate
    is_news: bool  # whether it was linked by this process


@attrs.frozen
class Session:
    """One process of the command, and what it reported."""

    command: str
    code: int  # negative: the signal that ended it
    reported: list[Replied]
    errors: str

    @property
    def was_killed(self) -> bool:
        """Whether it was still there to be killed."""
        return self.code < 0


class Runs:
    """
    The sessions of one run folder, one after the other.

    Args:
        home: For files.
        portal: Where the pairs go.
        rows: The ids of the records to be linked, as they stand in the input.
        form: Options of the command.
        rng: Chance.
    """

    def __init__(
        self,
        home: Path,
        portal: PortalProcess,
        rows: list[int],
        form: Iterable[str],
        rng: Random,
    ) -> None:
        self.folder = home / "run"
        self.sessions: list[Session] = []
        self.unheld = 0
        """Lines that were reported although the folder did not have it so."""
        self._home = home
        self._portal = portal
        self._rng = rng
        self._rows = rows
        self._startup = 0.0  # seconds to the first line, as the first session shows
        self._calls_when_settled: dict[Ends, int] = {}
        source = home / "pairs.csv"
        with source.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["from_id", "to_id"])
            writer.writerows((number, number) for number in rows)
        self._link = [
            *("link", str(source), "--from", "contacts", "--to", "companies"),
            *("--run", str(self.folder), "--stream", "--base-url", portal.base_url),
            *("--quota", "100000/1s", "--concurrency", str(_CONCURRENCY), *form),
        ]
        self._resume = ["resume", str(self.folder), "--stream"]

    def kill_some(self, kills: int) -> None:
        """Start *kills* sessions and kill each of them if it has not ended."""
        for left in range(kills, 0, -1):
            command = self._link
            if left % 2 and self._can_resume():
                command = self._resume
            if self.sessions and self._rng.random() < _EARLY_SHARE:
                session = self._run(command, seconds=self._rng.uniform(0, 1.5 * self._startup))
            else:
                # So that there is something left to do for all the kills to come.
                most = 2 * (len(set(self._rows)) - len(self.settled())) // (left + 1)
                session = self._run(command, news=self._rng.randint(1, max(1, most)))
            self._note(session)

    def finish(self) -> Session:
        """Let a last one end."""
        session = self._run(self._resume if self._can_resume() else self._link)
        self._note(session)
        return session

    def settled(self) -> dict[Ends, JournalRow]:
        """Return the pairs that are completed in the folder."""
        try:
            rows = Journal(self.folder).rows(*_SETTLED)
            return {_ends(row): row for row in rows}
        except JournalError:  # nothing was written yet
            return {}

    def resent(self) -> int:
        """Return how many pairs were sent although a killed session had settled them."""
        calls = self._calls()
        return sum(calls[ends] > known for ends, known in self._calls_when_settled.items())

    def ask(self, *arguments: str) -> str:
        """Return what a command about the folder prints."""
        return subprocess.run(
            [sys.executable, "-m", "aiohubassoc", *arguments],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout

    def _can_resume(self) -> bool:
        try:
            with Reader(self.folder) as reader:
                return bool(reader.sessions())
        except JournalError:  # it was killed before it came to that
            return False

    def _run(
        self, command: list[str], *, seconds: float | None = None, news: int | None = None
    ) -> Session:
        """
        Run a command, and kill it.

        Args:
            command: Its arguments.
            seconds: When to kill it. None: not by the time.
            news: Kill it once it reported this many pairs that were linked just then. None: not so.
        """
        path = self._home / f"{len(self.sessions)}.jsonl"
        errors = path.with_suffix(".txt")
        with path.open("wb") as out, errors.open("wb") as err:
            began = time.perf_counter()
            process = subprocess.Popen(
                [sys.executable, "-m", "aiohubassoc", *command], stdout=out, stderr=err
            )
            try:
                if seconds is not None:
                    _wait(process, seconds)
                elif news is not None:
                    self._wait_for_news(process, path, news, began)
                    # At once is before what was reported too early is written.
                    _wait(process, self._rng.choice((0.0, self._rng.uniform(0, _HELD))))
                else:
                    _wait(process, _PATIENCE)
            finally:
                process.kill()
                code = process.wait()
        return Session(command[0], code, _told(path), errors.read_text(encoding="utf-8"))

    def _wait_for_news(
        self, process: subprocess.Popen[bytes], path: Path, news: int, began: float
    ) -> None:
        rest = b""
        is_first = True
        with path.open("rb") as file:
            while process.poll() is None:
                *lines, rest = (rest + file.read()).split(b"\n")
                if lines and is_first:
                    self._startup, is_first = time.perf_counter() - began, False
                news -= sum(_told_by(line).is_news for line in lines)
                if news <= 0:
                    return
                time.sleep(_LOOK_EVERY)

    def _note(self, session: Session) -> None:
        settled = self.settled()
        for reported in session.reported:
            row = settled.get(reported.ends)
            if reported.truth in _SETTLED and (row is None or row.status != reported.truth):
                self.unheld += 1
        calls = self._calls()
        for ends in settled:
            self._calls_when_settled.setdefault(ends, calls[ends])
        self.sessions.append(session)

    def _calls(self) -> Counter[Ends]:
        """Return how often the portal linked or refused each pair."""
        reported = self._portal.links()
        return Counter(
            {_ends_of(one): one[4] for one in [*reported["links"], *reported["refused"]]}
        )


def _wait(process: subprocess.Popen[bytes], seconds: float) -> None:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return


def _told(path: Path) -> list[Replied]:
    """Return the whole lines of a file; a kill may have cut the last one off."""
    *lines, _ = path.read_bytes().split(b"\n")
    return [_told_by(line) for line in lines]


def _told_by(line: bytes) -> Replied:
    reported: dict[str, Any] = json.loads(line)
    truth = reported["status"]
    if truth == Status.SKIPPED:
        is_linked = reported["reason"]["category"] == "LINKED_BEFORE"
        truth = Status.LINKED.value if is_linked else _DUPLICATE
    is_news = reported["status"] == Status.LINKED
    return Replied(reported["line"], (reported["from"], reported["to"]), truth, is_news)


def _ends(row: JournalRow) -> Ends:
    pair = row.pair
    return f"{pair.from_type}:{pair.from_id}", f"{pair.to_type}:{pair.to_id}"


def _ends_of(reported: list[Any]) -> Ends:
    return f"{reported[0]}:{reported[1]}", f"{reported[2]}:{reported[3]}"


def contradicted(settled: dict[Ends, JournalRow], links: Iterable[list[Any]]) -> int:
    """Return how many pairs of the folder, or links of the portal, the other one contradicts."""
    made = set(map(_ends_of, links))
    wrong = len(made - settled.keys())
    for ends, row in settled.items():
        if row.status is Status.LINKED:
            wrong += ends not in made
        else:
            wrong += ends in made and not row.maybe_applied
    return wrong


def untrue(sessions: Iterable[Session]) -> int:
    """Return how many rows of the input were reported in two ways that cannot both be true."""
    truths: dict[int, set[str]] = {}
    for session in sessions:
        for reported in session.reported:
            if reported.truth != Status.UNPROCESSED:
                truths.setdefault(reported.line, set()).add(reported.truth)
    return sum(len(said) > 1 for said in truths.values())


def main() -> int:
    """Kill, compare, print and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--pairs", type=int, help="default: 3000, with batches 6000")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--via", choices=_FORMS, default="put")
    options = parser.parse_args()
    # Each kill leaves whole batches linked: with fewer pairs none would be left for the last kills.
    options.pairs = options.pairs or (3000 if options.via == "put" else 6000)
    rng = Random(options.seed)
    numbers = range(1, options.pairs + 1)
    rows = [*numbers, *rng.sample(numbers, int(_REPEATED_SHARE * options.pairs))]
    rng.shuffle(rows)
    settings = PortalSettings(
        seed=options.seed,
        quota_limit=None,
        latency=_LATENCY,
        missing_share=_MISSING_SHARE,
        faults=_FAULTS,
    )
    os.environ["HUBSPOT_ACCESS_TOKEN"] = settings.tokens[0]
    began = time.perf_counter()
    with portal_process(settings) as portal, tempfile.TemporaryDirectory() as home:
        runs = Runs(Path(home), portal, rows, _FORMS[options.via], rng)
        runs.kill_some(options.kills)
        last = runs.finish()
        ledger, links = portal.ledger(), portal.links()["links"]
        settled, resent = runs.settled(), runs.resent()
        status = json.loads(runs.ask("status", str(runs.folder), "--json"))
        exported = runs.ask("export", str(runs.folder), "--linked", "--format", "jsonl")
    counts = Counter(row.status for row in settled.values())
    killed = [session for session in runs.sessions if session.was_killed]
    retried = sum(ledger["faults"].values())
    calls = ledger["calls"]
    # A pair that shared a call with one wrong is in another call: that is not sent again.
    sent = calls.get("put", 0) if options.via == "put" else ledger["batch_inputs"]
    again = sent - options.pairs - retried * (1 if options.via == "put" else _BATCH)
    per_kill = max(0.0, again / max(1, len(killed)))
    round_trip = _LATENCY.before_median + _LATENCY.after_median
    on_wire = _CONCURRENCY if options.via == "put" else _BATCHES_AT_ONCE * _BATCH
    most_per_kill = on_wire * (1 + _HELD / round_trip)
    row = {
        "sessions": len(runs.sessions),
        "killed": len(killed),
        "before a word": sum(not session.reported for session in killed),
        "lines reported": sum(len(session.reported) for session in runs.sessions),
        "pairs": options.pairs,
        **{name.value: counts[name] for name in (Status.LINKED, Status.FAILED)},
        "calls": ledger["requests"],
        "pairs in them": calls.get("put", 0) + ledger["batch_inputs"],
        "faults": retried,
        "sent again": max(0, again),
        "of them a kill": round(per_kill, 1),
        "seconds": round(time.perf_counter() - began, 1),
    }
    print_table([row])
    for session in runs.sessions[:-1]:
        if not session.was_killed:
            print(f"{session.command} ended with {session.code}:\n{session.errors}")
            break  # the others' reason is mostly the same
    checks = {
        f"{options.kills} sessions were killed, no other ended": len(killed) == options.kills,
        "the last one ends as a run with failures does": last.code == _SOME_FAILED,
        "it reports every row of the input once": (
            Counter(reported.line for reported in last.reported) == Counter(range(2, len(rows) + 2))
        ),
        "every pair is settled in the folder, and no other": len(settled) == options.pairs
        and counts[Status.LINKED] + counts[Status.FAILED] == options.pairs,
        "status and export say the same": (
            (status["linked"], status["failed"]) == (counts[Status.LINKED], counts[Status.FAILED])
            and len(exported.splitlines()) == counts[Status.LINKED]
        ),
        "nothing was reported that the folder did not hold": runs.unheld == 0,
        "no row was reported with two truths": untrue(runs.sessions) == 0,
        "the portal's records agree with every pair": contradicted(settled, links) == 0,
        "no pair was sent again once it was settled": resent == 0,
        f"at most {most_per_kill:.0f} pairs a kill were sent again: those in flight, and those "
        f"whose response came {_HELD:g} s before it": per_kill <= most_per_kill,
    }
    return conclude(f"kills-{options.via}", [row], checks)


if __name__ == "__main__":
    sys.exit(main())
