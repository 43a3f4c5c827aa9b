"""How the three questions are put to a model that was not trained on them: as published, with the form of the answer.

Solo asks each in a request of its own. Tandem asks one message of image-prompt pairs and wants one numbered line each.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image as PilImage

from testbed.agents.vlm.endpoint.request import ChatRequest, Picture
from testbed.agents.vlm.endpoint.settings import EndpointSettings
from testbed.agents.vlm.free_text import NOTATIONS
from testbed.agents.vlm.readings import ImagePrompt
from testbed.core.perception_tasks import PROMPTS
from testbed.core.types import Image

_CENTRE = 'Answer "No car", or "A car at (x, y), H h, W w" with centre, height and width {}.'
_CORNERS = 'Answer "No car", or the box of the one car ahead as [x1, y1, x2, y2] {}.'
_COUNTED = {
    "fractions": "as fractions of the picture, from 0 to 1 with three decimals",
    "1000": "in thousandths of the picture",
    "pixels": "in pixels of the picture",
}
_BOX_FORMS = {
    "round": 'Answer "No car", or the box of the one car ahead as <box>(x1,y1),(x2,y2)</box>.',
    "double": 'Answer "No car", or the box of the one car ahead as <box>[[x1, y1, x2, y2]]</box>.',
    "loc": 'Answer "No car", or detect the one car ahead.',
    "box_2d": 'Answer "No car", or JSON for the one car ahead: [{{"box_2d": [y1, x1, y2, x2], "label": "car"}}].',
    "bbox_2d": 'Answer "No car", or JSON for the one car ahead: [{{"bbox_2d": [x1, y1, x2, y2], "label": "car"}}].',
    "centre": _CENTRE,
    "corners": _CORNERS,
}


def question(task: str, settings: EndpointSettings) -> str:
    """Return what a task's question says."""
    own = settings.prompts.get(task)  # type: ignore[call-overload]
    if own is not None:
        return str(own)
    if task == "tsr":
        return f"{PROMPTS[task]} Answer with the name of the sign alone."
    if task == "alc":
        return f"{PROMPTS[task]} Answer with one word: Left, Straight or Right."
    form, scale = NOTATIONS["published" if settings.boxes == "auto" else settings.boxes]
    return f"{PROMPTS[task]}. {_BOX_FORMS[form].format(_COUNTED.get(scale, ''))}"


def sent_image(asked: ImagePrompt, settings: EndpointSettings) -> Image:
    """Return a picture in the size in which it is sent, (h, w, 3) uint8.

    Views take the size that the settings ask for; then whatever is smaller than they allow is enlarged, keeping its
    shape: towers and servers refuse pictures of a few pixels, as far signs are.
    """
    height_px, width_px = asked.image.shape[:2]
    if settings.image_size_px is not None and asked.task != "tsr":
        width_px, height_px = settings.image_size_px
    grown = max(1.0, settings.least_side_px / min(width_px, height_px))
    size = round(width_px * grown), round(height_px * grown)
    if size == (asked.image.shape[1], asked.image.shape[0]):
        return asked.image
    return np.asarray(PilImage.fromarray(asked.image).resize(size, PilImage.Resampling.BICUBIC))


def chat_request(asked: Sequence[ImagePrompt], images: Sequence[Image], settings: EndpointSettings) -> ChatRequest:
    """Return the one request that asks some questions.

    Args:
        asked: Tasks in order.
        images: Their pictures as they are sent, see `sent_image`.
        settings: Of the agent file.
    """
    content: list[Picture | str] = []
    for number, (prompt, image) in enumerate(zip(asked, images, strict=True), start=1):
        text = question(prompt.task, settings)
        content.append(Picture(image, settings.picture, settings.jpeg_quality))
        content.append(text if len(asked) == 1 else f"Question {number}: {text}")
    if len(asked) > 1:
        lines = ", ".join(f'"{number}. …"' for number in range(1, len(asked) + 1))
        content.append(f"Answer each question on a line of its own that begins with its number: {lines}.")
    parameters: dict[str, object] = {**settings.parameters, "temperature": settings.temperature}
    if settings.max_tokens is not None:
        parameters["max_tokens"] = settings.max_tokens
    if settings.seed is not None:
        parameters["seed"] = settings.seed
    if settings.logprobs:
        parameters["logprobs"] = True
    return ChatRequest(settings.name, content, parameters)
