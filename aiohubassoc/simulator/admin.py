"""The portal's own paths: its books to read, its tokens to change. They count nowhere."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aiohubassoc.simulator import edge_pages
from aiohubassoc.simulator.answers import Answer

if TYPE_CHECKING:
    from aiohubassoc.simulator.portal import Portal

PREFIX = "/_portal/"


def administer(portal: Portal, method: str, path: str, body: bytes) -> Answer:
    """
    Return the answer to a request for a path that begins with `PREFIX`.

    ``GET`` of ``books``, ``links`` and ``arrivals`` tells them as JSON; ``POST`` of
    ``{"token": ...}`` to ``accept`` and ``revoke`` changes the tokens.
    """
    match method, path.removeprefix(PREFIX):
        case "GET", "books":
            return _plain(portal.books.to_plain())
        case "GET", "links":
            return _plain(portal.books.links_to_plain())
        case "GET", "arrivals":
            return _plain(portal.books.arrivals)
        case "POST", "accept" | "revoke" as change:
            token = _token(body)
            if token is None:
                return _plain({"message": 'the body must be {"token": "..."}'}, status=400)
            (portal.accept if change == "accept" else portal.revoke)(token)
            return Answer(204, by_hubspot=False, tells_limits=False)
        case _:
            return edge_pages.not_found()


def _plain(content: Any, status: int = 200) -> Answer:  # noqa: ANN401 -- whatever JSON can hold
    return Answer(status, text=json.dumps(content), by_hubspot=False, tells_limits=False)


def _token(body: bytes) -> str | None:
    try:
        token = json.loads(body)["token"]
    except (KeyError, TypeError, ValueError):
        return None
    return token if isinstance(token, str) else None
