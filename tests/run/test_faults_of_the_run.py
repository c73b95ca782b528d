"""What is wrong with the token, the account or the way to HubSpot is charged to the run, once."""

from __future__ import annotations

import itertools
import random  # noqa: TID251 -- seeded
from typing import TYPE_CHECKING, Any

import pytest
from multidict import CIMultiDict

from aiohubassoc import (
    AuthenticationError,
    GatewayError,
    PermissionDeniedError,
    RefusedAlikeError,
    UnknownObjectTypeError,
    WrongEndpointError,
)
from aiohubassoc._protocol.verdicts import Response
from tests.fakes.portal import FakePortal, client_of, inputs_of, pairs_of
from tests.fakes.transport import error

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohubassoc import Report
    from aiohubassoc._protocol.requests import Endpoint

PAGE = b"<html><title>Access denied</title></html>"


def page(status: int, body: bytes = PAGE) -> Response:
    """Return what a gateway says."""
    return Response(status, CIMultiDict({"Content-Type": "text/html"}), body)


class Refusing(FakePortal):
    """
    Refuses pairs.

    Args:
        refuses: Whether the pair of a number is refused, from 1.
        named: Whether each refusal names a record of its pair.
    """

    def __init__(
        self, refuses: Callable[[int], bool], *, named: bool = False, **options: Any
    ) -> None:
        super().__init__(**options)
        self._refuses = refuses
        self._named = named

    def usual(self, endpoint: Endpoint) -> Response:
        """Refuse the pair, or link it."""
        if endpoint.method == "PUT":
            from_id = endpoint.path.split("/")[5]
            if self._refuses(int(from_id)):
                return self._refuse(from_id)
        elif any(self._refuses(int(one)) for one, _ in inputs_of(endpoint)):
            return self._refuse("1")
        return super().usual(endpoint)

    def _refuse(self, from_id: str) -> Response:
        shown = f"CONTACT={from_id} is not valid" if self._named else "not allowed"
        return error(403, category="SOME_LIMIT", message=f"{shown} (case 9{from_id}9: try 17)")


async def run(
    portal: FakePortal, count: int = 1500, *, concurrency: int = 64, **options: Any
) -> Report:
    """Link this many pairs and return the report."""
    async with client_of(portal, concurrency=concurrency) as client:
        report = await client.link_all(pairs_of(count), **options)
    assert count == report.total
    assert report.input_complete
    return report


# --- refused alike -------------------------------------------------------------------------------


@pytest.mark.parametrize(("named", "most"), [(False, 120), (True, 640)])
async def test_refused_alike_from_the_start(named: bool, most: int) -> None:
    """A fault of the run is not met 1,500 times."""
    portal = Refusing(lambda _: True, named=named)
    report = await run(portal)
    assert isinstance(report.stopped, RefusedAlikeError)
    assert portal.calls.total() <= most
    assert (report.failed, report.linked) == (portal.calls.total(), 0)


@pytest.mark.parametrize(("named", "most"), [(False, 400), (True, 920)])
async def test_refused_alike_from_the_301st_on(named: bool, most: int) -> None:
    """What worked and works no longer stops the run too."""
    portal = Refusing(lambda number: number > 300, named=named)
    report = await run(portal, concurrency=32)
    assert isinstance(report.stopped, RefusedAlikeError)
    assert 300 == report.linked
    assert portal.calls.total() <= most


@pytest.mark.parametrize("via", ["put", "batch"])
async def test_single_bad_pairs_stop_no_run(via: str) -> None:
    """Three in a hundred, wherever they are."""
    chance = random.Random(3)
    bad = {n for n in range(1, 3001) if chance.random() < 0.03}
    report = await run(Refusing(bad.__contains__), 3000, via=via)
    assert (None, len(bad)) == (report.stopped, report.failed)


async def test_some_alike_in_a_row_stop_no_run() -> None:
    """Twenty, or 250 that each name their own record: deleted records come in rows."""
    for count, named in ((20, False), (250, True)):
        report = await run(Refusing(lambda n, c=count: 300 < n <= 300 + c, named=named))  # type: ignore[misc]  # bound per turn
        assert (None, count) == (report.stopped, report.failed)


async def test_a_link_in_the_same_batch_counts_as_between() -> None:
    """A batch in which most are wrong, and named, is no fault of the run."""
    portal = FakePortal(bad=range(1, 1990), names=True)
    report = await run(portal, 2000, via="batch")
    assert (None, 1989, 11) == (report.stopped, report.failed, report.linked)


async def test_it_can_be_turned_off_and_set() -> None:
    """None: never; and the number is the caller's."""
    report = await run(Refusing(lambda _: True), 300, stop_after_alike=None)
    assert (None, 300) == (report.stopped, report.failed)
    report = await run(Refusing(lambda _: True), 300, stop_after_alike=5, concurrency=1)
    assert 5 == report.failed


# --- HubSpot's own words about the run -----------------------------------------------------------


@pytest.mark.parametrize("via", ["put", "batch"])
@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (error(401, category="INVALID_AUTHENTICATION"), AuthenticationError),
        (error(402), Exception),
        (error(403, category="USER_DOES_NOT_HAVE_PERMISSIONS"), PermissionDeniedError),
        (
            Response(
                400,
                CIMultiDict(),
                b'{"status":"error","message":"Unable to infer object type from: contacts"}',
            ),
            UnknownObjectTypeError,
        ),
    ],
    ids=["401", "402", "403", "type"],
)
async def test_hubspots_words_about_the_run_stop_it(
    refusal: Response, kind: type[Exception], via: str
) -> None:
    """By batches as above, without halving."""
    always = itertools.repeat(refusal)
    portal = FakePortal(script={"put": always, "batch": always})
    report = await run(portal, via=via)
    assert isinstance(report.stopped, kind)
    assert (0, 0, 1500) == (report.linked, report.failed, report.unprocessed)
    assert portal.calls["put"] <= (64 if via == "put" else 0)
    assert portal.calls["batch"] <= 5


# --- pages of a gateway --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "refusal",
    [page(403), page(403, b""), page(403, b"error code: 1020"), page(400), page(404), page(405)],
    ids=["403", "empty", "cloudflare", "400", "404", "405"],
)
@pytest.mark.parametrize("via", ["put", "batch"])
async def test_a_gateways_page_stops_the_run(refusal: Response, via: str) -> None:
    """It says nothing about a pair; to a batch it costs one call for one pair more."""
    always = itertools.repeat(refusal)
    portal = FakePortal(script={"put": always, "batch": always})
    report = await run(portal, via=via)
    assert isinstance(report.stopped, GatewayError | WrongEndpointError)
    assert (0, 0, 1500) == (report.linked, report.failed, report.unprocessed)
    assert portal.calls["batch"] <= 5
    assert portal.calls.total() <= 105


@pytest.mark.parametrize("refusal", [page(403), page(405), error(405)], ids=["403", "405", "json"])
async def test_a_batch_path_that_is_blocked_falls_back_to_single_calls(refusal: Response) -> None:
    """Once, not batch by batch: what a PUT says counts for the run."""
    portal = FakePortal(script={"batch": itertools.repeat(refusal)})
    report = await run(portal, 1500, via="batch", batch_size=100)
    assert (None, 1500) == (report.stopped, report.linked)
    assert portal.calls["batch"] <= 5
    assert 1500 == portal.calls["put"]


async def test_a_page_in_the_midst_of_a_run_is_about_its_pair() -> None:
    """Where HubSpot itself responds all the while, one odd id must not end a run of a million."""
    odd = itertools.chain([None] * 40, [page(403)], itertools.repeat(None))
    report = await run(FakePortal(script={"put": odd}), 500)
    assert (None, 1, 499) == (report.stopped, report.failed, report.linked)


@pytest.mark.parametrize("status", [413, 414])
async def test_too_much_in_one_call_is_halved(status: int) -> None:
    """Until HubSpot takes it; nobody is the cause."""

    def limited(portal: FakePortal, endpoint: Endpoint) -> Response:
        too_many = len(inputs_of(endpoint)) > 100
        return page(status) if too_many else portal.usual(endpoint)

    portal = FakePortal(script={"batch": itertools.repeat(limited)})
    report = await run(portal, 1500, via="batch")
    assert (None, 1500) == (report.stopped, report.linked)
    assert (31, 0) == (portal.calls["batch"], portal.calls["put"])


@pytest.mark.parametrize("is_page", [True, False])
async def test_a_verification_stops_too(is_page: bool) -> None:
    """Nothing can be read: it is not asked for a thousand records again and again."""
    refusal = page(403) if is_page else error(401)
    portal = FakePortal(script={"read": itertools.repeat(refusal)})
    async with client_of(portal) as client, client.verify(pairs_of(20_000)) as found:
        assert 20_000 == len([one async for one in found])
    assert found.report.stopped is not None
    assert portal.calls["read"] <= 3
