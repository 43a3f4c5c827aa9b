"""Traffic lights: one programme per light, green → yellow → red → green.

Lights of a junction take turns as the map's controllers say: each group is green for a while, then yellow, then all are
red for a moment before the next group turns green.
"""

from __future__ import annotations

from collections.abc import Mapping

from testbed.server.simulation.actors import TrafficLight

RED, YELLOW, GREEN, OFF, UNKNOWN = range(5)
GREEN_S, YELLOW_S, CLEAR_S = 12.0, 3.0, 2.0
_NEXT = {GREEN: YELLOW, YELLOW: RED, RED: GREEN}


def step_light(light: TrafficLight, step_s: float) -> None:
    """Move a traffic light on by one tick; frozen, dark and unknown lights stay as they are."""
    if light.frozen or light.state not in _NEXT:
        return
    light.elapsed_s += step_s
    duration = {GREEN: light.green_s, YELLOW: light.yellow_s, RED: light.red_s}[light.state]
    if light.elapsed_s >= duration:
        light.elapsed_s = 0.0
        light.state = _NEXT[light.state]


def set_state(light: TrafficLight, state: int) -> None:
    """Switch a light by hand; its programme goes on from there."""
    light.state = state
    light.elapsed_s = 0.0


def coordinate(lights: Mapping[str, TrafficLight], phases: Mapping[int, tuple[tuple[str, ...], ...]]) -> None:
    """Give the lights of each junction programmes that never let two groups go at once, and start them.

    Args:
        lights: By signal id.
        phases: Junction id -> groups of signal ids in the order in which they turn green.
    """
    for number, groups in enumerate(phases.values(), start=1):
        for phase, group in enumerate(groups):
            for signal_id in group:
                light = lights.get(signal_id)
                if light is not None:
                    light.group, light.phase, light.phases = number, phase, len(groups)
                    light.green_s, light.yellow_s = GREEN_S, YELLOW_S
                    light.red_s = len(groups) * (GREEN_S + YELLOW_S + CLEAR_S) - GREEN_S - YELLOW_S
                    restart(light)


def restart(light: TrafficLight) -> None:
    """Start a light's programme anew; lights of one junction that restart together keep their turns."""
    if not light.phase:
        set_state(light, GREEN)
        return
    set_state(light, RED)
    waiting_s = light.phase * (light.green_s + light.yellow_s + CLEAR_S)
    light.elapsed_s = max(0.0, light.red_s - waiting_s)
