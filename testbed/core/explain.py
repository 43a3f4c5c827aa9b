"""Turn what pydantic found wrong with a document into sentences with a file, a line, a column and advice.

Documents are validated strictly: ``"25"`` is not a number and ``yes`` is not a truth value, because a question that
was misread is worse than one that was refused.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterator
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from testbed.core.errors import ScenarioError, suggest
from testbed.core.yaml_reader import Path_, YamlDocument, quote

M = TypeVar("M", bound=BaseModel)

UNITS: dict[str, str] = {
    "_mps": "metres per second",
    "_m": "metres",
    "_s": "seconds",
    "_ms": "milliseconds",
    "_deg": "degrees",
    "_px": "pixels",
}
"""Meaning of the unit at the end of a key."""

_WANTED: dict[str, str] = {
    "float_type": "a number",
    "float_parsing": "a number",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "string_type": "a word or sentence",
    "list_type": "a list",
    "tuple_type": "a list",
    "model_type": "a group of keys",
    "model_attributes_type": "a group of keys",
    "dict_type": "a group of keys",
}
_BOUNDS: dict[str, tuple[str, str]] = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}
_LENGTHS: dict[str, tuple[str, str]] = {
    "too_short": ("needs at least {} of them", "min_length"),
    "too_long": ("takes at most {} entries", "max_length"),
    "string_too_short": ("needs at least {} characters", "min_length"),
    "string_too_long": ("takes at most {} characters", "max_length"),
}
_PATTERNS: dict[str, str] = {
    r"^[a-z][a-z0-9_]{0,47}$": "a name of lower-case letters, digits and underscores that begins with a letter",
    r"^[a-z0-9_]+(\.[a-z0-9_]+)*$": "a metric such as lane_departure.rate",
}
_MOST_REPORTED = 50


def check(model: type[M], document: YamlDocument, *, strict: bool = True) -> tuple[M | None, list[ScenarioError]]:
    """Validate a document.

    Args:
        model: What the document must be.
        document: What was read.
        strict: Whether a list may not stand for a tuple nor a whole number in quotes for a number.

    Returns:
        The validated object and no errors, or None and at least one error in the order of the file.
    """
    try:
        return model.model_validate(document.data, strict=strict), []
    except ValidationError as error:
        found = [dict(item) for item in error.errors(include_url=False)[: 10 * _MOST_REPORTED]]
    problems = sorted({_problem(model, document, item) for item in _without_detours(document.data, found)})
    return None, [
        ScenarioError(message, path=document.path, line=line, column=column)
        for line, column, _, message in problems[:_MOST_REPORTED]
    ]


def require(model: type[M], document: YamlDocument, *, strict: bool = True, see_all: str = "testbed validate") -> M:
    """Validate a document and raise its first error.

    Args:
        model: What the document must be.
        document: What was read.
        strict: As in `check`.
        see_all: Command that prints all errors of such a file; empty where there is none.

    Raises:
        ScenarioError: It is not; says how many more errors there are.
    """
    accepted, problems = check(model, document, strict=strict)
    if accepted is None:
        if len(problems) > 1:
            advice = f"; see them all with: {see_all} {document.path}" if see_all else ""
            problems[0].hint = f"and {len(problems) - 1} more{advice}"
        raise problems[0]
    return accepted


def _without_detours(data: Any, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Join what pydantic says about the members of a union into what a person would say.

    Of several wanted types at one place one entry remains that names them all; a wanted type is dropped where
    something deeper inside the same value was found, because then that member of the union was meant. A key that is
    missing beside an unknown one that resembles it is a misspelling, which the unknown one's error says already.
    """
    unknown: dict[Path_, list[str]] = {}
    for item in found:
        item["path"] = _within(data, item["loc"])
        if item["type"] == "extra_forbidden":
            unknown.setdefault(item["path"][:-1], []).append(str(item["path"][-1]))
    deeper = {item["path"][:length] for item in found for length in range(len(item["path"]))}
    kept: list[dict[str, Any]] = []
    wanted: dict[Path_, dict[str, Any]] = {}
    for item in found:
        if item["type"] == "missing" and suggest(str(item["loc"][-1]), unknown.get(item["path"], [])):
            continue
        if item["type"] not in _WANTED:
            kept.append(item)
        elif item["path"] in wanted:
            wanted[item["path"]]["wanted"].append(_WANTED[item["type"]])
        elif item["path"] not in deeper or item["loc"] == item["path"]:
            item["wanted"] = [_WANTED[item["type"]]]
            wanted[item["path"]] = item
            kept.append(item)
    return kept


def _problem(model: type[BaseModel], document: YamlDocument, item: dict[str, Any]) -> tuple[int, int, int, str]:
    """Return (line, column, rank among errors at the same place, sentence) of one pydantic error."""
    path: Path_ = item["path"]
    kind, value, context = item["type"], quote(item.get("input")), item.get("ctx", {})
    label, at, rank = _label(path), path, 1
    if kind == "extra_forbidden":
        known = sorted(fields_at(model, path[:-1]))
        sentence, rank = f"unknown key {quote(path[-1])}{_in(path[:-1])}; {_advice(str(path[-1]), known)}", 0
    elif kind == "missing":
        sentence = f"missing key {item['loc'][-1]!r}{_in(path)}"
    elif kind in _WANTED:
        sentence = f"{label}: expected {' or '.join(item['wanted'])}{_unit(path, ' in')}, got {value}"
    elif kind in _BOUNDS:
        words, bound = _BOUNDS[kind]
        sentence = f"{label}: must be {words} {context[bound]:g}{_unit(path)}, got {value}"
    elif kind == "literal_error":
        sentence = f"{label}: expected {context['expected']}, got {value}"
    elif kind == "string_pattern_mismatch":
        wanted = _PATTERNS.get(context["pattern"], f"text that matches {context['pattern']}")
        sentence = f"{label}: expected {wanted}, got {value}"
    elif kind in _LENGTHS:
        words, bound = _LENGTHS[kind]
        sentence = f"{label}: {words.format(context[bound])}, got {value}"
    elif kind == "value_error":
        message = str(context["error"])
        at, sentence = _culprit(document, path, message), f"{label}: {message}" if path else message
    else:
        sentence = f"{label}: {item['msg'][:1].lower()}{item['msg'][1:]}, got {value}"
    error = document.error("", at, on_key=kind == "extra_forbidden")
    return error.line, error.column, rank, sentence


def fields_at(model: type[BaseModel], path: Path_) -> set[str]:
    """Return the keys that are known at a place of a document, empty where any would be or nothing is known."""
    candidates: list[Any] = [model]
    for step in path:
        candidates = [part for candidate in candidates for part in _descend(candidate, step)]
    return {name for part in candidates if _is_model(part) for name in part.model_fields}


def _descend(annotation: Any, step: str | int) -> Iterator[Any]:
    for part in _alternatives(annotation):
        if isinstance(step, str) and _is_model(part) and step in part.model_fields:
            yield from _alternatives(part.model_fields[step].annotation)
        elif isinstance(step, int) and typing.get_origin(part) in (list, tuple):
            yield from _alternatives(typing.get_args(part)[0])


def _alternatives(annotation: Any) -> Iterator[Any]:
    """Take unions and ``Annotated`` apart."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        yield from _alternatives(typing.get_args(annotation)[0])
    elif origin in (typing.Union, types.UnionType):
        for part in typing.get_args(annotation):
            yield from _alternatives(part)
    else:
        yield annotation


def _is_model(part: Any) -> bool:
    return isinstance(part, type) and issubclass(part, BaseModel)


def _within(data: Any, location: tuple[str | int, ...]) -> Path_:
    """Keep of pydantic's location what exists in the document; it also names union members there."""
    path: list[str | int] = []
    for step in location:
        inside = step in data if isinstance(data, dict) else isinstance(data, list) and isinstance(step, int)
        if not inside:
            continue
        path.append(step)
        data = data[step]
    return tuple(path)


def _label(path: Path_) -> str:
    """Write a path as ``actors[0].speed_mps``."""
    if not path:
        return "the file"
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else (f".{step}" if text else str(step))
    return text if len(text) <= 80 else f"{text[:79]}…"


def _in(path: Path_) -> str:
    return f" in {_label(path)}" if path else ""


def _unit(path: Path_, preposition: str = "") -> str:
    name = next((step for step in reversed(path) if isinstance(step, str)), "")
    ending = re.search(r"_[a-z]+\Z", name)
    unit = UNITS.get(ending.group()) if ending else None
    return f"{preposition} {unit}" if unit else ""


def _advice(word: str, known: list[str]) -> str:
    return f"{suggest(word, known)}known are {', '.join(known)}" if known else "no key is known here"


def _culprit(document: YamlDocument, path: Path_, message: str) -> Path_:
    """Find the value a consistency check talks about: the last one below ``path`` that its message quotes."""
    quoted = re.findall(r"'([^']*)'", message) + re.split(r",\s*|:\s*", message)[1:]
    last: dict[str, Path_] = {}
    for place in document.values:
        value = _at(document.data, place)
        if isinstance(value, str) and place[: len(path)] == path:
            last[value] = place
    return next((last[word] for word in reversed(quoted) if word in last), path)


def _at(data: Any, path: Path_) -> Any:
    for step in path:
        data = data[step]
    return data
