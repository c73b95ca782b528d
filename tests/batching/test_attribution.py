"""What a batch's reply says of each pair: never more than is certain."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import attrs
import orjson
import pytest
from hypothesis import given, settings, strategies as st

from aiohubassoc import Association, DefaultAssociations, Pair, ValidationError
from aiohubassoc._batching import attribution, error_ids
from aiohubassoc._batching.attribution import BatchIndex, ReplyPart, read_refusal
from aiohubassoc._batching.error_ids import Mention, find_ids
from aiohubassoc._protocol.bounds import Redaction
from aiohubassoc._protocol.codec import UndecodableError, decode_error, finish
from aiohubassoc._protocol.verdicts import Partial, Response, Transient
from tests.protocol.judging import decode_reply
from tests.protocol.strategies import Truth, near_bodies, number, truths

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random  # noqa: TID251 -- seeded

    from aiohubassoc import ApiError

TYPES = ("contacts", "companies")


def _pairs(*ends: tuple[int | str, int | str], types: tuple[str, str] = TYPES) -> list[Pair]:
    return [Pair(types[0], one, types[1], other) for one, other in ends]


def read_reply(pairs: Sequence[Pair], reply: DefaultAssociations) -> list[ReplyPart]:
    """Return what a reply says of each pair."""
    return finish(attribution.read_reply(pairs, reply))


def _reply(
    links: Sequence[tuple[object, object]] = (), errors: Sequence[object] = (), **more: Any
) -> DefaultAssociations:
    results = [{"from": {"id": one}, "to": {"id": other}} for one, other in links]
    return decode_reply(orjson.dumps({"results": results, "errors": list(errors), **more}))


def _refusal(context: object = None, errors: object = None, **more: Any) -> ApiError:
    body = decode_error(orjson.dumps({"context": context, "errors": errors, **more}))
    assert body is not None
    reported = ("VALIDATION_ERROR", body.message or "m", "c-1", body.errors, body.context)
    return ValidationError(400, *reported, body.sub_category)


def _kinds(said: list[ReplyPart]) -> list[str]:
    """Return what is said of each pair, in a word."""
    return [
        "alone"
        if one is None
        else ("partial" if one.linked else "failed")
        if isinstance(one, Partial)
        else "linked"
        for one in said
    ]


def _part(said: ReplyPart) -> DefaultAssociations:
    assert said is not None
    return said.reply if isinstance(said, Partial) else said


def _said(pairs: list[Pair], errors: object, links: Sequence[tuple[object, object]] = ()) -> Any:
    """Return what is said of each pair where there is another, linked one beside them."""
    return _kinds(read_reply([*pairs, *_pairs((90, 91))], _reply([(90, 91), *links], errors)))[:-1]  # type: ignore[arg-type]


# --- laws --------------------------------------------------------------------------------------


@settings(max_examples=500)
@given(truths())
def test_blame_is_never_wrong(truth: Truth) -> None:
    """Whatever is named, and however: no innocent pair fails, and no linked one is half linked."""
    said = read_reply(truth.pairs, _reply_of(truth))
    for place, kind in enumerate(_kinds(said)):
        if place in truth.linked:
            assert kind in {"linked", "alone"} or (kind == "partial" and place in truth.warned)
        else:
            assert kind == "alone" or (kind == "failed" and place in truth.failing)


@settings(max_examples=200)
@given(truths(), st.integers(0, 9))
def test_no_linked_pair_is_doubted_without_need(truth: Truth, more: int) -> None:
    """Only for an error that names nobody, described or just counted."""
    body = {"results": truth.results, "errors": truth.errors}
    plain = decode_reply(orjson.dumps(body))
    sure = decode_reply(orjson.dumps({**body, "errors": []}))
    for reply in (sure, attrs.evolve(sure, num_errors=0)):
        assert all(
            kind == ("linked" if place in truth.linked else "alone") or len(truth.pairs) == 1
            for place, kind in enumerate(_kinds(read_reply(truth.pairs, reply)))
        )
    # To count what is described says nothing new, and nobody is linked by a higher count.
    count = len(plain.errors)
    before = _kinds(read_reply(truth.pairs, plain))
    assert before == _kinds(read_reply(truth.pairs, attrs.evolve(plain, num_errors=count)))
    after = _kinds(read_reply(truth.pairs, attrs.evolve(plain, num_errors=count + more)))
    for one, other in zip(before, after, strict=True):
        assert one == other or (one, other) == ("linked", "alone") or len(truth.pairs) == 1


@settings(max_examples=200)
@given(truths())
def test_a_refusal_of_the_whole_is_never_blamed_on_an_innocent_pair(truth: Truth) -> None:
    """However a 400 names what is wrong, the pairs that it is blamed on would fail alone too."""
    wrong = truth.failing | truth.warned
    for error in truth.errors:
        refused = finish(
            read_refusal(
                truth.pairs, _refusal(error["context"], error.get("errors"), **_finer(error))
            )
        )
        assert refused.keys() <= wrong


@given(truths(), st.randoms(use_true_random=False))
def test_places_do_not_matter(truth: Truth, chance: Random) -> None:
    """Inputs, results and errors in any other order: the same is said of each pair."""
    before = dict(zip(truth.pairs, _kinds(read_reply(truth.pairs, _reply_of(truth))), strict=True))
    pairs, results, errors = list(truth.pairs), list(truth.results), list(truth.errors)
    for shuffled in (pairs, results, errors):
        chance.shuffle(shuffled)
    mixed = attrs.evolve(truth, pairs=pairs, results=results, errors=errors)
    assert before == dict(zip(pairs, _kinds(read_reply(pairs, _reply_of(mixed))), strict=True))


@given(truths())
def test_what_is_kept_with_a_pair_concerns_it(truth: Truth) -> None:
    """Its results link that very pair, and its errors name no record but its own."""
    for pair, said in zip(truth.pairs, read_reply(truth.pairs, _reply_of(truth)), strict=True):
        if said is None:
            continue
        part, own = _part(said), {number(pair.from_id), number(pair.to_id)}
        assert all({one.from_id, one.to_id} == own for one in part.results)
        assert bool(part.results) == (not isinstance(said, Partial) or said.linked)
        if len(truth.pairs) > 1:
            for context in _contexts(part):
                for name, values in context.items():
                    named = [finish(find_ids({name: (value,)}, (), None)) for value in values]
                    assert all(not own.isdisjoint(m.record_id for m in ms) for ms in named if ms)


def _contexts(part: DefaultAssociations) -> list[Any]:
    return [e.context for e in part.errors] + [d.context for e in part.errors for d in e.errors]


def _reply_of(truth: Truth) -> DefaultAssociations:
    body = {"status": "COMPLETE", "results": truth.results, "errors": truth.errors}
    return decode_reply(orjson.dumps(body))


def _finer(error: dict[str, Any]) -> dict[str, Any]:
    return {"subCategory": error["subCategory"]}


@settings(max_examples=200)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(4, 7)), min_size=1, unique=True),
    near_bodies,
    near_bodies,
    st.lists(near_bodies, max_size=3),
)
def test_no_reply_is_too_odd(
    ends: list[tuple[int, int]], context: object, results: object, details: list[object]
) -> None:
    """Any reply or refusal that can be decoded is read: each pair is linked, blamed or alone."""
    pairs = _pairs(*ends)
    error = {"context": context, "errors": details}
    for body in (
        {"results": results, "errors": [error, context]},
        {"results": [], "errors": [error, {"context": {"ids": ["1", context], "to": details}}]},
    ):
        try:
            reply = decode_reply(orjson.dumps(body))
            refusal = _refusal(context, details)
        except (TypeError, UndecodableError):  # not JSON, or no reply
            continue
        said = read_reply(pairs, reply)
        assert len(said) == len(pairs)
        assert "linked" not in _kinds(said) or reply.results
        assert finish(read_refusal(pairs, refusal)).keys() <= set(range(len(pairs)))


# --- results -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "links",
    [
        [(1, 2), (2, 1), (3, 4), (4, 3)],
        [("4", "3"), ("2", "1")],
        [(3, 4), (9, 9), (1, 2), (2, 1)],
        [(2**60, 2), (3, 4), (1, 2)],
    ],
)
def test_results_are_found_by_their_ids(links: list[tuple[object, object]]) -> None:
    """Ints or strings, one direction or both, in any order, and among others'."""
    pairs = _pairs((1, 2), (3, 4))
    said = read_reply(pairs, _reply(links))
    assert ["linked", "linked"] == _kinds(said)
    assert {"1", "2"} == {_part(said[0]).results[0].from_id, _part(said[0]).results[0].to_id}


def test_a_result_of_other_records_links_nothing() -> None:
    """Each end may be right, and the pair is not the one that was linked."""
    pairs = _pairs((1, 2), (3, 4))
    assert ["alone", "alone"] == _kinds(read_reply(pairs, _reply([(1, 4), (3, 2), (1, 1)])))


def test_both_directions_are_kept() -> None:
    """In HubSpot's order, whichever is first."""
    (said,) = read_reply(_pairs((1, 2)), _reply([(2, 1), (1, 2)]))
    assert (Association("2", "1"), Association("1", "2")) == _part(said).results


def test_ids_are_matched_as_numbers() -> None:
    """HubSpot answers 101 to 0101; letters are no numbers."""
    pairs = _pairs(("0101", "2"), ("3", "004"), ("0a", "5"), ("6", "7"))
    said = read_reply(pairs, _reply([(2, 101), (3, 4), ("a", 5), ("06", 7)]))
    assert ["linked", "linked", "alone", "linked"] == _kinds(said)


def test_many_errors_are_read_a_part_at_a_time() -> None:
    """Of 2,000 no step reads or assigns more than fifty, and the result is the same."""
    pairs = _pairs(*((n, n + 10**6) for n in range(1, 2001)))
    errors = [
        {"category": "OBJECT_NOT_FOUND", "message": f"no {n}", "context": {"fromObjectId": [n]}}
        for n in range(1, 2001)
    ]
    body = orjson.dumps({"status": "COMPLETE", "results": [], "errors": errors})
    steps = attribution.judge_batch(Response(207, {}, body), pairs)
    taken, verdict = 0, None
    while verdict is None:
        try:
            next(steps)
            taken += 1
        except StopIteration as end:
            verdict = end.value
    assert 2 * 2000 // 50 < taken  # decoded, and matched
    assert list(range(1, 2001)) == [
        int(_part(part).errors[0].context["fromObjectId"][0]) for part in verdict.parts
    ]


def test_a_refusal_of_many_is_assigned_a_part_at_a_time() -> None:
    """Of 2,000 ids no step assigns more than fifty."""
    ids = [f"CONTACT={n} is not valid" for n in range(1, 2001)]
    pairs = _pairs(*((n, n + 10**6) for n in range(1, 2001)))
    steps = read_refusal(pairs, _refusal({"INVALID_OBJECT_IDS": ids}))
    # Indexed, read 500 at a time, found, and then assigned.
    assert 3 + 2000 // 500 + 2000 // 50 == len(list(steps))


def test_leading_zeros_cost_no_more() -> None:
    """2,000 pairs of ids that come back in another form are matched as quickly as any."""
    pairs = _pairs(*((f"0{n}", f"0{n + 10**6}") for n in range(1, 2001)))
    links = [(n, n + 10**6) for n in range(1, 2001)]
    reply = _reply([*links, *((other, one) for one, other in links)])
    began = time.process_time()
    assert {"linked"} == set(_kinds(read_reply(pairs, reply)))
    assert time.process_time() - began < 2


def test_a_long_list_of_names_costs_no_more() -> None:
    """An error that names 2,000 records is reported of each pair without the 1,999 others."""
    pairs = _pairs(*((n, n + 10**6) for n in range(1, 2001)))
    sentences = [f"CONTACT={n} is not valid" for n in range(1, 2001)]
    began = time.process_time()
    refused = finish(read_refusal(pairs, _refusal({"INVALID_OBJECT_IDS": sentences})))
    assert time.process_time() - began < 2
    assert [{"INVALID_OBJECT_IDS": (one,)} for one in sentences] == [
        getattr(refused[n].error, "context", None) for n in range(2000)
    ]


def test_details_are_looked_up_by_the_ids_they_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 300 details, each pair's are cut out once, not 300 times."""
    cut = []
    whole = error_ids._Excerpt.of

    def counted(excerpt: Any, ends: Any) -> Any:
        cut.append(ends)
        return whole(excerpt, ends)

    monkeypatch.setattr(error_ids._Excerpt, "of", counted)
    pairs = _pairs(*((n, n + 10**6) for n in range(1, 301)))
    details = [{"message": f"no {n}", "context": {"invalidFromId": [n]}} for n in range(1, 301)]
    refused = finish(read_refusal(pairs, _refusal({}, details)))
    assert [(f"no {n}",) for n in range(1, 301)] == [
        tuple(one.message for one in getattr(refused[n].error, "errors", ())) for n in range(300)
    ]
    assert 2 * len(pairs) == len(cut)


def test_what_was_told_of_the_whole_is_told_of_each() -> None:
    """Status and dates are the call's; errors of others are not counted."""
    reply = _reply(
        [(1, 2)],
        [{"context": {"fromObjectId": ["3"], "toObjectId": ["4"]}}],
        status="COMPLETE",
        startedAt="2026-11-23T10:00:00Z",
        completedAt="2026-11-23T10:00:01Z",
        requestedAt="2026-11-23T09:59:59Z",
        numErrors=2,
    )
    linked, failed = (_part(one) for one in read_reply(_pairs((1, 2), (3, 4)), reply))
    assert (None, 1) == (linked.num_errors, failed.num_errors)
    for part in (linked, failed):
        assert (reply.status, reply.started_at, reply.completed_at, reply.requested_at) == (
            part.status,
            part.started_at,
            part.completed_at,
            part.requested_at,
        )


# --- errors ------------------------------------------------------------------------------------


def test_cancelled_is_partial() -> None:
    """What HubSpot linked before it cancelled is linked, with that word; the rest is sent alone."""
    said = read_reply(_pairs((1, 2), (3, 4)), _reply([(1, 2)], status="CANCELED"))
    assert ["partial", "alone"] == _kinds(said)


BOTH = [(1, 2), (2, 1), (3, 4), (4, 3), (5, 6), (6, 5)]
NAMELESS = {"message": "One or more associations are invalid"}
OF_3 = {"context": {"fromObjectId": ["3"], "toObjectId": ["4"]}}


@pytest.mark.parametrize(
    ("links", "errors", "count", "expected"),
    [
        # An error that names nobody, and a pair with half of its results.
        (BOTH[:3] + BOTH[4:], [], 1, "linked alone linked"),
        (BOTH[:3] + BOTH[4:], [NAMELESS], 1, "linked alone linked"),
        (BOTH[:3] + BOTH[4:], [NAMELESS], None, "linked alone linked"),
        (BOTH[:3] + BOTH[4:], [], -1, "linked alone linked"),
        ([*BOTH[:3], BOTH[2], *BOTH[4:]], [], 1, "linked alone linked"),  # one way, reported twice
        (BOTH[:3] + BOTH[4:], [], 40, "linked alone linked"),
        # It can be about a pair without results.
        (BOTH[:4], [NAMELESS], 1, "linked linked alone"),
        (BOTH[:4], [], 2, "linked linked alone"),
        (BOTH[:1] + BOTH[2:3], [NAMELESS], 2, "linked linked alone"),
        # All have half, and one pair cannot account for so many errors.
        (BOTH[:1] + BOTH[2:3], [], 4, "alone alone alone"),
        (BOTH[:1] + BOTH[2:3], [NAMELESS], 3, "alone alone alone"),
        # It can be about any.
        (BOTH, [], 1, "alone alone alone"),
        (BOTH, [], -3, "alone alone alone"),
        (BOTH, [NAMELESS], None, "alone alone alone"),
        (BOTH[::2], [], 3, "alone alone alone"),
        # Each error names its pair: the others are linked, whatever they have.
        (BOTH[:2] + BOTH[4:5], [OF_3], 1, "linked failed linked"),
        (BOTH[:2] + BOTH[4:5], [OF_3, OF_3], 2, "linked failed linked"),
        (BOTH[:2] + BOTH[4:5], [OF_3, OF_3], 1, "linked failed linked"),
        (BOTH[:2] + BOTH[4:], [OF_3], 2, "linked failed linked"),
        (BOTH, [OF_3], 1, "linked partial linked"),
        # Of three errors each pair that is not there has two at most: the other is linked.
        (BOTH[:1], [], 3, "linked alone alone"),
        (BOTH[:1], [], 5, "alone alone alone"),
        # One that is there in one direction, and one that is not: the first is linked.
        (BOTH[:3], [], 1, "linked alone alone"),
        # No errors.
        (BOTH[:3] + BOTH[4:], [], 0, "linked linked linked"),
        (BOTH[:3] + BOTH[4:], [], None, "linked linked linked"),
    ],
)
def test_what_is_only_counted(
    links: list[tuple[object, object]], errors: list[object], count: int | None, expected: str
) -> None:
    """No pair is linked that an error without a name may be about; no other is sent again."""
    reply = _reply(links, errors, numErrors=count)
    assert expected.split() == _kinds(read_reply(_pairs((1, 2), (3, 4), (5, 6)), reply))


def test_a_merged_error_is_not_left_over() -> None:
    """One error names forty records and is counted forty times: 1,960 pairs are linked."""
    pairs = _pairs(*((n, n + 5000) for n in range(1, 2001)))
    links = [way for n in range(41, 2001) for way in ((n, n + 5000), (n + 5000, n))]
    error = {"context": {"ids": [str(n) for n in range(1, 41)]}}
    said = _kinds(read_reply(pairs, _reply(links, [error], numErrors=40)))
    assert ["failed"] * 40 + ["linked"] * 1960 == said


def test_cancelled_is_partial_whatever_is_counted() -> None:
    """Its own word says more than a count does."""
    said = read_reply(_pairs((1, 2), (3, 4)), _reply(BOTH[:3], status="CANCELED", numErrors=1))
    assert ["partial", "partial"] == _kinds(said)


@pytest.mark.parametrize(
    ("links", "more", "expected"),
    [
        ([(1, 2)], {"errors": [{"message": "e"}]}, "partial"),
        ([(1, 2)], {"errors": [{"context": {"id": ["9"]}}]}, "partial"),
        ([(1, 2)], {"numErrors": 1}, "partial"),
        ([(1, 2)], {"numErrors": "1"}, "partial"),
        ([(1, 2)], {"numErrors": -1}, "partial"),
        ([(1, 2)], {"numErrors": 0}, "linked"),
        ([], {"errors": [{"message": "e"}]}, "failed"),
        ([(3, 4)], {}, "alone"),
    ],
)
def test_in_a_batch_of_one_every_error_is_its_own(
    links: list[tuple[object, object]], more: dict[str, Any], expected: str
) -> None:
    """It means what the same reply to a call for one pair means, named or not."""
    reply = decode_reply(orjson.dumps({"results": _reply_results(links), **more}))
    (said,) = read_reply(_pairs((1, 2)), reply)
    assert expected == _kinds([said])[0]
    if expected != "alone":
        assert (reply.errors, reply.num_errors) == (_part(said).errors, _part(said).num_errors)


def _reply_results(links: Sequence[tuple[object, object]]) -> list[dict[str, Any]]:
    return [{"from": {"id": one}, "to": {"id": other}} for one, other in links]


@pytest.mark.parametrize(
    "context",
    [
        {"fromObjectId": ["1"], "toObjectId": ["2"]},
        {"fromObjectId": [1], "toObjectId": 2},
        {"from_object_id": ["1"], "to_object_id": ["2"]},
        {"fromObjectId": ["2"], "toObjectId": ["1"]},
        {"objectIds": ["2", "1"]},
        {"objectId": ["1"], "objectType": ["CONTACT"]},
        {"objectId": ["2"], "objectType": ["COMPANY"]},
        {"id": ["2"], "objectType": ["0-2"]},
        {"id": ["1"]},
        {"ids": "1"},
        {"toObjectId": ["2"]},
        {"fromObjectId": ["1"], "fromObjectType": ["contacts"]},
        {"INVALID_OBJECT_IDS": ["CONTACT=1 is not valid"]},
        {"INVALID_OBJECT_IDS": ["2 is not valid"]},
        {"ids": "[1]"},
        {"fromObjectId": ["1"], "toObjectId": ["2"], "limit": ["3"], "portalId": ["5"]},
    ],
)
def test_each_way_to_name_a_pair(context: dict[str, Any]) -> None:
    """It is reported as failed, with the error, and those beside it are not."""
    for error in ({"context": context}, {"errors": [{"context": context}]}):
        assert ["failed", "alone", "alone"] == _said(_pairs((1, 2), (3, 4), (5, 6)), [error])
    refused = finish(read_refusal(_pairs((1, 2), (3, 4), (5, 6)), _refusal(context)))
    assert [0] == list(refused)


@pytest.mark.parametrize(
    ("context", "failed"),
    [
        ({"ids": ["1", "6"]}, {0, 2}),
        ({"ids": "1, 6"}, {0, 2}),
        ({"ids": "[1,6]"}, {0, 2}),
        ({"fromObjectId": ["1", "5"], "toObjectId": ["2", "6"]}, {0, 2}),
        ({"objectId": ["1", "5"], "objectType": ["CONTACT"]}, {0, 2}),
        ({"INVALID_OBJECT_IDS": ["CONTACT=1 is not valid", "COMPANY=6 is not valid"]}, {0, 2}),
        ({"INVALID_OBJECT_IDS": ["CONTACT=1 and COMPANY=2 are not valid"]}, {0}),
        # A pair, and beside it a record by itself.
        ({"ids": ["1", "2", "6"]}, {0, 2}),
    ],
)
def test_several_in_one_error(context: dict[str, Any], failed: set[int]) -> None:
    """Each pair that is named is found."""
    pairs = _pairs((1, 2), (3, 4), (5, 6))
    expected = ["failed" if place in failed else "alone" for place in range(3)]
    assert expected == _said(pairs, [{"context": context}])


@pytest.mark.parametrize(
    "context",
    [
        None,
        {},
        {"message": ["1"]},
        {"limit": ["1"]},
        {"portalId": ["1"]},
        {"numErrors": "2"},
        {"": ["1"]},
        {"objectTypeId": ["1"]},
        {"id": ["1 of 2 ids is not valid"]},
        {"id": ["no such id"]},
        {"id": ["1", "99"]},
        {"fromObjectId": ["1"], "toObjectId": ["99"]},
        {"objectId": ["1"], "objectType": ["COMPANY"]},
        {"objectId": ["1"], "objectType": ["DEAL"]},
        {"toObjectId": ["1"]},
        {"INVALID_OBJECT_IDS": ["COMPANY=1 is not valid"]},
        {"detail": ["limit=1"]},
    ],
)
def test_what_names_nobody(context: object) -> None:
    """Numbers that are no ids of records, ids of other records, and prose: nobody is blamed."""
    assert ["alone", "alone"] == _said(_pairs((1, 2), (3, 4)), [{"context": context}])
    assert {} == finish(read_refusal(_pairs((1, 2), (3, 4)), _refusal(context)))


def test_a_contact_and_a_company_may_have_the_same_id() -> None:
    """Without a type nobody knows which is meant; with one, or with both ends, it is certain."""
    pairs = _pairs((1, 2), (3, 1))
    for context in (
        {"id": ["1"]},
        {"fromObjectId": ["1"]},
        {"INVALID_OBJECT_IDS": ["1 is not valid"]},
        {"objectId": ["1"], "objectType": ["CONTACT", "COMPANY"]},
        {"ids": ["1", "3"]},
    ):
        assert "failed" != _said(pairs, [{"context": context}])[0]
    company = {"objectId": ["1"], "objectType": ["COMPANY"]}
    assert ["alone", "failed"] == _said(pairs, [{"context": company}])
    both = {"fromObjectId": ["1"], "toObjectId": ["2"]}
    assert ["failed", "alone"] == _said(pairs, [{"context": both}])


def test_both_ends_by_their_roles_name_a_pair_whose_ids_stand_elsewhere_too() -> None:
    """Each id is a contact's and a company's: only the roles say which is meant."""
    pairs = _pairs((1, 2), (2, 3), (3, 1))
    both = {"fromObjectId": ["1"], "toObjectId": ["2"]}
    assert ["failed", "alone", "alone"] == _said(pairs, [{"context": both}])
    assert "failed" not in _said(pairs, [{"context": {"ids": ["1", "2"]}}])


def test_two_records_that_are_missing_are_not_one_pair() -> None:
    """Company 1 and contact 2 are named: contact 1 and company 2 are linked all the same."""
    pairs = _pairs((1, 2), (8, 1), (2, 9))
    assert ["linked", "alone", "alone"] == _said(
        pairs, [{"context": {"ids": ["1", "2"]}}], [(1, 2)]
    )
    assert "failed" != _said(pairs, [{"context": {"ids": ["1", "2"]}}])[0]


def test_lists_of_both_ends_are_no_table() -> None:
    """1 to 2 and 3 to 4 are named in two lists: nothing was said of 1 to 4."""
    lists = {"fromObjectId": ["1", "3"], "toObjectId": ["2", "4"]}
    pairs = _pairs((1, 2), (1, 4), (3, 4))
    assert ["failed", "alone", "failed"] == _said(pairs, [{"context": lists}])
    # And where each of four would fit, nobody can be blamed.
    pairs += _pairs((3, 2))
    assert ["alone"] * 4 == _said(pairs, [{"context": lists}])


def test_a_missing_record_fails_all_its_pairs() -> None:
    """One error is enough, in whatever direction the pairs have it."""
    error = {"context": {"objectId": ["2"], "objectType": ["COMPANY"]}}
    assert ["failed", "failed", "alone"] == _said(_pairs((1, 2), (3, 2), (2, 5)), [error])
    same = _pairs((1, 2), (2, 3), (4, 5), types=("contacts", "contacts"))
    refused = finish(read_refusal(same, _refusal({"id": ["2"]})))
    assert {0, 1} == refused.keys()


def test_a_record_that_is_linked_is_not_missing() -> None:
    """Then the error is about some pair of it, and nobody knows which."""
    pairs = _pairs((1, 2), (3, 2), (4, 2))
    named = {"context": {"toObjectId": ["2"]}}
    assert ["linked", "alone", "alone"] == _said(pairs, [named], [(1, 2)])
    same = _pairs((1, 2), (2, 3), types=("contacts", "contacts"))
    said = read_reply(same, _reply([(1, 2)], [{"context": {"fromObjectId": ["2"]}}]))
    assert ["linked", "alone"] == _kinds(said)


def test_an_error_that_can_only_be_about_linked_pairs() -> None:
    """They are partial, by both their ends or by a record that has no others."""
    pairs = _pairs((1, 2), (3, 4))
    links: list[tuple[object, object]] = [(1, 2), (3, 4)]
    for context in (
        {"fromObjectId": ["1"], "toObjectId": ["2"]},
        {"id": ["1"]},
        {"INVALID_OBJECT_IDS": ["COMPANY=2 is not valid"]},
    ):
        assert ["partial", "linked"] == _said(pairs, [{"context": context}], links)


def test_the_end_that_is_not_at_fault_is_not_blamed() -> None:
    """One end is named, and the category says that it is the other one that is missing."""
    pairs = _pairs((1, 2), (1, 4))
    missing = "crm.associations.TO_OBJECT_NOT_FOUND"
    from_end = {"subCategory": missing, "context": {"fromObjectId": ["1"]}}
    assert ["alone", "alone"] == _said(pairs, [from_end])
    own_end = {"subCategory": missing, "context": {"id": ["2"]}}
    assert ["failed", "alone"] == _said(pairs, [own_end])
    unclear = {"subCategory": "FROM_OBJECT_TO_OBJECT_CLASH", "context": {"id": ["2"]}}
    assert ["failed", "alone"] == _said(pairs, [unclear])


def test_a_record_cannot_be_linked_to_itself() -> None:
    """Named by both ends, it is that pair, and not the record's others."""
    pairs = _pairs((1, 1), (1, 2), types=("contacts", "contacts"))
    error = {"context": {"fromObjectId": ["1"], "toObjectId": ["1"]}}
    assert ["failed", "alone"] == _kinds(read_reply(pairs, _reply((), [error])))


def test_a_record_that_is_named_once_need_not_be_both_ends() -> None:
    """Its link with itself is no more meant than its others."""
    pairs = _pairs((1, 1), (1, 2), types=("contacts", "contacts"))
    for context in ({"id": ["1"]}, {"objectIds": ["1", "1"]}):
        for order in (pairs, pairs[::-1]):
            said = _kinds(read_reply(order, _reply([(1, 1)], [{"context": context}])))
            assert {pairs[0]: "linked", pairs[1]: "alone"} == dict(zip(order, said, strict=True))


def test_one_input_may_have_two_errors() -> None:
    """One for each end: both are kept, and they are counted."""
    ids = {"fromObjectId": ["1"], "toObjectId": ["2"]}
    errors = [
        {"context": ids, "subCategory": f"crm.associations.{role}_OBJECT_NOT_FOUND"}
        for role in ("FROM", "TO")
    ]
    failed, _ = read_reply(_pairs((1, 2), (3, 4)), _reply([(3, 4)], errors, numErrors=2))
    assert 2 == len(_part(failed).errors) == _part(failed).num_errors


def test_errors_about_one_record_do_not_multiply() -> None:
    """One for each of its pairs would be kept with each of its pairs: a hundred are kept."""
    pairs = _pairs((1, 2), (1, 4), (3, 6))
    errors = [{"context": {"fromObjectId": ["1"]}, "message": str(n)} for n in range(300)]
    said = read_reply(pairs, _reply([(3, 6)], errors, numErrors=300))
    assert ["failed", "failed", "linked"] == _kinds(said)
    for one in said[:2]:
        assert [str(n) for n in range(100)] == [error.message for error in _part(one).errors]


def test_custom_types_whose_names_are_alike() -> None:
    """The record of one is not that of the other."""
    pairs = _pairs((1, 2), (3, 1), types=("p1_cars", "p1_car"))
    error = {"context": {"objectId": ["1"], "objectType": ["p1_car"]}}
    assert ["alone", "alone"] == _kinds(read_reply(pairs, _reply((), [error])))


# --- refusals ----------------------------------------------------------------------------------


def test_a_refusal_is_told_of_each_pair_without_the_others() -> None:
    """Values and details about others are left out; what is about nobody or all is kept."""
    error = _refusal(
        {
            "INVALID_OBJECT_IDS": ["CONTACT=1 is not valid", "COMPANY=4 is not valid"],
            "objectType": ["CONTACT", "COMPANY"],
            "reason": ["as reported"],
            "others": ["4", "1"],
            "none": [],
        },
        [
            {"message": "about 1", "context": {"id": ["1"]}},
            {"message": "about 4", "context": {"id": ["4"], "reason": ["so"]}},
            {"message": "about both", "context": {"ids": ["1", "4"]}},
            {"message": "about all"},
        ],
        message="One or more associations are invalid",
        subCategory="s",
    )
    refused = finish(read_refusal(_pairs((1, 2), (3, 4), (5, 6)), error))
    assert {0, 1} == refused.keys()
    first = refused[0].error
    assert isinstance(first, ValidationError)
    assert {
        "INVALID_OBJECT_IDS": ("CONTACT=1 is not valid",),
        "objectType": ("CONTACT", "COMPANY"),
        "reason": ("as reported",),
        "others": ("1",),
        "none": (),
    } == first.context
    assert ["about 1", "about both", "about all"] == [one.message for one in first.errors]
    assert {"ids": ("1",)} == first.errors[1].context
    assert (error.status, error.message, error.correlation_id, error.sub_category) == (
        first.status,
        first.message,
        first.correlation_id,
        first.sub_category,
    )


def test_a_sentence_about_the_other_type_is_not_about_the_pair() -> None:
    """Contact 4 is another record than company 4."""
    sentences = ["CONTACT=4 is not valid", "COMPANY=4 is not valid"]
    refused = finish(
        read_refusal(_pairs((3, 4), (4, 5)), _refusal({"INVALID_OBJECT_IDS": sentences}))
    )
    assert [(sentences[1],), (sentences[0],)] == [
        refused[place].error.context["INVALID_OBJECT_IDS"]  # type: ignore[attr-defined]
        for place in range(2)
    ]


def test_a_hint_of_one_end_is_not_about_each_of_two_ids() -> None:
    """Both ends of a pair, and that its second record is gone: who is first is not wrong."""
    ends = ((1, 1), (1, 3), (3, 2))
    pairs = [Pair("contacts", one, "contacts", other) for one, other in ends]
    error = _refusal({"ids": ["1", "3"]}, subCategory="crm.associations.TO_OBJECT_NOT_FOUND")
    assert {1} == finish(read_refusal(pairs, error)).keys()


def test_all_pairs_of_a_record_may_be_linked_and_have_an_error() -> None:
    """As each is linked, and the record is named, it is about each."""
    pairs = _pairs((1, 2), (1, 3))
    links = [(1, 2), (2, 1), (1, 3), (3, 1)]
    said = read_reply(pairs, _reply(links, [{"context": {"fromObjectId": ["1"]}}]))
    assert ["partial", "partial"] == _kinds(said)


@pytest.mark.parametrize(
    ("ends", "mentions"),
    [
        # Perhaps the other end by an id without a role; a contact and a company have id 4.
        ([(4, 4)], [("4", "from"), ("4", None)]),
        # 3 is a company of the first pair, and a contact of another one.
        ([(2, 3), (3, 1), (2, 2)], [("3", "from"), ("2", "to")]),
    ],
)
def test_an_id_of_either_type_names_no_pair(
    ends: list[tuple[int, int]], mentions: list[tuple[str, str | None]]
) -> None:
    """Unless both ends are named by their roles, and the record is at that end."""
    found = [Mention(one, role, None, is_sure=False, is_other_end=False) for one, role in mentions]
    assert set() == BatchIndex(_pairs(*ends)).named(found, set())


def test_an_unknown_id_beside_may_be_the_other_end() -> None:
    """Of a pair that nobody knows by it: none is named."""
    found = [Mention(one, None, None, is_sure=False, is_other_end=False) for one in ("1", "9")]
    assert set() == BatchIndex(_pairs((1, 2))).named(found, set())


def test_of_one_pair_repeated_in_a_reply_the_first_results_are_kept() -> None:
    """As many as of a reply for one pair: to copy all for each further one takes half a minute."""
    one, other = read_reply(_pairs((1, 2), (3, 4)), _reply([(1, 2)] * 2_000 + [(3, 4)]))
    assert isinstance(one, DefaultAssociations)
    assert isinstance(other, DefaultAssociations)
    assert (100, 1) == (len(one.results), len(other.results))


def test_a_batch_reply_that_cannot_be_read_says_nothing_of_any_pair() -> None:
    """The verdict is about the call."""
    verdict = finish(attribution.judge_batch(Response(200, {}, b"no JSON", "", Redaction()), []))
    assert isinstance(verdict, Transient)
