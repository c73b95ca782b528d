"""The log of runs and calls: few lines, each with the same extra keys."""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING, Final

import attrs

from aiohubassoc.errors import AioHubAssocError, plural
from aiohubassoc.observer import error_correlation_id, error_status

if TYPE_CHECKING:
    from aiohubassoc.models import RunReport
    from aiohubassoc.observer import RetryEvent, RunStartedEvent
    from aiohubassoc.pair import Pair

runs: Final = logging.getLogger("aiohubassoc.run")
calls: Final = logging.getLogger("aiohubassoc.call")

# Without it Python would print warnings to standard error where a program configures no logging.
logging.getLogger("aiohubassoc").addHandler(logging.NullHandler())

KEYS: Final = ("run", "pair", "attempt", "status", "category", "correlation_id")
"""The extra keys of every line. A key without a value is None."""
_NOTHING: Final = dict.fromkeys(KEYS)
# Throttles come in bursts: one for each call in flight.
_SECONDS_BETWEEN_THROTTLES: Final = 10.0
_MODES: Final = {
    "put": "single calls to",
    "batch": "batch calls to",
    "verify": "links read back from",
}
_COUNTS: Final = ("linked", "partial", "failed", "unprocessed", "skipped", "missing", "unknown")


def make_extra(
    run: str | None,
    *,
    pair: Pair | None = None,
    attempt: int | None = None,
    error: AioHubAssocError | None = None,
) -> dict[str, object]:
    extra: dict[str, object] = {**_NOTHING, "run": run, "attempt": attempt}
    if pair is not None:
        extra["pair"] = str(pair)
    if error is not None:
        extra["status"], extra["category"] = error_status(error), error.label
        extra["correlation_id"] = error_correlation_id(error)
    return extra


def write(
    logger: logging.Logger,
    level: int,
    text: str,
    *args: object,
    extra: dict[str, object],
    exc_info: bool = False,
) -> None:
    """Write a line. What a handler or filter of the program raises is printed, and ends nothing."""
    try:
        logger.log(level, text, *args, extra=extra, exc_info=exc_info, stacklevel=2)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # noqa: BLE001 -- code of the caller: a run must not hang because of it
        if logging.raiseExceptions:
            traceback.print_exc()


@attrs.define
class _Throttles:
    """The throttles of one run that were not logged yet."""

    since: float  # when the last line was logged
    count: int = 0  # how many there were since
    error: AioHubAssocError | None = None  # the error of the last one; None: there was none
    pause: float = 0.0  # seconds of the last pause


class EventLog:
    """The log of one client. It counts the throttles of each run until it logs their number."""

    def __init__(self) -> None:
        self._throttles: dict[str | None, _Throttles] = {}

    def run_started(self, event: RunStartedEvent) -> None:
        pairs = "" if event.total is None else f"{plural(event.total, 'pair')}, "
        looked_up = ", after a lookup of existing links" if event.skip_linked else ""
        write(
            runs,
            logging.INFO,
            "run %s started: %s%s %s%s, quota %s",
            *(event.run, pairs, _MODES[event.mode], event.portal, looked_up, event.quota),
            extra=make_extra(event.run),
        )

    def run_stopped(self, run: str, cause: AioHubAssocError) -> None:
        extra = make_extra(run, error=cause)
        write(runs, logging.WARNING, "run %s stopped: %s", run, cause, extra=extra)

    def run_finished(self, run: str, report: RunReport, seconds: float, now: float) -> None:
        """Log that a run ended, and the throttles that were not logged yet."""
        throttles = self._throttles.pop(run, None)
        if throttles is not None:
            _sum_up(run, throttles, now)
        found = ((getattr(report, name, 0), name) for name in _COUNTS)
        counts = ", ".join(f"{count:,} {name}" for count, name in found if count) or "no pairs"
        extra = make_extra(run)
        text = "run %s finished in %.1f s: %s"
        write(runs, logging.INFO, text, run, seconds, counts, extra=extra)

    def throttled(self, run: str | None, error: AioHubAssocError, pause: float, now: float) -> None:
        """Log the first throttle, then the number of throttles every ten seconds."""
        throttles = self._throttles.get(run)
        if throttles is None:
            self._throttles[run] = _Throttles(now)
            extra = make_extra(run, error=error)
            text = "HubSpot throttles: all calls pause %.2f s: %s"
            write(calls, logging.INFO, text, pause, error, extra=extra)
            return
        throttles.count += 1
        throttles.error, throttles.pause = error, pause
        if now - throttles.since >= _SECONDS_BETWEEN_THROTTLES:
            _sum_up(run, throttles, now)
            self._throttles[run] = _Throttles(now)

    def retry(self, event: RetryEvent, subject: object) -> None:
        if not calls.isEnabledFor(logging.DEBUG):
            return
        extra = make_extra(event.run, pair=event.pair, attempt=event.attempt, error=event.error)
        text = "%s: attempt %d failed, retrying in %.2f s: %s"
        args = (subject, event.attempt, event.delay, event.error)
        write(calls, logging.DEBUG, text, *args, extra=extra)


def _sum_up(run: str | None, throttles: _Throttles, now: float) -> None:
    if throttles.error is None:
        return
    write(
        calls,
        logging.INFO,
        "HubSpot throttled %s in %.1f s; the last pause is %.2f s: %s",
        *(plural(throttles.count, "more call"), now - throttles.since),
        *(throttles.pause, throttles.error),
        extra=make_extra(run, error=throttles.error),
    )
