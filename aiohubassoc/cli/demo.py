"""``aiohubassoc demo``: the main job, and the proof that what it says is true."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from aiohubassoc.cli.hints import compose
from aiohubassoc.cli.operations import LinkOperation
from aiohubassoc.cli.options import CheckOptions, FolderOptions, OutputOptions
from aiohubassoc.cli.report import SIMULATED
from aiohubassoc.cli.run_folder import Command
from aiohubassoc.cli.runner import Runner
from aiohubassoc.cli.simulator_presets import demo_portal
from aiohubassoc.cli.summary import print_link_report
from aiohubassoc.cli.terminal import stdout
from aiohubassoc.client import AssociationClient
from aiohubassoc.errors import InputError
from aiohubassoc.files.layout import Layout
from aiohubassoc.files.pairs import PairTable
from aiohubassoc.models import Status
from aiohubassoc.options import Quota
from aiohubassoc.simulator import portal_process

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from aiohubassoc.cli.run_folder import Table
    from aiohubassoc.cli.sinks import Sinks
    from aiohubassoc.models import Outcome
    from aiohubassoc.pair import Pair

# Ten times a Professional portal's pace, so that a demonstration takes seconds.
_QUOTA = Quota(190, 1.0)
_EXAMPLE = Path("examples", "pairs.csv")


class _KeptOutcomes(LinkOperation):
    """Links the pairs of the example, and keeps every outcome."""

    def __init__(self, table: Table, command: Command) -> None:
        super().__init__(table, command, OutputOptions(), FolderOptions())
        self.outcomes: list[Outcome] = []

    def take(self, outcome: Outcome, sinks: Sinks) -> None:
        """Count and keep an outcome."""
        super().take(outcome, sinks)
        self.outcomes.append(outcome)


def demo() -> int:
    """
    Link 2,000 pairs against a simulated portal and compare every outcome with its books.

    The portal runs as a process of its own: a rolling quota of 190 calls a second, 80 ms away,
    with missing records, failing answers, connections that break, and a neighbour who uses much of
    the quota for a second. The exit code is 0 when the portal's books agree with what was told.
    """
    console = stdout()
    example = _example()
    settings = demo_portal(_QUOTA)
    console.print(
        f"Linking the pairs of {example.name} at {_QUOTA}, against a simulated HubSpot portal "
        "with missing records, failing answers, broken connections and a neighbour."
    )
    layout = Layout(from_type="contacts", to_type="companies")
    with (
        portal_process(settings) as portal,
        PairTable(str(example), layout) as table,
    ):
        client = AssociationClient(
            settings.tokens[0], base_url=portal.base_url, api_version="2026-09", quota=_QUOTA
        )
        with PairTable(str(example), layout) as again:
            pairs = [pair for _, pair in again if pair is not None]
        operation = _KeptOutcomes(table, Command((str(example),), layout))
        operation.report.portal = SIMULATED
        code = asyncio.run(Runner(operation, table, CheckOptions()).run(client))
        books, links = portal.ledger(), portal.links()
    print_link_report(operation.report, console)
    if operation.report.stopped is not None:
        return code
    disagreements = compare(pairs, operation.outcomes, links["links"])
    print_books(books, console)
    if disagreements:
        for line in disagreements[:20]:
            console.print(f"[bold red]The portal disagrees:[/] {escape(line)}")
        return 1
    console.print("[bold green]Verified: the simulator's records match every outcome.[/]")
    pairs_file = str(
        example.relative_to(Path.cwd()) if example.is_relative_to(Path.cwd()) else example
    )
    types = {"--from": "contacts", "--to": "companies"}
    console.print("Next:")
    for command, options in (
        ("plan", {**types, "--quota": "professional"}),
        ("link", {**types, "--simulate": True}),
        ("link", {**types, "--run": "runs/first", "--simulate": True}),
    ):
        console.print(f"  {compose(command, [pairs_file], options)}", markup=False)
    return 0


def compare(
    pairs: Iterable[Pair],
    told: Iterable[Outcome],
    links: Iterable[tuple[str, str, str, str, int]],
) -> list[str]:
    """
    Return where what was told differs from the links that the portal has; best is nothing.

    Each pair must have one outcome. A linked pair must be there, a refused one must not; where the
    answer stayed unknown, both can be true. No link may be there that nobody told of.
    """
    made = {(row[0], row[1], row[2], row[3]) for row in links}
    untold = Counter(map(_ends, pairs))
    wrong = []
    for outcome in told:
        untold[_ends(outcome.pair)] -= 1
        there = _ends(outcome.pair) in made
        made.discard(_ends(outcome.pair))
        if outcome.status in {Status.LINKED, Status.PARTIAL} and not there:
            wrong.append(f"{outcome.pair} was told as {outcome.status}, but is not there")
        elif outcome.status is Status.FAILED and there and not outcome.maybe_applied:
            wrong.append(f"{outcome.pair} was told as failed, but is there")
    for pair, count in untold.items():
        if count:
            wrong.append(f"{' '.join(pair)} has {1 - count} outcomes")
    return wrong + [f"{' '.join(pair)} is there, but was not told of" for pair in made]


def _ends(pair: Pair) -> tuple[str, str, str, str]:
    return (pair.from_type, pair.from_id, pair.to_type, pair.to_id)


def print_books(books: dict[str, Any], console: Console) -> None:
    """Print what the portal saw."""
    console.print(
        f"The portal counted {books['requests']:,} calls, at most "
        f"{books['max_accepted_in_window']} of {_QUOTA.limit} in any window; "
        f"it refused {sum(books['throttled'].values()):,} of them with 429; "
        f"it made {books['links']['pairs']:,} links and refused {books['refused']['pairs']:,} "
        f"pairs; {books['error_share']:.1%} of its answers were errors."
    )


def _example() -> Path:
    """Return the example's path: in the package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    for place in (package / _EXAMPLE, package.parent / _EXAMPLE):
        if place.is_file():
            return place
    raise InputError(f"{_EXAMPLE} is missing from this installation")
