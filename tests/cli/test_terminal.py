"""Text from outside reaches the terminal escaped, wherever it comes from and is printed."""

from __future__ import annotations

import logging
import sqlite3
import sys
import unicodedata
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from aiohubassoc.cli.summary import print_categories
from aiohubassoc.cli.terminal import EscapingConsole, print_error, stderr, stdout
from tests.cli.conftest import TYPES, write_pairs

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Command, StartPortal

# Clear the screen, set the title (ended by BEL, or ESC \), C1's CSI, turn the text round, forge.
HOSTILE = "\x1b[2J\x1b]0;pwned\x07\x1b]8;;http://x\x1b\\\x9b31m\u202egnp.exe\u2066\r\nok\x7f\u2028"
BIDI = {"\u061c", "\u200e", "\u200f", *map(chr, range(0x202A, 0x202F)), *"\u2066\u2067\u2068\u2069"}


def _is_harmless(printed: str) -> bool:
    return not any(
        unicodedata.category(letter) in {"Cc", "Zl", "Zp"} or letter in BIDI
        for letter in printed.replace("\n", "")
    )


@pytest.mark.parametrize("way", ["print", "table", "live", "error"])
def test_what_is_printed_is_escaped(capsys: pytest.CaptureFixture[str], way: str) -> None:
    """In a line, a cell of a table, a line that changes, and an error; and on one line."""
    if way == "print":
        stdout().print(f"[bold]{escape(HOSTILE)}[/]")
    elif way == "table":
        table = Table("title", box=None)
        table.add_row(escape(HOSTILE))
        stdout().print(table, soft_wrap=False)
    elif way == "live":
        console = stdout()
        with Live(console=console, auto_refresh=False) as live:
            live.update(console.render_str(escape(HOSTILE)), refresh=True)
    else:
        print_error(HOSTILE)
    printed = "".join(capsys.readouterr())
    assert _is_harmless(printed)
    assert r"\x1b[2J\x1b]0;pwned\x07" in printed
    assert r"\x9b31m\u202egnp.exe\u2066\r\nok\x7f\u2028" in printed


@given(text=st.text())
def test_no_text_gets_through(text: str) -> None:
    """Whatever it holds: controls, marks of direction, markup."""
    assert _is_harmless(stdout().render_str(escape(text)).plain)


def test_what_is_no_control_stays(capsys: pytest.CaptureFixture[str]) -> None:
    """Letters, emoji names and what looks like markup are as they were."""
    stdout().print(escape("Zoë 日本 :warning: [red] [/] \\[x]"))
    assert capsys.readouterr().out == "Zoë 日本 :warning: [red] [/] \\[x]\n"


def test_what_the_library_logs(
    command: Command, start_portal: StartPortal, pairs_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A warning of the library's is printed the same way, and once."""
    start_portal()

    def warn(*_: object) -> None:
        logging.getLogger("aiohubassoc").warning("said %s", HOSTILE)

    monkeypatch.setattr("aiohubassoc.cli.link.LinkRun.take", warn)
    pairs_file.write_text("from_id,to_id\n1,2\n", encoding="utf-8")
    for _ in range(2):
        result = command("link", pairs_file, *TYPES)
        assert result.err.count("aiohubassoc: said ") == 1
        assert _is_harmless(result.err)


# --- where it comes from -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        "from_id,to_id\n1,{}\n",
        "from_id,{}\n1,2\n",
        "from_id,to_id,from_type\n1,2,{}\n",
    ],
    ids=["cell", "header", "type"],
)
@pytest.mark.parametrize("verb", ["link", "plan", "verify"])
def test_files(
    command: Command, start_portal: StartPortal, tmp_path: Path, *, verb: str, content: str
) -> None:
    """Of cells, of names of columns; by every command that reads them."""
    start_portal()
    pairs = tmp_path / "pairs.csv"
    hostile = HOSTILE.replace("\r\n", "")
    pairs.write_text(content.format(hostile), encoding="utf-8", newline="")
    result = command(verb, pairs, *TYPES)
    assert "x1b" in result.err + result.out
    assert _is_harmless(result.err + result.out)


@pytest.mark.parametrize("verb", ["link", "plan", "verify", "resume", "status", "export"])
def test_names_of_files(command: Command, start_portal: StartPortal, verb: str) -> None:
    """Of files and folders that are not there."""
    start_portal()
    result = command(verb, f"/nowhere/{HOSTILE}")
    assert result.code != 0
    assert "x1b" in result.err
    assert _is_harmless(result.err + result.out)


@pytest.mark.parametrize(
    "arguments",
    [
        ("link", "x", f"--{HOSTILE}"),
        ("link", "x", "--from", HOSTILE),
        ("link", "x", "--share", HOSTILE),
        ("link", "x", "--quota", HOSTILE),
        ("simulate", "--fault", HOSTILE),
        ("status", "x", HOSTILE),
        (HOSTILE,),
    ],
)
def test_options(command: Command, start_portal: StartPortal, arguments: tuple[str, ...]) -> None:
    """What was typed, or pasted."""
    start_portal()
    result = command(*arguments)
    assert result.code == 2
    assert _is_harmless(result.err + result.out)


@pytest.fixture
def hostile_folder(
    command: Command, start_portal: StartPortal, tmp_path: Path, folder: Path
) -> Path:
    """Return a run folder in which HubSpot's words are hostile."""
    start_portal(records_up_to=0)
    command("link", write_pairs(tmp_path / "pairs.csv", 3), *TYPES, "--run", folder)
    with sqlite3.connect(folder / "journal.db") as db:
        db.execute("update pairs set message = ?, category = ?", (HOSTILE, HOSTILE))
    db.close()
    return folder


def test_words_of_hubspot(command: Command, hostile_folder: Path) -> None:
    """In the categories of a run, as its summary prints them, too."""
    printed = command("status", hostile_folder).out
    assert r"\x1b[2J" in printed
    assert _is_harmless(printed)
    again = command("resume", "--no-check", hostile_folder).out
    assert r"\x1b[2J" in again
    assert _is_harmless(again)


def test_export_to_a_terminal_and_to_a_pipe(
    command: Command, hostile_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipe is given what the folder has, a terminal what it can show."""
    assert HOSTILE in command("export", hostile_folder).out
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    shown = command("export", hostile_folder).out
    assert shown.count("\n") == 4
    assert r"\x1b[2J" in shown
    assert _is_harmless(shown)


def test_a_letter_that_the_terminal_lacks(capsys: pytest.CaptureFixture[str]) -> None:
    """Does not end the work; a lone half of one neither."""
    stderr().print("half \udcff")
    assert capsys.readouterr().err == "half \\udcff\n"


@pytest.mark.parametrize("columns", ["0", "1", "2", "100000000000"])
def test_a_width_that_no_terminal_has(
    command: Command, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    """What is printed is printed all the same."""
    monkeypatch.setenv("COLUMNS", columns)
    result = command("link", "--help")
    assert (result.code, "Exit codes" in result.out) == (0, True)
    stdout().print("text")
    assert command("status", "none").err.startswith("aiohubassoc: none is not a run folder")


def test_a_narrow_terminal_has_no_table(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A column of a few letters can be neither read nor copied."""
    monkeypatch.setenv("COLUMNS", "40")
    console = EscapingConsole(force_terminal=True)
    print_categories([(1, "failed", "NAME", "a correlation id, e6b1bce0-98e4-4a8b")], console)
    assert "failed, NAME: a correlation id, e6b1bce0-98e4-4a8b" in capsys.readouterr().out
