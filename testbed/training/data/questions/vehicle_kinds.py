"""Questions about other vehicles, answered by who stands where in the view."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from testbed.core.perception_tasks import IMAGE_WIDTH_PX, PROMPTS
from testbed.training.data.colour_words import COLOUR_WORDS
from testbed.training.data.questions.kind import NO_LEAD, YES_NO, Facts, QuestionKind, weather
from testbed.world.assets.vehicle_models import VEHICLE_BY_ID

NO_VEHICLE, A_VEHICLE = "No car", "A car at"
"""First words of the published question's answer; the second goes on with four numbers."""

DISTANCE_EDGES_M = (8.0, 15.0, 30.0, 60.0)
_DISTANCES = ("closer than 8 m", "8 to 15 m", "15 to 30 m", "30 to 60 m")
EDGE_MARGIN = 0.08
"""This close to an edge, as a fraction of it, no bin is said to be right."""

KIND_FROM_PX, COLOUR_FROM_PX = 14.0, 14.0
"""Height from which on kind and colour of a vehicle can be seen."""
SURELY_PX, SURELY_SEEN = 8.0, 0.4
"""A vehicle lower, or less of it to be seen, makes a count doubtful."""
NEARER_BY_PX = 2.0
SIDE_PX, AHEAD_PX = 60.0, 30.0
"""From which distance off the picture's middle a vehicle is at a side, and up to which it is ahead."""
DAYLIGHT_FROM_DEG, HAZE_UP_TO = 8.0, 20.0
"""Sun above the horizon and fog density with which colours can be told."""

_KINDS = ("car", "van", "truck", "bus", "motorcycle", "bicycle")
_COUNTS = ("none", "one", "two", "three", "four or more")
_SIDES = ("to the left", "ahead", "to the right")
_VEHICLES = ("lead_known", "present")


def _if_known(tell: Callable[[Facts], str | None]) -> Callable[[Facts], str | None]:
    return lambda facts: tell(facts) if bool(facts["lead_known"]) else None


def _of_lead(tell: Callable[[Facts], str | None]) -> Callable[[Facts], str | None]:
    return _if_known(lambda facts: tell(facts) if bool(facts["present"]) else NO_LEAD)


def _distance(facts: Facts) -> str | None:
    gap_m = float(facts["lead_distance_m"])
    if any(abs(gap_m - edge_m) < EDGE_MARGIN * edge_m for edge_m in DISTANCE_EDGES_M[:-1]):
        return None
    return next((word for word, edge_m in zip(_DISTANCES, DISTANCE_EDGES_M, strict=True) if gap_m <= edge_m), None)


def _lead_height_px(facts: Facts) -> float:
    return float(facts["lead_box_px"][3] - facts["lead_box_px"][1])


def _kind(facts: Facts) -> str | None:
    model = VEHICLE_BY_ID.get(bytes(facts["lead_kind"]).decode())
    return model.base_type if model is not None and _lead_height_px(facts) >= KIND_FROM_PX else None


def _colour(facts: Facts) -> str | None:
    light = weather(facts)
    seen = light["sun_altitude_angle"] >= DAYLIGHT_FROM_DEG and light["fog_density"] <= HAZE_UP_TO
    return bytes(facts["lead_colour"]).decode() or None if seen and _lead_height_px(facts) >= COLOUR_FROM_PX else None


def _count(facts: Facts) -> str | None:
    count = int(facts["box_count"])
    boxes, visible = facts["boxes_px"][: max(count, 0)], facts["visible"][: max(count, 0)]
    if count < 0 or (boxes[:, 3] - boxes[:, 1] < SURELY_PX).any() or not (visible >= SURELY_SEEN).all():
        return None
    return _COUNTS[min(count, len(_COUNTS) - 1)]


def _nearest_side(facts: Facts) -> str | None:
    count = int(facts["box_count"])
    if count <= 0:
        return "there is no vehicle" if count == 0 else None
    boxes = np.asarray(facts["boxes_px"][:count], np.float64)
    # Boxes come nearest first; a vehicle is surely the nearest when it also stands lowest in the picture.
    if count > 1 and boxes[0, 3] < boxes[1:, 3].max() + NEARER_BY_PX:
        return None
    off_px = 0.5 * (boxes[0, 0] + boxes[0, 2]) - IMAGE_WIDTH_PX / 2
    if AHEAD_PX < abs(off_px) < SIDE_PX:
        return None
    return _SIDES[1] if abs(off_px) <= AHEAD_PX else _SIDES[0 if off_px < 0.0 else 2]


VEHICLE = QuestionKind(
    "vehicle",
    "view",
    PROMPTS["vd"],
    (
        "Is there a car ahead? If so, give its bounding box.",
        "Locate the vehicle ahead of you in your lane.",
        "If a vehicle is ahead in your lane, where is it in the picture?",
        "Detect the car ahead and give the centre and the size of its box.",
        "Give the bounding box of the car in front, if there is one.",
        "Do you detect a vehicle in front of you? Give its box.",
        "Where in the image is the car ahead?",
        "Find the car in front of you.",
        "Report centre and dimensions of the car ahead, or say that there is none.",
        "Mark the vehicle that drives ahead of you.",
        "If you see a car ahead in your lane, say where its box is.",
        "State the position and size of the vehicle ahead.",
        "Box the car in front of you if there is any.",
        "Is a vehicle driving ahead of you, and where in the picture?",
        "Give centre, height and width of the car ahead, or say that there is no car.",
        "Where is the vehicle in front of you? Answer with a box.",
        "Draw a box around the car ahead.",
        "Tell whether a car is ahead, and its box.",
        "Locate the car that you follow.",
        "What area of the picture does the car ahead take up?",
        "Look for a car ahead of you and localize it.",
        "In case a car is in front of you, what are its centre coordinates and its size?",
        "Output the bounding box of the vehicle ahead, or No car.",
        "Which box encloses the vehicle ahead of you?",
    ),
    (
        "Provide the box around the vehicle in front of you, if any.",
        "Should a car be ahead, tell its centre coordinates, height and width.",
        "Which part of the image does the car ahead cover?",
        "Detect a vehicle ahead and localize it.",
        "Is there a car ahead, and if so, what are its box centre, width and height?",
        "Locate the vehicle in front and report the centre and size of its bounding box, if there is one.",
        "Check for a car ahead; if one is present, give its bounding box centre, width and height.",
        "Where is the car in front, if any? Answer with its box centre and dimensions.",
        "Please tell me whether a car is visible ahead and give the centre and size of its box.",
        "Find the car in our lane, if there is one, and state its box centre and dimensions.",
        "Should a vehicle appear ahead in the lane, specify the middle point, width and height of its bounding box.",
        "Can you see a car ahead? If yes, return the centre position and size of its bounding box.",
        "Report any car in the driver's lane by giving the centre point and size of its enclosing rectangle.",
        "Does the lane ahead contain a car? If it does, describe its bounding box by centre and size.",
        "Detect the car ahead, if any, and output the midpoint, width and height of its box.",
        "I want to know whether a car is ahead and, if so, its box centre and dimensions.",
    ),
    (NO_VEHICLE, A_VEHICLE),
    (*_VEHICLES, "lead_box_px"),
    _if_known(lambda facts: A_VEHICLE if bool(facts["present"]) else NO_VEHICLE),
    only_there=True,
)

VEHICLE_KINDS: tuple[QuestionKind, ...] = (
    VEHICLE,
    QuestionKind(
        "vehicle_ahead",
        "view",
        "Is there a vehicle ahead of you in your lane within 60 m?",
        (
            "Does someone drive ahead of you in your lane within 60 m?",
            "Within 60 m, is your lane occupied by another vehicle?",
            "Is a vehicle in front of you in your own lane, not farther than 60 m?",
            "Do you have to watch a vehicle in your lane within the next 60 m?",
        ),
        ("Would you reach another vehicle in your lane within 60 m?",),
        YES_NO,
        _VEHICLES,
        _if_known(lambda facts: "yes" if bool(facts["present"]) else "no"),
        only_there=True,
    ),
    QuestionKind(
        "lead_distance",
        "view",
        "How far away is the vehicle ahead in your lane?",
        (
            "What is the distance to the vehicle in front of you?",
            "How many metres is the vehicle ahead away?",
            "How large is the gap to the vehicle in your lane?",
            "Estimate the distance to the vehicle ahead.",
            "How close is the vehicle in front?",
        ),
        ("How much space is left to the vehicle ahead of you?", "Give the gap to the vehicle in front in metres."),
        (*_DISTANCES, NO_LEAD),
        (*_VEHICLES, "lead_distance_m"),
        _of_lead(_distance),
        only_there=True,
    ),
    QuestionKind(
        "lead_kind",
        "view",
        "What kind of vehicle is ahead of you in your lane?",
        (
            "Is the vehicle ahead a car, a van, a truck, a bus, a motorcycle or a bicycle?",
            "Which type of vehicle do you follow?",
            "What vehicle is in front of you?",
            "Name the type of the vehicle in your lane.",
        ),
        ("What type of vehicle drives before you?",),
        (*_KINDS, NO_LEAD),
        (*_VEHICLES, "lead_kind", "lead_box_px"),
        _of_lead(_kind),
        only_there=True,
    ),
    QuestionKind(
        "lead_colour",
        "view",
        "What colour is the vehicle ahead of you in your lane?",
        (
            "Which colour does the vehicle in front have?",
            "In which colour is the vehicle ahead painted?",
            "Name the colour of the vehicle that you follow.",
            "Tell me the paint colour of the vehicle in your lane.",
        ),
        ("How is the vehicle before you painted?",),
        (*COLOUR_WORDS, NO_LEAD),
        (*_VEHICLES, "lead_colour", "lead_box_px", "weather"),
        _of_lead(_colour),
        only_there=True,
    ),
    QuestionKind(
        "vehicle_count",
        "view",
        "How many vehicles do you see?",
        (
            "Count the vehicles in the picture.",
            "What is the number of vehicles in view?",
            "How many other vehicles are there?",
            "How many vehicles can be seen from here?",
        ),
        ("Give the number of vehicles that you can see.",),
        _COUNTS,
        ("lead_known", "box_count", "boxes_px", "visible"),
        _if_known(_count),
    ),
    QuestionKind(
        "nearest_side",
        "view",
        "On which side is the nearest vehicle?",
        (
            "Is the nearest vehicle to the left, ahead or to the right?",
            "Where is the vehicle that is closest to you?",
            "To which side is the closest vehicle?",
            "Where do you see the nearest vehicle?",
        ),
        ("In which direction is the closest other vehicle?",),
        (*_SIDES, "there is no vehicle"),
        ("lead_known", "box_count", "boxes_px"),
        _if_known(_nearest_side),
    ),
)
