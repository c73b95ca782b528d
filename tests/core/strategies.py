"""Hypothesis strategies for what HubSpot and its edge may answer."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

ids = st.one_of(st.integers(1, 10**18).map(str), st.from_regex(r"[a-z0-9_-]{1,12}", fullmatch=True))

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)

# The names of the wire, so that random bodies are near enough to real ones to get far.
_KEYS = st.sampled_from(
    [
        "status",
        "results",
        "errors",
        "numErrors",
        "startedAt",
        "completedAt",
        "requestedAt",
        "links",
        "from",
        "to",
        "id",
        "associationSpec",
        "associationCategory",
        "associationTypeId",
        "category",
        "message",
        "context",
        "subCategory",
        "policyName",
        "correlationId",
        "title",
    ]
)

near_bodies: st.SearchStrategy[Any] = st.recursive(
    json_values,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=5),
    max_leaves=12,
)
