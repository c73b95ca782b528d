"""HubSpot's hubspot-api-client, unmodified but for the host: what it understands of a portal."""

from __future__ import annotations

import json
import sys
from typing import Any

from hubspot import HubSpot
from hubspot.crm.associations.v4 import (
    ApiException,
    BatchInputPublicDefaultAssociationMultiPost,
    BatchInputPublicFetchAssociationsBatchRequest,
    PublicDefaultAssociationMultiPost,
    PublicFetchAssociationsBatchRequest,
    PublicObjectId,
)

BASE_URL, TOKEN = sys.argv[1:]


def ids(reported: Any) -> list[list[str]]:
    """Return both ends of every result."""
    return sorted([each._from.id, each.to.id] for each in reported.results)


def status_of(token: str, from_id: str) -> int:
    """Return the status that the client raises for a pair."""
    api = HubSpot(access_token=token, host=BASE_URL).crm.associations.v4.basic_api
    try:
        api.create_default("contacts", from_id, "companies", "1")
    except ApiException as error:
        return int(error.status)
    return 200


v4 = HubSpot(access_token=TOKEN, host=BASE_URL).crm.associations.v4
single = v4.basic_api.create_default("contacts", "1", "companies", "2")
pairs = [
    PublicDefaultAssociationMultiPost(_from=PublicObjectId(id=one), to=PublicObjectId(id=other))
    for one, other in (("10", "20"), ("11", "21"))
]
batch = v4.batch_api.create_default(
    "contacts", "companies", BatchInputPublicDefaultAssociationMultiPost(inputs=pairs)
)
asked = [PublicFetchAssociationsBatchRequest(id=one) for one in ("1", "10", "11")]
read = v4.batch_api.get_page(
    "contacts", "companies", BatchInputPublicFetchAssociationsBatchRequest(inputs=asked)
)
sys.stdout.write(
    json.dumps(
        {
            "single": ids(single),
            "batch": ids(batch),
            "read": sorted(
                [each._from.id, *(str(link.to_object_id) for link in each.to)]
                for each in read.results
            ),
            "missing": status_of(TOKEN, "5000"),
            "unauthorized": status_of("wrong", "1"),
        }
    )
)
