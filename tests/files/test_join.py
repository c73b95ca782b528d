"""Two exports joined: by what rows match, and what becomes of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from aiohubassoc import InputError
from aiohubassoc.files.join import Join, Joined, Unmatched
from aiohubassoc.files.keyed_table import (
    KeyColumns,
    KeyedTable,
    NoKeyError,
    email_domain,
    exact_key,
    site_domain,
)
from aiohubassoc.files.layout import Layout
from tests.files.reading import file_of

if TYPE_CHECKING:
    from pathlib import Path

    from aiohubassoc.files.keyed_table import ToKey


def _joined(
    left: str,
    right: str,
    *,
    key: str = "key",
    left_id: str | None = None,
    right_id: str | None = None,
    to_keys: tuple[ToKey, ToKey] = (exact_key, exact_key),
    all_matches: bool = False,
    **layout: Any,
) -> tuple[list[tuple[str, str]], list[tuple[str, int, str]]]:
    """Return the pairs of ids, and side, line and reason of the rows without one."""
    said = Layout(**layout)
    with (
        KeyedTable(left, KeyColumns(key, "--left-on", left_id, "--left-id"), said, to_keys[0]) as a,
        KeyedTable(
            right, KeyColumns(key, "--right-on", right_id, "--right-id"), said, to_keys[1]
        ) as b,
        Join(a, b, all_matches=all_matches, keeps_cells=True) as join,
    ):
        results = list(join)
    pairs = [(one.from_id, one.to_id) for one in results if isinstance(one, Joined)]
    rows: list[tuple[str, int, str]] = [
        (one.side, one.line, one.reason) for one in results if isinstance(one, Unmatched)
    ]
    assert len(pairs) == join.pairs
    assert len(rows) == join.unmatched.total()
    return pairs, rows


def _table(folder: Path, name: str, *rows: str, header: str = "Record ID,key") -> str:
    return file_of(folder, "\n".join((header, *rows)) + "\n", name)


# --- by what rows match --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ada@Example.com", " ada@example.COM "),
        ("Straße", "STRASSE"),
        ("caf\u00e9", "cafe\u0301"),
        ("\u00a0x\t", "X"),
        ('="00101"', "00101"),
    ],
)
def test_exact_is_trimmed_and_case_folded(one: str, other: str) -> None:
    """However letters are composed; nothing else is made alike."""
    assert exact_key(one) == exact_key(other)
    assert exact_key("a b") != exact_key("ab")


@pytest.mark.parametrize(
    "cell",
    [
        "acme.com",
        "ACME.com",
        "www.acme.com",
        "http://acme.com",
        "https://www.Acme.com/",
        "https://acme.com:8443/about?x=1#y",
        "//acme.com/path",
        "acme.com/shop",
        "acme.com.",
        " acme.com ",
        "acme。com",
        "ａｃｍｅ.com",
    ],
)
def test_a_domain_is_found_in_what_people_write(cell: str) -> None:
    """A scheme, www., a port and a path are no part of it."""
    assert site_domain(cell) == email_domain("Ada@acme.com") == email_domain("x@www.Acme.com ")


def test_a_domain_is_not_its_parent() -> None:
    """Nor what begins or ends like it."""
    keys = [site_domain(one) for one in ("acme.com", "mail.acme.com", "acme.co", "notacme.com")]
    assert len(set(keys)) == 4
    assert site_domain("bücher.example") == email_domain("a@xn--bcher-kva.example")
    assert site_domain("www.com") == "www.com"


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        ("Straße.de", "xn--strae-oqa.de"),
        ("STRASSE.de", "strasse.de"),
        ("βόλος.com", "xn--nxasmm1c.com"),
        ("bu\u0308cher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
    ],
)
def test_letters_that_make_two_domains_are_not_folded(cell: str, name: str) -> None:
    """RFC 5894, 7.2: a sharp s and a final sigma make other domains."""
    assert site_domain(cell) == site_domain(name) == email_domain(f"a@{cell}") == name


@pytest.mark.parametrize("cell", ["", "  ", "N/A", "NULL", "-", "(No value)", "#N/A", "\ud800"])
@pytest.mark.parametrize("to_key", [exact_key, email_domain, site_domain])
def test_nothing_matches_nothing(to_key: ToKey, cell: str) -> None:
    """Two rows that both say that they have no value are not alike."""
    with pytest.raises(NoKeyError):
        to_key(cell)


@pytest.mark.parametrize("cell", ["ann@gmail.com", "Ann@GMX.de", "a@www.outlook.com."])
def test_an_address_at_a_mail_provider_has_no_company(cell: str) -> None:
    """A company with the domain gmail.com would get everybody's contacts; by text it matches."""
    with pytest.raises(NoKeyError, match="an address at a mail provider, not at a company"):
        email_domain(cell)
    assert exact_key(cell) == cell.casefold()
    assert email_domain("ann@gmail.example") == "gmail.example"


@pytest.mark.parametrize("cell", ["acme.com", "a@", "@acme.com", "a@b.c; d@e.f", "a@b c", "a@b@c"])
def test_what_is_no_e_mail_address(cell: str) -> None:
    """Several are none: which of them counts would be guessed."""
    with pytest.raises(NoKeyError, match="e-mail address"):
        email_domain(cell)


@pytest.mark.parametrize("cell", ["a@acme.com", "acme.com;acme.de", "Acme Inc.", "https://", "/x"])
def test_what_is_no_domain(cell: str) -> None:
    """Likewise."""
    with pytest.raises(NoKeyError, match="domain"):
        site_domain(cell)


# --- what becomes of each row --------------------------------------------------------------------


def test_a_row_with_one_match_is_paired(tmp_path: Path) -> None:
    """In the order of the left file; several left rows may match one record."""
    left = _table(tmp_path, "l.csv", "1,B", "2,a", "3,A ")
    right = _table(tmp_path, "r.csv", "10,a", "20,b")
    assert _joined(left, right) == ([("1", "20"), ("2", "10"), ("3", "10")], [])


def test_several_matches_are_never_paired(tmp_path: Path) -> None:
    """Unless it is asked for; both sides are reported so."""
    left = _table(tmp_path, "l.csv", "1,a", "2,b")
    right = _table(tmp_path, "r.csv", "10,a", "11,A", "20,b")
    assert _joined(left, right) == (
        [("2", "20")],
        [
            ("left", 2, "SEVERAL_MATCHES"),
            ("right", 2, "SEVERAL_MATCHES"),
            ("right", 3, "SEVERAL_MATCHES"),
        ],
    )
    pairs = [("1", "10"), ("1", "11"), ("2", "20")]
    assert _joined(left, right, all_matches=True) == (pairs, [])


def test_many_rows_that_all_match_each_other_end_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as those that have one placeholder for an address: small files would fill a disk."""
    monkeypatch.setattr(KeyedTable, "most_pairs", lambda _: 20)
    rows = [f"{n},none@nowhere.example" for n in range(1, 11)]
    left, right = _table(tmp_path, "a.csv", *rows), _table(tmp_path, "b.csv", *rows)
    with pytest.raises(InputError) as caught:
        _joined(left, right, all_matches=True)
    assert f"{left}, line 6: 41 pairs are too many for files of their size" in str(caught.value)
    assert _joined(left, right)[0] == []
    assert len(_joined(_table(tmp_path, "c.csv", *rows[:4]), right, all_matches=True)[0]) == 40


def test_one_record_in_several_rows_is_one_match(tmp_path: Path) -> None:
    """An export has a record once for each of its associations."""
    left = _table(tmp_path, "l.csv", "1,a")
    right = _table(tmp_path, "r.csv", "10,a", "010,A", "10,a")
    assert _joined(left, right) == ([("1", "10")], [])


def test_rows_without_a_match_a_value_or_an_id(tmp_path: Path) -> None:
    """Each with its line and its reason, on either side."""
    left = _table(tmp_path, "l.csv", "1,a", "2,b", "3,", "Smith,a", "5")
    right = _table(tmp_path, "r.csv", "10,a", "20,other", "30,N/A", ",a")
    assert _joined(left, right) == (
        [("1", "10")],
        [
            ("right", 4, "NO_KEY"),
            ("right", 5, "INVALID_ROW"),
            ("left", 3, "NO_MATCH"),
            ("left", 4, "NO_KEY"),
            ("left", 5, "INVALID_ROW"),
            ("left", 6, "INVALID_ROW"),
            ("right", 3, "NO_MATCH"),
        ],
    )


_rows = st.lists(st.tuples(st.integers(1, 6), st.sampled_from("abc")), max_size=12)


@given(left=_rows, right=_rows, all_matches=st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_the_join_of_two_tables(
    tmp_path: Path,
    left: list[tuple[int, str]],
    right: list[tuple[int, str]],
    *,
    all_matches: bool,
) -> None:
    """Each left row has its records of the right file or one reason; so have right records."""
    paths = [
        _table(tmp_path, name, *(f"{n},{key}" for n, key in rows))
        for name, rows in (("l.csv", left), ("r.csv", right))
    ]
    pairs, unmatched = _joined(*paths, all_matches=all_matches)
    expected: list[tuple[str, str]] = []
    reasons = []
    paired, several = set(), set()
    for line, (n, key) in enumerate(left, 2):
        found = sorted({str(m) for m, other in right if other == key})
        if found and (len(found) == 1 or all_matches):
            expected += [(str(n), m) for m in found]
            paired.add(key)
        else:
            several |= {key} if found else set()
            reasons.append(("left", line, "SEVERAL_MATCHES" if found else "NO_MATCH"))
    firsts = {one: line for line, one in reversed(list(enumerate(right, 2)))}
    reasons += [
        ("right", line, "SEVERAL_MATCHES" if key in several else "NO_MATCH")
        for (_, key), line in sorted(firsts.items(), key=lambda one: one[1])
        if key not in paired
    ]
    assert (pairs, unmatched) == (expected, reasons)


# --- columns and formats -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    ["Record ID,key", "key,Record ID - Contact", "Contact ID,key,Associated Company IDs"],
)
def test_the_record_id_is_found_as_hubspot_exports_it(tmp_path: Path, header: str) -> None:
    """Whatever is beside it."""
    cells = ["7" if "ID" in column else "a" for column in header.split(",")]
    left = _table(tmp_path, "l.csv", ",".join(cells), header=header)
    assert _joined(left, _table(tmp_path, "r.csv", "10,a"))[0] == [("7", "10")]


def test_ids_of_other_columns_are_not_guessed(tmp_path: Path) -> None:
    """Several that may be meant, one of other records, or none: the option is named."""
    right = _table(tmp_path, "r.csv", "10,a")
    for header, reported in (
        ("Contact ID,Company ID,key", "has more than one column that may hold its record ids"),
        ("Deal Name,Company ID,key", "has no column 'Record ID'"),
        ("Number,key", "has no column 'Record ID'. Its columns: Number, key"),
    ):
        left = _table(tmp_path, "l.csv", header=header)
        with pytest.raises(InputError) as caught:
            _joined(left, right)
        assert reported in str(caught.value)
        assert "--left-id" in str(caught.value)
    left = _table(tmp_path, "l.csv", "7,8,a", header="Contact ID,Company ID,key")
    assert _joined(left, right, left_id="company id")[0] == [("8", "10")]


@pytest.mark.parametrize(
    ("header", "reported"),
    [
        ("Record ID,Email", "has no column 'key'. Its columns: Record ID, Email"),
        ("Record ID,key,KEY ", None),
        ("Record ID,Key,KEY", "has more than one column 'key'"),
        ("Record ID;key", "separates its columns by semicolons"),
    ],
)
def test_a_column_that_is_missing(tmp_path: Path, header: str, reported: str | None) -> None:
    """It says which there are, and the option that chooses one."""
    left = _table(tmp_path, "l.csv", header=header)
    right = _table(tmp_path, "r.csv")
    if reported is None:
        assert _joined(left, right) == ([], [])
        return
    with pytest.raises(InputError) as caught:
        _joined(left, right)
    assert reported in str(caught.value)


def test_formats_are_mixed(tmp_path: Path) -> None:
    """Numbers of a typed column match those of text."""
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    left = str(tmp_path / "l.parquet")
    table = pa.table({"Record ID": [1.0, 2.0, 3.0], "key": [5.0, 6.5, None]})
    pq.write_table(table, left)
    lines = '{"Record ID": 10, "key": 5}\n{"Record ID": "20", "key": "6.5"}\n{"Record ID": 30}\n'
    right = file_of(tmp_path, lines, "r.jsonl")
    pairs, unmatched = _joined(left, right)
    assert pairs == [("1", "10"), ("2", "20")]
    assert unmatched == [("right", 3, "INVALID_ROW"), ("left", 3, "NO_KEY")]


def test_no_pair_is_made_of_a_record_that_broke(tmp_path: Path) -> None:
    """Its file ends there, on either side."""
    good = _table(tmp_path, "good.csv", "1,a", "2,b")
    bad = _table(tmp_path, "bad.csv", "1,a", '2,"b', "3,c", "4,d")
    for paths in ((good, bad), (bad, good)):
        with pytest.raises(InputError, match="Nothing after it can be read"):
            _joined(*paths)


def test_cells_of_both_files_stand_in_their_own_columns(tmp_path: Path) -> None:
    """Of a row without the shape of its table as many as there are."""
    left = _table(tmp_path, "l.csv", "1,a,Ada", "2", header="Record ID,key,Name")
    right = _table(tmp_path, "r.csv", "Acme,b,10", header="Company,key,Record ID")
    columns = KeyColumns("key", "--on", None, "--left-id")
    with (
        KeyedTable(left, columns, Layout(), exact_key) as a,
        KeyedTable(right, columns, Layout(), exact_key) as b,
        Join(a, b, all_matches=False, keeps_cells=True) as join,
    ):
        cells = [one.cells for one in join if isinstance(one, Unmatched)]
    assert join.header == ["Record ID", "key", "Name", "Company"]
    assert cells == [["1", "a", "Ada", ""], ["2", "", "", ""], ["10", "b", "", "Acme"]]


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    """The temporary file is gone afterwards."""
    path = _table(tmp_path, "l.csv", "1,a")
    columns = KeyColumns("key", "--on", None, "--left-id")
    with (
        KeyedTable(path, columns, Layout(), exact_key) as one,
        KeyedTable(path, columns, Layout(), exact_key) as other,
    ):
        with Join(one, other, all_matches=False, keeps_cells=False) as join:
            folder = join._folder.name
            assert len(list(join)) == 1
        assert not (tmp_path / folder).exists()
