"""What to do next, as commands for a shell."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import string
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from aiohubassoc import errors
from aiohubassoc._protocol.classify import passes_later
from aiohubassoc.cli.connection import find_base_url, name_token_source
from aiohubassoc.cli.options import AccessOptions, given
from aiohubassoc.cli.report import NO_ERROR
from aiohubassoc.cli.terminal import escape_controls, suggest
from aiohubassoc.errors import plural
from aiohubassoc.files.byte_source import STDIN
from aiohubassoc.journal.journal import Journal
from aiohubassoc.pair import OBJECT_TYPE_FORMS
from aiohubassoc.shared_quota.quota import hide_password

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aiohubassoc.cli.report import LinkReport, VerifyReport
    from aiohubassoc.cli.run_folder import Command, LinkCall
    from aiohubassoc.errors import AioHubAssocError
    from aiohubassoc.files.layout import Layout

# HubSpot, Using object APIs, "Object type ID": those that are linked most.
_OBJECT_TYPES: Final = (
    *("contacts", "companies", "deals", "tickets", "leads", "products", "line_items", "quotes"),
    *("calls", "emails", "meetings", "notes", "tasks", "communications", "orders", "invoices"),
)
# What no shell and no printf takes for anything else.
_PLAIN: Final = {*string.ascii_letters, *string.digits, *" ./_,:=+@"}
_PROGRAM: Final = "aiohubassoc"
_CORRECTED: Final = "Correct these rows, then"
# `str` of an `ApiError` begins with the status: a category alone does not say it.
_STATUS: Final = re.compile(r"([1-5]\d\d) ")
# Without a status: the errors of the network, and of a response that confirms nothing. A conflict
# is not retried at once, but another change has ended by the next run.
_PASSES_LATER: Final = frozenset(
    {
        "CONFLICT",
        "CONNECT_FAILED",
        "CONNECTION_LOST",
        "RESPONSE_TIMEOUT",
        "INVALID_RESPONSE",
        "UNCONFIRMED",
    }
)
# Of these a file that we wrote has its own.
_OF_THE_INPUT_ALONE: Final = {
    "--format",
    "--delimiter",
    "--encoding",
    "--sheet",
    "--include-hidden",
}


def after_link(report: LinkReport, call: LinkCall, *, needs_input: bool) -> list[str]:
    """Return what to do after a run that linked; *needs_input*: to give the input again."""
    folder, failures = call.folder.run, call.output.failures
    if folder is not None and not Journal(folder).is_there:  # removed during the run
        folder = None
    steps = _find_causes(report, call)
    if isinstance(report.stopped, errors.UnknownObjectTypeError):
        return steps  # the same command would meet it again
    if report.unfinished or not report.input_complete:
        if folder is not None:
            step = how_to_resume(folder, needs_input=needs_input, access=call.token)
            steps.append(f"{step}, without --limit" if needs_input and report.is_limited else step)
        else:
            steps += _how_to_begin_again(report, call)
    elif folder is not None and report.not_linked and report.not_linked == report.failed_before:
        begin = "The" if report.pairs.responses else "Nothing was sent: the"
        steps.append(
            f"{begin} pairs that are left failed in an earlier run, and are sent again only with "
            "--retry-failed"
        )
    left = FailureCounts(report.failures, report.invalid, report.is_at_end, report.has_objects)
    if folder is not None:
        written = failures if report.rows_written else None
        found = after_failures(folder, left, call.command, call.token, written=written)
        steps += [f"{sentence}: {command}" for sentence, command in found]
    if failures is not None:
        steps += _name_failures_file(failures, report, call, left)
    elif folder is None and left:
        steps.append("To write rows that fail to a file: the same command with --failures FILE")
    return steps


def can_pass_later(category: str, message: str) -> bool:
    """
    Return whether pairs that failed may be linked if they are sent again as they are.

    *category* is as of `Outcome`; *message* is the message of one of them.
    """
    status = _STATUS.match(message)
    return category in _PASSES_LATER or (status is not None and passes_later(int(status[1])))


def _name_failures_file(
    path: str, report: LinkReport, call: LinkCall, left: FailureCounts
) -> list[str]:
    if not report.rows_written:
        is_written = report.storage_problem is None
        return [f"Wrote 0 rows to {path}: nothing failed or was rejected"] if is_written else []
    rows = plural(report.rows_written, "row")
    if not report.input_complete:
        return [f"{path} has only the {rows} of those read that are not linked"]
    where = list_portal(call.command, call.token)
    return [
        f"Wrote {rows} to {path}, each with its reason",
        how_to_link(path, call.command.input, where, left),
    ]


@attrs.frozen
class FailureCounts:
    """What failed of a run; true if anything did."""

    groups: Sequence[tuple[str, str]]
    """Category and message of each group of pairs that failed, wholly or partially."""
    rejected: int
    is_at_end: bool
    """Whether every row was read and every pair has a result."""
    has_objects: bool
    """Whether rows are objects of JSON Lines."""

    def __bool__(self) -> bool:
        return bool(self.groups or self.rejected)

    @property
    def can_pass_later(self) -> bool:
        return any(can_pass_later(*group) for group in self.groups)

    @property
    def need_changes(self) -> bool:
        return bool(self.rejected) or not all(can_pass_later(*group) for group in self.groups)


def after_failures(
    folder: str,
    failures: FailureCounts,
    command: Command | None,
    access: AccessOptions | None = None,
    *,
    written: str | None = None,
) -> list[tuple[str, str]]:
    """
    Return what to do about the failures of a run folder: sentences, each with its command.

    *command* is what the folder keeps of it, None: it is a program's. *written* is the file that
    has the rows already.
    """
    access, steps = access or AccessOptions(), []
    if failures.can_pass_later and failures.is_at_end and command is not None:
        options = {"--retry-failed": True, **_list_access(access)}
        steps.append(("To send those again that failed", compose("resume", [folder], options)))
    if not failures or written is not None:
        return steps
    path = "failed.jsonl" if failures.has_objects else "failed.csv"
    export = compose("export", [folder], {"--failed": True, "--output": path})
    steps.append(("To write those that failed to a file", export))
    if failures.need_changes and failures.is_at_end and command is not None:
        where = list_portal(command, access)
        steps.append((_CORRECTED, _compose_link(path, command.input, where)))
    return steps


def _find_causes(report: LinkReport, call: LinkCall) -> list[str]:
    steps = [step] if (step := after_stop(report.stopped, call.token, report.day_end)) else []
    if report.not_linked > report.failed_before and not report.pairs.responses:
        steps.append(
            f"No response came from {report.portal}. Check the network, the proxy and --base-url"
        )
    return steps


def after_verify(
    report: VerifyReport,
    command: Command,
    access: AccessOptions,
    output: str | None,
    folder: str | None,
) -> list[str]:
    """Return what to do after the links of *folder* were read back; None: those of files."""
    steps = [step] if (step := after_stop(report.stopped, access)) else []
    is_cut_short = report.stopped is not None or report.signal is not None
    if not (report.unfinished or report.not_linked or is_cut_short):
        return steps
    where = list_portal(command, access)
    if output is not None and not is_cut_short:
        # HubSpot itself named a record that it does not have, in place of a mere missing link.
        examples = [one.result for one in (*report.first_missing, *report.first_unknown)]
        problems = [
            (one.category, one.message or "")
            for one in examples
            if one.category and one.category not in NO_ERROR
        ]
        left = FailureCounts(problems, 0, is_at_end=True, has_objects=report.has_objects)
        written = how_to_link(output, command.input, where, left)
        return [*steps, written] if report.rows_written else steps
    if command.portal.simulate:  # that portal is gone
        return steps
    sources: Iterable[str] = command.files
    options = {**given(command.input), **where}
    if folder:  # it knows the portal
        sources, options = [folder], _list_access(access)
    else:
        options |= {name: True for name in ("--skip-invalid",) if command.check.skip_invalid}
    again = ", give the input again" if STDIN in sources else ""
    what = "To read them back again" if is_cut_short else "To write those not linked to a file"
    if output is not None or not is_cut_short:
        options["--output"] = output or ("missing.jsonl" if report.has_objects else "missing.csv")
    verify = compose("verify", sources, options)
    return [*steps, f"{what}{again}: {verify}"]


def how_to_resume(folder: str, *, needs_input: bool, access: AccessOptions | None = None) -> str:
    """Return how a run of *folder* continues; *needs_input*: its input must be given again."""
    if needs_input:
        named = " ".join(map(quote, _list_words("--run", folder)))
        return f"To continue, give the input again, with the same command and {named}"
    options = {} if access is None else _list_access(access)
    return f"To continue: {compose('resume', [folder], options)}"


def after_move(folder: str, command: Command, access: AccessOptions) -> str:
    """Return how the run of *folder* continues whose input is no longer where it was."""
    files = ["FILE"] * len(command.files)
    options = {**given(command.input), **list_portal(command, access), "--run": folder}
    return f"If it was moved: {compose('link', files, options)}"


def how_to_link(
    path: str,
    input_: Layout,
    where: Mapping[str, object] | None = None,
    failures: FailureCounts | None = None,
) -> str:
    """Return how to link rows written to *path*; *failures*: those that they are of."""
    sentence = _CORRECTED if failures and failures.need_changes else "To link them"
    return f"{sentence}: {_compose_link(path, input_, where or {})}"


def _compose_link(path: str, input_: Layout, where: Mapping[str, object]) -> str:
    own = {name: value for name, value in given(input_).items() if name not in _OF_THE_INPUT_ALONE}
    return compose("link", [path], {**own, **where})


def list_portal(command: Command, access: AccessOptions) -> dict[str, object]:
    """Return the options by which another command goes where *command* went."""
    options = {**given(command.portal), **_list_access(access)}
    if options.get("--base-url") == find_base_url(None):
        del options["--base-url"]
    return options


def _list_access(access: AccessOptions) -> dict[str, object]:
    """Return the options of the token and the proxy, without its password."""
    options: dict[str, object] = given(access)
    if access.proxy is not None:
        scheme, separator, rest = access.proxy.rpartition("://")
        credentials, at, host = rest.rpartition("@")
        known = "USER:PASSWORD" if credentials else ""
        options["--proxy"] = f"{scheme}{separator}{known}{at}{host}"
    return options


def compose(command: str, paths: Iterable[str], options: Mapping[str, object] | None = None) -> str:
    """Return a command that can be typed as it is."""
    called = Path(sys.argv[0])
    found = shutil.which(_PROGRAM)
    is_known = called.name == _PROGRAM and called.is_file()
    is_elsewhere = is_known and not (found and called.samefile(found))
    words = [str(called) if is_elsewhere else _PROGRAM, *command.split()]
    # A word that begins with a dash would be an option.
    words += [f"./{path}" if path.startswith("-") and path != STDIN else path for path in paths]
    for name, value in (options or {}).items():
        words += _list_words(name, value)
    return " ".join(map(quote, words))


def _list_words(option: str, value: object) -> list[str]:
    """Return the words that give an option; True: it is a flag."""
    if value is True:
        return [option]
    text = str(value)
    return [f"{option}={text}"] if text.startswith("-") else [option, text]


def quote(word: str) -> str:
    """Return *word* as a POSIX shell reads it, in characters that are printed as they are."""
    # What is not UTF-8 is a lone surrogate, which no output prints.
    if escape_controls(word) == word == word.encode(errors="ignore").decode():
        return shlex.quote(word)
    data = (chr(byte) if chr(byte) in _PLAIN else f"\\{byte:03o}" for byte in os.fsencode(word))
    return f"\"$(printf '{''.join(data)}')\""


def after_stop(
    stopped: AioHubAssocError | None, token: AccessOptions, day_end: str = "within 24 hours"
) -> str:
    """Return what is to be done about the cause, before the run can continue; empty: nothing."""
    match stopped:
        case errors.AuthenticationError(status=status):
            step = f"HubSpot refused the access token ({status}). Check {name_token_source(token)}"
        case errors.MissingScopesError(scopes=scopes):
            named = f": {', '.join(scopes)}" if scopes else ""
            step = f"The access token lacks scopes{named}. Add them to its app in HubSpot"
        case errors.PermissionDeniedError():
            step = (
                "Have an administrator of the HubSpot account allow it to the token's user or app"
            )
        case errors.DailyLimitError() | errors.DailyReserveError():
            step = after_daily_limit(day_end)
        case errors.ConnectError():
            step = f"{stopped.message}. Check the network, --base-url and --proxy"
        case errors.RefusedAlikeError():
            step = (
                "HubSpot refused many pairs in a row. Check that --from and --to are not swapped "
                "and that the ids are of this account: a run folder then sends these pairs again. "
                "If only these pairs are wrong, continue with --stop-after-alike 0"
            )
        case errors.UnknownObjectTypeError(object_type=named):
            forms, meant = OBJECT_TYPE_FORMS, suggest_type(named)
            step = f"HubSpot knows no object type {named!r}. Use {forms}{meant}"
        case _:
            return ""
    return step


def after_daily_limit(day_end: str) -> str:
    reset = "It counts the day's calls anew at midnight in the account's time zone"
    return f"HubSpot allows no more calls today. {reset}: {day_end}"


def suggest_type(named: str) -> str:
    """Return a sentence that names the object type which *named* may be meant for."""
    return suggest(named, [one for one in _OBJECT_TYPES if one != named])


def after_plan(call: LinkCall, *, rejected: int) -> str:
    """Return how to link what was planned; *rejected*: how many rows were rejected."""
    command, options = call.command, _list_run(call)
    sentence = "To link them"
    if rejected and not command.check.skip_invalid:
        sentence = "Fix the rejected rows, or link the others"
        options["--skip-invalid"] = True
    if given(command.send) and not command.send.makes_batch_calls:  # `link` would refuse them
        options["--via"] = "batch"
    if STDIN in command.files:
        sentence += ", give the input again"
    options |= given(call.folder)
    return f"{sentence}: {compose('link', command.files, options)}"


def _how_to_begin_again(report: LinkReport, call: LinkCall) -> list[str]:
    command, options = call.command, _list_run(call)
    if report.pairs.linked and not command.portal.simulate:  # a simulated portal is gone
        options["--skip-linked"] = True  # it needs no call for what is linked by now
    options |= given(call.folder)
    again = compose("link", command.files, options)
    steps = [
        f"To continue, give the input again: {again}"
        if STDIN in command.files
        else f"To continue: {again}"
    ]
    if not command.portal.simulate and call.folder.run is None:
        steps.append("With --run FOLDER a run can be resumed: aiohubassoc resume FOLDER")
    return steps


def _list_run(call: LinkCall) -> dict[str, object]:
    """Return the options of a run, without its limit, its folder, and secrets."""
    command = call.command
    options: dict[str, object] = {**given(command.input), **list_portal(command, call.token)}
    for group in (command.pace, command.check, command.send, call.output):
        options |= given(group)
    if command.pace.shared_quota is not None:
        options["--shared-quota"] = hide_password(command.pace.shared_quota)
    if call.uvloop:
        options["--uvloop"] = True
    if not (call.checks_account or command.portal.simulate):
        options["--no-check"] = True
    return options
