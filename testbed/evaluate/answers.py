"""An answer to one picture, and the words that answers are given in."""

from __future__ import annotations

from dataclasses import dataclass

VEHICLE, NONE = "vehicle", "none"


@dataclass(frozen=True, slots=True)
class PictureAnswer:
    """One answer to one picture.

    Attributes:
        id: Picture; the same id under another condition is the same scene.
        group: Pictures of one group resemble each other (an approach, a view).
        truth: Right answer: GTSRB class, steering class, ``vehicle`` or ``none``.
        said: Given answer, ``abstain``, or ``unparsable`` for words that could not be read.
        confidence: Probability of the answer, 0-1.
        iou: Overlap of the reported with the true box, 0 when none was reported; None where there is no true box.
        tags: What the picture shows, for breakdowns.
    """

    id: str
    group: str
    truth: str
    said: str
    confidence: float
    iou: float | None = None
    tags: tuple[tuple[str, str], ...] = ()

    @property
    def right(self) -> bool:
        """Whether it is the right answer."""
        return self.said == self.truth
