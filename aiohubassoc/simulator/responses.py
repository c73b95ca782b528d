"""An answer before it is sent: values only."""

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
    """How an answer goes over the wire."""

    WHOLE = auto()
    GARBLED = auto()  # a body that stops in the middle, and whose length says so
    CUT = auto()  # the connection ends in the middle of the body
    NEVER = auto()  # nothing is sent, the connection stays
    RESET = auto()  # nothing is sent, the connection is reset


@attrs.frozen
class PortalResponse:
    """
    One answer.

    Args:
        status: The HTTP status.
        document: The body as JSON; an error of HubSpot's still lacks its correlation id. None:
            `text` is the body.
        text: The body where there is no document; may be empty.
        content_type: Of a body that is not empty.
        headers: Headers beyond those every answer has.
        by_hubspot: Whether HubSpot itself answers, and so tells a correlation id.
        tells_limits: Whether it tells the rate limits.
        delay: Seconds to wait before it is sent.
        manner: How it is sent.
    """

    status: int
    document: Document | None = None
    text: str = ""
    content_type: str = JSON
    headers: Mapping[str, str] = attrs.field(factory=dict)
    by_hubspot: bool = True
    tells_limits: bool = True
    delay: float = 0.0
    manner: Delivery = Delivery.WHOLE

    @property
    def is_success(self) -> bool:
        """Whether the status says so."""
        return 200 <= self.status < 300  # noqa: PLR2004 -- RFC 9110, 15.3: successful

    def body(self) -> bytes:
        """Return the bytes of the body; those of a garbled one stop in the middle."""
        if self.document is None:
            whole = self.text.encode()
        else:
            whole = json.dumps(self.document, separators=(",", ":")).encode()
        return whole[: len(whole) // 2] if self.manner is Delivery.GARBLED else whole
