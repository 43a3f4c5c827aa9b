"""Driving scores against the figures both Leaderboard versions give."""

from __future__ import annotations

import pytest

from testbed.core.records import Event
from testbed.judge import (
    Infractions,
    driving_score_20,
    driving_score_21,
    penalty_20,
    penalty_21,
    route_percent,
    status_word,
)


@pytest.mark.parametrize(
    ("counts", "expected_20", "expected_21"),
    [
        ({}, 1.0, 1.0),
        ({"collision_vehicle": 1}, 0.600, 0.588),
        ({"collision_vehicle": 2}, 0.360, 0.417),
        ({"collision_pedestrian": 1, "red_light": 1}, 0.350, 0.417),
    ],
)
def test_published_check_values(counts: dict[str, int], expected_20: float, expected_21: float) -> None:
    infractions = Infractions(counts)
    assert round(penalty_20(infractions), 3) == expected_20
    assert round(penalty_21(infractions), 3) == expected_21


def test_outside_lane_and_min_speed() -> None:
    infractions = Infractions({}, outside_percent=25.0, min_speed_percents=(50.0,))
    assert penalty_20(infractions) == pytest.approx(0.75 * (1 - 0.3 * 0.5))
    assert penalty_21(infractions) == pytest.approx(0.75 / 1.2)


def test_scores_are_rounded_to_six_decimals_and_scaled_by_route() -> None:
    infractions = Infractions({"collision_vehicle": 1})
    assert driving_score_20(50.0, infractions) == 30.0
    assert driving_score_21(100.0, infractions) == 58.823529


def test_collisions_without_fault_cost_nothing() -> None:
    def hit(at_fault: bool) -> Event:
        return Event(
            kind="collision_vehicle",
            t_s=1.0,
            frame=1,
            location_xyz_m=(0, 0, 0),
            ego_speed_mps=0.0,
            detail={"at_fault": at_fault},
        )

    assert penalty_20(Infractions.from_events([hit(False)])) == 1.0
    assert penalty_20(Infractions.from_events([hit(False), hit(True)])) == 0.6


def test_route_completion_forgives_the_last_metres() -> None:
    assert route_percent(995.0, 1000.0) == 100.0
    assert route_percent(9950.0, 10000.0) == 99.5
    assert route_percent(-1.0, 100.0) == 0.0


def test_status_words() -> None:
    blocked = Event(kind="blocked", t_s=1, frame=1, location_xyz_m=(0, 0, 0), ego_speed_mps=0)
    outside = blocked.model_copy(update={"kind": "outside_lane"})
    assert status_word(100.0, []) == "Perfect"
    assert status_word(100.0, [outside]) == "Completed"
    assert status_word(40.0, []) == "Failed - Agent timed out"
    assert status_word(100.0, [blocked]) == "Failed - Agent got blocked"
