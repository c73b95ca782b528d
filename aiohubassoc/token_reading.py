"""Reads an access token from a file or a command, and reads it again after HubSpot refused it."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import math
import os
import re
import shlex
import stat
import subprocess
from pathlib import Path
from threading import Event, Thread
from typing import IO, TYPE_CHECKING, Final

from aiohubassoc._http.auth import checked_token
from aiohubassoc.client import TOKEN_VARIABLES
from aiohubassoc.errors import OptionsError

if TYPE_CHECKING:
    from collections.abc import Callable

# A password manager may ask a server or a person.
_COMMAND_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.05
_MOST_STDERR: Final = 2000
# What holds more is another file, or has no end.
_MOST_BYTES: Final = 64_000
_TOO_MUCH: Final = "more than 64 kB"
# NAME=value as in shell and Docker files. The value must not start with "=": ab== is a token.
_ASSIGNMENT: Final = re.compile(r"(?:export\s+)?([A-Za-z_]\w*)\s*=\s*([^=\s].*)", re.ASCII)
_UTF16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def parse_token(text: str) -> str:
    """Return the token in *text*; empty if there is none."""
    # Blanks, a byte order mark, ``NAME=`` and quotes are removed, and lines that begin with ``#``
    # are ignored. If a line assigns a variable of the token, the other lines are ignored too.
    lines = [line.strip() for line in text.lstrip("\ufeff").splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    named = [
        match[2]
        for line in lines
        if (match := _ASSIGNMENT.fullmatch(line)) and match[1] in TOKEN_VARIABLES
    ]
    if named:
        return _unquoted(named[0])
    text = _unquoted("\n".join(lines))
    match = _ASSIGNMENT.fullmatch(text)
    return text if match is None else _unquoted(match[2])


def _unquoted(text: str) -> str:
    text = text.strip()
    for quote in "\"'":
        text = text.removeprefix(quote).removesuffix(quote).strip()
    return text


def token_from_line(line: Callable[[int], str]) -> str:
    """Return the token in the first line that *line*, ``readline`` of a stream, returns; or ""."""
    text = line(_MOST_BYTES + 1)
    if len(text) > _MOST_BYTES:
        raise OptionsError(f"the first line of standard input has {_TOO_MUCH}: it is no token")
    return parse_token(text)


class RenewingToken:
    """A `TokenProvider` that returns one token until HubSpot refuses it, then the next one."""

    # Once *is_over* is set, nobody waits for the first token.

    def __init__(
        self,
        read: Callable[[Event], str],
        warn: Callable[[str], object],
        is_over: Event | None = None,
    ) -> None:
        self._read = read
        self._warn = warn
        self._token = read(is_over or Event())

    async def __call__(self, refused: str | None) -> str:
        """Return the token; after a refusal the next one, or the same one if there is no other."""
        if refused == self._token:
            is_over = Event()
            try:
                # Reading may block.
                self._token = await asyncio.to_thread(self._read, is_over)
            except OptionsError as error:  # the old token is refused again, which stops the run
                self._warn(f"there is no new access token: {error}".replace(refused, "..."))
            finally:
                is_over.set()
        return self._token


def token_from_file(path: str) -> str:
    """Return the token in a file; raise OptionsError if it cannot be read, or has none."""
    try:
        with Path(path).open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise OptionsError(f"{path} has {_TOO_MUCH}: it must contain the access token only")
        # PowerShell writes UTF-16.
        text = content.decode("utf-16" if content.startswith(_UTF16) else "utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise OptionsError(f"cannot read the token in {path}: {reason}") from None
    if token := parse_token(text):
        return check_source(token, path)
    raise OptionsError(f"{path} is empty: it must contain the access token")


def check_source(token: str, source: str) -> str:
    """Return *token* if it can be sent; else raise OptionsError, which names its source."""
    try:
        return checked_token(token)
    except OptionsError as error:
        raise OptionsError(
            f"{source}: {error}. It must give the access token, and no more"
        ) from None


def token_from_command(
    command: str, is_over: Event | None = None, seconds: float = _COMMAND_SECONDS
) -> str:
    """Return the token that *command* prints, or raise OptionsError. No shell runs."""
    # Once *is_over* is set, nobody waits for the token, and the command is ended.
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise OptionsError(f"--token-command {command!r} cannot be split: {error}") from None
    if not words:
        raise OptionsError("--token-command is empty: it must print the access token")
    name = f"--token-command ({words[0]})"
    try:
        done = _run(words, is_over or Event(), seconds)
    except subprocess.TimeoutExpired as error:
        said = _quoted(error.stderr, error.stdout)
        raise OptionsError(f"{name} did not end within {seconds:g} s{said}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OptionsError(f"{name} cannot be run: {reason}") from None
    if len(done.stdout) > _MOST_BYTES:
        raise OptionsError(f"{name} printed {_TOO_MUCH}: it must print the access token only")
    if done.returncode:
        said = _quoted(done.stderr, done.stdout)
        raise OptionsError(f"{name} failed with exit code {done.returncode}{said}")
    try:
        token = parse_token(done.stdout.decode())
    except UnicodeDecodeError:
        raise OptionsError(f"{name} printed bytes that are not text") from None
    if not token:
        said = _quoted(done.stderr, b"")
        raise OptionsError(f"{name} printed nothing: it must print the access token{said}")
    return check_source(token, name)


def _run(words: list[str], is_over: Event, seconds: float) -> subprocess.CompletedProcess[bytes]:
    """Return what a command printed: of its output no more than what is too long for a token."""
    pipe = subprocess.PIPE
    with subprocess.Popen(  # noqa: S603 -- it is what the user asks for
        words,
        stdin=subprocess.DEVNULL,  # ours may hold the pairs
        stdout=pipe,
        stderr=pipe,
        bufsize=0,
    ) as process:
        output, said = _PipeReader(process.stdout), _PipeReader(process.stderr, is_tail=True)
        try:
            for _ in range(math.ceil(seconds / _LOOK_SECONDS)):
                output.join(_LOOK_SECONDS)
                if len(output.kept) > _MOST_BYTES or is_over.is_set():
                    break
                said.join(0 if output.is_alive() else _LOOK_SECONDS)
                if not (output.is_alive() or said.is_alive()):
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(_LOOK_SECONDS)
                        break
            else:
                raise subprocess.TimeoutExpired(words, seconds, output.kept, said.kept)
        finally:
            process.kill()
    return subprocess.CompletedProcess(words, process.returncode, output.kept, said.kept)


class _PipeReader(Thread):
    """Reads a pipe, which may have no end, until it is closed."""

    # *is_tail*: the last bytes are kept; else the first, and no more is read.

    def __init__(self, pipe: IO[bytes] | None, *, is_tail: bool = False) -> None:
        super().__init__(daemon=True)
        assert pipe is not None  # noqa: S101 -- it was asked for
        self.kept = b""
        self._pipe = pipe
        self._is_tail = is_tail
        self.start()

    def run(self) -> None:
        # A child of the command may have it still, and we do not.
        with contextlib.suppress(ValueError, OSError):
            while chunk := self._pipe.read(_MOST_BYTES):
                self.kept += chunk
                if self._is_tail:
                    self.kept = self.kept[-_MOST_STDERR:]
                elif len(self.kept) > _MOST_BYTES:
                    return


def _quoted(stderr: bytes | None, stdout: bytes | None) -> str:
    """Return the standard error of a command, without the words of its standard output."""
    text = (stderr or b"").decode(errors="replace").strip()[-_MOST_STDERR:]
    for secret in (stdout or b"").decode(errors="replace").split():
        text = text.replace(secret, "...")
    return f": {text}" if text else ""


def find_other_readers(path: str) -> str | None:
    """Return a warning if every user of this machine can read the file, else None."""
    try:
        mode = Path(path).stat().st_mode
    except OSError:
        return None  # reading the file reports the error
    if os.name == "posix" and stat.S_ISREG(mode) and mode & stat.S_IROTH:
        return (
            f"the token file {path} can be read by every user of this machine: "
            f"chmod 600 {shlex.quote(path)}"
        )
    return None
