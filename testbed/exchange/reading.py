"""An XML document that knows what of it was read, and so what of it was left out."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from testbed.core.errors import MapError, ScenarioError
from testbed.exchange.imported import LeftOut, one_line
from testbed.world.maps.xml_reader import MAX_BYTES, XmlElement, read_xml

_LINE = re.compile(r"line (\d+)(?:, column (\d+))?: ")
_NAMED_BY = ("name", "id", "entityRef")


def bounded(element: XmlElement, name: str, low: float, high: float, default: float | None = None) -> float:
    """Return an attribute as a number within bounds; the default is returned as it is.

    Raises:
        MapError: It is missing without default, no finite number, or outside.
    """
    if name not in element.attributes and default is not None:
        return default
    value = element.number(name)
    if not low <= value <= high:
        raise element.refusal(name, f"is not within {low:g} and {high:g}")
    return value


class Reading:
    """A document and which of its elements were read.

    Args:
        path: The file.

    Attributes:
        path: The file.
        root: Its root element.

    Raises:
        ScenarioError: It cannot be read, is too large, is no XML, or has a document type declaration: entities are
            never expanded and nothing is fetched.
    """

    def __init__(self, path: Path) -> None:
        """Read and parse a file."""
        self.path = path
        try:
            if path.stat().st_size > MAX_BYTES:
                raise ScenarioError(f"larger than the {MAX_BYTES // 2**20} MiB that are read", path=path)
            text = path.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise ScenarioError(f"cannot be read: {error.strerror}", path=path) from None
        except UnicodeDecodeError as error:
            raise ScenarioError(f"is not UTF-8 at byte {error.start}", path=path, hint="save it as UTF-8") from None
        with self.told():
            self.root = read_xml(text)
        self._used: set[int] = set()
        self._reasons: dict[int, str] = {}
        self._notes: dict[int, list[tuple[str, str]]] = {}

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        """Give errors of the XML reader, which name a line, the file's name as well."""
        try:
            yield
        except MapError as error:
            found = _LINE.match(str(error))
            line, column = (int(found[1]), int(found[2] or 1)) if found else (0, 0)
            message = str(error)[found.end() :] if found else str(error)
            raise ScenarioError(one_line(message), path=self.path, line=line, column=column) from None

    def error(self, message: str, at: XmlElement, hint: str = "") -> ScenarioError:
        """Build an error that points at an element."""
        return ScenarioError(one_line(message), path=self.path, line=at.line, column=1, hint=one_line(hint))

    def use(self, *elements: XmlElement) -> None:
        """Note that elements were read; what is in them is looked at one by one."""
        self._used.update(map(id, elements))

    def use_whole(self, element: XmlElement) -> None:
        """Note that an element was read with everything in it."""
        self.use(element)
        for child in element.children:
            self.use_whole(child)

    def child(self, element: XmlElement | None, *tags: str) -> XmlElement | None:
        """Return what lies on a way down through first children, all of it read; None where it ends early."""
        for tag in tags:
            element = None if element is None else element.child(tag)
            if element is None:
                return None
            self.use(element)
        return element

    def children(self, element: XmlElement | None, tag: str) -> list[XmlElement]:
        """Return the children with this tag, read."""
        found = [] if element is None else list(element.all(tag))
        self.use(*found)
        return found

    def leave(self, element: XmlElement, reason: str) -> None:
        """Leave an element out, with everything in it."""
        before = self._reasons.get(id(element))
        self._reasons[id(element)] = reason if before is None else f"{before}; {reason}"

    def leave_for(self, element: XmlElement, error: MapError) -> None:
        """Leave an element out for an error of something in it, whose line is told where it is another one."""
        self.leave(element, str(error).removeprefix(f"line {element.line}: "))

    def leave_attribute(self, element: XmlElement, name: str, reason: str) -> None:
        """Leave an attribute out, and nothing else of its element."""
        self._notes.setdefault(id(element), []).append((name, reason))

    def left_out(self, element: XmlElement | None = None, reasons: Mapping[str, str] | None = None) -> list[LeftOut]:
        """Return what of an element, or of the document, was left out, in the order of the file.

        Args:
            element: Where to look; the root by default.
            reasons: Why elements of a tag have no place in a scenario, where nothing else was said.
        """
        found: list[LeftOut] = []
        self._collect(element or self.root, "", reasons or {}, found)
        return found

    def _collect(self, element: XmlElement, above: str, reasons: Mapping[str, str], found: list[LeftOut]) -> None:
        name = next((element.attributes[key] for key in _NAMED_BY if element.attributes.get(key)), "")
        way = f"{above}/{element.tag}".lstrip("/") + (f"[{one_line(name)[:40]}]" if name else "")
        if id(element) in self._reasons:
            found.append(LeftOut(way, element.line, one_line(self._reasons[id(element)])))
        elif self._touched(element):
            for attribute, reason in self._notes.get(id(element), ()):
                found.append(LeftOut(f"{way}/@{attribute}", element.line, one_line(reason)))
            for child in element.children:
                self._collect(child, way, reasons, found)
        elif element.attributes or element.children or element.text:
            found.append(LeftOut(way, element.line, reasons.get(element.tag, "has no place in a scenario file")))

    def _touched(self, element: XmlElement) -> bool:
        """Tell whether an element or something in it was read or left out by name."""
        known = id(element) in self._used or id(element) in self._reasons
        return known or any(map(self._touched, element.children))
