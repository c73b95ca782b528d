"""The report of a run as a file: what the command knows of it beside the run folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohubassoc import __version__
from aiohubassoc._http.clock import SystemClock
from aiohubassoc.cli.hints import compose
from aiohubassoc.cli.report import SIMULATED, describe_portal
from aiohubassoc.cli.run_folder import SIMULATED_PORTAL, Command, is_of_pipe
from aiohubassoc.cli.terminal import print_warning, warn_cannot_write
from aiohubassoc.errors import JournalError, OptionsError
from aiohubassoc.html_report.contents import Asked, read_contents
from aiohubassoc.html_report.page import render
from aiohubassoc.journal.verifications import add_verification
from aiohubassoc.models import Status

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from aiohubassoc.cli.report import VerifyReport
    from aiohubassoc.journal.reader import Reader

_KEPT_EXAMPLES = 10
_MOST_LETTERS = 1000


def write_report(
    path: str,
    folder: str | os.PathLike[str],
    *,
    header: Mapping[str, Any],
    name: str | None,
    steps: Sequence[tuple[str, str]],
    input_rows: int | None = None,
) -> bool:
    """
    Write the report of a run folder, and return whether it could be written; if not, say so.

    Args:
        path: The file to write.
        folder: The run folder; a run may be using it.
        header: Of that folder; or more, where the folder keeps less of the run.
        name: What the folder is called in the report; None: it does not last.
        steps: What to do next: a sentence, and a command or an empty string.
        input_rows: About how many rows the input has; None: not known, or all of them were read.

    Raises:
        JournalError: the folder cannot be read.
    """
    names: list[str] = header.get("names") or []

    def place(source: int, line: int) -> str:
        if not names:
            return f"item {line}"
        return f"line {line}" + (f" of {names[source]}" if source < len(names) > 1 else "")

    page = render(
        read_contents(
            Path(folder),
            name=name,
            asked=_asked(header, input_rows),
            steps=steps,
            place=place,
            version=__version__,
            made_at=SystemClock().utc_now(),
        )
    )
    try:
        Path(path).write_text(page, "utf-8")
    except OSError as error:
        warn_cannot_write(f"{path}: {error.strerror}")
        return False
    return True


def find_steps(reader: Reader, header: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return how the run of a folder goes on: a sentence, and a command or an empty string."""
    folder, counts = str(reader.folder), reader.counts()
    steps = []
    is_read = reader.is_read_to_its_end()
    is_of_program = "command" not in header
    if is_of_program:
        if counts[Status.UNPROCESSED] or not is_read:
            steps.append(("Go on by running the program again with the same run folder", ""))
    elif counts[Status.UNPROCESSED] or not is_read:
        if is_of_pipe(header) and not is_read:
            steps.append(
                ("Go on: give the input again, with the same command and the same --run", "")
            )
        else:
            steps.append(("Go on with the run", compose("resume", [folder])))
    not_linked = counts[Status.FAILED] + counts[Status.PARTIAL]
    if not_linked and not is_of_program:
        retry = compose("resume", [folder], {"--retry-failed": True})
        steps.append(("Send those again that failed", retry))
    if not_linked or reader.unusable_count():
        export = compose("export", [folder], {"--failed": True, "--output": "failed.csv"})
        steps.append(("Write the rows that failed to a file, each with its reason", export))
    is_simulated = header.get("job", {}).get("portal") == SIMULATED_PORTAL
    if counts[Status.LINKED] and not is_of_program and not is_simulated:
        steps.append(("Read the links back from HubSpot", compose("verify", [folder])))
    return steps


def keep_verification(folder: str | os.PathLike[str], report: VerifyReport) -> None:
    """Keep what was read back in the run folder, for its report; if that cannot be, say so."""
    found = report.as_json()
    for name in ("first_missing", "first_unknown"):
        found[name] = [
            {
                "pair": example["pair"],
                "place": example["place"],
                "message": example["message"][:_MOST_LETTERS],
            }
            for example in found[name][:_KEPT_EXAMPLES]
        ]
    kept = ("linked", "missing", "unknown", "input_complete", "first_missing", "first_unknown")
    try:
        add_verification(
            Path(folder), SystemClock().utc_now(), {name: found[name] for name in kept}
        )
    except JournalError as error:
        print_warning(f"the run folder does not keep what was read back: {error}")


def _asked(header: Mapping[str, Any], input_rows: int | None) -> Asked:
    portal = str(header.get("job", {}).get("portal") or "")
    return Asked(
        portal=describe_portal(portal),
        is_simulated=portal in {SIMULATED_PORTAL, SIMULATED},
        inputs=tuple(header.get("names") or ()),
        settings=_settings(header),
        input_rows=input_rows,
    )


def _settings(header: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    try:
        command = Command.from_header(header)
    except OptionsError:  # a program's, or another version's
        return ()
    pace, send = command.pace, command.send
    quota = pace.quota or "as HubSpot names it"
    if pace.share < 1:
        quota += f", of it {pace.share:.0%}"
    settings = [("Quota", quota)]
    if send.is_batch:
        quota = send.batch_quota or "found out during the run"
        settings = [("Calls", f"batches of up to {send.size:,} pairs"), ("Batch quota", quota)]
    else:
        settings.insert(0, ("Calls", "one for each pair"))
    if pace.reserve_daily is not None:
        settings.append(("Left for others each day", pace.reserve_daily))
    if send.skip_linked:
        settings.append(("Before sending", "HubSpot was asked which pairs are linked"))
    return (*settings, ("API version", command.portal.api_version))
