"""The inputs of a batch call as JSON has them, or the refusal of a body that has none."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs

from aiohubassoc.simulator import error_bodies
from aiohubassoc.simulator.responses import PortalResponse
from aiohubassoc.simulator.routing import BatchCall, PutCall, ReadCall

if TYPE_CHECKING:
    from aiohubassoc.simulator.routing import Call

# HubSpot, Associations v4: inputs of one call.
MOST_INPUTS = {BatchCall: 2_000, ReadCall: 1_000}

NO_INPUT = error_bodies.invalid("Invalid input JSON on line 1, column 1: Cannot deserialize value")


@attrs.frozen
class BatchInputs:
    """
    What came with a call.

    Args:
        documents: The inputs, each of any shape. A single call has none.
        refusal: What a body without inputs is answered. None: they can be read.
    """

    documents: list[Any] = attrs.field(factory=list)
    refusal: PortalResponse | None = None


_NONE = BatchInputs()


def inputs_of(call: Call, body: bytes) -> BatchInputs:
    """Return what came with *call*."""
    if isinstance(call, PutCall):
        return _NONE
    if not body:
        return _refused("Invalid JSON input: a request body was expected, but none found")
    try:
        documents = json.loads(body)["inputs"]
    except (KeyError, TypeError, ValueError):
        return BatchInputs(refusal=NO_INPUT)
    if not isinstance(documents, list):
        return BatchInputs(refusal=NO_INPUT)
    most = MOST_INPUTS[type(call)]
    if len(documents) > most:
        return _refused(f"{len(documents)} inputs are more than the {most} allowed")
    return BatchInputs(documents)


def _refused(message: str) -> BatchInputs:
    return BatchInputs(refusal=error_bodies.invalid(message))
