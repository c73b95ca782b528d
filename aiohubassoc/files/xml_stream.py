"""XML read piece by piece, in memory that does not grow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol
from xml.parsers import expat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import IO

_PIECE_BYTES: Final = 1 << 16
# A tag with its attributes; the parser keeps it whole.
_TAG_BYTES: Final = 1 << 20


class XmlError(Exception):
    """The XML is damaged, or no part of a workbook is like it."""


class Handler(Protocol):
    """What is told of the elements, by their names without a prefix."""

    def start(self, name: str, attributes: dict[str, str], /) -> None:
        """An element begins."""
        ...

    def end(self, name: str) -> None:
        """An element ends."""
        ...

    def text(self, text: str) -> None:
        """Some of the text of an element."""
        ...


def parse_pieces(file: IO[bytes], handler: Handler) -> Iterator[None]:
    """
    Yield after each piece of *file* that was read.

    Args:
        file: The XML; closed by the caller.
        handler: Told of its elements.

    Raises:
        XmlError: It is not well-formed, has a document type, or a tag without end.
    """
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = _without_prefix(handler.start)
    parser.EndElementHandler = _without_prefix(handler.end)
    parser.CharacterDataHandler = handler.text
    parser.StartDoctypeDeclHandler = _refuse_doctype
    fed = 0
    try:
        while piece := file.read(_PIECE_BYTES):
            parser.Parse(piece)
            fed += len(piece)
            if fed - parser.CurrentByteIndex > _TAG_BYTES:
                raise XmlError(f"a tag has more than {_TAG_BYTES:,} bytes")
            yield
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        yield  # what came before the damage
        raise XmlError(str(error)) from None
    yield


def _without_prefix(call: Callable[..., None]) -> Callable[..., None]:
    def told(name: str, *attributes: dict[str, str]) -> None:
        call(name[name.find(":") + 1 :], *attributes)

    return told


def _refuse_doctype(*_: object) -> None:
    raise XmlError("it has a document type, which could unpack to any size")
