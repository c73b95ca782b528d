"""The command and its subcommands, each loaded when it is called."""

from __future__ import annotations

import contextlib
import io
import pkgutil
import warnings
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, cast, get_args

import cyclopts
from cyclopts import App

from aiohubassoc import __version__
from aiohubassoc.cli import signals, terminal
from aiohubassoc.cli.terminal import StorageError, end_by_error, suggest
from aiohubassoc.errors import AioHubAssocError, OptionsError
from aiohubassoc.files.byte_source import STDIN

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiohubassoc.cli.options import PrintOptions

_MOST_LETTERS = 200
_COMPLETION = "--install-completion"
# Each command's module. Its help is in `help.md`, so that help does not load the module.
_COMMANDS = {
    "check": "check",
    "link": "link",
    "resume": "resume",
    "status": "folder_commands",
    "export": "folder_commands",
    "report": "report_file",
    "verify": "verify",
    "plan": "plan",
    "pairs": "pairs",
    "simulate": "simulate",
    "demo": "simulate",
}
_FLEET_COMMANDS = {
    "init": "fleet",
    "submit": "fleet_submit",
    "worker": "fleet",
    "status": "fleet",
    "cancel": "fleet",
    "resume": "fleet",
    "export": "fleet_report",
    "report": "fleet_report",
    "portals": "fleet",
}


def make_app() -> App:
    texts = _read_help()
    examples, access = texts["examples"].split("\n\n"), texts["where the token is"]
    app = App(
        name="aiohubassoc",
        help="Link HubSpot CRM records in bulk: as fast as the quota allows, never above.",
        help_epilogue=_epilogue(
            examples, access, f"aiohubassoc {_COMPLETION} installs tab completion."
        ),
        help_format="markdown",
        version=__version__,
        version_flags=["--version"],
        console=terminal.OutputConsole(),
        result_action="return_value",
        suppress_keyboard_interrupt=False,
        exit_on_error=False,
        print_error=False,
        config=_check_whole_numbers,
    )
    for name, module in _COMMANDS.items():
        own = [example for example in examples if example.split()[0] == name]
        notes = [texts["a line of JSON Lines"]] if name in {"link", "plan", "verify"} else []
        if name in {"link", "resume"}:
            notes += [texts["a line of --stream"], access]
        app.command(
            f"aiohubassoc.cli.{module}:{name}",
            name=name,
            help=texts[name],
            help_epilogue=_epilogue(own, *notes),
        )
    fleet = App(
        name="fleet",
        help="Link runs of many portals, queued in PostgreSQL.",
        help_epilogue=_epilogue(texts["fleet examples"].split("\n\n"), texts["where the fleet is"]),
    )
    for name, module in _FLEET_COMMANDS.items():
        help_ = texts[f"fleet {name}"]
        fleet.command(f"aiohubassoc.cli.{module}:{name}", name=name, help=help_)
    app.command(fleet)
    return app


def _read_help() -> dict[str, str]:
    """Return the sections of `help.md` by their names, every paragraph in one line."""
    data = pkgutil.get_data(__package__, "help.md")
    assert data is not None  # noqa: S101 -- no loader of packages lacks it
    _, *sections = data.decode().split("\n## ")
    texts = {}
    for section in sections:
        name, *paragraphs = section.split("\n\n")
        texts[name] = "\n\n".join(" ".join(one.split()) for one in paragraphs)
    return texts


def _epilogue(examples: Sequence[str], *notes: str) -> str:
    """Return what stands below a help: in Markdown two blanks end a line."""
    lines = "  \n".join(("Examples:", *(f"aiohubassoc {example}" for example in examples)))
    return "\n\n".join((lines, *notes))


def run(arguments: Sequence[str]) -> int:
    app, json_ = make_app(), signals.asks_for_json(arguments)
    if arguments[:1] == [_COMPLETION]:  # else what makes it would be loaded by every command
        app.register_install_completion_command(_COMPLETION)
        try:
            import_module("aiohubassoc.fleet")
        except OptionsError:  # its extra is not installed: complete the other commands
            del app["fleet"]
    with contextlib.ExitStack() as stack:
        stack.callback(setattr, warnings, "showwarning", warnings.showwarning)
        warnings.showwarning = terminal.show_warning
        if "--log-f" in " ".join(arguments):  # else what logs is not loaded
            from aiohubassoc.cli.logs import asks_for_json, json_lines  # noqa: PLC0415

            if asks_for_json(arguments):  # an error in the command line is a line of JSON, too
                stack.enter_context(json_lines())
        terminal.result = None
        try:
            _check_values(arguments)
            work, output = _parse(app, arguments)
        except (cyclopts.CycloptsError, AioHubAssocError) as error:
            return end_by_error(error, _describe_usage(error, app, arguments), json_=json_)
        work = partial(_work_and_print, work, json_=json_)
        try:
            with signals.raised():
                return _call(work, output, stack)
        except (AioHubAssocError, StorageError, KeyboardInterrupt) as error:
            return end_by_error(error, json_=json_)


def _describe_usage(error: Exception, app: App, arguments: Sequence[str]) -> str:
    if isinstance(error, cyclopts.UnknownOptionError):
        return _unknown_option(error.token.keyword or error.token.value, app, arguments)
    if isinstance(error, cyclopts.MissingArgumentError):
        return _missing_argument(error, app, arguments)
    if isinstance(error, cyclopts.UnusedCliTokensError):
        return f"there is no use for {', '.join(map(repr, error.unused_tokens or ()))}"
    try:
        return str(error)
    except OptionsError as missing:  # it loads the commands that it names; an extra may be missing
        return str(missing)


def _check_values(arguments: Sequence[str]) -> None:
    """Raise OptionsError for an empty value: as a path it would be the folder one is in."""
    for before, one in zip(("", *arguments), arguments, strict=False):
        option, equals, value = one.partition("=")
        if one and not (option.startswith("--") and equals and not value):
            continue
        what = option if one else before
        name = what if what.startswith("--") else "an argument"
        raise OptionsError(f"{name} is empty: a variable of the shell may not be set")


def _check_whole_numbers(
    _: App, __: tuple[str, ...], arguments: cyclopts.ArgumentCollection
) -> None:
    """Raise OptionsError for a whole number that is none: cyclopts would round a fraction."""
    for one in arguments:
        if int not in {one.hint, *get_args(one.hint)}:
            continue
        for token in one.tokens:
            try:
                int(token.value)
            except ValueError:
                message = f"{one.name} must be a whole number, not {token.value!r}"
                raise OptionsError(message) from None


def _parse(app: App, arguments: Sequence[str]) -> tuple[Callable[[], int | None], object]:
    """Return what does the work of a command, and what it was given of its output."""
    command, bound, _ = app.parse_args(list(arguments))
    one_each = (bound.arguments.get(name, STDIN) for name in ("left", "right"))
    for file in (*bound.arguments.get("files", ()), *one_each):
        if file.startswith("-") and file != STDIN:
            raise OptionsError(_unknown_option(file, app, arguments))
    work = partial(command, *bound.args, **bound.kwargs)
    if arguments[:1] == [_COMPLETION]:
        work = partial(_install_completion, work)
    return work, bound.arguments.get("output")


def _call(work: Callable[[], int], output: object, stack: contextlib.ExitStack) -> int:
    """Do the work of a command, with the logs and the end command that *output* asks for."""
    if not hasattr(output, "log_format"):  # a `PrintOptions` has it
        return work()
    options = cast("PrintOptions", output)
    from aiohubassoc.cli.logs import start_logs  # noqa: PLC0415 -- only if there are such options

    start_logs(options, stack)
    if options.on_end is None:
        return work()
    from aiohubassoc.cli.on_end import run_with_end  # noqa: PLC0415 -- only if asked

    return run_with_end(options.on_end, work)


def _install_completion(install: Callable[[], None]) -> None:
    """Install it, and print what that prints: it would do so past everything that may go wrong."""
    try:
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            install()
    except OSError as error:
        raise StorageError(f"the completion of the shell: {error.strerror}") from None
    terminal.print_lines(printed.getvalue().splitlines(), terminal.stdout())


def _work_and_print(work: Callable[[], int | None], *, json_: bool) -> int:
    """Do the work of a command; it is no success if standard output could not be written."""
    try:
        code = int(work() or 0)
    except (AioHubAssocError, StorageError, KeyboardInterrupt) as error:
        code = end_by_error(error, json_=json_)
    except terminal.OutputLostError:
        code = terminal.to_exit_code(StorageError())
    except OSError as error:  # of a path that the system does not take, or a folder that is gone
        about = "" if error.filename is None else f"{str(error.filename)[:_MOST_LETTERS]}: "
        message = f"Cannot use {about}{error.strerror or error}"
        code = end_by_error(error, message, json_=json_)
    lost = terminal.take_lost_output()
    if lost is None:
        return code
    terminal.print_error(f"Cannot write standard output: {lost}")
    return code if code > 1 else terminal.to_exit_code(StorageError())


def _missing_argument(
    error: cyclopts.MissingArgumentError, app: App, arguments: Sequence[str]
) -> str:
    argument, (command, names) = error.argument, _find_command(app, arguments)
    assert argument is not None  # noqa: S101 -- it is about one
    keyword = error.keyword or next((one.keyword for one in argument.tokens if one.keyword), None)
    if keyword is not None:
        return f"{keyword} needs a value: aiohubassoc {' '.join(names)} --help"
    options = _option_names(command)
    for word in error.unused_tokens or ():
        if word.startswith("--") and word.partition("=")[0] not in options:
            return _unknown_option(word, app, arguments)
    lacking = [argument.name]
    if argument.name.startswith("-"):
        given = {word.partition("=")[0] for word in arguments}
        known = command.assemble_argument_collection()
        options_needed = [one for one in known if one.required and one.name.startswith("-")]
        lacking = [one.name for one in options_needed if not given.intersection(one.names)]
    return f"{names[-1]} needs {' and '.join(lacking)}: aiohubassoc {' '.join(names)} --help"


def _find_command(app: App, arguments: Sequence[str]) -> tuple[App, list[str]]:
    """Return the command that *arguments* call, and the names that call it."""
    command, names = app, []
    for name in arguments:
        if name not in command:
            break
        command = command[name]
        names.append(name)
    return command, names


def _option_names(command: App) -> list[str]:
    # One that only has subcommands takes no arguments of its own.
    known = command.assemble_argument_collection() if command.default_command else ()
    return [name for one in known for name in one.names if name.startswith("--")]


def _unknown_option(option: str, app: App, arguments: Sequence[str]) -> str:
    if option[2:] in app:
        return f"there is no option {option}, but a command: aiohubassoc {option[2:]} --help"
    names = _option_names(_find_command(app, arguments)[0])
    return f"there is no option {option}{suggest(option.partition('=')[0], names)}"
