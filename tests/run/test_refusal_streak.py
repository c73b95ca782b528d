"""When refusals alike stop a run: soon where the run is wrong, never where a record is."""

from __future__ import annotations

import pickle
import random  # noqa: TID251 -- seeded
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st

from aiohubassoc import (
    ApiError,
    ConnectionLostError,
    DefaultAssociations,
    ErrorDetail,
    NotFoundError,
    Pair,
    PairError,
    PartialFailureError,
    RefusedAlikeError,
    StandardError,
    UnconfirmedError,
)
from aiohubassoc._run.failure_limits import RefusalStreak

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohubassoc import AioHubAssocError

LIMIT = 50


def _pair(number: int) -> Pair:
    return Pair("contacts", number, "companies", number + 1_000_000)


def _unnamed(number: int) -> ApiError:
    """Return what HubSpot might say of any pair, with what differs from call to call."""
    chance = random.Random(number)
    trace = uuid.UUID(int=chance.getrandbits(128))
    message = f"Link limit of portal 62515 reached {chance.random()} s ago (request {trace})"
    return ApiError(403, "LIMIT_X", message, str(trace), context={"requestId": (str(trace),)})


def _gone(number: int) -> ApiError:
    """Return what HubSpot says of a record that is not there, as recorded in 2020."""
    message = f"No contact with ID {number} exists"
    context = {"objectType": ("contact",), "id": (str(number),)}
    return NotFoundError(404, "OBJECT_NOT_FOUND", message, f"c-{number}", (), context)


def _stops_at(
    streak: RefusalStreak, count: int, refusal: Callable[[int], AioHubAssocError]
) -> int | None:
    """Return after how many refusals the run stops; None: never."""
    for number in range(1, count + 1):
        if streak.refused(_pair(number), refusal(number)) is not None:
            return number
    return None


# --- laws --------------------------------------------------------------------------------------


def test_refused_alike_from_the_start() -> None:
    """1,500 of them: it stops at 50, with the last refusal."""
    streak = RefusalStreak(LIMIT)
    for number in range(1, LIMIT):
        assert streak.refused(_pair(number), _unnamed(number)) is None
    last = _unnamed(LIMIT)
    stop = streak.refused(_pair(LIMIT), last)
    assert isinstance(stop, RefusedAlikeError)
    assert (LIMIT, LIMIT) == (stop.count, streak.length)
    assert last is stop.error
    # Those that are in flight meanwhile say the same.
    assert streak.refused(_pair(51), _unnamed(51)) is not None
    assert str(pickle.loads(pickle.dumps(stop))) == str(stop)  # noqa: S301 -- our own


def test_deleted_records_come_in_rows() -> None:
    """Each refusal names a record of its pair: it stops at ten times as many."""
    assert 10 * LIMIT == _stops_at(RefusalStreak(LIMIT), 1500, _gone)


@pytest.mark.parametrize(("count", "refusal"), [(20, _unnamed), (49, _unnamed), (499, _gone)])
def test_fewer_never_stop(count: int, refusal: Callable[[int], ApiError]) -> None:
    """However often they come in a run, if a pair is linked between."""
    streak = RefusalStreak(LIMIT)
    for _ in range(20):
        assert _stops_at(streak, count, refusal) is None
        streak.length = 0


@pytest.mark.parametrize("refusal", [_unnamed, _gone])
@pytest.mark.parametrize("seed", range(5))
def test_a_few_at_random_never_stop(refusal: Callable[[int], ApiError], seed: int) -> None:
    """3 % of 100,000 pairs."""
    chance, streak = random.Random(seed), RefusalStreak(LIMIT)
    for number in range(1, 100_001):
        if chance.random() < 0.03:
            assert streak.refused(_pair(number), refusal(number)) is None
        else:
            streak.length = 0


@pytest.mark.parametrize(("limit", "unnamed", "named"), [(1, 1, 10), (7, 7, 70), (50, 50, 500)])
def test_the_limit_is_an_option(limit: int, unnamed: int, named: int) -> None:
    """For both kinds."""
    assert unnamed == _stops_at(RefusalStreak(limit), 1500, _unnamed)
    assert named == _stops_at(RefusalStreak(limit), 1500, _gone)


@pytest.mark.parametrize("refusal", [_unnamed, _gone])
def test_without_a_limit_it_never_stops(refusal: Callable[[int], ApiError]) -> None:
    """None."""
    assert _stops_at(RefusalStreak(None), 2000, refusal) is None


@given(st.lists(st.sampled_from(["linked", "unnamed", "gone"]), max_size=300), st.integers(1, 9))
def test_it_stops_exactly_where_the_rule_says(events: list[str], limit: int) -> None:
    """Against the rule written down once more: from the whole history, for each event."""
    streak = RefusalStreak(limit)
    for number, event in enumerate(events, 1):
        if event == "linked":
            streak.length = 0
            continue
        refusal = _unnamed if event == "unnamed" else _gone
        row = 0
        for before in reversed(events[:number]):
            if before != event:
                break
            row += 1
        stops = row >= (limit if event == "unnamed" else 10 * limit)
        assert stops == (streak.refused(_pair(number), refusal(number)) is not None)


# --- what is alike -------------------------------------------------------------------------------


def test_a_link_between_begins_anew() -> None:
    """And so does another refusal."""
    streak = RefusalStreak(3)
    assert _stops_at(streak, 2, _unnamed) is None
    streak.length = 0
    assert 0 == streak.length
    assert _stops_at(streak, 2, _unnamed) is None
    assert streak.refused(_pair(9), ApiError(403, "OTHER", "m", None)) is None
    assert 1 == streak.length
    assert _stops_at(streak, 2, _unnamed) is None


ALIKE: list[tuple[str, Callable[[int], str]]] = [
    ("a number", lambda n: f"limit {n} of 500"),
    ("the pair's ids", lambda n: f"from {n} to {n + 1_000_000}"),
    ("a quoted value", lambda n: f"value '{'abc'[n % 3]}' of \"{'xyz'[n % 3]}\" `{'uvw'[n % 3]}`"),
    ("a UUID", lambda n: f"trace {uuid.UUID(int=n**20 % 2**128)}"),
    ("a ray", lambda n: f"<html>Ray ID: {n:x}9c0f</html>"),
    ("a date", lambda n: f"at 2026-11-28T10:00:{n:02d}.1Z"),
    ("quotes that do not end", lambda n: f"isn't {n}, wasn't 'so"),
    ("a text that was cut", lambda n: (f"{n} " + "word " * 1000)[:1000]),
]


@pytest.mark.parametrize("text", [text for _, text in ALIKE], ids=[name for name, _ in ALIKE])
def test_texts_that_are_alike(text: Callable[[int], str]) -> None:
    """What differs from pair to pair and from call to call does not count."""
    streak = RefusalStreak(LIMIT)
    for number in range(1, 40):
        streak.refused(_pair(number), ApiError(403, None, text(number), f"c-{number}"))
    assert 39 == streak.length


@pytest.mark.parametrize(
    "error",
    [
        ApiError(404, "X", "message of 1", None),
        ApiError(403, "Y", "message of 1", None),
        ApiError(403, None, "message of 1", None),
        ApiError(403, "X", "another message of 1", None),
        ApiError(403, "X", "message of 1, don't", None),
        PartialFailureError(
            DefaultAssociations((), errors=(StandardError("X", "message of 1"),), num_errors=1)
        ),
    ],
)
def test_what_is_not_alike(error: AioHubAssocError) -> None:
    """Another status, category or message."""
    streak = RefusalStreak(LIMIT)
    streak.refused(_pair(9), ApiError(403, "X", "message of 2", None))
    streak.refused(_pair(9), error)
    assert 1 == streak.length


def test_ids_that_are_no_numbers_are_blanked() -> None:
    """Words, and whatever else can be an id."""
    streak = RefusalStreak(LIMIT)
    for one in ("contact-a", "b", "a/b", "jo@example.com", "x.y"):
        message = f"the record {one} is not valid"
        streak.refused(Pair("cars", one, "companies", 1), ApiError(400, None, message, None))
    assert 5 == streak.length


def test_errors_inside_a_success_count() -> None:
    """HubSpot refuses pairs of a batch so: by category and message of the first."""

    def refusal(number: int) -> PartialFailureError:
        message = f"No contact with ID {number} exists"
        errors = (StandardError("OBJECT_NOT_FOUND", message, context={"id": (str(number),)}),)
        return PartialFailureError(DefaultAssociations((), "COMPLETE", errors, number))

    assert 10 * LIMIT == _stops_at(RefusalStreak(LIMIT), 1500, refusal)
    streak = RefusalStreak(LIMIT)
    for message in ("No contact exists", "No company exists", None):
        reported = (StandardError("OBJECT_NOT_FOUND", message),)
        streak.refused(_pair(1), PartialFailureError(DefaultAssociations((), "COMPLETE", reported)))
        assert 1 == streak.length
    nameless = PartialFailureError(DefaultAssociations((), "COMPLETE", num_errors=1))
    assert LIMIT == _stops_at(RefusalStreak(LIMIT), 1500, lambda _: nameless)


@pytest.mark.parametrize(
    "error", [PairError("m"), ConnectionLostError("m"), UnconfirmedError()], ids=str
)
def test_what_hubspot_did_not_refuse_does_not_count(error: AioHubAssocError) -> None:
    """It neither begins a streak nor ends one."""
    streak = RefusalStreak(3)
    assert _stops_at(streak, 2, _unnamed) is None
    assert _stops_at(streak, 100, lambda _: error) is None
    assert streak.refused(_pair(3), _unnamed(3)) is not None


# --- what names a record of its pair -------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [
        {"message": "No contact with ID 101 exists"},
        {"message": "no company 0202."},
        {"message": "CONTACT=101 is not valid"},
        {"message": "'101' is not valid"},
        {"context": {"id": ("101",)}},
        {"context": {"INVALID_OBJECT_IDS": ("7 is not valid", "COMPANY=202 is not valid")}},
        {"errors": (ErrorDetail("101"),)},
        {"errors": (ErrorDetail(context={"ids": ("1, 2, 202",)}),)},
    ],
)
def test_a_record_that_is_named(said: dict[str, Any]) -> None:
    """By either id, as it was sent or as HubSpot writes it, wherever it stands."""
    pair = Pair("contacts", "0101", "companies", "0202")
    streak = RefusalStreak(1)
    error = ApiError(400, "C", **{"message": "m", "correlation_id": "101", **said})
    assert streak.refused(pair, error) is None


@pytest.mark.parametrize(
    "said",
    [
        {"message": "m"},
        {"message": "1010, 2101, x101, 101x and 1"},
        {"message": "x101"},
        {"message": "101x"},
        {"message": "contacts to companies"},
        {"context": {"101": ("x",), "limit": ("500",)}},
        {"errors": (ErrorDetail("m", "101", "101", "101"),)},
    ],
)
def test_a_record_that_is_not_named(said: dict[str, Any]) -> None:
    """Another number, a part of one, or the correlation id."""
    streak = RefusalStreak(1)
    error = ApiError(400, "C", **{"message": "m", "correlation_id": "101", **said})
    assert streak.refused(Pair("contacts", 101, "companies", 202), error) is not None


def test_some_that_do_not_name_their_record_are_enough() -> None:
    """Fifty of those, whatever the others are."""
    streak = RefusalStreak(LIMIT)

    def refusal(number: int) -> ApiError:
        context = {"id": (str(number),)} if number % 2 else {}
        return ApiError(400, "C", "m", None, context=context)

    assert 2 * LIMIT == _stops_at(streak, 1500, refusal)


def test_a_long_text_is_read_in_no_time() -> None:
    """No text makes the reader try it over and over."""
    texts = ["a" * 100_000, "'" * 100_000, " '" * 50_000, '"a ' * 30_000, "-" * 100_000]
    streak = RefusalStreak(LIMIT)
    for number, text in enumerate(texts, 1):
        error = ApiError(400, text, text, None, context={"x": (text,)})
        assert streak.refused(_pair(number), error) is None
