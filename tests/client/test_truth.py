"""What is told to judges about who is ahead: also whom no agent can be asked about."""

from __future__ import annotations

from typing import Any

from testbed.client import Session, connect
from testbed.core.records import EpisodePlan
from testbed.core.types import Truth
from testbed.scenario.concrete import concretise
from testbed.scenario.schema import Scenario

CAR = {"id": "car", "ahead_m": 75, "speed_mps": 10, "vary": False}
NEAR = {"id": "near", "ahead_m": 30, "vary": False}
WALKER = {"id": "walker", "blueprint": "walker.pedestrian.0001", "ahead_m": 20, "vary": False}
BESIDE = {"id": "beside", "ahead_m": 12, "lane": -1, "vary": False}


def begin(session: Session, *actors: dict[str, Any]) -> Truth:
    """Return the truth of the first frame."""
    scene = {
        "name": "ahead",
        "question": "Who is ahead?",
        "ego": {"spawn": {"road": 1, "lane": -2, "s_m": 60}, "speed_mps": 10, "vary": False},
        "weather": {"preset": "ClearNoon", "vary": False},
        "duration_s": 1,
        "actors": list(actors),
    }
    made = Scenario.model_validate(scene)
    plan = EpisodePlan(scenario=made.name, scene=made.dump(), agent="", condition="benign", seed=1)
    truth = session.begin(concretise(plan), {}).truth
    session.end()
    return truth


def test_who_is_ahead_and_who_can_be_asked_about() -> None:
    with connect(None, map_name="highway") as connection:
        session = Session(connection)
        far = begin(session, CAR, BESIDE)
        assert far.lead is None  # too small a picture to ask about
        assert far.ahead is not None and 68.0 < far.ahead.distance_m < 72.0 and abs(far.ahead.speed_mps - 10.0) < 0.1
        both = begin(session, CAR, NEAR, WALKER, BESIDE)
        assert both.lead is not None and both.ahead is not None  # a walker is no vehicle, but asks for braking
        assert both.ahead.distance_m < both.lead.distance_m < 30.0
        assert begin(session, BESIDE).ahead is None
