"""``aiohubassoc report``, and the reports that other commands write: a run as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import attrs
from cyclopts import Parameter

from aiohubassoc._http.clock import SystemClock
from aiohubassoc.cli import run_folder
from aiohubassoc.cli.hints import FailureCounts, after_failures, after_link, compose
from aiohubassoc.cli.options import Flag  # noqa: TC001 -- the command line reads it
from aiohubassoc.cli.report import ExitCode
from aiohubassoc.cli.sinks import check_folder_output
from aiohubassoc.cli.terminal import SIMULATED, StorageError, print_error, print_result, stderr
from aiohubassoc.errors import JournalError
from aiohubassoc.files.results import check_file_name
from aiohubassoc.html_report.contents import (
    MOST_REJECTED,
    ReadBack,
    RunDescription,
    VerificationResult,
    read_contents,
)
from aiohubassoc.html_report.page import check_installed, render, render_read_back
from aiohubassoc.journal.header import HAS_OBJECTS
from aiohubassoc.journal.reader import Reader
from aiohubassoc.models import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aiohubassoc.cli.report import LinkReport, VerifyReport
    from aiohubassoc.cli.runner import Runner
    from aiohubassoc.html_report.contents import Contents


def report(
    folder: str,
    /,
    *,
    output: Annotated[str, Parameter(name=["--output", "-o"])],
    json_: Flag = False,
) -> int:
    """
    Write the report of a run folder as one HTML file, which needs no network.

    Args:
        folder: The run folder; it may be in use.
        output: The file to write.
        json_: Print one JSON object on standard output that says which file was written.
    """
    check_installed()
    check_file_name(output, ".html", ".htm")
    check_folder_output(folder, output)
    report_folder(output, folder)
    if json_:
        print_result({"run": folder, "output": output})
    else:
        stderr().print(f"Wrote the report to {output}", markup=False)
    return ExitCode.ALL_LINKED


def report_folder(path: str, folder: str) -> None:
    """Write the report of a run folder, of which no run ends now; or JournalError, StorageError."""
    with Reader(folder) as reader:
        header = reader.header()
        rows = None if reader.is_read_to_its_end() else run_folder.estimate_rows(header)
    contents = read_contents(Path(folder), name=folder, run=_describe_run(header, rows))
    write_page(path, render(attrs.evolve(contents, steps=_find_steps(folder, header, contents))))


def report_link(path: str, folder: Path, report: LinkReport, call: run_folder.LinkCall) -> None:
    """Write the report of a run that has just ended; *folder* may be a temporary one."""
    is_read, name = report.input_complete, call.folder.run
    with Reader(folder) as reader:
        header = {**reader.header(), "command": call.command.to_header()}
    if name is None:  # a temporary folder keeps less, and there is nothing to continue
        header["job"] = {"portal": report.portal}
    run = _describe_run(header, None if is_read else report.input_rows)
    contents = read_contents(folder, name=name, run=run)
    if name is None:
        steps = [(step, "") for step in after_link(report, call, needs_input=not is_read)]
    else:
        steps = _find_steps(str(folder), header, contents)
    write_page(path, render(attrs.evolve(contents, steps=steps)))


def write_and_say(run: Runner, path: str, write: Callable[[], None]) -> ExitCode:
    """Call *write*, print what came of it, and return the exit code of that alone."""
    try:
        write()
    except StorageError as error:
        print_error(f"Cannot write {error}")
        return ExitCode.STORAGE
    except JournalError as error:
        print_error(f"Cannot write the report {path}: {error}")
        return ExitCode.STORAGE
    if run.prints_summary:
        run.console.print(f"Wrote the report to {path}", markup=False)
    return ExitCode.ALL_LINKED


def write_page(path: str, page: str) -> None:
    """Write a report, or raise StorageError."""
    try:
        Path(path).write_text(page, "utf-8")
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}") from None


def report_read_back(
    path: str,
    report: VerifyReport,
    command: run_folder.Command,
    names: Sequence[str],
    steps: Sequence[str],
) -> None:
    """Write the report of links of files that were read back; *names*: of the files."""
    pairs, now = report.pairs, SystemClock().utc_now()
    stopped = None if report.stopped is None else str(report.stopped)
    examples = [one.as_json() for one in (*report.first_missing, *report.first_unknown)]
    types = " to ".join(one for one in (command.input.from_type, command.input.to_type) if one)
    contents = ReadBack(
        run=RunDescription(
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
        stopped=stopped if report.signal is None else "It was interrupted.",
        seconds=report.seconds,
        calls=pairs.responses,
        steps=[(step, "") for step in steps],
    )
    write_page(path, render_read_back(contents))


def _find_steps(
    folder: str, header: Mapping[str, Any], contents: Contents
) -> list[tuple[str, str]]:
    """Return how the run of a folder continues: a sentence, and a command or an empty string."""
    outcomes, steps = contents.outcomes, []
    is_of_program = "command" not in header
    if outcomes.unprocessed or not contents.is_read:
        if is_of_program:
            steps.append(("Continue: run the program again with the same run folder", ""))
        elif run_folder.is_from_pipe(header) and not contents.is_read:
            again = "Continue: give the input again, with the same command and the same --run"
            steps.append((again, ""))
        else:
            steps.append(("Continue the run", compose("resume", [folder])))
    failures = FailureCounts(
        [
            (group.category, group.examples[0].message)
            for group in contents.failures
            if group.status in {Status.FAILED, Status.PARTIAL}
        ],
        outcomes.rejected,
        is_at_end=contents.is_read and not outcomes.unprocessed,
        has_objects=header.get(HAS_OBJECTS, False),
    )
    steps += after_failures(folder, failures, run_folder.read_command(header))
    if outcomes.linked and not (is_of_program or contents.run.is_simulated):
        steps.append(("Read the links back from HubSpot", compose("verify", [folder])))
    return steps


def _describe_run(header: Mapping[str, Any], input_rows: int | None) -> RunDescription:
    portal = str(header.get("job", {}).get("portal") or "")
    return RunDescription(
        portal=run_folder.describe_portal(portal),
        is_simulated=portal in {run_folder.SIMULATED_PORTAL, SIMULATED},
        inputs=tuple(header.get("names") or ()),
        settings=_settings(header),
        input_rows=input_rows,
    )


def _settings(header: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    command = run_folder.read_command(header)
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
