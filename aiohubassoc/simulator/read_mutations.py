"""What faults make of the body of a read of links: each function returns a changed copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohubassoc.simulator.mutations import retold

if TYPE_CHECKING:
    from aiohubassoc.simulator.responses import Document


def errors_only(document: Document) -> Document:
    """Return a body with an error for the first record and without results."""
    error = _error(document["results"][0])
    return retold(document, []) | {"errors": [error], "numErrors": 1}


def partial(document: Document) -> Document:
    """Return a body in which the last record's result has given way to an error."""
    *results, lost = document["results"]
    errors = [*(document.get("errors") or []), _error(lost)]
    return retold(document, results) | {"errors": errors, "numErrors": len(errors)}


def with_unknown_fields(document: Document) -> Document:
    """Return a body that says more than any description, and the records' ids as integers."""
    results = [
        result
        | {
            "from": {"id": int(result["from"]["id"]), "objectTypeId": "0-0"},
            "to": [_linked(link) for link in result["to"]],
            "total": len(result["to"]),
        }
        for result in document["results"]
    ]
    return document | {"results": results, "traceId": "0af7651916cd43dd", "warnings": []}


def _linked(link: Document) -> Document:
    strange = {"category": "PARTNER_DEFINED", "typeId": 4242, "label": None, "pinned": False}
    types = [{**each, "inverseLabel": None} for each in link["associationTypes"]]
    return link | {"associationTypes": [strange, *types], "objectTypeId": "0-0"}


def _error(result: Document) -> Document:
    record_id = result["from"]["id"]
    return {
        "status": "error",
        "category": "VALIDATION_ERROR",
        "message": f"The associations of {record_id} could not be read",
        "context": {"fromObjectId": [record_id]},
    }
