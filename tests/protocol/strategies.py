"""Hypothesis strategies for what HubSpot and its edge may answer."""

from __future__ import annotations

from typing import Any

import attrs
from hypothesis import strategies as st

from aiohubassoc import Pair
from aiohubassoc._batching.batch import Batch
from aiohubassoc.pair import is_float

# Without floats written as text, such as 0e0, which no pair takes.
ids = st.one_of(
    st.integers(1, 10**18).map(str),
    st.from_regex(r"[a-z0-9_-]{1,12}", fullmatch=True).filter(lambda text: not is_float(text)),
)

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(max_size=8),
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
        "associationTypes",
        "label",
        "toObjectId",
        "fromObjectId",
        "paging",
        "next",
        "after",
    ]
)

near_bodies: st.SearchStrategy[Any] = st.recursive(
    json_values,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=5),
    max_leaves=12,
)

# --- batches, what is wrong with them, and how HubSpot may say so ------------------------------

# The same type written in several ways, two types, and custom ones.
_TYPES = [
    ("contacts", "companies"),
    ("0-1", "COMPANY"),
    ("contacts", "contacts"),
    ("contact", "0-1"),
    ("p1_cars", "contacts"),
    ("p1_cars", "p1_car"),
]
_LABELS = {
    "contacts": ["contact", "CONTACT", "contacts", "0-1"],
    "contact": ["contact", "CONTACT", "contacts", "0-1"],
    "0-1": ["contact", "CONTACT", "contacts", "0-1"],
    "companies": ["company", "COMPANY", "companies", "0-2"],
    "COMPANY": ["company", "COMPANY", "companies", "0-2"],
    "p1_cars": ["p1_cars", "P1_CARS"],
    "p1_car": ["p1_car", "P1_CAR"],
}
# They hold numbers that ids may be as well.
_NOISE = ["limit", "portalId", "numErrors", "detail", "hubId"]


@attrs.frozen
class Truth:
    """
    What is true of a batch, by the places of its pairs, and what HubSpot says of it.

    Attributes:
        pairs: The batch.
        linked: Those that it linked.
        warned: Those of them of which an error speaks all the same.
        failing: Those that it will never link. Of the rest it says nothing.
        results: Both directions of each link, in any order, as JSON.
        errors: At most all that could be said, in any order, as JSON.
    """

    pairs: list[Pair]
    linked: set[int]
    warned: set[int]
    failing: set[int]
    results: list[dict[str, Any]]
    errors: list[dict[str, Any]]


def number(record_id: str) -> str:
    """Return an id as HubSpot writes it."""
    return str(int(record_id))


@st.composite
def truths(draw: st.DrawFn) -> Truth:
    """Return batches whose ids overlap and whose pairs share ends, and replies that are honest."""
    types = draw(st.sampled_from(_TYPES))
    some_id = st.builds(lambda n, zeros: "0" * zeros + str(n), st.integers(1, 6), st.integers(0, 1))
    batch = Batch(types, 100, 0.0)
    for index, ends in enumerate(draw(st.lists(st.tuples(some_id, some_id), min_size=1))):
        batch.add(index, Pair(types[0], ends[0], types[1], ends[1]))
    pairs, places = batch.pairs, range(len(batch.pairs))
    kinds = [_LABELS[one][0] for one in types]
    both = [((kinds[0], number(p.from_id)), (kinds[1], number(p.to_id))) for p in pairs]
    every = sorted({end for one in both for end in one})
    missing = draw(st.sets(st.sampled_from(every), max_size=4))
    refused = draw(st.sets(st.sampled_from(places), max_size=3))
    failing = refused | {place for place in places if not missing.isdisjoint(both[place])}
    silent = draw(st.sets(st.sampled_from(places), max_size=4))
    linked = set(places) - failing - silent
    warned = linked & draw(st.sets(st.sampled_from(places), max_size=2))
    results = [
        {"from": {"id": one}, "to": {"id": other}}
        for place in linked
        for one, other in _both_ways(draw, *(int(record_id) for _, record_id in both[place]))
    ]
    said = _Speaker(draw, types, both)
    errors = said.of_pairs(sorted(refused | warned)) + said.of_records(sorted(missing))
    kept = draw(st.permutations(errors))[: draw(st.integers(0, len(errors)))]
    return Truth(pairs, linked, warned, failing, draw(st.permutations(results)), kept)


def _both_ways(draw: st.DrawFn, one: int, other: int) -> list[tuple[object, object]]:
    ways: list[tuple[object, object]] = [(one, str(other)), (other, one)]
    return draw(st.sampled_from([ways, ways[:1], ways[1:]]))


class _Speaker:
    """Says what is wrong in the ways that were recorded, and in others that are thinkable."""

    def __init__(
        self,
        draw: st.DrawFn,
        types: tuple[str, str],
        ends: list[tuple[tuple[str, str], tuple[str, str]]],
    ) -> None:
        self._draw = draw
        self._types = types
        self._ends = ends
        self._kinds = [_LABELS[one][0] for one in types]

    def of_pairs(self, places: list[int]) -> list[dict[str, Any]]:
        """Return errors about pairs: by both ends, one by one or several together."""
        contexts = []
        for place in places:
            one, other = (record_id for _, record_id in self._ends[place])
            roles = {"fromObjectId": [one], "toObjectId": [other]}
            back = {"fromObjectId": [other], "toObjectId": [one]}
            plain = {"objectIds": [one, other]}
            typed = {"detail": [f"{self._label(0)}={one} and {self._label(1)}={other} conflict"]}
            contexts.append(self._draw(st.sampled_from([roles, back, plain, typed, {}])))
        return self._told(contexts, ["LIMIT_EXCEEDED", None])

    def of_records(self, records: list[tuple[str, str]]) -> list[dict[str, Any]]:
        """Return errors about missing records: by themselves, or by the pairs they are in."""
        errors = []
        contexts: list[dict[str, Any]] = []
        for kind, record_id in records:
            sides = [n for n in (0, 1) if any(e[n] == (kind, record_id) for e in self._ends)]
            side = self._draw(st.sampled_from(sides))
            role = ("from", "to")[side]
            styles: list[dict[str, Any]] = [
                {"objectId": [record_id], "objectType": [self._label(side)]},
                {"id": [int(record_id)]},
                {"ids": record_id},
                {f"{role}ObjectId": [record_id]},
                {"INVALID_OBJECT_IDS": [f"{self._label(side)}={record_id} is not valid"]},
                {"INVALID_OBJECT_IDS": [f"{record_id} is not valid"]},
                {},
            ]
            # One input of those that it is in.
            place = next(n for n, e in enumerate(self._ends) if e[side] == (kind, record_id))
            one, other = (end_id for _, end_id in self._ends[place])
            styles += [
                {"fromObjectId": [one], "toObjectId": [other]},
                {"fromObjectId": [other], "toObjectId": [one]},
                {"ids": [one, other]},
            ]
            reported = self._told(
                [self._draw(st.sampled_from(styles))],
                [f"crm.associations.{role.upper()}_OBJECT_NOT_FOUND", None],
            )
            if self._draw(st.booleans()):
                errors += reported
            else:
                contexts.append({"ids": [record_id], "INVALID_OBJECT_IDS": [], role: [record_id]})
        return errors + self._of_many(contexts)

    def _of_many(self, contexts: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return one error about several records."""
        if not contexts:
            return []
        ids = [context["ids"][0] for context in contexts]
        roles = {
            f"{role}ObjectId": [c["ids"][0] for c in contexts if role in c]
            for role in ("from", "to")
        }
        sentences = {"INVALID_OBJECT_IDS": [f"{one} is not valid" for one in ids]}
        styles: list[dict[str, Any]] = [{"ids": ids}, {"id": ", ".join(ids)}, roles, sentences]
        style = self._draw(st.sampled_from(styles))
        return self._told([style], [None])

    def _told(
        self, contexts: list[dict[str, Any]], sub_categories: list[str | None]
    ) -> list[dict[str, Any]]:
        """Return errors with these contexts: each in its own, or in details of one."""
        sub_category = self._draw(st.sampled_from(sub_categories))
        common = {"message": "m", "status": "error", "subCategory": sub_category}
        name = self._draw(st.sampled_from(_NOISE))
        noise: dict[str, Any] = {name: ["3"]} if self._draw(st.booleans()) else {}
        if self._draw(st.booleans()):
            details = [{"message": "d", "context": context} for context in contexts]
            return [{**common, "context": noise, "errors": details}] if contexts else []
        return [{**common, "context": {**noise, **context}} for context in contexts]

    def _label(self, side: int) -> str:
        return self._draw(st.sampled_from(_LABELS[self._types[side]]))
