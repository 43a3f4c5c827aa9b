"""Answers are stored whole, found by what decides them, and never trusted when damaged."""

from __future__ import annotations

import json
from pathlib import Path

from testbed.evaluate.answers import PictureAnswer
from testbed.evaluate.cells import CellStore

ANSWERS = [
    PictureAnswer("a", "g", "vehicle", "none", 0.75, 0.0, (("distance", "6 m"),)),
    PictureAnswer("b", "g", "none", "none", 0.5),
]
SPECIFICATION = {"task": "vd", "victim": {"agent": "dnn"}, "condition": "benign", "pictures": {"seed": 1}}


def test_a_cell_comes_back_as_it_was(tmp_path: Path) -> None:
    cells = CellStore(tmp_path / "cells")
    assert cells.find(SPECIFICATION) is None
    kept = cells.keep(SPECIFICATION, ANSWERS, pictures_sha256="ab", seconds=1.0)
    found = cells.find(SPECIFICATION)
    assert found is not None and found.answers == tuple(ANSWERS) and found.key == kept.key


def test_anything_that_decides_the_answers_is_another_cell(tmp_path: Path) -> None:
    cells = CellStore(tmp_path)
    cells.keep(SPECIFICATION, ANSWERS, pictures_sha256="ab", seconds=1.0)
    for change in ({"condition": "drp"}, {"victim": {"agent": "solo"}}, {"pictures": {"seed": 2}}, {"task": "alc"}):
        assert cells.find(SPECIFICATION | change) is None


def test_a_damaged_cell_is_asked_again(tmp_path: Path) -> None:
    cells = CellStore(tmp_path)
    kept = cells.keep(SPECIFICATION, ANSWERS, pictures_sha256="ab", seconds=1.0)
    path = tmp_path / f"{kept.key}.json"
    whole = path.read_text()
    document = json.loads(whole)
    document["answers"][0][3] = "vehicle"
    for damaged in (json.dumps(document), whole[:40], "[]", ""):
        path.write_text(damaged)
        assert cells.find(SPECIFICATION) is None
