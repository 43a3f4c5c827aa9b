"""What no picture answers: questions about things not shown, words without meaning, and blank pictures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

UNKNOWABLE, NONSENSE = "unknowable", "nonsense"
"""Names under which such questions are counted beside the kinds of the registry."""

_UNKNOWABLE: dict[str, tuple[str, ...]] = {
    "train": (
        "What is the driver's name?",
        "How old is the driver?",
        "What did the driver have for breakfast?",
        "Which music is playing in the car?",
        "How much did this car cost?",
        "What is the weather going to be tomorrow?",
        "How full is the fuel tank?",
        "Who owns the vehicle?",
        "What is the phone number of the driver?",
        "Where does this trip end?",
        "Which colour are the driver's shoes?",
        "How many people sit in this car?",
        "What does the number plate behind you say?",
        "Is the engine too hot?",
        "When was the road built?",
        "What is the name of the nearest shop?",
        "Who won the football match yesterday?",
        "How many kilometres has the car driven this year?",
        "What is the capital of France?",
        "Is the driver tired?",
        "Which month is it?",
        "Does the passenger speak French?",
        "What is in the boot of the car?",
        "How long has the driver had a licence?",
    ),
    "test": (
        "What is the name of the passenger?",
        "How much money is in the driver's wallet?",
        "Which film did the driver see last night?",
        "What is the tyre pressure?",
        "Who painted the house behind you?",
        "At what hour did the driver get up?",
        "What is the square root of the driver's age?",
        "Does the driver own a dog?",
    ),
}

HELD_OUT_SYLLABLES: tuple[str, ...] = (
    *("ach", "bru", "dwe", "fip", "gol", "hus", "jor", "kra", "mip", "nol", "oft", "spu", "trog", "vim", "yeb"),
)
"""Of the invented words that training never sees."""
_ONSETS = (
    *("b", "c", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "qu", "r", "s", "t", "v", "w", "x", "y", "z", ""),
    *("bl", "br", "ch", "cl", "cr", "dr", "fl", "fr", "gl", "gn", "gr", "kn", "pl", "pr", "sc", "sh", "sk", "sl", "sm"),
    *("sn", "sp", "st", "str", "sw", "th", "thr", "tr", "tw", "wr"),
)
_VOWELS = ("a", "e", "i", "o", "u", "y", "ai", "ea", "ee", "oo", "ou")
_ENDS = (
    *("", "", "b", "ck", "d", "f", "ft", "g", "k", "l", "lk", "lt", "m", "mp", "n", "nd", "ng", "nk", "nt", "p", "r"),
    *("rb", "rd", "rk", "s", "sh", "sk", "st", "t", "th", "v", "w", "x", "z", "zz"),
)

BLANKS: tuple[str, ...] = ("black", "grey", "noise")
"""What a blank picture may be."""


def unknowable(split: str) -> tuple[str, ...]:
    """Return the questions of a split about things that no picture shows."""
    return _UNKNOWABLE[split]


def invented(split: str, rng: np.random.Generator) -> str:
    """Return a word of one to three syllables without meaning; splits share no syllable."""
    syllable = _held_out_syllable if split == "test" else _syllable
    return "".join(syllable(rng) for _ in range(int(rng.integers(1, 4))))


def _held_out_syllable(rng: np.random.Generator) -> str:
    return HELD_OUT_SYLLABLES[int(rng.integers(len(HELD_OUT_SYLLABLES)))]


def _syllable(rng: np.random.Generator) -> str:
    """Return one of the thousands that can be spoken: of fifteen, a model learns the fifteen."""
    while True:
        parts = (of[int(rng.integers(len(of)))] for of in (_ONSETS, _VOWELS, _ENDS))
        found = "".join(parts)
        if found not in HELD_OUT_SYLLABLES:
            return found


def nonsense(split: str, rng: np.random.Generator) -> str:
    """Return two to seven invented words with a question mark; splits share no syllable."""
    words = [invented(split, rng) for _ in range(int(rng.integers(2, 8)))]
    return " ".join([words[0].capitalize(), *words[1:]]) + "?"


def blank_picture(kind: str, height_px: int, width_px: int, seed: int = 0) -> NDArray[np.uint8]:
    """Return a picture without content, shape (height_px, width_px, 3), RGB.

    Args:
        kind: One of `BLANKS`.
        height_px: Of the picture.
        width_px: Of the picture.
        seed: Of the noise.
    """
    shape = (height_px, width_px, 3)
    if kind == "noise":
        return np.random.default_rng([seed, 77]).integers(0, 256, shape, dtype=np.uint8)
    return np.full(shape, {"black": 0, "grey": 128}[kind], np.uint8)
