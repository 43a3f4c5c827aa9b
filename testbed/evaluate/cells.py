"""Where answers are kept: one file per cell, named by the hash of everything that decides it.

A cell is one victim's answers to one album under one condition. A second call finds it by its name and asks nobody; a
new weight, option, artefact, picture or seed is another name.
"""

from __future__ import annotations

import json
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from testbed.core.errors import StoreError
from testbed.evaluate.albums import digest_of
from testbed.evaluate.answers import PictureAnswer
from testbed.store.atomic import write_text

VERSION = 1


@dataclass(frozen=True, slots=True)
class AnswerCell:
    """A stored cell.

    Attributes:
        key: sha256 of its specification.
        specification: What decides the answers: task, victim, album, condition.
        answers: The answers.
        pictures_sha256: Hash of the pictures as they were shown.
        seconds: Wall time of asking (never compared).
    """

    key: str
    specification: dict[str, Any]
    answers: tuple[PictureAnswer, ...]
    pictures_sha256: str
    seconds: float


class CellStore:
    """The cells of one folder."""

    def __init__(self, folder: Path) -> None:
        """Take a folder, made when the first cell is written."""
        self.folder = folder

    @staticmethod
    def key(specification: dict[str, Any]) -> str:
        """Return the name of a cell."""
        return digest_of({"version": VERSION, **specification})

    def find(self, specification: dict[str, Any]) -> AnswerCell | None:
        """Return a cell that was stored whole, None where there is none or it is damaged."""
        key = self.key(specification)
        try:
            document = json.loads((self.folder / f"{key}.json").read_text("utf-8"))
            answers = tuple(
                PictureAnswer(*fields, tags=tuple((str(name), str(value)) for name, value in tags))  # type: ignore[misc]
                for *fields, tags in document["answers"]
            )
            whole = document["version"] == VERSION and document["answers_sha256"] == _digest(answers)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if not whole:
            return None
        return AnswerCell(key, specification, answers, document["pictures_sha256"], float(document["seconds"]))

    def keep(
        self, specification: dict[str, Any], answers: list[PictureAnswer], *, pictures_sha256: str, seconds: float
    ) -> AnswerCell:
        """Store a cell and return it.

        Raises:
            StoreError: It cannot be written.
        """
        cell = AnswerCell(self.key(specification), specification, tuple(answers), pictures_sha256, seconds)
        document = {
            "version": VERSION,
            "specification": specification,
            "pictures_sha256": pictures_sha256,
            "seconds": round(seconds, 2),
            "answers_sha256": _digest(cell.answers),
            "answers": [list(astuple(answer)) for answer in answers],
        }
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot make {self.folder}: {error.strerror or error}") from error
        write_text(self.folder / f"{cell.key}.json", json.dumps(document, allow_nan=False) + "\n")
        return cell


def _digest(answers: tuple[PictureAnswer, ...]) -> str:
    return digest_of({"answers": [list(astuple(answer)) for answer in answers]})
