"""Nothing is trained on pictures that show an attack, or of which nobody says that they show none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from testbed.cli import main
from testbed.core.errors import DatasetError
from testbed.training.data import exchange
from testbed.training.data.format import load_card, load_split
from testbed.training.data.unseen import artefacts_of, refuse_attacked
from testbed.training.nets import train
from testbed.training.nets.loop import open_splits

from .questions import pictures


def card(folder: Path, **changed: object) -> None:
    path = folder / "dataset.json"
    known = json.loads(path.read_text())
    path.write_text(json.dumps({key: value for key, value in (known | changed).items() if value != "left out"}))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return pictures.write_data(tmp_path / "data", 12)


def test_what_names_an_artefact_is_refused_by_every_training(data: Path, tmp_path: Path) -> None:
    assert len(open_splits(data, "vd")[0]) == 12
    card(data / "alc", artefacts=["drp_highway_left", "random_dirt"])
    for name in ("denoiser", "vlm-tower", "row-anchor"):
        with pytest.raises(DatasetError, match="alc shows the attack artefact drp_highway_left, random_dirt"):
            train(name, data, out=tmp_path / name)
    assert not (tmp_path / "row-anchor").exists()
    # What is only asked about may show anything.
    assert len(load_split(data / "alc", "test", task="alc")) == 6


def test_unknown_pictures_are_taken_at_the_users_word(data: Path) -> None:
    for said in (None, "left out"):
        card(data / "vd", artefacts=said)
        with pytest.raises(DatasetError, match="does not say whether its pictures show.*--unattacked"):
            refuse_attacked(data / "vd")
        refuse_attacked(data / "vd", stated=True)
    card(data / "vd", artefacts=["racing_stripes"])
    with pytest.raises(DatasetError, match="racing_stripes"):
        refuse_attacked(data / "vd", stated=True)


def test_data_sets_that_the_testbed_made_before_are_known_to_show_none() -> None:
    assert artefacts_of({"task": "alc", "renderer_sha256": "ab"}) == ()
    assert artefacts_of({"task": "alc", "origin": "loaded from a folder in the tusimple layout"}) is None


def test_an_export_carries_what_its_origin_says(data: Path, tmp_path: Path) -> None:
    exchange.export(data / "vd", "coco", tmp_path / "coco")
    refuse_attacked(tmp_path / "coco")
    assert load_card(exchange.load(tmp_path / "coco", "coco", tmp_path / "back"))["artefacts"] == []
    card(data / "vd", artefacts=["racing_stripes"])
    exchange.export(data / "vd", "llava", tmp_path / "llava")
    assert "Pictures show racing_stripes." in (tmp_path / "llava" / "README.md").read_text()
    with pytest.raises(DatasetError, match="racing_stripes"):
        refuse_attacked(tmp_path / "llava", stated=True)
    exchange.export(data / "vd", "coco", tmp_path / "striped")
    again = exchange.load(tmp_path / "striped", "coco", tmp_path / "again", unattacked=True)
    assert load_card(again)["artefacts"] == ["racing_stripes"], "a card is believed before a word"


def test_pictures_of_the_users_own_need_a_statement(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exchange.export(data / "vd", "coco", tmp_path / "own")
    (tmp_path / "own" / "testbed.json").unlink()
    words = ["dataset", "load", str(tmp_path / "own"), "--format", "coco", "--out"]
    assert main([*words, str(tmp_path / "unsaid")]) == 0
    assert "nothing is trained on it: load it with --unattacked" in capsys.readouterr().out
    assert load_card(tmp_path / "unsaid")["artefacts"] is None
    assert main([*words, str(tmp_path / "said"), "--unattacked"]) == 0
    assert "--unattacked" not in capsys.readouterr().out
    refuse_attacked(tmp_path / "said")
    assert main(["dataset", "export", str(data / "vd"), "--format", "coco", "--out", "x", "--unattacked"]) == 2
