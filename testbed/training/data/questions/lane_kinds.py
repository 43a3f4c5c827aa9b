"""Questions about the lane and how the car stands in it, answered by the lane's geometry."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from testbed.core.perception_tasks import LANE_LINES, LANE_ROWS_PX, PREVIEW_M, PROMPTS, STEERING_CLASSES
from testbed.training.data.questions.kind import YES_NO, Facts, QuestionKind

OFF_CENTRE_M, CENTRED_M = 0.4, 0.12
"""From how far off the car is beside the lane's centre, and up to how far it is on it."""
TURNED_DEG, ALONG_DEG = 1.2, 0.4
"""From which angle the car points to a side of the lane, and up to which along it."""
BENDS_M, STRAIGHT_M = 0.4, 0.08
"""By how much a lane that bends leaves the straight line within the preview, and a straight one at most."""
FAR_BEND_PX = 3.0
"""As far as a straight lane is seen, its middle stays this close to the line through its near half; that of a lane that
bends leaves it by more: who comes out of a curve has turned, but sees a straight road."""
SHARP_1PM = 0.004
"""In a sharper curve it cannot be seen how the car stands in its lane, because what is seen lies ahead of it."""
HIDES_FROM_PX = 70.0
"""A vehicle ahead of that height hides the lane."""
_LEAST_ROWS = 8

LEFT, RIGHT, AHEAD = "to the left", "to the right", "straight ahead"
ROADS: dict[str, str] = {"highway": "a highway", "town": "a street in a town", "rural": "a country road"}
"""Embedded map to what its roads are called."""

_MARKS = {b"solid": "solid", b"broken": "broken", b"none": "there is none"}

_LANE = ("preview_offset_m", "lateral_offset_m", "heading_error_rad", "curvature_1pm", "lane_x_px", "lead_box_px")


def _if_seen(tell: Callable[[Facts], str | None]) -> Callable[[Facts], str | None]:
    """Answer only where no vehicle ahead hides the lane; an unknown box is NaN and hides nothing."""

    def seen(facts: Facts) -> str | None:
        _, top, _, bottom = facts["lead_box_px"]
        return None if bottom - top >= HIDES_FROM_PX else tell(facts)

    return seen


def _steering(facts: Facts) -> str | None:
    number = int(facts["steering"])
    return STEERING_CLASSES[number].value if number >= 0 else None


def _between(value: float, clearly: float, hardly: float, words: tuple[str, str, str]) -> str | None:
    """Return the word for positive, small or negative; None for what is neither clearly off nor hardly."""
    if abs(value) < hardly:
        return words[1]
    if abs(value) < clearly or not math.isfinite(value):
        return None
    return words[0] if value > 0.0 else words[2]


def _bend(facts: Facts) -> str | None:
    lateral_m, heading_rad = float(facts["lateral_offset_m"]), float(facts["heading_error_rad"])
    leaves_m = float(facts["preview_offset_m"]) + lateral_m + PREVIEW_M * math.sin(heading_rad)
    found = _between(leaves_m, BENDS_M, STRAIGHT_M, (LEFT, AHEAD, RIGHT))
    seen = _between(_seen_bend_px(facts["lane_x_px"]), FAR_BEND_PX, FAR_BEND_PX, (LEFT, AHEAD, RIGHT))
    return found if found == seen else None


def _seen_bend_px(lane_x_px: NDArray[np.float32]) -> float:
    """Return how far to the left the lane's middle leaves the line through its near half; NaN where little is seen."""
    rows = np.asarray(LANE_ROWS_PX)
    own = [LANE_LINES.index(name) for name in ("ego_left", "ego_right")]
    middle = np.asarray(lane_x_px, np.float64)[own].mean(0)
    known = np.flatnonzero(np.isfinite(middle))
    near = known[len(known) // 2 :]
    if len(near) < _LEAST_ROWS:
        return math.nan
    line = np.polyfit(rows[near], middle[near], 1)
    leaves_px = np.polyval(line, rows[known]) - middle[known]
    return float(leaves_px[np.abs(leaves_px).argmax()])


def _position(facts: Facts) -> str | None:
    if not abs(float(facts["curvature_1pm"])) < SHARP_1PM:
        return None
    words = ("left of the centre", "in the centre", "right of the centre")
    return _between(float(facts["lateral_offset_m"]), OFF_CENTRE_M, CENTRED_M, words)


def _heading(facts: Facts) -> str | None:
    if not abs(float(facts["curvature_1pm"])) < SHARP_1PM:
        return None
    turned_deg = math.degrees(float(facts["heading_error_rad"]))
    return _between(turned_deg, TURNED_DEG, ALONG_DEG, (LEFT, "along the lane", RIGHT))


def _has_neighbour(facts: Facts, side: str) -> bool | None:
    """Tell whether a lane of the same direction runs beside the own one; None where it begins or ends in view."""
    lines = np.isfinite(np.asarray(facts["lane_x_px"]))
    own, other = lines[LANE_LINES.index(f"ego_{side}")], lines[LANE_LINES.index(f"neighbour_{side}")]
    if own.sum() < _LEAST_ROWS:
        return None
    share = float((own & other).sum() / own.sum())
    return None if 0.0 < share < 0.9 else share > 0.0


def _neighbour(side: str) -> Callable[[Facts], str | None]:
    def tell(facts: Facts) -> str | None:
        found = _has_neighbour(facts, side)
        return None if found is None else "yes" if found else "no"

    return tell


def _line(number: int) -> Callable[[Facts], str | None]:
    return lambda facts: _MARKS.get(bytes(facts["line_marks"][number]))


def _which_lane(facts: Facts) -> str | None:
    left, right = _has_neighbour(facts, "left"), _has_neighbour(facts, "right")
    if left is None or right is None:
        return None
    return {
        (False, False): "the only lane",
        (False, True): "the left lane",
        (True, False): "the right lane",
        (True, True): "a middle lane",
    }[left, right]


def _beside(side: str, other: str) -> QuestionKind:
    return QuestionKind(
        f"lane_{side}",
        "view",
        f"Is there another lane for your direction on the {side} of yours?",
        (
            f"Does a lane in your direction run {side} of your lane?",
            f"Could you change to a lane on your {side} that goes your way?",
            f"Is a second lane for your direction on your {side}?",
            f"Do you have a lane for your own direction to the {side}?",
        ),
        (f"On your {side}, is there one more lane of your own direction?",),
        YES_NO,
        ("lane_x_px", "lead_box_px"),
        _if_seen(_neighbour(side)),
        only_there=True,
        counterpart=f"lane_{other}",
    )


def _line_on(side: str, other: str) -> QuestionKind:
    return QuestionKind(
        f"line_{side}",
        "view",
        f"Is the line on the {side} of your lane solid or broken?",
        (
            f"What marking bounds your lane on the {side}?",
            f"Which kind of line is painted on the {side} of your lane?",
            f"Is the {side} lane marking solid, broken or missing?",
            f"Describe the line to the {side} of your lane.",
        ),
        (f"How is your lane marked on its {side} edge?",),
        tuple(_MARKS.values()),
        ("line_marks", "lead_box_px"),
        _if_seen(_line(0 if side == "left" else 1)),
        only_there=True,
        counterpart=f"line_{other}",
    )


STEERING = QuestionKind(
    "steering",
    "view",
    PROMPTS["alc"],
    (
        "Which way should you turn the steering wheel?",
        "Where do you have to steer?",
        "Do you steer left, straight or right?",
        "How do you steer to stay in your lane?",
        "In which direction do you turn the wheel now?",
        "What should the driver do with the steering wheel?",
        "Steer left, right or keep straight?",
        "Which steering direction keeps the car in its lane?",
        "To follow the lane, where do you turn the wheel?",
        "Give the steering direction.",
        "As the driver, which way do you steer?",
        "Choose a steering command: Left, Straight or Right.",
        "How must the steering wheel be turned to follow the road?",
        "Is left, straight or right the way to steer?",
        "What is your steering command?",
        "What steering does this road ask for?",
        "Which turn of the wheel is needed here?",
        "You are at the wheel. Which way do you turn it?",
        "Does the car have to be steered left, right, or straight on?",
        "In what direction does the car have to be steered?",
        "How would a careful driver steer?",
        "Where does the steering wheel have to go?",
        "Say how the wheel is to be turned.",
        "Tell which way to turn the wheel.",
        "Decide: steer to the left, steer to the right, or go straight.",
        "What is the right thing to do with the wheel?",
        "Which steering is correct now: Left, Right or Straight?",
        "Keep the car in its lane: which way do you steer?",
        "Is the wheel to be held straight or turned to one side?",
    ),
    (
        "Should the car be steered to the left, to the right or not at all?",
        "What is the correct steering direction here?",
        "You are driving: which way does the wheel have to go?",
        "Tell me where to steer.",
        "Which way should the driver steer to stay in the lane?",
        "Should you steer left, steer right, or keep the wheel straight here?",
        "Tell me how the steering wheel should be turned to follow the lane.",
        "In what direction must the wheel be turned to keep the car in its lane?",
        "State the steering direction needed at this moment: left, straight or right.",
        "If you were driving this car, which way would you steer?",
        "Choose the correct steering command for this view: left, straight or right.",
        "I need to know which way to turn the steering wheel now.",
        "What steering action keeps the vehicle within its lane?",
        "Decide whether the driver should steer left, go straight, or steer right.",
        "How should the person at the wheel steer in this situation?",
        "Please indicate the direction in which the steering wheel ought to be rotated.",
    ),
    tuple(steering.value for steering in STEERING_CLASSES),
    ("steering",),
    _steering,
    only_there=True,
)

LANE_KINDS: tuple[QuestionKind, ...] = (
    STEERING,
    QuestionKind(
        "bend",
        "view",
        "Does your lane bend to the left, to the right, or run straight ahead?",
        (
            "Which way does the lane curve?",
            "Is the road ahead straight or does it curve?",
            "Where does your lane lead: left, right or straight ahead?",
            "Does the road bend, and to which side?",
            "What course does the lane take?",
        ),
        ("To which side does the lane turn ahead of you?", "Is there a curve ahead, and where does it go?"),
        (LEFT, AHEAD, RIGHT),
        _LANE,
        _if_seen(_bend),
        only_there=True,
    ),
    QuestionKind(
        "lane_position",
        "view",
        "Where in its lane is the car?",
        (
            "Is the car in the centre of its lane or off to a side?",
            "How does the car sit between its lane lines?",
            "Are you left or right of the lane's centre?",
            "Which part of the lane do you drive in?",
            "Is your car left of, right of or in the centre of its lane?",
        ),
        ("Off which side of the lane's middle is the car?", "On which side of the lane's middle do you keep?"),
        ("left of the centre", "in the centre", "right of the centre"),
        ("lateral_offset_m", "curvature_1pm", "lead_box_px"),
        _if_seen(_position),
        only_there=True,
    ),
    QuestionKind(
        "lane_heading",
        "view",
        "In which direction does the car point relative to its lane?",
        (
            "Does the car's nose point along the lane or to a side?",
            "How is the car turned against its lane?",
            "Relative to the lane, where is the car heading?",
            "To which side of the lane is the car turned?",
            "Are you heading along the lane, or towards one of its lines?",
        ),
        ("Towards which side does the car's heading deviate from the lane?", "How is the car aligned with its lane?"),
        (LEFT, "along the lane", RIGHT),
        ("heading_error_rad", "curvature_1pm", "lead_box_px"),
        _if_seen(_heading),
        only_there=True,
    ),
    _beside("left", "right"),
    _beside("right", "left"),
    _line_on("left", "right"),
    _line_on("right", "left"),
    QuestionKind(
        "which_lane",
        "view",
        "Which lane of your direction are you in?",
        (
            "In which lane do you drive: the left, a middle, the right or the only one?",
            "Name the lane of your direction that you are in.",
            "Of the lanes that go your way, which is yours?",
            "Which lane is the car in?",
        ),
        ("Among the lanes of your direction, where are you?",),
        ("the left lane", "a middle lane", "the right lane", "the only lane"),
        ("lane_x_px", "lead_box_px"),
        _if_seen(_which_lane),
        only_there=True,
    ),
    QuestionKind(
        "road_type",
        "view",
        "What kind of road is this?",
        (
            "Are you on a highway, in a town or on a country road?",
            "Where are you driving: highway, town or countryside?",
            "Which type of road do you see?",
            "Is this a highway, a street or a country road?",
        ),
        ("What sort of road are you on?",),
        tuple(ROADS.values()),
        ("map",),
        lambda facts: ROADS.get(facts["map"]),
    ),
)
