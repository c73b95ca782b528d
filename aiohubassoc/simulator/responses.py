"""A response before it is sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import Enum, auto
from typing import Any, TypeAlias

import attrs

Document: TypeAlias = dict[str, Any]

HTML = "text/html;charset=iso-8859-1"
JSON = "application/json;charset=utf-8"


class Delivery(Enum):
    """How a response is sent."""

    WHOLE = auto()
    TRUNCATED = auto()  # half of the body, and a Content-Length that agrees with it
    CUT = auto()  # the connection closes in the middle of the body
    NEVER = auto()  # nothing is sent, the connection stays open
    RESET = auto()  # nothing is sent, the connection is reset


@attrs.frozen
class PortalResponse:
    """One response."""

    status: int
    # The body as JSON; the correlation id of an error is added later. None: `text` is the
    # body.
    document: Document | None = None
    text: str = ""  # the body where there is no document; may be empty
    content_type: str = JSON  # of a body that is not empty
    # Headers beyond those that every response has.
    headers: Mapping[str, str] = attrs.field(factory=dict)
    from_hubspot: bool = True  # whether HubSpot itself responds, with a correlation id
    has_rate_headers: bool = True  # whether it has the rate-limit headers
    delay: float = 0.0  # seconds to wait before it is sent
    delivery: Delivery = Delivery.WHOLE  # how it is sent

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300  # noqa: PLR2004 -- RFC 9110, 15.3: successful

    def body(self) -> bytes:
        if self.document is None:
            whole = self.text.encode()
        else:
            whole = json.dumps(self.document, separators=(",", ":")).encode()
        return whole[: len(whole) // 2] if self.delivery is Delivery.TRUNCATED else whole
