"""How a checkpoint was taught to be asked: the file ``testbed.json`` that fine-tuning leaves beside its weights.

A checkpoint without it is shown the whole picture.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from testbed.core.errors import WeightsError

FILE_NAME = "testbed.json"
PROJECTOR, RANDOM = "projector", "random"
"""What a card says of a checkpoint that was put together and whose projector was never trained."""


def _inside(window: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    x_min, y_min, x_max, y_max = window
    if not (0.0 <= x_min < x_max <= 1.0 and 0.0 <= y_min < y_max <= 1.0):
        raise ValueError("a window is [x_min, y_min, x_max, y_max] as fractions of the picture")
    return window


Fractions = Annotated[tuple[float, float, float, float], AfterValidator(_inside)]
"""Part of a picture: x_min, y_min, x_max, y_max as fractions of its width and height."""


WHOLE: Fractions = (0.0, 0.0, 1.0, 1.0)
"""The whole picture."""


class HowAsked(BaseModel):
    """What must be the same in training and on the road.

    Attributes:
        windows: Task to the part of the picture that is shown; tasks that are left out are shown the whole.
        card: What the training tells of itself: commands, data, steps, figures.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    windows: dict[str, Fractions] = {}
    card: dict[str, Any] = {}

    def write(self, folder: Path) -> None:
        """Write it into a folder."""
        (folder / FILE_NAME).write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")


def read(*folders: Path | None) -> HowAsked:
    """Return what the first of some folders says that has the file; the default without one.

    Raises:
        WeightsError: If a file is malformed.
    """
    for folder in folders:
        if folder is None or not (folder / FILE_NAME).is_file():
            continue
        path = folder / FILE_NAME
        try:
            return HowAsked.model_validate_json(path.read_text(encoding="utf-8"))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise WeightsError(f"{path}: {place}: {first['msg']}") from None
    return HowAsked()
