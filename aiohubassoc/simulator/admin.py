"""
The portal's own paths, which the ledger does not count.

They read the ledger, accept and revoke tokens, and add links.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aiohubassoc.simulator import error_bodies
from aiohubassoc.simulator.responses import PortalResponse

if TYPE_CHECKING:
    from aiohubassoc.simulator.portal import Portal

PREFIX = "/_portal/"

_METHODS = {
    "ledger": ("GET",),
    "links": ("GET", "POST"),
    "arrivals": ("GET",),
    "accept": ("POST",),
    "revoke": ("POST",),
}


def respond(portal: Portal, method: str, path: str, body: bytes) -> PortalResponse:
    """
    Return the response to a request for a path that begins with `PREFIX`.

    ``GET`` of ``ledger``, ``links`` and ``arrivals`` returns them as JSON. ``POST`` of
    ``{"token": ...}`` to ``accept`` and ``revoke`` changes the tokens; ``POST`` of
    ``{"links": [[from_type, from_id, to_type, to_id], ...]}`` to ``links`` adds links.
    """
    name = path.removeprefix(PREFIX)
    allowed = _METHODS.get(name)
    if allowed is None:
        return error_bodies.not_found()
    if method not in allowed:
        return error_bodies.method_not_allowed(",".join(allowed))
    if method == "POST":
        field = "links" if name == "links" else "token"
        try:
            given = json.loads(body)[field]
        except (KeyError, TypeError, ValueError):
            given = None
        return _add_links(portal, given) if name == "links" else _change_token(portal, name, given)
    ledger = portal.ledger
    read = {"ledger": ledger.to_dict, "links": ledger.links_to_dict}
    return _json(read[name]() if name in read else ledger.arrivals)


def _change_token(portal: Portal, name: str, token: object) -> PortalResponse:
    if not isinstance(token, str):
        return _bad_request('the body must be {"token": "..."}')
    (portal.accept if name == "accept" else portal.revoke)(token)
    return _done()


def _add_links(portal: Portal, links: object) -> PortalResponse:
    if not isinstance(links, list) or not all(isinstance(pair, list) for pair in links):
        return _bad_request(
            'the body must be {"links": [["contacts", "1", "companies", "2"], ...]}'
        )
    try:
        portal.add_links(map(tuple, links))
    except ValueError as error:
        return _bad_request(str(error))
    return _done()


def _json(content: Any, status: int = 200) -> PortalResponse:  # noqa: ANN401 -- any JSON
    text = json.dumps(content)
    return PortalResponse(status, text=text, from_hubspot=False, has_rate_headers=False)


def _bad_request(message: str) -> PortalResponse:
    return _json({"message": message}, status=400)


def _done() -> PortalResponse:
    return PortalResponse(204, from_hubspot=False, has_rate_headers=False)
