"""Lane keeping: departures over the markings, driving outside any lane, and driving against the lane.

DTLM is the distance to the lane marking: the signed distance from the outer edge of the outermost tyre to the edge of
the ego's own lane, positive inside, negative once the tyre is over it (EU 2021/646, Euro NCAP lane support systems).
"""

from __future__ import annotations

import math

import numpy as np

from testbed.core.records import Event
from testbed.core.types import LaneState, Step
from testbed.events import LANE_DEPARTURE, OUTSIDE_LANE, WRONG_LANE, EventKind
from testbed.judge.base import Findings, Score, make_event, series
from testbed.judge.cause import lateral_cause
from testbed.judge.event_span import EventSpan
from testbed.judge.history import History
from testbed.judge.limits import JudgeLimits


def dtlm_m(lane: LaneState, limits: JudgeLimits) -> tuple[float, float]:
    """Return the distances of the outermost tyre edges to the (left, right) marking; negative = over it.

    The tyres stand at plus and minus half the wheelbase along the heading and half the vehicle's width across it.
    """
    reach_m = abs(math.sin(lane.heading_error_rad)) * limits.wheelbase_m / 2
    side_m = math.cos(lane.heading_error_rad) * limits.vehicle_width_m / 2
    half_m = lane.lane_width_m / 2
    return half_m - (lane.lateral_offset_m + side_m + reach_m), half_m + (lane.lateral_offset_m - side_m - reach_m)


class LaneDepartureJudge:
    """Report each time a tyre crosses a marking of the ego's own lane; junctions do not count."""

    name = "lane_departure"
    version = "1"
    events = (LANE_DEPARTURE,)
    scores = ("lane_departure.*", "lane.min_dtlm_m")

    def __init__(self) -> None:
        """Start inside the lane."""
        self._open: dict[int, EventSpan] = {}
        self._closed: list[EventSpan] = []
        self._dtlm: list[float] = []
        self._valid: list[bool] = []

    def step(self, step: Step, history: History) -> list[Event]:
        """Return departures that began with this step."""
        limits = history.limits
        lane = step.truth.lane
        left_m, right_m = dtlm_m(lane, limits)
        self._dtlm.append(min(left_m, right_m))
        self._valid.append(not lane.in_junction)
        began: list[Event] = []
        dt_s = history.duration_of(len(history.steps) - 1)
        for side, distance_m in ((1, left_m), (-1, right_m)):
            stretch = self._open.get(side)
            if stretch is not None and step.t_s - stretch.last_t_s > limits.departure_merge_s:
                self._closed.append(self._open.pop(side))
                stretch = None
            if lane.in_junction or distance_m >= 0:
                continue
            if stretch is None:
                cause = lateral_cause(history, side)
                event = make_event(
                    LANE_DEPARTURE,
                    step,
                    cause=cause.kind,
                    evidence_frame=cause.evidence_frame,
                    severity=-distance_m,
                    detail={"side": "left" if side > 0 else "right", "s_m": float(lane.s_m), **cause.detail},
                )
                stretch = self._open[side] = EventSpan(event, step.t_s, step.t_s)
                began.append(event)
            stretch.extend(step.t_s, -distance_m, dt_s, step.truth.ego.speed_mps * dt_s)
        return began

    def finish(self, history: History) -> Findings:
        """Return departures with depth (m) as severity, and the DTLM series."""
        stretches = [*self._closed, *self._open.values()]
        dt_s = history.duration_of(len(history.steps) - 1)
        events = [s.final(s.worst, dt_s, depth_m=s.worst, distance_m=s.distance_m) for s in stretches]
        events.sort(key=lambda event: event.t_s)
        distances = np.asarray(self._dtlm)[np.asarray(self._valid, dtype=bool)]
        scores: dict[str, Score] = {
            "lane_departure.count": len(events),
            "lane_departure.max_depth_m": max((event.severity for event in events), default=0.0),
            "lane_departure.time_s": float(sum(event.duration_s for event in events)),
            "lane_departure.first_t_s": events[0].t_s if events else None,
            "lane.min_dtlm_m": float(distances.min()) if distances.size else None,
        }
        return Findings(tuple(events), scores, {"dtlm_m": series(self._dtlm, self._valid)})


class LanePlaceJudge:
    """Report driving outside every lane and driving against the lane (ScenarioRunner ``OutsideRouteLanesTest``)."""

    name = "outside_lane"
    version = "1"
    events = (OUTSIDE_LANE, WRONG_LANE)
    scores = ("outside_lane.*", "wrong_lane.count")

    def __init__(self) -> None:
        """Start on a lane and in its direction."""
        self._open: dict[EventKind, EventSpan] = {}
        self._closed: list[EventSpan] = []
        self._outside: list[float] = []
        self.bad_distance_m = 0.0
        self.distance_m = 0.0

    def step(self, step: Step, history: History) -> list[Event]:
        """Return stretches that began with this step."""
        limits, lane = history.limits, step.truth.lane
        dt_s = history.duration_of(len(history.steps) - 1)
        driven_m = step.truth.ego.speed_mps * dt_s
        excess_m = lane.nearest_lane_distance_m - lane.nearest_lane_width_m / 2 - limits.outside_lane_margin_m
        outside = excess_m > 0
        wrong = lane.wrong_way_deg > (limits.wrong_lane_outside_deg if outside else limits.wrong_lane_deg)
        wrong = wrong and not lane.in_junction
        self._outside.append(float(outside or wrong))
        self.distance_m += driven_m
        if outside or wrong:
            self.bad_distance_m += driven_m
        began: list[Event] = []
        for kind, holds, depth in ((OUTSIDE_LANE, outside, excess_m), (WRONG_LANE, wrong, lane.wrong_way_deg)):
            if not holds:
                if kind in self._open:
                    self._closed.append(self._open.pop(kind))
                continue
            if kind not in self._open:
                cause = lateral_cause(history, 1 if lane.lateral_offset_m > 0 else -1)
                detail = {"s_m": float(lane.s_m), **cause.detail}
                event = make_event(kind, step, cause=cause.kind, evidence_frame=cause.evidence_frame, detail=detail)
                self._open[kind] = EventSpan(event, step.t_s, step.t_s)
                began.append(event)
            self._open[kind].extend(step.t_s, depth, dt_s, driven_m)
        return began

    def finish(self, history: History) -> Findings:
        """Return stretches with their length in metres as severity."""
        dt_s = history.duration_of(len(history.steps) - 1)
        stretches = [*self._closed, *self._open.values()]
        events = sorted((s.final(s.distance_m, dt_s, worst=s.worst) for s in stretches), key=lambda event: event.t_s)
        share = self.bad_distance_m / self.distance_m if self.distance_m > 0 else 0.0
        scores: dict[str, Score] = {
            "outside_lane.count": sum(1 for event in events if event.kind == OUTSIDE_LANE.name),
            "wrong_lane.count": sum(1 for event in events if event.kind == WRONG_LANE.name),
            "outside_lane.distance_m": self.bad_distance_m,
            "outside_lane.percent": 100.0 * share,
        }
        return Findings(tuple(events), scores, {"outside_lane": series(self._outside)})
