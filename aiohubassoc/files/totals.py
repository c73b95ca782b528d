"""Rows of totals, as spreadsheets and reports end with."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_WORDS: Final = """
    total, totals, grand total, grand totals, subtotal, sub-total, sum, count, average, summe,
    gesamt, gesamtsumme, gesamtergebnis, zwischensumme, anzahl, durchschnitt, mittelwert, somme,
    total général, sous-total, moyenne, suma total, suma końcowa, total general, totale,
    totale complessivo, totaal, eindtotaal, total geral, razem, summa, итого, 合計, 总计, 총합계
"""
# In the file of failed rows it stands behind a row that was rejected, with the reason.
_REJECTED: Final = "invalid"
LABELS: Final = frozenset(
    f"{word}{end}"
    for one in map(" ".join, map(str.split, _WORDS.split(",")))
    for word in (one, one.capitalize(), one.title(), one.upper())
    for end in ("", ":", " ", ": ")
)
_NUMBER: Final = re.compile(r"[-+\u2212()%$€£¥\d\s.,'\u2019]*")


def totals_label(cells: Iterable[str]) -> str | None:
    """Return the cell that shows a row of totals, in which all else are numbers; else None."""
    label = None
    for cell in cells:
        if cell in LABELS:
            label = cell
        elif cell == _REJECTED:
            return label
        elif not _NUMBER.fullmatch(cell):
            return None
    return label
