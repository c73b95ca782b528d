"""A command of the user's that is run when a run has ended, with any result."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import tempfile
from typing import TYPE_CHECKING, Any, Final

from aiohubassoc.cli import terminal
from aiohubassoc.cli.terminal import print_error, print_lines, stderr
from aiohubassoc.errors import OptionsError

if TYPE_CHECKING:
    from collections.abc import Callable

# A job that is to end must not wait for a message for ever.
_SECONDS: Final = 60.0
_MOST_OUTPUT: Final = 4_000


def run_with_end(text: str, work: Callable[[], int]) -> int:
    """
    Return what *work* returns, once a command was run with the result as JSON on standard input.

    What the command itself comes to changes nothing: if anything is wrong with it, that is printed.
    It is run, with the error, also if *work* raises. *work* leaves the result in `terminal.result`.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise OptionsError(f"--on-end {text!r} cannot be split: {error}") from None
    if not words:
        raise OptionsError("--on-end is empty: it must name a command")
    try:
        code = work()
    except BaseException as error:
        _run(words, {"error": str(error), "exit_code": 1})  # Python's own code
        raise
    _run(words, {**(terminal.result or {}), "exit_code": code})
    return code


def _run(words: list[str], given_result: dict[str, Any]) -> None:
    """Run a command with the result on standard input, and print what is wrong with it."""
    name = f"--on-end ({words[0]})"
    try:
        # Files, not pipes: whether it reads or prints much, neither process waits for the other.
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as said:
            given.write(json.dumps(given_result).encode())
            given.seek(0)
            problem = _wait_for(words, given.fileno(), said.fileno())
            # The place in the file is shared: it is where the command stopped reading.
            if problem is None and os.lseek(given.fileno(), 0, os.SEEK_CUR) == 0:
                problem = "did not read the result"
            said.seek(0)
            output = said.read(_MOST_OUTPUT).decode(errors="replace")
    except (OSError, ValueError) as error:
        problem, output = f"cannot be run: {getattr(error, 'strerror', None) or error}", ""
    print_lines(output.splitlines(), stderr())
    if problem is not None:
        print_error(f"{name} {problem}")


def _wait_for(words: list[str], stdin: int, output: int) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 -- it is what the user asks for
            words, stdin=stdin, stdout=output, stderr=output, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"did not end within {_SECONDS:g} s, and was ended"
    return f"failed with exit code {done.returncode}" if done.returncode else None
