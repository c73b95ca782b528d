"""What answers mean: every row of the status table, and every 2xx."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import attrs
import orjson
import pytest
from hypothesis import given, strategies as st
from multidict import CIMultiDict

from aiohubassoc import (
    ApiError,
    AuthenticationError,
    DailyLimitError,
    GatewayError,
    InvalidResponseError,
    LockedError,
    MigratingError,
    MissingScopesError,
    NotFoundError,
    Pair,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
    UnconfirmedError,
    UnknownObjectTypeError,
    ValidationError,
    WrongEndpointError,
)
from aiohubassoc._protocol import codec
from aiohubassoc._protocol.classify import TABLE, EndpointProof, Refusal, is_from_hubspot
from aiohubassoc._protocol.links import LinksReply, RecordLinks
from aiohubassoc._protocol.verdicts import (
    About,
    Accepted,
    AccountReply,
    Fatal,
    Intercepted,
    Partial,
    Refused,
    Replied,
    Response,
    Throttled,
    Transient,
    Verdict,
)
from tests.protocol.judging import decode_reply, judge, judge_account, judge_batch, judge_links
from tests.protocol.strategies import near_bodies

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
TYPES = ("contacts", "companies")
PAIR = Pair("contacts", 101, "companies", 202)
# As HubSpot's gateway answers a wrong path, recorded 2013-2026.
HTML = b"<html><body><h2>HTTP ERROR</h2></body></html>"
ERROR = {"status": "error", "message": "m", "correlationId": "c-1"}


def _body(**more: Any) -> bytes:
    return orjson.dumps({**ERROR, **more})


def _judge(status: int, body: bytes = b"", **headers: str) -> Verdict:
    named = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    return judge(Response(status, named, body, "https://api.hubapi.com/x"), PAIR, lambda: NOW)


def _error(verdict: Verdict) -> Any:
    assert not isinstance(verdict, Accepted | Replied | Partial)
    return verdict.error


def _result(from_id: str = "101", to_id: str = "202") -> dict[str, Any]:
    return {"from": {"id": from_id}, "to": {"id": to_id}, "associationSpec": {}}


def _reply(*results: dict[str, Any], **more: Any) -> bytes:
    return orjson.dumps({"status": "COMPLETE", "results": list(results), **more})


# --- answers that are not 2xx --------------------------------------------------------------

REFUSED_ID = (Refused, ValidationError, About.PAIR)
UNKNOWN_TYPE = (Fatal, UnknownObjectTypeError, About.RUN)
PAGE = (Intercepted, GatewayError, About.PATH)
SCOPES = (Fatal, MissingScopesError, About.RUN)
DENIED = (Fatal, PermissionDeniedError, About.RUN)
THROTTLED = (Throttled, RateLimitedError, About.MOMENT)
PASSING = (Transient, ServerError, About.MOMENT)

REFUSALS: list[tuple[int, bytes, type, type, About]] = [
    # status, body, of one pair, its error, of many pairs
    (300, b"", Intercepted, WrongEndpointError, About.PATH),
    (301, HTML, Intercepted, WrongEndpointError, About.PATH),
    (302, _body(), Fatal, WrongEndpointError, About.PATH),
    (399, b"", Intercepted, WrongEndpointError, About.PATH),
    (400, _body(category="VALIDATION_ERROR"), Refused, ValidationError, About.PAIR),
    (400, _body(message="Unable to infer object type from: x"), *REFUSED_ID),
    (400, _body(message="Unable to infer object type from: contacts"), *UNKNOWN_TYPE),
    (400, _body(message="Invalid object or event type id: companies."), *UNKNOWN_TYPE),
    (400, HTML, *PAGE),
    (401, _body(category="INVALID_AUTHENTICATION"), Fatal, AuthenticationError, About.RUN),
    (401, _body(category="EXPIRED_AUTHENTICATION"), Fatal, AuthenticationError, About.RUN),
    (401, HTML, Fatal, AuthenticationError, About.RUN),
    (401, b"", Fatal, AuthenticationError, About.RUN),
    (402, _body(), Fatal, ApiError, About.RUN),
    (402, HTML, Fatal, ApiError, About.RUN),
    (403, _body(category="MISSING_SCOPES"), *SCOPES),
    (403, _body(errors=[{"context": {"requiredScopes": ["a"]}}]), *SCOPES),
    (403, _body(context={"requiredGranularScopes": ["a"]}), *SCOPES),
    (403, _body(errors=[{"context": "{missingScopes=[a, b]}"}]), *SCOPES),
    (403, _body(category="USER_DOES_NOT_HAVE_PERMISSIONS"), *DENIED),
    (403, _body(subCategory="USER_DOES_NOT_HAVE_PERMISSIONS"), *DENIED),
    (403, _body(message="Refused: USER_DOES_NOT_HAVE_PERMISSIONS"), *DENIED),
    (403, _body(category="BANNED"), *DENIED),
    (403, _body(category="PORTAL_AUTHENTICATION_FAILED"), *DENIED),
    (403, _body(message="API call isn't available for public use."), *DENIED),
    (403, _body(category="SOMETHING_NEW"), Refused, ApiError, About.PAIR),
    (403, _body(), Refused, ApiError, About.PAIR),
    (403, HTML, *PAGE),
    (403, b"error code: 1020", *PAGE),
    (403, b"", *PAGE),
    (404, _body(category="OBJECT_NOT_FOUND"), Refused, NotFoundError, About.PAIR),
    (404, _body(message="resource not found"), Refused, NotFoundError, About.PAIR),
    (404, HTML, Intercepted, WrongEndpointError, About.PATH),
    (404, b"", Intercepted, WrongEndpointError, About.PATH),
    (404, orjson.dumps({"detail": "Not Found"}), Intercepted, WrongEndpointError, About.PATH),
    (405, HTML, Intercepted, WrongEndpointError, About.PATH),
    (405, b"", Intercepted, WrongEndpointError, About.PATH),
    (405, _body(), Fatal, WrongEndpointError, About.PATH),
    (407, b"Proxy Authentication Required", Fatal, GatewayError, About.RUN),
    (408, b"", Transient, ApiError, About.MOMENT),
    (409, _body(), Refused, ApiError, About.PAIR),
    (409, b"", *PAGE),
    (410, _body(), Fatal, WrongEndpointError, About.RUN),
    (410, HTML, Fatal, WrongEndpointError, About.RUN),
    (413, HTML, Refused, ApiError, About.BATCH),
    (413, _body(), Refused, ApiError, About.BATCH),
    (414, b"", Refused, ApiError, About.BATCH),
    (422, _body(), Refused, ApiError, About.PAIR),
    (422, HTML, *PAGE),
    (423, b"", Transient, LockedError, About.MOMENT),
    (423, orjson.dumps({"message": "locked"}), Transient, LockedError, About.MOMENT),
    (426, _body(), Fatal, ApiError, About.RUN),
    (426, HTML, Fatal, ApiError, About.RUN),
    (429, _body(policyName="TEN_SECONDLY_ROLLING"), *THROTTLED),
    (429, _body(policyName="SECONDLY"), *THROTTLED),
    (429, _body(category="RATE_LIMITS"), *THROTTLED),
    (429, b"error code: 1015", *THROTTLED),
    (429, b"", *THROTTLED),
    (429, _body(policyName="DAILY"), Fatal, DailyLimitError, About.RUN),
    (429, _body(message="You have reached your daily limit."), Fatal, DailyLimitError, About.RUN),
    (477, b"", Throttled, MigratingError, About.MOMENT),
    (499, b"", *PAGE),
    (500, _body(), *PASSING),
    (500, _body(category="VALIDATION_ERROR"), *PASSING),
    (501, b"", *PASSING),
    (502, HTML, *PASSING),
    (502, orjson.dumps({"title": "Error 502", "status": 502}), *PASSING),
    (503, b"", *PASSING),
    (504, HTML, *PASSING),
    (520, HTML, *PASSING),
    (524, HTML, *PASSING),
    (525, HTML, Refused, ServerError, About.MOMENT),
    (526, HTML, Refused, ServerError, About.MOMENT),
    (530, _body(), Fatal, AuthenticationError, About.RUN),
    (530, b"error code: 1016", *PASSING),
    (599, b"", *PASSING),
    # No status of HTTP: nothing is proven.
    (101, b"", Transient, InvalidResponseError, About.MOMENT),
    (199, _body(), Transient, InvalidResponseError, About.MOMENT),
    (600, b"", Transient, InvalidResponseError, About.MOMENT),
    (999, HTML, Transient, InvalidResponseError, About.MOMENT),
]


@pytest.mark.parametrize(("status", "body", "verdict", "error", "about"), REFUSALS)
def test_each_row_for_one_pair(
    status: int, body: bytes, verdict: type, error: type, about: About
) -> None:
    """A status and what stands in its body give the verdict that the contract names."""
    judged = _judge(status, body)
    assert (verdict, error) == (type(judged), type(_error(judged)))
    assert status == _error(judged).status
    # One pair has nothing smaller than itself, and no other path.
    if isinstance(judged, Refused):
        assert judged.about is (About.PAIR if about is About.BATCH else about)


@pytest.mark.parametrize(
    ("status", "body", "error", "about"), [(one[0], one[1], one[3], one[4]) for one in REFUSALS]
)
def test_each_row_for_many_pairs(status: int, body: bytes, error: type, about: About) -> None:
    """It says what is to be done with the others: bisect, halve, go another way, stop or wait."""
    for judge_many in (judge_batch, judge_links):
        judged: Any = judge_many(Response(status, {}, body), TYPES, lambda: NOW)
        assert (error, about) == (type(judged.error), judged.about)
        assert (about is About.RUN) == isinstance(judged, Fatal)


@pytest.mark.parametrize("status", sorted(set(range(400, 500)) - {401, 402, 407, 408, 410, 413}))
@pytest.mark.parametrize("body", [HTML, b"", b"Access denied", b"[]", b'{"error": "blocked"}'])
def test_a_page_is_never_the_pairs_own_fault_at_first(status: int, body: bytes) -> None:
    """Whatever 4xx a gateway answers with: it is not HubSpot's word about a pair."""
    judged, many = _judge(status, body), _judge_batch(status, body)
    if status in {414, 423, 426, 429, 477}:
        assert not isinstance(judged, Intercepted)
    else:
        assert isinstance(judged, Intercepted)
        assert Refused(many.error, About.PATH) == many  # type: ignore[union-attr]


def test_every_row_is_reached() -> None:
    """No row stands in the shadow of one above it: each decides for some response."""
    bodies = [
        HTML,
        b"",
        b"error code: 1016",
        _body(),
        _body(category="MISSING_SCOPES"),
        _body(category="BANNED"),
        _body(policyName="DAILY"),
        _body(message="Unable to infer object type from: contacts"),
    ]
    deciding = set()
    for status in range(300, 600):
        for body in bodies:
            deciding.add(id(_deciding_row(Response(status, {}, body))))
    assert {id(row) for row in TABLE} == deciding
    assert all(row.why for row in TABLE)


def _deciding_row(answer: Response) -> Any:
    refusal = Refusal.from_response(answer, TYPES, NOW)
    return next(row for row in TABLE if row.fits(refusal))


@pytest.mark.parametrize(
    "start", ["Unable to infer object type from", "Invalid object or event type id"]
)
@pytest.mark.parametrize(
    ("named", "types", "unknown"),
    [
        ("x", ("x", "contacts"), "x"),
        ("x", ("contacts", "x"), "x"),
        ("x.", ("x", "contacts"), "x"),
        ("x. ", ("x", "contacts"), "x"),
        ("x .", ("x", "contacts"), "x"),
        ("0-9999", ("contacts", "0-9999"), "0-9999"),
        ("x.", ("x.", "contacts"), "x."),
        ("x..", ("x.", "contacts"), "x."),
        ("x", ("x.", "contacts"), None),
        ("y", ("x", "contacts"), None),
        ("xx", ("x", "contacts"), None),
        ("", ("x", "contacts"), None),
        ("0-99", ("0-9999", "contacts"), None),
        ("x, contacts", ("x", "contacts"), None),
    ],
)
def test_an_unknown_type(
    start: str, named: str, types: tuple[str, str], unknown: str | None
) -> None:
    """Recorded: it is about the run, if the type is one of those that were sent."""
    answer = Response(400, {}, _body(message=f"{start}: {named}"))
    pair = Pair(types[0], 1, types[1], 2)
    for judged in (
        judge(answer, pair, lambda: NOW),
        judge_batch(answer, types, lambda: NOW),
        judge_links(answer, types, lambda: NOW),
    ):
        if unknown is None:
            assert isinstance(judged, Refused)
            assert (About.PAIR, ValidationError) == (judged.about, type(judged.error))
        else:
            assert isinstance(judged, Fatal)
            assert isinstance(judged.error, UnknownObjectTypeError)
            assert unknown == judged.error.object_type


def test_a_type_in_a_context_is_about_a_pair() -> None:
    """The recorded words have none."""
    body = _body(message="Unable to infer object type from: contacts", context={"id": ["1"]})
    assert isinstance(_judge(400, body), Refused)


@pytest.mark.parametrize(
    ("policy", "by_quota", "by_second"),
    [
        ("TEN_SECONDLY_ROLLING", True, False),
        ("ten_secondly_rolling", True, False),
        ("TEN_SECONDLY", True, False),
        ("SECONDLY", False, True),
        ("secondly", False, True),
        ("CONCURRENT_REQUESTS", False, False),
    ],
)
def test_only_the_window_that_rolls_teaches_the_quota(
    policy: str, *, by_quota: bool, by_second: bool
) -> None:
    """A limit of one second says nothing of how much fits into ten."""
    verdict = _judge(429, _body(policyName=policy))
    assert isinstance(verdict, Throttled)
    assert (by_quota, by_second) == (verdict.by_quota, verdict.by_second)


@pytest.mark.parametrize(("body", "by_quota"), [(_body(), True), (b"error code: 1015", False)])
def test_a_429_without_a_policy_teaches_the_quota_if_it_is_hubspots(
    body: bytes, *, by_quota: bool
) -> None:
    """The edge speaks of no account's quota."""
    verdict = _judge(429, body)
    assert isinstance(verdict, Throttled)
    assert by_quota is verdict.by_quota


def test_no_wait_is_made_up() -> None:
    """Only a locked record has a least wait; where HubSpot asks for none, none is reported."""
    for status in (408, 500, 503):
        verdict = _judge(status)
        assert isinstance(verdict, Transient)
        assert (None, 0.0) == (verdict.retry_after, verdict.wait_min)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, _reply(_result()), True),
        (207, _reply(errors=["e"]), True),
        (200, _reply(), True),
        (202, _reply(status="PENDING"), True),
        (204, b"", False),
        (200, HTML, False),
        (200, b"{}", False),
        (200, _body(), True),
        (404, _body(), True),
        (429, _body(), True),
        (500, _body(), True),
        (401, _body(), True),
        (404, HTML, False),
        (403, b"", False),
        (429, b"error code: 1015", False),
        (502, HTML, False),
        (502, orjson.dumps({"title": "Error 502", "status": 502}), False),
    ],
)
def test_who_wrote_a_response(status: int, body: bytes, *, expected: bool) -> None:
    """HubSpot's API, whatever it says; or something on the way."""
    answer = Response(status, {}, body)
    assert expected == is_from_hubspot(answer, _judge(status, body))
    assert expected == is_from_hubspot(answer, _judge_batch(status, body))


def test_the_body_of_an_error_is_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """For its meaning and for who wrote it: 64 KiB take as long as many calls."""
    decoded = []
    decode = codec.decode_error

    def counted(body: bytes, *args: Any) -> Any:
        decoded.append(body)
        return decode(body, *args)

    monkeypatch.setattr(codec, "decode_error", counted)
    response = Response(400, {}, _body(category="VALIDATION_ERROR"))
    assert is_from_hubspot(response, judge(response, PAIR, lambda: NOW))
    assert 1 == len(decoded)


def test_the_error_carries_what_hubspot_said() -> None:
    """Recorded 400 of a missing record: message, context and ids arrive on the error."""
    body = _body(
        message="One or more associations are invalid",
        context={"INVALID_OBJECT_IDS": ["CONTACT=38374264688 is not valid"]},
        category="VALIDATION_ERROR",
        subCategory="s",
        errors=[{"message": "e"}],
    )
    error = _error(_judge(400, body))
    assert "VALIDATION_ERROR" == error.category == error.label
    assert {"INVALID_OBJECT_IDS": ("CONTACT=38374264688 is not valid",)} == error.context
    assert ("c-1", "s", "e") == (error.correlation_id, error.sub_category, error.errors[0].message)
    assert "CONTACT=38374264688" in str(error)
    assert "c-1" in str(error)


def test_the_correlation_id_may_stand_in_the_headers() -> None:
    """Where the body has none, the header's is taken."""
    error = _error(_judge(500, b"", x_hubspot_correlation_id="h-1"))
    assert ("h-1", "no body") == (error.correlation_id, error.message)


def test_a_body_that_is_no_json_is_shown() -> None:
    """The start of an HTML page is the message: somebody may recognise it."""
    error = _error(_judge(502, HTML + b"x" * 5000))
    assert error.message.startswith("<html>")
    assert 1000 == len(error.message)


def test_cloudflares_problem_json_is_shown() -> None:
    """Recorded 2026: title and detail instead of a message, an int status, a `Retry-After`."""
    body = orjson.dumps({"title": "Error 502: Bad gateway", "status": 502, "detail": "d"})
    verdict = _judge(502, body, retry_after="60")
    assert isinstance(verdict, Transient)
    assert ("Error 502: Bad gateway: d", 60.0) == (_error(verdict).message, verdict.retry_after)


def test_a_locked_record_is_left_alone_for_two_seconds() -> None:
    """HubSpot locks records for two seconds."""
    verdict = _judge(423)
    assert isinstance(verdict, Transient)
    assert 2.0 == verdict.wait_min


@pytest.mark.parametrize("key", ["requiredScopes", "requiredGranularScopes", "missingScopes"])
def test_missing_scopes_are_named(key: str) -> None:
    """Either of HubSpot's keys names the scopes, and the message shows them."""
    body = _body(category="MISSING_SCOPES", errors=[{"context": {key: ["a.read", "a.write"]}}])
    error = _error(_judge(403, body))
    assert ("a.read", "a.write") == error.scopes
    assert str(error).endswith("needs a.read, a.write")


@pytest.mark.parametrize(
    "where",
    [
        {"errors": [{"context": "{missingScopes=[a.read, a.write]}"}]},
        {"errors": [{"context": "{invalidPropertyName=[x], missingScopes=[a.read, a.write]}"}]},
        {"errors": [{"context": {"missingScopes": "[a.read, a.write]"}}]},
        {"errors": [{"context": {"requiredScopes": ["a.read, a.write"]}}]},
        {"context": {"missingScopes": ["a.read", "a.write"]}},
        {"context": "{missingScopes=[a.read, a.write]}"},
        {
            "context": {"requiredScopes": ["a.read"]},
            "errors": [{"context": "{requiredScopes=[a.read,a.write]}"}],
        },
    ],
)
def test_missing_scopes_in_a_text_or_beside_the_details(where: dict[str, Any]) -> None:
    """HubSpot, Associations v4, shows them as one text in its example of an error."""
    error = _error(_judge(403, _body(category="MISSING_SCOPES", **where)))
    assert ("a.read", "a.write") == error.scopes


def test_a_throttled_answer_says_by_what_and_how_long() -> None:
    """Policy and `Retry-After` are kept; a 429 mostly has no category."""
    verdict = _judge(429, _body(policyName="SECONDLY"), retry_after="3")
    assert isinstance(verdict, Throttled)
    assert (3.0, False) == (verdict.retry_after, verdict.ends_run)
    error = _error(verdict)
    assert ("SECONDLY", 3.0, "RATE_LIMIT_SECONDLY") == (
        error.policy,
        error.retry_after,
        error.label,
    )
    assert "RATE_LIMIT" == _error(_judge(429)).label
    # A run folder knows by it that the day was the reason.
    daily = _error(_judge(429, _body(message="You have reached your daily limit.")))
    assert "RATE_LIMIT_DAILY" == daily.label


@pytest.mark.parametrize(
    ("body", "by_quota"),
    [
        (_body(policyName="TEN_SECONDLY_ROLLING"), True),
        (_body(policyName="ten_secondly_rolling"), True),
        (_body(policyName="SECONDLY"), False),
        (_body(), True),
        (b"error code: 1015", False),
        (b"", False),
    ],
)
def test_which_429_says_that_the_window_is_used_up(body: bytes, *, by_quota: bool) -> None:
    """HubSpot's rolling limit, or its API without a policy; not a second's, not the edge's."""
    verdict = _judge(429, body)
    assert isinstance(verdict, Throttled)
    assert verdict.by_quota is by_quota


def test_a_429_that_says_nothing_does_not_end_the_run() -> None:
    """Cloudflare's has no body of HubSpot's."""
    verdict = _judge(429, b"error code: 1015")
    assert isinstance(verdict, Throttled)
    assert not verdict.ends_run


def test_a_migration_ends_the_run_in_the_end() -> None:
    """477: everybody is held, and giving up on one pair means giving up on all."""
    verdict = _judge(477, retry_after="86400")
    assert isinstance(verdict, Throttled)
    assert not verdict.by_quota
    assert (86400.0, True, 86400.0) == (
        verdict.retry_after,
        verdict.ends_run,
        _error(verdict).retry_after,
    )


@pytest.mark.parametrize("status", [302, 403, 404, 405, 407, 410])
def test_a_page_names_the_url(status: int) -> None:
    """Somebody has to see which URL was asked."""
    error = _error(_judge(status, HTML))
    assert "https://api.hubapi.com/x" == error.url
    assert "https://api.hubapi.com/x" in str(error)


# --- 2xx -----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 207, 299])
@pytest.mark.parametrize(
    "body",
    [
        _reply(_result()),
        _reply(_result("202", "101")),
        _reply(_result(), _result("202", "101")),
        _reply(_result("202", "101"), _result()),
        _reply(_result("1", "2"), _result()),
        _reply(_result(), numErrors=0, errors=[]),
        _reply(_result(), numErrors=None, errors=None),
        _reply(_result(), status="ARCHIVED"),
        _reply(_result(), status=None),
        _reply(_result("0101", "202")),
    ],
)
def test_linked(status: int, body: bytes) -> None:
    """Any 2xx with a matching result in either direction and no errors links the pair."""
    assert isinstance(_judge(status, body), Accepted)


@pytest.mark.parametrize(
    ("body", "linked"),
    [
        (_reply(_result(), errors=[{"message": "e"}]), True),
        (_reply(_result(), numErrors=1), True),
        (_reply(_result(), numErrors=-1), True),
        (_reply(_result(), numErrors="2"), True),
        (_reply(_result(), status="CANCELED"), True),
        (_reply(_result(), status="PENDING", numErrors=1), True),
        (_reply(errors=[{"message": "e"}], numErrors=1), False),
        (_reply(numErrors=2), False),
        (_reply(_result("1", "2"), errors=["e"]), False),
        (_reply(errors=["e"], status="CANCELED"), False),
    ],
)
def test_errors_inside_a_success(body: bytes, *, linked: bool) -> None:
    """A 2xx with errors inside is never `Accepted`; whether a result matches is kept."""
    for status in (200, 207):
        verdict = _judge(status, body)
        assert isinstance(verdict, Partial)
        assert linked == verdict.linked


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \n",
        _reply(),
        _reply(_result("1", "2")),
        _reply(_result("101", "2"), _result("202", "1")),
        _reply(_result("101", "101")),
        _reply(_result(), status="PENDING"),
        _reply(_result(), status="PROCESSING"),
        _reply(status="PENDING"),
        _reply(status="CANCELED"),
        _reply(numErrors=0),
    ],
)
def test_nothing_confirmed(body: bytes) -> None:
    """A 2xx without a body, without a matching result, or not done yet, is asked again."""
    for status in (200, 202, 204):
        verdict = _judge(status, body)
        assert isinstance(verdict, Transient)
        assert isinstance(verdict.error, UnconfirmedError)
        assert (verdict.error.reply is None) == (not body.strip())


@pytest.mark.parametrize("body", [HTML, b'{"results": [', b"{}", b"[]", b'{"results": "x"}'])
def test_a_garbled_success(body: bytes) -> None:
    """A 2xx that cannot be read is asked again, and the error shows what came."""
    verdict = _judge(200, body, content_type="text/html", set_cookie="secret")
    assert isinstance(verdict, Transient)
    error = verdict.error
    assert isinstance(error, InvalidResponseError)
    assert error.maybe_applied
    assert (200, body.decode(), {"content-type": "text/html"}) == (
        error.status,
        error.body_start,
        error.headers,
    )
    assert error.problems[0].startswith("$")
    assert error.problems[0] in str(error)


def test_of_many_problems_a_message_names_three() -> None:
    """The error has the others."""
    error = _error(_judge(200, orjson.dumps({"results": [1, 2, 3, 4]})))
    assert 4 == len(error.problems)
    assert "; ".join(error.problems[:3]) in str(error)
    assert error.problems[3] not in str(error)


@pytest.mark.parametrize("body", [HTML, b'{"portalId": ', b""])
def test_a_garbled_success_about_the_account(body: bytes) -> None:
    """It is asked again; what can be read is a reply, if only an empty one."""
    response = Response(200, CIMultiDict(), body, "https://api.hubapi.com/x")
    assert isinstance(judge_account(response, ("", ""), lambda: NOW), Transient)
    for readable, values in ((b'{"portalId": 7}', {"portalId": 7}), (b"[7]", {})):
        verdict = judge_account(attrs.evolve(response, body=readable), ("", ""), lambda: NOW)
        assert isinstance(verdict, Replied)
        assert isinstance(verdict.reply, AccountReply)
        assert verdict.reply.body == values


@pytest.mark.parametrize(
    ("body", "status"), [({"status": "COMPLETE"}, "COMPLETE"), ({"status": 5}, None), ({}, None)]
)
def test_the_status_of_a_reply_about_the_account(body: dict[str, Any], status: str | None) -> None:
    """As in the other replies, which have one; what is no text is none."""
    assert status == AccountReply(body, {}).status


def test_ids_match_as_numbers() -> None:
    """HubSpot answers 101 to 0101, but 0 is not nothing and letters are no numbers."""
    pair = Pair("contacts", "0101", "companies", "000")
    assert isinstance(
        judge(Response(200, {}, _reply(_result("101", "0"))), pair, lambda: NOW), Accepted
    )
    pair = Pair("contacts", "0a", "companies", "1")
    assert isinstance(
        judge(Response(200, {}, _reply(_result("a", "1"))), pair, lambda: NOW), Transient
    )


@given(st.integers(-1, 999), near_bodies | st.binary(max_size=20), st.text())
def test_any_answer_has_a_verdict(status: int, body: object, retry_after: str) -> None:
    """No status, body or header leaves a response without a verdict, and only 2xx links."""
    try:
        raw = body if isinstance(body, bytes) else orjson.dumps(body)
    except TypeError:  # not JSON
        raw = b"{"
    verdict = judge(Response(status, {"Retry-After": retry_after}, raw), PAIR, lambda: NOW)
    assert isinstance(
        verdict, Accepted | Partial | Throttled | Transient | Refused | Intercepted | Fatal
    )
    if isinstance(verdict, Accepted | Replied | Partial):
        assert 200 <= status < 300


# --- answers about many ------------------------------------------------------------------------

both = pytest.mark.parametrize("judge_many", [judge_batch, judge_links])


def _judge_batch(status: int, body: bytes) -> Verdict:
    return judge_batch(Response(status, {}, body), TYPES, lambda: NOW)


def _judge_links(status: int, body: bytes) -> Verdict:
    return judge_links(Response(status, {}, body), TYPES, lambda: NOW)


@pytest.mark.parametrize(
    "body",
    [
        _reply(_result()),
        _reply(_result(), errors=[{"message": "e"}], numErrors=1),
        _reply(errors=[{"message": "e"}], numErrors=2),
        _reply(_result("1", "2"), status="CANCELED"),
        _reply(_result(), status="ARCHIVED"),
        _reply(_result(), status=None),
    ],
)
def test_a_batch_is_told(body: bytes) -> None:
    """Any 2xx with results or errors: what it says of each pair is read elsewhere."""
    for status in (200, 201, 207, 299):
        assert Replied(decode_reply(body)) == _judge_batch(status, body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \n",
        _reply(),
        _reply(numErrors=3),
        _reply(errors=[]),
        _reply(status="CANCELED"),
        _reply(_result(), status="PENDING"),
        _reply(_result(), status="PROCESSING"),
        _reply(errors=["e"], status="PENDING"),
    ],
)
def test_a_batch_that_nothing_is_said_of(body: bytes) -> None:
    """A 2xx that names no pair, or is not done yet, is asked again."""
    for status in (200, 202, 204, 207):
        verdict = _judge_batch(status, body)
        assert isinstance(verdict, Transient)
        assert isinstance(verdict.error, UnconfirmedError)
        assert (verdict.error.reply is None) == (not body.strip())


def test_who_wrote_a_reply_about_links() -> None:
    """HubSpot, finished or not."""
    for body in (_reply(), _reply({"from": {"id": 1}}), _reply(status="PENDING")):
        assert is_from_hubspot(Response(200, {}, body), _judge_links(200, body))


@pytest.mark.parametrize(
    ("body", "records"),
    [
        (_reply({"from": {"id": 1}, "to": [{"toObjectId": 2}]}), {"1": RecordLinks({"2"})}),
        (_reply({"from": {"id": 1}, "to": []}, status=None), {"1": RecordLinks()}),
        (_reply(errors=[{"context": {"fromObjectId": ["1"]}}], numErrors=1), {}),
        (_reply(), {}),
    ],
)
def test_links_are_told(body: bytes, records: dict[str, RecordLinks]) -> None:
    """Any 2xx that can be read; records without links stand in errors, or nowhere."""
    for status in (200, 201, 207):
        verdict = _judge_links(status, body)
        assert isinstance(verdict, Replied)
        assert isinstance(verdict.reply, LinksReply)
        assert records == verdict.reply.records
        assert (b"errors" in body) == bool(verdict.reply.errors)


@pytest.mark.parametrize(
    "body", [b"", b" \n", _reply(status="PENDING"), _reply(errors=["e"], status="PROCESSING")]
)
def test_links_that_are_not_read_yet(body: bytes) -> None:
    """A 2xx without a body, or one that is not done, is asked again."""
    for status in (200, 202, 204):
        assert isinstance(_error(_judge_links(status, body)), UnconfirmedError)


@both
@pytest.mark.parametrize("body", [HTML, b'{"results": [', b"{}", b"[]", b'{"results": "x"}'])
def test_a_garbled_success_about_many(judge_many: Any, body: bytes) -> None:
    """A 2xx that cannot be read is asked again, and the error shows what came."""
    for status in (200, 207):
        answer = Response(status, {"A": "b", "Set-Cookie": "secret"}, body)
        verdict = judge_many(answer, TYPES, lambda: NOW)
        assert isinstance(verdict, Transient)
        assert isinstance(verdict.error, InvalidResponseError)
        assert (status, body.decode(), {"A": "b"}) == (
            verdict.error.status,
            verdict.error.body_start,
            verdict.error.headers,
        )


@both
@given(st.integers(-1, 999), near_bodies | st.binary(max_size=20))
def test_what_is_no_success_means_the_same_for_many(
    judge_many: Any, status: int, body: object
) -> None:
    """The table decides, whatever was asked; and only 2xx tells of many."""
    try:
        raw = body if isinstance(body, bytes) else orjson.dumps(body)
    except TypeError:  # not JSON
        raw = b"{"
    answer = Response(status, {"Retry-After": "3"}, raw)
    verdict = judge_many(answer, TYPES, lambda: NOW)
    if 200 <= status < 300:
        assert isinstance(verdict, Replied | Transient)
    else:
        one: Any = judge(answer, PAIR, lambda: NOW)
        assert _told(one.error) == _told(verdict.error)
        if isinstance(verdict, Refused) and verdict.about in {About.BATCH, About.PATH}:
            assert isinstance(one, Refused | Intercepted | Fatal)
        else:
            assert attrs.evolve(one, error=None) == attrs.evolve(verdict, error=None)


def _told(error: Any) -> tuple[object, ...]:
    return type(error), error.status, str(error)


def test_a_response_of_hubspots_proves_the_endpoint_for_a_while() -> None:
    """Not before there was one, and for ten seconds."""
    proof = EndpointProof()
    assert not proof.holds(0.0)
    proof.responded_at = 100.0
    assert proof.holds(100.0)
    assert proof.holds(110.0)
    assert not proof.holds(110.5)
