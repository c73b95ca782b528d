"""
The portal's own paths: its books to read, its tokens to change, links to make.

They count nowhere.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aiohubassoc.simulator import cdn_pages
from aiohubassoc.simulator.responses import PortalResponse

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohubassoc.simulator.portal import Portal

PREFIX = "/_portal/"


def administer(portal: Portal, method: str, path: str, body: bytes) -> PortalResponse:
    """
    Return the answer to a request for a path that begins with `PREFIX`.

    ``GET`` of ``ledger``, ``links`` and ``arrivals`` tells them as JSON; ``POST`` of
    ``{"token": ...}`` to ``accept`` and ``revoke`` changes the tokens, that of
    ``{"links": [[from_type, from_id, to_type, to_id], ...]}`` to ``links`` links pairs.
    """
    match method, path.removeprefix(PREFIX):
        case "GET", "ledger":
            return _plain(portal.ledger.to_plain())
        case "GET", "links":
            return _plain(portal.ledger.links_to_plain())
        case "GET", "arrivals":
            return _plain(portal.ledger.arrivals)
        case "POST", "links":
            return _make(portal, body)
        case "POST", "accept" | "revoke" as change:
            return _change_tokens(portal.accept if change == "accept" else portal.revoke, body)
        case _:
            return cdn_pages.not_found()


def _plain(content: Any, status: int = 200) -> PortalResponse:  # noqa: ANN401 -- whatever JSON can hold
    return PortalResponse(status, text=json.dumps(content), by_hubspot=False, tells_limits=False)


def _change_tokens(change: Callable[[str], object], body: bytes) -> PortalResponse:
    token = _token(body)
    if token is None:
        return _plain({"message": 'the body must be {"token": "..."}'}, status=400)
    change(token)
    return _done()


def _done() -> PortalResponse:
    return PortalResponse(204, by_hubspot=False, tells_limits=False)


def _make(portal: Portal, body: bytes) -> PortalResponse:
    try:
        portal.add_links(tuple(pair) for pair in json.loads(body)["links"])
    except (KeyError, TypeError, json.JSONDecodeError):
        form = '{"links": [["contacts", "1", "companies", "2"], ...]}'
        return _plain({"message": f"the body must be {form}"}, status=400)
    except ValueError as error:
        return _plain({"message": str(error)}, status=400)
    return _done()


def _token(body: bytes) -> str | None:
    try:
        token = json.loads(body)["token"]
    except (KeyError, TypeError, ValueError):
        return None
    return token if isinstance(token, str) else None
