"""Which links exist: by calls, confirmed and not made, from the start."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from aiohubassoc.simulator import FaultPlan, Portal, PortalSettings
from aiohubassoc.simulator.records import LinkedPair, LinkStore, ObjectTypes
from aiohubassoc.simulator.seeded_random import SeededRandom
from tests.simulator.portal_calls import batch, decode, linked_ids, make_portal, put, read

if TYPE_CHECKING:
    from aiohubassoc.simulator.fault_plan import ScriptedPair

KINDS = st.sampled_from(["contacts", "companies"])
IDS = st.sampled_from(["1", "2", "3", "4"])
PAGES = st.integers(1, 4)
PAIRS = st.builds(LinkedPair, KINDS, IDS, KINDS, IDS)


def _store() -> LinkStore:
    return LinkStore(PortalSettings(), SeededRandom(1), ObjectTypes())


def _linked_ids(pairs: list[LinkedPair], kind: str, record_id: str, other: str) -> list[str]:
    """Return, by brute force, what a record is linked to, in the order made."""
    ids: list[str] = []
    for pair in pairs:
        if (pair.from_type, pair.from_id, pair.to_type) == (kind, record_id, other):
            ids.append(pair.to_id)
        if (pair.to_type, pair.to_id, pair.from_type) == (kind, record_id, other):
            ids.append(pair.from_id)
    return list(dict.fromkeys(ids))


@given(st.lists(PAIRS, max_size=20), st.tuples(KINDS, IDS, KINDS), st.integers(0, 4), PAGES)
def test_a_record_has_the_links_that_were_made(
    pairs: list[LinkedPair], way: tuple[str, str, str], start: int, limit: int
) -> None:
    """Each once, in the order made, from either end, and any page of them."""
    store = _store()
    for pair in pairs:
        store.add(pair)
    expected = _linked_ids(pairs, *way)
    ids, has_more = store.others(*way, start, limit)
    assert ids == expected[start : start + limit]
    assert has_more == (len(expected) > start + limit)


# --- from the start ----------------------------------------------------------------------------


def test_links_from_the_start_are_not_in_the_ledger() -> None:
    """A read finds them, and a call may make them again."""
    portal = make_portal()
    portal.add_links([("contact", "01", "0-2", "2")])
    assert (portal.ledger.links_total, portal.ledger.calls.total()) == (0, 0)
    assert linked_ids(read(portal, 1)) == {"1": ["2"]}
    put(portal, 1, 2)
    assert linked_ids(read(portal, 1)) == {"1": ["2"]}
    assert portal.ledger.links_total == 1


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (("kontakte", "1", "companies", "2"), "'kontakte' is no object type"),
        (("contacts", "1", "firmen", "2"), "'firmen' is no object type"),
        (("contacts", "x", "companies", "2"), "'x' is no id"),
        (("contacts", "1", "companies", "0"), "'0' is no id"),
        (("contacts", 1, "companies", "2"), "four strings"),
        (("contacts", "1", None, "2"), "four strings"),
        (("contacts", "1", "companies"), "four strings"),
    ],
)
def test_impossible_links(pair: ScriptedPair, message: str) -> None:
    """They raise ValueError with the reason, when added and in the settings."""
    with pytest.raises(ValueError, match=message):
        make_portal().add_links([pair])
    with pytest.raises(ValueError, match=message):
        make_portal(labelled_only=(pair,))


def test_a_portal_that_keeps_no_links_accepts_none() -> None:
    """It raises ValueError."""
    with pytest.raises(ValueError, match="keep_links=False"):
        make_portal(keep_links=False).add_links([("contacts", "1", "companies", "2")])


def test_a_labelled_link_is_not_the_default_one() -> None:
    """Until a call makes the default one too."""
    pair = ("contacts", "1", "companies", "2")
    portal = make_portal(labelled_only=(pair,))
    for types, record in (("contacts/companies", 1), ("companies/contacts", 2)):
        ((link,),) = (each["to"] for each in decode(read(portal, record, types=types))["results"])
        assert all(each["label"] for each in link["associationTypes"])
    put(portal, 1, 2)
    for types, record in (("contacts/companies", 1), ("companies/contacts", 2)):
        ((link,),) = (each["to"] for each in decode(read(portal, record, types=types))["results"])
        assert any(each["label"] is None for each in link["associationTypes"])


def test_a_label_removes_no_default() -> None:
    """A pair that is linked by default and then with a label has both."""
    store = _store()
    pair = LinkedPair("contacts", "1", "companies", "2")
    store.add(pair)
    store.add_labelled(pair)
    assert store.is_default(pair)


# --- confirmed and not made --------------------------------------------------------------------


def test_an_unmade_link_looks_like_a_made_one() -> None:
    """The response to a single call and to a batch is that of a portal without the fault."""
    plan = FaultPlan(script_all=("unmade", "unmade"))
    portal, honest = make_portal(faults=plan, records_up_to=50), make_portal(records_up_to=50)
    assert decode(put(portal, 1, 2)) == decode(put(honest, 1, 2))
    pairs = [(3, 4), (5, 99), (6, 7)]
    assert decode(batch(portal, *pairs)) == decode(batch(honest, *pairs))
    assert portal.ledger.faults == {"unmade": 2}
    # The pairs that such a batch refuses are refused.
    assert (portal.ledger.links_total, portal.ledger.refused_total) == (0, 1)
    assert linked_ids(read(portal, 1, 3, 6)) == {}
    assert put(portal, 1, 2).status == 200
    assert linked_ids(read(portal, 1)) == {"1": ["2"]}


def test_a_share_of_pairs_is_never_made() -> None:
    """The same pairs by single calls and by batches, in every attempt."""
    pairs = [(number, 10**6) for number in range(1, 501)]
    single, many = make_portal(unmade_share=0.1), make_portal(unmade_share=0.1)
    for pair in pairs * 2:
        assert put(single, *pair).status == 200
    response = batch(many, *pairs)
    assert (response.status, len(decode(response)["results"])) == (200, 1000)
    made = linked_ids(read(many, 10**6, types="companies/contacts"))["1000000"]
    assert 20 < 500 - len(made) < 90
    assert linked_ids(read(single, 10**6, types="companies/contacts")) == {"1000000": made}
    assert set(many.ledger.links) == set(single.ledger.links)
    assert (many.ledger.links_total, single.ledger.links_total) == (len(made), 2 * len(made))


def test_labelled_pairs_are_four_strings() -> None:
    """Anything else raises ValueError."""
    with pytest.raises(ValueError, match="labelled_only"):
        PortalSettings(labelled_only=(("contacts", 1, "companies", "2"),))  # type: ignore[arg-type]
    pair = ("contacts", "1", "companies", "2")
    settings = PortalSettings(labelled_only=(pair,))
    assert PortalSettings.from_json(settings.to_json()) == settings
    assert linked_ids(read(Portal(settings), 1)) == {"1": ["2"]}
