"""A lane followed over sections whose lanes have other ids, as the client's own map follows it."""

from __future__ import annotations

import pytest

from testbed.world.maps import RoadNetwork
from testbed.world.maps.lane_route import LaneRoute


def _lane(number: int, links: str) -> str:
    return (
        f'<lane id="{number}" type="driving" level="false"><link>{links}</link>'
        '<width sOffset="0" a="3.5" b="0" c="0" d="0"/></lane>'
    )


def _before(number: int) -> str:
    return f'<predecessor id="{number}"/>'


def _after(number: int) -> str:
    return f'<successor id="{number}"/>'


# 200 m of straight road: two lanes to the right for 100 m, of which the inner one ends and the outer one goes on as -1;
# on the left one lane, which those who drive on it find as 2 behind the middle
CENTRE = '<center><lane id="0" type="none"/></center>'
SECTIONS = (
    f'<laneSection s="0"><left>{_lane(2, _after(1))}{_lane(1, "")}</left>{CENTRE}'
    f"<right>{_lane(-1, '')}{_lane(-2, _after(-1))}</right></laneSection>"
    f'<laneSection s="100"><left>{_lane(1, _before(2))}</left>{CENTRE}'
    f"<right>{_lane(-1, _before(-2))}</right></laneSection>"
)
XODR = (
    '<OpenDRIVE><header revMajor="1" revMinor="4"/><road name="" length="200" id="2" junction="-1">'
    '<planView><geometry s="0" x="0" y="0" hdg="0" length="200"><line/></geometry></planView>'
    f"<lanes>{SECTIONS}</lanes></road></OpenDRIVE>"
)


@pytest.mark.parametrize(
    ("lane", "s_m", "ahead_m", "found"),
    [
        (-2, 20.0, 50.0, (2, -2, 70.0)),
        (-2, 20.0, 120.0, (2, -1, 140.0)),
        (1, 180.0, 50.0, (2, 1, 130.0)),
        (1, 180.0, 120.0, (2, 2, 60.0)),
    ],
)
def test_lanes_go_on_under_other_ids(lane: int, s_m: float, ahead_m: float, found: tuple[int, int, float]) -> None:
    carla = pytest.importorskip("carla")
    network = RoadNetwork.parse(XODR)
    route = LaneRoute(network, 2, lane, s_m, 150.0)
    assert route.at(ahead_m) == (found[0], found[1], pytest.approx(found[2]))
    waypoint = carla.Map("mine", XODR).get_waypoint_xodr(2, lane, s_m).next(ahead_m)[0]
    assert (waypoint.road_id, waypoint.lane_id) == found[:2] and waypoint.s == pytest.approx(found[2], abs=0.1)
    where = waypoint.transform.location
    assert route.pose(ahead_m)[:2] == pytest.approx((where.x, where.y), abs=0.1)


def test_a_lane_that_ends_ends_the_route() -> None:
    route = LaneRoute(RoadNetwork.parse(XODR), 2, -1, 20.0, 150.0)
    assert route.length_m == pytest.approx(80.0) and route.at(500.0)[:2] == (2, -1)
    whole = LaneRoute(RoadNetwork.parse(XODR), 2, -2, 20.0, 500.0)
    assert whole.length_m == pytest.approx(180.0) and whole.at(500.0)[:2] == (2, -1)
