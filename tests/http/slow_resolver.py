"""A resolver of names that takes its time."""

from __future__ import annotations

import socket

from aiohttp.abc import AbstractResolver, ResolveResult

from tests.conftest import pass_time


class SlowResolver(AbstractResolver):
    """Finds this machine, after this many seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return its address."""
        await pass_time(self.seconds)
        return [
            {
                "hostname": host,
                "host": "127.0.0.1",
                "port": port,
                "family": family,
                "proto": 0,
                "flags": 0,
            }
        ]

    async def close(self) -> None:
        """Nothing is to be closed."""
