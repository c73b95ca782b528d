"""A PostgreSQL for the tests that need one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from postgres import PostgresServer, postgres_server, why_not

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """A server for the tests of a module; where it cannot be started they are skipped."""
    if reason := why_not():
        pytest.skip(reason)
    with postgres_server() as server:
        yield server
