"""A condition that holds over a stretch of steps, as one event with a beginning, a worst moment and an end.

Lane departures, drives outside the lane, excess speed and standing all have this form.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from testbed.core.records import Event


@dataclass(slots=True)
class EventSpan:
    """One open or closed stretch.

    Attributes:
        event: The event as it stood when the stretch was confirmed.
        begin_t_s: When the condition first held.
        last_t_s: When it last held.
        worst: Largest depth so far, in the unit of the judge.
        integral: Depth integrated over time.
        distance_m: Distance driven while it held.
    """

    event: Event
    begin_t_s: float
    last_t_s: float
    worst: float = 0.0
    integral: float = 0.0
    distance_m: float = 0.0
    extra: dict[str, float | int | str | bool | None] = field(default_factory=dict)

    def extend(self, t_s: float, depth: float, dt_s: float, distance_m: float) -> None:
        """Take one more step in which the condition holds."""
        self.last_t_s = t_s
        self.worst = max(self.worst, depth)
        self.integral += depth * dt_s
        self.distance_m += distance_m

    def final(self, severity: float, dt_s: float, **detail: float | int | str | bool | None) -> Event:
        """Return the event with its duration, severity and details filled in."""
        duration_s = self.last_t_s - self.begin_t_s + dt_s
        merged = {**self.event.detail, **self.extra, **detail}
        return self.event.model_copy(
            update={"severity": float(severity), "duration_s": float(duration_s), "detail": merged}
        )
