"""
The calls of HubSpot's API: the only place that knows paths.

HubSpot, Associations v4 and the dated versions (``YYYY-MM``, ``YYYY-MM-beta``): "Create Default",
for one pair and as a batch, and "Read" of a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from urllib.parse import quote

import attrs

from aiohubassoc.errors import plural
from aiohubassoc.options import ApiVersion
from aiohubassoc.pair import Pair


@cache
def _root(version: str, area: str) -> str:
    """Return the beginning of each path in *area*: the only place that knows how versions stand."""
    return f"/crm/v4/{area}" if version == ApiVersion.V4 else f"/crm/{area}/{version}"


@attrs.define
class Endpoint:
    """A call to make."""

    method: str
    path: str  # the path below the base URL, percent-encoded
    body: bytes = attrs.field(default=b"", repr=False)  # JSON, or empty; one holds the token


@attrs.frozen
class BatchRequest:
    """Different pairs of the same two object types, to be linked by one call."""

    types: tuple[str, str]
    pairs: Sequence[Pair]

    def __str__(self) -> str:
        return f"{plural(len(self.pairs), 'pair')} from {self.types[0]} to {self.types[1]}"


@attrs.frozen
class LookupRequest:
    """Records whose links are read by one call."""

    types: tuple[str, str]  # the object types of the records, and of those they are linked to
    # The id of each record, and where the page of its links begins; None: the first.
    records: Sequence[tuple[str, str | None]]

    def __str__(self) -> str:
        return f"the links of {plural(len(self.records), 'record')} from {' to '.join(self.types)}"


@attrs.frozen
class AccountRequest:
    """A call about the account of a token."""

    endpoint: Endpoint
    types: tuple[str, str] = ("", "")  # the object types that it names, or two empty strings

    def __str__(self) -> str:
        return f"{self.endpoint.method} {self.endpoint.path}"


def create_default(version: str, pair: Pair) -> Endpoint:
    """Return the call that links *pair*. Each id and type is one segment of its path."""
    from_type, from_id, to_type, to_id = pair.from_type, pair.from_id, pair.to_type, pair.to_id
    together = from_type + from_id + to_type + to_id
    if not (together.isalnum() and together.isascii()):  # nearly every one is; quote() is slow
        from_type, from_id, to_type, to_id = (
            quote(text, safe="") for text in (from_type, from_id, to_type, to_id)
        )
    path = (
        f"{_root(version, 'objects')}/{from_type}/{from_id}/associations/default/{to_type}/{to_id}"
    )
    return Endpoint("PUT", path)


def create_default_batch(version: str, types: tuple[str, str], body: bytes) -> Endpoint:
    """Return the call that links the pairs in *body*, all of them from and to these types."""
    return _batch(version, types, "associate/default", body)


def read_links(version: str, types: tuple[str, str], body: bytes) -> Endpoint:
    """Return the call that reads to which records of the second type those in *body* are linked."""
    return _batch(version, types, "read", body)


def account_details(version: str) -> Endpoint:
    return Endpoint("GET", f"/account-info/{_dated(version)}/details")


def daily_usage(version: str) -> Endpoint:
    return Endpoint("GET", f"/account-info/{_dated(version)}/api-usage/daily/private-apps")


def token_info(body: bytes) -> Endpoint:
    return Endpoint("POST", "/oauth/v2/private-apps/get/access-token-info", body)


def association_limits(version: str, types: tuple[str, str]) -> Endpoint:
    """Return the call that reads which records of the first type are at their limit of links."""
    from_type, to_type = (quote(text, safe="") for text in types)
    path = f"/crm/limits/{_dated(version)}/associations/records/{from_type}/{to_type}"
    return Endpoint("GET", path)


def _dated(version: str) -> str:
    # These calls have no v4.
    return ApiVersion.V2026_03.value if version == ApiVersion.V4 else version


def _batch(version: str, types: tuple[str, str], what: str, body: bytes) -> Endpoint:
    from_type, to_type = (quote(text, safe="") for text in types)
    return Endpoint(
        "POST", f"{_root(version, 'associations')}/{from_type}/{to_type}/batch/{what}", body
    )
