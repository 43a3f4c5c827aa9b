"""The 43 sign classes by name, with synonyms and spellings of the field (`testbed.agents.vlm.free_text.sign_words`)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from testbed.agents.vlm.free_text import sign_words
from testbed.agents.vlm.free_text.answer import ParsedAnswer, answered, cannot_tell, unparsable
from testbed.agents.vlm.free_text.words import (
    DECLINING_TO_NAME,
    QUESTION,
    Found,
    Phrases,
    denies,
    expand,
    is_number,
    outside,
    tokens_of,
)
from testbed.core.gtsrb import SIGN_NAMES, SPEED_LIMIT_KMH

LIMIT, END_OF_A_LIMIT, NO_CLASS = "limit", "end of a limit", "no class"
Meaning = int | str
"""A class, `LIMIT` and `END_OF_A_LIMIT` (the number says which), or `NO_CLASS`."""

_OF_LIMIT = {kmh: class_id for class_id, kmh in SPEED_LIMIT_KMH.items()}
_OF_END = {80.0: 6}


def _table() -> Phrases[Meaning]:
    taken: list[tuple[Meaning, list[str]]] = [
        *((class_id, _patterns(block)) for class_id, block in sign_words.CLASSES.items()),
        (LIMIT, _patterns(sign_words.LIMIT)),
        (END_OF_A_LIMIT, _patterns(sign_words.END_OF_LIMIT)),
    ]
    named = Phrases(taken).meanings
    others = [phrase for pattern in _patterns(sign_words.OTHERS) for phrase in expand(pattern) if phrase not in named]
    return Phrases([*taken, (NO_CLASS, others)])


def _patterns(block: str) -> list[str]:
    return [line.strip().replace("TRUCKS", sign_words.TRUCKS) for line in block.splitlines() if line.strip()]


SIGN_PHRASES = _table()
"""Every phrase that means something, for tests and for people."""


def class_of(found: Found[Meaning]) -> int | None:
    """Return the class that a phrase means; None where it is no class, for instance a limit of 40 km/h."""
    if isinstance(found.meaning, int):
        return found.meaning if set(found.numbers) <= {"3.5"} else None
    of_number = {LIMIT: _OF_LIMIT, END_OF_A_LIMIT: _OF_END}.get(found.meaning, {})
    return of_number.get(float(found.numbers[-1])) if found.numbers else None


def parse_sign(text: str) -> ParsedAnswer:
    """Read the name of one of the 43 classes; see `testbed.agents.vlm.free_text.parser.parse`."""
    tokens = tokens_of(text)
    whole = sign_words.WHOLE.get(" ".join(token for token in tokens if token not in ("|", "sign")))
    if whole is not None:
        return answered(whole, f"names {SIGN_NAMES[whole]!r}")
    declining = DECLINING_TO_NAME.find(tokens)
    found = SIGN_PHRASES.find(tokens)
    if declining:
        named = [one for one in found if not any(d.start <= one.start and one.stop <= d.stop for d in declining)]
        return unparsable("declines and names a sign") if named else cannot_tell("says that it cannot tell")
    if QUESTION in tokens:
        return unparsable("asks back")
    if not found:
        return unparsable("names no sign of the 43")
    if any(one.stop > following.start for one, following in itertools.pairwise(found)):
        return unparsable("can be read in two ways")
    classes = {class_of(one) for one in found}
    if None in classes:
        return unparsable("names a sign that is none of the 43")
    if len(classes) > 1:
        return unparsable("names several signs: " + ", ".join(sorted(SIGN_NAMES[c] for c in classes if c is not None)))
    class_id = classes.pop()
    assert class_id is not None
    doubt = _doubt(class_id, outside(tokens, found))
    return unparsable(doubt) if doubt else answered(class_id, f"names {SIGN_NAMES[class_id]!r}")


_ENDS = frozenset("end ends ended ending lifted cancelled canceled".split())
_DIRECTIONS = frozenset("left right straight both".split())
_OF_DIRECTION = frozenset({19, 20, 24, 33, 34, 35, 36, 37, 38, 39})


def _doubt(class_id: int, rest: Sequence[str]) -> str:
    """Return why the words around the one class that was named leave it open, or an empty string."""
    denied = denies(rest)
    if denied is not None:
        return f"denies something: {denied!r}"
    number = next(filter(is_number, rest), None)
    if number is not None:
        return f"says a number besides: {number}"
    if {"or", "either"} & set(rest):
        return "offers an alternative"
    if _ENDS & set(rest):
        return "speaks of an end"
    if class_id in _OF_DIRECTION and _DIRECTIONS & set(rest):
        return "says a direction besides"
    return ""
