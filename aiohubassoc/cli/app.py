"""The command and its subcommands, each loaded when it is called."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from cyclopts import App, CycloptsError

from aiohubassoc import __version__
from aiohubassoc.cli.exit_codes import ExitCode
from aiohubassoc.cli.terminal import MessageHandler, print_error
from aiohubassoc.errors import AioHubAssocError, JournalStorageError

if TYPE_CHECKING:
    from collections.abc import Sequence

_EXAMPLES = (
    "demo",
    "link pairs.csv --from contacts --to companies",
    "link pairs.csv --from contacts --to companies --simulate",
    "plan pairs.csv --from contacts --to companies --quota professional",
    "link pairs.csv --from contacts --to companies --run runs/2026-11-25",
    "resume runs/2026-11-25",
    "status runs/2026-11-25",
    "export runs/2026-11-25 --failed --output failed.csv",
    "link pairs.csv --from contacts --to companies --via batch --verify",
    "verify pairs.csv --from contacts --to companies --output missing.csv",
    "link - --from deals --to contacts --json < pairs.csv",
    "simulate --port 8080",
)
# Said here, not in the function's docstring: whoever asks for help does not load the function.
_LINK = """\
Link the pairs of files.

A table has a header with the columns from_id and to_id, and optionally from_type and to_type; \
other columns are kept for --failures and export. HubSpot's own exports are understood. \
Nothing is sent before the first 1,000 rows are checked.

Exit codes: 0 every pair linked or skipped; 1 some failed or were not usable; 2 usage or input; \
3 stopped early; 4 token or scopes; 5 a file or the run folder could not be written; \
130 and 143 interrupted. With --verify also 1 if a link is missing, and 3 if HubSpot did not say.
"""
_VERIFY = """\
Read links back: say of each pair of files, or of a run folder, whether HubSpot has its link.

Nothing is written to HubSpot; up to 1,000 records are asked for in a call, which needs scopes to \
read. A pair is linked, missing, or unknown if HubSpot was not asked or did not say.

Exit codes: 0 every pair linked; 1 some missing, or rows not usable; 2 usage or input; 3 some \
unknown; 4 token or scopes; 5 a file could not be written; 130 and 143 interrupted.
"""
_COMMANDS = (
    ("link", _LINK),
    ("resume", "Go on with the run of a folder: link what is not settled yet."),
    ("status", "Tell how far the run of a folder is, also while it goes on."),
    ("export", "Write the rows of a run folder, with what became of them."),
    ("verify", _VERIFY),
    ("plan", "Read the input, send nothing, and tell what linking it would do and take."),
    ("simulate", "Run a simulated HubSpot portal on this machine."),
    ("demo", "Link 2,000 pairs against a simulated portal and compare with its books."),
)


def make_app() -> App:
    """Return the command."""
    app = App(
        name="aiohubassoc",
        help="Link HubSpot CRM records in bulk: as fast as the quota allows, never above.",
        help_epilogue="  \n".join(
            ("Examples:", *(f"aiohubassoc {example}" for example in _EXAMPLES))
        )
        + "\n\nThe access token is read from HUBSPOT_ACCESS_TOKEN.",
        help_format="markdown",
        version=__version__,
        version_flags=["--version"],
        result_action="return_value",
        suppress_keyboard_interrupt=False,
        exit_on_error=False,
        print_error=False,
    )
    for name, help_ in _COMMANDS:
        app.command(f"aiohubassoc.cli.{name}:{name}", name=name, help=help_)
    return app


def run(arguments: Sequence[str]) -> int:
    """Run the command with *arguments* and return its exit code."""
    logger, handler = logging.getLogger("aiohubassoc"), MessageHandler(logging.WARNING)
    logger.addHandler(handler)
    try:
        return int(make_app()(list(arguments)) or 0)
    except (CycloptsError, AioHubAssocError) as error:
        print_error(str(error))
        return ExitCode.STORAGE if isinstance(error, JournalStorageError) else ExitCode.USAGE
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    finally:
        logger.removeHandler(handler)
