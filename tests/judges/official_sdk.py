"""HubSpot's hubspot-sdk, unmodified but for the base URL: what it understands of a portal."""

from __future__ import annotations

import json
import sys
from typing import Any

import hubspot_sdk

BASE_URL, TOKEN = sys.argv[1:]
TYPES: dict[str, Any] = {"to_object_type": "companies", "from_object_type": "contacts"}


def ids(reported: Any) -> list[list[str]]:
    """Return both ends of every result."""
    return sorted([each.from_.id, each.to.id] for each in reported.results)


def status_of(token: str, from_id: str) -> int:
    """Return the status that the client raises for a pair."""
    client = hubspot_sdk.HubSpot(access_token=token, base_url=BASE_URL)
    try:
        client.crm.associations.create("1", from_object_id=from_id, **TYPES)
    except hubspot_sdk.APIStatusError as error:
        return int(error.status_code)
    return 200


associations = hubspot_sdk.HubSpot(access_token=TOKEN, base_url=BASE_URL).crm.associations
single = associations.create("2", from_object_id="1", **TYPES)
batch = associations.batch.create_default(
    inputs=[{"from": {"id": one}, "to": {"id": two}} for one, two in (("10", "20"), ("11", "21"))],
    **TYPES,
)
read = associations.batch.get(inputs=[{"id": one} for one in ("1", "10", "11")], **TYPES)
sys.stdout.write(
    json.dumps(
        {
            "single": ids(single),
            "batch": ids(batch),
            "read": sorted(
                [each.from_.id, *(str(link.to_object_id) for link in each.to)]
                for each in read.results
            ),
            "missing": status_of(TOKEN, "5000"),
            "unauthorized": status_of("wrong", "1"),
        }
    )
)
