"""The same script in two server processes gives the same states and the same image bytes, rain streaks included."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = r"""
import hashlib, json, queue
import carla
from testbed.server.process import start_server

with start_server("highway", timeout_s=170.0) as server:
    client = carla.Client(server.host, server.port)
    client.set_timeout(30.0)
    digest = hashlib.sha256()
    for episode in range(2):  # the second one runs in a world that was cleared, not built
        world = client.load_world("highway")
        settings = world.get_settings()
        settings.synchronous_mode, settings.fixed_delta_seconds = True, 0.05
        world.apply_settings(settings)
        world.set_weather(carla.WeatherParameters(precipitation=70.0, wetness=80.0, sun_altitude_angle=40.0))
        own = hashlib.sha256()
        library, start = world.get_blueprint_library(), world.get_map().get_spawn_points()[0]
        ego = world.spawn_actor(library.find("vehicle.lincoln.mkz_2020"), start)
        ahead = carla.Transform(start.transform(carla.Location(x=30.0)), start.rotation)
        lead = world.spawn_actor(library.find("vehicle.tesla.model3"), ahead)
        blueprint = library.find("sensor.camera.rgb")
        for name, value in (("image_size_x", "64"), ("image_size_y", "32")):
            blueprint.set_attribute(name, value)
        camera = world.spawn_actor(blueprint, carla.Transform(carla.Location(x=0.6, z=1.45)), attach_to=ego)
        images = queue.Queue()
        camera.listen(images.put)
        for tick in range(30):
            ego.apply_control(carla.VehicleControl(throttle=1.0, steer=0.02 if tick % 7 == 0 else -0.01))
            world.tick()
            image = images.get(timeout=20)
            snapshot = world.get_snapshot()
            for actor in (ego, lead):
                state = snapshot.find(actor.id)
                pose, speed, gain = state.get_transform(), state.get_velocity(), state.get_acceleration()
                place = pose.location
                numbers = [place.x, place.y, place.z, pose.rotation.yaw, speed.x, speed.y, gain.x]
                own.update(json.dumps([value.hex() for value in numbers]).encode())
            if tick % 5 == 0:
                own.update(bytes(image.raw_data))
        camera.stop()
        print(own.hexdigest(), flush=True)
"""


def test_two_processes_and_two_episodes_agree() -> None:
    command = [sys.executable, "-c", SCRIPT]
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
        for _ in range(2)
    ]
    digests = []
    for process in processes:
        output, errors = process.communicate(timeout=170)
        found = [line for line in output.split() if len(line) == 64]
        assert len(found) == 2, errors
        digests += found
    assert len(set(digests)) == 1
