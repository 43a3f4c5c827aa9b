"""Following lanes on the client's own map: straight on over junctions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from testbed.client.truth.route import follow_lane
from testbed.core.errors import ScenarioError
from testbed.world.maps import load_map
from testbed.world.maps.lane_route import LaneRoute


@pytest.fixture(scope="module")
def town() -> Any:
    """The town as the client's own map, without a server."""
    import carla

    return carla.Map("town", load_map("town").xodr)


# roads on y = -110, y = -230 and x = 260 (CARLA's y grows to the south), with the crossings they lead over
@pytest.mark.parametrize(
    "road, lane, s_m, heading_deg, over",
    [(4, -1, 40.0, 0.0, 130.0), (8, -1, 40.0, 0.0, 260.0), (14, -1, 40.0, -90.0, -110.0), (5, 1, 60.0, 180.0, 130.0)],
)
def test_the_way_leads_straight_over_junctions(
    town: Any, road: int, lane: int, s_m: float, heading_deg: float, over: float
) -> None:
    path = follow_lane(town, road, lane, s_m, 120.0)
    assert path.length_m == pytest.approx(119.0, abs=2.0)
    turned = [(math.degrees(path.yaw_rad(s)) - heading_deg + 180.0) % 360.0 - 180.0 for s in range(0, 115, 5)]
    assert np.abs(turned).max() < 2.0
    axis = 1 if abs(heading_deg) == 90.0 else 0
    places = [path.pose(s)[axis] for s in (0.0, 115.0)]
    assert min(places) < over < max(places)


@pytest.mark.parametrize(("road", "lane", "s_m"), [(4, -1, 40.0), (8, -1, 40.0), (14, -1, 40.0), (5, 1, 60.0)])
def test_the_map_of_the_server_tells_the_same_way(town: Any, road: int, lane: int, s_m: float) -> None:
    path = follow_lane(town, road, lane, s_m, 120.0)
    route = LaneRoute(load_map("town").network, road, lane, s_m, 120.0)
    for ahead_m in range(0, 110, 10):
        # one measures along the lane, the other along the roads' reference lines
        assert route.pose(ahead_m)[:2] == pytest.approx(path.pose(ahead_m)[:2], abs=4.0)


def test_where_nothing_leads_straight_on_the_way_turns(town: Any) -> None:
    # the stem of the T at (260, -230)
    path = follow_lane(town, 15, -1, 60.0, 90.0)
    assert abs(math.degrees(path.yaw_rad(85.0)) + 90.0) == pytest.approx(90.0, abs=1.0)


def test_a_lane_that_is_not_there_is_said_so(town: Any) -> None:
    with pytest.raises(ScenarioError, match="no driving lane 9 on road 4"):
        follow_lane(town, 4, 9, 40.0, 50.0)
