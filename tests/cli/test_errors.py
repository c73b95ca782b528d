"""What was mistyped is said in one way, with what may have been meant; and exit codes of ends."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from aiohubassoc.cli.app import make_app
from aiohubassoc.cli.terminal import suggest, suggest_choice
from aiohubassoc.journal.schema import FolderLock
from tests.cli.conftest import TOKEN, TYPES

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Command, StartPortal

_COMMANDS = (
    *("link", "resume", "status", "export", "verify"),
    *("plan", "pairs", "check", "simulate", "demo"),
)


# --- did you mean ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "reported"),
    [
        (("lnk",), 'Did you mean "link"?'),
        (("link", "x", "--form", "contacts"), "there is no option --form. Did you mean --from?"),
        (("link", "x", "--form=contacts"), "Did you mean --from?"),
        (("link", "x", "--fromat", "csv"), "Did you mean --format?"),
        (("link", "x", "--skip-invalids"), "Did you mean --skip-invalid?"),
        (("verify", "x", "--mising"), "there is no option --mising. Did you mean --missing?"),
        (("plan", "x", "--qouta", "1/1s"), "Did you mean --quota?"),
        (("resume", "x", "--retry-fail"), "Did you mean --retry-failed?"),
        (("link", "x", "-x"), "there is no option -x"),
        (("link", "x", "--resume"), "no option --resume, but a command: aiohubassoc resume --help"),
        (("link", "x", "--quota", "profesional"), "Did you mean professional?"),
        (("link", "x", "--quota", "limit-increese"), "Did you mean limit-increase?"),
        (("plan", "x", "--batch-quota", "oath"), "Did you mean oauth?"),
        (("simulate", "--quota", "Enterprize"), "Did you mean enterprise?"),
        (("simulate", "--fault", "no_bdy=0.1"), "Did you mean no_body?"),
        (("link", "x", "--format", "cvs"), "Did you mean csv?"),
        (("export", "x", "--format", "jsnol"), 'Did you mean "jsonl"?'),
        (("link", "x", "--via", "bach"), 'Did you mean "batch"?'),
        (("link", "x", "--api-version", "2026-9"), "Did you mean 2026-09?"),
        (("fleet", "submit", "a", "x", "--form", "b"), "option --form. Did you mean --from?"),
        (("fleet", "status", "--jsn"), "there is no option --jsn. Did you mean --json?"),
        (("fleet", "export", "1", "--json"), "there is no option --json"),
    ],
)
def test_what_may_have_been_meant(
    command: Command, start_portal: StartPortal, arguments: tuple[str, ...], reported: str
) -> None:
    """Of commands, options and values; exit code 2, one line that begins as all errors do."""
    start_portal()
    result = command(*arguments)
    assert result.code == 2
    assert reported in result.err
    assert (result.err[:13], result.err.count("\n")) == ("aiohubassoc: ", 1)


@pytest.mark.parametrize(
    ("arguments", "reported"),
    [
        (("status",), "status needs FOLDER: aiohubassoc status --help"),
        (("report", "r"), "report needs --output: aiohubassoc report --help"),
        (("check",), "check needs --from and --to: aiohubassoc check --help"),
        (("check", "--form", "a", "--to", "b"), "no option --form. Did you mean --from?"),
        (("fleet", "status", "--database"), "--database needs a value: aiohubassoc fleet status"),
        (("link", "x", "--quota"), "--quota needs a value: aiohubassoc link --help"),
        (("status", "x", "y"), "there is no use for 'y'"),
        (("link", "x", "--share", "5x"), "'5x' is neither a part such as 0.5 nor a percentage"),
        (("link", "/nowhere", *TYPES), "cannot open /nowhere: No such file or directory"),
        (("link", "x", "--base-url", "http://1.2.3.4"), "(--allow-http sends it anyway)"),
        (("link", "x", "--concurrency", "0"), "--concurrency must be"),
    ],
)
def test_every_error_looks_alike(
    command: Command, start_portal: StartPortal, arguments: tuple[str, ...], reported: str
) -> None:
    """Whoever finds it; with the names of the options, not those of the library."""
    start_portal()
    result = command(*arguments)
    assert (result.code, reported in result.err) == (2, True), result
    assert (result.err[:13], result.err.count("\n")) == ("aiohubassoc: ", 1)


@pytest.mark.parametrize(
    ("given", "suggested"),
    [
        ("--form", ". Did you mean --from?"),
        ("--FROM", ". Did you mean --from?"),
        ("--zzz", ""),
        ("", ""),
    ],
)
def test_suggestions(given: str, suggested: str) -> None:
    """The one that is most like it; none where none is."""
    assert suggest(given, ["--from", "--to"]) == suggested


def test_messages_without_choices_have_no_suggestion() -> None:
    """Whatever they hold."""
    for message in ("", "'a' is wrong", "'a' is one of", "one of a, b", "'x' is none of abc, def"):
        assert suggest_choice(message) == ""


def test_a_missing_token_and_missing_types_are_named_at_once(
    command: Command, pairs_file: Path
) -> None:
    """Not one after the other."""
    result = command("link", pairs_file)
    assert result.code == 2
    assert "no access token" in result.err
    assert "--from" in result.err


def test_a_share_may_be_a_percentage(command: Command, pairs_file: Path) -> None:
    """As a reserve may."""
    quotas = [
        command("plan", pairs_file, *TYPES, "--json", "--share", share).reported["quota"]
        for share in ("0.5", "50%", " 50 %")
    ]
    assert quotas == [quotas[0]] * 3


# --- exit codes --------------------------------------------------------------------------------


def test_a_folder_in_use(
    link: Command, command: Command, start_portal: StartPortal, pairs_file: Path, folder: Path
) -> None:
    """Is no mistake: exit code 75, which says to try again later."""
    start_portal()
    assert link(pairs_file, "--run", folder).code == 0
    lock = FolderLock(folder)
    try:
        for result in (link(pairs_file, "--run", folder), command("resume", "--no-check", folder)):
            assert (result.code, "is being used by" in result.err) == (75, True)
    finally:
        lock.release()


@pytest.mark.parametrize("content", ["from_id,to_id\n", "Record ID,Associated Company IDs\n1,\n"])
@pytest.mark.parametrize("verb", ["link", "verify"])
@pytest.mark.parametrize("given", ["file", "-"])
def test_an_input_without_rows(
    command: Command,
    start_portal: StartPortal,
    tmp_path: Path,
    *,
    verb: str,
    content: str,
    given: str,
) -> None:
    """A header alone, or rows with nothing to link: a warning, and what --require-rows makes."""
    start_portal()
    pairs = tmp_path / "pairs.csv"
    pairs.write_text(content, encoding="utf-8")
    stdin = content.encode() if given == "-" else None
    source, name = (pairs, str(pairs)) if stdin is None else ("-", "standard input")
    options = (*TYPES, "--json")
    result = command(verb, source, *options, stdin=stdin)
    assert (result.code, result.reported["exit_code"]) == (0, 0)
    assert result.err == f"aiohubassoc: {name} holds no pairs\n"
    required = command(verb, source, *options, "--require-rows", stdin=stdin)
    assert (required.code, required.reported["exit_code"]) == (1, 1)


def test_an_input_with_rows_is_what_is_required(
    command: Command, start_portal: StartPortal, pairs_file: Path
) -> None:
    """Rows that cannot be used are rows, too."""
    start_portal()
    result = command("link", pairs_file, *TYPES, "--require-rows")
    assert (result.code, result.err) == (0, "")
    pairs_file.write_text("from_id,to_id\nx y,1\n", encoding="utf-8")
    options = ("--require-rows", "--skip-invalid")
    assert "No rows" not in command("link", pairs_file, *TYPES, *options).err


# --- help --------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", _COMMANDS)
def test_help_breaks_no_sentence(
    command: Command, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """Where its source ends a line: with room enough each option has one."""
    monkeypatch.setenv("COLUMNS", "400")
    result = command(verb, "--help")
    assert result.code == 0
    boxes = [line for line in result.out.splitlines() if line.startswith("│")]
    arguments = make_app()[verb].assemble_argument_collection()
    shown = [one for one in arguments if one.show]
    assert len(boxes) == len(shown), result.out


@pytest.mark.parametrize("verb", _COMMANDS)
def test_help_ends_with_its_own_examples(command: Command, verb: str) -> None:
    """Those of the command, each on its line; the whole list is that of the program."""
    own = _examples(command(verb, "--help").out)
    assert own
    assert all(line.split("aiohubassoc ")[1].split()[0] == verb for line in own)
    assert set(own) <= set(_examples(command("--help").out))


@pytest.mark.parametrize("option", ["--from", "--limit"])
def test_what_is_like_no_option_has_no_suggestion(command: Command, option: str) -> None:
    """The dashes that all options have do not make them alike: --from is not --proxy."""
    assert command("resume", "x", option, "a").err.endswith(f"there is no option {option}\n")


@pytest.mark.parametrize("verb", ["link", "plan", "verify"])
def test_help_shows_no_default_of_a_flag(command: Command, verb: str) -> None:
    """It is never given, so that the defaults of other options can be found."""
    help_ = command(verb, "--help").out
    assert "[default: utf-8]" in help_
    assert not {"[default: False]", "[default: None]"} & {*re.findall(r"\[default: \w+\]", help_)}


@pytest.mark.parametrize("verb", ["link", "plan", "verify"])
def test_help_shows_a_line_of_json(
    command: Command, start_portal: StartPortal, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """In both forms, and either is taken as it is shown."""
    start_portal()
    monkeypatch.setenv("COLUMNS", "400")
    (line,) = [one for one in command(verb, "--help").out.splitlines() if "JSON Lines: {" in one]
    forms = re.findall(r"{.*?}", line)
    assert [*map(json.loads, forms)] == [
        {"from": "contacts:1", "to": "companies:2"},
        {"from_id": 1, "to_id": 2},
    ]
    result = command(
        "plan", "-", *TYPES, "--format", "jsonl", "--json", stdin="\n".join(forms).encode()
    )
    assert (result.reported["pairs"], result.reported["duplicates"]) == (1, 1)


def _examples(printed: str) -> list[str]:
    lines = printed.partition("Examples:")[2].splitlines()
    return [line.strip() for line in lines if "aiohubassoc " in line]


def test_the_token_is_no_example(command: Command) -> None:
    """Nor is it an argument, which others could see."""
    printed = command("link", "--help").out
    assert TOKEN not in printed
    assert "The access token is read from HUBSPOT_ACCESS_TOKEN." in printed


@pytest.mark.parametrize(
    "arguments",
    [
        ("link", "pairs.csv", "--run", "x" * 5000),
        ("link", "pairs.csv", "--report", "x" * 5000),
        ("link", "pairs.csv", "--no-check", "--failures", "x" * 5000),
        ("link", "x" * 5000),
        ("plan", "pairs.csv", "--run", "x" * 5000),
        ("verify", "pairs.csv", "--output", "x" * 5000),
        ("status", "x" * 5000),
        ("report", "x" * 5000, "--output", "y"),
    ],
    ids=lambda words: " ".join(words)[:30],
)
def test_a_name_that_the_system_does_not_take(
    command: Command, pairs_file: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    """Is an error in a line, not a traceback."""
    monkeypatch.chdir(pairs_file.parent)
    monkeypatch.setenv("HUBSPOT_ACCESS_TOKEN", "t")
    types = TYPES if arguments[0] in {"link", "plan", "verify"} else ()
    result = command(*arguments, *types)
    assert result.code in {2, 5}
    assert "File name too long" in result.err
