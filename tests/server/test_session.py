"""Session, settings, maps, weather, errors: what a client does before it drives."""

from __future__ import annotations

from typing import Any

import carla
import pytest

from testbed.world.maps.catalogue import load_map


def test_version_and_maps(client: Any) -> None:
    assert client.get_server_version() == "0.9.16" == client.get_client_version()
    assert "/Game/Carla/Maps/highway" in client.get_available_maps()


def test_settings_round_trip(drive: Any) -> None:
    settings = drive.world.get_settings()
    assert settings.synchronous_mode and settings.fixed_delta_seconds == pytest.approx(0.05)
    settings.max_substeps = 7
    drive.world.apply_settings(settings)
    assert drive.world.get_settings().max_substeps == 7


def test_frames_count_by_one_and_time_by_the_step(drive: Any) -> None:
    first = drive.tick()
    before = drive.world.get_snapshot().timestamp
    assert drive.tick() == first + 1
    after = drive.world.get_snapshot().timestamp
    assert after.elapsed_seconds - before.elapsed_seconds == pytest.approx(0.05)
    assert after.delta_seconds == pytest.approx(0.05)
    assert after.frame == first + 1


def test_asynchronous_world_ticks_by_itself(client: Any) -> None:
    world = client.load_world("highway")
    frames = [world.wait_for_tick(5.0).frame for _ in range(4)]
    assert frames == sorted(set(frames))


def test_reload_and_load_start_new_episodes(client: Any) -> None:
    world = client.load_world("highway")
    first = world.id
    actors = len(world.get_actors())
    vehicle = world.spawn_actor(
        world.get_blueprint_library().find("vehicle.tesla.model3"), world.get_map().get_spawn_points()[0]
    )
    again = client.reload_world()
    assert again.id != first
    assert vehicle.id not in {actor.id for actor in again.get_actors()}
    assert len(again.get_actors()) == actors


def test_reload_keeps_settings_when_asked(client: Any, drive: Any) -> None:
    world = client.reload_world(False)
    assert world.get_settings().synchronous_mode
    world = client.reload_world(True)
    assert not world.get_settings().synchronous_mode


def test_generated_world_is_the_uploaded_document(client: Any) -> None:
    xodr = load_map("highway").xodr.replace('name="highway"', 'name="uploaded"', 1)
    world = client.generate_opendrive_world(xodr)
    carla_map = world.get_map()
    assert carla_map.name.endswith("OpenDriveMap")
    assert carla_map.to_opendrive() == xodr
    assert len(carla_map.get_spawn_points()) > 10
    with pytest.raises(RuntimeError, match="parsed"):
        client.generate_opendrive_world("<OpenDRIVE><road")


def test_map_serves_waypoints(drive: Any) -> None:
    waypoint = drive.map.get_waypoint(drive.spawn_points[0].location)
    assert waypoint.lane_width == pytest.approx(3.6)
    assert waypoint.transform.location.distance(drive.spawn_points[0].location) < 0.6


def test_unknown_map_and_unknown_blueprint_say_so(client: Any, drive: Any) -> None:
    with pytest.raises(RuntimeError, match="Map 'Town99' not found"):
        client.load_world("Town99")
    blueprint = drive.library.find("vehicle.tesla.model3")
    with pytest.raises(RuntimeError, match="collision at spawn position"):
        for _ in range(2):
            drive.world.spawn_actor(blueprint, drive.spawn_points[0])


def test_method_without_implementation_is_named(drive: Any) -> None:
    camera = drive.spawn("sensor.camera.rgb", carla.Transform())
    with pytest.raises(RuntimeError, match="'get_gbuffer_token' is not implemented"):
        camera.listen_to_gbuffer(carla.GBufferTextureID.SceneColor, lambda image: None)


def test_weather_round_trip(drive: Any) -> None:
    drive.world.set_weather(carla.WeatherParameters.HardRainSunset)
    assert drive.world.get_weather() == carla.WeatherParameters.HardRainSunset


def test_recorder_and_lights_answer(client: Any, drive: Any) -> None:
    assert "not record" in client.start_recorder("x.log")
    client.stop_recorder()
    assert "not found" in client.show_recorder_file_info("x.log", False)
    assert list(drive.world.get_lightmanager().get_all_lights(carla.LightGroup.NONE)) == []
    drive.world.debug.draw_point(carla.Location())


def test_environment_objects_have_names_and_boxes(drive: Any) -> None:
    buildings = drive.world.get_environment_objects(carla.CityObjectLabel.GuardRail)
    assert buildings and all(item.name for item in buildings)
    assert drive.world.get_level_bbs(carla.CityObjectLabel.TrafficSigns)
    drive.world.enable_environment_objects({buildings[0].id}, False)


def test_rays_meet_the_road_and_cars(drive: Any) -> None:
    vehicle = drive.spawn(where=drive.place(20.0))
    drive.tick()
    start = drive.place(0.0).location
    hits = drive.world.cast_ray(carla.Location(start.x, start.y, 1.0), carla.Location(start.x + 40, start.y, 1.0))
    assert hits[0].label == carla.CityObjectLabel.Car
    assert hits[0].location.x == pytest.approx(start.x + 20.0 - vehicle.bounding_box.extent.x, abs=0.01)
    below = drive.world.ground_projection(carla.Location(start.x, start.y, 5.0), 10.0)
    assert below.label == carla.CityObjectLabel.Roads and below.location.z == pytest.approx(0.0, abs=1e-3)
