"""Wrong arguments are refused with a message that names the right ones."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd
import polars as pl
import pytest

from aiohubassoc import (
    AioHubAssocError,
    AssociationClient,
    Journal,
    LinkState,
    OptionsError,
    Outcome,
    Pair,
    PairError,
    Quota,
    QuotaLimiter,
    RunStoppedError,
    Status,
)
from aiohubassoc.testing import mocked

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PAIR = Pair("contacts", 1, "companies", 2)
ROW = {"from_id": 1, "to_id": 2}
TYPES: Any = {"from_type": "contacts", "to_type": "companies"}
LONG = 10**5000


async def _pairs() -> AsyncIterator[Pair]:
    yield PAIR


# --- inputs ------------------------------------------------------------------------------------


class _Row(NamedTuple):
    to_id: int
    from_id: int


def _rows_in_other_order() -> dict[str, Any]:
    database = sqlite3.connect(":memory:")
    database.row_factory = sqlite3.Row
    frame = pd.DataFrame([{"to_id": 2, "from_id": 1}])
    return {
        "named tuple": _Row(to_id=2, from_id=1),
        "sqlite3.Row": database.execute("select 2 as to_id, 1 as FROM_ID").fetchone(),
        "itertuples": next(iter(frame.itertuples(index=False))),
        "series": frame.iloc[0],
    }


@pytest.mark.parametrize("kind", ["named tuple", "sqlite3.Row", "itertuples", "series"])
async def test_rows_with_names_are_read_by_them(kind: str) -> None:
    """By their places, the ids of each pair would be exchanged."""
    with mocked() as hubspot:
        async with AssociationClient("token") as client:
            await client.link_all([_rows_in_other_order()[kind]], **TYPES)
    assert hubspot.pairs == [PAIR]


@pytest.mark.parametrize(
    ("pairs", "advice"),
    [
        (pl.DataFrame([ROW]).lazy(), "not LazyFrame: give its .collect()"),
        (ROW, "a list of (from_id, to_id)"),
        (pd.DataFrame([ROW]).to_dict("list"), "a list of (from_id, to_id)"),
        (PAIR, "put it in a list"),
        (Pair, "not Pair"),
        ("pairs.csv", "aiohubassoc link"),
        (Path("pairs.csv"), "aiohubassoc link"),
        (_pairs, "call it"),
        (None, "not NoneType"),
        (5, "not int"),
        (pd.DataFrame([ROW]).to_dict("records"), "(row['from_id'], row['to_id'])"),
        ([{"a": 1, "b": 2}], "two of its values"),
        (list(pd.DataFrame([ROW]).itertuples()), "index=False"),
        ([("contacts", 1, "companies", 2)], "Pair(from_type, from_id, to_type, to_id)"),
        ([Outcome(0, PAIR, Status.LINKED)], "give its .pair"),
        ([pd.DataFrame([ROW])], "but a DataFrame: start one run for each data frame"),
        (list(pl.DataFrame([ROW, ROW]).iter_slices(1)), "but a DataFrame: start one run for each"),
        (pl.DataFrame([ROW]).to_arrow().to_batches(), "but a RecordBatch: start one run for each"),
        ([(1, 2, 3)], "not (from_id, to_id) but (1, 2, 3)"),
        (["1,2"], "not (from_id, to_id) but '1,2'"),
        ([LONG], "not (from_id, to_id) but a int"),
    ],
    ids=lambda value: str(value)[:20].replace("\n", " ") if isinstance(value, str) else "",
)
@pytest.mark.parametrize("verb", ["link_all", "verify", "plan", "create_default_batch"])
async def test_inputs_that_are_no_pairs(verb: str, pairs: Any, advice: str) -> None:
    """Every method that accepts pairs refuses them, and the message has the right input."""
    with mocked() as hubspot:
        async with AssociationClient("t") as client:
            with pytest.raises((OptionsError, PairError)) as refused:
                if verb == "create_default_batch":
                    await client.create_default_batch("contacts", "companies", pairs)
                elif verb == "verify":
                    async with client.verify(pairs, **TYPES) as found:
                        async for _ in found:
                            pass
                else:
                    await getattr(client, verb)(pairs, **TYPES)
    assert advice in str(refused.value)
    assert hubspot.calls == 0


@pytest.mark.parametrize("item", [ROW, ("contacts", 1, "companies", 2)])
async def test_items_without_types(item: Any) -> None:
    """The advice is the same with and without types."""
    async with AssociationClient("t") as client:
        with pytest.raises(OptionsError, match=r"give \(row\['from_id'\]|give Pair\("):
            await client.link_all([item])


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        (pl.DataFrame([ROW]), "or a data frame to link_each()"),
        (pd.DataFrame([ROW]), "or a data frame to link_each()"),
        (b"12", "not bytes"),
    ],
)
async def test_create_default_batch_refuses_other_inputs(given: Any, advice: str) -> None:
    """Only `link_each` accepts them."""
    async with AssociationClient("t") as client:
        with pytest.raises(OptionsError) as refused:
            await client.create_default_batch("contacts", "companies", given)
    assert advice in str(refused.value)


async def test_create_default_batch_refuses_async_inputs() -> None:
    """An async iterable is for `link_each`."""
    async with AssociationClient("t") as client:
        given: Any = _pairs()
        with pytest.raises(OptionsError, match="a batch needs a list"):
            await client.create_default_batch("contacts", "companies", given)


async def test_an_id_of_thousands_of_digits_is_one_failed_pair() -> None:
    """The run continues, and the pair can be printed."""
    with pytest.raises(PairError, match="digits"):
        Pair("contacts", LONG, "companies", 1)
    with mocked():
        async with AssociationClient("t") as client:
            report = await client.link_all([(LONG, 1), (1, 2)], **TYPES)
    assert (report.linked, report.failed) == (1, 1)
    (failure,) = report.failures
    assert "more than 64 digits" in str(failure.error)
    assert str(failure.pair) == "contacts:(int) -> companies:1"


class Unprintable:
    """An item of an input whose own code raises whenever it is shown."""

    def __repr__(self) -> str:
        raise RuntimeError("not open")


async def test_an_item_that_cannot_be_shown_ends_the_input_as_any_that_is_no_pair() -> None:
    """The error is the library's, and names the class."""
    pairs: Any = [(1, 2), Unprintable()]
    with mocked():
        async with AssociationClient("t") as client:
            with pytest.raises(AioHubAssocError, match=r"item 1 of the input .* a Unprintable"):
                await client.link_all(pairs, **TYPES)


@pytest.mark.parametrize("given", [1.5, None, "..", "a b", "202.0", b"1", LONG], ids=range(7))
async def test_the_pair_of_an_outcome_fails_its_checks_again(given: Any) -> None:
    """No method sends it; only this pair fails, also among pairs of outcomes that are valid."""
    with mocked() as hubspot:
        async with AssociationClient("t") as client:
            first = await client.link_all([(given, 1), (1, 2)], **TYPES)
            (bad,) = [outcome.pair for outcome in first.failures]
            hubspot.pairs.clear()
            again = await client.link_all([bad, PAIR, Pair("contacts", 1, "companies", 3)])
            async with client.verify([bad]) as found:
                states = [one.state async for one in found]
            with pytest.raises(PairError, match=r"from_id|failed its checks"):
                await client.create_default(bad)
            with pytest.raises(PairError, match=r"from_id|failed its checks"):
                await client.create_default_batch("contacts", "companies", [PAIR, bad])
            plan = await client.plan([bad, PAIR])
    assert (again.linked, again.failed) == (2, 1)
    assert isinstance(again.failures[0].error, PairError)
    assert states == [LinkState.UNKNOWN]
    assert (plan.invalid, plan.calls) == (1, 1)
    assert ["2", "3"] == [pair.to_id for pair in hubspot.pairs]


async def test_the_pair_of_a_row_fails_its_checks_again(tmp_path: Path) -> None:
    """A run folder has the values of an item that failed its checks, as text."""
    rows = pd.DataFrame([{"from_id": None, "to_id": 7, "tag": "kept"}])
    journal = Journal(tmp_path / "run")
    with mocked() as hubspot:
        async with AssociationClient("t") as client:
            await client.link_all(rows, **TYPES, journal=journal)
            pairs = [row.pair for row in journal.rows(Status.FAILED)]
            report = await client.link_all(pairs)
    assert report.failed == 1
    assert not hubspot.pairs
    assert [(str(one.pair), one.pair.tag) for one in report.failures] == [
        ("contacts:None -> companies:7", "kept")
    ]


# --- options -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"from_typ": "contacts"}, "link_all() has no option from_typ; did you mean from_type?"),
        ({"xyzzy": 1}, "link_all() has no option xyzzy"),
        ({"quota": 1}, "has no option quota; quota is an option of AssociationClient"),
        ({"journal": "runs/x"}, "Journal('runs/x')"),
        ({"journal": Path("runs/x")}, "Journal('runs/x')"),
        ({"stop_after_failures": "1"}, "stop_after_failures must be an int"),
        ({"batch_size": 2.0, "via": "batch"}, "batch_size must be an int"),
        ({"via": ["put"]}, "via must be"),
        ({"drain_timeout": "x"}, "drain_timeout must be"),
        ({"max_failures_kept": None}, "max_failures_kept must be"),
        ({"max_failures_kept": 1.5}, "max_failures_kept must be"),
        ({"stop_after_failures": True}, "stop_after_failures must be an int"),
        ({"batch_linger": None}, "batch_linger must be"),
        ({"batch_linger": "x"}, "batch_linger must be"),
    ],
)
async def test_options_of_a_run(options: Any, said: str) -> None:
    """Before anything is sent."""
    async with AssociationClient("t") as client:
        with pytest.raises(OptionsError) as refused:
            await client.link_all([PAIR], **options)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("cause", "seconds", "said"),
    [
        ("shutting down", None, r"such as RunStoppedError\('shutting down'\), not 'shutting down'"),
        (RuntimeError("x"), None, "an error of aiohubassoc"),
        (RunStoppedError("x"), -1.0, "drain_timeout must be 0 or more"),
        (RunStoppedError("x"), float("nan"), "drain_timeout must be 0 or more"),
    ],
)
async def test_causes_of_a_stop(cause: Any, seconds: float | None, said: str) -> None:
    """The cause is stored with each remaining pair, so it must be an error of the package."""
    with mocked():
        async with AssociationClient("t") as client, client.link_each([PAIR]) as outcomes:
            with pytest.raises(OptionsError, match=said):
                outcomes.stop(cause, drain_timeout=seconds)
            assert [Status.LINKED] == [outcome.status async for outcome in outcomes]


async def test_plan_accepts_only_a_journal() -> None:
    """As `link_each` does."""
    given: Any = "runs/x"
    with pytest.raises(OptionsError, match=r"Journal\('runs/x'\)"):
        await AssociationClient("t").plan([PAIR], journal=given)


async def test_failures_of_no_run_folder_cannot_be_sent_again() -> None:
    """Without one nothing failed before: the folder was forgotten."""
    said = "retry_failed is for a run folder: give it too, such as journal=Journal"
    async with AssociationClient("t") as client:
        with pytest.raises(OptionsError, match=said):
            client.link_each([PAIR], retry_failed=True)
        with pytest.raises(OptionsError, match=said):
            await client.link_all([PAIR], retry_failed=True)
        with pytest.raises(OptionsError, match=said):
            await client.plan([PAIR], retry_failed=True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"quota": "professional"}, "'professional' is not a Quota: give Quota.PROFESSIONAL or"),
        ({"base_url": 5}, "must be a string"),
        ({"base_url": "https://xn--"}, "does not name a host"),
        ({"base_url": "https://a..b"}, "does not name a host"),
        ({"base_url": "https://a%zz.example"}, "does not name a host"),
        ({"base_url": "https://exa mple.com"}, "holds a blank, a backslash or a control character"),
        ({"base_url": "https://example.com "}, "holds a blank, a backslash or a control character"),
        (
            {"base_url": "https://example.com\n"},
            "holds a blank, a backslash or a control character",
        ),
        (
            {"base_url": "https://exa\0mple.com"},
            "holds a blank, a backslash or a control character",
        ),
        (
            {"base_url": "http://evil\\.localhost"},
            "holds a blank, a backslash or a control character",
        ),
        ({"base_url": f"https://{'a' * 300}.com"}, "does not name a host"),
        ({"session": "x"}, "aiohttp.ClientSession"),
        ({"limiter": Quota(5)}, "a Quota is given as quota"),
        ({"batch_limiter": 5}, "a Quota is given as batch_quota"),
        ({"ssl": "ca.pem"}, "ssl.SSLContext"),
        ({"clock": 5}, "clock must be"),
        ({"jitter": 5}, "jitter must be"),
        ({"api_version": 5}, "api_version 5"),
    ],
)
def test_options_of_a_client(options: Any, said: str) -> None:
    """When the client is created."""
    with pytest.raises(OptionsError) as refused:
        AssociationClient("t", **options)
    assert said in str(refused.value)


def test_international_host_names_are_accepted() -> None:
    """They are looked up as IDNA."""
    assert "münchen" in repr(AssociationClient("t", base_url="https://münchen.example"))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Quota.parse(5),  # type: ignore[arg-type]
        lambda: QuotaLimiter("190/10s"),  # type: ignore[arg-type]
        lambda: Pair.of(5, "a:1"),  # type: ignore[arg-type]
        lambda: Pair.of(("contacts", 1), ("c", 1)),  # type: ignore[arg-type]
        lambda: Journal(5),  # type: ignore[arg-type]
        lambda: Journal(""),
        lambda: AssociationClient.from_env(token="x"),  # type: ignore[call-arg]
    ],
)
def test_other_values(make: Any) -> None:
    """They raise an OptionsError, not an error of Python's."""
    with pytest.raises(AioHubAssocError):
        make()
