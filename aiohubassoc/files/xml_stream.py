"""XML read piece by piece, in memory that does not grow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol
from xml.parsers import expat

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

_PIECE_BYTES: Final = 1 << 16
# A tag with its attributes; the parser keeps it whole.
_TAG_BYTES: Final = 1 << 20
_DEPTH: Final = 200


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
        handler: Called with its elements.

    Raises:
        XmlError: It is not well-formed, has a document type, or a tag without end.
    """
    depth = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEPTH:
            raise XmlError("it is nested too deeply")
        handler.start(name[name.find(":") + 1 :], attributes)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        handler.end(name[name.find(":") + 1 :])

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
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


def _refuse_doctype(*_: object) -> None:
    raise XmlError("it has a document type, which could unpack to any size")
