"""Data frames as the input of a run: their rows are pairs, like any others."""

from __future__ import annotations

import sys
import tracemalloc
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from aiohubassoc import OptionsError, Pair, PairError, Status
from aiohubassoc._run.dataframes import SLICE_ROWS
from aiohubassoc._run.put import Put
from aiohubassoc._run.source import Source
from aiohubassoc._run.stream import READ_AHEAD
from tests.fakes.transport import FakeTransport, sender_of, stream_over

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aiohubassoc import OutcomeStream

TYPES = ("contacts", "companies")
IDS = {"from_id": [1, 2, 3], "to_id": [11, 22, 33]}
TEXTS = {name: [str(one) for one in ids] for name, ids in IDS.items()}
PAIRS = [Pair("contacts", n, "companies", 11 * n) for n in (1, 2, 3)]


class Capsule:
    """What has the protocol and nothing else; counts how often it was asked."""

    def __init__(self, frame: Any) -> None:
        self._frame = frame
        self.asked = 0

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        self.asked += 1
        return self._frame.__arrow_c_stream__(requested_schema)


class BatchCapsule:
    """What is a single batch, and no stream."""

    def __init__(self, batch: Any) -> None:
        self._batch = batch

    def __arrow_c_array__(self, requested_schema: object | None = None) -> object:
        return self._batch.__arrow_c_array__(requested_schema)


def read(
    frame: Any, from_type: str | None = "contacts", to_type: str | None = "companies"
) -> list[Pair | PairError]:
    """Return what each row is: a pair, or why it is none."""
    source = Source(frame, from_type, to_type)
    reported: list[Pair | PairError] = []
    while items := source.read_now(1):
        ((index, item),) = items
        assert index == len(reported)
        pair = source.pair(index, item)
        reported.append(pair if isinstance(pair, Pair) else pair[1])
    return reported


def run_of(frame: Any, transport: FakeTransport) -> OutcomeStream:
    """Return a run over the fake."""
    strategy = Put(sender_of(transport).send, workers=8)
    return stream_over(Source(frame, *TYPES), strategy)


def table(kind: Any, columns: Any = TEXTS) -> pa.Table:
    """Return a table whose columns are all of one kind."""
    return pa.table({name: pa.array(values).cast(kind) for name, values in columns.items()})


# Not by a cast, which pyarrow 17 cannot do.
STRING_VIEWS = pa.schema({name: pa.string_view() for name in TEXTS})

# --- every kind --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(pd.DataFrame(IDS), id="pandas"),
        pytest.param(pd.DataFrame(TEXTS), id="pandas-text"),
        pytest.param(pd.DataFrame(TEXTS, dtype=object), id="pandas-objects"),
        pytest.param(pd.DataFrame(IDS, dtype="Int64"), id="pandas-nullable"),
        pytest.param(pd.DataFrame(IDS, dtype="uint8"), id="pandas-uint8"),
        pytest.param(pd.DataFrame(IDS, dtype=pd.ArrowDtype(pa.int32())), id="pandas-arrow"),
        pytest.param(pd.DataFrame(TEXTS, dtype="string"), id="pandas-string"),
        pytest.param(pd.DataFrame(TEXTS, dtype="category"), id="pandas-category"),
        pytest.param(pd.DataFrame(IDS, index=["c", "b", "a"]), id="pandas-index"),
        pytest.param(pl.DataFrame(IDS), id="polars"),
        pytest.param(pl.DataFrame(TEXTS), id="polars-text"),
        pytest.param(pl.DataFrame(IDS).cast(pl.UInt64), id="polars-uint64"),
        pytest.param(pl.DataFrame(TEXTS).cast(pl.Categorical), id="polars-categorical"),
        pytest.param(
            pl.concat([pl.DataFrame(IDS)[:1], pl.DataFrame(IDS)[1:]], rechunk=False),
            id="polars-chunks",
        ),
        pytest.param(
            pl.LazyFrame(IDS).filter(pl.col("from_id") > 0).collect(), id="polars-collected"
        ),
        pytest.param(pa.table(IDS), id="table"),
        pytest.param(pa.concat_tables([pa.table(IDS)[:2], pa.table(IDS)[2:]]), id="table-chunks"),
        pytest.param(table(pa.large_string()), id="table-large-string"),
        pytest.param(pa.table(TEXTS, schema=STRING_VIEWS), id="table-string-view"),
        pytest.param(table(pa.dictionary(pa.int8(), pa.string())), id="table-dictionary"),
        pytest.param(table(pa.uint64(), IDS), id="table-uint64"),
        pytest.param(table(pa.decimal128(38), IDS), id="table-decimal"),
        pytest.param(pa.RecordBatch.from_pydict(IDS), id="batch"),
        pytest.param(pa.table(IDS).to_reader(), id="reader"),
        pytest.param(Capsule(pa.table(IDS)), id="capsule"),
        pytest.param(BatchCapsule(pa.RecordBatch.from_pydict(IDS)), id="batch-capsule"),
    ],
)
def test_the_rows_of_every_kind_are_pairs(frame: Any) -> None:
    """Whatever library made it, whatever kind of string or int its ids are."""
    assert PAIRS == read(frame)


ints = st.none() | st.integers(-(2**63), 2**63 - 1)
texts = st.none() | st.text(max_size=3) | st.integers(0, 10**9).map(str)
anything = texts | st.integers() | st.floats() | st.booleans()


def _columns(ids: list[tuple[Any, Any]]) -> dict[str, list[Any]]:
    return {"from_id": [one for one, _ in ids], "to_id": [other for _, other in ids]}


def _same_as_tuples(frame: Any, ids: list[tuple[Any, Any]]) -> None:
    for row, expected in zip(read(frame), read(ids), strict=True):
        if isinstance(expected, Pair):
            assert expected == row
        else:
            assert isinstance(row, PairError)


@given(ids=st.lists(st.tuples(texts, ints)))
def test_ids_in_a_frame_are_those_of_tuples(ids: list[tuple[Any, Any]]) -> None:
    """Any list of ids through a frame makes the same pairs, and refuses the same rows."""
    kinds = {"from_id": pl.String, "to_id": pl.Int64}
    schema = pa.schema([("from_id", pa.string()), ("to_id", pa.int64())])
    columns = _columns(ids)
    for frame in (
        pl.DataFrame(columns, schema=kinds),
        pa.table(columns, schema=schema),
        pd.DataFrame(
            {
                "from_id": pd.array(columns["from_id"], dtype="string"),
                "to_id": pd.array(columns["to_id"], dtype="Int64"),
            }
        ),
    ):
        _same_as_tuples(frame, ids)


@given(ids=st.lists(st.tuples(anything, anything)))
def test_ids_of_mixed_kinds_are_those_of_tuples_too(ids: list[tuple[Any, Any]]) -> None:
    """A column of pandas may hold anything: each row is judged by itself."""
    _same_as_tuples(pd.DataFrame(_columns(ids), dtype=object), ids)


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"from_id": [202, None], "to_id": [1, 2]}).astype(str),
        pd.DataFrame({"from_id": [202.0, 1e16], "to_id": [1, 2]}).astype("string"),
        pl.DataFrame({"from_id": [202.0, 1e16], "to_id": [1, 2]}).with_columns(
            pl.col("from_id").cast(pl.String)
        ),
    ],
    ids=["pandas-str", "pandas-string", "polars-cast"],
)
def test_a_column_of_floats_made_text_is_no_column_of_ids(frame: Any) -> None:
    """What the conversion left behind is refused in each row, as the float itself is."""
    first, second = read(frame)
    assert "from_id is '202.0', a float written as text" in str(first)
    assert isinstance(second, PairError)


# --- rows that cannot be sent ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "reported"),
    [
        (pd.Series([7, None, 7], dtype="Int64"), "not None"),
        (pd.Series(["7", np.nan, "7"]), "not None"),
        (pd.Series([7, 1.5, "7"], dtype=object), "not 1.5, .* convert the column to Int64 first"),
        (pd.Series([7, np.array([1, 2]), "7"], dtype=object), "must be a string or an int"),
        (pd.Series(["7", "a b", "7"]), "contains a blank"),
        (pd.Series(["7", "202.0", "7"]), "'202.0', a float written as text.*to Int64 first"),
        (pl.Series(["7", "1.2345678901234e+16", "7"]), "1234e.16', a float written as text"),
        (pl.Series([7, None, 7]), "not None"),
        (pl.Series(["7", "", "7"]), "is empty"),
        (pa.array(["7", None, "7"]), "not None"),
        (pa.UnionArray.from_sparse(
            pa.array([0, 1, 0], pa.int8()), [pa.array([7, 7, 7]), pa.array([0.5, 1.5, 0.5])]
        ), "not 1.5"),
        (
            pa.StringArray.from_buffers(
                3, pa.py_buffer(np.array([0, 1, 2, 3], dtype="i4")), pa.py_buffer(b"7\xff7")
            ),
            "not <unreadable: 'utf-8' codec can't decode",
        ),
    ],
)  # fmt: skip
def test_a_row_that_is_no_pair_takes_no_other_with_it(column: Any, reported: str) -> None:
    """Its error names the row; the rows around it are pairs."""
    maker = {"pandas": pd.DataFrame, "polars": pl.DataFrame}.get(
        type(column).__module__.partition(".")[0], pa.table
    )
    before, bad, after = read(maker({"from_id": column, "to_id": [1, 2, 3]}))
    assert [Pair("contacts", 7, "companies", 1), Pair("contacts", 7, "companies", 3)] == [
        before,
        after,
    ]
    assert isinstance(bad, PairError)
    with pytest.raises(PairError, match=f"row 1 of the data frame: .*{reported}"):
        raise bad


@pytest.mark.parametrize("kind", [pa.float64(), pa.bool_(), pa.binary(), pa.date32(), pa.null()])
def test_a_column_of_another_kind_is_no_column_of_ids(kind: Any) -> None:
    """No id is guessed from it: each row fails for itself."""
    frame = pa.table({"from_id": pa.nulls(2, kind), "to_id": [1, 2]})
    assert all(isinstance(row, PairError) for row in read(frame))
    if kind == pa.float64():
        frame = pa.table({"from_id": [1.0, 2.0], "to_id": [1, 2]})
        assert all("must be a string or an int" in str(row) for row in read(frame))


async def test_in_a_run_a_bad_row_is_told_like_any_pair() -> None:
    """It has its outcome with its own values and tag, without a call; the others are linked."""
    transport = FakeTransport()
    frame = pl.DataFrame({"to_id": [5, 5, 5], "from_id": ["1", None, "3"], "tag": ["a", "b", None]})
    async with run_of(frame, transport) as outcomes:
        reported = sorted([o async for o in outcomes], key=lambda outcome: outcome.index)
    assert [Status.LINKED, Status.FAILED, Status.LINKED] == [outcome.status for outcome in reported]
    assert ["a", "b", None] == [outcome.pair.tag for outcome in reported]
    bad = reported[1]
    assert isinstance(bad.error, PairError)
    assert (0, "contacts:None -> companies:5") == (bad.attempts, str(bad.pair))
    assert 2 == len(transport.sent)


# --- columns -----------------------------------------------------------------------------------


def test_a_row_may_have_types_of_its_own() -> None:
    """Where the column is missing or null, what was given for all stands in."""
    frame = pd.DataFrame({**IDS, "from_type": ["deals", None, "0-1"]})
    assert ["deals:1 -> companies:11", "contacts:2 -> companies:22", "0-1:3 -> companies:33"] == [
        str(row) for row in read(frame)
    ]


def test_one_type_may_be_given_for_all_and_one_by_the_rows() -> None:
    """Unlike ids alone, a frame needs but what it has not."""
    frame = pl.DataFrame({**IDS, "to_type": ["deals", "companies", "deals"]})
    reported = [str(row) for row in read(frame, "contacts", None)]
    assert [
        "contacts:1 -> deals:11",
        "contacts:2 -> companies:22",
        "contacts:3 -> deals:33",
    ] == reported


def test_a_row_without_any_type_is_refused_alone() -> None:
    """No type was given for all, and it has none."""
    frame = pa.table({**IDS, "from_type": ["deals", None, "deals"], "to_type": ["deals"] * 3})
    first, bad, last = read(frame, None, None)
    assert [Pair("deals", 1, "deals", 11), Pair("deals", 3, "deals", 33)] == [first, last]
    assert "row 1 of the data frame: from_type must be a string, not None" in str(bad)


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
def test_other_columns_are_ignored(make: Callable[..., Any]) -> None:
    """Whatever they are called and hold."""
    assert PAIRS == read(make({"name": ["x", "y", "z"], **IDS, "score": [1.5, None, 2.5]}))


def test_what_arrow_cannot_hold_is_ignored_in_pandas() -> None:
    """A column of mixed kinds, or a name that is no string, is nothing to a run."""
    columns: dict[Any, Any] = {**IDS, "notes": [1, "two", object()], 7: [1, 2, 3]}
    assert PAIRS == read(pd.DataFrame(columns))


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
@pytest.mark.parametrize(
    ("columns", "types", "reported"),
    [
        ({"contact": [1], "to_id": [2]}, TYPES, "no column from_id, but: contact, to_id; rename"),
        ({"a": [1]}, TYPES, "no column from_id and no to_id, but: a;"),
        ({}, TYPES, "no column from_id and no to_id, but: none at all;"),
        (IDS, (None, "companies"), "no column from_type, .*give types"),
        (IDS, (None, None), "no column from_type and no to_type"),
    ],
)
def test_a_missing_column_is_told_with_those_that_are_there(
    make: Callable[..., Any], columns: Any, types: Any, reported: str
) -> None:
    """Before any row is read, and what to do is said."""
    with pytest.raises(OptionsError, match=reported):
        read(make(columns), *types)


def test_a_column_that_is_there_twice_is_refused() -> None:
    """Nobody can know which of the two is meant."""
    for frame in (
        pd.DataFrame([[1, 2, 3]], columns=["from_id", "to_id", "to_id"]),
        pa.Table.from_arrays([pa.array([1])] * 3, names=["from_id", "to_id", "to_id"]),
    ):
        with pytest.raises(OptionsError, match="more than one column to_id: keep one"):
            read(frame)


@pytest.mark.parametrize(
    ("types", "reported"),
    [(("a b", None), "from_type contains a blank"), ((None, ""), "to_type is empty")],
)
def test_an_unusable_type_is_refused_at_once(types: Any, reported: str) -> None:
    """Not once a row."""
    with pytest.raises(PairError, match=reported):
        Source(pl.DataFrame(IDS), *types)


@pytest.mark.parametrize(
    "column", [pl.Series([1, 2]), pa.array([1, 2]), pa.chunked_array([[1], [2]])]
)
def test_a_single_column_is_no_frame(column: Any) -> None:
    """It has the protocol, but no rows with names."""
    with pytest.raises(
        OptionsError, match=r"cannot be read as a table: .*columns from_id and to_id"
    ):
        read(column)


def test_what_is_almost_a_frame_is_refused_with_the_cure() -> None:
    """A frame that is not computed yet, and the rows of one as dicts."""
    with pytest.raises(OptionsError, match=r"not LazyFrame: give its \.collect\(\)"):
        read(pl.LazyFrame(IDS))
    with pytest.raises(PairError, match=r"or the data frame itself"):
        read(pd.DataFrame(IDS).to_dict("records"))


def test_a_series_of_pairs_is_an_iterable() -> None:
    """As `frame.apply` makes one, with the protocol and without a table in it."""
    made = pd.DataFrame(IDS).apply(
        lambda row: Pair("contacts", row.from_id, "companies", row.to_id), axis=1
    )
    assert PAIRS == read(made, None, None)


# --- reading -----------------------------------------------------------------------------------


def test_nothing_is_read_before_the_run_reads() -> None:
    """The capsule is made once, for the first pair."""
    capsule = Capsule(pa.table(IDS))
    source = Source(capsule, *TYPES)
    assert 0 == capsule.asked
    assert source.read_now(1)
    assert 1 == capsule.asked


def test_a_reader_gives_its_rows_once() -> None:
    """It is read where it stands, as a generator would be."""
    reader = pa.table(IDS).to_reader()
    assert PAIRS == read(reader)
    assert [] == read(reader)


async def test_batches_are_pulled_as_outcomes_are_taken() -> None:
    """No batch is asked for before a pair of it is needed."""
    pulled = 0
    rows = 100
    batch = pa.RecordBatch.from_pydict({"from_id": range(rows), "to_id": range(rows)})

    def batches() -> Iterator[pa.RecordBatch]:
        nonlocal pulled
        for _ in range(30):
            pulled += 1
            yield batch

    frame = pa.RecordBatchReader.from_batches(batch.schema, batches())
    taken = 0
    async with run_of(frame, FakeTransport()) as outcomes:
        async for outcome in outcomes:
            assert outcome.ok
            taken += 1
            assert (pulled - 1) * rows < taken + READ_AHEAD
    assert (3000, 30) == (taken, pulled)


@pytest.mark.parametrize(
    "make",
    [pa.RecordBatch.from_pydict, pl.DataFrame, pd.DataFrame],
    ids=["arrow", "polars", "pandas"],
)
def test_a_long_batch_is_no_long_list(make: Callable[..., Any]) -> None:
    """However many rows there are, few are Python objects at once."""
    rows = 20 * SLICE_ROWS
    frame = make({name: [f"{10**9 + n}" for n in range(rows)] for name in ("from_id", "to_id")})
    source = Source(frame, *TYPES)
    assert source.read_now(1)  # imports and first uses are not what is measured
    tracemalloc.start()
    try:
        read = 1
        while source.read_now(1):
            read += 1
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert rows == read
    assert peak < 500 * SLICE_ROWS  # a list of all ids would take 2,000


async def test_closed_it_lets_the_frame_go() -> None:
    """A run that was left early keeps no batch alive as long as its report is."""
    capsule = Capsule(pa.table(IDS))
    gone = weakref.ref(capsule)
    source = Source(capsule, *TYPES)
    assert source.read_now(1)
    del capsule
    await source.close()
    assert gone() is None
    assert not source.read_now(1)


# --- without the libraries ---------------------------------------------------------------------


def test_without_pyarrow_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, when nothing was sent yet."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(OptionsError, match=r"a DataFrame .*pip install 'aiohubassoc\[parquet\]'"):
        Source(pl.DataFrame(IDS), *TYPES)


def test_a_frame_of_pandas_needs_no_pyarrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a cell holds it says itself."""
    frame = pd.DataFrame(IDS)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert PAIRS == read(frame)


def test_without_pandas_there_are_frames_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it is needed for others, loaded or not."""
    frame = pl.DataFrame(IDS)
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert PAIRS == read(frame)
