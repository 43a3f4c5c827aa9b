"""What a server answered: its text, and the log-probabilities of its tokens where it gives them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class MalformedReplyError(ValueError):
    """Raised inside this package when a reply is not what the protocol says; says why."""


@dataclass(frozen=True, slots=True)
class ScoredToken:
    """A token of the reply with the natural logarithm of its probability."""

    text: str
    logprob: float


@dataclass(frozen=True, slots=True)
class ChatReply:
    """The first choice of a chat completion.

    Attributes:
        text: What was said.
        cut: Whether it ended because the longest reply was reached.
        tokens: Tokens in order; None where the server gives none.
    """

    text: str
    cut: bool = False
    tokens: tuple[ScoredToken, ...] | None = None

    @classmethod
    def of(cls, content: object) -> ChatReply:
        """Read the JSON object of a chat completion.

        Raises:
            MalformedReplyError: It is none.
        """
        try:
            choice = content["choices"][0]  # type: ignore[index]
            text = choice["message"]["content"]
            reason = choice.get("finish_reason")
            scores = (choice.get("logprobs") or {}).get("content")
            tokens = None if scores is None else tuple(_token(entry) for entry in scores)
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise MalformedReplyError(f"it is no chat completion ({type(error).__name__})") from None
        if text is None:
            text = choice["message"].get("refusal") or ""
        if not isinstance(text, str):
            raise MalformedReplyError("its content is no text")
        return cls(text, reason == "length", tokens)

    def to_json(self) -> str:
        """Return it as text for a record."""
        tokens = None if self.tokens is None else [[token.text, token.logprob] for token in self.tokens]
        return json.dumps({"text": self.text, "cut": self.cut, "tokens": tokens}, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> ChatReply:
        """Read what ``to_json`` wrote.

        Raises:
            MalformedReplyError: It did not write this.
        """
        try:
            stored = json.loads(text)
            tokens = stored["tokens"]
            scored = None if tokens is None else tuple(ScoredToken(str(a), float(b)) for a, b in tokens)
            return cls(str(stored["text"]), bool(stored["cut"]), scored)
        except (KeyError, TypeError, ValueError) as error:
            raise MalformedReplyError(f"it is no recorded reply ({type(error).__name__})") from None

    def probability(self, start: int, stop: int) -> float | None:
        """Return the probability of the characters from ``start`` to ``stop``: of all tokens that they touch.

        Returns:
            The product of the tokens' probabilities, 0-1; None where the server gives none, or where its tokens do not
            spell the text.
        """
        if self.tokens is None:
            return None
        total, at, reached = 0.0, _begin(self.text, self.tokens), False
        if at is None:
            return None
        for token in self.tokens:
            end = at + len(token.text)
            if at < stop and end > start:
                total, reached = total + token.logprob, True
            at = end
        return min(1.0, math.exp(total)) if reached else None

    def whole_probability(self) -> float:
        """Return the probability of the whole reply, 0-1; 0 where the server gives none."""
        return 0.0 if self.tokens is None else min(1.0, math.exp(sum(token.logprob for token in self.tokens)))


def _begin(text: str, tokens: tuple[ScoredToken, ...]) -> int | None:
    """Return where the first token lies relative to the text (0 or less), None where tokens do not spell it."""
    spelt = "".join(token.text for token in tokens)
    # servers strip blanks around the text, and list tokens of control behind it
    where = spelt.find(text)
    return None if where < 0 or spelt[:where].strip() else -where


def _token(entry: Mapping[str, Any]) -> ScoredToken:
    value = float(entry["logprob"])
    if math.isnan(value):
        raise MalformedReplyError("a log-probability is not a number")
    # minus infinity, which JSON cannot carry, stands for a probability of zero
    return ScoredToken(str(entry["token"]), max(min(value, 0.0), -1e4))
