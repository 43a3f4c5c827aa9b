"""``dataset questions``: conversations in LLaVA's layout whose card counts what is in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from testbed.cli import main
from testbed.core.errors import DatasetError, UsageError
from testbed.training.data.format import load_split
from testbed.training.data.questions import CANNOT_TELL, KINDS
from testbed.training.data.questions.export import export_questions
from testbed.training.data.unseen import refuse_attacked

from . import pictures


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pictures.write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def out(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out") / "questions"
    assert main(["dataset", "questions", "--data", str(data), "--out", str(folder), "--seed", "3"]) == 0
    return folder


def entries(out: Path, name: str) -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = json.loads((out / f"{name}.json").read_text())
    return loaded


def test_conversations_have_the_layout_of_llava(out: Path) -> None:
    shapes = set()
    for name in ("train", "test"):
        for entry in entries(out, name):
            images = entry["image"] if isinstance(entry["image"], list) else [entry["image"]]
            told = [turn["value"] for turn in entry["conversations"]]
            roles = [turn["from"] for turn in entry["conversations"]]
            assert roles == ["human", "gpt"] * (len(roles) // 2)
            assert "".join(told).count("<image>\n") == told[0].count("<image>\n") == len(images)
            assert all((out / image).is_file() for image in images)
            assert len(entry["kinds"]) == len(entry["answerable"])
            answers = told[1].split("\n") if len(images) == 3 else told[1::2]
            assert len(answers) == len(entry["kinds"])
            for kind, answerable, answer in zip(entry["kinds"], entry["answerable"], answers, strict=True):
                assert (answer == CANNOT_TELL) == (not answerable)
                assert not answerable or any(answer.startswith(known) for known in KINDS[kind].answers)
            shapes.add((len(images), len(roles) // 2))
    assert {(1, 1), (1, 2), (1, 3), (1, 4), (3, 1)} == shapes


def test_held_out_wordings_stand_in_test_alone(out: Path) -> None:
    held_out = [text for kind in KINDS.values() for text in kind.held_out]
    assert not any(text in (out / "train.json").read_text() for text in held_out)
    assert sum(text in (out / "test.json").read_text() for text in held_out) > 20


def test_the_card_counts_what_is_written(data: Path, out: Path) -> None:
    card = json.loads((out / "testbed.json").read_text())
    assert card["artefacts"] == [] and set(card["origin"]) == {"tsr", "alc", "vd"} and card["seed"] == 3
    assert card["conversations"] == {"train": 180, "test": 90}
    for name in ("train", "test"):
        found = entries(out, name)
        assert len(found) == card["conversations"][name]
        kinds = [kind for entry in found for kind in entry["kinds"]]
        assert len(kinds) == card["questions"][name]
        assert {kind: kinds.count(kind) for kind in set(kinds)} == {
            kind: sum(answers.values()) for kind, answers in card["counts"][name].items()
        }
        assert len(list((out / "images" / name).iterdir())) == card["pictures"][name]
    assert "No picture shows an attack." in (out / "README.md").read_text()
    refuse_attacked(out)
    picture = next(path for path in sorted((out / "images" / "train").glob("vd_??????.png")))
    with Image.open(picture) as opened:
        assert np.array_equal(np.array(opened), load_split(data / "vd", "train").image(int(picture.stem[3:])))


def test_equal_seeds_give_equal_bytes(data: Path, out: Path, tmp_path: Path) -> None:
    export_questions(data, tmp_path / "again", seed=3)
    export_questions(data, tmp_path / "other", seed=4)
    for path in sorted(path for path in out.rglob("*") if path.is_file()):
        assert (tmp_path / "again" / path.relative_to(out)).read_bytes() == path.read_bytes(), path
    assert (tmp_path / "other" / "train.json").read_text() != (out / "train.json").read_text()


def test_what_cannot_be_done_is_one_sentence(
    data: Path, out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match="is not empty"):
        export_questions(data, out)
    with pytest.raises(UsageError, match="--count 1 leaves a split without conversations"):
        export_questions(data, tmp_path / "one", count=1)
    with pytest.raises(DatasetError, match="does not say whether"):
        export_questions(tmp_path, tmp_path / "none")
    attacked = pictures.write_data(tmp_path / "attacked", 12, artefacts=["drp_highway_left"])
    with pytest.raises(DatasetError, match="shows the attack artefact drp_highway_left"):
        export_questions(attacked, tmp_path / "never")
    assert not (tmp_path / "never").exists()
    for wrong, told in (
        (["--out", "x", "--jobs", "2"], "does not take --jobs"),
        (["--out", "x", "--map", "town"], "does not take --map"),
        (["--data", str(data)], "needs --out"),
        (["--out", "x", "--unattacked"], "is for pictures that are loaded"),
    ):
        assert main(["dataset", "questions", *wrong]) == 2
        assert told in capsys.readouterr().err
    assert main(["dataset", "vd", "--data", str(data)]) == 2
    assert "takes no --data" in capsys.readouterr().err
