"""What to do next, as commands for a shell."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from aiohubassoc.cli.options import given
from aiohubassoc.files.byte_source import STDIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohubassoc.cli.options import InputOptions

# Of these a file that we wrote has its own.
_OF_THE_INPUT_ALONE = ("--format", "--delimiter", "--encoding", "--sheet", "--include-hidden")


def how_to_go_on(folder: str, *, needs_input: bool) -> str:
    """
    Return what to do about a run that is not at its end.

    Args:
        folder: The run folder.
        needs_input: Whether its input must be given again.
    """
    named = shlex.quote(folder)
    if needs_input:
        return f"To go on, give the input again, with the same command and --run {named}"
    return f"To go on: aiohubassoc resume {named}"


def how_to_export(sources: Sequence[str], input_: InputOptions | None) -> str:
    """
    Return how the rows that are not linked come into a file.

    Args:
        sources: The inputs, or a run folder.
        input_: What the inputs are like; None: they are a run folder.
    """
    options = {} if input_ is None else given(input_)
    call = _call("verify", sources, {**options, "--output": "missing.csv"})
    again = ", give the input again" if STDIN in sources else ""
    return f"To write those that are not linked to a file{again}: {call}"


def how_to_link(path: str, input_: InputOptions) -> str:
    """
    Return how rows that were written to a file are linked.

    Args:
        path: The file.
        input_: What the input is like that they come from.
    """
    options = {
        name: value for name, value in given(input_).items() if name not in _OF_THE_INPUT_ALONE
    }
    return f"To link them: {_call('link', [path], options)}"


def _call(command: str, paths: Sequence[str], options: dict[str, Any]) -> str:
    words = [*paths]
    for name, value in options.items():
        words += [name] if value is True else [name, value]
    return f"aiohubassoc {command} {shlex.join(words)}"
