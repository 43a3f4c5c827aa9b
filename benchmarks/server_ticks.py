"""Ticks per second of the embedded server, driven by the real carla client in this process.

Run: ``python -m benchmarks.server_ticks``. One tick = one control, one ``world.tick()`` and, with a camera, waiting for
the picture. The client spins while it waits, so server and client keep two cores busy; figures are medians of several
rounds, with the CPU time that the server itself needs per tick.
"""

from __future__ import annotations

import argparse
import os
import queue
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

EGO = "vehicle.lincoln.mkz_2020"
ROUNDS = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one line per case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3.0, help="wall time per case (default: 3)")
    parser.add_argument("--device", default="cpu", help="device of the renderer (default: cpu)")
    options = parser.parse_args(arguments)
    os.environ.setdefault("CARLA_CACHE_DIR", tempfile.mkdtemp(prefix="carla-cache-"))

    import carla

    from testbed.server.process import start_server

    with start_server("highway", device=options.device) as server:
        client = carla.Client(server.host, server.port)
        client.set_timeout(60.0)
        for vehicles, size in ((1, None), (20, None), (1, (320, 160)), (20, (320, 160)), (1, (640, 360))):
            step, close = _scene(client, vehicles, size)
            for _ in range(5):
                step()
            rates, busy = _measure(step, server.pid, options.seconds)
            close()
            shown = f"camera {size[0]}x{size[1]}" if size else "no sensor"
            print(
                f"{vehicles:3d} vehicles, {shown:15s}: {statistics.median(rates):7.0f} ticks/s "
                f"(min {min(rates):.0f}, max {max(rates):.0f}), server CPU {1e3 * busy:.2f} ms/tick",
                flush=True,
            )
    return 0


def _scene(client: Any, vehicles: int, size: tuple[int, int] | None) -> tuple[Callable[[], None], Callable[[], None]]:
    """Return (one tick, tidy up) of a fresh world."""
    import carla

    world = client.load_world("highway")
    settings = world.get_settings()
    settings.synchronous_mode, settings.fixed_delta_seconds = True, 0.05
    world.apply_settings(settings)
    library, points = world.get_blueprint_library(), world.get_map().get_spawn_points()
    cars = [world.spawn_actor(library.find(EGO), points[2 * index]) for index in range(vehicles)]
    control = carla.VehicleControl(throttle=0.2)
    for car in cars:
        car.apply_control(control)
        car.set_target_velocity(car.get_transform().get_forward_vector() * 20.0)
    images: queue.Queue[Any] = queue.Queue()
    camera = None
    if size is not None:
        blueprint = library.find("sensor.camera.rgb")
        for name, value in zip(("image_size_x", "image_size_y", "fov"), (*size, 75), strict=True):
            blueprint.set_attribute(name, str(value))
        place = carla.Transform(carla.Location(x=0.6, z=1.45), carla.Rotation(pitch=-2.0))
        camera = world.spawn_actor(blueprint, place, attach_to=cars[0])
        camera.listen(images.put)

    def step() -> None:
        cars[0].apply_control(control)
        frame = world.tick()
        while camera is not None and images.get(timeout=30).frame < frame:
            pass

    def close() -> None:
        if camera is not None:
            camera.stop()

    return step, close


def _measure(step: Callable[[], None], pid: int, seconds: float) -> tuple[list[float], float]:
    """Return (ticks per second of each round, CPU seconds of the server per tick)."""
    import psutil

    process = psutil.Process(pid)
    rates = []
    ticks = 0
    before = sum(process.cpu_times()[:2])
    for _ in range(ROUNDS):
        start = time.perf_counter()
        count = 0
        while time.perf_counter() - start < seconds / ROUNDS:
            step()
            count += 1
        rates.append(count / (time.perf_counter() - start))
        ticks += count
    return rates, (sum(process.cpu_times()[:2]) - before) / max(ticks, 1)


if __name__ == "__main__":
    raise SystemExit(main())
