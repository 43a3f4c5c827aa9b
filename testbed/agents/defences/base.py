"""What a defence is: it alters the pictures an agent is shown, or withholds answers, and says for which questions.

A plug-in is a frozen dataclass that derives from `Defence`; its fields are its settings in the agent file. It is found
by entry point in the group ``testbed.defences``::

    [project.entry-points."testbed.defences"]
    sepia = "my_package:Sepia"
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from testbed.core.errors import UsageError
from testbed.core.types import Box, Image

QUESTIONS: tuple[str, ...] = ("tsr", "alc", "vd")


@dataclass(frozen=True, kw_only=True)
class Defence:
    """Base of all defences; one that changes nothing is refused when it is built.

    Attributes:
        questions: Which questions it guards: ``tsr`` sees the sign crop, ``alc`` and ``vd`` the driver's view.
    """

    kind: ClassVar[str] = ""
    questions: tuple[str, ...] = field(default=QUESTIONS)

    def alter(self, image: Image, rng: np.random.Generator) -> Image:
        """Return what is shown instead.

        Args:
            image: (h, w, 3) RGB uint8 of any size; never changed in place.
            rng: The only source of chance.

        Returns:
            (h, w, 3) uint8 of the same size.
        """
        return image

    def keeps(self, question: str, confidence: float) -> bool:
        """Tell whether an answer of this confidence is let through."""
        return True

    @property
    def latency_ms(self) -> float:
        """CPU time per decision on one thread: one 320 x 160 px view and one sign crop."""
        return 0.0

    @property
    def weights(self) -> dict[str, str]:
        """File name to sha256 of the weights it uses."""
        return {}

    def refuse(self, setting: str, value: object, why: str) -> UsageError:
        """Return the error for a setting that is not accepted."""
        return UsageError(f"defence {self.kind}: {setting} {value!r} {why}")

    def need_int(self, setting: str, low: int, high: int) -> int:
        """Return an integer setting.

        Raises:
            UsageError: When it is none, or out of range.
        """
        value = getattr(self, setting)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self.refuse(setting, value, f"must be a whole number from {low} to {high}")
        return value

    def need_float(self, setting: str, low: float, high: float) -> float:
        """Return a number setting that must lie above `low` and not above `high`.

        Raises:
            UsageError: When it is no number, or out of range.
        """
        value = getattr(self, setting)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low < value <= high:
            raise self.refuse(setting, value, f"must be a number above {low:g} and at most {high:g}")
        return float(value)


@dataclass(frozen=True, kw_only=True)
class Cropping(Defence):
    """A defence that shows a part of the picture, enlarged: boxes found in it are mapped back to the whole picture."""

    def window(self, width_px: int, height_px: int, rng: np.random.Generator) -> Box:
        """Return the part that is shown, in px of the whole picture."""
        raise NotImplementedError
