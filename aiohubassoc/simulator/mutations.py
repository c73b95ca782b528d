"""What faults make of the body of a success of linking: each function returns a changed copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohubassoc.simulator.responses import Document


def pending(document: Document) -> Document:
    """Return a body that promises the work for later."""
    return retold(document, []) | {"status": "PENDING"}


def emptied(document: Document) -> Document:
    """Return a body without results and without errors, as HubSpot has been seen to send."""
    return retold(document, [])


def errors_only(document: Document) -> Document:
    """Return a body with an error for the first pair and without results."""
    first = document["results"][0]
    error = {
        "status": "error",
        "category": "VALIDATION_ERROR",
        "message": "No default association exists between these records",
        "context": {"objectId": [first["from"]["id"], first["to"]["id"]]},
    }
    return retold(document, []) | {"errors": [error], "numErrors": 1}


def partial(document: Document) -> Document:
    """Return a body in which the last result has given way to an error."""
    *results, lost = document["results"]
    error = {
        "status": "error",
        "category": "VALIDATION_ERROR",
        "message": "One direction could not be associated",
        "context": {"fromObjectId": [lost["from"]["id"]], "toObjectId": [lost["to"]["id"]]},
    }
    errors = [*(document.get("errors") or []), error]
    return retold(document, results) | {"errors": errors, "numErrors": len(errors)}


def with_unknown_fields(document: Document) -> Document:
    """Return a body that says more than any description, and ids as integers."""
    results = [
        {
            "from": {"id": int(result["from"]["id"]), "objectTypeId": "0-0"},
            "to": {"id": int(result["to"]["id"]), "objectTypeId": "0-0"},
            "associationSpec": {
                **result["associationSpec"],
                "associationCategory": "PARTNER_DEFINED",
                "label": None,
            },
            "associatedAt": document["completedAt"],
        }
        for result in document["results"]
    ]
    return document | {"results": results, "traceId": "0af7651916cd43dd", "warnings": []}


def retold(document: Document, results: list[Document]) -> Document:
    """Return the body with other results and without a word about errors."""
    told = document | {"results": results}
    told.pop("errors", None)
    told.pop("numErrors", None)
    return told
