"""Two records to be linked, checked before anything is sent."""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING, Any, Final, Generic, SupportsIndex, TypeAlias, TypeVar

import attrs

from aiohubassoc.errors import PairError

# As Python, pandas, polars and databases write a float: 202.0, .5, 1e16, 1.2e+16, nan.
_FLOAT: Final = re.compile(
    r"[+-]?((\d+\.\d*|\.\d+|\d+(?=e))(e[+-]?\d+)?|nan|inf(inity)?)", re.ASCII | re.IGNORECASE
)


def path_text(text: str, what: str, most: int) -> str:
    """Return *text* if it can be part of a path, else raise ValueError that says what it is."""
    if len(text) > most:
        raise ValueError(f"{what} has {len(text):,} characters, more than {most}")
    if not text or text.isspace():
        raise ValueError(f"{what} is empty")
    if text in {".", ".."}:  # a path segment that means another path
        raise ValueError(f"{what} cannot be {text!r}")
    if " " in text or not text.isprintable():  # also refuses lone surrogates and BOMs
        raise ValueError(f"{what} contains a blank or a control character: {text!r}")
    return text


def plain_text(text: str) -> str:
    """Return *text* as a plain str: a member of ``(str, Enum)`` writes its name in an f-string."""
    return str.__str__(text)


def is_float(text: str) -> bool:
    """Return whether *text* is a float written as text, which HubSpot would refuse or misread."""
    return _FLOAT.fullmatch(text) is not None


RecordId: TypeAlias = str | SupportsIndex
"""A record's id as callers may give it: a string, an int, or an object with ``__index__``."""

if TYPE_CHECKING:
    from typing_extensions import TypeVar as TypeVarWithDefault  # type checkers provide it

    # ``Pair`` without a type has any tag. Python has defaults of type variables since 3.13.
    TagT = TypeVarWithDefault("TagT", default=Any)
else:
    TagT = TypeVar("TagT")
_OtherT = TypeVar("_OtherT")
_NONE: Final[Any] = None

_set = object.__setattr__
# Record ids are integers in every recorded object. The longest types are those of custom objects,
# whose names users choose. HubSpot documents no limit for either.
MOST_ID: Final = 64
MOST_TYPE: Final = 128
OBJECT_TYPE_FORMS: Final = (
    "a name such as contacts, an id such as 0-1, or the id of a custom object such as 2-1234567"
)
"""How an object type is written, for messages."""
_TOO_LARGE: Final = 10**MOST_ID


def _shown(value: object, most: int = MOST_ID) -> str:
    """Return *value* for a message, cut to *most* characters."""
    if isinstance(value, str | bytes | bytearray):
        value = value[: most + 1]
    try:
        text = value if isinstance(value, str) else repr(value)
    except Exception:  # noqa: BLE001 -- a repr is the caller's code, and an int may be too long for it
        return f"({type(value).__name__})"
    return text if len(text) <= most else f"{text[:most]}..."


def _quoted(value: object) -> str:
    return repr(_shown(value)) if isinstance(value, str) else _shown(value)


def _are_plain(from_type: object, from_id: object, to_type: object, to_id: object) -> bool:
    """Return whether no other check is needed, as for nearly every pair."""
    if not (
        type(from_type) is type(from_id) is type(to_type) is type(to_id) is str
        and from_type
        and from_id
        and to_type
        and to_id
    ):
        return False
    types, ids = from_type + to_type, from_id + to_id
    # Letters among digits could be a float written as text: 1e16.
    if len(types) + len(ids) > MOST_ID or not (ids.isdecimal() and ids.isascii()):
        return False
    return types.isalnum() and types.isascii()


def _object_type(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{what} must be a string, not {_shown(value)}")
    return path_text(plain_text(value), what, MOST_TYPE)


def _record_id(value: object, what: str) -> str:
    if isinstance(value, str):
        text = plain_text(value)
        if is_float(text):
            raise ValueError(
                f"{what} is {_quoted(text)}, a float written as text: keep ids as integers"
            )
        return path_text(text, what, MOST_ID)
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        raise ValueError(f"{what} must be a string or an int, not {_shown(value)}")
    try:
        number = operator.index(value)  # for example numpy's integers
    except TypeError:  # and numpy's arrays
        raise ValueError(f"{what} must be a string or an int, not {_shown(value)}") from None
    if abs(number) >= _TOO_LARGE:
        raise ValueError(f"{what} has more than {MOST_ID} digits")
    return str(number)


@attrs.frozen(init=False)
class Pair(Generic[TagT]):
    """
    Two records to be linked.

    It is generic in its tag, for type checkers: ``Pair[int]``. ``Pair`` alone has any tag.

    Args:
        from_type: The object type: a name such as ``"contacts"``, an id such as ``"0-1"``, or a
            custom object's ``"2-1234567"`` or ``"p12345_cars"``.
        from_id: The record's id; stored as a string.
        to_type: The other record's object type.
        to_id: The other record's id.
        tag: Any object of the caller; the outcome's pair has it too. Ignored by ``==``.

    Raises:
        PairError: an id or type is None, empty, ``"."``, ``".."``, a float, or contains blanks or
            control characters; an id is a float written as text, such as ``"202.0"``, or has
            more than 64 characters, or a type has more than 128.
    """

    from_type: str
    from_id: str
    to_type: str
    to_id: str
    tag: TagT = attrs.field(default=_NONE, eq=False, kw_only=True)

    def __init__(
        self, from_type: str, from_id: RecordId, to_type: str, to_id: RecordId, *, tag: TagT = _NONE
    ) -> None:
        try:
            if type(from_id) is int:
                from_id = str(from_id)
            if type(to_id) is int:
                to_id = str(to_id)
        except ValueError:  # Python does not convert an int of 5,000 digits: refused below
            pass
        if not _are_plain(from_type, from_id, to_type, to_id):
            try:
                from_type = _object_type(from_type, "from_type")
                from_id = _record_id(from_id, "from_id")
                to_type = _object_type(to_type, "to_type")
                to_id = _record_id(to_id, "to_id")
            except ValueError as error:
                named = _named(from_type, from_id, to_type, to_id)
                raise PairError(f"{error}, in the pair {named}") from None
        _set(self, "from_type", from_type)
        _set(self, "from_id", from_id)
        _set(self, "to_type", to_type)
        _set(self, "to_id", to_id)
        _set(self, "tag", tag)

    @classmethod
    def of(cls, from_: str, to: str, *, tag: _OtherT = _NONE) -> Pair[_OtherT]:
        """
        Return the pair of two records written as ``type:id``, such as ``"contacts:101"``.

        Raises:
            PairError: a colon is missing, or as for `Pair`.
        """
        ends = []
        given: tuple[object, object] = (from_, to)
        for text in given:
            if not isinstance(text, str):
                raise PairError(f"{text!r} is not written as type:id, such as 'contacts:101'")
            object_type, colon, record_id = text.partition(":")
            if not colon:
                shown = _quoted(text)
                raise PairError(f"{shown} is not written as type:id, such as 'contacts:101'")
            ends += [object_type, record_id]
        return cls(*ends, tag=tag)  # type: ignore[return-value,arg-type]  # a class has no tag yet

    def __str__(self) -> str:
        return _named(self.from_type, self.from_id, self.to_type, self.to_id)


def _named(from_type: object, from_id: object, to_type: object, to_id: object) -> str:
    ends = ((from_type, from_id), (to_type, to_id))
    return " -> ".join(f"{_shown(kind, MOST_TYPE)}:{_shown(one)}" for kind, one in ends)


class RejectedPair(Pair[TagT]):
    """
    A pair that failed its checks, with the values as given. It cannot be linked.

    A value that is too long for an id or a type is cut.
    """

    __slots__ = ()

    def __init__(
        self, from_type: object, from_id: object, to_type: object, to_id: object, *, tag: TagT
    ) -> None:
        _set_fields(self, (from_type, from_id, to_type, to_id), tag)

    def to_error(self) -> PairError:
        """Return why it cannot be linked."""
        try:
            Pair(self.from_type, self.from_id, self.to_type, self.to_id)
        except PairError as error:
            return error
        # What was cut, or is kept as text, may look like an id.
        return PairError(f"the pair {self} failed its checks before")


def unchecked_pair(
    from_type: object, from_id: object, to_type: object, to_id: object, *, tag: object = None
) -> Pair:
    """Return a pair that passed its checks before, or that is not to be linked."""
    pair: Pair = object.__new__(Pair)
    _set_fields(pair, (from_type, from_id, to_type, to_id), tag)
    return pair


def _set_fields(pair: Pair, values: tuple[object, object, object, object], tag: object) -> None:
    for name, value in zip(("from_type", "from_id", "to_type", "to_id"), values, strict=True):
        if isinstance(value, int):
            is_too_long = abs(value) >= _TOO_LARGE
        else:
            is_too_long = isinstance(value, str | bytes | bytearray) and len(value) > MOST_TYPE
        _set(pair, name, _shown(value, MOST_TYPE) if is_too_long else value)
    _set(pair, "tag", tag)


def canonical_id(record_id: str) -> str:
    """Return the id as HubSpot's responses contain it, without leading zeros: 101 for 0101."""
    return record_id.lstrip("0") or "0" if record_id.isdigit() else record_id
