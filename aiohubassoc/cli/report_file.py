"""The report of a run as a file: what the command knows of it beside the run folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from aiohubassoc import __version__
from aiohubassoc._http.clock import SystemClock
from aiohubassoc.cli.hints import FailureCounts, after_failures, after_link, compose
from aiohubassoc.cli.report import ExitCode
from aiohubassoc.cli.run_folder import (
    SIMULATED_PORTAL,
    Command,
    describe_portal,
    estimate_rows,
    is_from_pipe,
    read_command,
)
from aiohubassoc.cli.terminal import SIMULATED, StorageError, print_error
from aiohubassoc.errors import JournalError
from aiohubassoc.html_report.contents import (
    MOST_REJECTED,
    Asked,
    ReadBack,
    VerificationResult,
    read_contents,
)
from aiohubassoc.html_report.page import render, render_read_back
from aiohubassoc.journal.reader import Reader
from aiohubassoc.models import Status

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

    from rich.console import Console

    from aiohubassoc.cli.report import LinkReport, VerifyReport
    from aiohubassoc.cli.run_folder import LinkCall
    from aiohubassoc.html_report.contents import Contents


def write_report(
    path: str,
    folder: str | os.PathLike[str],
    *,
    header: Mapping[str, Any],
    name: str | None,
    steps: Sequence[str] | None = None,
    input_rows: int | None = None,
) -> None:
    """
    Write the report of a run folder.

    Args:
        path: The file to write.
        folder: The run folder; a run may be using it.
        header: Of that folder; or more, where the folder keeps less of the run.
        name: What the folder is called in the report; None: it does not last.
        steps: What to do next; None: as the folder says.
        input_rows: About how many rows the input has; None: not known, or all of them were read.

    Raises:
        JournalError: the folder cannot be read.
        StorageError: the file cannot be written.
    """
    names: list[str] = header.get("names") or []

    def place(source: int, line: int) -> str:
        if not names:
            return f"item {line}"
        return f"line {line}" + (f" of {names[source]}" if source < len(names) > 1 else "")

    contents = read_contents(
        Path(folder),
        name=name,
        asked=_asked(header, input_rows),
        place=place,
        version=__version__,
        made_at=SystemClock().utc_now(),
    )
    if steps is None:
        next_steps = _find_steps(str(folder), header, contents)
    else:
        next_steps = [(step, "") for step in steps]
    _write(path, render(attrs.evolve(contents, steps=next_steps)))


def write_and_say(path: str, write: Callable[[], None], console: Console | None) -> ExitCode:
    """
    Have a report written, print what came of it, and return the exit code of that alone.

    Args:
        path: The file.
        write: Writes it.
        console: Where it is said that it was written; None: nowhere.
    """
    try:
        write()
    except StorageError as error:
        print_error(f"Cannot write {error}")
        return ExitCode.STORAGE
    except JournalError as error:
        print_error(f"Cannot write the report {path}: {error}")
        return ExitCode.STORAGE
    if console is not None:
        console.print(f"Wrote the report to {path}", markup=False)
    return ExitCode.ALL_LINKED


def report_folder(path: str, folder: str) -> None:
    """
    Write the report of a run folder, of which no run ends now.

    Raises:
        JournalError: the folder cannot be read.
        StorageError: the file cannot be written.
    """
    with Reader(folder) as reader:
        header = reader.header()
        rows = None if reader.is_read_to_its_end() else estimate_rows(header)
    write_report(path, folder, header=header, name=folder, input_rows=rows)


def report_link(
    path: str, folder: Path, report: LinkReport, command: Command, call: LinkCall
) -> None:
    """
    Write the report of a run that has just ended.

    Args:
        path: The file to write.
        folder: Its run folder.
        report: What it came to.
        command: What it did.
        call: How it was called.

    Raises:
        JournalError: the folder cannot be read.
        StorageError: the file cannot be written.
    """
    is_read, name = report.input_complete, call.folder.run
    with Reader(folder) as reader:
        header = {**reader.header(), "command": command.to_header()}
    steps = None
    if name is None:  # a temporary folder keeps less, and there is nothing to continue
        header["job"] = {"portal": report.portal}
        steps = after_link(report, command, call, needs_input=not is_read)
    rows = None if is_read else report.input_rows
    write_report(path, folder, header=header, name=name, steps=steps, input_rows=rows)


def report_read_back(
    path: str, report: VerifyReport, command: Command, names: Sequence[str], steps: Sequence[str]
) -> None:
    """
    Write the report of links of files that were read back.

    Args:
        path: The file to write.
        report: What was found.
        command: What was asked for.
        names: How messages call the inputs.
        steps: What to do next.

    Raises:
        StorageError: the file cannot be written.
    """
    pairs, now = report.pairs, SystemClock().utc_now()
    examples = [one.as_json() for one in (*report.first_missing, *report.first_unknown)]
    types = " to ".join(one for one in (command.input.from_type, command.input.to_type) if one)
    contents = ReadBack(
        asked=Asked(
            portal=report.portal,
            inputs=tuple(names),
            settings=(("Types", types),) if types else (),
            input_rows=None if report.input_complete else report.input_rows,
        ),
        result=VerificationResult(
            now, pairs.linked, pairs.missing, pairs.unknown, report.input_complete, tuple(examples)
        ),
        duplicates=report.duplicates,
        rejected=report.invalid,
        rejected_rows=[
            (one["place"], one["problem"]) for one in report.invalid_lines[:MOST_REJECTED]
        ],
        stopped=_describe_stop(report),
        seconds=report.seconds,
        calls=pairs.responses,
        version=__version__,
        made_at=now,
        steps=[(step, "") for step in steps],
    )
    _write(path, render_read_back(contents))


def _describe_stop(report: VerifyReport) -> str | None:
    if report.signal is not None:
        return "It was interrupted."
    return None if report.stopped is None else str(report.stopped)


def _write(path: str, page: str) -> None:
    try:
        Path(path).write_text(page, "utf-8")
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}") from None


def _find_steps(
    folder: str, header: Mapping[str, Any], contents: Contents
) -> list[tuple[str, str]]:
    """Return how the run of a folder continues: a sentence, and a command or an empty string."""
    outcomes, steps = contents.outcomes, []
    is_of_program = "command" not in header
    if outcomes.unprocessed or not contents.is_read:
        if is_of_program:
            steps.append(("Continue: run the program again with the same run folder", ""))
        elif is_from_pipe(header) and not contents.is_read:
            again = "Continue: give the input again, with the same command and the same --run"
            steps.append((again, ""))
        else:
            steps.append(("Continue the run", compose("resume", [folder])))
    failures = FailureCounts(
        [
            (one.group.category, one.group.examples[0].message)
            for one in contents.failures
            if one.group.status in {Status.FAILED, Status.PARTIAL}
        ],
        outcomes.rejected,
        is_at_end=contents.is_read and not outcomes.unprocessed,
    )
    steps += after_failures(folder, failures, read_command(header))
    if outcomes.linked and not (is_of_program or contents.asked.is_simulated):
        steps.append(("Read the links back from HubSpot", compose("verify", [folder])))
    return steps


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
    command = read_command(header)
    if command is None:
        return ()
    pace, send = command.pace, command.send
    quota = pace.quota or "as HubSpot reports it"
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
