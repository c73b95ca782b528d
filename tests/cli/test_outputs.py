"""What an output never overwrites, by whatever name; and who can read a run folder."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest

from aiohubassoc.cli.sinks import check_outputs
from aiohubassoc.errors import OptionsError
from tests.cli.conftest import FAST, TOKEN, TYPES, write_pairs
from tests.cli.processes import COMMAND

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Command, StartPortal

_SOFT = os.symlink
_HARD = os.link


@pytest.fixture
def work(
    command: Command, start_portal: StartPortal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Return the working directory: pairs.csv, token, and run folders ``one`` and ``two``."""
    start_portal()
    monkeypatch.chdir(tmp_path)
    write_pairs(tmp_path / "pairs.csv", 3)
    (tmp_path / "token").write_text(TOKEN, encoding="utf-8")
    for folder in ("one", "two"):
        assert command("link", "pairs.csv", *TYPES, *FAST, "--run", folder).code == 0
    return tmp_path


# Pairs of options that name files to be written by one command.
_TWO_OUTPUTS = (
    ("link", "pairs.csv", *TYPES, "--failures", "--report"),
    ("link", "pairs.csv", *TYPES, "--failures", "--log-file"),
    ("resume", "one", "--report", "--log-file"),
    ("verify", "one", "--output", "--log-file"),
    ("verify", "one", "--output", "--report"),
    ("pairs", "pairs.csv", "pairs.csv", "--on", "from_id", "--output", "--unmatched"),
)
# Every option that names a file to be written, with a command that has an input, a token file and
# the run folder ``one``.
_OUTPUTS = {
    "link": ("link", "pairs.csv", *TYPES, "--run", "one", "--token-file", "token", "--failures"),
    "resume": ("resume", "one", "--token-file", "token", "--failures"),
    "verify": ("verify", "one", "--token-file", "token", "--output"),
    "export": ("export", "one", "--output"),
}
_KEPT = ("pairs.csv", "token", "one/journal.db", "one/lock.db", "two/journal.db")


def _named(path: str, _: Path) -> str:
    return path


def _dotted(path: str, _: Path) -> str:
    return f"./one/.././{path}"


def _whole(path: str, work: Path) -> str:
    return str(work / path)


def _linked(make: Callable[[str, str], None]) -> Callable[[str, Path], str]:
    def name(path: str, work: Path) -> str:
        (work / "other.csv").unlink(missing_ok=True)
        make(str(work / path), "other.csv")
        return "other.csv"

    return name


def _through_a_linked_folder(path: str, work: Path) -> str:
    if not (work / "elsewhere").exists():
        (work / "elsewhere").symlink_to(work)
    return f"elsewhere/{path}"


_WAYS = {
    "as it is": _named,
    "dots": _dotted,
    "whole path": _whole,
    "symlink": _linked(_SOFT),
    "hard link": _linked(_HARD),
    "linked folder": _through_a_linked_folder,
}


@pytest.mark.parametrize("way", _WAYS)
@pytest.mark.parametrize("verb", _OUTPUTS)
def test_what_is_needed_is_not_overwritten(
    command: Command, work: Path, *, verb: str, way: str
) -> None:
    """Inputs, the token, whatever is in a run folder: exit code 2, and each byte is there."""
    kept = set(_KEPT)
    if verb == "export":
        kept.remove("token")  # it takes none
    if way == "hard link":
        kept.remove("two/journal.db")  # nobody can know which other folder a file is in, too
    for path in kept:
        before = (work / path).read_bytes()
        result = command(*_OUTPUTS[verb], _WAYS[way](path, work))
        assert result.code == 2, result
        assert "would overwrite" in result.err or "is in the run folder" in result.err
        assert (work / path).read_bytes() == before


@pytest.mark.parametrize("option", ["--failures", "--log-file", "--report"])
@pytest.mark.parametrize("is_there", [True, False])
def test_a_shared_quota_is_not_overwritten(
    command: Command, work: Path, *, option: str, is_there: bool
) -> None:
    """All other processes that share it would stop."""
    given = ("link", "pairs.csv", *TYPES, *FAST, "--shared-quota")
    if is_there:
        assert command(*given, "sqlite:///quota.html").code == 0
    result = command(*given, "sqlite:///quota.html", option, f"{work}/quota.html")
    assert (result.code, "quota.html" in result.err) == (2, True), result
    if is_there:
        assert "would overwrite an SQLite database" in result.err
        # Whether this run uses it or another one.
        assert command(*given[:-1], option, "quota.html").code == 2
        assert command(*given, "sqlite:///quota.html").code == 0
    else:
        assert "are the same file: name two" in result.err


@pytest.mark.parametrize("way", ["same name", *_WAYS, "not there yet"])
@pytest.mark.parametrize("given", _TWO_OUTPUTS, ids=lambda given: " ".join((given[0], *given[-2:])))
def test_two_outputs_are_two_files(
    command: Command, work: Path, *, given: tuple[str, ...], way: str
) -> None:
    """Whatever their names: one would overwrite the other, and nothing is sent or written."""
    *words, one, other = given
    (work / "out.csv").write_text("kept", encoding="utf-8")
    second = _WAYS[way]("out.csv", work) if way in _WAYS else "./out.csv"
    if way == "not there yet":
        (work / "out.csv").unlink()
    result = command(*words, one, "out.csv", other, second)
    assert (result.code, result.err.count(" the same file: name two")) == (2, 1), result
    assert result.err.startswith(f"aiohubassoc: {one} out.csv and {other} {second} are")
    assert way == "not there yet" or (work / "out.csv").read_text("utf-8") == "kept"


@pytest.mark.looptime(False)
@pytest.mark.parametrize("option", ["--failures", "--log-file"])
def test_an_output_is_not_the_file_that_standard_output_goes_to(work: Path, option: str) -> None:
    """Two writers would write over each other; a device takes both."""
    given = [*COMMAND, "link", "pairs.csv", *TYPES, *FAST, "--json", option]
    pipe = subprocess.PIPE
    with (work / "out.json").open("wb") as file:
        done = subprocess.run([*given, "out.json"], stdout=file, stderr=pipe, check=False)
    problem = f"{option} out.json and standard output are the same file: name two"
    assert (done.returncode, problem.encode() in done.stderr) == (2, True)
    # Nothing but what --json prints of an error.
    assert json.loads((work / "out.json").read_bytes()) == {"error": problem, "exit_code": 2}
    with open(os.devnull, "wb") as file:  # noqa: PTH123 -- a device
        done = subprocess.run([*given, os.devnull], stdout=file, check=False)
    assert done.returncode == 0
    with (work / "out.json").open("ab") as file:  # as of cron: both append
        done = subprocess.run([*given, "out.json"], stdout=file, stderr=pipe, check=False)
    assert done.returncode == (0 if option == "--log-file" else 2)


@pytest.mark.parametrize("verb", _OUTPUTS)
def test_nothing_is_written_into_a_run_folder(command: Command, work: Path, verb: str) -> None:
    """Neither what is not there yet."""
    for path in ("one/new.csv", "one/further/new.csv", "two/new.csv", "one"):
        result = command(*_OUTPUTS[verb], path)
        assert (result.code, "is in the run folder" in result.err) == (2, True)
        assert not (work / path).is_file()


def test_a_run_folder_that_is_not_there_yet(command: Command, work: Path) -> None:
    """Is made after the check; names that differ by case may be one."""
    for folder, failures in (
        ("three", "three/journal.db"),
        ("three", "Three/x.csv"),
        ("three", "./x/../three"),
    ):
        options = ("--run", folder, "--failures", failures)
        result = command("link", "pairs.csv", *TYPES, *FAST, *options)
        assert (result.code, "is in the run folder" in result.err) == (2, True)
        assert not (work / folder).exists()


def test_standard_input_is_an_input(command: Command, work: Path) -> None:
    """A file that is read as such is not overwritten either; a device may be."""
    content = (work / "pairs.csv").read_bytes()
    given = ("link", "-", *TYPES, *FAST, "--failures")
    result = command(*given, work / "stdin", stdin=content)
    assert (result.code, "would overwrite the input" in result.err) == (2, True)
    assert (work / "stdin").read_bytes() == content
    check_outputs({"--failures": os.devnull}, inputs=[os.devnull])


@pytest.mark.parametrize("verb", _OUTPUTS)
def test_other_files_are_overwritten(command: Command, work: Path, verb: str) -> None:
    """As before: of an earlier run, beside a run folder, in one that only looks like it."""
    (work / "other").mkdir()
    (work / "other" / "journal.db").write_text("a diary", encoding="utf-8")
    for path in ("failures.csv", "other/failures.csv"):
        for _ in range(2):
            assert command(*_OUTPUTS[verb], path).code == 0
        assert (work / path).exists()


@pytest.mark.parametrize("suffix", [".xlsx", ".csv.gz", ".tsv", ".JSON", ".pdf"])
@pytest.mark.parametrize(
    "arguments",
    [
        *_OUTPUTS.values(),
        ("pairs", "pairs.csv", "pairs.csv", "--on", "from_id", "--output"),
        ("pairs", "pairs.csv", "pairs.csv", "--on", "from_id", "--unmatched"),
        ("link", "pairs.csv", *TYPES, "--report"),
        ("verify", "one", "--report"),
        ("report", "one", "--output"),
    ],
    ids=lambda given: f"{given[0]} {given[-1]}",
)
def test_a_name_shows_no_format_but_what_is_written(
    command: Command, work: Path, arguments: tuple[str, ...], suffix: str
) -> None:
    """Else a spreadsheet program, or `link`, cannot read the file."""
    result = command(*arguments, f"out{suffix}")
    assert result.code == 2
    assert f"out{suffix}: the name ends with .{suffix.lower().rpartition('.')[2]}" in result.err
    assert not (work / f"out{suffix}").exists()


def test_a_format_that_is_given_goes_with_any_name(command: Command, work: Path) -> None:
    """A program that reads the file may know no other."""
    assert command("export", "one", "--format", "jsonl", "--output", "out.json").code == 0
    assert len((work / "out.json").read_text(encoding="utf-8").splitlines()) == 3


def test_nothing_to_write() -> None:
    """Nothing is refused."""
    check_outputs({"--failures": None}, inputs=["pairs.csv"])
    with pytest.raises(OptionsError, match="would overwrite the input"):
        check_outputs({"--failures": __file__}, inputs=[__file__])


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_a_run_folder_is_its_owners(command: Command, work: Path) -> None:
    """Ids and messages of HubSpot are in it; it stays so when it is resumed."""
    before = os.umask(0o022)
    try:
        (work / "made").mkdir(mode=0o755)
        for folder in ("nested/run", "made"):
            command("link", "pairs.csv", *TYPES, *FAST, "--run", folder)
            command("resume", "--no-check", folder)
            for file in (work / folder).iterdir():
                assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
        assert stat.S_IMODE((work / "nested/run").stat().st_mode) == 0o700
        assert stat.S_IMODE((work / "made").stat().st_mode) == 0o755  # not ours to change
    finally:
        os.umask(before)
