"""Left, straight or right, in the words that people and models use for it."""

from __future__ import annotations

from testbed.agents.vlm.free_text.answer import ParsedAnswer, answered, cannot_tell, unparsable
from testbed.agents.vlm.free_text.words import (
    DECLINING_TO_NAME,
    QUESTION,
    Phrases,
    denies,
    outside,
    tokens_of,
)
from testbed.core.perception_tasks import STEERING_CLASSES
from testbed.core.types import Steering

_LEFT, _STRAIGHT, _RIGHT = (STEERING_CLASSES.index(each) for each in (Steering.LEFT, Steering.STRAIGHT, Steering.RIGHT))
_PLACE, _SCENE = -1, -2
"""Meanings of words that hold a direction and give none: a place, which makes the text unsure; the road's course."""

_TABLE = {
    _LEFT: "(left|leftward|leftwards|counterclockwise|anticlockwise|counter clockwise|anti clockwise)",
    _RIGHT: "(right|rightward|rightwards|clockwise)",
    _STRAIGHT: """
        straight( ahead| on| forward|)
        (go|drive|keep going|continue|proceed|move) (ahead|forward)
        no (steering|turn|turning|change|adjustment|correction|steering input)( needed| required| necessary|)
        (do not|don't|no need to|without) (turn|turning|steer|steering)( wheel| steering wheel|)
        (do not|don't|no need to|without) (turn|turning|steer|steering) (left or right|right or left)
        (neither|neither direction|no direction)
        neither (left nor right|right nor left)
        not (left or right|turn left or right|steer left or right|turn|steer)
        (keep|hold|maintain|continue|stay)( on|) (current |your |your current |its |)(course|direction|heading)
        (keep|hold|maintain)( steering|) wheel (steady|centered|centred|neutral|still)
        (keep|hold) (it |)(steady|centered|centred)
        (centered|centred|neutral)( position|)
        zero (steering|degrees)
    """,
    _PLACE: """
        (left|right)( hand|) (lane|lanes|side|line|lines|edge|marking|markings|shoulder|boundary|curb|kerb|border)
        (left|right)( hand|) (half|part|corner)
        right (now|away|direction|way|answer|choice|hand rule|amount|angle|angles)
        (that's|that is|all|is|you're|you are|just) right
        (no|not) straight( ahead|)
        (left|right) of (lane|road|way)
    """,
    _SCENE: """
        (straight|left|right) (road|roads|highway|street|curve|bend|turn ahead)
        (road|lane|highway|street|path|curve|way) (is|goes|runs|continues|looks) (straight|left|right)
        (road|lane|highway|street|path|curve|way)( ahead|) (curves|bends|turns|veers|leads)( slightly|) (left|right)
        (road|lane|highway|street|path|curve|way)( ahead|) (curves|bends|turns|veers|leads)( slightly|) to (left|right)
    """,
}
"""Meaning to patterns, one a line in the notation of `testbed.agents.vlm.free_text.words`."""

STEERING_PHRASES = Phrases((meaning, block.strip().splitlines()) for meaning, block in _TABLE.items())
"""Every phrase that means something, for tests and for people."""


def parse_steering(text: str) -> ParsedAnswer:
    """Read one of three directions; see `testbed.agents.vlm.free_text.parser.parse`."""
    tokens = tokens_of(text)
    found = STEERING_PHRASES.find(tokens)
    declining = DECLINING_TO_NAME.find(tokens)
    if declining:
        named = [one for one in found if not any(d.start <= one.start and one.stop <= d.stop for d in declining)]
        return unparsable("declines and names a direction") if named else cannot_tell("says that it cannot tell")
    if QUESTION in tokens:
        return unparsable("asks back")
    if not found:
        return unparsable("names no direction")
    choices = {one.meaning for one in found} - {_SCENE}
    if not choices:
        return unparsable("tells where the road goes, not where to steer")
    if _PLACE in choices:
        return unparsable("speaks of a place or of being right, not of a direction alone")
    if len(choices) > 1:
        return unparsable(
            "names several directions: " + ", ".join(STEERING_CLASSES[choice] for choice in sorted(choices))
        )
    rest = outside(tokens, found)
    denied = denies(rest)
    if denied is not None:
        return unparsable(f"denies something: {denied!r}")
    if {"or", "either"} & set(rest):
        return unparsable("offers an alternative")
    choice = choices.pop()
    return answered(choice, f"names {STEERING_CLASSES[choice].value!r}")
