"""The rule for record ids in files, digits, and what a cell holds instead of one."""

from __future__ import annotations

import pkgutil
import re
import unicodedata
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from aiohubassoc.files.cells import CellList, Float, Formula, LongNumber, constant_text
from aiohubassoc.files.limits import ANY_ID_CHARS, CELL_IDS, ID_DIGITS, shown
from aiohubassoc.pair import MOST_ID, path_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aiohubassoc.files.record import InputCounts

_ID_DELIMITER: Final = ";"
_TEXT_MARK: Final = "'"
_CLASSIFIED_CHARS: Final = 100


class CellKind(Enum):
    """What a cell holds instead of a record id."""

    EMPTY = "empty", "nothing", ""
    FLOAT = "a float", "floats", "write it as a whole number"
    EXPONENT = (
        "a number with an exponent",
        "numbers with exponents",
        "its digits may be lost: format the column as text and enter the ids again",
    )
    LOCALE = (
        "a number as another locale writes it",
        "numbers as another locale writes them",
        "write the digits alone",
    )
    LONG = (
        "a number of which Excel keeps 15 digits",
        "numbers of which Excel keeps 15 digits",
        "format the column as text and enter the ids again",
    )
    DIGITS = ("a number with too many digits", "numbers with too many digits", "")
    SEVERAL = "several ids", "several ids in a cell", "write one id in a row"
    GROUPED = (
        "several ids or a number as another locale writes it",
        "several ids, or numbers as another locale writes them",
        "write one id in a row, as digits alone",
    )
    ERROR = "an error value", "error values", ""
    PLACEHOLDER = "a placeholder for nothing", "placeholders for nothing", ""
    FORMULA = (
        "a formula without a value",
        "formulas without values",
        "open the file in a spreadsheet program and save it with its values",
    )
    DATE = "a date or time", "dates or times", ""
    TRUTH = "a truth value", "truth values", ""
    E_MAIL = "an e-mail address", "e-mail addresses", ""
    URL = "a URL", "URLs", "the id of a HubSpot record is the last number in its URL"
    OTHER_SYSTEM = (
        "an id of another system",
        "ids of another system",
        "use the record id that HubSpot gave",
    )
    INVISIBLE = (
        "digits with an invisible character",
        "digits with invisible characters",
        "remove what is not a digit",
    )
    NAME = "a name or other text", "names or other text", ""

    def __init__(self, one: str, many: str, advice: str) -> None:
        self.one = one  # one of them, in messages
        self.many = many  # a column of them, in messages
        self.advice = advice  # how to fix it


class RejectedRowError(ValueError):
    """A row that is rejected; the message is its problem."""

    def __init__(self, problem: str, wrong_cell: tuple[str, CellKind] | None = None) -> None:
        super().__init__(problem)
        # The column whose cell is no id, and what it holds; None: another problem.
        self.wrong_cell = wrong_cell


def reject(column: str, text: str, kind: CellKind) -> RejectedRowError:
    """Return the error for a cell of *column* that holds *text*, which is no id."""
    wrong_cell = (column, kind)
    if kind is CellKind.EMPTY:
        return RejectedRowError(f"{column} is empty", wrong_cell)
    what = f"{column} is {shown(text)}, {kind.one}" if text else f"{column} is {kind.one}"
    return RejectedRowError(f"{what}: {kind.advice}" if kind.advice else what, wrong_cell)


class IdRule:
    """
    Reads record ids from cells.

    An id is a number of digits, from 1 on, or with *any_id* any text that can be sent. Spaces
    around it, Excel's text marks (``'101``, ``="101"``) and the point of a whole float below 2^53
    are removed and counted; so are leading zeros, which HubSpot ignores.
    """

    def __init__(self, counts: InputCounts, *, any_id: bool) -> None:
        self._counts = counts
        self._any_id = any_id

    def parse_id(self, text: str, column: str) -> str:
        """Return the id in a cell of *column*; RejectedRowError: it holds none."""
        if type(text) is str and text.isdecimal() and text.isascii():
            return self._canonical(text, column)
        return self._cleaned(text, column)

    def parse_ids(self, text: str, column: str) -> list[str]:
        """Return the ids in a cell, with semicolons between them; [] if it is empty."""
        if isinstance(text, CellList):
            parts = text.items
        elif type(text) is not str:
            return [self.parse_id(text, column)] if text or isinstance(text, Formula) else []
        else:
            if text.count(_ID_DELIMITER) >= CELL_IDS:
                raise RejectedRowError(f"{column} holds more than {CELL_IDS:,} ids")
            if (inside := constant_text(text.strip())) is not None:
                self._counts.text_marks += 1
                text = inside
            parts = [part for part in text.split(_ID_DELIMITER) if part and not part.isspace()]
        if len(parts) > CELL_IDS:
            raise RejectedRowError(f"{column} holds more than {CELL_IDS:,} ids")
        parse_id = self.parse_id
        return [parse_id(part, column) for part in parts]

    def _cleaned(self, text: str, column: str) -> str:
        bare = text.strip()
        if isinstance(text, Formula):
            raise reject(column, "", CellKind.FORMULA)
        if not bare:
            raise reject(column, bare, CellKind.EMPTY)
        if isinstance(text, LongNumber):
            raise reject(column, bare, CellKind.LONG)
        if isinstance(text, CellList):
            raise reject(column, bare, CellKind.SEVERAL)
        if isinstance(text, Float):
            return self._number(text, column)
        inside = constant_text(bare)
        digits = bare.removeprefix(_TEXT_MARK) if inside is None else inside
        if digits.isdecimal() and digits.isascii():
            self._counts.spaces += bare != text
            self._counts.text_marks += digits != bare
            return self._canonical(digits, column)
        if self._any_id:
            self._counts.spaces += bare != text
            return _any_text(bare if inside is None else inside, column)
        if inside is not None:
            raise reject(column, bare, classify_text(inside) if inside else CellKind.PLACEHOLDER)
        raise reject(column, bare, classify_text(bare))

    def _canonical(self, digits: str, column: str) -> str:
        if digits[0] == "0":  # one record would be several
            digits = digits.lstrip("0") or "0"
            if digits == "0" and not self._any_id:  # HubSpot's ids begin with 1
                raise reject(column, digits, CellKind.PLACEHOLDER)
        if len(digits) > ID_DIGITS:
            raise reject(column, digits, CellKind.DIGITS)
        return digits

    def _number(self, text: Float, column: str) -> str:
        if (whole := text.whole()) is not None:
            digits = self._canonical(whole, column)
            self._counts.floats += 1
            return digits
        if self._any_id:
            return _any_text(text, column)
        if text.startswith("-"):
            raise reject(column, text, CellKind.LOCALE)
        raise reject(column, text, CellKind.EXPONENT if "e" in text.lower() else CellKind.FLOAT)


def _any_text(text: str, column: str) -> str:
    if len(text) > ANY_ID_CHARS:
        raise RejectedRowError(f"{column} has more than {ANY_ID_CHARS} characters")
    return checked_text(text, column, MOST_ID)


def checked_text(text: str, column: str, most: int) -> str:
    """Return *text* if a request can hold it, in *most* characters; else RejectedRowError."""
    try:
        return path_text(text, column, most)
    except ValueError as error:
        raise RejectedRowError(str(error)) from None


# --- what a cell holds instead of an id ---------------------------------------------------------


def classify_text(text: str) -> CellKind:
    """Return what *text* is, which has no blanks around it and is not just digits."""
    return _classify(text[:_CLASSIFIED_CHARS])


@lru_cache(maxsize=1000)  # of many rows with the same fault
def _classify(text: str) -> CellKind:
    if text.startswith("="):
        return CellKind.FORMULA
    return next((kind for kind, is_one in _KINDS if is_one(text)), CellKind.NAME)


def kind_of_nothing(text: str) -> CellKind | None:
    """Return what *text* is that stands for no value, in any column; None if it is a value."""
    text = text[:_CLASSIFIED_CHARS]
    if text.startswith("="):
        return CellKind.FORMULA
    if _is_placeholder(text):
        return CellKind.PLACEHOLDER
    return CellKind.ERROR if _ERROR.fullmatch(text) else None


# --- what spreadsheets and programs write in place of a value ---------------------------------


def _read_words() -> Iterator[frozenset[str]]:
    """Yield the words of each section of `words.txt`, and what has several words."""
    data = pkgutil.get_data(__package__, "words.txt")
    assert data is not None  # noqa: S101 -- no loader of packages lacks it
    for section in data.decode().split("]\n")[1:]:
        words = section.partition("\n\n")[0].replace("\n", " ").split(",")
        yield frozenset(map(str.strip, words))


_NOT_AVAILABLE, _PLACEHOLDERS, _TRUTHS = _read_words()
_ERROR = re.compile(r"#(\D.*|)|err:\d+|loading\.{2,3}|loading…", re.IGNORECASE | re.DOTALL)
_BRACKETED = re.compile(r"[(<\[{][^\d]*[)>\]}]")


def _is_placeholder(text: str) -> bool:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return (
        folded in _NOT_AVAILABLE
        or folded in _PLACEHOLDERS
        or _BRACKETED.fullmatch(text) is not None  # (No value), <NA>, [], (Leer)
        or (not text.startswith("#") and not any(map(str.isalnum, text)))  # -, --, ?
    )


def _is_truth(text: str) -> bool:
    return text.casefold() in _TRUTHS


# --- numbers, dates, lists ----------------------------------------------------------------------

_EXPONENT = re.compile(r"[+-]?\d+([.,]\d*)?\s?([eE]\s?[+-]?|[x×*]\s?10\^?\s?[+-]?)\d+")
_FLOAT = re.compile(r"[+-]?(\d+\.\d*|\.\d+)", re.ASCII)
_DATE = re.compile(
    r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d{2}))([ T,]+\d.*)?"
    r"|\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?(\s?[aApP]\.?[mM]\.?)?"
    r"|\d+ days?, \d{1,2}:\d{2}:\d{2}.*"
    r"|\d{4}年\d{1,2}月\d{1,2}日.*"
)
_NAMED_DATE = re.compile(
    r"(\w+,? )?(\d{1,2}(st|nd|rd|th|\.)?[ -]?(of )?[^\W\d_]{3,}\.?,?[ -]?(de )?\d{2,4}"
    r"|[^\W\d_]{3,}\.? \d{1,2}(st|nd|rd|th)?,? \d{4})([ T,]+\d.*)?"
)
_THOUSANDS: Final = ".,'’`´_ \u00a0\u2009\u202f\u066c"
_NUMBER = re.compile(  # of any locale, digits of any script
    rf"""[+\-−]?\s?[$€£¥₹₽₩₺]?\s?
    (\d{{1,3}}([{_THOUSANDS}]\d{{2,3}})+([.,·\u066b]\d+)? | \d+([.,·\u066b]\d*)? | [.,]\d+)
    \s?([%‰$€£¥₹₽₩₺-] | [A-Z]{{3}})?""",
    re.VERBOSE,
)
_LISTED = re.compile(r"(\d+)((,\d+)+|( \d{3})+)", re.ASCII)
_BETWEEN_IDS = re.compile(r"[;,|/&+\s；，、،؛]+")
_BRACKETS: Final = "()[]{}"


def _is_date(text: str) -> bool:
    return _DATE.fullmatch(text) is not None or _NAMED_DATE.fullmatch(text) is not None


def _is_grouped(text: str) -> bool:
    found = _LISTED.fullmatch(text)
    # 101,0 and 101,25 have a decimal comma; 301,302 may be two ids or one number.
    return found is not None and (text.count(",") > 1 or len(found[2]) > len(",00"))


def _are_several(text: str) -> bool:
    inside = text.strip(_BRACKETS)
    parts = [part.strip("\"' ") for part in _BETWEEN_IDS.split(inside) if part]
    digits = [part.isdecimal() for part in parts]
    return bool(digits) and all(digits) and (len(digits) > 1 or inside != text)


# --- other text ---------------------------------------------------------------------------------

_E_MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_URL = re.compile(
    r"[a-z][a-z0-9+.-]*://.*|(www\.|app\.hubspot\.)\S+|([a-z0-9-]+\.)+[a-z]{2,}([/?:]\S*)?",
    re.IGNORECASE | re.DOTALL,
)


# Of Salesforce, and a UUID.
_OTHER_ID = re.compile(
    r"(?=\d*[a-z])(\d[a-z0-9]|a\d)[a-z0-9]{13}([a-z0-5]{3})?"
    r"|\{?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\}?",
    re.IGNORECASE | re.ASCII,
)


def _is_e_mail(text: str) -> bool:
    return _E_MAIL.search(text) is not None and not _URL.fullmatch(text.partition("@")[0])


def _has_invisible(text: str) -> bool:
    bare = "".join(char for char in text if unicodedata.category(char)[0] != "C")
    return bare != text and bare.isdecimal()


# In this order: a date is made of numbers, and a list of them may look like one number.
_KINDS: Final[tuple[tuple[CellKind, Callable[[str], object]], ...]] = (
    (CellKind.PLACEHOLDER, _is_placeholder),
    (CellKind.ERROR, _ERROR.fullmatch),
    (CellKind.TRUTH, _is_truth),
    (CellKind.EXPONENT, _EXPONENT.fullmatch),
    (CellKind.DATE, _is_date),
    (CellKind.FLOAT, _FLOAT.fullmatch),
    (CellKind.GROUPED, _is_grouped),
    (CellKind.LOCALE, _NUMBER.fullmatch),
    (CellKind.SEVERAL, _are_several),
    (CellKind.INVISIBLE, _has_invisible),
    (CellKind.OTHER_SYSTEM, _OTHER_ID.fullmatch),
    (CellKind.E_MAIL, _is_e_mail),
    (CellKind.URL, _URL.fullmatch),
)
