"""
Repeatable random numbers.

A draw depends on the seed, its purpose, its key and its number, never on earlier draws. The portal
responds the same to the same requests in any order.
"""

from __future__ import annotations

import math
from hashlib import blake2b
from random import Random
from statistics import NormalDist
from uuid import UUID

_BITS = 52  # leaves room for the half step that keeps a draw off 0 and 1
_STANDARD_NORMAL = NormalDist()


class SeededRandom:
    """Draws by purpose, key and number; instances with the same seed draw the same."""

    def __init__(self, seed: int) -> None:
        self._seed = str(seed).encode()[:64]  # the longest key of blake2b

    def _bytes(self, size: int, purpose: str, key: str, number: int) -> bytes:
        # Ids from JSON may hold lone surrogates, which strict UTF-8 refuses.
        text = f"{purpose}|{number}|{key}".encode(errors="surrogatepass")
        return blake2b(text, digest_size=size, key=self._seed).digest()

    def uniform(self, purpose: str, key: str, number: int = 1) -> float:
        """Return a uniform draw, above 0 and below 1."""
        bits = int.from_bytes(self._bytes(8, purpose, key, number)) >> (64 - _BITS)
        return (bits + 0.5) / (1 << _BITS)

    def lognormal(
        self, median: float, sigma: float, purpose: str, key: str, number: int = 1
    ) -> float:
        """Return a log-normal draw in the unit of *median*; 0 when *median* is 0."""
        if median == 0:
            return 0.0
        normal = _STANDARD_NORMAL.inv_cdf(self.uniform(purpose, key, number))
        return median * math.exp(sigma * normal)

    def uuid(self, purpose: str, key: str, number: int = 1) -> str:
        """Return a UUID, as HubSpot's correlation ids are."""
        return str(UUID(bytes=self._bytes(16, purpose, key, number), version=4))

    def generator(self, purpose: str, key: str, number: int = 1) -> Random:
        return Random(self._bytes(16, purpose, key, number))
