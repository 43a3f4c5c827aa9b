"""The lane ahead, followed straight on: through junctions, up to where it can only turn, over hills."""

from __future__ import annotations

import math

import numpy as np
import pytest

from testbed.core.perception_tasks import EGO_HALF_LENGTH_M, PREVIEW_M
from testbed.core.weather import weather_of
from testbed.training.data.lane_ahead import LaneCourse, turn_deg
from testbed.training.data.map_camera import MapCamera
from testbed.training.data.odd_paint import KINDS, livery
from testbed.training.data.random_traffic import FleetVehicle, RandomTraffic, _seen_from
from testbed.world.maps import load_map
from testbed.world.maps.network import RoadNetwork
from testbed.world.render.camera import PinholeCamera


@pytest.fixture(scope="module")
def town() -> RoadNetwork:
    return load_map("town").network


@pytest.fixture(scope="module")
def map_camera() -> MapCamera:
    return MapCamera("town")


def test_a_lane_goes_straight_on_through_a_junction(town: RoadNetwork) -> None:
    course = LaneCourse(town, 4, -1, 90.0, 60.0)  # main street eastwards: lights at junction 55, then road 5
    assert [piece.road.id for piece in course.pieces] == [4, 5506, 5]
    assert course.reach_m == pytest.approx(60.0)
    assert course.junction == 55 and course.junction_from_m == pytest.approx(town.roads[4].length_m - 90.0)
    x_m, y_m, _, _, yaw_deg, _ = course.pose(PREVIEW_M)
    start = town.lane_centre(4, -1, 90.0)
    assert x_m - start[0] == pytest.approx(PREVIEW_M, abs=0.05)
    assert y_m == pytest.approx(start[1], abs=0.05) and yaw_deg == pytest.approx(start[4], abs=0.5)


def test_paint_beside_the_lane_is_told_where_it_stays_the_same() -> None:
    highway = load_map("highway").network
    road = next(road for road in highway.roads.values() if road.length_m > 300.0 and -2 in road.section(100.0).lanes)
    marks = {lane_id: LaneCourse(highway, road.id, lane_id, 100.0, 60.0).line_marks() for lane_id in (-1, -2)}
    drivable = [lane.id for lane in road.section(100.0).outwards(-1) if lane.drivable]
    assert drivable == [-1, -2] and marks == {-1: (b"solid", b"broken"), -2: (b"broken", b"solid")}
    town = load_map("town").network
    before = LaneCourse(town, 4, -1, 20.0, 60.0).line_marks()
    assert before[0] in (b"solid", b"broken") and before[1] == b"none", "a kerb is no paint"
    assert LaneCourse(town, 4, -1, town.roads[4].length_m - 12.0, 60.0).line_marks()[0] == b"", (
        "it ends at the junction"
    )


def test_a_lane_that_can_only_turn_ends_there(town: RoadNetwork) -> None:
    course = LaneCourse(town, 13, -1, 60.0, 100.0)  # northwards to the T junction 59
    assert course.reach_m == pytest.approx(town.roads[13].length_m - 60.0, abs=0.1)
    assert course.junction == 59
    assert abs(turn_deg(town, 5904, -1)) == pytest.approx(90.0, abs=1.0)


def test_a_course_that_runs_against_its_road_looks_the_way_it_drives(town: RoadNetwork) -> None:
    course = LaneCourse(town, 5, 1, 60.0, 30.0)
    first, later = course.pose(0.5), course.pose(20.0)
    heading = math.degrees(math.atan2(later[1] - first[1], later[0] - first[0]))
    assert abs((first[4] - heading + 180.0) % 360.0 - 180.0) < 1.0
    assert course.place(*course.pose(12.0, 0.4)[:2]) == pytest.approx((12.0, 0.4, course.pose(12.0)[4]), abs=0.05)


def test_lines_behind_a_crest_are_not_seen() -> None:
    network = load_map("rural").network
    road = network.roads[1]
    slopes = np.array([road.elevation.slope(s) for s in np.arange(20.0, road.length_m - 140.0, 2.0)])
    falls = np.array([slopes[i] - slopes[i + 25] for i in range(len(slopes) - 25)])
    s_m = 20.0 + 2.0 * int(falls.argmax())  # the sharpest crest lies within the next 50 m
    course = LaneCourse(network, 1, -1, s_m, 130.0)
    pose = course.pose(0.0)
    lines = course.lines_px(PinholeCamera(320, 160, 75.0, (*pose[:2], pose[2] + 1.0, pose[3] - 2.0, pose[4], 0.0)))
    rows = np.flatnonzero(np.isfinite(lines[1]))
    assert len(rows) > 5 and (np.diff(rows) == 1).all(), "a line is seen on consecutive rows"


def test_only_vehicles_in_the_ego_lane_are_ahead(map_camera: MapCamera) -> None:
    rng = np.random.default_rng(0)
    member = FleetVehicle(0, 0, "vehicle.x", 2.2, 0.9, 0.8)
    stand = map_camera.stand(rng, "train", 0.0, 0.0)
    ahead = _seen_from(stand, member, stand.course.pose(25.0, 0.3))
    assert ahead is not None and ahead.own_lane
    assert ahead.gap_m == pytest.approx(25.0 - EGO_HALF_LENGTH_M - 2.2, abs=0.3)
    oncoming = _seen_from(stand, member, stand.course.pose(25.0, 3.4, 180.0))
    assert oncoming is not None and not oncoming.own_lane
    half_in = _seen_from(stand, member, stand.course.pose(25.0, 0.5 * stand.course.width_m(25.0) + 0.3))
    assert half_in is None, "a vehicle on the line is neither"


def test_traffic_crosses_at_junctions_and_keeps_clear_of_parked_cars(map_camera: MapCamera) -> None:
    rng = np.random.default_rng(1)
    traffic = RandomTraffic(map_camera, rng)
    assert map_camera.parked
    turned = 0
    for _ in range(60):
        stand = map_camera.stand(rng, "train", 0.0, 0.0)
        for item in traffic.scatter(rng, stand, traffic.draw(rng, 5)):
            apart = [math.hypot(item.pose[0] - car.pose[0], item.pose[1] - car.pose[1]) for car in map_camera.parked]
            assert min(apart) > 1.9
            found = stand.course.place(item.pose[0], item.pose[1])
            if found is not None and found[0] < stand.course.reach_m and abs(found[1]) > 2.0:
                assert not item.own_lane
            turned += abs(math.sin(math.radians(item.pose[4] - stand.pose[4]))) > 0.7
    traffic.remove()
    assert turned >= 5


def test_a_lead_has_the_colour_that_is_seen(map_camera: MapCamera) -> None:
    """Of every vehicle with a word for its paint, the picture shows that colour in most of the vehicle's pixels."""
    rng = np.random.default_rng(1)
    traffic = RandomTraffic(map_camera, rng)
    map_camera.scene.set_weather(weather_of("CloudyNoon"))
    stand = map_camera.stand(rng, "train", 0.0, 0.0)
    looks: dict[str, list[np.ndarray]] = {}
    for member in traffic.members:
        item = traffic.ahead(stand, member, 6.0)
        if item is None or not member.colour:
            continue
        traffic.show([item])
        frame = map_camera.renderer.render(map_camera.camera(stand.pose), want=frozenset({"rgb", "instance"}))
        assert frame.rgb is not None and frame.instance is not None
        seen = frame.rgb[frame.instance == member.instance_id].astype(float)
        assert len(seen) > 100
        # Glass, tyres and lamps make up the rest.
        looks.setdefault(member.colour, []).append(np.percentile(seen, 60, axis=0))
    traffic.remove()
    assert len(looks) >= 5, looks.keys()
    for word, found in looks.items():
        for red, green, blue in found:
            if word in ("red", "orange", "brown", "yellow"):
                assert red > blue + 15, (word, red, green, blue)
            elif word == "blue":
                assert blue > red + 15, (word, red, green, blue)
            elif word == "green":
                assert green > max(red, blue), (word, red, green, blue)
            else:
                assert max(red, green, blue) - min(red, green, blue) < 45, (word, red, green, blue)  # sky in the shade


@pytest.mark.parametrize("kind", KINDS)
def test_liveries_are_paint(kind: str) -> None:
    texture = livery(kind, np.random.default_rng(2))
    assert texture.shape == (128, 128, 3) and texture.dtype == np.float32
    assert 0.0 <= texture.min() and texture.max() <= 1.0 and texture.std() > 0.005
