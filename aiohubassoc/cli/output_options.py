"""The options of commands about what they print, log and write."""

from __future__ import annotations

from typing import Literal, TypeAlias

import attrs

from aiohubassoc.cli.options import Flag
from aiohubassoc.errors import OptionsError

LogFormat: TypeAlias = Literal["text", "json"]
LogLevel: TypeAlias = Literal["debug", "info", "warning", "error"]


@attrs.frozen
class PrintOptions:
    """
    What to print and log, and what to run at the end.

    Args:
        stream: Print one JSON object a line on standard output for each pair as it completes, and
            nothing else.
        json_: Print one JSON object with the result on standard output, and nothing else.
        on_end: Run this command at the end, with any result, with the JSON object of --json on
            its standard input. It is split into words as a shell does, but no shell runs it; it
            has 60 s. If it fails, that is printed and changes no exit code.
        log_format: text, or json: each line on standard error is then a JSON object with time,
            level, message and what it is about; with --log-file those of that file.
        log_level: Log from this level on: debug, info, warning or error. Without it: info if
            --log-format json or --log-file is given, else only what a summary does not say.
        log_file: Append log lines to this file instead of printing them on standard error.
    """

    stream: Flag = False
    json_: Flag = False
    on_end: str | None = None
    log_format: LogFormat = "text"
    log_level: LogLevel | None = None
    log_file: str | None = None

    def check(self) -> None:
        """Raise OptionsError for options that do not go together."""
        if self.stream and self.json_:
            raise OptionsError("give --stream or --json: both are for standard output")


@attrs.frozen
class OutputOptions(PrintOptions):
    """
    What to print and write, and where.

    Args:
        failures: Write the rows that failed, were rejected or not sent to this file, with the
            reason: as CSV, or as its name ends: .jsonl or .parquet.
        report: Write a report of the run to this file, as HTML that needs no network.
        ordered: Print the lines of --stream in the order of the input.
    """

    failures: str | None = None
    report: str | None = None
    ordered: Flag = False

    def check(self) -> None:
        """Raise OptionsError for options that do not go together."""
        super().check()
        if self.ordered and not self.stream:
            raise OptionsError("--ordered is for --stream: only there the order shows")
