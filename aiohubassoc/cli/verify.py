"""``aiohubassoc verify``."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import attrs
from cyclopts import Parameter

from aiohubassoc._http.clock import SystemClock
from aiohubassoc.cli.connection import Connection
from aiohubassoc.cli.hints import after_verify
from aiohubassoc.cli.options import (
    AccessOptions,
    AddressOptions,
    CheckOptions,
    Flag,
    Flat,
    InputOptions,
    PaceOptions,
    PortalOptions,
    SendOptions,
    check_input,
    given,
)
from aiohubassoc.cli.output_options import (
    LogFormat,  # noqa: F401 -- the command line reads the options of `PrintOptions` here
    LogLevel,  # noqa: F401 -- as above
    PrintOptions,
)
from aiohubassoc.cli.report import Example, VerifyReport, verification_result
from aiohubassoc.cli.run_folder import (
    REPORTED_LINKED,
    Command,
    FolderTable,
    get_record,
    open_folder,
)
from aiohubassoc.cli.runner import Runner
from aiohubassoc.cli.sinks import check_outputs, check_writable
from aiohubassoc.cli.summary import log_end, print_verify_report
from aiohubassoc.cli.terminal import (
    discard_output,
    print_lines,
    print_result,
    print_warning,
)
from aiohubassoc.errors import JournalError, OptionsError, plural
from aiohubassoc.files.byte_source import STDIN
from aiohubassoc.files.layout import Layout
from aiohubassoc.files.pairs import PairTable
from aiohubassoc.files.results import check_file_name
from aiohubassoc.journal.journal import Journal, add_verification
from aiohubassoc.models import LinkState, Status

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterable

    from aiohubassoc._run.stream import VerificationStream
    from aiohubassoc.cli.run_folder import RowTable
    from aiohubassoc.client import AssociationClient
    from aiohubassoc.journal.reader import Reader
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
        """Raise OptionsError for options that do not go together."""
        super().check()
        for option, is_given in (("--missing", self.missing), ("--unknown", self.unknown)):
            if is_given and self.output is None:
                raise OptionsError(f"{option} is for --output: it chooses the rows of that file")

    def wants(self, state: LinkState) -> bool:
        """Return whether the rows of pairs in this state are to be written."""
        chosen = {LinkState.MISSING: self.missing, LinkState.UNKNOWN: self.unknown}
        return state in chosen and (chosen[state] or not any(chosen.values()))


def verify(
    files: Annotated[list[str], Parameter(allow_leading_hyphen=True, negative="")],
    /,
    *,
    input_: InputOptions = Layout(),  # noqa: B008 -- frozen, and so below
    address: Annotated[AddressOptions, Flat] = AddressOptions(),  # noqa: B008
    token: Annotated[AccessOptions, Flat] = AccessOptions(),  # noqa: B008
    batch_quota: str | None = None,
    skip_invalid: Flag = False,
    require_rows: Flag = False,
    all_: Flag = False,
    options: Annotated[VerifyOptions, Flat] = VerifyOptions(),
) -> int:
    """
    Read links back and return the exit code; `aiohubassoc.cli.app` says which.

    Args:
        files: Files as for link, or - for standard input; or a run folder: its linked and partial
            pairs are read back. It may be in use.
        batch_quota: Calls in a window, such as 20/10s. Upper limit. Without it: start at 10/10s
            and rise while HubSpot throttles none.
        skip_invalid: Skip rows that cannot be used.
        require_rows: Return exit code 1 if there is no pair to read back.
        all_: Also read back pairs that failed or were not sent; for a run folder only.
    """
    options.check()
    folder = _find_folder(files)
    if folder is None:
        if all_:
            raise OptionsError("--all is for a run folder: of files every row is read back")
        check_input(input_)
        command = Command(
            tuple(files),
            input_,
            PortalOptions(**attrs.asdict(address)),
            check=CheckOptions(skip_invalid=skip_invalid, require_rows=require_rows),
            send=SendOptions(batch_quota=batch_quota, verify=True),
        )
        if STDIN in command.files and token.token_stdin:
            raise OptionsError("standard input holds either the pairs or the token")
        with PairTable(command.files, command.input) as table:
            return _read_back(command, table, token, options)
    more = [*given(input_), *given(address), *(["--skip-invalid"] if skip_invalid else [])]
    if more:
        raise OptionsError(f"{more[0]} is for files: the run folder {folder} knows its own")
    with open_folder(folder) as reader:
        command = _restore_command(folder, reader, batch_quota)
        command = attrs.evolve(command, check=CheckOptions(require_rows=require_rows))
        statuses = (
            (*REPORTED_LINKED, Status.FAILED, Status.UNPROCESSED) if all_ else REPORTED_LINKED
        )
        rows = FolderTable(reader, statuses)
        no_rows = None if all_ else _describe_none_linked(folder)
        return _read_back(command, rows, token, options, folder=folder, no_rows=no_rows)


def _describe_none_linked(folder: str) -> str:
    return f"No pair of {folder} is linked yet: nothing to read back. --all reads back every pair"


class VerifyRun(Runner):
    """
    Reads back the links of the pairs of a run.

    Args:
        finds_duplicates: Whether pairs may repeat others.
        no_rows: What to warn of if there is no pair to read back; None: of an empty input.
    """

    def __init__(
        self,
        connection: Connection,
        table: RowTable,
        options: VerifyOptions,
        *,
        finds_duplicates: bool = False,
        no_rows: str | None = None,
    ) -> None:
        self.report = VerifyReport()
        self.finds_duplicates = finds_duplicates
        self._options = options
        self._no_rows = no_rows
        check = connection.command.check
        super().__init__(connection, table, self.report, check, options, path=options.output)

    def describe_no_rows(self) -> str:
        """Return what to warn of where there is no pair to read back."""
        return super().describe_no_rows() if self._no_rows is None else self._no_rows

    def start(self, client: AssociationClient, pairs: AsyncIterable[Pair]) -> VerificationStream:
        """Return the client's run over *pairs*, not entered yet, and have the report read it."""
        verifications = client.verify(pairs)
        self.report.pairs = verifications.report
        return verifications

    def take(self, verification: Verification) -> None:
        """Count and write what was found of a pair."""
        pair, result = verification.pair, verification_result(verification)
        record = get_record(pair)
        self.sinks.write_line(lambda jsonl: jsonl.verification(record, pair, result))
        if verification.state is LinkState.LINKED:
            return
        self.report.add_example(Example(record.line, self.place(record), str(pair), result))
        if self._options.wants(verification.state):
            self.sinks.write_row(self._table.cells(pair), result)


def keep_verification(folder: str | os.PathLike[str], report: VerifyReport) -> bool:
    """Return whether the run folder keeps what was read back, for its report; else warn."""
    found = report.as_json()
    for name in ("first_missing", "first_unknown"):
        found[name] = [
            {
                "pair": example["pair"],
                "place": example["place"],
                "message": example["message"][:_MOST_LETTERS],
            }
            for example in found[name][:_MOST_EXAMPLES]
        ]
    kept = ("linked", "missing", "unknown", "input_complete", "first_missing", "first_unknown")
    try:
        add_verification(
            Path(folder), SystemClock().utc_now(), {name: found[name] for name in kept}
        )
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


def _restore_command(folder: str, reader: Reader, batch_quota: str | None) -> Command:
    """Return what the folder's pairs are read back with."""
    header = reader.header()
    if not isinstance(header.get("command"), dict):
        raise OptionsError(
            f"the run folder {folder} was made by a program: read its pairs back with that "
            "program, by client.verify"
        )
    kept = Command.from_header(header)
    if kept.portal.simulate:
        raise OptionsError(
            f"The run in {folder} was simulated: HubSpot has none of its links, so there is "
            "nothing to verify. Link again without --simulate, in another folder"
        )
    send = SendOptions(batch_quota=batch_quota or kept.send.batch_quota, verify=True)
    # The pace and the reserve of a run that links are not for the few calls that read.
    return attrs.evolve(kept, pace=PaceOptions(), send=send)


def _read_back(
    command: Command,
    table: RowTable,
    token: AccessOptions,
    options: VerifyOptions,
    *,
    folder: str | None = None,
    no_rows: str | None = None,
) -> int:
    """Read back the pairs of *table*, of a run folder or of files; return the exit code."""
    check_outputs(
        {"--output": options.output, "--report": options.report, "--log-file": options.log_file},
        inputs=command.files,
        token_file=token.token_file,
        folder=folder,
    )
    if options.report is not None:
        from aiohubassoc.html_report.page import check_installed  # noqa: PLC0415 -- only if asked

        check_installed()
        check_file_name(options.report, ".html", ".htm")
        check_writable(options.report)
    with ExitStack() as stack:
        connection = Connection.open(stack, command, token)
        run = VerifyRun(
            connection, table, options, finds_duplicates=folder is None, no_rows=no_rows
        )
        code = asyncio.run(run.run(connection.make_client()))
        is_kept = folder is not None and run.began and keep_verification(folder, run.report)
    steps = []
    if run.began and run.sinks.problem is None:
        steps = after_verify(run.report, command, token, options.output, folder)
    if run.began and run.prints_summary:
        print_verify_report(run.report, folder or table.name, run.console)
        print_lines(steps, run.console)
    if options.report is not None and run.began:
        kept_in = folder if is_kept else None
        code = max(code, _write_report(run, options, table.names, steps, kept_in))
    about = {"run": folder, "output": options.output, "report": options.report}
    result = {**run.report.as_json(), **about, "exit_code": int(code)}
    print_result(result, json_=options.json_)
    if run.began:
        pairs = plural(run.report.pairs.total, "pair")
        what = f"{pairs} read back in {run.report.seconds:,.1f} s"
        log_end(what, run.report, result, steps)
    if run.sinks.output_is_gone:
        discard_output()
    return code


def _write_report(
    run: VerifyRun, options: VerifyOptions, names: list[str], steps: list[str], folder: str | None
) -> int:
    """Write the report of what was found, of *folder* with its run; return the exit code of it."""
    from aiohubassoc.cli.report_file import (  # noqa: PLC0415 -- only if asked
        report_folder,
        report_read_back,
        write_and_say,
    )

    path = options.report
    assert path is not None  # noqa: S101 -- it is asked for

    def write() -> None:
        if folder is not None:
            report_folder(path, folder)
        else:
            report_read_back(path, run.report, run.command, names, steps)

    return write_and_say(path, write, run.console if run.prints_summary else None)
