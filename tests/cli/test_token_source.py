"""Where the command's token comes from, and a new one in mid-run."""

from __future__ import annotations

import io
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aiohubassoc import OptionsError
from aiohubassoc._http.auth import TokenSource
from aiohubassoc.cli.connection import read_token
from aiohubassoc.cli.options import AccessOptions
from aiohubassoc.token_reading import parse_token, token_from_command
from tests.cli.conftest import TOKEN, TYPES, sent_to, write_pairs

if TYPE_CHECKING:
    from aiohubassoc.simulator import ServedPortal
    from tests.cli.conftest import Command, StartPortal

_NEXT = "canary-token-2"


def _python(code: str) -> str:
    return shlex.join([sys.executable, "-I", "-c", code])


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    """Return a token file as it should be."""
    path = tmp_path / "token"
    path.write_text(TOKEN, encoding="utf-8")
    path.chmod(0o600)
    return path


def _expire_after(portal: ServedPortal, calls: int, token_file: Path, new: str) -> None:
    """After this many calls the portal refuses the token, and the file has another one."""
    respond, seen = portal.portal.respond, 0

    def counting(*arguments: object, **options: object) -> object:
        nonlocal seen
        seen += 1
        if seen == calls:
            portal.portal.revoke(TOKEN)
            portal.portal.accept(_NEXT)
            token_file.write_text(new, encoding="utf-8")
        return respond(*arguments, **options)  # type: ignore[arg-type]  # as they came

    portal.portal.respond = counting  # type: ignore[method-assign,assignment]


# --- a token that expires in mid-run -----------------------------------------------------------


@pytest.mark.parametrize("source", ["file", "command"])
def test_a_token_that_expires_is_asked_for_again(
    link: Command, start_portal: StartPortal, tmp_path: Path, token_file: Path, *, source: str
) -> None:
    """The file was rewritten, or the command prints another one: every pair is linked once."""
    portal = start_portal()
    _expire_after(portal, 100, token_file, f"{_NEXT}\n")
    asked = tmp_path / "asked"
    code = f"open({str(asked)!r}, 'a').write('x'); print(open({str(token_file)!r}).read())"
    options = {"file": ("--token-file", token_file), "command": ("--token-command", _python(code))}
    result = link(write_pairs(tmp_path / "many.csv", 300), *options[source], "--json")
    assert (result.code, result.reported["linked"]) == (0, 300)
    assert set(sent_to(portal).values()) == {1}
    if source == "command":
        assert asked.read_text(encoding="utf-8") == "xx"  # once at first, once for the refusal


def test_a_token_that_stays_the_same_ends_the_run(
    link: Command, start_portal: StartPortal, pairs_file: Path, token_file: Path
) -> None:
    """Exit code 4, with the file to look at."""
    start_portal()
    token_file.write_text("canary-expired", encoding="utf-8")
    result = link(pairs_file, "--token-file", token_file)
    assert result.code == 4
    assert f"Check {token_file}" in result.out
    assert "canary" not in result.out + result.err


@pytest.mark.parametrize("gone", ["missing", "empty"])
def test_a_file_that_is_gone_ends_the_run_in_good_order(
    link: Command, start_portal: StartPortal, tmp_path: Path, token_file: Path, *, gone: str
) -> None:
    """Each pair has its outcome; the reason is said; no token is."""
    portal = start_portal()
    _expire_after(portal, 20, token_file, "")
    if gone == "missing":
        token_file = tmp_path / "two"
        token_file.write_text(TOKEN, encoding="utf-8")
        token_file.chmod(0o600)
        respond = portal.portal.respond

        def removing(*arguments: object, **options: object) -> object:
            token_file.unlink(missing_ok=True)
            return respond(*arguments, **options)  # type: ignore[arg-type]  # as they came

        portal.portal.respond = removing  # type: ignore[method-assign,assignment]
    result = link(write_pairs(tmp_path / "many.csv", 60), "--token-file", token_file)
    assert result.code == 4
    assert "there is no new access token: " in result.err
    assert TOKEN not in result.out + result.err


def test_a_command_that_gives_no_new_token_in_time_stops_the_run(
    link: Command,
    start_portal: StartPortal,
    tmp_path: Path,
    token_file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In good order: pairs were sent, so each is reported, and the run can be continued."""
    portal = start_portal()
    _expire_after(portal, 20, token_file, "")
    monkeypatch.setattr("aiohubassoc.client.TokenSource", lambda token, _: TokenSource(token, 0.2))
    command = f"sh -c 'test -s {token_file} && exec cat {token_file}; exec sleep 1000'"
    pairs, folder = write_pairs(tmp_path / "many.csv", 60), tmp_path / "run"
    result = link(pairs, "--token-command", command, "--run", folder, "--json")
    assert (result.code, result.reported["exit_code"]) == (3, 3)
    assert "no token within 0.2 s" in result.reported["stopped"]
    assert 0 < result.reported["linked"] < 60
    assert result.reported["unprocessed"] > 0


# --- what stands in a file ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf%b\r\n",
        b'"%b"\n',
        b"'%b'",
        b"HUBSPOT_ACCESS_TOKEN=%b\n",
        b'export HUBSPOT_ACCESS_TOKEN="%b"\n',
        b"\xef\xbb\xbfTOKEN = '%b'\r\n",
        b"# made on Monday\nHUBSPOT_BASE_URL=https://api.hubapi.com\nPRIVATE_APP_ACCESS_TOKEN=%b\n",
        b"\n \n%b \n\n",
    ],
)
def test_what_stands_around_a_token_is_taken_off(tmp_path: Path, content: bytes) -> None:
    """As Notepad, a shell and Docker write it."""
    token = "CKq_3-zz=="
    assert parse_token((content % token.encode()).decode()) == token


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_file_of_powershell(
    link: Command, start_portal: StartPortal, pairs_file: Path, token_file: Path, encoding: str
) -> None:
    """It begins with a byte order mark."""
    start_portal()
    token_file.write_text(f"{TOKEN}\r\n", encoding=encoding)
    assert link(pairs_file, "--token-file", token_file).code == 0


@pytest.mark.parametrize("source", ["HUBSPOT_ACCESS_TOKEN", "standard input"])
def test_a_wrong_token_is_named_by_its_source(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Among two variables, a file and a command, nobody searches for it."""
    monkeypatch.setenv("HUBSPOT_ACCESS_TOKEN", "pat-na1 1234")
    monkeypatch.setattr(sys, "stdin", io.StringIO("pat-na1 1234\n"))
    with pytest.raises(OptionsError) as caught:
        read_token(AccessOptions(token_stdin=source == "standard input"))
    assert str(caught.value).startswith(f"{source}: the token contains a space")
    assert "pat-na1" not in str(caught.value)


def test_a_variable_with_quotes(
    link: Command, start_portal: StartPortal, pairs_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Docker's --env-file keeps them."""
    start_portal()
    monkeypatch.setenv("HUBSPOT_ACCESS_TOKEN", f'"{TOKEN}"')
    assert link(pairs_file).code == 0


@pytest.mark.parametrize(("mode", "lines"), [(0o644, 1), (0o604, 1), (0o640, 0), (0o600, 0)])
def test_a_file_that_everybody_can_read(
    link: Command,
    start_portal: StartPortal,
    pairs_file: Path,
    token_file: Path,
    *,
    mode: int,
    lines: int,
) -> None:
    """One line says so, also where the run reads back with a second client."""
    start_portal()
    token_file.chmod(mode)
    result = link(pairs_file, "--token-file", token_file, "--verify")
    assert result.code == 0
    assert result.err.count("can be read by every user of this machine: chmod 600") == lines


# --- a command ---------------------------------------------------------------------------------


def test_no_shell_runs_the_command(tmp_path: Path) -> None:
    """What a shell obeys is an argument like any other."""
    code = "import sys; print(sys.argv[1:] == ['$HOME;', '|', 'a b'])"
    assert token_from_command(f"{_python(code)} '$HOME;' | 'a b'") == "True"


@pytest.mark.parametrize(
    ("command", "reported"),
    [
        ("", "is empty"),
        ("'x", "cannot be split: No closing quotation"),
        ("/nowhere/pass x", "(/nowhere/pass) cannot be run: No such file or directory"),
        (_python("import sys; print('canary'); sys.exit('canary: locked')"), "1: ...: locked"),
        (_python(""), "printed nothing"),
        (_python("import sys; sys.stdout.buffer.write(b'\\xff')"), "not text"),
    ],
)
def test_a_command_that_gives_no_token(command: str, reported: str) -> None:
    """What it said on standard error is passed on, what it printed is not."""
    with pytest.raises(OptionsError) as refused:
        read_token(AccessOptions(token_command=command))
    assert reported in str(refused.value)
    assert "canary" not in str(refused.value)


@pytest.mark.skipif(os.name != "posix", reason="a file without end")
def test_a_file_without_end() -> None:
    """Its beginning is read."""
    with pytest.raises(OptionsError, match="/dev/zero has more than 64 kB: it must"):
        read_token(AccessOptions(token_file="/dev/zero"))


def test_a_line_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of standard input: its beginning is read."""
    monkeypatch.setattr("sys.stdin", io.StringIO("y" * 1_000_000))
    with pytest.raises(OptionsError, match="standard input has more than 64 kB: it is no token"):
        read_token(AccessOptions(token_stdin=True))
    assert len(sys.stdin.read()) > 900_000


def test_a_command_that_hangs() -> None:
    """It is ended; what it said is passed on."""
    code = "import sys, time; print('unlock it', file=sys.stderr, flush=True); time.sleep(60)"
    with pytest.raises(OptionsError, match=r"did not end within 1 s"):
        token_from_command(_python(code), seconds=1)


@pytest.mark.parametrize("where", ["stdout", "stderr"])
def test_a_command_that_prints_without_end(where: str) -> None:
    """What is no token is read no further; what it says is kept in part. Either way it is ended."""
    code = f"import sys\nwhile True: print('x' * 100, file=sys.{where})"
    reported = "printed more than 64 kB" if where == "stdout" else "did not end within 1 s: xxx"
    with pytest.raises(OptionsError) as refused:
        token_from_command(_python(code), seconds=60 if where == "stdout" else 1)
    assert reported in str(refused.value)
    assert len(str(refused.value)) < 3000


def test_a_command_whose_child_keeps_its_output_open() -> None:
    """Nobody waits for the child longer than for the command."""
    code = "import subprocess; subprocess.Popen(['sleep', '5']); print('canary')"
    with pytest.raises(OptionsError, match=r"did not end within 1 s"):
        token_from_command(_python(code), seconds=1)


@pytest.mark.parametrize("option", ["--token-file", "--token-stdin"])
def test_a_token_that_has_no_end(
    option: str, pairs_file: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong file, or a stream without a line, is read only as far as a token can go."""
    with Path("/dev/zero").open(encoding="utf-8") as endless:
        monkeypatch.setattr(sys, "stdin", endless)
        given = (option,) if option == "--token-stdin" else (option, "/dev/zero")
        result = command("link", pairs_file, *TYPES, *given)
    assert result.code == 2
    assert "more than 64 kB" in result.err


def test_a_command_that_fails_is_a_usage_error(command: Command, pairs_file: Path) -> None:
    """Exit code 2; nothing is sent."""
    result = command("link", pairs_file, *TYPES, "--token-command", _python("raise OSError(5)"))
    assert result.code == 2
    assert "failed with exit code 1: Traceback" in result.err


def test_one_source_only(command: Command, pairs_file: Path, token_file: Path) -> None:
    """Which of two is meant is not guessed."""
    both = ("--token-file", token_file, "--token-command", "true")
    result = command("link", pairs_file, *TYPES, *both)
    assert (result.code, result.err.count("--token-file or --token-command, not both")) == (2, 1)


@pytest.mark.parametrize("printed", ["a b", "x\\ny", "a\\0b", "\\u00e9", "x" * 10 + " " * 99 + "y"])
def test_a_command_that_prints_more_than_a_token(
    command: Command, pairs_file: Path, printed: str
) -> None:
    """Is named, before anything begins; what it printed is not shown."""
    gives = _python(f"import sys; sys.stdout.buffer.write('{printed}'.encode())")
    result = command("link", pairs_file, *TYPES, "--token-command", gives)
    assert (result.code, result.out) == (2, "")
    assert "--token-command (" in result.err
    assert "contains a space, a line break or a character no token has" in result.err
