"""The ledger, and the portal's settings."""

from __future__ import annotations

from typing import Any

import pytest

from aiohubassoc import simulator
from aiohubassoc.simulator import FaultPlan, Latency, Neighbour, PortalSettings
from tests.simulator.portal_calls import batch, make_portal, put, put_path, send


def test_what_is_counted() -> None:
    """Every response, link and refusal, by pair."""
    portal = make_portal(records_up_to=50, faults=FaultPlan(script_all=(None, "reset_after")))
    for number in (1, 2, 1, 99):
        put(portal, number, now=float(number))
        portal.ledger.open_request()
    counts = portal.ledger.to_dict()
    assert counts["requests"] == 4
    assert counts["responses"] == {"200": 2, "400": 1}
    assert counts["error_share"] == pytest.approx(1 / 3)
    assert counts["faults"] == {"reset_after": 1}
    assert counts["links"] == {"total": 3, "pairs": 2, "max_per_pair": 2}
    assert counts["refused"] == {"total": 1, "pairs": 1}
    assert counts["type_names"] == {"companies": 4, "contacts": 4}
    assert (counts["first_counted"], counts["last_counted"]) == (1.0, 99.0)
    assert portal.ledger.arrivals == [(1.0, 200), (2.0, "reset_after"), (1.0, 200), (99.0, 400)]
    assert portal.ledger.links_to_dict() == {
        "links": [["contacts", "1", "companies", "2", 2], ["contacts", "2", "companies", "2", 1]],
        "refused": [["contacts", "99", "companies", "2", 1]],
    }


def test_a_pair_has_one_name_in_the_ledger() -> None:
    """Types under any name, ids by their number."""
    portal = make_portal()
    put(portal, 1, 2)
    send(portal, "PUT", put_path("01", "2", "0-1/COMPANY"))
    assert len(portal.ledger.links) == 1


def test_windows() -> None:
    """The most seen and accepted in any window, and the count of each window."""
    portal = make_portal(quota_limit=2, quota_window=1.0)
    for now in (5.0, 5.1, 5.2, 7.5):
        put(portal, now=now)
    batch(portal, (1, 2), now=7.6)
    ledger = portal.ledger
    assert (ledger.max_seen_in_window, ledger.max_accepted_in_window) == (3, 2)
    assert ledger.windows == [2, 0, 1]
    assert make_portal().ledger.to_dict()["error_share"] == 0


def test_a_ledger_without_links_stays_small() -> None:
    """Counts only; a pair without a fault is forgotten."""
    portal = make_portal(keep_links=False, keep_arrivals=False, records_up_to=500)
    for number in range(1, 1001):
        put(portal, number)
    counts = portal.ledger.to_dict()
    assert counts["links"] == {"total": 500, "pairs": None, "max_per_pair": None}
    assert counts["refused"] == {"total": 500, "pairs": None}
    assert not portal.ledger.links
    assert not portal.ledger.refused
    assert not portal.ledger.arrivals
    assert not portal._requests._by_key


def test_settings_survive_json() -> None:
    """Every setting; what is missing keeps its default."""
    settings = PortalSettings(
        seed=7,
        tokens=("a", "b"),
        quota_limit=None,
        missing_scopes=("s",),
        scopes=("a", "b"),
        refused_calls=("usage",),
        unknown_calls=("limits",),
        limited_records=(("contacts", "1", "companies", 7),),
        custom_types=("p1_x",),
        latency=Latency(1.0, 2.0, 3.0, 4.0, 0.5, 6.0),
        quota_kind="gcra",
        neighbours=(Neighbour(1.0, 2.0, 3.0), Neighbour(4.0, 5.0, 6.0, 7)),
        faults=FaultPlan(
            no_body=0.5,
            script={("a", "1", "b", "2"): ("locked_423", None)},
            script_batches=("unmade",),
            script_reads=(None, "pending"),
            script_account=(None, "slow"),
            script_all=(None, "locked_423"),
        ),
        reported_max="5",
        batch_limit=3,
        batch_window=4.0,
        batch_max_in_flight=5,
        batch_errors="first",
        read_page=6,
        read_unlinked="empty",
        unmade_share=0.25,
        labelled_only=(("contacts", "1", "companies", "2"),),
    )
    assert PortalSettings.from_json(settings.to_json()) == settings
    assert PortalSettings.from_json("{}") == PortalSettings()


@pytest.mark.parametrize(
    "text", ["", "[]", '"x"', '{"nonsense": 1}', '{"faults": {"nonsense": 1}}', '{"tokens": 5}']
)
def test_json_of_no_settings(text: str) -> None:
    """It raises ValueError."""
    with pytest.raises(ValueError, match=r".+"):
        PortalSettings.from_json(text)


@pytest.mark.parametrize(
    "settings",
    [
        {"quota_limit": 0},
        {"quota_window": 0.0},
        {"quota_kind": "sliding"},
        {"secondly_limit": 0},
        {"daily_limit": 0},
        {"headers": "few"},
        {"records_up_to": -1},
        {"missing_share": 1.5},
        {"missing_response": "410"},
        {"batch_limit": 0},
        {"batch_window": 0.0},
        {"batch_max_in_flight": 0},
        {"read_page": 0},
        {"read_unlinked": "none"},
        {"unmade_share": -0.1},
        {"batch_errors": "some"},
        {"batch_missing": "500"},
        {"refused_calls": ("scopes",)},
        {"unknown_calls": ("details", "x")},
        {"utc_offset": 15.0},
        {"daily_used": -1},
        {"association_limit": 0},
    ],
)
def test_invalid_settings(settings: dict[str, Any]) -> None:
    """They raise ValueError with the name of the setting."""
    with pytest.raises(ValueError, match=next(iter(settings))):
        PortalSettings(**settings)


def test_neighbours_and_latencies_are_not_negative() -> None:
    """Seconds and rates are 0 or more."""
    with pytest.raises(ValueError, match="start"):
        Neighbour(-1.0, 1.0, 1.0)
    with pytest.raises(ValueError, match="burst"):
        Neighbour(1.0, 1.0, 1.0, 0)
    with pytest.raises(ValueError, match="stray_share"):
        Latency(stray_share=1.5)
    with pytest.raises(ValueError, match="after_median"):
        Latency(after_median=-1.0)


def test_public_names() -> None:
    """Each loads; no other name does."""
    for name in simulator.__all__:
        assert getattr(simulator, name) is not None
    assert set(simulator.__all__) <= set(dir(simulator))
    with pytest.raises(AttributeError, match="nonsense"):
        _ = simulator.nonsense
