"""Each file of ``tests/corpus`` is made to break what reads it; none does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings, strategies as st

from aiohubassoc import InputError
from aiohubassoc.files.pairs import PairTable
from tests.files.reading import layout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohubassoc.files.layout import Layout

CORPUS = Path(__file__).parents[1] / "corpus"
FILES = sorted(path.name for path in CORPUS.iterdir())
_SUFFIXES = {name.partition(".")[2] for name in FILES}
LAYOUTS = {
    "as it is": layout(),
    "any id": layout(any_id=True),
    "first columns": layout(from_column="1", to_column="2"),
}


def _read(path: Path, given_layout: Layout) -> int:
    """Return how many rows there are; a refusal of the file is one, too."""
    rows = 0
    try:
        with PairTable(str(path), given_layout) as table:
            for record, pair in table:
                rows += 1
                assert (pair is None) == (record.problem is not None)
                if pair is not None:
                    assert "/" not in f"{pair.from_id}{pair.to_id}" or given_layout.any_id
    except InputError as error:
        assert len(str(error)) < 3000, error
    return rows


def test_the_corpus_is_there() -> None:
    """With files of every format."""
    assert len(FILES) >= 40
    assert {"csv", "tsv", "jsonl", "parquet", "xlsx", "csv.gz", "csv.zst"} <= _SUFFIXES


@pytest.mark.timeout(300)
@pytest.mark.parametrize("how", LAYOUTS)
@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file(name: str, how: str) -> None:
    """It is read, or refused by an `InputError`; each row has a pair or a problem."""
    _read(CORPUS / name, LAYOUTS[how])


def _mutants() -> Iterator[str]:
    for name in FILES:
        # pyarrow 26 ends the whole process for some damaged footers: see SECURITY.md.
        if (CORPUS / name).stat().st_size < 20_000 and not name.endswith(".parquet"):
            yield name


@settings(max_examples=150)
@given(
    name=st.sampled_from(list(_mutants())),
    changes=st.lists(st.tuples(st.integers(0), st.binary(max_size=4)), min_size=1, max_size=5),
)
def test_a_file_that_is_changed(
    tmp_path_factory: pytest.TempPathFactory, name: str, changes: list[tuple[int, bytes]]
) -> None:
    """At any places."""
    content = (CORPUS / name).read_bytes()
    for place, new in changes:
        at = place % (len(content) + 1)
        content = content[:at] + new + content[at + len(new) :]
    path = tmp_path_factory.getbasetemp() / f"changed-{name}"
    path.write_bytes(content)
    _read(path, LAYOUTS["as it is"])


@settings(max_examples=100)
@given(
    suffix=st.sampled_from(sorted(_SUFFIXES)),
    content=st.one_of(
        st.binary(max_size=300),
        st.text(max_size=300).map(lambda text: f"from_id,to_id\n{text}".encode("utf-8", "replace")),
    ),
)
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, suffix: str, content: bytes) -> None:
    """Under the name of any format."""
    path = tmp_path_factory.getbasetemp() / f"any.{suffix}"
    path.write_bytes(content)
    _read(path, LAYOUTS["any id"])
