"""XML with line numbers and without surprises: no DTD, no entities, bounded size, depth and element count.

OpenDRIVE documents reach the server from a client over the network (`generate_opendrive_world`), so the reader refuses
what a map never needs. Errors carry the line, because maps are written by hand as often as by tools.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from testbed.core.errors import MapError

MAX_BYTES = 64 * 2**20
MAX_ELEMENTS = 3_000_000
MAX_DEPTH = 64
LARGEST = 1e15
"""Numbers are smaller than this, whatever their sign."""


@dataclass(slots=True)
class XmlElement:
    """An XML element: tag, attributes, child elements, and the line where it starts (first line is 1)."""

    tag: str
    attributes: dict[str, str]
    line: int
    children: list[XmlElement] = field(default_factory=list)
    text: str = ""

    def child(self, tag: str) -> XmlElement | None:
        """Return the first child with this tag, or None."""
        return next((node for node in self.children if node.tag == tag), None)

    def need(self, tag: str) -> XmlElement:
        """Return the first child with this tag.

        Raises:
            MapError: If there is none.
        """
        node = self.child(tag)
        if node is None:
            raise MapError(f"line {self.line}: <{self.tag}> lacks <{tag}>")
        return node

    def all(self, tag: str) -> Iterator[XmlElement]:
        """Yield the children with this tag, in document order."""
        return (node for node in self.children if node.tag == tag)

    def string(self, name: str, default: str | None = None) -> str:
        """Return an attribute.

        Raises:
            MapError: If it is missing and has no default.
        """
        value = self.attributes.get(name, default)
        if value is None:
            raise MapError(f"line {self.line}: <{self.tag}> lacks the attribute '{name}'")
        return value

    def number(self, name: str, default: float | None = None) -> float:
        """Return an attribute as a finite float.

        Raises:
            MapError: If it is missing without default, not a number, not finite, or not smaller than `LARGEST`.
        """
        if name not in self.attributes and default is not None:
            return default
        text = self.string(name)
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not abs(value) < LARGEST:
            raise self.refusal(name, _no_number(text, value))
        return value

    def integer(self, name: str, default: int | None = None) -> int:
        """Return an attribute as an int.

        Raises:
            MapError: If it is missing without default or not an integer.
        """
        if name not in self.attributes and default is not None:
            return default
        text = self.string(name)
        try:
            return int(text)
        except ValueError:
            raise self.refusal(name, UNCOMPUTED if text.startswith("${") else "is not an integer") from None

    def refusal(self, name: str, reason: str) -> MapError:
        """Build an error about an attribute: its line, element, value and what is wrong with it."""
        return MapError(f"line {self.line}: <{self.tag} {name}='{self.string(name)[:40]}'> {reason}")


UNCOMPUTED = "cannot be computed"
"""Of an expression of OpenSCENARIO's that no value could be put in place of."""


def _no_number(text: str, value: float) -> str:
    """Return why a text that was read as a value is no number that can be used."""
    if text.startswith("${"):
        return UNCOMPUTED
    if math.isnan(value) or "inf" in text.lower():
        return "is not a finite number"
    return f"is out of range: numbers are smaller than {LARGEST:g}"


def read_xml(text: str) -> XmlElement:
    """Parse a document.

    Args:
        text: The whole document.

    Returns:
        The root element.

    Raises:
        MapError: Malformed XML (with line and column), a document type declaration, or a document over the limits.
    """
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else bytes(text)
    if len(data) > MAX_BYTES:
        raise MapError(f"the document has {len(data)} bytes, more than the {MAX_BYTES} that are read")
    # The text is already decoded, so whatever encoding the declaration names is overridden.
    parser = expat.ParserCreate("utf-8")
    root: list[XmlElement] = []
    stack: list[XmlElement] = []
    count = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal count
        count += 1
        line = parser.CurrentLineNumber
        if count > MAX_ELEMENTS:
            raise MapError(f"line {line}: more than {MAX_ELEMENTS} elements")
        if len(stack) >= MAX_DEPTH:
            raise MapError(f"line {line}: elements are nested deeper than {MAX_DEPTH}")
        node = XmlElement(tag, attributes, line)
        (stack[-1].children if stack else root).append(node)
        stack.append(node)

    def end(_tag: str) -> None:
        stack.pop()

    def characters(chunk: str) -> None:
        if stack and chunk.strip():
            stack[-1].text += chunk

    def refuse(*_args: object) -> None:
        raise MapError(f"line {parser.CurrentLineNumber}: a document type declaration (DTD) is not accepted")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = characters
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise MapError(f"line {error.lineno}, column {error.offset + 1}: malformed XML: {reason}") from None
    return root[0]
