"""``aiohubassoc verify``."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import attrs

from aiohubassoc._http.clock import SystemClock
from aiohubassoc.cli import options, run_folder
from aiohubassoc.cli.connection import Connection
from aiohubassoc.cli.hints import after_verify

# The command line reads the options of `PrintOptions` here.
from aiohubassoc.cli.options import Flag, LogFormat, LogLevel, PrintOptions  # noqa: F401
from aiohubassoc.cli.report import Example, VerifyReport, verification_result
from aiohubassoc.cli.runner import Runner
from aiohubassoc.cli.sinks import check_outputs
from aiohubassoc.cli.summary import print_verify_report
from aiohubassoc.cli.terminal import print_lines, print_warning
from aiohubassoc.errors import JournalError, OptionsError, plural
from aiohubassoc.files.layout import Layout
from aiohubassoc.files.pairs import PairTable
from aiohubassoc.journal.journal import Journal, add_verification
from aiohubassoc.journal.reader import Reader
from aiohubassoc.models import LinkState, Status

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable

    from aiohubassoc._http.limiter_interface import Limiter
    from aiohubassoc._run.stream import VerificationStream
    from aiohubassoc.client import AssociationClient
    from aiohubassoc.models import Verification
    from aiohubassoc.pair import Pair

_MOST_EXAMPLES: Final = 10
_MOST_LETTERS: Final = 1000


@attrs.frozen
class VerifyOptions(PrintOptions):
    """
    What to print and write of links that were read back, and where.

    Args:
        report: Write a report of what was found to this file, as HTML that needs no network; of a
            run folder the report of its run.
        output: Write the rows that are missing or unknown to this file, as they were in the
            input, with the reason: as CSV, or as its name ends: .jsonl or .parquet.
        missing: With --output: write only missing rows.
        unknown: With --output: write only unknown rows.
    """

    report: str | None = None
    output: str | None = None
    missing: Flag = False
    unknown: Flag = False

    def check(self) -> None:
        super().check()
        for option, is_given in (("--missing", self.missing), ("--unknown", self.unknown)):
            if is_given and self.output is None:
                raise OptionsError(f"{option} is for --output: it chooses the rows of that file")

    def wants(self, state: LinkState) -> bool:
        chosen = {LinkState.MISSING: self.missing, LinkState.UNKNOWN: self.unknown}
        return state in chosen and (chosen[state] or not any(chosen.values()))


def verify(
    files: options.Files,
    /,
    *,
    input_: options.InputOptions = Layout(),
    address: Annotated[options.AddressOptions, options.Flat] = options.AddressOptions(),
    token: Annotated[options.AccessOptions, options.Flat] = options.AccessOptions(),
    batch_quota: str | None = None,
    skip_invalid: Flag = False,
    require_rows: Flag = False,
    all_: Flag = False,
    output: Annotated[VerifyOptions, options.Flat] = VerifyOptions(),
) -> int:
    """
    Read links back and return the exit code; `help.md` says which.

    Args:
        files: Files as for link, or - for standard input; or a run folder: its linked and partial
            pairs are read back. It may be in use.
        batch_quota: Calls in a window, such as 20/10s. Upper limit. Without it: start at 10/10s
            and rise while HubSpot throttles none.
        skip_invalid: Skip rows that cannot be used.
        require_rows: Return exit code 1 if there is no pair to read back.
        all_: Also read back pairs that failed or were not sent; for a run folder only.
    """
    output.check()
    folder = _find_folder(files)
    if folder is None:
        if all_:
            raise OptionsError("--all is for a run folder: of files every row is read back")
        options.check_input(input_)
        command = run_folder.Command(
            tuple(files),
            input_,
            options.PortalOptions(**attrs.asdict(address)),
            check=options.CheckOptions(skip_invalid=skip_invalid, require_rows=require_rows),
            send=options.SendOptions(batch_quota=batch_quota, verify=True),
        )
        token.check(command.files)
        with PairTable(command.files, command.input) as table:
            return _verify(command, table, token, output)
    more = [
        *options.given(input_),
        *options.given(address),
        *(["--skip-invalid"] if skip_invalid else []),
    ]
    if more:
        raise OptionsError(f"{more[0]} is for files: the run folder {folder} knows its own")
    with run_folder.open_folder(folder) as reader:
        command = _restore_command(folder, reader, batch_quota)
        command = attrs.evolve(command, check=options.CheckOptions(require_rows=require_rows))
        statuses = [
            *run_folder.REPORTED_LINKED,
            *([Status.FAILED, Status.UNPROCESSED] if all_ else ()),
        ]
        counts = reader.counts()
        left_out = sum(count for one, count in counts.items() if one not in statuses)
        pairs = run_folder.FolderTable(reader, statuses)
        return _verify(command, pairs, token, output, folder, left_out=left_out)


class VerifyRun(Runner):
    def __init__(
        self, connection: Connection, table: run_folder.RowTable, output: VerifyOptions
    ) -> None:
        self.report = VerifyReport()
        self._choice = output
        super().__init__(connection, table, self.report, output, path=output.output)

    def start(self, client: AssociationClient, pairs: AsyncIterable[Pair]) -> VerificationStream:
        verifications = client.verify(pairs)
        self.report.pairs = verifications.report
        return verifications

    def take(self, verification: Verification) -> None:
        pair, result = verification.pair, verification_result(verification)
        record = run_folder.get_record(pair)
        self.sinks.write_line(lambda jsonl: jsonl.verification(record, pair, result))
        if verification.state is LinkState.LINKED:
            return
        self.report.add_example(Example(record.line, self.place(record), str(pair), result))
        if self._choice.wants(verification.state):
            self.sinks.write_row(self._table.cells(pair), result)


async def read_back(
    connection: Connection, limiter: Limiter, folder: Path, place: Callable[[int, int], str]
) -> tuple[int, VerifyReport]:
    """Read back what a run that has just ended has linked: the exit code of that, and a report."""
    command = attrs.evolve(connection.command, check=options.CheckOptions())
    with Reader(folder) as reader:
        table = run_folder.FolderTable(reader, run_folder.REPORTED_LINKED, place)
        run = VerifyRun(attrs.evolve(connection, command=command), table, VerifyOptions())
        run.no_rows = "No pair of the run is linked: nothing to read back"
        run.prints_portal = False
        code = await run.run(connection.make_client(batch_limiter=limiter))
    _keep_verification(folder, run.report)
    return code, run.report


def _keep_verification(folder: Path, report: VerifyReport) -> bool:
    """Return whether the run folder keeps what was read back, for its report; else warn."""
    found = report.as_json()
    kept = {name: found[name] for name in ("linked", "missing", "unknown", "input_complete")}
    for name in ("first_missing", "first_unknown"):
        kept[name] = [
            {key: example[key][:_MOST_LETTERS] for key in ("pair", "place", "message")}
            for example in found[name][:_MOST_EXAMPLES]
        ]
    try:
        add_verification(folder, SystemClock().utc_now(), kept)
    except JournalError as error:
        print_warning(f"the run folder does not keep what was read back: {error}")
        return False
    return True


def _find_folder(paths: list[str]) -> str | None:
    """Return the run folder among *paths*, which is alone then; None: they are files."""
    folders = [path for path in paths if Path(path).is_dir()]
    if not folders:
        return None
    if not Journal(folders[0]).is_there:
        raise OptionsError(f"{folders[0]} is neither a file nor a run folder: it has no journal.db")
    if len(paths) > 1:
        raise OptionsError(f"the run folder {folders[0]} must be given alone")
    return folders[0]


def _restore_command(folder: str, reader: Reader, batch_quota: str | None) -> run_folder.Command:
    header = reader.header()
    if not isinstance(header.get("command"), dict):
        raise OptionsError(
            f"the run folder {folder} was made by a program: read its pairs back with that "
            "program, by client.verify"
        )
    kept = run_folder.Command.from_header(header)
    if kept.portal.simulate:
        raise OptionsError(
            f"The run in {folder} was simulated: HubSpot has none of its links, so there is "
            "nothing to verify. Link again without --simulate, in another folder"
        )
    send = options.SendOptions(batch_quota=batch_quota or kept.send.batch_quota, verify=True)
    # The pace and the reserve of a run that links are not for the few calls that read.
    return attrs.evolve(kept, pace=options.PaceOptions(), send=send)


def _verify(
    command: run_folder.Command,
    table: run_folder.RowTable,
    token: options.AccessOptions,
    output: VerifyOptions,
    folder: str | None = None,
    *,
    left_out: int = 0,
) -> int:
    check_outputs(
        {"--output": output.output, "--report": output.report, "--log-file": output.log_file},
        inputs=command.files,
        token_file=token.token_file,
        folder=folder,
    )
    with ExitStack() as stack:
        run = VerifyRun(Connection.open(stack, command, token), table, output)
        if left_out:
            run.no_rows = (
                f"No pair of {folder} is linked yet: nothing to read back. --all reads back every "
                "pair"
            )
        code = asyncio.run(run.run(run.connection.make_client()))
    is_kept = folder is not None and run.began and _keep_verification(Path(folder), run.report)
    steps = []
    if left_out and run.report.pairs.total:
        pairs = plural(left_out, "pair")
        steps.append(
            f"Not read back: {pairs} that the run has not linked. --all reads back every pair"
        )
    if run.began and run.sinks.problem is None:
        if output.output is not None and not run.report.rows_written:
            steps.append(f"Wrote 0 rows to {output.output}")
        steps += after_verify(run.report, command, token, output.output, folder)
    if run.began and run.prints_summary:
        print_verify_report(run.report, folder or table.name, run.console)
        print_lines(steps, run.console)
    if output.report is not None and run.began:
        kept_in = folder if is_kept else None
        code = max(code, _write_report(run, output.report, table.names, steps, kept_in))
    result = {
        **run.report.as_json(),
        "run": folder,
        "output": output.output,
        "report": output.report,
        "exit_code": int(code),
    }
    pairs = plural(run.report.pairs.total, "pair")
    run.end(result, f"{pairs} read back in {run.report.seconds:,.1f} s", steps)
    return code


def _write_report(
    run: VerifyRun, path: str, names: list[str], steps: list[str], folder: str | None
) -> int:
    from aiohubassoc.cli import report_file  # noqa: PLC0415 -- only if asked

    if folder is not None:
        write = partial(report_file.report_folder, path, folder)
    else:
        write = partial(report_file.report_read_back, path, run.report, run.command, names, steps)
    return report_file.write_and_say(run, path, write)
