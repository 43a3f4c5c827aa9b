"""What a kind of question is: its wordings, its closed set of answers, and how labels answer it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from testbed.agents.vlm.readings import CANNOT_TELL as CANNOT_TELL
from testbed.training.data.format import WEATHER_FIELDS, Split

NO_LEAD = "there is no vehicle ahead"
"""Answer to a question about the vehicle ahead where there is none."""

YES_NO = ("yes", "no")

PictureSort = Literal["sign", "view"]
"""What a picture is: the crop of one sign, or a driver's view."""

SORT_OF_TASK: Mapping[str, PictureSort] = {"tsr": "sign", "alc": "view", "vd": "view"}
"""Data set to what its pictures are."""

Facts = Mapping[str, Any]
"""What is known of one picture: column of `testbed.training.data.format` to its value, and ``map``, the map's name."""


@dataclass(frozen=True)
class QuestionKind:
    """One question in many words.

    Attributes:
        name: Of the kind.
        sort: Sort of picture that it is asked about.
        wording: As published, or the one that stands for all.
        paraphrases: Other wordings that training may use.
        held_out: Wordings that training never uses.
        answers: Closed set of answers, `CANNOT_TELL` left out.
        columns: Facts that the answer follows from.
        tell: Returns one of `answers`, or None where the facts do not decide between them.
        only_there: Whether a picture of the other sort surely does not show it, so that the answer is `CANNOT_TELL`.
        counterpart: Kind that asks the same of the other side, for pictures that are mirrored.
    """

    name: str
    sort: PictureSort
    wording: str
    paraphrases: tuple[str, ...]
    held_out: tuple[str, ...]
    answers: tuple[str, ...]
    columns: tuple[str, ...]
    tell: Callable[[Facts], str | None]
    only_there: bool = False
    counterpart: str = ""

    @property
    def training(self) -> tuple[str, ...]:
        """All wordings that training may use."""
        return (self.wording, *self.paraphrases)

    def answer(self, facts: Facts) -> str | None:
        """Return the answer for a picture; None where it cannot be told from what is known of the picture."""
        return self.tell(facts) if all(column in facts for column in self.columns) else None

    def wordings(self, split: str) -> tuple[str, ...]:
        """Return the wordings for a split: ``train`` never sees those held out, ``test`` sees them and the first."""
        return self.training if split == "train" else (self.wording, *self.held_out)


def facts_of(split: Split, row: int) -> dict[str, Any]:
    """Return what is known of picture `row` of a split."""
    found = {name: column[row] for name, column in split.labels.items()}
    return found | {"map": split.map_names[int(split.map_of[row])]}


def weather(facts: Facts) -> dict[str, float]:
    """Return CARLA's weather parameters of a picture by name; NaN where the weather is not known."""
    return dict(zip(WEATHER_FIELDS, (float(value) for value in facts["weather"]), strict=True))
