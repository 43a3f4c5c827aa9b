"""Drive a car with the unmodified carla client, on a server that needs no GPU and no download.

    python examples/01_drive_with_the_real_client.py

Only `start_server` is the testbed's; the rest is what any CARLA script does, and works on a CARLA 0.9.16 server too.
"""

from __future__ import annotations

import queue
from pathlib import Path

import carla

from testbed.server.process import start_server

OUT = Path("reports/examples")
STEP_S = 0.05


def drive(client: carla.Client) -> Path:
    """Drive straight on for two seconds, with a camera behind the windscreen; return the last picture's file."""
    world = client.get_world()
    settings = world.get_settings()
    settings.synchronous_mode, settings.fixed_delta_seconds = True, STEP_S
    world.apply_settings(settings)

    library = world.get_blueprint_library()
    car = world.spawn_actor(library.find("vehicle.tesla.model3"), world.get_map().get_spawn_points()[0])
    lens = library.find("sensor.camera.rgb")
    lens.set_attribute("image_size_x", "640")
    lens.set_attribute("image_size_y", "320")
    mount = carla.Transform(carla.Location(x=0.6, z=1.45), carla.Rotation(pitch=-2.0))
    camera = world.spawn_actor(lens, mount, attach_to=car)
    pictures: queue.Queue[carla.Image] = queue.Queue()
    camera.listen(pictures.put)

    car.apply_control(carla.VehicleControl(throttle=0.6))
    for _ in range(round(2.0 / STEP_S)):
        frame = world.tick()
        picture = pictures.get(timeout=10.0)
        assert picture.frame == frame, "in synchronous mode every tick has its picture"
    speed = car.get_velocity().length()
    print(f"after 2 s: {3.6 * speed:.0f} km/h at x = {car.get_location().x:.1f} m")

    target = OUT / "driver_view.png"
    picture.save_to_disk(str(target))
    camera.stop()
    client.apply_batch([carla.command.DestroyActor(actor) for actor in (camera, car)])
    return target


def main() -> None:
    """Start a server, drive, stop it."""
    OUT.mkdir(parents=True, exist_ok=True)
    with start_server("town") as server:
        client = carla.Client(server.host, server.port)
        client.set_timeout(60.0)
        print(f"server {client.get_server_version()} on port {server.port}, map {client.get_world().get_map().name}")
        print(f"picture: {drive(client)}")


if __name__ == "__main__":
    main()
