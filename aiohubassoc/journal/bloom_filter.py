"""The key of a pair, and a quick test whether it was seen before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from aiohubassoc.pair import Pair

Key: TypeAlias = str
"""Both types and ids, as written: a pair's parts hold no line ends."""

# 2 MiB for any number of pairs: of a million, one in thirty is looked up for nothing.
_PLACE_BITS: Final = 21
_PLACES: Final = (1 << _PLACE_BITS) - 1
# Two bits of one byte for each key: a second byte would be another miss of the processor's cache.
_MASKS: Final = tuple(1 << (n & 7) | 1 << (n >> 3 & 7) for n in range(64))


def make_key(pair: Pair) -> Key:
    """Return what the pair is known by."""
    # Not a tuple: thousands of them are kept, and the garbage collector would look at each.
    return f"{pair.from_type}\n{pair.to_type}\n{pair.from_id}\n{pair.to_id}"


class BloomFilter:
    """
    Remembers keys in little memory: "not met" is certain, "met" may be a mistake.

    To ask the database for each pair would cost more than to write its outcome.
    """

    def __init__(self) -> None:
        self._bits = bytearray(_PLACES + 1)

    def meet(self, hashed: int) -> bool:
        """Note a key by its hash, and return whether it may have been met before."""
        place = hashed & _PLACES
        mask = _MASKS[hashed >> _PLACE_BITS & 63]
        bits = self._bits
        byte = bits[place]
        if byte & mask == mask:
            return True
        bits[place] = byte | mask
        return False
