"""An answer, and what it can mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import attrs

from aiohubassoc._core.links import LinksReply
from aiohubassoc._core.redaction import NO_SECRETS, Redaction
from aiohubassoc.errors import AioHubAssocError, ApiError
from aiohubassoc.models import DefaultAssociations


@attrs.define
class Answer:
    """
    An HTTP answer, read to its end.

    Attributes:
        status: The HTTP status.
        headers: By name, ignoring case.
        body: Whole.
        url: What was asked, for messages.
        redaction: What to hide in its headers where they are kept. Elsewhere it is hidden.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str = ""
    redaction: Redaction = NO_SECRETS


@attrs.define
class Accepted:
    """The pair is linked."""

    reply: DefaultAssociations


@attrs.define
class Told:
    """A call for many was answered; what that says of each is read elsewhere."""

    reply: DefaultAssociations | LinksReply


@attrs.define
class Partial:
    """2xx with errors inside; *linked* if a result matches the pair all the same."""

    reply: DefaultAssociations
    linked: bool


@attrs.define
class Throttled:
    """
    HubSpot takes no calls for a while, from anybody.

    Attributes:
        error: What to say if the pair is given up.
        retry_after: Seconds; None where HubSpot did not say.
        ends_run: Whether giving up on this pair means giving up on all.
        by_quota: Whether it is the quota of the window that is used up.
    """

    error: ApiError
    retry_after: float | None = None
    ends_run: bool = False
    by_quota: bool = False


@attrs.define
class Transient:
    """
    It may pass: try again.

    Attributes:
        error: What to say if the pair is given up.
        retry_after: Seconds that HubSpot asks for; None where it did not say.
        wait_min: Seconds below which trying again is of no use.
    """

    error: AioHubAssocError
    retry_after: float | None = None
    wait_min: float = 0.0


@attrs.define
class Refused:
    """This pair failed for good."""

    error: AioHubAssocError


@attrs.define
class Fatal:
    """No pair would fare better: the run stops."""

    error: AioHubAssocError


Verdict: TypeAlias = Accepted | Told | Partial | Throttled | Transient | Refused | Fatal
