"""A client of its own process whose car CARLA's traffic manager drives: `python managed_drive.py PORT`.

Prints one JSON line with the car's speed and its distance from the lane's centre. The manager's native threads can
crash the process that they run in (carla issue 9172 and others), so no test suite should be that process.
"""

from __future__ import annotations

import json
import sys
import time

import carla

SPEED_MPS = 3.0
PATIENCE_S = 30.0


def drive(port: int) -> dict[str, float]:
    """Let the manager start a car; return how fast, how far from its lane's centre, after how many ticks."""
    client = carla.Client("127.0.0.1", port)
    client.set_timeout(20.0)
    world = client.load_world("highway")
    settings = world.get_settings()
    settings.synchronous_mode, settings.fixed_delta_seconds = True, 0.05
    world.apply_settings(settings)
    start = world.get_map().get_spawn_points()[0]
    vehicle = world.spawn_actor(world.get_blueprint_library().find("vehicle.lincoln.mkz_2020"), start)
    ticks = 1
    # the manager free-runs: its synchronous mode loses wake-ups and then hangs for ever (carla issue 9172)
    manager = client.get_trafficmanager(18_000 + world.tick() % 1000)
    vehicle.set_autopilot(True, manager.get_port())
    deadline = time.monotonic() + PATIENCE_S
    while vehicle.get_velocity().length() <= SPEED_MPS and time.monotonic() < deadline:
        world.tick()
        ticks += 1
        time.sleep(0.01)  # the manager plans in its own thread, in its own time
    location = vehicle.get_location()
    centre = world.get_map().get_waypoint(location).transform.location
    answer = {
        "speed_mps": vehicle.get_velocity().length(),
        "from_centre_m": centre.distance(location),
        "driven_m": start.location.distance(location),
        "ticks": ticks,
    }
    vehicle.set_autopilot(False, manager.get_port())
    world.tick()
    manager.shut_down()
    return answer


if __name__ == "__main__":
    print(json.dumps(drive(int(sys.argv[1]))), flush=True)
