"""Calls to a portal without a socket."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs

from aiohubassoc.simulator import Portal, PortalSettings

if TYPE_CHECKING:
    from aiohubassoc.simulator.responses import PortalResponse

TOKEN = PortalSettings().tokens[0]
GOOD = f"Bearer {TOKEN}"


def make_portal(**settings: Any) -> Portal:
    """Return a portal without a quota, unless there are settings for it."""
    return Portal(PortalSettings(**{"quota_limit": None, **settings}))


def put_path(from_id: object = 1, to_id: object = 2, types: str = "contacts/companies") -> str:
    """Return the path of one pair, written as given."""
    from_type, _, to_type = types.partition("/")
    return f"/crm/v4/objects/{from_type}/{from_id}/associations/default/{to_type}/{to_id}"


def put(portal: Portal, from_id: object = 1, to_id: object = 2, **more: Any) -> PortalResponse:
    """Return the response to the PUT of a contact and a company."""
    return send(portal, "PUT", put_path(from_id, to_id), **more)


def send(
    portal: Portal,
    method: str,
    path: str,
    body: bytes = b"",
    *,
    authorization: str | None = GOOD,
    now: float = 0.0,
) -> PortalResponse:
    """Return the response to a request that is counted at once."""
    return portal.respond(portal.receive(method, path, body), authorization, now)


def batch(portal: Portal, *pairs: tuple[object, object], **more: Any) -> PortalResponse:
    """Return the response to a batch call."""
    inputs = [{"from": {"id": str(one)}, "to": {"id": str(other)}} for one, other in pairs]
    body = json.dumps({"inputs": inputs}).encode()
    path = "/crm/v4/associations/contacts/companies/batch/associate/default"
    return send(portal, "POST", path, body, **more)


READ_PATH = "/crm/v4/associations/{types}/batch/read"


def read(
    portal: Portal, *records: object, types: str = "contacts/companies", **more: Any
) -> PortalResponse:
    """Return the response to a read of links; a tuple is a record and its page's ``after``."""
    inputs = [
        {"id": str(record[0]), "after": record[1]} if isinstance(record, tuple) else {"id": record}
        for record in records
    ]
    body = json.dumps({"inputs": inputs}).encode()
    return send(portal, "POST", READ_PATH.format(types=types), body, **more)


def linked_ids(response: PortalResponse) -> dict[str, list[str]]:
    """Return the ids that each record of a read is linked to, all as strings."""
    return {
        result["from"]["id"]: [str(link["toObjectId"]) for link in result["to"]]
        for result in decode(response)["results"]
    }


def decode(response: PortalResponse) -> dict[str, Any]:
    """Return the body as a client reads it, without the correlation id."""
    body: dict[str, Any] = json.loads(response.body())
    body.pop("correlationId", None)
    return body


def to_dict(response: PortalResponse) -> dict[str, Any]:
    """Return all that a client sees of a response."""
    return attrs.asdict(response)
