"""Data frames as the input of a run: their rows as pairs, a slice at a time."""

from __future__ import annotations

import sys
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeAlias

import attrs

from aiohubassoc.errors import OptionsError, PairError, install_command
from aiohubassoc.pair import Pair, RejectedPair, is_float

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence

    import pandas as pd
    import pyarrow as pa

    # One slice of a frame: returns the values of the column with this number; None is null.
    Slice: TypeAlias = Callable[[int], list[object]]
    # The names of the columns of a frame, and its slices.
    Opened: TypeAlias = tuple[list[str], Iterator[Slice]]

# How many rows are Python objects at a time, even if an Arrow batch is longer.
SLICE_ROWS: Final = 1024
_IDS: Final = ("from_id", "to_id")
_COLUMNS: Final = (*_IDS, "from_type", "to_type", "tag")


class ArrowStream(Protocol):
    """A table or data frame with the Arrow PyCapsule protocol."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


class ArrowArray(Protocol):
    """A single batch with the Arrow PyCapsule protocol."""

    def __arrow_c_array__(self, requested_schema: object | None = None) -> object: ...


class RejectedRow(NamedTuple):
    """A row that cannot be sent: the values it has, and why."""

    pair: Pair
    error: PairError


def is_frame(given: object) -> bool:
    """Return whether *given* is a data frame. Its columns are not checked."""
    if _is_pandas("Series", given):  # of pairs, it is an iterable like others
        return False
    return (
        hasattr(given, "__arrow_c_stream__")
        or hasattr(given, "__arrow_c_array__")
        or _is_pandas("DataFrame", given)
    )


def frame_rows(
    frame: object, from_type: str | None, to_type: str | None
) -> Generator[Pair | RejectedRow, None, None]:
    """Return the rows of a frame in their order, or raise OptionsError: it cannot be read."""
    types = {"from_type": from_type, "to_type": to_type}
    if _is_pandas("DataFrame", frame):
        return _rows(partial(_open_pandas, frame), types)
    try:
        import pyarrow as pa  # noqa: F401, PLC0415 -- large, and few have it
    except ImportError:
        raise OptionsError(
            f"a {type(frame).__name__} as pairs needs pyarrow: {install_command('parquet')}"
        ) from None
    return _rows(partial(_open_arrow, frame), types)


# --- pairs -------------------------------------------------------------------------------------


def _rows(
    open_frame: Callable[[], Opened], types: Mapping[str, str | None]
) -> Generator[Pair | RejectedRow, None, None]:
    names, slices = open_frame()
    places = _places(names, [*_IDS, *(name for name, given in types.items() if given is None)])
    row = 0
    for values_at in slices:
        columns = (_values(values_at, places.get(name), types.get(name)) for name in _COLUMNS)
        # The columns of ids end with the slice; a default type repeats without end.
        for from_id, to_id, from_type, to_type, tag in zip(*columns, strict=False):
            item: Pair | RejectedRow
            try:
                item = Pair(from_type, from_id, to_type, to_id, tag=tag)
            except PairError as error:
                bad: Pair = RejectedPair(from_type, from_id, to_type, to_id, tag=tag)
                item = RejectedRow(bad, _row_error(row, bad, error))
            yield item
            row += 1


def _row_error(row: int, bad: Pair, error: Exception) -> PairError:
    message = f"row {row} of the data frame: {error}"
    ids: tuple[object, object] = (bad.from_id, bad.to_id)
    if any(isinstance(one, float) or (isinstance(one, str) and is_float(one)) for one in ids):
        message += "; ids with gaps are floats in pandas: convert the column to Int64 first"
    return PairError(message)


def _places(names: Sequence[str], needed: Iterable[str]) -> dict[str, int]:
    missing = [name for name in needed if name not in names]
    if missing:
        raise OptionsError(
            f"the data frame has no column {' and no '.join(missing)}, but: "
            f"{', '.join(names) or 'none at all'}; rename the columns of the ids to from_id and "
            "to_id, and give types that have no column as from_type= and to_type="
        )
    twice = [name for name in _COLUMNS if names.count(name) > 1]
    if twice:
        raise OptionsError(
            f"the data frame has more than one column {' and '.join(twice)}: keep one of them"
        )
    return {name: names.index(name) for name in _COLUMNS if name in names}


def _values(values_at: Slice, place: int | None, default: str | None) -> Iterable[Any]:
    if place is None:
        return repeat(default)
    values = values_at(place)
    if default is None:
        return values
    return [default if value is None else value for value in values]


# --- through Arrow -----------------------------------------------------------------------------


@attrs.frozen
class Unreadable:
    """Stands for a cell without a value, such as text that is not UTF-8. As an id it is refused."""

    why: str

    def __repr__(self) -> str:
        return f"<unreadable: {self.why}>"


def _open_arrow(frame: object) -> Opened:
    import pyarrow as pa  # noqa: PLC0415 -- see above

    try:
        if hasattr(frame, "__arrow_c_stream__"):
            batches = pa.RecordBatchReader.from_stream(frame)
        else:
            batches = pa.Table.from_batches([pa.record_batch(frame)]).to_reader()
    except pa.ArrowException as error:
        raise OptionsError(
            f"the {type(frame).__name__} cannot be read as a table: {error}; pairs must be rows "
            "with columns from_id and to_id, all columns of types that Arrow has"
        ) from None
    return batches.schema.names, (
        partial(_arrow_values, batch.slice(start, SLICE_ROWS))
        for batch in batches
        for start in range(0, batch.num_rows, SLICE_ROWS)
    )


def _arrow_values(part: pa.RecordBatch, place: int) -> list[object]:
    import pyarrow as pa  # noqa: PLC0415 -- see above

    column = part.column(place)
    if (
        part.schema.names[place] in _IDS
        and pa.types.is_decimal(column.type)
        and column.type.scale == 0
    ):
        column = column.cast(pa.string())  # databases export integers as decimals
    try:
        values: list[object] = column.to_pylist()
    except (ValueError, OverflowError):  # one cell is the cause: the others can be sent
        values = [_arrow_value(scalar) for scalar in column]
    return values


def _arrow_value(scalar: pa.Scalar) -> object:
    try:
        value: object = scalar.as_py()
    except (ValueError, OverflowError) as error:
        return Unreadable(str(error))
    return value


# --- pandas, without Arrow ---------------------------------------------------------------------
# To make an Arrow table, pandas converts the whole frame at once, ignored columns included. It
# fails if one cell has another type than the others of its column.


def _is_pandas(name: str, given: object) -> bool:
    # Who has a pandas frame has imported pandas.
    return isinstance(given, getattr(sys.modules.get("pandas"), name, ()))


def _open_pandas(frame: pd.DataFrame) -> Opened:
    return [str(name) for name in frame.columns], (
        partial(_pandas_values, frame.iloc[start : start + SLICE_ROWS])
        for start in range(0, len(frame), SLICE_ROWS)
    )


def _pandas_values(part: pd.DataFrame, place: int) -> list[object]:
    column = part.iloc[:, place]
    values: list[object] = column.astype(object).where(column.notna(), None).tolist()
    return values
