"""Where the access token comes from: never from an argument, which others can see."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from aiohubassoc.client import TOKEN_VARIABLES
from aiohubassoc.errors import OptionsError


def access_token(token_file: str | None, *, from_stdin: bool) -> str:
    """
    Return the token: of the file, of standard input's first line, or of the environment.

    Raises:
        OptionsError: there is none, or it cannot be read.
    """
    if token_file is not None and from_stdin:
        raise OptionsError("give --token-file or --token-stdin, not both")
    if token_file is not None:
        try:
            token = Path(token_file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not text"
            raise OptionsError(f"cannot read the token in {token_file}: {reason}") from None
        if not token:
            raise OptionsError(f"{token_file} is empty: it must hold the access token")
        return token
    if from_stdin:
        token = sys.stdin.readline().strip() if sys.stdin is not None else ""
        if not token:
            raise OptionsError("standard input has no access token on its first line")
        return token
    for variable in TOKEN_VARIABLES:
        if token := os.environ.get(variable, "").strip():
            return token
    raise OptionsError(
        f"no access token: set {TOKEN_VARIABLES[0]}, or give --token-file or --token-stdin"
    )
