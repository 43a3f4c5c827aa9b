"""Small data sets made on the fly: labels agree with the pictures and with one another, and equal seeds repeat."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pytest

import testbed
from testbed.core.errors import UsageError
from testbed.core.perception_tasks import (
    IMAGE_WIDTH_PX,
    LANE_LINES,
    LANE_ROWS_PX,
    MIN_SIGN_PX,
    MIN_VEHICLE_PX,
    STEERING_CLASSES,
    steering_class,
)
from testbed.training.data import visibility
from testbed.training.data.alc import MAX_PREVIEW_M
from testbed.training.data.colour_words import COLOUR_WORDS
from testbed.training.data.format import Split, load_split
from testbed.training.data.generate import check_maps, divide, generate, renderer_hash, renderer_sources
from testbed.training.data.map_camera import BLOCK_CYCLE, TEST_BLOCK
from testbed.training.data.questions import KINDS, QuestionPool, language_test
from testbed.training.data.unseen import artefacts_of

MAPS = {"highway": 0.5, "town": 0.5}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    for task, count in (("alc", 24), ("vd", 32), ("tsr", 172)):
        maps = None if task == "tsr" else MAPS
        generate(task, root / task, count=count, seed=3, maps=maps, progress=lambda line: None)
    return root


def _both(folder: Path, task: str) -> tuple[Split, Split]:
    return load_split(folder / task, "train", task=task), load_split(folder / task, "test", task=task)


@pytest.mark.parametrize("task", ["alc", "vd", "tsr"])
def test_splits_share_no_piece_of_road(folder: Path, task: str) -> None:
    train, test = _both(folder, task)
    assert not set(train.labels["group"]) & set(test.labels["group"])
    assert all(group % 1000 % BLOCK_CYCLE == TEST_BLOCK for group in test.labels["group"])
    assert not any(group % 1000 % BLOCK_CYCLE == TEST_BLOCK for group in train.labels["group"])
    assert train.card["throughput_images_per_s"] > 0
    assert train.card["counts"]["train"]["images"] == len(train)


def test_images_come_from_all_maps_in_the_stated_shares(folder: Path) -> None:
    train, test = _both(folder, "alc")
    for split in (train, test):
        assert split.map_names == ("highway", "town")
        found = np.bincount(split.map_of, minlength=2)
        assert found.tolist() == [len(split) // 2] * 2
        counted = split.card["counts"][split.name]["maps"]
        assert [counted[name]["images"] for name in split.map_names] == found.tolist()
    assert len(set(train.map_of[:8].tolist())) == 2, "the first images are a sample of all maps"
    assert divide(10, {"a": 0.5, "b": 0.25, "c": 0.25}) == [5, 3, 2]


def test_lane_labels_follow_from_geometry(folder: Path) -> None:
    train, _ = _both(folder, "alc")
    assert train.pixels.shape[1:] == (160, 320, 3)
    row = LANE_ROWS_PX.index(100.0)
    left, right = (LANE_LINES.index(name) for name in ("ego_left", "ego_right"))
    for i in range(len(train)):
        labels = {name: column[i] for name, column in train.labels.items()}
        assert labels["steering"] == steering_class(float(labels["preview_offset_m"]))
        # Straight-line forecast plus the lane's bend: what is left over is the change of curvature on the way.
        forecast = 25.0 * -math.sin(labels["heading_error_rad"]) - labels["lateral_offset_m"]
        forecast += labels["curvature_1pm"] * 25.0**2 / 2.0
        if train.map_names[train.map_of[i]] == "highway":
            assert abs(forecast - labels["preview_offset_m"]) < 0.15
        lines = labels["lane_x_px"]
        assert lines[left, row] < lines[right, row]
        # The ego stands between its lines: far down they lie on both sides of the image's middle.
        assert lines[left, -1] < IMAGE_WIDTH_PX / 2 < lines[right, -1] or abs(labels["lateral_offset_m"]) > 1.2


def test_lane_lines_lie_on_paint(folder: Path) -> None:
    train, _ = _both(folder, "alc")
    right = LANE_LINES.index("ego_right")
    brighter = []
    for i in range(len(train)):
        if train.labels["weather"][i][5] < 20.0 or train.map_of[i] != 0:  # no paint at a kerb
            continue
        image = train.image(i).astype(float).mean(2)
        for row, x in zip(LANE_ROWS_PX, train.labels["lane_x_px"][i, right], strict=True):
            if 100 <= row and 12 < x < IMAGE_WIDTH_PX - 12:
                y = int(row)
                brighter.append(image[y, int(x)] - (image[y, int(x) - 9] + image[y, int(x) + 9]) / 2.0)
    assert np.mean(np.array(brighter) > 8.0) > 0.3  # dashed lines have gaps


def test_vehicle_boxes_are_consistent(folder: Path) -> None:
    train, test = _both(folder, "vd")
    present = np.concatenate([train.labels["present"], test.labels["present"]])
    assert 0.2 < present.mean() < 0.8
    for split in (train, test):
        for i in range(len(split)):
            count, lead = int(split.labels["box_count"][i]), int(split.labels["lead_index"][i])
            boxes = split.labels["boxes_px"][i]
            assert np.isfinite(boxes[:count]).all() and np.isnan(boxes[count:]).all()
            assert (boxes[:count, 2] > boxes[:count, 0]).all()
            assert (boxes[:count, 3] - boxes[:count, 1] >= MIN_VEHICLE_PX).all()
            assert bool(split.labels["present"][i]) == (lead >= 0)
            if lead >= 0:
                np.testing.assert_array_equal(split.labels["lead_box_px"][i], boxes[lead])
                assert 0.0 <= split.labels["lead_distance_m"][i] <= 60.0
                assert split.labels["lead_kind"][i].startswith(b"vehicle.")


def test_a_lead_is_looked_at_alone_wherever_another_vehicle_may_hide_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = []
    monkeypatch.setattr(visibility, "touch", lambda one, other, slack_px: looked.append(one) or True)
    always = generate("vd", tmp_path, count=32, seed=3, maps=MAPS, progress=lambda line: None)
    assert len(looked) > 3
    for name in ("train", "test"):
        once, twice = load_split(folder / "vd", name), load_split(always, name)
        for column, values in once.labels.items():
            np.testing.assert_array_equal(values, twice.labels[column], err_msg=column)


def test_sign_crops_have_all_classes_and_sizes(folder: Path) -> None:
    train, test = _both(folder, "tsr")
    labels = np.concatenate([train.labels["class_id"], test.labels["class_id"]])
    assert set(labels) == set(range(43))
    assert (train.labels["width_px"] >= MIN_SIGN_PX).all()
    assert train.labels["width_px"][train.labels["source"] == 1].max() > 40
    crop = train.image(0)
    assert crop.shape == (train.labels["height_px"][0], train.labels["width_px"][0], 3)
    assert crop.std() > 2.0


@pytest.mark.parametrize("task", ["alc", "vd"])
def test_both_sets_know_lanes_vehicles_and_signs(folder: Path, task: str) -> None:
    for split in _both(folder, task):
        labels = split.labels
        there = labels["present"] & labels["lead_known"]
        assert np.isfinite(labels["preview_offset_m"]).all() and np.isfinite(labels["lane_x_px"]).any((1, 2)).all()
        sharp = np.abs(labels["preview_offset_m"]) >= MAX_PREVIEW_M
        classes = np.array([steering_class(float(value)) for value in labels["preview_offset_m"]])
        assert np.array_equal(labels["steering"], np.where(sharp, -1, classes) if task == "vd" else classes)
        assert labels["lead_known"].mean() > 0.6 and (task == "alc" or labels["lead_known"].all())
        assert np.isfinite(labels["lead_box_px"][there]).all()
        assert set(labels["lead_colour"].tolist()) <= {b"", *(word.encode() for word in COLOUR_WORDS)}
        assert not labels["lead_colour"][~labels["present"]].any()
        assert ((labels["sign_px"] >= 0.0) & (labels["sign_px"] < IMAGE_WIDTH_PX)).all()
        assert (labels["box_count"] >= labels["present"]).all()
        assert set(labels["line_marks"].ravel().tolist()) <= {b"", b"none", b"solid", b"broken"}
        assert (labels["line_marks"] != b"").mean() > 0.5
        assert artefacts_of(split.card) == ()


def test_rendered_pictures_are_asked_about_and_answered(folder: Path) -> None:
    for task in ("alc", "vd", "tsr"):
        pool = QuestionPool(load_split(folder / task, "train"))
        questions = pool.draw(np.random.default_rng(0), 200)
        assert {item.kind for item in questions if item.answerable} == set(pool.answers)
        assert all(item.answer in KINDS[item.kind].answers for item in questions if item.answerable)
        assert len(pool.answers) >= (10 if task == "tsr" else 14)
    test = language_test(load_split(folder / "vd", "test"), 6)
    assert len(test) > 1 and {item.kind for item in test.items["other_question"]} == {"steering"}


def test_equal_seeds_give_equal_bytes(folder: Path, tmp_path: Path) -> None:
    again = generate("alc", tmp_path, count=24, seed=3, maps=MAPS, progress=lambda line: None)
    for name in ("train.images.npy", "test.images.npy"):
        assert (again / name).read_bytes() == (folder / "alc" / name).read_bytes()
    first, second = load_split(folder / "alc", "train"), load_split(again, "train")
    for column, values in first.labels.items():
        np.testing.assert_array_equal(values, second.labels[column])


def test_as_many_views_share_place_and_light_as_one_asks_for(tmp_path: Path) -> None:
    generate("alc", tmp_path, count=24, maps={"highway": 1.0}, views_per_place=3, progress=lambda line: None)
    train = load_split(tmp_path, "train")
    kinds, sizes = np.unique(train.labels["weather"], axis=0, return_counts=True)
    assert len(kinds) == 6 and set(sizes) == {3}
    assert len(np.unique(train.labels["lateral_offset_m"])) == 18
    assert train.card["views_per_place"] == 3


def test_unknown_tasks_and_empty_splits_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown data set 'lanes'"):
        generate("lanes", tmp_path)
    with pytest.raises(UsageError, match="--count 1 "):
        generate("alc", tmp_path, count=1)
    with pytest.raises(UsageError, match="--views-per-place 0 for data set 'alc'"):
        generate("alc", tmp_path, views_per_place=0)
    with pytest.raises(UsageError, match="--views-per-place 3 for data set 'tsr'"):
        generate("tsr", tmp_path, views_per_place=3)
    with pytest.raises(UsageError, match="unknown map 'moon'"):
        check_maps({"moon": 1.0})
    with pytest.raises(UsageError, match="share 0"):
        check_maps({"town": 0.0})
    assert len(STEERING_CLASSES) == 3


def test_the_renderers_hash_covers_its_sources(tmp_path: Path) -> None:
    """A folder that moved away once left a hash over nothing, and no picture was ever out of date again."""
    sources = renderer_sources()
    assert len(sources) >= 40 and {path.parent.name for path in sources} >= {"render", "maps", "assets", "core"}
    world = tmp_path / "world"
    for room in ("core", "world"):
        source = Path(testbed.__file__).parent / room
        shutil.copytree(source, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    before = renderer_hash(tmp_path)
    assert before == renderer_hash()
    (world / "render" / "halo.py").write_text("WIDTH_PX = 3\n")
    added = renderer_hash(tmp_path)
    (world / "render" / "halo.py").write_text("WIDTH_PX = 4\n")
    changed = renderer_hash(tmp_path)
    (world / "render" / "halo.py").rename(world / "render" / "glow.py")
    assert len({before, added, changed, renderer_hash(tmp_path)}) == 4
    (tmp_path / "core" / "colour.py").write_text("FILM = 2\n")
    assert renderer_hash(tmp_path) not in {before, added, changed}
    shutil.rmtree(world / "maps")
    with pytest.raises(FileNotFoundError, match="no sources of the renderer in .*maps"):
        renderer_hash(tmp_path)
