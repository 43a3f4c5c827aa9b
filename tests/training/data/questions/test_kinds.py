"""Kinds of questions: enough wordings, none both learnt and held out, answers in their set and right by geometry."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from testbed.core.gtsrb import SIGN_NAMES
from testbed.core.perception_tasks import PROMPTS
from testbed.core.weather import PRESETS, WeatherParameters, weather_of
from testbed.training.data.colour_words import COLOUR_WORDS, colour_word
from testbed.training.data.format import COLUMNS, Split, unknown
from testbed.training.data.questions import CANNOT_TELL, KINDS, PUBLISHED
from testbed.training.data.questions.kind import NO_LEAD, SORT_OF_TASK, facts_of
from testbed.training.data.questions.table import markdown
from testbed.training.data.questions.unanswerable import BLANKS, blank_picture, nonsense, unknowable
from testbed.world.render.camera import pose_matrix
from testbed.world.sampled_weather import weather_row

from . import pictures

ROOT = Path(__file__).parents[4]


def normal(text: str) -> str:
    return " ".join(text.lower().strip(" ?.!").split())


def test_there_are_twenty_kinds_and_more_with_enough_wordings() -> None:
    assert len(KINDS) >= 20
    for kind in KINDS.values():
        main = kind in PUBLISHED.values()
        assert len(kind.paraphrases) >= (8 if main else 4), kind.name
        assert len(kind.held_out) >= (3 if main else 1), kind.name
        assert len(set(kind.answers)) == len(kind.answers) >= 2, kind.name
        assert CANNOT_TELL not in kind.answers
    assert {task: kind.wording for task, kind in PUBLISHED.items()} == PROMPTS
    assert PUBLISHED["tsr"].answers == SIGN_NAMES


def test_no_wording_stands_twice_or_in_both_splits() -> None:
    learnt = Counter(normal(text) for kind in KINDS.values() for text in kind.training)
    held_out = Counter(normal(text) for kind in KINDS.values() for text in kind.held_out)
    for split, counted in (("train", learnt), ("test", held_out)):
        counted.update(normal(text) for text in unknowable(split))
        assert counted.most_common(1)[0][1] == 1, counted.most_common(1)
    assert not set(learnt) & set(held_out)


def test_wordings_of_a_split_are_those_of_the_registry() -> None:
    for kind in KINDS.values():
        assert set(kind.wordings("train")) == {kind.wording, *kind.paraphrases}
        assert set(kind.wordings("test")) == {kind.wording, *kind.held_out}


@pytest.mark.parametrize("task", ["tsr", "alc", "vd"])
def test_every_answer_is_in_its_closed_set_and_every_kind_is_answered(task: str) -> None:
    split = pictures.split_of(task, "train", 400)
    shown: dict[str, set[str]] = {}
    for row in range(len(split)):
        facts = facts_of(split, row)
        for kind in KINDS.values():
            if kind.sort != SORT_OF_TASK[task]:
                continue
            answer = kind.answer(facts)
            assert answer is None or answer in kind.answers, (kind.name, answer)
            if answer is not None:
                shown.setdefault(kind.name, set()).add(answer)
    fitting = [kind for kind in KINDS.values() if kind.sort == SORT_OF_TASK[task]]
    assert set(shown) == {kind.name for kind in fitting}
    # Every answer occurs, so that none stands in its set for nothing.
    assert {kind.name: set(kind.answers) for kind in fitting} == shown


@pytest.mark.parametrize("task", ["alc", "vd"])
def test_what_is_not_known_is_not_answered(task: str) -> None:
    split = pictures.split_of(task, "train", 4)
    labels: dict[str, Any] = {
        "pose": np.full((4, 6), np.nan, np.float32),
        "weather": np.full((4, 14), np.nan, np.float32),
        "group": np.zeros(4, np.int32),
        **{name: unknown(task, name, 4) for name in COLUMNS[task][3:]},
        "lead_known": np.zeros(4, bool),
    }
    foreign = Split(task, "train", split.pixels, labels, {"maps": ["coco"]})
    facts = facts_of(foreign, 0)
    assert {kind.name for kind in KINDS.values() if kind.sort == "view" and kind.answer(facts) is not None} == set()


def lane(**changed: float) -> dict[str, Any]:
    """Return the facts of a straight lane that the car is in the middle of, with changes."""
    straight = np.stack([160.0 + k * (np.arange(76.0, 160.0, 2.0) - 72.0) for k in (-3.0, -1.0, 1.0, 3.0)])
    facts: dict[str, Any] = dict.fromkeys(
        ("preview_offset_m", "lateral_offset_m", "heading_error_rad", "curvature_1pm"), 0.0
    )
    return facts | {"lane_x_px": straight, "steering": 1, "lead_box_px": np.full(4, np.nan)} | changed


def test_lane_answers_have_the_right_sides() -> None:
    position, heading, bend = (KINDS[name] for name in ("lane_position", "lane_heading", "bend"))
    assert position.answer(lane(lateral_offset_m=0.6)) == "left of the centre"
    assert position.answer(lane(lateral_offset_m=-0.6)) == "right of the centre"
    assert position.answer(lane()) == "in the centre"
    assert position.answer(lane(lateral_offset_m=0.25)) is None
    assert heading.answer(lane(heading_error_rad=math.radians(2.0))) == "to the left"
    assert heading.answer(lane(heading_error_rad=math.radians(-2.0))) == "to the right"
    assert heading.answer(lane(heading_error_rad=math.radians(-2.0), curvature_1pm=0.04)) is None
    assert bend.answer(lane()) == "straight ahead"


def test_a_vehicle_close_ahead_hides_the_lane() -> None:
    facts = lane(lateral_offset_m=0.6, preview_offset_m=-0.6)
    for height_px, told in ((40.0, True), (90.0, False)):
        facts["lead_box_px"] = np.array([100.0, 50.0, 200.0, 50.0 + height_px])
        for name in ("lane_position", "lane_heading", "bend", "lane_left", "which_lane"):
            assert (KINDS[name].answer(facts) is not None) == told, name
        assert KINDS["steering"].answer(facts) == "Straight", "what is published is always asked"


def test_a_bend_is_one_that_is_seen() -> None:
    split = pictures.split_of("alc", "train", 300)
    seen = Counter()
    for row in range(300):
        facts = facts_of(split, row)
        answer, curvature = KINDS["bend"].answer(facts), float(facts["curvature_1pm"])
        if answer is not None:
            assert answer == ("straight ahead" if abs(curvature) < 3e-4 else
                              "to the left" if curvature > 0 else "to the right")  # fmt: skip
            seen[answer] += 1
    assert min(seen.values()) > 20
    # Out of a curve: the lane has turned within the preview, but what is seen of it is straight.
    assert KINDS["bend"].answer(lane(preview_offset_m=3.0)) is None


def test_neighbours_are_lanes_along_which_a_line_runs() -> None:
    facts = lane()
    assert KINDS["which_lane"].answer(facts) == "a middle lane"
    facts["lane_x_px"][0] = np.nan
    assert KINDS["lane_left"].answer(facts) == "no" and KINDS["lane_right"].answer(facts) == "yes"
    assert KINDS["which_lane"].answer(facts) == "the left lane"
    facts["lane_x_px"][3, :20] = np.nan
    assert KINDS["lane_right"].answer(facts) is None and KINDS["which_lane"].answer(facts) is None


def test_the_sun_stands_where_the_renderer_puts_it() -> None:
    """Over all azimuths and headings the answer agrees with the sun's direction in the car's own frame."""
    rng = np.random.default_rng(0)
    told = Counter()
    for _ in range(400):
        yaw_deg = float(rng.uniform(-180.0, 180.0))
        light = WeatherParameters(cloudiness=0.0, fog_density=0.0, sun_altitude_angle=20.0,
                                  sun_azimuth_angle=float(rng.uniform(0.0, 360.0)))  # fmt: skip
        answer = KINDS["sun"].answer({"pose": (0, 0, 0, 0, yaw_deg, 0), "weather": weather_row(light)})
        ahead, right, _ = pose_matrix((0.0, 0.0, 0.0, 0.0, yaw_deg, 0.0))[:3, :3].T @ light.sun_direction()
        if answer is not None:
            side = "to the right" if right > 0 else "to the left"
            assert answer == (("ahead" if ahead > 0 else "behind") if abs(ahead) > abs(right) else side)
            told[answer] += 1
    assert len(told) == 4 and sum(told.values()) > 250


def test_presets_of_weather_are_called_by_their_names() -> None:
    for preset in PRESETS:
        facts = {"weather": weather_row(weather_of(preset)), "pose": (0,) * 6}
        raining = KINDS["raining"].answer(facts)
        assert raining == ("yes" if "Rain" in preset else "no"), preset
        if preset.endswith("Noon"):
            assert KINDS["time_of_day"].answer(facts) == "day"
            assert KINDS["weather"].answer(facts) in ("rain" if "Rain" in preset else "clear", None, "cloudy")
        if preset.endswith("Night"):
            assert KINDS["time_of_day"].answer(facts) == "night"
        if preset.startswith("Clear"):
            assert KINDS["wet_road"].answer(facts) in ("no", None)
    assert KINDS["weather"].answer({"weather": weather_row(weather_of("ClearNoon"))}) == "clear"


def test_sign_answers_agree_with_the_signs_names() -> None:
    for class_id, name in enumerate(SIGN_NAMES):
        facts = {"class_id": class_id}
        answers = {kind.name: kind.answer(facts) for kind in KINDS.values() if kind.sort == "sign"}
        assert answers["sign"] == name
        limit = name.removeprefix("speed limit ") if name.startswith("speed limit") else None
        assert answers["is_speed_limit"] == ("yes" if limit else "no")
        assert answers["top_speed"] == (f"{limit} km/h" if limit else "it states no speed limit")
        assert answers["ends_something"] == ("yes" if name.startswith("end of") else "no")
        assert (answers["sign_category"] == "end of a restriction") == name.startswith("end of")
        assert answers["trucks_only"] == ("yes" if "trucks" in name else "no")
        if answers["sign_points"] is not None:
            assert all(word in answers["sign_points"] for word in ("left", "right") if word in name), name
        if "ahead only" in name or "keep" in name:
            assert answers["ground_colour"] == "blue" and answers["sign_category"] == "mandatory"


def test_answers_about_the_vehicle_ahead_hang_together() -> None:
    split = pictures.split_of("vd", "train", 300)
    for row in range(300):
        facts = facts_of(split, row)
        told = {name: KINDS[name].answer(facts) for name in KINDS}
        if not facts["lead_known"]:
            assert not any(told[name] for name in ("vehicle", "vehicle_ahead", "lead_distance", "vehicle_count"))
            continue
        there = bool(facts["present"])
        assert told["vehicle"] == ("A car at" if there else "No car")
        assert told["vehicle_ahead"] == ("yes" if there else "no")
        for name in ("lead_distance", "lead_kind", "lead_colour"):
            assert (told[name] == NO_LEAD) == (not there), name
        if told["vehicle_count"] == "none":
            assert told["nearest_side"] == "there is no vehicle" and not there


def test_distances_near_an_edge_are_not_told() -> None:
    def distance(gap_m: float) -> str | None:
        facts = {"lead_known": True, "present": True, "lead_distance_m": gap_m}
        return KINDS["lead_distance"].answer(facts)

    assert distance(5.0) == "closer than 8 m" and distance(12.0) == "8 to 15 m"
    assert distance(20.0) == "15 to 30 m" and distance(45.0) == "30 to 60 m"
    assert distance(7.9) is None and distance(14.5) is None and distance(31.0) is None


def test_colours_between_two_words_have_none() -> None:
    known = {(230, 230, 230): "white", (25, 25, 28): "black", (70, 72, 78): "grey", (150, 20, 24): "red",
             (20, 45, 110): "blue", (190, 150, 30): "yellow", (220, 90, 20): "orange", (110, 60, 30): "brown",
             (30, 70, 40): "green"}  # fmt: skip
    assert {rgb: colour_word(*rgb) for rgb in known} == known and set(known.values()) == set(COLOUR_WORDS)
    assert colour_word(200, 200, 205) == "" and colour_word(255, 0, 255) == "" and colour_word(200, 150, 150) == ""


def test_nonsense_of_the_splits_shares_no_word_and_means_nothing() -> None:
    known = {
        word for kind in KINDS.values() for text in (*kind.training, *kind.held_out) for word in normal(text).split()
    }
    words = {}
    for split in ("train", "test"):
        rng = np.random.default_rng(1)
        words[split] = {word for _ in range(300) for word in normal(nonsense(split, rng)).split()}
        assert not words[split] & known
    assert not words["train"] & words["test"]


def test_blank_pictures_show_nothing() -> None:
    for kind in BLANKS:
        picture = blank_picture(kind, 12, 20, 3)
        assert picture.shape == (12, 20, 3) and picture.dtype == np.uint8
        assert (np.ptp(picture) == 0) == (kind != "noise")
    assert np.array_equal(blank_picture("noise", 5, 6, 1), blank_picture("noise", 5, 6, 1))
    assert not np.array_equal(blank_picture("noise", 5, 6, 1), blank_picture("noise", 5, 6, 2))


def test_the_documents_table_is_that_of_the_registry() -> None:
    page = (ROOT / "docs" / "questions.md").read_text(encoding="utf-8")
    assert markdown() in page, "make it anew: python -m testbed.training.data.questions.table"
