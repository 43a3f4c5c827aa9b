"""Asking a V²LM: image-prompt pairs in, answers with exact probabilities out, one forward pass whatever the number.

The assistant's turn is a form whose fields stand in the input without their values; the model's next-token prediction
at a field is the field's value, so all fields of all tasks come from one forward pass. Closed-set fields are
renormalised over their set. A number is the expectation over the bins around the most probable one, so that it is
finer than a bin.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from testbed.agents.vlm import language
from testbed.agents.vlm.images import WINDOWS, fit
from testbed.agents.vlm.model import VisionLanguageModel
from testbed.agents.vlm.number_bins import LOCATIONS, expectation
from testbed.agents.vlm.readings import CHOICES, ConversationReader, ImagePrompt, Reading
from testbed.core.errors import AgentError
from testbed.core.perception_tasks import PROMPTS


class Reader(ConversationReader):
    """Ask one model.

    Args:
        model: Model with its tokenizer.
    """

    def __init__(self, model: VisionLanguageModel) -> None:
        """Look the answer tokens up."""
        self.model = model
        tokenizer = model.tokenizer
        self.choice_ids = {task: torch.tensor(single_tokens(tokenizer, words)) for task, words in CHOICES.items()}
        self.location_ids = torch.tensor(single_tokens(tokenizer, LOCATIONS))
        self._ids: dict[tuple[tuple[str, str], ...], Tensor] = {}

    def input_ids(self, tasks: tuple[str, ...], words: tuple[str, ...] | None = None) -> Tensor:
        """Return the token ids (L,) of the questions and the form; they do not depend on the pictures.

        Args:
            tasks: Whose fields the form has.
            words: The questions; None for the published ones.
        """
        asked = tuple(PROMPTS[task] for task in tasks) if words is None else words
        key = tuple(zip(tasks, asked, strict=True))
        if key not in self._ids:
            text = language.prompt_text(self.model.tokenizer, asked, self.model.blueprint.image_tokens)
            ids = self.model.tokenizer(text + language.form_text(tasks), add_special_tokens=False)["input_ids"]
            self._ids[key] = torch.tensor(ids)
        return self._ids[key]

    def pixels(self, questions: Sequence[ImagePrompt]) -> Tensor:
        """Return the model's pixels (N, 3, H, W) of the pictures, values -1…1."""
        size = self.model.blueprint.image_size
        windows = [WINDOWS[question.shown_as or question.task] for question in questions]
        images = [fit(one.image, window, size) for one, window in zip(questions, windows, strict=True)]
        return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 127.5 - 1.0

    @torch.inference_mode()
    def read_batch(self, conversations: Sequence[Sequence[ImagePrompt]]) -> list[list[Reading]]:
        """Answer several conversations that ask the same tasks in the same order, in one forward pass.

        Raises:
            AgentError: When the conversations differ in their tasks or the model's answer is not a number.
        """
        tasks = tuple(question.task for question in conversations[0])
        if any(tuple(question.task for question in questions) != tasks for questions in conversations):
            raise AgentError("conversations of one batch must ask the same tasks in the same order")
        pixels = self.pixels([question for questions in conversations for question in questions])
        rows = [self.input_ids(tasks, tuple(one.words for one in questions)) for questions in conversations]
        ids = self._padded(rows)
        asked = (ids != self.model.tokenizer.pad_token_id).long()
        mask = None if bool(asked.all()) else asked
        fields = sum(len(language.SLOTS[task]) for task in tasks)
        network = self.model.network
        logits = network(
            input_ids=ids.to(network.device),
            attention_mask=None if mask is None else mask.to(network.device),
            pixel_values=pixels.to(network.device),
            logits_to_keep=fields,
            use_cache=False,
        ).logits
        if not bool(torch.isfinite(logits).all()):
            raise AgentError("the V²LM answered with values that are not numbers")
        return [self._split(tasks, row) for row in logits.double().cpu()]

    def _padded(self, rows: Sequence[Tensor]) -> Tensor:
        """Return rows of ids as one, padded on the left."""
        longest = max(len(row) for row in rows)
        pad = self.model.tokenizer.pad_token_id
        return torch.stack([torch.nn.functional.pad(row, (longest - len(row), 0), value=pad) for row in rows])

    def _split(self, tasks: tuple[str, ...], logits: Tensor) -> list[Reading]:
        readings, field = [], 0
        for task in tasks:
            probabilities = logits[field, self.choice_ids[task]].softmax(0).numpy()
            box = None
            if task == "vd":
                numbers = expectation(logits[field + 1 : field + 5, self.location_ids])
                box = (float(numbers[0]), float(numbers[1]), float(numbers[2]), float(numbers[3]))
            readings.append(Reading.of(task, probabilities, box))
            field += len(language.SLOTS[task])
        return readings


def single_tokens(tokenizer: object, words: Sequence[str]) -> list[int]:
    """Return the token id of each word.

    Raises:
        AgentError: When a word takes several tokens: its probability would need more than one forward pass.
    """
    ids = []
    for word in words:
        found = tokenizer(word, add_special_tokens=False)["input_ids"]  # type: ignore[operator]
        if len(found) != 1:
            raise AgentError(f"answer {word!r} takes {len(found)} tokens; closed-set answers must be single tokens")
        ids.append(found[0])
    if len(set(ids)) != len(ids):
        raise AgentError("two answers share a token")
    return ids
