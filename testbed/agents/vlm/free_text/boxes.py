"""Boxes in the notations that model families use, read without guessing what their numbers count.

A notation is a form (how the numbers are written) and a scale (what they count). Five forms fix their scale; the
others need a caller who knows the model:

==================  =====================================================  ==========================  ================
notation            form                                                   scale                       families
==================  =====================================================  ==========================  ================
``published``       A car at (x, y), H h, W w; or centre, height, width    fractions                   the paper's
``centre_1000``     the same                                               thousandths
``centre_pixels``   the same                                               pixels
``llava``           [x1, y1, x2, y2]                                       fractions                   LLaVA
``corners_1000``    the same                                               thousandths
``corners_pixels``  the same                                               pixels
``qwen_vl``         <box>(x1,y1),(x2,y2)</box>, <|box_start|> …            thousandths                 Qwen-VL, Qwen2-VL
``internvl``        <box>[[x1, y1, x2, y2]]</box>                          thousandths                 InternVL
``paligemma``       <loc0123> four times: y1 x1 y2 x2                      1024ths                     PaliGemma
``gemini``          JSON, box_2d: [y1, x1, y2, x2]                         thousandths                 Gemma, Gemini
``qwen2_5_vl``      JSON, bbox_2d: [x1, y1, x2, y2]                        pixels                      Qwen2.5-VL
``qwen3_vl``        the same                                               thousandths                 Qwen3-VL
==================  =====================================================  ==========================  ================

``auto`` takes what can be read in one way only: the forms of one scale, and numbers from 0 to 1 with a decimal point.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from testbed.core.geometry import Box

Notation = Literal[
    "auto", "published", "centre_1000", "centre_pixels", "llava", "corners_1000", "corners_pixels", "qwen_vl",
    "internvl", "paligemma", "gemini", "qwen2_5_vl", "qwen3_vl",
]  # fmt: skip
Form = Literal["centre", "corners", "round", "double", "loc", "box_2d", "bbox_2d"]
Scale = Literal["fractions", "1000", "1024", "pixels"]

NOTATIONS: Mapping[str, tuple[Form, Scale]] = {
    "published": ("centre", "fractions"),
    "centre_1000": ("centre", "1000"),
    "centre_pixels": ("centre", "pixels"),
    "llava": ("corners", "fractions"),
    "corners_1000": ("corners", "1000"),
    "corners_pixels": ("corners", "pixels"),
    "qwen_vl": ("round", "1000"),
    "internvl": ("double", "1000"),
    "paligemma": ("loc", "1024"),
    "gemini": ("box_2d", "1000"),
    "qwen2_5_vl": ("bbox_2d", "pixels"),
    "qwen3_vl": ("bbox_2d", "1000"),
}
"""Notation to form and scale."""

ONE_SCALE: Mapping[Form, Scale] = {"round": "1000", "double": "1000", "loc": "1024", "box_2d": "1000"}
"""Forms that say what their numbers count."""

EDGE = 0.005
"""How far a box given by centre and size may reach over the picture's edge, as a fraction: rounding of its numbers."""

VEHICLES = frozenset(
    "car cars vehicle vehicles automobile truck lorry bus van suv pickup taxi motorcycle sedan trailer".split()
)
"""Labels of a box that mean the vehicle that was asked about."""

_N = r"([-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)"
_IS = r"\s*+(?:\([^()]{0,9}\)\s*+)?(?:is|of|at|=|:)?\s*+"
_HEIGHT, _WIDTH = rf"\b(?:height|h)\b{_IS}{_N}", rf"\b(?:width|w)\b{_IS}{_N}"
# possessive, so that a long text of fillers costs no more than its length
_FILL = r"(?:[\s,;:.]|\b(?:and|with|a|its?|the|dimensions|box|bounding|size|of)\b)*+"
_CENTRE = rf"\(\s*(?:x\s*[=:]\s*)?{_N}\s*,\s*(?:y\s*[=:]\s*)?{_N}\s*\)"
_FORMS: Mapping[Form, re.Pattern[str]] = {
    "centre": re.compile(rf"{_CENTRE}{_FILL}(?:{_HEIGHT}{_FILL}{_WIDTH}|{_WIDTH}{_FILL}{_HEIGHT})", re.IGNORECASE),
    "round": re.compile(
        rf"(?:<box>|<\|box_start\|>)\s*\(\s*{_N}\s*,\s*{_N}\s*\)\s*,\s*\(\s*{_N}\s*,\s*{_N}\s*\)\s*(?:</box>|<\|box_end\|>)"
    ),
    "double": re.compile(rf"<box>\s*\[\s*\[\s*{_N}\s*,\s*{_N}\s*,\s*{_N}\s*,\s*{_N}\s*\]\s*\]\s*</box>"),
    "loc": re.compile(r"<loc(\d{4})>\s*<loc(\d{4})>\s*<loc(\d{4})>\s*<loc(\d{4})>"),
    "corners": re.compile(rf"\[\s*{_N}\s*,\s*{_N}\s*,\s*{_N}\s*,\s*{_N}\s*\]"),
}
_JSON_KEYS: Mapping[str, Form] = {"box_2d": "box_2d", "bbox_2d": "bbox_2d"}
_FENCE = re.compile(r"```(?:json)?")


class NoBox(ValueError):
    """Raised inside this package when numbers are no box; says why."""


@dataclass(frozen=True, slots=True)
class WrittenBox:
    """Four numbers as they were written.

    Attributes:
        form: How.
        numbers: In the order of the form.
        decimal: Whether one of them has a decimal point.
    """

    form: Form
    numbers: tuple[float, float, float, float]
    decimal: bool

    @property
    def looks_like_fractions(self) -> bool:
        """Whether the numbers can be nothing but fractions of the picture."""
        return self.decimal and all(0.0 <= value <= 1.0 for value in self.numbers)


@dataclass(frozen=True, slots=True)
class BoxText:
    """What a text says in boxes.

    Attributes:
        boxes: Those of vehicles and those without a label, each once, in order.
        rest: The text without them.
        empty: Whether it is an empty list: nothing was detected.
    """

    boxes: tuple[WrittenBox, ...]
    rest: str
    empty: bool = False


def written_boxes(text: str) -> BoxText:
    """Return the boxes of a text in whatever form they are written, and what is left of the text.

    Raises:
        NoBox: JSON that lists things, none of which is a labelled or unlabelled vehicle's box.
    """
    plain = _FENCE.sub(" ", text)
    structured = _json_boxes(plain)
    if structured is not None:
        return structured
    boxes: list[WrittenBox] = []
    for form, pattern in _FORMS.items():

        def take(match: re.Match[str], form: Form = form) -> str:
            boxes.append(_written(form, match))
            return " "

        plain = pattern.sub(take, plain)
    return BoxText(tuple(dict.fromkeys(boxes)), plain)


def _written(form: Form, match: re.Match[str]) -> WrittenBox:
    words = [group for group in match.groups() if group is not None]
    if form == "centre" and match.group(5) is not None:
        # width before height
        words[2], words[3] = words[3], words[2]
    a, b, c, d = (float(word) for word in words)
    return WrittenBox(form, (a, b, c, d), any("." in word for word in words))


def _json_boxes(text: str) -> BoxText | None:
    """Return what JSON with ``bbox_2d`` or ``box_2d`` says; None for a text that holds no such thing."""
    start = min((at for at in (text.find("["), text.find("{")) if at >= 0), default=-1)
    if start < 0:
        return None
    try:
        content, length = json.JSONDecoder().raw_decode(text[start:])
    except (ValueError, RecursionError):
        return None
    rest = text[:start] + " " + text[start + length :]
    if content == []:
        return BoxText((), rest, empty=True)
    entries = content if isinstance(content, list) else [content]
    if not all(isinstance(entry, dict) for entry in entries):
        return None
    boxes = tuple(dict.fromkeys(_entry_boxes(entries)))
    if not boxes:
        raise NoBox("lists things without a vehicle's box")
    return BoxText(boxes, rest)


def _entry_boxes(entries: Sequence[Mapping[str, object]]) -> Iterator[WrittenBox]:
    for entry in entries:
        label = str(entry.get("label", "car")).casefold()
        if not VEHICLES & set(re.findall(r"[a-z]+", label)):
            continue
        for key, form in _JSON_KEYS.items():
            if key not in entry:
                continue
            values = entry[key]
            if not isinstance(values, list) or len(values) != 4:
                raise NoBox(f"{key} is no list of four numbers")
            numbers = [_number(value) for value in values]
            decimal = any(isinstance(value, float) for value in values)
            yield WrittenBox(form, (numbers[0], numbers[1], numbers[2], numbers[3]), decimal)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NoBox("a box holds something that is no number")
    try:
        return float(value)
    except OverflowError:
        raise NoBox("a number of the box is not finite") from None


def fractions(box: WrittenBox, notation: str, size_px: tuple[int, int]) -> Box:
    """Return a box as (centre x, centre y, height, width) in fractions of the picture.

    Args:
        box: What was written.
        notation: One of `NOTATIONS`, or ``auto``.
        size_px: (width, height) of the picture as the model counts it.

    Raises:
        NoBox: It is in another notation, its scale is not certain, or it is no box inside the picture.
    """
    scale = _scale(box, notation)
    if not all(math.isfinite(value) for value in box.numbers):
        raise NoBox("a number of the box is not finite")
    per = {"fractions": (1.0, 1.0), "1000": (1000.0, 1000.0), "1024": (1024.0, 1024.0)}
    across, down = per.get(scale, (float(size_px[0]), float(size_px[1])))
    a, b, c, d = box.numbers
    if box.form == "centre":
        return _inside(a / across, b / down, c / down, d / across)
    left, top, right, bottom = (b, a, d, c) if box.form in ("loc", "box_2d") else (a, b, c, d)
    left, top, right, bottom = left / across, top / down, right / across, bottom / down
    if not (0.0 <= left < right <= 1.0 and 0.0 <= top < bottom <= 1.0):
        raise NoBox("the box is empty or reaches out of the picture")
    return (left + right) / 2.0, (top + bottom) / 2.0, bottom - top, right - left


def _scale(box: WrittenBox, notation: str) -> Scale:
    if notation == "auto":
        if box.form in ONE_SCALE:
            return ONE_SCALE[box.form]
        if box.looks_like_fractions:
            return "fractions"
        raise NoBox("the box may count pixels or thousandths; name the model's notation")
    form, scale = NOTATIONS[notation]
    if form != box.form:
        raise NoBox(f"the box is not in the notation {notation!r}")
    return scale


def _inside(x: float, y: float, height: float, width: float) -> Box:
    """Return a box given by its centre, cut at the picture's edge where rounding led over it."""
    left, right, top, bottom = x - width / 2.0, x + width / 2.0, y - height / 2.0, y + height / 2.0
    if not (height > 0.0 and width > 0.0 and min(left, top) >= -EDGE and max(right, bottom) <= 1.0 + EDGE):
        raise NoBox("the box is empty or reaches out of the picture")
    if min(left, top) >= 0.0 and max(right, bottom) <= 1.0:
        return x, y, height, width
    left, top, right, bottom = max(left, 0.0), max(top, 0.0), min(right, 1.0), min(bottom, 1.0)
    if not (left < right and top < bottom):
        raise NoBox("the box is empty or reaches out of the picture")
    return (left + right) / 2.0, (top + bottom) / 2.0, bottom - top, right - left
