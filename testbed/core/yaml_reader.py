"""A small, safe subset of YAML, read into plain Python values that remember where each of them stood.

Accepted is what a person writes into a configuration file: one document of mappings, lists, words, numbers, ``true``,
``false`` and ``null``, as in YAML 1.2. Refused, with file, line and column: tags, anchors and aliases, merge keys,
duplicate keys, keys that are not words, several documents, infinities, and anything larger or deeper than `Bounds`.
Nothing is ever constructed from a tag, and nothing is expanded, so time and memory grow linearly with the file.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from testbed.core.errors import ScenarioError

Path_ = tuple[str | int, ...]
"""Keys and list indices that lead from the top of a document to a value."""

Mark = tuple[int, int]
"""(line, column), both counted from 1."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a file may cost at most.

    Attributes:
        size_bytes: Length of the file.
        depth: Levels of nesting.
        values: Number of keys and values.
    """

    size_bytes: int = 256 * 1024
    depth: int = 16
    values: int = 8_000


DEFAULT_BOUNDS: Final = Bounds()

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_FORBIDDEN_CHARACTER: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|\ufeff")
_INTEGER: Final = re.compile(r"[-+]?(0|[1-9][0-9]*)\Z")
_NUMBER: Final = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_INFINITE: Final = re.compile(r"([-+]?\.inf|\.nan)\Z", re.IGNORECASE)
_CONSTANTS: Final[dict[str, bool | None]] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_LONGEST_NUMBER: Final = 40


@dataclass(frozen=True, slots=True)
class YamlDocument:
    """Plain values and where they stand.

    Attributes:
        data: Dicts, lists, strings, integers, floats, booleans and None.
        path: File the text came from, for messages.
        values: Place of each value by its path.
        keys: Place of each mapping key by the path of its value.
    """

    data: Any
    path: Path | str
    values: dict[Path_, Mark] = field(default_factory=dict)
    keys: dict[Path_, Mark] = field(default_factory=dict)

    def error(self, message: str, at: Path_ = (), *, on_key: bool = False, hint: str = "") -> ScenarioError:
        """Build the error that points at the value (or its key) under ``at``, or at the nearest place above it."""
        place = at
        while place and place not in self.values:
            place = place[:-1]
        mark = self.keys.get(place) if on_key and place == at else None
        line, column = mark or self.values.get(place, (1, 1))
        return ScenarioError(message, path=self.path, line=line, column=column, hint=hint)


def quote(value: object, limit: int = 60) -> str:
    """Return ``value`` as it is quoted in messages: escaped, hence harmless on a terminal, and never long."""
    text = repr(value[: 2 * limit] if isinstance(value, str) else value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def read_yaml(path: Path, bounds: Bounds = DEFAULT_BOUNDS) -> YamlDocument:
    """Read a file.

    Args:
        path: YAML file.
        bounds: What the file may cost.

    Raises:
        ScenarioError: The file cannot be read or is not accepted.
    """
    try:
        if path.is_dir():
            raise ScenarioError("is a folder, not a YAML file", path=path)
        with path.open("rb") as stream:
            content = stream.read(bounds.size_bytes + 1)
    except FileNotFoundError:
        raise ScenarioError("no such file", path=path) from None
    except OSError as error:
        raise ScenarioError(f"cannot be read: {error.strerror or error}", path=path) from None
    return parse_yaml(content, path, bounds)


def parse_yaml(content: bytes, path: Path | str, bounds: Bounds = DEFAULT_BOUNDS) -> YamlDocument:
    """Parse the bytes of a file.

    Args:
        content: UTF-8 text.
        path: Where it came from, for messages.
        bounds: What it may cost.

    Raises:
        ScenarioError: The text is not accepted; carries line and column.
    """
    if len(content) > bounds.size_bytes:
        raise ScenarioError(f"larger than {bounds.size_bytes // 1024} KiB", path=path, line=1, column=1)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, column = _place(content[: error.start].decode("utf-8-sig", "replace"))
        raise ScenarioError(
            f"not UTF-8 text: byte 0x{content[error.start]:02x}", path=path, line=line, column=column
        ) from None
    bad = _FORBIDDEN_CHARACTER.search(text)
    if bad is not None:
        line, column = _place(text[: bad.start()])
        raise ScenarioError(f"character {bad.group()!a} is not allowed", path=path, line=line, column=column)
    return _Composer(text, path, bounds).compose()


def _place(before: str) -> Mark:
    """Return line and column of the character that follows ``before``."""
    lines = before.splitlines() or [""]
    return (len(lines) + 1, 1) if before.endswith(("\n", "\r")) else (len(lines), len(lines[-1]) + 1)


class _Composer:
    """Build values from parser events without recursion, so that depth is a number and not a stack."""

    def __init__(self, text: str, path: Path | str, bounds: Bounds) -> None:
        self.text = text
        self.path = path
        self.bounds = bounds
        self.values: dict[Path_, Mark] = {}
        self.keys: dict[Path_, Mark] = {}
        self.event: Any = None

    def compose(self) -> YamlDocument:
        try:
            data = self._compose()
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            reason = error.problem or error.context or "malformed"
            line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
            raise ScenarioError(f"not valid YAML: {reason}", path=self.path, line=line, column=column) from None
        except yaml.YAMLError as error:
            raise ScenarioError(f"not valid YAML: {error}", path=self.path, line=1, column=1) from None
        return YamlDocument(data, self.path, self.values, self.keys)

    def _compose(self) -> Any:
        top: list[Any] = []
        # One frame per open collection: the collection, its path, and for a mapping the key that waits for its value.
        stack: list[tuple[dict[str, Any] | list[Any], Path_]] = []
        waiting: list[str | None] = []
        documents = count = 0
        for event in yaml.parse(self.text, Loader=_LOADER):
            self.event = event
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._error("a second document begins here; one file holds one document")
                continue
            if isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                stack.pop()
                waiting.pop()
                continue
            if not isinstance(event, yaml.NodeEvent):
                continue
            count += 1
            if count > self.bounds.values:
                raise self._error(f"more than {self.bounds.values} values")
            self._refuse_references(event)
            if stack and isinstance(stack[-1][0], dict) and waiting[-1] is None:
                waiting[-1] = self._key(event, stack[-1][0], stack[-1][1])
                continue
            value = self._value(event)
            if not stack:
                top.append(value)
                here: Path_ = ()
            else:
                parent, parent_path = stack[-1]
                if isinstance(parent, dict):
                    key = waiting[-1]
                    assert key is not None  # noqa: S101 - a key was read just before, see above
                    here = (*parent_path, key)
                    parent[key] = value
                    waiting[-1] = None
                else:
                    here = (*parent_path, len(parent))
                    parent.append(value)
            self.values[here] = self._mark()
            if isinstance(event, yaml.CollectionStartEvent):
                if len(stack) >= self.bounds.depth:
                    raise self._error(f"nested deeper than {self.bounds.depth} levels")
                stack.append((value, here))
                waiting.append(None)
        if not top:
            raise ScenarioError("the file is empty", path=self.path, line=1, column=1)
        return top[0]

    def _refuse_references(self, event: Any) -> None:
        if isinstance(event, yaml.AliasEvent):
            raise self._error(f"aliases are not accepted: *{event.anchor}; write the value out")
        if event.anchor is not None:
            raise self._error(f"anchors are not accepted: &{event.anchor}; write the value out")
        if event.tag is not None:
            raise self._error(f"tags are not accepted: {quote(event.tag)}")

    def _key(self, event: Any, mapping: dict[str, Any], path: Path_) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            raise self._error("a key must be a word")
        key: str = event.value
        if event.implicit[0] and (key == "<<" or not isinstance(self._scalar(key), str)):
            raise self._error(f"a key must be a word, got {key or 'nothing'!r}")
        if key in mapping:
            line = self.keys[(*path, key)][0]
            raise self._error(f"key {quote(key)} is given twice, first in line {line}")
        self.keys[(*path, key)] = self._mark()
        return key

    def _value(self, event: Any) -> Any:
        if isinstance(event, yaml.MappingStartEvent):
            return {}
        if isinstance(event, yaml.SequenceStartEvent):
            return []
        return self._scalar(event.value) if event.implicit[0] else event.value

    def _scalar(self, text: str) -> Any:
        """Resolve a plain (unquoted) scalar by the rules of YAML 1.2: ``yes``, ``1:30`` and ``010`` stay words."""
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        if _INFINITE.match(text):
            raise self._error(f"numbers must be finite, got {text}")
        if text[0] not in "+-.0123456789":
            return text
        if _INTEGER.match(text):
            if len(text) > _LONGEST_NUMBER:
                raise self._error(f"number with more than {_LONGEST_NUMBER} digits: {quote(text)}")
            return int(text)
        if _NUMBER.match(text):
            number = float(text)
            if not math.isfinite(number):
                raise self._error(f"numbers must be finite, got {quote(text)}")
            return number
        return text

    def _mark(self) -> Mark:
        mark = self.event.start_mark
        return mark.line + 1, mark.column + 1

    def _error(self, message: str) -> ScenarioError:
        line, column = self._mark()
        return ScenarioError(message, path=self.path, line=line, column=column)
