"""Sensors through the client: pictures show what is there, events and motion sensors tell the truth."""

from __future__ import annotations

import math
import queue
from typing import Any

import carla
import numpy as np
import pytest


def test_colour_image_has_road_below_and_sky_above(drive: Any) -> None:
    shoot = drive.camera("rgb", drive.spawn())
    image = shoot().astype(int)
    sky, road = image[:12].mean((0, 1)), image[-8:, 30:66].mean((0, 1))
    assert sky[0] > sky[2] + 15  # blue above
    assert abs(road[:3] - road[:3].mean()).max() < 20 and 30 < road[:3].mean() < 180  # grey below
    assert (image[..., 3] == 255).all()


def test_depth_decodes_to_metres(drive: Any) -> None:
    ego = drive.spawn()
    drive.spawn("vehicle.tesla.model3", drive.place(25.0))
    image = drive.camera("depth", ego, carla.Transform(carla.Location(x=0.6, z=1.0)))().astype(np.uint32)
    depth_m = (image[..., 2] + 256 * image[..., 1] + 65536 * image[..., 0]) / (2**24 - 1) * 1000.0
    assert depth_m[24, 48] == pytest.approx(25.0 - 0.6 - 2.4, abs=0.6)
    focal_px = 48 / math.tan(math.radians(37.5))
    row = 44  # bare road in front of the bonnet: depth = height / tan(angle below the horizon)
    assert depth_m[row, 48] == pytest.approx(1.0 * focal_px / (row + 0.5 - 24), rel=0.05)


def test_semantic_and_instance_images_name_the_car(drive: Any) -> None:
    ego = drive.spawn()
    lead = drive.spawn("vehicle.tesla.model3", drive.place(20.0))
    semantic = drive.camera("semantic_segmentation", ego)()
    instance = drive.camera("instance_segmentation", ego)()
    assert {1, 11, 14} <= set(np.unique(semantic[..., 2]).tolist()) and not semantic[..., :2].any()
    car = instance[..., 2] == 14
    assert car.any()
    ids = instance[..., 1].astype(int) + 256 * instance[..., 0].astype(int)
    assert set(ids[car].tolist()) == {lead.id & 0xFFFF}


def test_normals_point_up_on_the_road(drive: Any) -> None:
    image = drive.camera("normals", drive.spawn())()
    assert image[-1, 48, :3].tolist() == pytest.approx([255, 128, 128], abs=2)


def test_cameras_of_one_view_agree_and_disabled_rendering_sends_nothing(drive: Any) -> None:
    ego = drive.spawn()
    first, second = drive.camera("rgb", ego), drive.camera("rgb", ego)
    first()
    assert (first() == second()).mean() > 0.9
    settings = drive.world.get_settings()
    settings.no_rendering_mode = True
    drive.world.apply_settings(settings)
    images = drive.listen(drive.spawn("sensor.camera.rgb", carla.Transform(), ego))
    drive.tick(2)
    with pytest.raises(queue.Empty):
        images.get(timeout=0.3)
    settings.no_rendering_mode = False
    drive.world.apply_settings(settings)


def test_every_frame_of_a_new_sensor_arrives(drive: Any) -> None:
    ego = drive.spawn()
    received = drive.listen(drive.spawn("sensor.other.imu", carla.Transform(), ego))
    frames = [drive.tick() for _ in range(5)]
    assert [received.get(timeout=2).frame for _ in range(5)] == frames


def test_sensor_tick_thins_out_measurements(drive: Any) -> None:
    ego = drive.spawn()
    received = drive.listen(drive.spawn("sensor.other.gnss", carla.Transform(), ego, sensor_tick=0.2))
    first = drive.tick()
    drive.tick(12)
    frames = [received.get(timeout=2).frame for _ in range(4)]
    assert [frame - first for frame in frames] == [0, 4, 8, 12]


def test_imu_feels_gravity_and_braking_and_knows_north(drive: Any) -> None:
    ego = drive.spawn()
    received = drive.listen(drive.spawn("sensor.other.imu", carla.Transform(), ego))
    ego.set_target_velocity(carla.Vector3D(x=20.0))
    drive.tick()
    received.get(timeout=2)
    ego.apply_control(carla.VehicleControl(brake=0.5))
    drive.tick(4)
    measurement = [received.get(timeout=2) for _ in range(4)][-1]
    assert measurement.accelerometer.x == pytest.approx(-4.7, abs=0.2)
    assert measurement.accelerometer.z == pytest.approx(9.81, abs=0.02)
    yaw = math.radians(ego.get_transform().rotation.yaw)
    assert math.cos(measurement.compass - (yaw + math.pi / 2)) == pytest.approx(1.0, abs=1e-4)


def test_gnss_agrees_with_the_clients_map(drive: Any) -> None:
    ego = drive.spawn(where=drive.place(100.0))
    received = drive.listen(drive.spawn("sensor.other.gnss", carla.Transform(), ego))
    drive.tick()
    measurement = received.get(timeout=2)
    expected = drive.map.transform_to_geolocation(ego.get_location())
    assert measurement.latitude == pytest.approx(expected.latitude, abs=1e-7)
    assert measurement.longitude == pytest.approx(expected.longitude, abs=1e-7)
    assert measurement.latitude == pytest.approx(48.8, abs=0.1)


def test_collision_with_a_car_is_reported_from_both_sides(drive: Any) -> None:
    ego, other = drive.spawn(), drive.spawn("vehicle.tesla.model3", drive.place(12.0))
    mine = drive.listen(drive.spawn("sensor.other.collision", carla.Transform(), ego))
    theirs = drive.listen(drive.spawn("sensor.other.collision", carla.Transform(), other))
    drive.tick()
    ego.set_target_velocity(carla.Vector3D(x=15.0))
    drive.tick(20)
    event, echo = mine.get(timeout=2), theirs.get(timeout=2)
    assert (event.actor.id, event.other_actor.id) == (ego.id, other.id)
    assert (echo.actor.id, echo.other_actor.id) == (other.id, ego.id)
    # A plastic push of 15 m/s between 1800 kg and 1845 kg with restitution 0.1.
    assert event.normal_impulse.length() == pytest.approx(1.1 * 15.0 / (1 / 1800 + 1 / 1845), rel=0.1)
    assert event.normal_impulse.x < 0 < echo.normal_impulse.x
    assert other.get_velocity().x > 3.0


def test_collision_with_the_guard_rail(drive: Any) -> None:
    ego = drive.spawn()
    received = drive.listen(drive.spawn("sensor.other.collision", carla.Transform(), ego))
    drive.tick()
    ego.set_transform(carla.Transform(ego.get_location(), carla.Rotation(yaw=25.0)))
    ego.set_target_velocity(carla.Vector3D(x=18.0, y=8.4))
    drive.tick(40)
    event = received.get(timeout=2)
    assert event.other_actor.id == 0 and event.other_actor.type_id.startswith("static.")
    assert event.normal_impulse.y < 0.0
    assert ego.get_location().y < drive.place(0.0, 9.0).location.y


def test_lane_invasion_comes_from_the_client(drive: Any) -> None:
    ego = drive.spawn()
    received = drive.listen(drive.spawn("sensor.other.lane_invasion", carla.Transform(), ego))
    drive.tick(2)
    for right_m in (0.0, -0.5, -1.0, -1.5, -2.0, -2.5):
        ego.set_transform(drive.place(10.0, right_m))
        drive.tick()
    assert received.get(timeout=2).crossed_lane_markings


def test_obstacle_detector_sees_the_nearest_car(drive: Any) -> None:
    ego = drive.spawn()
    lead = drive.spawn("vehicle.tesla.model3", drive.place(15.0))
    sensor = drive.spawn("sensor.other.obstacle", carla.Transform(carla.Location(z=1.0)), ego, distance=30)
    received = drive.listen(sensor)
    drive.tick()
    event = received.get(timeout=2)
    assert event.other_actor.id == lead.id
    assert event.distance == pytest.approx(15.0 - 2.4 - 0.5, abs=0.2)
