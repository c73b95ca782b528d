"""
Which call a path means.

A path is split as it came over the wire and each segment is decoded once: an id with an encoded
slash in it stays one segment.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias
from urllib.parse import unquote

# HubSpot, Associations v4: the dated versions have the same schemas under other paths.
DATED_VERSIONS = ("2026-03", "2026-09")


class PutCall(NamedTuple):
    """Create Default for one pair; types and ids as they were written."""

    from_type: str
    from_id: str
    to_type: str
    to_id: str


class BatchCall(NamedTuple):
    """Create Default for many pairs of the same two types, as they were written."""

    from_type: str
    to_type: str


class ReadCall(NamedTuple):
    """Read the links of many records of one type to records of another, as they were written."""

    from_type: str
    to_type: str


Call: TypeAlias = PutCall | BatchCall | ReadCall
Kind: TypeAlias = Literal["put", "batch", "read"]


def kind_of(call: Call) -> Kind:
    """Return what the books and the scripts call such a call."""
    match call:
        case PutCall():
            return "put"
        case BatchCall():
            return "batch"
        case ReadCall():
            return "read"


def method_of(call: Call) -> str:
    """Return the only method that *call*'s path answers to."""
    return "PUT" if isinstance(call, PutCall) else "POST"


def parse(raw_path: str) -> Call | None:
    """
    Return the call that *raw_path* means, None when the portal has no such path.

    Args:
        raw_path: As in the request line, percent-encoded; a query is ignored.
    """
    path = raw_path.partition("?")[0]
    segments = [unquote(segment) for segment in path.split("/")]
    if "" in segments[1:]:
        return None
    match segments:
        case ["", "crm", "v4", "objects", *rest]:
            return _put(rest)
        case ["", "crm", "objects", version, *rest] if version in DATED_VERSIONS:
            return _put(rest)
        case ["", "crm", "v4", "associations", *rest]:
            return _batch(rest)
        case ["", "crm", "associations", version, *rest] if version in DATED_VERSIONS:
            return _batch(rest)
        case _:
            return None


def _put(segments: list[str]) -> PutCall | None:
    match segments:
        case [from_type, from_id, "associations", "default", to_type, to_id]:
            return PutCall(from_type, from_id, to_type, to_id)
        case _:
            return None


def _batch(segments: list[str]) -> BatchCall | ReadCall | None:
    match segments:
        case [from_type, to_type, "batch", "associate", "default"]:
            return BatchCall(from_type, to_type)
        case [from_type, to_type, "batch", "read"]:
            return ReadCall(from_type, to_type)
        case _:
            return None
