"""A box that a model can only write in the published words: every token is held to a pattern of characters.

The pattern is ``(0.531, 0.402), H 0.101, W 0.082``: centre, height and width as fractions of the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from testbed.agents.vlm.prompted import Ids
from testbed.core.types import Box

PATTERN = " (0.ddd, 0.ddd), H 0.ddd, W 0.ddd"
"""What follows ``A car at``; ``d`` is a digit."""
_WORD_STARTS = str.maketrans({"Ġ": " ", "▁": " "})


class BoxPattern:
    """The tokens that may follow while a box is written.

    Args:
        tokenizer: Of the model.
    """

    def __init__(self, tokenizer: Any) -> None:
        """Look at the vocabulary later."""
        self._tokenizer = tokenizer

    @cached_property
    def _texts(self) -> dict[int, str]:
        """Tokens that consist of the pattern's characters alone, as the text they stand for."""
        known = set(PATTERN) - {"d"} | set("0123456789")
        words = ((token, word.translate(_WORD_STARTS)) for word, token in self._tokenizer.get_vocab().items())
        special = set(self._tokenizer.all_special_ids)
        return {token: word for token, word in words if word and token not in special and set(word) <= known}

    @cached_property
    def _at(self) -> list[list[int]]:
        """Tokens that fit the pattern from each of its places on."""
        return [
            [token for token, word in self._texts.items() if _fits(word, PATTERN[place : place + len(word)])]
            for place in range(len(PATTERN))
        ]

    def allowed(self, said: Ids) -> Sequence[int]:
        """Return the tokens that may follow, none when the box is complete."""
        place = sum(len(self._texts[token]) for token in said)
        return self._at[place] if place < len(PATTERN) else ()

    def box(self, said: Ids) -> Box:
        """Return (centre x, centre y, height, width) of a complete box."""
        text = "".join(self._texts[token] for token in said)
        places = [place for place in range(len(PATTERN)) if PATTERN.startswith("0.ddd", place)]
        x, y, h, w = (float(text[place : place + 5]) for place in places)
        return x, y, h, w

    def text(self, said: Ids) -> str:
        """Return the words that the tokens stand for."""
        return "".join(self._texts[token] for token in said)


def _fits(word: str, pattern: str) -> bool:
    return len(word) == len(pattern) and all(
        letter == wanted or (wanted == "d" and letter.isdigit()) for letter, wanted in zip(word, pattern, strict=True)
    )
