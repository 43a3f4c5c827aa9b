"""The way to answer called ``choose``: the closed set scored token by token over the conversation, read once.

The probability of an answer is the product of the probabilities of its tokens up to the end of the reply (or of its
line), renormalised over the closed set; nothing is sampled and nothing is parsed. A box is written greedily, held to
the published words. Several questions are answered in order, each with the answers before it in the conversation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from testbed.agents.vlm import prompted
from testbed.agents.vlm.checkpoint import Checkpoint
from testbed.agents.vlm.conversation import label
from testbed.agents.vlm.prompted import Ids, Prompted
from testbed.agents.vlm.readings import ConversationReader, ImagePrompt, Reading
from testbed.agents.vlm.reply_tokens import LINE_END, OPEN, ReplyTokens, words_of
from testbed.agents.vlm.spelled_box import PATTERN, BoxPattern


class ClosedSetReader(ConversationReader):
    """Ask one checkpoint by scoring.

    Args:
        checkpoint: Whom.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        """Keep the checkpoint."""
        self.checkpoint = checkpoint
        self._pattern = BoxPattern(checkpoint.tokenizer)

    def read_batch(self, conversations: Sequence[Sequence[ImagePrompt]]) -> list[list[Reading]]:
        """Answer several conversations of the same words, read in one prefill.

        Raises:
            AgentError: If the processor refuses a picture or an answer is not a number.
        """
        questions = conversations[0]
        tokens = ReplyTokens(self.checkpoint, questions)
        drop, _ = tokens.start(first_words(questions))
        rows = prompted.read(self.checkpoint, self.checkpoint.encode(conversations), drop)
        return [self._answer(row, tokens, asked) for row, asked in zip(rows, conversations, strict=True)]

    def _answer(self, row: Prompted, tokens: ReplyTokens, questions: Sequence[ImagePrompt]) -> list[Reading]:
        said, readings = "", []
        for place, question in enumerate(questions):
            scored = score(row, tokens, questions, place, said)
            choice = int(scored.probabilities.argmax())
            text, ids, box = scored.words[choice], scored.spelled[choice], None
            if (question.task, choice) in OPEN:
                written = row.write(ids, self._pattern, len(PATTERN))
                box, text, ids = self._pattern.box(written), text + self._pattern.text(written), ids + written
            readings.append(Reading.of(question.task, scored.probabilities, box))
            said += text
            if place + 1 < len(questions):
                row = row.say(ids)
        return readings


@dataclass(frozen=True)
class ScoredAnswers:
    """The closed set of one question, scored.

    Attributes:
        words: Every answer as it stands in the reply, from the end of the line before.
        spelled: Its tokens, without what ends the reply or its line.
        probabilities: (choices + 1,) renormalised, the last one that of `CANNOT_TELL`.
    """

    words: list[str]
    spelled: list[Ids]
    probabilities: NDArray[np.float64]


def first_words(questions: Sequence[ImagePrompt]) -> list[str]:
    """Return every answer to the first question as it stands in the reply."""
    return _words(questions, 0)


def score(row: Prompted, tokens: ReplyTokens, questions: Sequence[ImagePrompt], place: int, said: str) -> ScoredAnswers:
    """Score the closed set of the question at a place.

    Args:
        row: The conversation with what was said.
        tokens: Of its replies.
        questions: Its questions.
        place: Which of them.
        said: What was said before, as text.
    """
    words = _words(questions, place)
    spelled = tokens.start(words)[1] if place == 0 else tokens.follow(said, words)
    last = place + 1 == len(questions)
    # what ends an answer counts, so that none wins by being the beginning of another
    ends = [tokens.end] * len(words) if last else [tokens.follow(said + word, [LINE_END])[0] for word in words]
    task = questions[place].task
    ended = [
        ids if (task, choice) in OPEN else ids + end
        for choice, (ids, end) in enumerate(zip(spelled, ends, strict=True))
    ]
    return ScoredAnswers(words, spelled, _renormalised(row.score(ended).numpy()))


def _words(questions: Sequence[ImagePrompt], place: int) -> list[str]:
    begin = (LINE_END if place else "") + label(place, len(questions))
    return [begin + word for word in words_of(questions[place].task)]


def _renormalised(logs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return probabilities of log-probabilities, sum 1."""
    weights = np.exp(logs - logs.max())
    found: NDArray[np.float64] = weights / weights.sum()
    return found
