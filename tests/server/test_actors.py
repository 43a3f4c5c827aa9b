"""Actors through the client: spawn, state, batch, control, signs, errors."""

from __future__ import annotations

import math
from typing import Any

import carla
import pytest

from testbed.core.gtsrb import SPEED_LIMIT_KMH


def test_spawned_vehicle_appears_in_the_state(drive: Any) -> None:
    vehicle = drive.spawn()
    drive.tick(10)
    assert vehicle.is_alive and vehicle.id in {actor.id for actor in drive.world.get_actors()}
    location = vehicle.get_location()
    assert location.distance(drive.place().location) < 0.2 and location.z == pytest.approx(0.0, abs=1e-3)
    assert vehicle.attributes["role_name"] == "autopilot"
    extent = vehicle.bounding_box.extent
    assert (extent.x, extent.y, extent.z) == pytest.approx((2.45, 1.064, 0.755))
    assert list(vehicle.semantic_tags) == [14]


def test_destroyed_vehicle_disappears(drive: Any) -> None:
    vehicle = drive.spawn()
    drive.tick()
    assert vehicle.destroy()
    drive.tick()
    assert vehicle.id not in {actor.id for actor in drive.world.get_actors()}
    again = drive.client.apply_batch_sync([carla.command.DestroyActor(vehicle.id)], False)[0]
    assert "not found" in again.error


def test_full_throttle_then_full_brake(drive: Any) -> None:
    vehicle = drive.spawn()
    vehicle.apply_control(carla.VehicleControl(throttle=1.0))
    drive.tick(60)
    speed = vehicle.get_velocity().length()
    assert 10.0 < speed < 14.0
    assert vehicle.get_control().throttle == pytest.approx(1.0)
    assert vehicle.get_acceleration().x == pytest.approx(4.2, abs=0.3)
    vehicle.apply_control(carla.VehicleControl(brake=1.0))
    drive.tick(40)
    assert vehicle.get_velocity().length() == 0.0


def test_steer_turns_right(drive: Any) -> None:
    vehicle = drive.spawn()
    vehicle.apply_control(carla.VehicleControl(throttle=0.5, steer=0.2))
    drive.tick(30)
    assert vehicle.get_transform().rotation.yaw > 5.0
    assert vehicle.get_angular_velocity().z > 0.0


def test_nan_control_counts_as_none(drive: Any) -> None:
    vehicle = drive.spawn()
    vehicle.apply_control(carla.VehicleControl(throttle=math.nan, steer=math.inf, brake=math.nan))
    drive.tick(3)
    location = vehicle.get_location()
    assert math.isfinite(location.x) and vehicle.get_control().throttle == 0.0


def test_absurd_impulses_stay_finite(drive: Any) -> None:
    vehicle = drive.spawn()
    for _ in range(50):
        vehicle.add_impulse(carla.Vector3D(1e6, -1e6, 1e6))
        vehicle.add_angular_impulse(carla.Vector3D(z=1e6))
        vehicle.add_force(carla.Vector3D(1e6, 1e6, 1e6))
    vehicle.set_target_velocity(carla.Vector3D(1e6, 1e6, 1e6))
    drive.tick(20)
    pose = vehicle.get_transform()
    assert all(math.isfinite(v) for v in (pose.location.x, pose.location.y, pose.location.z, pose.rotation.yaw))


def test_ackermann_reaches_its_speed(drive: Any) -> None:
    vehicle = drive.spawn()
    vehicle.apply_ackermann_control(carla.VehicleAckermannControl(speed=8.0, acceleration=3.0))
    drive.tick(100)
    assert vehicle.get_velocity().length() == pytest.approx(8.0, abs=0.1)


def test_batch_with_follow_ups_on_the_future_actor(drive: Any) -> None:
    spawn = carla.command.SpawnActor(drive.library.find("vehicle.tesla.model3"), drive.place())
    spawn.then(carla.command.SetSimulatePhysics(carla.command.FutureActor, False))
    spawn.then(carla.command.ApplyVehicleControl(carla.command.FutureActor, carla.VehicleControl(throttle=1.0)))
    blocked = carla.command.SpawnActor(drive.library.find("vehicle.tesla.model3"), drive.place())
    done, failed = drive.client.apply_batch_sync([spawn, blocked], True)
    assert not done.error and "collision" in failed.error
    drive.tick(10)
    vehicle = drive.world.get_actor(done.actor_id)
    assert vehicle.get_velocity().length() == 0.0
    assert vehicle.get_control().throttle == pytest.approx(1.0)


def test_teleport_and_velocities(drive: Any) -> None:
    vehicle = drive.spawn()
    target = drive.place(100.0)
    vehicle.set_transform(target)
    vehicle.set_target_velocity(carla.Vector3D(x=20.0))
    drive.tick()
    assert vehicle.get_location().x == pytest.approx(target.location.x + 1.0, abs=0.05)
    assert vehicle.get_velocity().x == pytest.approx(20.0, abs=0.1)
    vehicle.enable_constant_velocity(carla.Vector3D(x=5.0))
    drive.tick(10)
    assert vehicle.get_velocity().x == pytest.approx(5.0, abs=1e-3)
    vehicle.disable_constant_velocity()
    vehicle.apply_control(carla.VehicleControl(brake=1.0))
    drive.tick(20)
    vehicle.add_impulse(carla.Vector3D(x=1800.0 * 3.0))
    drive.tick()
    assert vehicle.get_velocity().x == pytest.approx(2.5, abs=0.2)


def test_frozen_vehicle_keeps_its_place_and_stated_velocity(drive: Any) -> None:
    vehicle = drive.spawn()
    vehicle.set_simulate_physics(False)
    where = drive.place(50.0)
    drive.client.apply_batch_sync(
        [
            carla.command.ApplyTransform(vehicle.id, where),
            carla.command.ApplyTargetVelocity(vehicle.id, carla.Vector3D(x=12.0)),
        ],
        True,
    )
    assert vehicle.get_location().distance(where.location) < 1e-3
    assert vehicle.get_velocity().x == pytest.approx(12.0)


def test_physics_control_round_trip_changes_the_motion(drive: Any) -> None:
    vehicle = drive.spawn()
    physics = vehicle.get_physics_control()
    assert physics.mass == pytest.approx(1800.0)
    assert [wheel.max_steer_angle for wheel in physics.wheels] == pytest.approx([70.0, 70.0, 0.0, 0.0])
    physics.mass = 3600.0
    physics.torque_curve = [carla.Vector2D(x=0, y=250), carla.Vector2D(x=5000, y=250)]
    vehicle.apply_physics_control(physics)
    assert vehicle.get_physics_control().mass == pytest.approx(3600.0)
    vehicle.apply_control(carla.VehicleControl(throttle=1.0))
    drive.tick(20)
    assert vehicle.get_acceleration().x == pytest.approx(1.1 - 0.12, abs=0.05)


def test_traffic_signs_are_actors_with_plates(drive: Any) -> None:
    signs = drive.world.get_actors().filter("traffic.speed_limit.*")
    assert len(signs) > 5
    for sign in signs:
        limit = float(sign.type_id.rsplit(".", 1)[1])
        assert SPEED_LIMIT_KMH[int(sign.attributes["gtsrb_class"])] == limit
        box = sign.bounding_box
        assert 0.2 < box.extent.y < 1.0 and 0.2 < box.extent.z < 1.0 and box.extent.x < 0.1
    landmark = next(item for item in drive.map.get_all_landmarks() if item.type == "274")
    assert drive.world.get_traffic_sign(landmark).type_id == f"traffic.speed_limit.{landmark.value:.0f}"


def test_speed_limit_follows_the_last_sign(drive: Any) -> None:
    landmark = next(item for item in drive.map.get_all_landmarks() if item.type == "274" and item.value == 80)
    before = drive.map.get_waypoint(landmark.transform.location).previous(10.0)[0].transform
    vehicle = drive.spawn(where=carla.Transform(before.location + carla.Location(z=0.1), before.rotation))
    forward = before.get_forward_vector()
    vehicle.set_target_velocity(carla.Vector3D(forward.x * 20, forward.y * 20, 0))
    drive.tick()
    start = vehicle.get_speed_limit()
    drive.tick(15)
    assert (start, vehicle.get_speed_limit()) == (pytest.approx(100.0, abs=31.0), pytest.approx(80.0))


def test_own_sign_board_and_occluder(drive: Any) -> None:
    sign = drive.spawn("static.prop.trafficsign", drive.place(30.0, 6.0), gtsrb_class=14, size_m=0.9)
    box = sign.bounding_box
    assert box.location.z == pytest.approx(2.2 + 0.45) and box.extent.y == pytest.approx(0.45)
    with pytest.raises(RuntimeError, match="gtsrb_class '99'"):
        drive.spawn("static.prop.trafficsign", drive.place(30.0, 8.0), gtsrb_class=99)
    occluder = drive.spawn("static.prop.occluder", drive.place(40.0), height_m=2.0)
    assert occluder.bounding_box.extent.z == pytest.approx(1.0)
    card = drive.spawn("static.prop.occluder", drive.place(45.0), polygon="0,0;1,0.5;0,2")
    assert card.bounding_box.extent.z == pytest.approx(1.0) and card.bounding_box.location.y == pytest.approx(0.5)
    with pytest.raises(RuntimeError, match="polygon '0,0;1,1'"):
        drive.spawn("static.prop.occluder", drive.place(47.0), polygon="0,0;1,1")


def test_walker_walks(drive: Any) -> None:
    where = drive.place(10.0)
    where.location.z = 1.0
    walker = drive.spawn("walker.pedestrian.0001", where)
    walker.apply_control(carla.WalkerControl(carla.Vector3D(y=1.0), 1.5, False))
    drive.tick(20)
    assert walker.get_location().y - where.location.y == pytest.approx(1.5, abs=0.1)
    assert walker.get_control().speed == pytest.approx(1.5)


def test_lights_telemetry_and_doors(drive: Any) -> None:
    vehicle = drive.spawn()
    vehicle.set_light_state(carla.VehicleLightState.LowBeam)
    drive.tick()
    assert vehicle.get_light_state() == carla.VehicleLightState.LowBeam
    assert drive.world.get_vehicles_light_states()[vehicle.id] == carla.VehicleLightState.LowBeam
    assert len(vehicle.get_telemetry_data().wheels) == 4
    vehicle.open_door(carla.VehicleDoor.All)
    assert vehicle.get_wheel_steer_angle(carla.VehicleWheelLocation.FL_Wheel) == pytest.approx(0.0)


def test_attached_sensors_move_with_their_parent(drive: Any) -> None:
    vehicle = drive.spawn()
    camera = drive.spawn("sensor.camera.rgb", carla.Transform(carla.Location(x=1.0, z=2.0)), vehicle)
    drive.tick()
    vehicle.set_transform(drive.place(30.0))
    drive.tick()
    assert camera.parent.id == vehicle.id
    assert camera.get_transform().location.x - vehicle.get_transform().location.x == pytest.approx(1.0, abs=1e-3)
