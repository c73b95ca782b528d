"""``aiohubassoc report``."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from aiohubassoc.cli.options import Flag  # noqa: TC001 -- the command line reads it
from aiohubassoc.cli.report import ExitCode
from aiohubassoc.cli.report_file import report_folder
from aiohubassoc.cli.run_folder import open_folder
from aiohubassoc.cli.sinks import check_outputs
from aiohubassoc.cli.terminal import print_result, stderr
from aiohubassoc.files.results import check_file_name
from aiohubassoc.html_report.page import check_installed


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
    with open_folder(folder) as reader:
        kept = reader.header().get("command") or {}  # a program's folder has none
        check_outputs({"--output": output}, inputs=kept.get("files", ()), folder=folder)
    report_folder(output, folder)
    if json_:
        print_result({"run": folder, "output": output})
    else:
        stderr().print(f"Wrote the report to {output}", markup=False)
    return ExitCode.ALL_LINKED
