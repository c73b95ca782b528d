"""What to do about pairs that are not linked, by category, and whether to send them again."""

from __future__ import annotations

import re
from typing import Final

from aiohubassoc._protocol.classify import passes_later
from aiohubassoc.models import Status

# `str` of an `ApiError` begins with the status: a category alone does not say it.
_STATUS: Final = re.compile(r"([1-5]\d\d) ")
# Without a status: the errors of the network, and of a response that confirms nothing. A conflict
# is not retried at once, but another change has ended by the next run.
_PASSES_LATER: Final = frozenset(
    {
        "CONFLICT",
        "CONNECT_FAILED",
        "CONNECTION_LOST",
        "RESPONSE_TIMEOUT",
        "INVALID_RESPONSE",
        "UNCONFIRMED",
    }
)

_BY_CATEGORY: Final = {
    "VALIDATION_ERROR": (
        "HubSpot refuses an id or a type: the record may not exist, or may have been deleted or "
        "merged. Correct these rows and link them again."
    ),
    "OBJECT_NOT_FOUND": (
        "A record does not exist in this account: it may have been deleted or merged. Correct or "
        "drop these rows."
    ),
    "INVALID_OBJECT_IDS": "An id is not one of a record of that type. Correct these rows.",
    "MISSING_SCOPES": "The access token lacks scopes. Add them to its app in HubSpot, and resume.",
    "USER_DOES_NOT_HAVE_PERMISSIONS": (
        "The user or app of the token may not edit associations. An administrator of the account "
        "can allow it."
    ),
    "FORBIDDEN": "HubSpot does not allow this to the token's user or app for these records.",
    "INVALID_AUTHENTICATION": "HubSpot refused the access token. Renew it, and resume.",
    "EXPIRED_AUTHENTICATION": "The access token has expired. Renew it, and resume.",
    "CONFLICT": "Another change was made to a record at the same moment. Send these pairs again.",
    "DAILY_RESERVE": (
        "The remaining calls of the day are reserved. Resume after midnight in the account's "
        "time zone."
    ),
    "RATE_LIMIT_DAILY": (
        "The calls of the day are used up. Resume after midnight in the account's time zone."
    ),
    "REFUSED_ALIKE": (
        "HubSpot refused many pairs in a row for the same reason. Fix the cause, and resume."
    ),
    "RUN_STOPPED": "The run ended before these pairs were sent. Resume it.",
    "CLIENT_CLOSED": "The run ended before these pairs were sent. Resume it.",
    "INVALID_PAIR": "An item of the input is not a pair. Correct it.",
    "CONNECT_FAILED": "HubSpot could not be reached. Check the network, and send these again.",
    "CONNECTION_LOST": "The connection broke. Send these again: a link is made only once.",
    "RESPONSE_TIMEOUT": "No response arrived in time. Send these again: a link is made only once.",
    "INVALID_RESPONSE": (
        "The response is not in HubSpot's documented form. Check proxies and the base URL."
    ),
    "UNCONFIRMED": "HubSpot responded but confirmed no link. Send these pairs again.",
}
_BY_BEGINNING: Final = {
    "HTTP_5": "HubSpot failed with an internal error, also after retries. Send these again later.",
    "RATE_LIMIT": "HubSpot accepted no more calls. Resume later.",
}
_BY_STATUS: Final = {
    Status.PARTIAL: (
        "HubSpot made the link and reported errors with it. Look at these records in HubSpot."
    ),
    Status.UNPROCESSED: "These pairs are still to be sent. Resume the run.",
    Status.FAILED: (
        "Read HubSpot's message. For HubSpot's support, keep the correlation id ready."
    ),
}


def advise(status: Status, category: str) -> str:
    """Return what to do about pairs of *status* and *category*, in a sentence or two."""
    if category in _BY_CATEGORY:
        return _BY_CATEGORY[category]
    for beginning, advice in _BY_BEGINNING.items():
        if category.startswith(beginning):
            return advice
    return _BY_STATUS[status]


def can_pass_later(category: str, message: str) -> bool:
    """
    Return whether pairs that failed may be linked if they are sent again as they are.

    *category* is as of `Outcome`; *message* is the message of one of them.
    """
    status = _STATUS.match(message)
    return category in _PASSES_LATER or (status is not None and passes_later(int(status[1])))
