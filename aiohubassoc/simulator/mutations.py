"""How faults change the status and the body of a success; the original stays as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohubassoc.simulator.fault_plan import Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohubassoc.simulator.responses import Document

# These replace a result by an error.
NEED_RESULTS = frozenset({Fault.ERRORS_IN_2XX, Fault.PARTIAL_207})


def mutate(fault: Fault, document: Document, *, is_read: bool) -> tuple[int, Document]:
    """
    Return the status and the body that *fault* makes of a success.

    Args:
        fault: One that changes a success.
        document: The body; with a result, where `NEED_RESULTS` has the fault.
        is_read: Whether it is the body of a read of links.
    """
    status, change = (_OF_READ if is_read else _OF_LINKING)[fault]
    return status, change(document)


def _pending(document: Document) -> Document:
    return _with_results(document, []) | {"status": "PENDING"}


def _empty(document: Document) -> Document:
    # Without results and without errors, as recorded.
    return _with_results(document, [])


def _errors_only(document: Document) -> Document:
    first = document["results"][0]
    ids = {"objectId": [first["from"]["id"], first["to"]["id"]]}
    error = _error("No default association exists between these records", ids)
    return _with_results(document, [], [error])


def _partial(document: Document) -> Document:
    *results, lost = document["results"]
    ids = {"fromObjectId": [lost["from"]["id"]], "toObjectId": [lost["to"]["id"]]}
    error = _error("One direction could not be associated", ids)
    return _with_results(document, results, [*(document.get("errors") or []), error])


def _unknown_fields(document: Document) -> Document:
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


def _read_errors_only(document: Document) -> Document:
    return _with_results(document, [], [_read_error(document["results"][0])])


def _read_partial(document: Document) -> Document:
    *results, lost = document["results"]
    return _with_results(document, results, [*(document.get("errors") or []), _read_error(lost)])


def _read_unknown_fields(document: Document) -> Document:
    results = [
        result
        | {
            "from": {"id": int(result["from"]["id"]), "objectTypeId": "0-0"},
            "to": [_unknown_link_fields(link) for link in result["to"]],
            "total": len(result["to"]),
        }
        for result in document["results"]
    ]
    return document | {"results": results, "traceId": "0af7651916cd43dd", "warnings": []}


def _unknown_link_fields(link: Document) -> Document:
    unknown = {"category": "PARTNER_DEFINED", "typeId": 4242, "label": None, "pinned": False}
    types = [{**each, "inverseLabel": None} for each in link["associationTypes"]]
    return link | {"associationTypes": [unknown, *types], "objectTypeId": "0-0"}


def _read_error(result: Document) -> Document:
    record_id = result["from"]["id"]
    message = f"The associations of {record_id} could not be read"
    return _error(message, {"fromObjectId": [record_id]})


def _error(message: str, context: Document) -> Document:
    category = "VALIDATION_ERROR"
    return {"status": "error", "category": category, "message": message, "context": context}


def _with_results(
    document: Document, results: list[Document], errors: list[Document] | None = None
) -> Document:
    """Return the body with other results and, if there are any, other errors."""
    changed = document | {"results": results}
    changed.pop("errors", None)
    changed.pop("numErrors", None)
    return changed | {"errors": errors, "numErrors": len(errors)} if errors else changed


_OF_LINKING: dict[Fault, tuple[int, Callable[[Document], Document]]] = {
    Fault.ACCEPTED_202: (202, _pending),
    Fault.PENDING: (200, _pending),
    Fault.ERRORS_IN_2XX: (200, _errors_only),
    Fault.PARTIAL_207: (207, _partial),
    Fault.EMPTY_RESULTS: (200, _empty),
    Fault.UNKNOWN_FIELDS: (200, _unknown_fields),
    Fault.CREATED_201: (201, dict),
}
_OF_READ = _OF_LINKING | {
    Fault.ERRORS_IN_2XX: (200, _read_errors_only),
    Fault.PARTIAL_207: (207, _read_partial),
    Fault.UNKNOWN_FIELDS: (200, _read_unknown_fields),
}
