"""
``aiohubassoc simulate`` and ``demo``.

The demo links 2,000 pairs and compares every outcome with the records of the simulated portal.
"""

from __future__ import annotations

import asyncio
import shlex
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import attrs
from cyclopts import Parameter
from rich.markup import escape

from aiohubassoc import simulator
from aiohubassoc.cli.connection import Connection, simulated_portal
from aiohubassoc.cli.hints import compose
from aiohubassoc.cli.link import LinkRun
from aiohubassoc.cli.options import PaceOptions, PortalOptions, parse_quota
from aiohubassoc.cli.run_folder import Command, LinkCall
from aiohubassoc.cli.summary import print_link_report
from aiohubassoc.cli.terminal import print_lines, stderr, stdout
from aiohubassoc.errors import InputError, OptionsError
from aiohubassoc.files.layout import Layout
from aiohubassoc.files.pairs import PairTable
from aiohubassoc.models import Status
from aiohubassoc.options import Quota

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from aiohubassoc.cli.run_folder import RowTable
    from aiohubassoc.models import Outcome
    from aiohubassoc.pair import Pair

_MOST_LATENCY: Final = 3600.0  # seconds
_LAST_PORT: Final = 65_535
# Ten times a Professional portal's pace, so that a demonstration takes seconds.
_QUOTA = Quota(190, 1.0)
_EXAMPLE = Path("examples", "pairs.csv")
_MOST_SHOWN = 20


def simulate(
    *,
    port: int = 8080,
    quota: str = "professional",
    latency: float = 0.08,
    records_up_to: int | None = None,
    missing_share: float = 0.0,
    fault: Annotated[list[str] | None, Parameter(negative="")] = None,
    token: str = "simulated-token",  # noqa: S107 -- it opens a simulation
    seed: int = 1,
) -> int:
    """
    Run a simulated HubSpot portal on this machine until Ctrl-C.

    Args:
        port: Where to listen, on 127.0.0.1 only; 0 for any free port.
        quota: A tier's name, or as 190/10s.
        latency: Seconds that a call takes, on average.
        records_up_to: The highest id that exists in every object type; without it every id does.
        missing_share: The share of records that do not exist, 0 to 1.
        fault: A fault and its share of the calls, such as server_error_500=0.02; may be repeated.
        token: The access token that it takes.
        seed: Seed of all random numbers: a portal with the same seed and the same calls behaves
            in the same way.
    """
    if not 0 <= port <= _LAST_PORT:
        raise OptionsError(f"--port must be 0 to {_LAST_PORT}, not {port}")
    limit = parse_quota("--quota", quota)
    if not 0 <= latency <= _MOST_LATENCY:
        raise OptionsError(f"--latency must be 0 to {_MOST_LATENCY:g} seconds, not {latency:g}")
    if records_up_to is not None and records_up_to < 0:
        raise OptionsError(f"--records-up-to must be 0 or more, not {records_up_to}")
    if not 0 <= missing_share <= 1:
        raise OptionsError(f"--missing-share must be 0 to 1, not {missing_share:g}")
    shares: dict[str, Any] = dict(map(_fault, fault or ()))
    way = latency / 2
    try:
        settings = simulator.PortalSettings(
            seed=seed,
            tokens=(token,),
            quota_limit=limit.limit,
            quota_window=limit.window,
            latency=simulator.Latency(
                before_median=way, before_sigma=0.3, after_median=way, after_sigma=0.3
            ),
            records_up_to=records_up_to,
            missing_share=missing_share,
            faults=simulator.FaultPlan(**shares),
            keep_arrivals=False,
        )
    except ValueError as error:
        raise OptionsError(str(error)) from None
    try:
        simulator.serve_forever(settings, port=port, on_ready=partial(_print_ready, limit, token))
    except OSError as error:
        raise OptionsError(f"cannot listen on port {port}: {error.strerror}") from None
    return 0


def _print_ready(quota: Quota, token: str, base_url: str) -> None:
    console = stderr()
    console.print(
        f"A simulated HubSpot portal: {base_url}, quota {quota}. Its counts: "
        f"{base_url}/_portal/ledger"
    )
    console.print(
        f"  HUBSPOT_ACCESS_TOKEN={shlex.quote(token)} aiohubassoc link pairs.csv "
        f"--from contacts --to companies --base-url {base_url}",
        markup=False,
    )


def _fault(text: str) -> tuple[str, float]:
    name, _, share = text.partition("=")
    try:
        number = float(share)
    except ValueError:
        number = -1.0  # refused below
    if name in set(simulator.Fault) and not 0 <= number <= 1:
        raise OptionsError(f"--fault {text!r}: the share must be a number from 0 to 1")
    if name not in set(simulator.Fault):
        known = ", ".join(simulator.Fault)
        raise OptionsError(f"--fault {text!r} is not NAME=SHARE with one of these names: {known}")
    return name, number


class _KeepingRun(LinkRun):
    """Links the pairs of the example, and keeps every outcome."""

    def __init__(self, connection: Connection, table: RowTable) -> None:
        super().__init__(connection, table, LinkCall(connection.command))
        self.outcomes: list[Outcome] = []

    def take(self, outcome: Outcome) -> None:
        super().take(outcome)
        self.outcomes.append(outcome)


def demo() -> int:
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
    settings = attrs.evolve(
        simulated_portal(_QUOTA),
        seed=7,
        missing_share=0.005,
        faults=simulator.FaultPlan(server_error_500=0.02, reset_after=0.005),
        neighbours=(simulator.Neighbour(start=3.5, length=1.0, per_second=100.0),),
    )
    with simulator.portal_process(settings) as portal, PairTable(str(example), layout) as table:
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
