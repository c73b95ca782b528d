"""The command and its subcommands, each loaded when it is called."""

from __future__ import annotations

import signal
import warnings
from typing import TYPE_CHECKING

from cyclopts import App, CycloptsError, UnknownOptionError, UnusedCliTokensError

from aiohubassoc import __version__
from aiohubassoc.cli.terminal import (
    StorageError,
    print_error,
    show_warning,
    suggest,
    suggest_choice,
)
from aiohubassoc.errors import (
    AioHubAssocError,
    JournalInUseError,
    JournalStorageError,
    OptionsError,
    SharedQuotaError,
)
from aiohubassoc.files.byte_source import STDIN

if TYPE_CHECKING:
    from collections.abc import Sequence

_EXAMPLES = (
    "demo",
    "check --from contacts --to companies",
    "link pairs.csv --from contacts --to companies",
    "link pairs.csv --from contacts --to companies --simulate",
    "plan pairs.csv --from contacts --to companies --quota professional",
    "link pairs.csv --from contacts --to companies --run runs/2026-11-25",
    "resume runs/2026-11-25",
    "status runs/2026-11-25",
    "export runs/2026-11-25 --failed --output failed.csv",
    "link pairs.csv --from contacts --to companies --via batch --verify",
    "verify pairs.csv --from contacts --to companies --output missing.csv",
    "pairs deals.csv contacts.csv --on Email --output pairs.csv",
    "pairs contacts.csv companies.csv --left-on Email --right-on Domain --match email-domain",
    "link - --from deals --to contacts --json < pairs.csv",
    "simulate --port 8080",
)
_ACCESS = "The access token is read from HUBSPOT_ACCESS_TOKEN."
_COMPLETION = "--install-completion"
_LINE = (
    'A line of --stream: {"from": "contacts:1", "to": "companies:2", "ok": true, '
    '"status": "linked", "attempts": 1, "line": 2}'
)
# Not in the docstrings of the functions: help does not load them.
_LINK = """\
Link the pairs of files.

A table has a header with the columns from_id and to_id, and optionally from_type and to_type; \
other columns are kept for --failures and export. HubSpot's own exports are understood. \
Nothing is sent before the first 1,000 rows are checked.

Exit codes: 0 every pair linked or skipped; 1 some failed or were not usable; 2 usage or input; \
3 stopped early; 4 token or scopes; 5 a file or the run folder could not be written; 75 another \
process uses the run folder; 130 and 143 interrupted. With --verify also 1 if a link is missing, \
and 3 if HubSpot did not say.
"""
_VERIFY = """\
Read links back: say of each pair of files, or of a run folder, whether HubSpot has its link.

Nothing is written to HubSpot; up to 1,000 records are asked for in a call, which needs scopes to \
read. A pair is linked, missing, or unknown if HubSpot was not asked or did not say.

Exit codes: 0 every pair linked; 1 some missing, or rows not usable; 2 usage or input; 3 some \
unknown; 4 token or scopes; 5 a file could not be written; 130 and 143 interrupted.
"""
_CHECK = """\
Check the account before a run: the token, its scopes for two object types, the quota and what is \
left of the day, whether HubSpot knows the types, and records at their association limit.

Nothing is written to HubSpot. Each line is ok, failed with the cure, or what HubSpot does not say.

Exit codes: 0 nothing failed; 1 a run would fail, wholly or in part; 2 usage; 4 the token is \
refused; 130 and 143 interrupted.
"""
_PAIRS = """\
Join two exports by a column of each: write the pairs of record ids that link takes.

A row of LEFT makes a pair with the record of RIGHT that has the same value. Nothing is sent.

Exit codes: 0 pairs were written; 1 none was, or rows could not be used; 2 usage or input; 5 a \
file could not be written.
"""
_COMMANDS = (
    ("check", _CHECK),
    ("link", _LINK),
    ("resume", "Resume the run of a folder: link what is not linked yet."),
    ("status", "Show how far the run of a folder is, also during the run."),
    ("export", "Write the rows of a run folder, with what became of them."),
    ("verify", _VERIFY),
    ("plan", "Read the input, send nothing, and show what linking it would do and take."),
    ("pairs", _PAIRS),
    ("simulate", "Run a simulated HubSpot portal on this machine."),
    ("demo", "Link 2,000 pairs against a simulated portal and compare with its records."),
)


def make_app() -> App:
    """Return the command."""
    app = App(
        name="aiohubassoc",
        help="Link HubSpot CRM records in bulk: as fast as the quota allows, never above.",
        help_epilogue=_epilogue(
            _EXAMPLES, _ACCESS, f"aiohubassoc {_COMPLETION} has the shell complete commands."
        ),
        help_format="markdown",
        version=__version__,
        version_flags=["--version"],
        result_action="return_value",
        suppress_keyboard_interrupt=False,
        exit_on_error=False,
        print_error=False,
    )
    for name, help_ in _COMMANDS:
        own = [example for example in _EXAMPLES if example.split()[0] == name]
        notes = (_LINE, _ACCESS) if name in {"link", "resume"} else ()
        app.command(
            f"aiohubassoc.cli.{name}:{name}",
            name=name,
            help=help_,
            help_epilogue=_epilogue(own, *notes),
        )
    return app


def _epilogue(examples: Sequence[str], *notes: str) -> str:
    """Return what stands below a help: in Markdown two blanks end a line."""
    lines = "  \n".join(("Examples:", *(f"aiohubassoc {example}" for example in examples)))
    return "\n\n".join((lines, *notes))


def run(arguments: Sequence[str]) -> int:
    """Run the command with *arguments* and return its exit code."""
    app = make_app()
    if arguments[:1] == [_COMPLETION]:  # else what makes it would be loaded by every command
        app.register_install_completion_command(_COMPLETION)
    show, warnings.showwarning = warnings.showwarning, show_warning
    try:
        command, bound, _ = app.parse_args(list(arguments))
        one_each = (bound.arguments.get(name, STDIN) for name in ("left", "right"))
        for file in (*bound.arguments.get("files", ()), *one_each):
            if file.startswith("-") and file != STDIN:
                raise OptionsError(_unknown_option(file, app[arguments[0]]))
        return int(command(*bound.args, **bound.kwargs) or 0)
    except (CycloptsError, AioHubAssocError) as error:
        message = str(error)
        if isinstance(error, UnknownOptionError) and arguments[0] in app:
            message = _unknown_option(error.token.keyword or "", app[arguments[0]])
        elif isinstance(error, UnusedCliTokensError):
            message = f"there is no use for {', '.join(map(repr, error.unused_tokens or ()))}"
        print_error(message + suggest_choice(message))
        return _exit_code(error)
    except StorageError as error:
        print_error(f"Cannot write {error}")
        return _exit_code(error)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    finally:
        warnings.showwarning = show


def _unknown_option(option: str, command: App) -> str:
    """Return what is said of an option that a command does not have."""
    arguments = command.assemble_argument_collection()
    names = [name for one in arguments for name in one.names if name.startswith("--")]
    return f"there is no option {option}{suggest(option.partition('=')[0], names)}"


def _exit_code(error: Exception) -> int:
    from aiohubassoc.cli.report import ExitCode  # noqa: PLC0415 -- loads the library

    if isinstance(error, JournalInUseError):
        return ExitCode.IN_USE
    storage = (JournalStorageError, SharedQuotaError, StorageError)
    return ExitCode.STORAGE if isinstance(error, storage) else ExitCode.USAGE
