"""Environment steps per second: world only, the driving camera at 320x160 and 640x360, one and two episodes at once.

    python -m benchmarks.env_steps [--steps 200] [--device cpu]

Each episode is a process of its own with its own server, as in a run. The world without a camera is ticked through the
CARLA client; with one, ``gymnasium.make("testbed:testbed/DrpHighway-v1")`` is stepped. Sun shadows are on. Exit status
1 when one episode at 320x160 falls below the floor of 80 steps per second.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from typing import Any

FLOOR_STEPS_PER_S = 80.0
SIZES: tuple[tuple[int, int] | None, ...] = (None, (320, 160), (640, 360))
WARM_UP_STEPS = 10


def world_only(steps: int, device: str) -> Any:
    """Yield once when ready, then return seconds per ``steps`` ticks of a world with a moving ego and no sensor."""
    import carla

    from testbed.client import connect

    with connect(map_name="highway", device=device) as connection:
        world = connection.world("highway")
        settings = world.get_settings()
        settings.synchronous_mode, settings.fixed_delta_seconds = True, 0.05
        world.apply_settings(settings)
        blueprint = world.get_blueprint_library().find("vehicle.lincoln.mkz_2020")
        ego = world.spawn_actor(blueprint, world.get_map().get_spawn_points()[0])
        for _ in range(WARM_UP_STEPS):
            world.tick()
        yield
        begin = time.perf_counter()
        for _ in range(steps):
            ego.apply_control(carla.VehicleControl(throttle=0.3))
            world.tick()
        yield time.perf_counter() - begin


def with_camera(size: tuple[int, int], steps: int, device: str) -> Any:
    """Yield once when ready, then return seconds per ``steps`` steps of the environment, resets not counted."""
    import gymnasium
    import numpy as np

    from testbed.scenario.loader import load_scenario
    from testbed.scenario.schema import Camera

    scenario = load_scenario("drp_highway").content
    scenario = scenario.model_copy(update={"camera": Camera(width_px=size[0], height_px=size[1])})
    env = gymnasium.make("testbed:testbed/DrpHighway-v1", scenario=scenario, device=device, disable_env_checker=True)
    action = np.zeros(2, np.float32)
    try:
        env.reset(seed=101)
        for _ in range(WARM_UP_STEPS):
            env.step(action)
        yield
        seconds, seed = 0.0, 102
        for _ in range(steps):
            begin = time.perf_counter()
            _, _, terminated, truncated, _ = env.step(action)
            seconds += time.perf_counter() - begin
            if terminated or truncated:
                env.reset(seed=seed)
                seed += 1
        yield seconds
    finally:
        env.close()


def episode(size: tuple[int, int] | None, steps: int, device: str) -> None:
    """Be one episode: say ``ready``, wait for a line on stdin, measure, print the seconds."""
    measurement = world_only(steps, device) if size is None else with_camera(size, steps, device)
    next(measurement)
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(next(measurement)), flush=True)
    measurement.close()


def measure(size: tuple[int, int] | None, at_once: int, steps: int, device: str) -> float:
    """Return steps per second over all episodes that run at once."""
    text = "none" if size is None else f"{size[0]}x{size[1]}"
    command = [
        sys.executable,
        "-m",
        "benchmarks.env_steps",
        "--episode",
        text,
        "--steps",
        str(steps),
        "--device",
        device,
    ]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(at_once)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            if process.stdout.readline().strip() != "ready":
                raise RuntimeError(f"the episode with camera {text} did not start")
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        seconds = [json.loads(process.communicate()[0]) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return sum(steps / spent for spent in seconds)


def main(argv: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=200, help="steps per episode (default 200)")
    parser.add_argument("--device", default="cpu", help="where the camera is rendered (default cpu)")
    parser.add_argument("--episode", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.episode:
        words = options.episode.split("x")
        episode(None if len(words) == 1 else (int(words[0]), int(words[1])), options.steps, options.device)
        return 0
    print(f"{'camera':10}  {'1 episode':>10}  {'2 at once':>10}   steps/s")
    figures: dict[tuple[int, int] | None, list[float]] = {}
    for size in SIZES:
        figures[size] = [measure(size, at_once, options.steps, options.device) for at_once in (1, 2)]
        name = "none" if size is None else f"{size[0]}x{size[1]}"
        print(f"{name:10}  {figures[size][0]:10.0f}  {figures[size][1]:10.0f}", flush=True)
    reached = figures[(320, 160)][0]
    verdict = "reached" if reached >= FLOOR_STEPS_PER_S else "MISSED"
    print(f"floor {FLOOR_STEPS_PER_S:.0f} steps/s at 320x160, one episode: {verdict}")
    return 0 if reached >= FLOOR_STEPS_PER_S else 1


if __name__ == "__main__":
    sys.exit(main())
