"""One side of a join: each row of an export with its record id and the key that is compared."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final, TypeAlias

import attrs

from aiohubassoc.errors import InputError
from aiohubassoc.files import hubspot
from aiohubassoc.files.cells import (
    CellList,
    Float,
    Formula,
    LongNumber,
    constant_text,
    value_text,
)
from aiohubassoc.files.columns import End, Header, list_columns, normalize
from aiohubassoc.files.ids import CellKind, IdRule, RejectedRowError, kind_of_nothing
from aiohubassoc.files.jsonl import find_key
from aiohubassoc.files.limits import KEPT_CHARS, SHOWN_CHARS, shown
from aiohubassoc.files.pairs import InputFile
from aiohubassoc.files.record import InputCounts, Record
from aiohubassoc.files.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Self

    from aiohubassoc.files.layout import Layout
    from aiohubassoc.files.pairs import Rows

    ToKey: TypeAlias = Callable[[str], str]

# The longest address of a mail has 254 characters (RFC 5321); a name may be longer.
_KEY_CHARS: Final = 1000
_SCHEME: Final = re.compile(r"([a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)
_AFTER_HOST: Final = re.compile(r"[/?#\\].*", re.DOTALL)
_WWW: Final = re.compile(r"^www\.(?=.*\.)")  # www.com is a domain
_PORT: Final = re.compile(r":\d*$")
_NOT_IN_HOST: Final = re.compile(r"[\s,;|@<>:\"'()]")

# Addresses there say nothing of a company.
_MAIL_PROVIDERS: Final = """
    gmail.com googlemail.com yahoo.com yahoo.co.uk yahoo.co.in yahoo.co.jp yahoo.ca yahoo.de
    yahoo.es yahoo.fr yahoo.in yahoo.it yahoo.com.ar yahoo.com.au yahoo.com.br yahoo.com.mx
    ymail.com rocketmail.com hotmail.com hotmail.co.uk hotmail.be hotmail.ca hotmail.de hotmail.es
    hotmail.fr hotmail.it hotmail.nl outlook.com outlook.de outlook.es outlook.fr outlook.it
    live.com live.ca live.co.uk live.de live.fr live.it live.nl msn.com icloud.com me.com mac.com
    aol.com aol.de aol.co.uk gmx.com gmx.de gmx.net gmx.at gmx.ch web.de t-online.de freenet.de
    bluewin.ch orange.fr wanadoo.fr free.fr laposte.net sfr.fr libero.it virgilio.it tin.it
    telefonica.net terra.com.br uol.com.br bol.com.br btinternet.com sky.com virginmedia.com
    ntlworld.com comcast.net verizon.net att.net sbcglobal.net bellsouth.net cox.net charter.net
    rogers.com shaw.ca bigpond.com optusnet.com.au ziggo.nl kpnmail.nl telenet.be skynet.be
    wp.pl o2.pl onet.pl interia.pl seznam.cz mail.ru bk.ru inbox.ru list.ru yandex.ru yandex.com
    rambler.ru ukr.net proton.me protonmail.com pm.me tutanota.com zoho.com mail.com email.com
    fastmail.com hey.com qq.com 163.com 126.com sina.com foxmail.com naver.com daum.net
    hanmail.net rediffmail.com
"""
_AT_MAIL_PROVIDER: Final = frozenset(_MAIL_PROVIDERS.split())


@attrs.frozen
class KeyColumns:
    """The two columns of a side, and the options that name them."""

    key: str  # the column that is compared
    key_option: str
    record_id: str | None  # the column of record ids; None: as HubSpot exports it
    id_option: str

    def find(self, header: Header) -> tuple[End, End]:
        """Return the column of record ids and the one that is compared; see `FindColumns`."""
        key, record_id = header.find(self.key), self.find_id(header)
        if key is None or record_id is None:
            wanted = (
                (key, self.key, self.key_option),
                (record_id, self.record_id or "Record ID", self.id_option),
            )
            names = [shown(name) for place, name, _ in wanted if place is None]
            options = [option for place, _, option in wanted if place is None]
            raise header.missing(names, f"Choose with {' '.join(options)}")
        column = header.cells[record_id]
        return self.id_end(column, record_id, header), End(header.cells[key][:SHOWN_CHARS], key)

    def find_id(self, header: Header) -> int | None:
        """
        Return where the record ids stand; None: in no column, or not in the one that is named.

        If they may stand in several columns, it raises an InputError.
        """
        if self.record_id is not None:
            return header.find(self.record_id)
        columns, key = header.cells, header.find(self.key)
        own_type = hubspot.exported_type(columns)
        found = [n for n, column in enumerate(columns) if hubspot.is_record_id(column)] or [
            n
            for n, column in enumerate(columns)
            if n != key
            and not hubspot.is_associated(column)
            and hubspot.named_type(column) is not None
            and own_type in {None, hubspot.named_type(column)}
        ]
        if len(found) > 1:
            listed = list_columns([columns[n] for n in found])
            raise InputError(
                f"{header.table} has more than one column that may hold its record ids, {listed}: "
                f"choose with {self.id_option}"
            )
        return found[0] if found else None

    def id_end(self, column: str, index: int, header: Header) -> End:
        """Return the column of record ids, with their type if the columns show it."""
        object_type = hubspot.named_type(column) or hubspot.exported_type(header.cells)
        return End(column[:SHOWN_CHARS], index, object_type=object_type)


@attrs.frozen
class KeyedRow:
    """A row of a side."""

    record: Record
    record_id: str = ""  # its record id; "" if the row is rejected
    text: str = ""  # the cell that is compared, without spaces around it; "" if it is no key
    key: str | None = None  # its key; None if it matches nothing
    problem: str | None = None  # why the row is rejected or has no key; None otherwise


class KeyedTable(InputFile):
    """
    One side of a join: an iterator of its rows; a context manager.

    A plain file is closed until its rows are read: only one side has its file, and its texts, in
    memory at a time.
    """

    def __init__(self, path: str, columns: KeyColumns, layout: Layout, to_key: ToKey) -> None:
        self.counts = InputCounts()  # the counts of the rows read so far
        super().__init__(path, layout, columns.find, self.counts, is_first=False)
        self._to_key = to_key
        self._rule = IdRule(self.counts, any_id=layout.any_id)
        try:
            self._id, self._key = self.ends or self._keys_of_objects(columns)
        except BaseException:
            self.close()
            raise
        # Its columns; of JSON Lines the keys of its first object and those that are compared.
        self.columns = list(self.header)
        if self.ends is None:
            known, own = set(map(normalize, self.header)), {self._id.name, self._key.name}
            self.columns += sorted(name for name in own if normalize(name) not in known)
        # The type of its records, if its columns show it; else None.
        self.object_type = self._id.object_type

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[KeyedRow]:
        """Yield each row; raise an InputError as `InputFile.read` does."""
        for row in self.read(self._keyed_rows):
            self.counts.rows += 1
            yield row

    def cells(self, record: Record) -> list[str]:
        """Return the row as cells, one for each column if it has the shape of the table."""
        fields = record.fields
        if isinstance(fields, dict):
            return [value_text(fields.get(name)) for name in self.columns]
        return fields

    def _keyed_rows(self, rows: Rows) -> Iterator[KeyedRow]:
        for record in rows:
            row = self._keyed(record)
            if row.problem is not None and isinstance(rows, Table):
                rows.refuse_if_broken(record)
            if rows.row_chars > KEPT_CHARS:
                record.compact()
            yield row

    def _keyed(self, record: Record) -> KeyedRow:
        if record.problem is not None:
            return KeyedRow(record, problem=record.problem)
        try:
            id_cell, text = self._get_cells(record)
            record_id = self._rule.parse_id(id_cell, self._id.name)
        except RejectedRowError as error:
            return KeyedRow(record, problem=str(error))
        try:
            return KeyedRow(record, record_id, text.strip(), self._to_key(text))
        except NoKeyError as error:
            return KeyedRow(record, record_id, problem=f"{self._key.name} {error}")

    def _get_cells(self, record: Record) -> tuple[str, str]:
        fields = record.kept
        if isinstance(fields, list):
            return fields[self._id.index], fields[self._key.index]
        assert isinstance(fields, dict)  # noqa: S101 -- it is read, not compact
        return _value(self._id.name, fields), _value(self._key.name, fields)

    def _keys_of_objects(self, wanted: KeyColumns) -> tuple[End, End]:
        """Return the keys of JSON Lines, of which not every object needs to have each."""
        header = Header(self.header, self.name)
        index = wanted.find_id(header)
        record_id = wanted.record_id if index is None else self.header[index]
        if record_id is None:
            listed = list_columns(header.cells, quoted=False)
            raise InputError(
                f"{self.name} has no key 'Record ID'. The keys of its first object: {listed}. "
                f"Choose with {wanted.id_option}"
            )
        return wanted.id_end(record_id, 0, header), End(wanted.key[:SHOWN_CHARS], 0)


def _value(name: str, fields: Mapping[str, object]) -> str:
    key = find_key(name, fields)
    if key is None:
        raise RejectedRowError(f"has no {name!r}")
    value = fields[key]
    if isinstance(value, list):
        return CellList.from_values(value)
    if isinstance(value, dict):
        raise RejectedRowError(f"{name} is nested")
    return value_text(value)


# --- keys ---------------------------------------------------------------------------------------


class NoKeyError(ValueError):
    """A cell that matches nothing; the message says what it holds."""


def exact_key(text: str) -> str:
    """Return a cell trimmed and case-folded; NoKeyError: it holds nothing, or several values."""
    # Letters with accents are written in two ways that look the same.
    return unicodedata.normalize("NFC", _bare(text).casefold())


def email_domain(text: str) -> str:
    """
    Return the domain of an e-mail address, without ``www.``.

    NoKeyError: it is not one, or one at a mail provider such as gmail.com, where a company would
    get the addresses of everybody.
    """
    bare = _bare(text)
    name, at, domain = bare.partition("@")
    if not at or not name:
        raise NoKeyError(f"is {shown(bare)}, not an e-mail address")
    host = _host(domain.removesuffix(">"), bare, "one e-mail address")
    if host in _AT_MAIL_PROVIDER:
        raise NoKeyError(f"is {shown(bare)}, an address at a mail provider, not at a company")
    return host


def site_domain(text: str) -> str:
    """Return a domain without scheme, ``www.``, port and path; NoKeyError: it is not one."""
    bare = _bare(text)
    host = _AFTER_HOST.sub("", _SCHEME.sub("", bare, count=1))
    return _host(_PORT.sub("", host), bare, "one domain")


def _bare(text: str) -> str:
    """Return the text of a cell that holds one value."""
    if isinstance(text, Formula):
        raise NoKeyError(f"is {CellKind.FORMULA.one}")
    if isinstance(text, LongNumber):
        raise NoKeyError(f"is {shown(text)}, {CellKind.LONG.one}")
    if isinstance(text, CellList):
        items = text.items
        if len(items) > 1:
            raise NoKeyError("holds several values")
        return _bare(items[0] if items else "")
    # Another file writes a whole number of a column of floats without its point: 5 for 5.0.
    bare = (text.whole() or text) if isinstance(text, Float) else text.strip()
    inside = constant_text(bare)
    bare = bare if inside is None else inside
    if not bare:
        raise NoKeyError("is empty")
    if len(bare) > _KEY_CHARS:
        raise NoKeyError(f"has more than {_KEY_CHARS:,} characters")
    if (kind := kind_of_nothing(bare)) is not None:
        raise NoKeyError(f"is {shown(bare)}, {kind.one}")
    try:
        bare.encode()
    except UnicodeEncodeError:
        raise NoKeyError(f"is {shown(bare)}, which holds half of a character") from None
    return bare


def _host(host: str, cell: str, what: str) -> str:
    # Not case-folded: straße.de and strasse.de are two domains.
    bare = unicodedata.normalize("NFKC", host.lower()).replace("。", ".").rstrip(".")
    bare = _WWW.sub("", bare)
    if not bare or _NOT_IN_HOST.search(bare):
        raise NoKeyError(f"is {shown(cell)}, not {what}")
    if bare.isascii():
        return bare
    # Some programs write the letters of a domain, others its name in the DNS (RFC 5891, 4.4).
    labels = bare.split(".")
    return ".".join(
        label if label.isascii() else f"xn--{label.encode('punycode').decode()}" for label in labels
    )
