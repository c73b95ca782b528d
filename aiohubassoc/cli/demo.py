"""``aiohubassoc demo``: links 2,000 pairs and compares every outcome with the portal's records."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from aiohubassoc.cli.connection import Connection
from aiohubassoc.cli.hints import compose
from aiohubassoc.cli.link import LinkRun
from aiohubassoc.cli.options import PaceOptions, PortalOptions
from aiohubassoc.cli.run_folder import Command, LinkCall
from aiohubassoc.cli.simulate import demo_portal
from aiohubassoc.cli.summary import print_link_report
from aiohubassoc.cli.terminal import print_lines, stdout
from aiohubassoc.errors import InputError
from aiohubassoc.files.layout import Layout
from aiohubassoc.files.pairs import PairTable
from aiohubassoc.models import Status
from aiohubassoc.options import Quota
from aiohubassoc.simulator import portal_process

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from aiohubassoc.cli.run_folder import RowTable
    from aiohubassoc.models import Outcome
    from aiohubassoc.pair import Pair

# Ten times a Professional portal's pace, so that a demonstration takes seconds.
_QUOTA = Quota(190, 1.0)
_EXAMPLE = Path("examples", "pairs.csv")
_MOST_SHOWN = 20


class _KeepingRun(LinkRun):
    """Links the pairs of the example, and keeps every outcome."""

    def __init__(self, connection: Connection, table: RowTable) -> None:
        super().__init__(connection, table, LinkCall())
        self.outcomes: list[Outcome] = []

    def take(self, outcome: Outcome) -> None:
        super().take(outcome)
        self.outcomes.append(outcome)


def demo() -> int:
    """Link 2,000 pairs against a simulated portal and compare every outcome with its records."""
    console = stdout()
    example = _find_example()
    console.print(
        f"Linking the pairs of {example.name} at {_QUOTA}, against a simulated HubSpot portal "
        "with missing records, failing responses, broken connections and another client."
    )
    layout = Layout(from_type="contacts", to_type="companies")
    portal_options = PortalOptions(simulate=True, api_version="2026-09")
    pace = PaceOptions(f"{_QUOTA.limit}/{_QUOTA.window:g}s")
    command = Command((str(example),), layout, portal_options, pace)
    with PairTable(str(example), layout) as table:
        pairs = [pair for _, pair in table if pair is not None]
    settings = demo_portal(_QUOTA)
    with portal_process(settings) as portal, PairTable(str(example), layout) as table:
        connection = Connection(command, portal.base_url, settings.tokens[0])
        run = _KeepingRun(connection, table)
        code = asyncio.run(run.run(connection.make_client()))
        ledger, links = portal.ledger(), portal.links()["links"]
    print_link_report(run.report, console)
    if run.report.stopped is not None or run.report.signal is not None:
        return code
    differences = compare(pairs, run.outcomes, links)
    _print_ledger(ledger, console)
    if differences:
        for line in differences[:_MOST_SHOWN]:
            console.print(f"[bold red]The portal disagrees:[/] {escape(line)}")
        return 1
    console.print("[bold green]Verified: the simulator's records match every outcome.[/]")
    print_lines(_next_steps(example), console)
    return 0


def compare(
    pairs: Iterable[Pair],
    outcomes: Iterable[Outcome],
    links: Iterable[tuple[str, str, str, str, int]],
) -> list[str]:
    """
    Return where *outcomes* differ from the links that the portal has; best is nothing.

    A linked pair must be there, a refused one must not; where the result stayed unknown, both can
    be true. No link may be there without an outcome, and each pair must have one.
    """
    made = {(row[0], row[1], row[2], row[3]) for row in links}
    missing = Counter(map(_ids, pairs))
    differences = []
    for outcome in outcomes:
        ids = _ids(outcome.pair)
        missing[ids] -= 1
        is_there = ids in made
        made.discard(ids)
        if outcome.status in {Status.LINKED, Status.PARTIAL} and not is_there:
            differences.append(f"{outcome.pair} is reported as {outcome.status}, but is not there")
        elif outcome.status is Status.FAILED and is_there and not outcome.maybe_applied:
            differences.append(f"{outcome.pair} is reported as failed, but is there")
    differences += [
        f"{' '.join(ids)} has {1 - count} outcomes" for ids, count in missing.items() if count
    ]
    return differences + [f"{' '.join(ids)} is there, but was not reported" for ids in made]


def _ids(pair: Pair) -> tuple[str, str, str, str]:
    return (pair.from_type, pair.from_id, pair.to_type, pair.to_id)


def _print_ledger(ledger: dict[str, Any], console: Console) -> None:
    console.print(
        f"The portal counted {ledger['requests']:,} calls, at most "
        f"{ledger['max_accepted_in_window']} of {_QUOTA.limit} in any window; "
        f"it refused {sum(ledger['throttled'].values()):,} of them with 429; "
        f"it made {ledger['links']['pairs']:,} links and refused {ledger['refused']['pairs']:,} "
        f"pairs; {ledger['error_share']:.1%} of its responses were errors."
    )


def _next_steps(example: Path) -> list[str]:
    here = Path.cwd()
    path = str(example.relative_to(here) if example.is_relative_to(here) else example)
    types = {"--from": "contacts", "--to": "companies"}
    steps = (
        ("plan", {**types, "--quota": "professional"}),
        ("link", {**types, "--simulate": True}),
        ("link", {**types, "--run": "runs/first", "--simulate": True}),
    )
    return ["Next:", *(f"  {compose(verb, [path], options)}" for verb, options in steps)]


def _find_example() -> Path:
    """Return the example's path: in the package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    for place in (package / _EXAMPLE, package.parent / _EXAMPLE):
        if place.is_file():
            return place
    raise InputError(f"{_EXAMPLE} is missing from this installation")
