"""``aiohubassoc demo``: the main job, and the proof that what it says is true."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from aiohubassoc.cli.link_run import Job, LinkRun
from aiohubassoc.cli.portals import demo_portal
from aiohubassoc.cli.summary import print_summary
from aiohubassoc.cli.terminal import messages, output
from aiohubassoc.client import AssociationClient
from aiohubassoc.errors import InputError
from aiohubassoc.models import Status
from aiohubassoc.options import Quota
from aiohubassoc.simulator import portal_process
from aiohubassoc.tables.layout import Layout
from aiohubassoc.tables.pairs import PairTable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from aiohubassoc.models import Outcome
    from aiohubassoc.pair import Pair

# Ten times a Professional portal's pace, so that a demonstration takes seconds.
_QUOTA = Quota(190, 1.0)
_EXAMPLE = Path("examples", "pairs.csv")


def demo() -> int:
    """
    Link 2,000 pairs against a simulated portal and compare every outcome with its books.

    The portal runs as a process of its own: a rolling quota of 190 calls a second, 80 ms away,
    with missing records, failing answers, connections that break, and a neighbour who uses much of
    the quota for a second. The exit code is 0 when the portal's books agree with what was told.
    """
    console = output()
    example = _example()
    settings = demo_portal(_QUOTA)
    console.print(
        f"Linking the pairs of {example.name} at {_QUOTA}, against a simulated HubSpot portal "
        "with missing records, failing answers, broken connections and a neighbour.",
        soft_wrap=True,
    )
    told: list[Outcome] = []
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
        run = LinkRun(Job(on_outcome=told.append), table, messages())
        code = asyncio.run(run.go(client))
        books, links = portal.ledger(), portal.links()
    print_summary(run.tally, console)
    if run.tally.stopped is not None:
        return code
    disagreements = compare(pairs, told, links["links"])
    print_books(books, console)
    if disagreements:
        for line in disagreements[:20]:
            console.print(f"[bold red]The portal disagrees:[/] {escape(line)}", soft_wrap=True)
        return 1
    console.print("[bold green]The portal's books agree with every outcome.[/]")
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
        f"pairs; {books['error_share']:.1%} of its answers were errors.",
        soft_wrap=True,
    )


def _example() -> Path:
    """Return the example's path: in the package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    for place in (package / _EXAMPLE, package.parent / _EXAMPLE):
        if place.is_file():
            return place
    raise InputError(f"{_EXAMPLE} is missing from this installation")
