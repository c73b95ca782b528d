"""``aiohubassoc status``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rich.markup import escape

from aiohubassoc.cli.hints import FailureCounts, after_failures, how_to_resume
from aiohubassoc.cli.options import Flag  # noqa: TC001 -- the command line reads it
from aiohubassoc.cli.report import ExitCode
from aiohubassoc.cli.run_folder import (
    describe_portal,
    estimate_rows,
    is_complete,
    is_from_pipe,
    open_folder,
    read_command,
)
from aiohubassoc.cli.summary import print_categories, print_count, print_portal
from aiohubassoc.cli.terminal import print_lines, print_result, stdout
from aiohubassoc.errors import plural
from aiohubassoc.journal.schema import is_in_use
from aiohubassoc.models import Status

if TYPE_CHECKING:
    from rich.console import Console

    from aiohubassoc.journal.reader import Reader, Session

_SHOWN_RUNS: Final = 5
_READ_BACK: Final = ("linked", "missing", "unknown")


def status(folder: str, /, *, json_: Flag = False) -> int:
    """
    Show how far the run of a folder is, also during the run.

    Args:
        folder: The run folder.
        json_: Print one JSON object on standard output, and nothing else.
    """
    with open_folder(folder) as reader:
        found = _gather(reader)
    if json_:
        print_result(found)
    else:
        _print(found, stdout())
    return ExitCode.ALL_LINKED


def _gather(reader: Reader) -> dict[str, Any]:
    sessions = reader.sessions()
    counts = reader.counts()
    last = sessions[-1] if sessions else None
    is_running = is_in_use(reader.folder)
    header = reader.header()
    is_read = reader.is_read_to_its_end()
    read_back = [kept.value for kept in reader.verifications()[:1]]
    state = "running" if is_running else "complete" if is_complete(reader) else "unfinished"
    return {
        "folder": str(reader.folder),
        "state": state,
        "process_id": last.process_id if last is not None and is_running else None,
        **{one.value: count for one, count in counts.items()},
        "settled": sum(counts.values()) - counts[Status.UNPROCESSED],
        "invalid": reader.rejected_count(),
        "portal": describe_portal(header["job"].get("portal", "")),
        "inputs": header.get("names"),
        "input_rows": estimate_rows(header),
        "needs_input": "inputs" in header and is_from_pipe(header) and not is_read,
        "categories": [
            {"status": one.value, "category": name, "count": count, "message": message}
            for one, name, count, message in reader.categories()
        ],
        "runs": [_session(session) for session in sessions],
        "read_back": {name: read_back[0][name] for name in _READ_BACK} if read_back else None,
        "next": _find_steps(reader, header) if not is_running else [],
    }


def _find_steps(reader: Reader, header: dict[str, Any]) -> list[str]:
    """Return what to do after the last run of a folder; `link` says the same at its end."""
    folder, is_at_end, steps = str(reader.folder), is_complete(reader), []
    if not is_at_end and "inputs" in header:
        needs_input = is_from_pipe(header) and not reader.is_read_to_its_end()
        steps.append(how_to_resume(folder, needs_input=needs_input))
    groups = [
        (name, message)
        for one, name, _, message in reader.categories()
        if one in {Status.FAILED, Status.PARTIAL}
    ]
    failures = FailureCounts(groups, reader.rejected_count(), is_at_end=is_at_end)
    found = after_failures(folder, failures, read_command(header))
    return steps + [f"{sentence}: {command}" for sentence, command in found]


def _session(session: Session) -> dict[str, Any]:
    return {
        "number": session.number,
        "process_id": session.process_id,
        "began_at": session.began_at.isoformat(timespec="seconds"),
        "ended_at": None
        if session.ended_at is None
        else session.ended_at.isoformat(timespec="seconds"),
        "input_complete": session.is_complete,
        "stopped": session.stopped,
    }


def _print(found: dict[str, Any], console: Console) -> None:
    is_running = found["state"] == "running"
    state = f"running, process {found['process_id']}" if is_running else found["state"]
    console.print(f"[bold]{escape(found['folder'])}[/]: {state}")
    print_portal(found["portal"], console)
    if found["inputs"]:
        rows = found["input_rows"]
        about = f"about {plural(rows, 'row')}" if rows else "no rows"
        of = "" if rows is None else f", {about}"
        console.print(f"  input: {escape(', '.join(found['inputs']))}{of}")
    for name in ("linked", "partial", "failed", "unprocessed", "invalid"):
        what = "rejected rows" if name == "invalid" else name
        print_count(found[name], what, console)
    categories = found["categories"]
    print_categories(
        ((one["count"], one["status"], one["category"], one["message"]) for one in categories),
        console,
    )
    if (read_back := found["read_back"]) is not None:
        counts = [f"{read_back[name]:,} {name}" for name in _READ_BACK if read_back[name]]
        console.print(f"  read back: {', '.join(counts) or 'no pair'}")
    for run in found["runs"][-_SHOWN_RUNS:]:
        if run["ended_at"] is not None:
            end = f"ended {run['ended_at']}"
        else:
            is_last = run is found["runs"][-1]
            end = "under way" if is_running and is_last else "killed"
        stopped = f": {run['stopped']}" if run["stopped"] else ""
        line = f"  run {run['number']}: began {run['began_at']}, {end}{stopped}"
        console.print(line, markup=False)
    print_lines(found["next"], console)
