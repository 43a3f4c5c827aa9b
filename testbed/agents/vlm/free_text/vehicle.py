"""Is there a car, and where: presence in words and a box in any family's notation."""

from __future__ import annotations

from testbed.agents.vlm.free_text.answer import ParsedAnswer, answered, cannot_tell, unparsable
from testbed.agents.vlm.free_text.boxes import NoBox, fractions, written_boxes
from testbed.agents.vlm.free_text.words import (
    BOUNDARY,
    DECLINING,
    QUESTION,
    Found,
    Phrases,
    denies,
    is_number,
    outside,
    tokens_of,
)

_PRESENT, _ABSENT, _SAYS_NOTHING = 1, 0, -1
_TABLE = {
    _ABSENT: """
        no (car|cars|vehicle|vehicles|automobile|truck)
        no other (car|cars|vehicle|vehicles)
        no( other|) (car|cars|vehicle|vehicles) (is|are|was|were) (detected|visible|present|seen|found)
        no( other|) (car|cars|vehicle|vehicles) (detected|visible|present|seen|found)
        (not|don't|can't|cannot|didn't|couldn't|unable to) (see|detect|find|identify|spot) (car|cars|vehicle|vehicles)
        (not|don't|can't|cannot|didn't|couldn't|unable to) (see|detect|find|identify|spot) any (car|cars|vehicles)
        (car|cars|vehicle|vehicles) (is not|are not|isn't|aren't|not) (detected|visible|present|seen|found)
        (is not|isn't|are not|aren't|are no|is no) (any |)(car|cars|vehicle|vehicles)
        without (any |)(car|cars|vehicle|vehicles)
        none( detected| visible| found|)
        (nothing|not) detected
        (nothing|absent)
        no (detection|detections|object|objects)( found|)
        road is (empty|clear)
    """,
    _PRESENT: """
        (car|cars|vehicle|vehicles|automobile|truck|lorry|bus|van|suv|pickup|taxi|motorcycle|sedan)
        yes
    """,
    _SAYS_NOTHING: """
        (car|vehicle) driver
        (own|ego|my|your|our) (car|vehicle)
        if (car|vehicle) is (detected|present)
    """,
}
"""Meaning to patterns, one a line in the notation of `testbed.agents.vlm.free_text.words`."""

VEHICLE_PHRASES = Phrases((meaning, block.strip().splitlines()) for meaning, block in _TABLE.items())
"""Every phrase that means something, for tests and for people."""


def parse_vehicle(text: str, image_size_px: tuple[int, int], notation: str) -> ParsedAnswer:
    """Read presence and box; see `testbed.agents.vlm.free_text.parser.parse`."""
    try:
        found = written_boxes(text)
        boxes = list(dict.fromkeys(fractions(box, notation, image_size_px) for box in found.boxes))
    except NoBox as error:
        return unparsable(str(error))
    if len(boxes) > 1:
        return unparsable(f"gives {len(boxes)} boxes where one was asked for")
    tokens = tokens_of(found.rest)
    phrases = VEHICLE_PHRASES.find(tokens)
    said = {one.meaning for one in phrases} - {_SAYS_NOTHING}
    if found.empty:
        said.add(_ABSENT)
    if tokens and set(tokens) - {BOUNDARY} == {"no"}:
        said.add(_ABSENT)
        tokens = []
    declining = DECLINING.find(tokens)
    if declining:
        answers = boxes or _ABSENT in said
        return unparsable("declines and answers") if answers else cannot_tell("says that it cannot tell")
    if QUESTION in tokens:
        return unparsable("asks back")
    return _settled(said, boxes, outside(tokens, _led_by_no(tokens, phrases)))


def _led_by_no(tokens: list[str], phrases: list[Found[int]]) -> list[Found[int]]:
    """Return the phrases, and with them a leading "No" before an absence: "No, there is no car" denies nothing."""
    absent = any(one.meaning == _ABSENT for one in phrases)
    if absent and tokens[:1] == ["no"] and not any(one.start == 0 for one in phrases):
        return [Found(0, 1, _ABSENT), *phrases]
    return phrases


def _settled(said: set[int], boxes: list[tuple[float, float, float, float]], rest: list[str]) -> ParsedAnswer:
    """Put words and box together."""
    if boxes:
        said = said | {_PRESENT}
    if len(said) > 1:
        return unparsable("says both that there is a car and that there is none")
    if not said:
        return unparsable("says nothing about a car")
    denied = denies(rest)
    if denied is not None:
        return unparsable(f"denies something: {denied!r}")
    number = next(filter(is_number, rest), None)
    if number is not None:
        return unparsable(f"says a number that belongs to no box: {number}")
    if said == {_ABSENT}:
        return answered(_ABSENT, "says that there is no car")
    if boxes:
        return answered(_PRESENT, "gives a box", boxes[0])
    return answered(_PRESENT, "says that there is a car, and no box")
