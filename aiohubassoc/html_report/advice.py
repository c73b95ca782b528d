"""What to do about pairs that are not linked, by category, and whether to send them again."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from aiohubassoc._protocol.classify import passes_later

if TYPE_CHECKING:
    from aiohubassoc.models import Status

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


def advise(status: Status, category: str) -> str:
    """Return what to do about pairs of *status* and *category*, in a sentence or two."""
    advice = _read_advice()
    if category in advice["by_category"]:
        return advice["by_category"][category]
    for beginning, sentence in advice["by_beginning"].items():
        if category.startswith(beginning):
            return sentence
    return advice["by_status"][status]


@cache
def _read_advice() -> dict[str, dict[str, str]]:
    return tomllib.loads((files(__package__) / "advice.toml").read_text("utf-8"))


def can_pass_later(category: str, message: str) -> bool:
    """
    Return whether pairs that failed may be linked if they are sent again as they are.

    *category* is as of `Outcome`; *message* is the message of one of them.
    """
    status = _STATUS.match(message)
    return category in _PASSES_LATER or (status is not None and passes_later(int(status[1])))
