"""A model behind an endpoint as a reader: one request per conversation, its words read strictly."""

from __future__ import annotations

from collections.abc import Sequence

from testbed.agents.vlm.endpoint.client import ChatClient
from testbed.agents.vlm.endpoint.questions import chat_request, sent_image
from testbed.agents.vlm.endpoint.reply import ChatReply
from testbed.agents.vlm.endpoint.settings import EndpointSettings
from testbed.agents.vlm.free_text import numbered_lines, parse
from testbed.agents.vlm.readings import ImagePrompt, Reading
from testbed.core.errors import UsageError
from testbed.core.types import Image

UNKNOWN_CONFIDENCE = 1.0
"""Written for an answer whose probability the server does not tell: confidence must be a number, and votes weigh by
it. Nothing can be withheld by it, so thresholds are refused where it would stand."""


class EndpointReader:
    """Ask one model behind an endpoint.

    Args:
        settings: Of the agent file.
    """

    def __init__(self, settings: EndpointSettings) -> None:
        """Connect to nothing yet; raises `UsageError` where the API key is missing."""
        self.settings = settings
        self._client = ChatClient(settings)

    def read(self, questions: Sequence[ImagePrompt]) -> list[Reading]:
        """Answer the questions of one conversation with one request.

        Raises:
            UsageError: The server refuses such requests, gives no log-probabilities although the settings count on
                them, or only the record may be asked and does not hold it.
            EndpointError: The server gave no usable reply within the budget.
        """
        images = [sent_image(question, self.settings) for question in questions]
        reply = self._client.complete(chat_request(questions, images, self.settings))
        if self.settings.logprobs and reply.tokens is None:
            raise UsageError(
                f"endpoint {self.settings.url} gives no log-probabilities of tokens, so no confidence is known",
                hint="logprobs: false takes its answers without",
            )
        places: Sequence[tuple[int, int] | None] = [(0, len(reply.text))]
        if len(questions) > 1:
            places = numbered_lines(reply.text, len(questions))
        return [self._reading(q, i, reply, p) for q, i, p in zip(questions, images, places, strict=True)]

    def read_batch(self, conversations: Sequence[Sequence[ImagePrompt]]) -> list[list[Reading]]:
        """Answer several conversations, one request after the other; raises as `read` does."""
        return [self.read(questions) for questions in conversations]

    def _reading(self, asked: ImagePrompt, image: Image, reply: ChatReply, place: tuple[int, int] | None) -> Reading:
        """Return the reading of one answer; where its line is missing, of the whole reply."""
        if place is None:
            return Reading(asked.task, "unparsable", None, 0.0, reply.text)
        start, stop = place
        text = reply.text[start:stop].strip()
        if reply.cut and stop == len(reply.text):
            # half an answer can read like a whole one: "W 0.1" of "W 0.12"
            return Reading(asked.task, "unparsable", None, 0.0, text)
        parsed = parse(asked.task, text, (image.shape[1], image.shape[0]), notation=self.settings.boxes)
        if parsed.status != "answered":
            return Reading(asked.task, parsed.status, None, 0.0, text)
        begin = reply.text.index(text, start)
        confidence = self._confidence(reply, begin, begin + len(text))
        return Reading(asked.task, "answered", parsed.choice, confidence, text, box=parsed.box)

    def _confidence(self, reply: ChatReply, start: int, stop: int) -> float:
        if not self.settings.logprobs:
            return UNKNOWN_CONFIDENCE
        known = reply.probability(start, stop)
        # tokens that do not spell the text cannot be told apart: the whole reply is no likelier than a part of it
        return reply.whole_probability() if known is None else known

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
