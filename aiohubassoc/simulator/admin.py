"""
The portal's own paths: its ledger to read, its tokens to change, links to add.

The ledger does not count them.
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

_LINKS_BODY = 'the body must be {"links": [["contacts", "1", "companies", "2"], ...]}'


def respond(portal: Portal, method: str, path: str, body: bytes) -> PortalResponse:
    """
    Return the response to a request for a path that begins with `PREFIX`.

    ``GET`` of ``ledger``, ``links`` and ``arrivals`` returns them as JSON. ``POST`` of
    ``{"token": ...}`` to ``accept`` and ``revoke`` changes the tokens; ``POST`` of
    ``{"links": [[from_type, from_id, to_type, to_id], ...]}`` to ``links`` adds links.
    """
    match method, path.removeprefix(PREFIX):
        case "GET", "ledger":
            return _json(portal.ledger.to_dict())
        case "GET", "links":
            return _json(portal.ledger.links_to_dict())
        case "GET", "arrivals":
            return _json(portal.ledger.arrivals)
        case "POST", "links":
            return _add_links(portal, body)
        case "POST", "accept" | "revoke" as change:
            return _change_token(portal.accept if change == "accept" else portal.revoke, body)
        case _:
            return cdn_pages.not_found()


def _json(content: Any, status: int = 200) -> PortalResponse:  # noqa: ANN401 -- any JSON
    text = json.dumps(content)
    return PortalResponse(status, text=text, from_hubspot=False, has_rate_headers=False)


def _done() -> PortalResponse:
    return PortalResponse(204, from_hubspot=False, has_rate_headers=False)


def _bad_request(message: str) -> PortalResponse:
    return _json({"message": message}, status=400)


def _change_token(change: Callable[[str], object], body: bytes) -> PortalResponse:
    try:
        token = json.loads(body)["token"]
    except (KeyError, TypeError, ValueError):
        token = None
    if not isinstance(token, str):
        return _bad_request('the body must be {"token": "..."}')
    change(token)
    return _done()


def _add_links(portal: Portal, body: bytes) -> PortalResponse:
    try:
        portal.add_links(tuple(pair) for pair in json.loads(body)["links"])
    except (KeyError, TypeError, json.JSONDecodeError):
        return _bad_request(_LINKS_BODY)
    except ValueError as error:
        return _bad_request(str(error))
    return _done()
