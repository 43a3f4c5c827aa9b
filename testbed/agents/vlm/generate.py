"""The way to answer called ``generate``: greedy free text, read strictly.

What the model writes is split per question and parsed (`testbed.agents.vlm.free_text`); words that are no answer count
as unparsable and are never guessed at. The confidence of an answer is what `choose` gives it: the closed set is scored
in the same conversation, behind the lines that the model wrote before.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from testbed.agents.vlm import prompted
from testbed.agents.vlm.checkpoint import Checkpoint
from testbed.agents.vlm.choose import first_words, score
from testbed.agents.vlm.conversation import label, split_reply
from testbed.agents.vlm.free_text import Notation, ParsedAnswer, parse
from testbed.agents.vlm.prompted import Prompted
from testbed.agents.vlm.readings import CHOICES, ConversationReader, ImagePrompt, Reading
from testbed.agents.vlm.reply_tokens import LINE_END, ReplyTokens


class FreeTextReader(ConversationReader):
    """Ask one checkpoint and read what it writes.

    Args:
        checkpoint: Whom.
        max_new_tokens: Most tokens per question.
        boxes: Notation of boxes, see `testbed.agents.vlm.free_text`.
    """

    def __init__(self, checkpoint: Checkpoint, *, max_new_tokens: int = 96, boxes: Notation = "auto") -> None:
        """Keep the checkpoint."""
        self.checkpoint = checkpoint
        self._tokens = max_new_tokens
        self._boxes = boxes

    def read_batch(self, conversations: Sequence[Sequence[ImagePrompt]]) -> list[list[Reading]]:
        """Answer several conversations of the same words.

        Raises:
            AgentError: If the processor refuses a picture or an answer is not a number.
        """
        questions = conversations[0]
        tokens = ReplyTokens(self.checkpoint, questions)
        inputs = self.checkpoint.encode(conversations)
        replies = self._write(inputs, len(questions))
        drop, _ = tokens.start(first_words(questions))
        rows = prompted.read(self.checkpoint, inputs, drop)
        return [self._readings(*one, tokens) for one in zip(conversations, replies, rows, strict=True)]

    def _write(self, inputs: dict[str, torch.Tensor], count: int) -> list[str]:
        """Return what the model writes to each conversation of `count` questions."""
        tokenizer = self.checkpoint.tokenizer
        with torch.inference_mode():
            written = self.checkpoint.network.generate(
                **inputs,
                max_new_tokens=self._tokens * count,
                do_sample=False,
                num_beams=1,
                pad_token_id=tokenizer.pad_token_id,
            )
        return [self._text(row.tolist()) for row in written[:, inputs["input_ids"].shape[1] :]]

    def _text(self, ids: list[int]) -> str:
        """Return the words of a reply up to what ended it; places in pictures are special tokens to some tokenizers."""
        tokenizer = self.checkpoint.tokenizer
        stated = self.checkpoint.network.generation_config.eos_token_id
        ends = {tokenizer.eos_token_id, *(stated if isinstance(stated, list) else [stated])}
        length = next((place for place, token in enumerate(ids) if token in ends), len(ids))
        return str(tokenizer.decode(ids[:length], skip_special_tokens=False)).strip()

    def _readings(
        self, questions: Sequence[ImagePrompt], reply: str, row: Prompted, tokens: ReplyTokens
    ) -> list[Reading]:
        said, readings = "", []
        for place, (question, line) in enumerate(zip(questions, split_reply(reply, len(questions)), strict=True)):
            parsed = self._parse(question, line)
            if parsed.choice is None:
                readings.append(Reading(question.task, parsed.status, None, 0.0, reply if line is None else line))
            else:
                likely = score(row, tokens, questions, place, said).probabilities
                inside = likely[: len(CHOICES[question.task])]
                sure = float(inside[parsed.choice])
                readings.append(Reading(question.task, "answered", parsed.choice, sure, line or "", inside, parsed.box))
            if place + 1 < len(questions):
                more = (LINE_END if place else "") + label(place, len(questions)) + (line or "")
                row = row.say(tokens.start([more])[1][0] if place == 0 else tokens.follow(said, [more])[0])
                said += more
        return readings

    def _parse(self, question: ImagePrompt, line: str | None) -> ParsedAnswer:
        if line is None:
            return ParsedAnswer("unparsable", why="there is no line with its number")
        height_px, width_px = question.image.shape[:2]
        return parse(question.task, line, (width_px, height_px), notation=self._boxes)
