"""An answer, and what it can mean."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, ClassVar, TypeAlias

import attrs

from aiohubassoc._protocol.links import LinksReply
from aiohubassoc._protocol.redaction import NO_SECRETS, Redaction
from aiohubassoc.errors import AioHubAssocError, ApiError
from aiohubassoc.replies import DefaultAssociations


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
    redaction: Redaction = attrs.field(default=NO_SECRETS, repr=False)


class About(Enum):
    """What a refusal is about. It decides who else would meet it."""

    PAIR = "pair"
    """What was sent: this pair, or of many calls in one some of them. Others may fare better."""
    BATCH = "batch"
    """How much was sent at once. Fewer in one call may fare better; of one pair: that pair."""
    PATH = "path"
    """The path of a call for many. Calls for one pair may fare better."""
    RUN = "run"
    """The token, the account, the object type or the address. No call would fare better."""
    MOMENT = "moment"
    """The time. The same call may fare better later."""


@attrs.define
class Accepted:
    """The pair is linked."""

    reply: DefaultAssociations


@attrs.define
class AccountReply:
    """
    The reply to a call about the account.

    Attributes:
        body: The JSON object; empty where the body is another value.
        headers: By name, ignoring case.
    """

    body: Mapping[str, Any]
    headers: Mapping[str, str]

    @property
    def status(self) -> str | None:
        """As in `DefaultAssociations`; None where the body has none."""
        status = self.body.get("status")
        return status if isinstance(status, str) else None


@attrs.define
class Replied:
    """A call for many, or about the account, got its reply; what that says is read elsewhere."""

    reply: DefaultAssociations | LinksReply | AccountReply


@attrs.define
class Partial:
    """2xx with errors inside; *linked* if a result matches the pair all the same."""

    about: ClassVar[About] = About.PAIR
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

    about: ClassVar[About] = About.MOMENT
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

    about: ClassVar[About] = About.MOMENT
    error: AioHubAssocError
    retry_after: float | None = None
    wait_min: float = 0.0


@attrs.define
class Refused:
    """
    No further attempt is made.

    Attributes:
        error: Why.
        about: `About.PAIR` and `About.BATCH`: HubSpot refused what was sent. `About.PATH`: as it
            says. `About.MOMENT`: the attempts are used up. Never `About.RUN`.
    """

    error: AioHubAssocError
    about: About = About.PAIR


@attrs.define
class Intercepted:
    """
    A gateway, a proxy or a firewall responded to a call for one pair, not HubSpot.

    It is about the pair where HubSpot itself responded a moment ago, else about the run.
    """

    error: AioHubAssocError


@attrs.define
class Fatal:
    """No pair would fare better: the run stops."""

    about: ClassVar[About] = About.RUN
    error: AioHubAssocError


Verdict: TypeAlias = (
    Accepted | Replied | Partial | Throttled | Transient | Refused | Intercepted | Fatal
)
