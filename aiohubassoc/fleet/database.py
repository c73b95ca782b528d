"""The fleet's database: how it is reached, and how values are written to it."""

from __future__ import annotations

import json
from typing import Any, Final

import psycopg

from aiohubassoc.errors import FleetError

# Nothing is prepared: behind a PgBouncer that pools transactions each statement may go to another
# session. Texts are UTF-8 in a database of any encoding.
CONNECTION: Final[dict[str, Any]] = {
    "connect_timeout": 10,
    "prepare_threshold": None,
    "client_encoding": "utf8",
}
"""How each connection of a fleet is made; the arguments are those of `psycopg.connect`."""


async def connect(database: str) -> psycopg.AsyncConnection:
    """
    Return a connection in autocommit mode.

    Raises:
        FleetError: it cannot be made. The message has no password.
    """
    try:
        return await psycopg.AsyncConnection.connect(database, autocommit=True, **CONNECTION)
    except psycopg.ProgrammingError:  # its text may be the URI, with its password
        raise FleetError("the database is no libpq URI, such as postgresql://host/name") from None
    except psycopg.Error as error:
        raise FleetError(f"cannot connect to the database: {describe(error)}") from None


def describe(error: Exception) -> str:
    """Return what PostgreSQL, or the way to it, says, in one line."""
    return " ".join(str(error).split()) or type(error).__name__


def to_text(value: str) -> str:
    """Return *value* as PostgreSQL takes it: without NUL, and without lone surrogates."""
    return value.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()


def to_json(value: object) -> str:
    """Return *value* as JSON in ASCII only, so without NUL and lone surrogates."""
    return json.dumps(value)
