"""What somebody may have meant who mistyped an option or a value."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

# How messages say that a value is none of several: "... 'this' ... one of a, b, c".
_CHOICES: Final = re.compile(r"'([^']+)' .*\b(?:one|none) of (?:[a-z ]+: )?([\w-]+(?:, [\w-]+)+)$")


def suggest(given: str, choices: Iterable[str]) -> str:
    """Return a sentence that names the choice which is most like *given*; empty if none is."""
    # Ids and names are compared as people take them for equal.
    known = {choice.casefold().replace("_", "-"): choice for choice in choices}
    found = get_close_matches(given.casefold().replace("_", "-"), known, n=1, cutoff=0.6)
    return f". Did you mean {known[found[0]]}?" if found else ""


def suggest_choice(message: str) -> str:
    """Return what the value may have meant that *message* says is none of several."""
    match = _CHOICES.search(message)
    if match is None:
        return ""
    value, choices = match.groups()
    return suggest(value.partition("=")[0], choices.split(", "))
