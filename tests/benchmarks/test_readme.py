"""The tables of README are rewritten from what was measured, and nothing else of it is."""

from __future__ import annotations

from typing import Any

import pytest
import readme

TEXT = readme.README.read_text(encoding="utf-8")


def measured(table: readme.Table) -> list[dict[str, Any]]:
    """Return a row of results of each client."""
    return [
        {
            "client": peer.name,
            "linked": 1234,
            "lost": 5,
            "seconds": 6.78,
            "429s, share": 0.09,
            "pairs per CPU s": 54321,
            "times bare": 21.26,
        }
        for peer in table.clients.values()
    ]


def rows_of(text: str, table: readme.Table) -> list[str]:
    """Return the lines of the table, without its header."""
    lines = text[text.index(table.header) :].split("\n\n", maxsplit=1)[0].splitlines()
    return lines[2:]


@pytest.mark.parametrize("table", readme.TABLES, ids=lambda table: table.benchmark)
def test_a_table_of_readme_is_found_and_its_rows_known(table: readme.Table) -> None:
    """Without a result every row stays as it is, and is named."""
    assert readme.rewritten(TEXT, table, []) == (TEXT, list(table.clients))


@pytest.mark.parametrize("table", readme.TABLES, ids=lambda table: table.benchmark)
def test_only_the_table_changes(table: readme.Table) -> None:
    """Twice is as once."""
    text, without = readme.rewritten(TEXT, table, list(measured(table)))
    assert without == []
    assert readme.rewritten(text, table, list(measured(table))) == (text, [])
    old, new = TEXT.splitlines(), text.splitlines()
    changed = [line for line, other in zip(old, new, strict=True) if line != other]
    assert changed == rows_of(TEXT, table)


def test_the_cells() -> None:
    """Bold where they were, with units, and a note behind a figure."""
    quota, throughput, batch = readme.TABLES
    text, _ = readme.rewritten(TEXT, quota, list(measured(quota)))
    first = "| **aiohubassoc** | **1,234** | **5** | **6.8** | **9 %** |"
    assert rows_of(text, quota)[0] == first
    text, _ = readme.rewritten(TEXT, throughput, list(measured(throughput)))
    rows = rows_of(text, throughput)
    assert rows[0] == "| bare aiohttp | 54,321 | 21.3 |"
    assert "| 21.3 of bare aiohttp on uvloop |" in rows[3]
    text, _ = readme.rewritten(TEXT, batch, list(measured(batch)))
    assert rows_of(text, batch)[0].endswith("| **21.3** | **1,997, 3** |")


def test_a_client_that_is_not_known() -> None:
    """It is an error: its figures would grow old unseen."""
    text = TEXT.replace("| httpx |", "| httpy |")
    with pytest.raises(ValueError, match="httpy"):
        readme.rewritten(text, readme.TABLES[1], [])
