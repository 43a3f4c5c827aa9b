"""The same question in other words: what training asks is to be read, not to be known by heart.

Phrases that mean the same take each other's places, words that say nothing are put in, and some questions stand in a
sentence of their own. Each of the few wordings of a kind becomes thousands. In some a word is missing or is one that
nobody knows: who reads for what a question is about still understands it.
"""

from __future__ import annotations

import re
from functools import cache

import numpy as np

from testbed.training.data.questions.unanswerable import invented

SWAPPED_SHARE = 0.4
"""Share of the phrases with others of their meaning that are exchanged."""
FILLED_SHARE = 0.25
DRESSED_SHARE = 0.3
WORN_SHARE = 0.3
PLAIN_SHARE = 0.25
"""Share of the questions that are left as they are."""

SAME: tuple[tuple[str, ...], ...] = (
    ("picture", "image", "photo", "photograph", "frame", "shot", "scene", "camera picture"),
    ("car", "vehicle", "automobile", "motor vehicle"),
    ("ahead of you", "in front of you", "before you", "in front of the ego vehicle", "in front of your own car"),
    ("ahead", "in front", "further on", "up front"),
    ("give", "provide", "state", "report", "tell me", "supply", "return", "write down", "indicate", "specify"),
    ("say", "tell", "report", "state", "indicate"),
    ("which", "what"),
    ("traffic sign", "road sign", "sign", "street sign", "roadside sign"),
    ("is shown", "is depicted", "is displayed", "can be seen", "appears", "is visible", "is pictured"),
    ("do you see", "can you see", "do you notice", "do you make out", "can you make out", "do you perceive"),
    ("identify", "recognize", "recognise", "determine", "classify", "work out", "make out"),
    ("find", "locate", "localise", "detect", "spot", "pinpoint"),
    ("steering wheel", "wheel"),
    ("direction", "way"),
    ("steer", "turn the wheel", "turn the steering wheel", "move the wheel"),
    ("should you", "do you have to", "must you", "ought you to", "would you", "do you need to"),
    ("bounding box", "box", "rectangle", "enclosing box", "frame around it"),
    ("centre", "center", "middle", "midpoint"),
    ("size", "dimensions", "extent", "height and width", "width and height"),
    ("coordinates", "position", "location", "place"),
    ("if there is one", "if there is any", "if one is there", "in case there is one", "provided there is one"),
    ("road", "street", "carriageway"),
    ("driver", "motorist", "person at the wheel"),
    ("now", "at this moment", "at present", "currently"),
    ("kind", "type", "sort", "category"),
    ("class", "name", "label"),
    ("shown", "depicted", "displayed", "pictured", "presented", "seen"),
    ("contains", "shows", "presents", "depicts"),
    ("choose", "pick", "select"),
    ("surrounds", "encloses", "frames", "fits"),
    ("answer", "reply", "respond"),
    ("called", "named"),
    ("correct", "proper", "appropriate", "suitable"),
    ("is there", "does there appear", "is there to be seen"),
    ("colour", "color"),
    ("how many", "what number of"),
    ("lane", "driving lane", "traffic lane"),
    ("meaning", "message", "significance"),
    ("follow", "stay on", "keep to"),
    ("what is", "what's", "could you tell what is"),
    ("drives", "travels", "goes", "runs"),
    ("is it", "is this", "might this be", "could it be"),
    ("sky", "sky above"),
    ("near", "close"),
)
"""Phrases of which each may stand for any other of its row."""

_DECISIVE = frozenset(
    ("left", "right", "straight", "not", "no", "bend", "curve", "steer", "wheel", "sign", "box", "car")
)
_FILLERS: tuple[str, ...] = (
    "please", "exactly", "actually", "kindly", "then", "well", "precisely", "perhaps", "overall", "roughly", "simply",
    "first", "today", "clearly", "indeed", "again", "just", "really", "in your opinion", "as you see it", "for me",
    "in this case", "by looking at it", "from what you see", "as far as you can tell", "in the given picture",
)  # fmt: skip
_DRESSES: tuple[str, ...] = (
    "Look at the picture. {}", "Please answer: {}", "{} Answer briefly.", "Question: {}", "{} Be brief.",
    "Here is a picture. {}", "Consider the image. {}", "I want to know: {}", "{} Reply in few words.", "Task: {}",
    "You see a photo. {}", "{} Give only the answer.", "Next question. {}", "A question about the scene: {}",
    "{} Thank you.", "Think of what you see. {}", "You are the driver. {}", "Help me: {}", "{} That is all.",
)  # fmt: skip


def reworded(text: str, rng: np.random.Generator, never: frozenset[str] = frozenset()) -> str:
    """Return a question in other words, or as it is.

    Args:
        text: The question.
        rng: Source of chance.
        never: Wordings that are held out; the question stays as it is rather than become one of them.
    """
    if rng.random() < PLAIN_SHARE:
        return text
    found = _swapped(text, rng)
    if rng.random() < FILLED_SHARE:
        found = _filled(found, rng)
    if rng.random() < WORN_SHARE:
        found = _worn(found, rng)
    if rng.random() < DRESSED_SHARE:
        found = _DRESSES[int(rng.integers(len(_DRESSES)))].format(found)
    return text if found in never else found


def words() -> list[str]:
    """Return all that may be put in: what a tokenizer of one's own has to know."""
    return [*(phrase for row in SAME for phrase in row), *_FILLERS, *(dress.format("") for dress in _DRESSES)]


def _swapped(text: str, rng: np.random.Generator) -> str:
    rows, pattern = _phrases()

    def other(match: re.Match[str]) -> str:
        said = match.group(0)
        if rng.random() >= SWAPPED_SHARE:
            return said
        row = SAME[rows[said.lower()]]
        chosen = row[int(rng.integers(len(row)))]
        return chosen[0].upper() + chosen[1:] if said[0].isupper() else chosen

    return pattern.sub(other, text)


@cache
def _phrases() -> tuple[dict[str, int], re.Pattern[str]]:
    """Return phrase to row, a phrase of several rows to the first, and what finds the longest ones."""
    rows: dict[str, int] = {}
    for number, row in enumerate(SAME):
        for phrase in row:
            rows.setdefault(phrase, number)
    longest_first = sorted(rows, key=len, reverse=True)
    return rows, re.compile(r"\b(?:" + "|".join(map(re.escape, longest_first)) + r")\b", re.IGNORECASE)


def _worn(text: str, rng: np.random.Generator) -> str:
    """Leave out or replace about one word in eight, but none of those that make it another question."""
    found = []
    for word in text.split(" "):
        chance = 1.0 if set(re.findall(r"[a-z]+", word.lower())) & _DECISIVE else rng.random()
        if chance < 0.06:
            continue
        found.append(invented("train", rng) if chance < 0.12 else word)
    return " ".join(found) if len(found) > 1 else text


def _filled(text: str, rng: np.random.Generator) -> str:
    words = text.split(" ")
    filler = _FILLERS[int(rng.integers(len(_FILLERS)))]
    place = int(rng.integers(len(words)))
    if place == 0:
        return f"{filler[0].upper()}{filler[1:]}, {text[0].lower()}{text[1:]}"
    return " ".join([*words[:place], filler, *words[place:]])
