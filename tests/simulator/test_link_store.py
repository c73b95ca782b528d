"""Which links there are: made by calls, told and not made, there before any call."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from aiohubassoc.simulator import FaultPlan, Portal, PortalSettings
from aiohubassoc.simulator.link_index import LinkIndex
from aiohubassoc.simulator.put_operation import LinkedPair
from tests.simulator.portal_calls import batch, found, portal_of, put, read, told

if TYPE_CHECKING:
    from aiohubassoc.simulator.fault_plan import ScriptedPair

KINDS = st.sampled_from(["contacts", "companies"])
IDS = st.sampled_from(["1", "2", "3", "4"])
PAGES = st.integers(1, 4)
PAIRS = st.builds(LinkedPair, KINDS, IDS, KINDS, IDS)


def _ends(pairs: list[LinkedPair], kind: str, record_id: str, other: str) -> list[str]:
    """Return, by brute force, what a record is linked to, in the order made."""
    ends: list[str] = []
    for pair in pairs:
        if (pair.from_type, pair.from_id, pair.to_type) == (kind, record_id, other):
            ends.append(pair.to_id)
        if (pair.to_type, pair.to_id, pair.from_type) == (kind, record_id, other):
            ends.append(pair.from_id)
    return list(dict.fromkeys(ends))


@given(st.lists(PAIRS, max_size=20), st.tuples(KINDS, IDS, KINDS), st.integers(0, 4), PAGES)
def test_a_record_has_the_links_that_were_made(
    pairs: list[LinkedPair], way: tuple[str, str, str], start: int, most: int
) -> None:
    """Each once, in the order made, from whichever end, and any page of them."""
    links = LinkIndex()
    links.add(pairs)
    expected = _ends(pairs, *way)
    told_ids, has_more = links.others(*way, start, most)
    assert told_ids == expected[start : start + most]
    assert has_more == (len(expected) > start + most)


# --- from the beginning ------------------------------------------------------------------------


def test_links_from_the_beginning_are_in_no_books() -> None:
    """They are read all the same, and a call may make them again."""
    portal = portal_of()
    portal.add_links([("contact", "01", "0-2", "2")])
    assert (portal.ledger.links_total, portal.ledger.calls.total()) == (0, 0)
    assert found(read(portal, 1)) == {"1": ["2"]}
    put(portal, 1, 2)
    assert found(read(portal, 1)) == {"1": ["2"]}
    assert portal.ledger.links_total == 1


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (("kontakte", "1", "companies", "2"), "'kontakte' is no object type"),
        (("contacts", "1", "firmen", "2"), "'firmen' is no object type"),
        (("contacts", "x", "companies", "2"), "'x' is no id"),
        (("contacts", "1", "companies", "0"), "'0' is no id"),
    ],
)
def test_links_that_cannot_be(pair: ScriptedPair, message: str) -> None:
    """Are refused with what is wrong, from the beginning and in the settings."""
    with pytest.raises(ValueError, match=message):
        portal_of().add_links([pair])
    with pytest.raises(ValueError, match=message):
        portal_of(labelled_only=(pair,))


def test_a_portal_that_keeps_no_links_has_none_to_begin_with() -> None:
    """It says so."""
    with pytest.raises(ValueError, match="keep_links=False"):
        portal_of(keep_links=False).add_links([("contacts", "1", "companies", "2")])


def test_a_labelled_link_is_not_the_default_one() -> None:
    """Until a call makes that as well; one that is there by default stays so."""
    pair = ("contacts", "1", "companies", "2")
    portal = portal_of(labelled_only=(pair,))
    for types, record in (("contacts/companies", 1), ("companies/contacts", 2)):
        ((link,),) = (each["to"] for each in told(read(portal, record, types=types))["results"])
        assert all(each["label"] for each in link["associationTypes"])
    put(portal, 1, 2)
    for types, record in (("contacts/companies", 1), ("companies/contacts", 2)):
        ((link,),) = (each["to"] for each in told(read(portal, record, types=types))["results"])
        assert any(each["label"] is None for each in link["associationTypes"])


def test_a_label_takes_no_default_away() -> None:
    """A pair that is linked by default and then with a label has both."""
    links = LinkIndex()
    pair = LinkedPair("contacts", "1", "companies", "2")
    links.add([pair])
    links.add_labelled([pair])
    assert links.is_default(pair)


# --- told and not made -------------------------------------------------------------------------


def test_an_unmade_link_is_told_word_for_word() -> None:
    """A single call and a whole batch: the answer is that of a portal without the fault."""
    plan = FaultPlan(script_all=("unmade", "unmade"))
    portal, honest = portal_of(faults=plan, records_up_to=50), portal_of(records_up_to=50)
    assert told(put(portal, 1, 2)) == told(put(honest, 1, 2))
    pairs = [(3, 4), (5, 99), (6, 7)]
    assert told(batch(portal, *pairs)) == told(batch(honest, *pairs))
    assert portal.ledger.faults == {"unmade": 2}
    # What is refused in such a batch is refused.
    assert (portal.ledger.links_total, portal.ledger.refused_total) == (0, 1)
    assert found(read(portal, 1, 3, 6)) == {}
    assert put(portal, 1, 2).status == 200
    assert found(read(portal, 1)) == {"1": ["2"]}


def test_a_share_of_pairs_is_never_made() -> None:
    """The same ones by single calls and by batches, however often; the others are."""
    pairs = [(number, 10**6) for number in range(1, 501)]
    single, many = portal_of(unmade_share=0.1), portal_of(unmade_share=0.1)
    for pair in pairs * 2:
        assert put(single, *pair).status == 200
    answer = batch(many, *pairs)
    assert (answer.status, len(told(answer)["results"])) == (200, 1000)
    made = found(read(many, 10**6, types="companies/contacts"))["1000000"]
    assert 20 < 500 - len(made) < 90
    assert found(read(single, 10**6, types="companies/contacts")) == {"1000000": made}
    assert set(many.ledger.links) == set(single.ledger.links)
    assert (many.ledger.links_total, single.ledger.links_total) == (len(made), 2 * len(made))


def test_labelled_pairs_are_four_strings() -> None:
    """Anything else is refused when the settings are made."""
    with pytest.raises(ValueError, match="labelled_only"):
        PortalSettings(labelled_only=(("contacts", 1, "companies", "2"),))  # type: ignore[arg-type]
    pair = ("contacts", "1", "companies", "2")
    settings = PortalSettings(labelled_only=(pair,))
    assert PortalSettings.from_json(settings.to_json()) == settings
    assert found(read(Portal(settings), 1)) == {"1": ["2"]}
