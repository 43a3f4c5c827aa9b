"""Replies in a tokenizer's own tokens: what a model would have to say, token by token, to give each answer.

Tokenizers may merge the end of the prompt with the beginning of the reply, so replies are tokenised together with the
words before them, and the tokens at the border that a reply would change are left for it to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from testbed.agents.vlm.checkpoint import Checkpoint
from testbed.agents.vlm.prompted import Ids
from testbed.agents.vlm.readings import CANNOT_TELL, CHOICES, ImagePrompt
from testbed.core.errors import AgentError

OPEN = {("vd", 1)}
"""Task and choice of answers that go on behind their words, here with a box."""
LINE_END = "\n"


def words_of(task: str) -> tuple[str, ...]:
    """Return the closed set of a task with `CANNOT_TELL` at the end."""
    return (*CHOICES[task], CANNOT_TELL)


class ReplyTokens:
    """Tokens of the replies to one kind of conversation.

    Args:
        checkpoint: Whose tokens.
        questions: A conversation; only its words count.
    """

    def __init__(self, checkpoint: Checkpoint, questions: Sequence[ImagePrompt]) -> None:
        """Tokenise the end of the prompt and look up what ends a reply."""
        self._checkpoint = checkpoint
        image_token = checkpoint.processor.image_token
        # PaliGemma's processor puts a line end behind a prompt that has no template
        self._tail = checkpoint.text(questions).rpartition(image_token)[2]
        self._lead, behind = checkpoint.reply_frame(questions)
        self._end = self._first_special(behind)

    def start(self, continuations: Sequence[str]) -> tuple[int, list[Ids]]:
        """Return how many tokens at the prompt's end are left to be said, and those of each continuation."""
        prompt = self._checkpoint.ids(self._tail)
        whole = [self._checkpoint.ids(self._tail + self._lead + words) for words in continuations]
        kept = min(_common(prompt, ids) for ids in whole)
        return len(prompt) - kept, [ids[kept:] for ids in whole]

    def follow(self, said: str, continuations: Sequence[str]) -> list[Ids]:
        """Return the tokens of each continuation behind what was said.

        Raises:
            AgentError: If the tokenizer would have said it otherwise.
        """
        before = self._checkpoint.ids(self._tail + self._lead + said)
        whole = [self._checkpoint.ids(self._tail + self._lead + said + words) for words in continuations]
        if any(ids[: len(before)] != before for ids in whole):
            raise AgentError(f"this tokenizer merges {said[-12:]!r} with what follows, so no line can follow it")
        return [ids[len(before) :] for ids in whole]

    @property
    def end(self) -> Ids:
        """What ends a reply."""
        return (self._end,)

    def _first_special(self, text: str) -> int:
        special = set(self._checkpoint.tokenizer.all_special_ids)
        found: Any = next(
            (token for token in self._checkpoint.ids(text) if token in special), self._checkpoint.tokenizer.eos_token_id
        )
        return int(found)


def _common(one: Ids, other: Ids) -> int:
    """Return how many tokens two sequences begin with alike."""
    return next(
        (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
