"""Traffic lights: one programme per light, green → yellow → red → green."""

from __future__ import annotations

from testbed.server.simulation.actors import TrafficLight

RED, YELLOW, GREEN, OFF, UNKNOWN = range(5)
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
