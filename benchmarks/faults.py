"""
Checks the outcome of every pair while every kind of fault occurs.

20,000 pairs of existing records; every temporary fault hits a share of the calls; there is no
quota, and a response may take a second. Then separate runs with responses that end a run, and with
responses that are final for a pair. The outcomes are compared with the portal's records.

A pair has 7 attempts, not the default of 5: with the faults at 2 % each a third of all attempts
fails, and 5 attempts in a row fail for one pair in 220.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import Counter
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from report import conclude, print_table

from aiohubassoc import (
    ApiError,
    AssociationClient,
    AuthenticationError,
    DailyLimitError,
    MigratingError,
    MissingScopesError,
    Outcome,
    Pair,
    Quota,
    RetryPolicy,
    Status,
    Timeouts,
    TransportError,
    UnconfirmedError,
)
from aiohubassoc.simulator import Fault, FaultPlan, PortalSettings, portal_process

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aiohubassoc import Report
    from aiohubassoc.simulator import PortalProcess

_UNLIMITED = Quota(1_000_000, 1.0)
_POLICY = RetryPolicy(attempts=7)
_CONCURRENCY = 400
# Faults that no retry repairs. `partial_207` is a link that was made in one direction only.
_LASTING = (
    Fault.ERRORS_IN_2XX,
    Fault.PARTIAL_207,
    Fault.NOT_FOUND_HTML_404,
    Fault.REDIRECT_302,
)
# Without the fault that confirms a link and makes none: only reading back finds it.
_PASSING = [fault for fault in Fault if fault not in (*_LASTING, Fault.UNMADE)]
# At least 19,900 of 20,000.
_LINKED_SHARE = 0.995


class Run:
    """
    One run against a separate portal, and what is left of it.

    Args:
        name: For the table.
        settings: What the portal is like.
        count: How many pairs.
        timeouts: Of the client.
    """

    def __init__(
        self,
        name: str,
        settings: PortalSettings,
        count: int,
        timeouts: Timeouts = Timeouts(),  # noqa: B008 -- frozen
    ) -> None:
        self.name = name
        pairs = [Pair("contacts", number, "companies", number) for number in range(1, count + 1)]
        begun = perf_counter()
        with portal_process(settings) as portal:
            self.outcomes, self.report, self.left = asyncio.run(_link(portal, pairs, timeouts))
            self.seconds = perf_counter() - begun
            self.ledger = portal.ledger()
            links = portal.links()
        # The ledger counts the connection over which it is read.
        self.left += self.ledger["open_connections"] - 1
        self.made = {tuple(row[:4]) for row in links["links"]}
        self.indexes = Counter(outcome.index for outcome in self.outcomes)
        self.each_once = self.indexes == Counter(range(count))

    def having(self, status: Status) -> list[Outcome]:
        """Return the outcomes of one status."""
        return [outcome for outcome in self.outcomes if outcome.status is status]

    @property
    def disagreements(self) -> int:
        """Return how many outcomes the portal's records contradict."""
        return sum(not self._agrees(outcome) for outcome in self.outcomes)

    def _agrees(self, outcome: Outcome) -> bool:
        pair = outcome.pair
        is_made = (pair.from_type, pair.from_id, pair.to_type, pair.to_id) in self.made
        if outcome.status in {Status.LINKED, Status.PARTIAL}:
            return is_made
        return not is_made or outcome.maybe_applied

    def row(self) -> dict[str, Any]:
        """Return the run as a row of the table."""
        counts = Counter(outcome.status for outcome in self.outcomes)
        return {
            "run": self.name,
            "pairs": len(self.indexes),
            **{status.value: counts[status] for status in Status if status is not Status.SKIPPED},
            "calls": self.ledger["requests"],
            "disagree": self.disagreements,
            "left over": self.left,
            "seconds": round(self.seconds, 1),
        }

    def checks(self) -> dict[str, bool]:
        """Return what holds for every run."""
        return {
            f"{self.name}: each pair has one outcome": self.each_once,
            f"{self.name}: the portal's records agree with every outcome": self.disagreements == 0,
            f"{self.name}: no task, socket or connection is left": (self.left == 0),
        }


async def _link(
    portal: PortalProcess, pairs: Iterable[Pair], timeouts: Timeouts
) -> tuple[list[Outcome], Report, int]:
    """Return the outcomes, the report, and how many tasks and sockets are left over."""
    sockets = _sockets()
    client = AssociationClient(
        PortalSettings().tokens[0],
        base_url=portal.base_url,
        quota=_UNLIMITED,
        concurrency=_CONCURRENCY,
        retry=_POLICY,
        timeouts=timeouts,
    )
    async with client, client.link_each(pairs) as outcomes:
        reported = [outcome async for outcome in outcomes]
    tasks = len(asyncio.all_tasks()) - 1
    return reported, outcomes.report, tasks + _sockets() - sockets


def _sockets() -> int:
    count = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            count += str(descriptor.readlink()).startswith("socket:")
        except FileNotFoundError:  # the one of this very listing
            continue
    return count


def passing(count: int, share: float) -> tuple[Run, dict[str, bool]]:
    """Run with every passing fault at *share*."""
    shares: dict[str, Any] = {fault.value: share for fault in _PASSING}
    plan = FaultPlan(**shares, slow_seconds=0.3, problem_retry_after=1)
    settings = PortalSettings(quota_limit=None, faults=plan)
    # A short timeout: some of the faults never respond.
    run = Run("every passing fault", settings, count, Timeouts(response=1.0))
    failed, linked = run.having(Status.FAILED), run.having(Status.LINKED)
    lost = [outcome for outcome in failed if isinstance(outcome.error, TransportError)]
    answered = [o for o in failed if isinstance(o.error, ApiError | UnconfirmedError)]
    return run, {
        **run.checks(),
        f"at least {_LINKED_SHARE:.1%} of all pairs are linked": (
            len(linked) >= _LINKED_SHARE * count
        ),
        "none is unprocessed": not run.having(Status.UNPROCESSED),
        f"each of {len(_PASSING)} faults was met": (
            set(run.ledger["faults"]) == {fault.value for fault in _PASSING}
        ),
        f"{len(lost)} failed with an answer lost: a TransportError that may have been applied": all(
            isinstance(outcome.error, TransportError) and outcome.error.maybe_applied
            for outcome in lost
        ),
        f"{len(answered)} failed with an answer to every try: its error": (
            len(lost) + len(answered) == len(failed)
        ),
    }


def lasting(count: int) -> Iterable[tuple[Run, dict[str, bool]]]:
    """Run with each response that is final for a pair, one after the other."""
    for fault, status in (
        (Fault.ERRORS_IN_2XX, Status.FAILED),
        (Fault.PARTIAL_207, Status.PARTIAL),
        (Fault.NOT_FOUND_HTML_404, Status.FAILED),
        (Fault.REDIRECT_302, Status.FAILED),
    ):
        shares: dict[str, Any] = {fault.value: 0.03}
        # The first call goes well: it proves that the base URL is that of HubSpot's API.
        plan = FaultPlan(**shares, script_all=(None,) * _CONCURRENCY)
        run = Run(fault.value, PortalSettings(quota_limit=None, faults=plan), count)
        # A refusal that may be of another call on its connection is sent again over a new one.
        again = run.ledger["requests"] - count
        hit = run.ledger["faults"].get(fault.value, 0) - again
        yield (
            run,
            {
                **run.checks(),
                f"{fault.value}: {hit} pairs were hit, each is reported as {status}": (
                    0 < hit == len(run.having(status)) == count - len(run.having(Status.LINKED))
                ),
            },
        )


def ending(count: int) -> Iterable[tuple[Run, dict[str, bool]]]:
    """Run into what ends a run, one after the other."""
    migrating = FaultPlan(
        script_all=(None,) * (count // 2) + ("migrating_477",), migrating_retry_after=86_400
    )
    for name, settings, error in (
        ("DAILY", PortalSettings(quota_limit=None, daily_limit=count // 2), DailyLimitError),
        ("401", PortalSettings(quota_limit=None, tokens=("another",)), AuthenticationError),
        (
            "403",
            PortalSettings(quota_limit=None, missing_scopes=("crm.objects.contacts.write",)),
            MissingScopesError,
        ),
        ("477 for a day", PortalSettings(quota_limit=None, faults=migrating), MigratingError),
    ):
        run = Run(name, settings, count)
        reported = run.outcomes
        yield (
            run,
            {
                **run.checks(),
                f"{name}: it ends the run": isinstance(run.report.stopped, error),
                f"{name}: every pair is linked, or was not sent, or met it": all(
                    outcome.status in {Status.LINKED, Status.UNPROCESSED}
                    or isinstance(outcome.error, error)
                    for outcome in reported
                ),
                f"{name}: only the calls in flight were sent after it": (
                    run.ledger["requests"] <= len(run.having(Status.LINKED)) + _CONCURRENCY
                ),
            },
        )


def main() -> int:
    """Run all, print and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=20_000)
    parser.add_argument("--share", type=float, default=0.02, help="of each passing fault")
    parser.add_argument("--lasting-pairs", type=int, default=4_000)
    options = parser.parse_args()
    runs: Sequence[tuple[Run, dict[str, bool]]] = [
        passing(options.pairs, options.share),
        *lasting(options.lasting_pairs),
        *ending(options.lasting_pairs),
    ]
    rows = [run.row() for run, _ in runs]
    print_table(rows)
    checks = {claim: holds for _, checks in runs for claim, holds in checks.items()}
    return conclude("faults", rows, checks)


if __name__ == "__main__":
    sys.exit(main())
