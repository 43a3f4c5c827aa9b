"""From text to words, and phrases found in them: the longest one wins over those inside it.

A phrase stands in a table in a tiny notation: ``(a|b)`` is either, an empty side makes it optional, ``#`` is any
number. ``(give|yield to) way( sign|)`` is four phrases. Articles are dropped on both sides.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

BOUNDARY = "|"
"""Stands between sentences and clauses; no phrase reaches across it."""
QUESTION = "?"
NUMBER = "#"

_ARTICLES = frozenset({"a", "an", "the"})
_APOSTROPHES = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "`": " ", "*": " ", "_": " "})
_UNIT = re.compile(
    r"(?<![a-z])(?:km\s*/\s*h|km\s*h|kmh|kph|km\s+per\s+hour|kilomet(?:er|re)s?\s+(?:per|an)\s+hour)(?![a-z])"
)
_MILES = re.compile(r"(?<![a-z])(?:mph|mi\s*/\s*h|miles?\s+(?:per|an)\s+hour)(?![a-z])")
_TOKEN = re.compile(r"\d+(?:[.,]\d+)?|[a-z]+(?:'[a-z]+)?|[?]|[.,;!:\n]|[^\s\w]|\w")
_BREAKS = frozenset(".,;!\n")


def tokens_of(text: str) -> list[str]:
    """Return a text as words, numbers, `BOUNDARY` and `QUESTION`, lower case, without articles and decoration."""
    plain = unicodedata.normalize("NFKC", text).casefold().translate(_APOSTROPHES)
    plain = _MILES.sub(" mph ", _UNIT.sub(" kmh ", plain))
    plain = re.sub(r"(?<=\d)(?=[a-z])", " ", plain)
    found: list[str] = []
    for token in _TOKEN.findall(plain):
        if token in _ARTICLES:
            continue
        if token in _BREAKS:
            found.append(BOUNDARY)
        elif token == QUESTION or token[0].isalnum():
            found.append(token.replace(",", "."))
    return found


def is_number(token: str) -> bool:
    """Tell whether a token is a number."""
    return token[0].isdecimal()


def expand(pattern: str) -> Iterator[str]:
    """Yield every phrase of a pattern."""
    parts = re.split(r"\(([^()]*)\)", pattern)
    sides = [part.split("|") if index % 2 else [part] for index, part in enumerate(parts)]
    for chosen in itertools.product(*sides):
        yield " ".join("".join(chosen).split())


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """One phrase found in a text.

    Attributes:
        start: Index of its first token.
        stop: Index behind its last one.
        meaning: What the table says it means.
        numbers: Numbers in it, in order.
    """

    start: int
    stop: int
    meaning: T
    numbers: tuple[str, ...] = ()


class Phrases(Generic[T]):
    """A table of phrases, each with its meaning.

    Args:
        table: (meaning, patterns) pairs.

    Raises:
        ValueError: A phrase has two meanings.
    """

    def __init__(self, table: Iterable[tuple[T, Sequence[str]]]) -> None:
        """Expand all patterns."""
        self.meanings: dict[str, T] = {}
        """Phrase to meaning, as written: with articles dropped and ``#`` for numbers."""
        self._by_tokens: dict[tuple[str, ...], T] = {}
        for meaning, patterns in table:
            for phrase in itertools.chain.from_iterable(expand(pattern) for pattern in patterns):
                tokens = tuple(NUMBER if is_number(word) else word for word in _phrase_tokens(phrase))
                if self._by_tokens.setdefault(tokens, meaning) != meaning:
                    raise ValueError(f"phrase {phrase!r} has two meanings")
                self.meanings[phrase] = meaning
        self._longest = max(map(len, self._by_tokens), default=0)

    def find(self, tokens: Sequence[str]) -> list[Found[T]]:
        """Return all phrases in a text but those inside a longer one."""
        plain = tuple(NUMBER if is_number(token) else token for token in tokens)
        every = []
        for start in range(len(plain)):
            for length in range(min(self._longest, len(plain) - start), 0, -1):
                meaning = self._by_tokens.get(plain[start : start + length])
                if meaning is not None:
                    numbers = tuple(token for token in tokens[start : start + length] if is_number(token))
                    every.append(Found(start, start + length, meaning, numbers))
                    break
        kept: list[Found[T]] = []
        for one in every:
            # starts rise, so only what was found before can reach beyond the end of this one
            if not kept or one.stop > kept[-1].stop:
                kept.append(one)
        return kept


def _phrase_tokens(phrase: str) -> list[str]:
    return [word for word in phrase.split() if word not in _ARTICLES]


def outside(tokens: Sequence[str], found: Iterable[Found[T]]) -> list[str]:
    """Return the tokens that no phrase covers."""
    covered = {index for one in found for index in range(one.start, one.stop)}
    return [token for index, token in enumerate(tokens) if index not in covered]


_NEGATIONS = frozenset(
    "not no never neither nor none without except unlike cannot isn't aren't wasn't doesn't don't didn't won't can't "
    "couldn't shouldn't wouldn't mustn't ain't isnt doesnt dont cant instead rather unless excluding otherwise".split()
)


def denies(rest: Iterable[str]) -> str | None:
    """Return a word of denial among tokens, None without one."""
    return next((token for token in rest if token in _NEGATIONS), None)


_CANT = "(cannot|can not|can't|could not|couldn't|unable to|not able to|not possible to|impossible to|am not able to)"
_NOT_SURE = "(not sure|unsure|not certain|uncertain|not clear|unclear|not confident)"
_DECLINES = (
    f"{_CANT} (tell|say|determine|decide|judge|know|answer|assist|help|be determined|be sure|comment|provide)",
    f"{_CANT} be (identified|recognized|recognised|determined|answered)",
    f"(i'm|i am|it is|it's|) {_NOT_SURE}",
    "(do not|don't|dont|does not|doesn't) know",
    "(unknown|undetermined|indeterminate|unanswerable|inconclusive)",
    "(not enough|insufficient|no) (information|detail|evidence|context)",
    "(i'm |i am |)sorry",
    "as (an |)ai( language|) model",
    "not (answerable|determinable)",
)
_UNREADABLE = (
    f"{_CANT} (see|identify|recognize|recognise|read|make out|discern|distinguish|detect)",
    "(do not|don't) (see|recognize|recognise)",
    "(not|isn't) (visible|legible|readable|recognizable|recognisable|identifiable|shown|present)",
    "(illegible|unreadable|unrecognizable|unrecognisable|unidentifiable|indistinct)",
    "too (blurry|blurred|dark|small|far away)( to tell| to see| to read| to identify| to recognize| to recognise|)",
    "no (traffic |road |street |)(sign|signs|road|lane|lanes)( is|) (visible|detected|shown|present)",
    "no (traffic |road |street |)(sign|signs|road|lane|lanes)",
)
DECLINING = Phrases([(True, _DECLINES)])
"""Phrases that decline to answer any question."""
DECLINING_TO_NAME = Phrases([(True, (*_DECLINES, *_UNREADABLE))])
"""The same with those that say the thing in question cannot be made out, which for a car would mean there is none."""


def phrases_of(table: Mapping[T, Sequence[str]]) -> Phrases[T]:
    """Return the phrases of a mapping from meaning to patterns."""
    return Phrases(table.items())
