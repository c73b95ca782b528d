"""What tables and objects have in common on the way from a row to its pairs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from aiohubassoc.files.column_mapping import normalize
from aiohubassoc.files.id_rule import RejectedRowError
from aiohubassoc.files.limits import ROW_PAIRS, shown
from aiohubassoc.pair import Pair, unchecked_pair

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohubassoc.files.counts import InputCounts
    from aiohubassoc.files.record import Record

Ends: TypeAlias = Sequence[tuple[str, str]]
"""The records of one end of a row's pairs: the type and the id of each."""

# What people write to ask for a label, which HubSpot's default associations do not have.
_LABELS: Final = frozenset(
    (
        "label",
        "labels",
        "types",
        *(
            f"association{space}{word}"
            for space in (" ", "")
            for word in ("label", "labels", "type", "typeid", "type id", "category")
        ),
    )
)


def pair_maker(*, any_id: bool) -> Callable[..., Pair]:
    """Return what makes a pair of types and ids that were checked."""
    return unchecked_pair if any_id else Pair


def make_pairs(
    make: Callable[..., Pair], record: Record, first: Ends, second: Ends
) -> Sequence[Pair]:
    """
    Return a pair for each two records, tagged with *record*.

    Raises:
        RejectedRowError: There are too many.
    """
    if len(first) * len(second) > ROW_PAIRS:
        raise RejectedRowError(
            f"would make {len(first) * len(second):,} pairs, more than {ROW_PAIRS:,} of one row"
        )
    return [
        make(from_type, from_id, to_type, to_id, tag=record)
        for from_type, from_id in first
        for to_type, to_id in second
    ]


def note_labels(names: Iterable[str], name: str, unit: str, counts: InputCounts) -> None:
    """
    Say once that labels are not obeyed, if a column or key asks for one.

    Args:
        names: The columns or keys.
        name: How messages call the input.
        unit: ``"column"`` or ``"key"``.
        counts: Where it is said.
    """
    for column in names:
        if normalize(column).replace("_", " ") in _LABELS:
            counts.note(
                f"{name}: the {unit} {shown(column)} is not used: links are made without a label."
            )
