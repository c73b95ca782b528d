"""What to try where no row of two files matched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohubassoc.files.keyed_table import NoKeyError, email_domain, site_domain

if TYPE_CHECKING:
    from aiohubassoc.files.keyed_table import KeyColumns, ToKey

# Keys of a side that are looked at, to see what it holds if nothing matches.
_SAMPLE: Final = 1000


class KeySample:
    """
    Makes the keys of a side, and counts what the first of them are.

    Attributes:
        addresses: Those that are e-mail addresses.
        domains: Those that are domains or URLs.
        keys: All of them.
    """

    def __init__(self, to_key: ToKey) -> None:
        self.addresses = self.domains = self.keys = 0
        self._to_key = to_key

    def to_key(self, text: str) -> str:
        """Return the key of a cell, or raise NoKeyError."""
        key = self._to_key(text)
        if self.keys < _SAMPLE:
            self.keys += 1
            self.addresses += _is_made(email_domain, key)
            self.domains += "." in key and _is_made(site_domain, key)
        return key

    def is_mostly(self, count: int) -> bool:
        """Return whether a count is more than half of the keys."""
        return 2 * count > self.keys


def _is_made(to_key: ToKey, text: str) -> bool:
    try:
        to_key(text)
    except NoKeyError:
        return False
    return True


def find_hint(samples: tuple[KeySample, ...], columns: tuple[KeyColumns, ...]) -> str | None:
    """Return what to try where nothing matched, as one side has addresses and the other domains."""
    for own, other, order in ((0, 1, ""), (1, 0, " and give the files in the other order")):
        addresses, domains = samples[own], samples[other]
        if addresses.is_mostly(addresses.addresses) and domains.is_mostly(domains.domains):
            return (
                f"{columns[own].key} holds e-mail addresses and {columns[other].key} domains: try "
                f"--match email-domain{order}"
            )
    return None
