"""`town` and `rural` are what their generators write, the CARLA client drives through them, and they can be built."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from testbed.world.maps import MapBundle, RoadNetwork, load_map, rural, town
from testbed.world.maps.scenery import SceneryObject, build_scenery
from testbed.world.render.scene import Scene

carla = pytest.importorskip("carla")

WORLDS = ("town", "rural")


@pytest.fixture(scope="module", params=WORLDS)
def bundle(request: pytest.FixtureRequest) -> MapBundle:
    return load_map(str(request.param))


@pytest.fixture(scope="module")
def client_map(bundle: MapBundle) -> Any:
    return carla.Map(bundle.name, bundle.xodr)


@pytest.fixture(scope="module")
def built(bundle: MapBundle) -> tuple[Scene, list[SceneryObject]]:
    scene = Scene()
    return scene, build_scenery(bundle.network, scene, seed=0)


@pytest.mark.parametrize(("module", "write"), [(town, town.town_xodr), (rural, rural.rural_xodr)])
def test_the_shipped_file_is_what_the_generator_writes(module: Any, write: Callable[[], str]) -> None:
    text = write()
    assert text == module.DATA_FILE.read_text(encoding="utf-8")
    assert text == write()


def test_lane_centres_agree_with_the_client(bundle: MapBundle, client_map: Any) -> None:
    for road in bundle.network.roads.values():
        for share in (0.03, 0.37, 0.81):
            s = share * road.length_m
            for lane in road.section(s).lanes.values():
                if not (lane.id and lane.drivable):
                    continue
                x, y, z, _, yaw, _ = bundle.network.lane_centre(road.id, lane.id, s)
                transform = client_map.get_waypoint_xodr(road.id, lane.id, s).transform
                where = transform.location
                assert math.dist((where.x, where.y, where.z), (x, y, z)) < 2e-3
                # The client turns a lane's direction with its width; the centre line's direction is ours.
                assert abs((transform.rotation.yaw - yaw + 180.0) % 360.0 - 180.0) < 1.2


def test_every_lane_leads_on_and_every_lane_is_reached(bundle: MapBundle, client_map: Any) -> None:
    ways = client_map.generate_waypoints(5.0)
    assert len(ways) > 900
    for way in ways:
        # The client counts metres along the reference line, which in tight curves is longer or shorter than the lane.
        following = way.next(4.0)
        assert following and all(
            abs(way.transform.location.distance(step.transform.location) - 4.0) < 1.0 for step in following
        )
    network = bundle.network
    lanes = {(road.id, lane.id) for road in network.roads.values() for lane in road.sections[0].lanes.values()
             if lane.drivable and lane.id}  # fmt: skip
    forwards = {lane: network.successors(*lane) for lane in lanes}
    backwards: dict[tuple[int, int], list[tuple[int, int]]] = {lane: [] for lane in lanes}
    for lane, targets in forwards.items():
        for target in targets:
            backwards[target].append(lane)
    for graph in (forwards, backwards):
        seen, open_ = set(), [min(lanes)]
        while open_:
            lane = open_.pop()
            if lane not in seen:
                seen.add(lane)
                open_ += graph[lane]
        assert seen == lanes
    starts = {(a.road_id, a.lane_id) for a, _ in client_map.get_topology()}
    assert starts == lanes


def test_landmarks_stand_where_the_reader_puts_them(bundle: MapBundle, client_map: Any) -> None:
    signals = {signal.id: signal for signal in bundle.network.signals()}
    landmarks = client_map.get_all_landmarks()
    assert Counter(landmark.id for landmark in landmarks).keys() == signals.keys()
    for landmark in landmarks:
        signal = signals[landmark.id]
        assert landmark.type == signal.type
        where = landmark.transform.location
        # The client moves traffic lights by a quarter of a metre towards their lane.
        assert math.dist((where.x, where.y), signal.pose[:2]) < (0.26 if signal.dynamic else 1e-3)
        lane = bundle.network.locate(signal.pose[0], signal.pose[1])
        assert lane is not None and 0.5 < lane.distance_m < 6.0


def test_a_driver_meets_lights_stop_and_yield_signs() -> None:
    bundle = load_map("town")
    client_map = carla.Map("town", bundle.xodr)
    types = Counter(signal.type for signal in bundle.network.signals())
    assert types["1000001"] == 7 and types["206"] == 4 and types["205"] == 2 and types["267"] == 2
    assert {signal.value for signal in bundle.network.signals() if signal.type == "274"} == {30.0, 50.0}
    approach = client_map.get_waypoint_xodr(4, -1, 20.0)
    assert [light.id for light in approach.get_landmarks_of_type(90.0, "1000001")] == ["401"]
    crosswalks = client_map.get_crosswalks()
    objects = [item for item in bundle.network.objects() if item.type == "crosswalk"]
    assert len(crosswalks) == 5 * len(objects) == 60
    for item, first in zip(sorted(objects, key=lambda item: item.pose), range(0, 60, 5), strict=True):
        del first
        middle = [sum(axis) / 4 for axis in zip(*_nearest(crosswalks, item.pose), strict=True)]
        assert math.dist(middle, item.pose[:2]) < 0.05


def _nearest(corners: Any, pose: tuple[float, ...]) -> list[tuple[float, float]]:
    groups = [[(c.x, c.y) for c in corners[i : i + 4]] for i in range(0, len(corners), 5)]
    return min(groups, key=lambda group: math.dist(group[0], pose[:2]) + math.dist(group[2], pose[:2]))


def test_no_two_groups_of_lights_go_at_once() -> None:
    from testbed.server.simulation.lights import GREEN, YELLOW
    from testbed.server.simulation.world import World

    world = World(load_map("town"))
    by_id = {actor.signal_id: actor.light for actor in world.lights()}
    phases = world.bundle.network.phases
    assert sorted(signal for groups in phases.values() for group in groups for signal in group) == sorted(by_id)
    gone: set[str] = set()
    for _ in range(150):
        world.step(0.5)
        for groups in phases.values():
            going = [[by_id[signal].state in (GREEN, YELLOW) for signal in group] for group in groups]  # type: ignore[union-attr]
            assert all(len(set(group)) == 1 for group in going)
            assert sum(group[0] for group in going) <= 1
        gone |= {signal for signal, light in by_id.items() if light is not None and light.state == GREEN}
    assert gone == set(by_id)


def test_a_vehicle_before_a_light_knows_its_state() -> None:
    from testbed.server.simulation.world import World

    world = World(load_map("town"))
    light = next(actor for actor in world.lights() if actor.signal_id == "401")
    line = world.bundle.network.road(4).length_m - 5.8
    for before, lane, known in ((8.0, -1, True), (40.0, -1, False), (-3.0, -1, False), (8.0, 1, False)):
        pose = world.bundle.network.lane_centre(4, lane, line - before)
        car = world.spawn("vehicle.lincoln.mkz_2020", [], (*pose[:2], 0.1, *pose[3:]))
        world.step(0.05)
        assert car.vehicle is not None and light.light is not None
        assert car.vehicle.traffic_light_id == (light.id if known else 0)
        if known:
            assert car.vehicle.traffic_light_state == light.light.state
        world.destroy(car.id)


def test_hills_have_slopes_that_cars_climb() -> None:
    network = load_map("rural").network
    for road in network.roads.values():
        s = np.linspace(0.0, road.length_m, 400)
        z = road.elevation.sample(s)
        assert np.abs(np.diff(z) / np.diff(s)).max() < 0.09
    heights = [road.elevation.sample(np.linspace(0.0, road.length_m, 50)) for road in network.roads.values()]
    assert np.ptp(np.concatenate(heights)) > 12.0
    # Roads meet at one height.
    for junction in network.junctions.values():
        for incoming, connecting, _, _ in junction:
            ends = [network.roads[incoming].elevation.at(s) for s in (0.0, network.roads[incoming].length_m)]
            assert min(abs(network.roads[connecting].elevation.at(0.0) - z) for z in ends) < 1e-6


def test_scenery_is_complete_and_off_the_lanes(bundle: MapBundle, built: tuple[Scene, list[SceneryObject]]) -> None:
    scene, items = built
    kinds = Counter(item.name.split("_")[0] for item in items)
    wanted = {
        "town": {"junction", "corner", "sidewalk", "townhouse", "lamp", "parked", "trees", "sign"},
        "rural": {"junction", "track", "post", "rail", "trees", "building", "sign", "wood"},
    }
    assert wanted[bundle.name] <= kinds.keys()
    assert kinds["junction"] == len(bundle.network.junctions)
    assert {item.signal_id for item in items if item.signal_id} == {
        signal.id for signal in bundle.network.signals() if not signal.dynamic
    }
    assert len({item.name for item in items}) == len(items) == len(scene.objects)
    parked = [item for item in items if item.name.startswith("parked")]
    assert all(item.tag == 14 and item.solids and item.name in scene.object_names() for item in parked)
    for item in items:
        for pose, extent in item.solids:
            found = bundle.network.locate(pose[0], pose[1], max_distance_m=30.0)
            assert found is None or found.distance_m > min(extent[1], 0.05), item.name
        for part in scene.objects[item.handle].parts:
            assert np.abs(np.linalg.norm(part.normals, axis=1) - 1.0).max() < 1e-3, item.name


def test_land_stays_below_the_roads(bundle: MapBundle, built: tuple[Scene, list[SceneryObject]]) -> None:
    scene, items = built
    network: RoadNetwork = bundle.network
    for item in items:
        if not item.name.startswith("terrain_near"):
            continue
        entry = scene.objects[item.handle]
        for part in entry.parts:
            points = part.vertices_m.astype(float)[part.triangles].mean(axis=1) + np.array(entry.pose[:3])
            for x, y, z in points[::4].tolist():
                found = network.locate(x, y, lane_types=None, max_distance_m=0.0)
                assert found is None or z < found.z_m - 0.05
