"""Every number that a claim may bound, with its definition, unit and range: ``testbed list metrics``.

The list is closed. A share is written as a share of one or in percent; what a drive cannot show is refused before it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from testbed.core.errors import UsageError, suggest
from testbed.events import BUILT_IN, EventCatalogue
from testbed.judge import registry

RATE = ".rate"
"""Behind the name of an event or of a yes or no: the share of drives with it."""
SHARE = "share"
"""Unit of what lies between 0 and 1 and is written in percent."""

_TASKS = {"tsr": "signs", "alc": "steering", "vd": "vehicles"}
_SCOPES = {"": "", "window.": ", within the attack window", "exposed.": ", over images that show the artefact"}


@dataclass(frozen=True, slots=True)
class Metric:
    """One number.

    Attributes:
        name: As claims, records and tables have it.
        definition: What it is.
        unit: ``share``, ``count``, or a physical unit.
        low: Least value it can have.
        high: Largest value it can have.
    """

    name: str
    definition: str
    unit: str
    low: float = 0.0
    high: float = math.inf

    @property
    def is_share(self) -> bool:
        """Whether it is a share, printed in percent."""
        return self.unit == SHARE

    def text(self, *values: float, digits: int = 6) -> str:
        """Return a value, or the ends of an interval, with the unit, for people."""
        scale = 100.0 if self.is_share else 1.0
        unit = {SHARE: " %", "count": "", "factor": "", "": ""}.get(self.unit, f" {self.unit}")
        return "–".join(f"{value * scale:.{digits}g}" for value in values) + unit

    def value(self, bound: float | str, *, at_most: bool) -> float:
        """Return the bound of a claim as a number.

        Args:
            bound: Number in the metric's unit, or percent as text (``5 %``).
            at_most: Whether it bounds from above.

        Raises:
            UsageError: If the metric cannot have that value, or always has a better one.
        """
        in_percent = isinstance(bound, str)
        number = float(bound.rstrip("% ")) if isinstance(bound, str) else float(bound)
        if in_percent and self.unit not in (SHARE, "%"):
            raise UsageError(f"{self.name} is no share, so it has no percent", hint=f"its unit is {self.unit}")
        if in_percent and self.is_share:
            number /= 100.0
        if not self.low <= number <= self.high:
            meant = self.is_share and not in_percent and 1.0 < number <= 100.0
            hint = f"write {number:g} % or {number / 100:g}" if meant else ""
            said = bound if in_percent else f"{number:g}"
            raise UsageError(f"{self.name} is never {said}: it has values {self.range}", hint=hint)
        if number == (self.high if at_most else self.low):
            word = "at most" if at_most else "at least"
            raise UsageError(f"{self.name} is {word} {self.text(number)} whatever happens, so this claims nothing")
        return number

    @property
    def range(self) -> str:
        """The values it can have, for people."""
        low, high = ("" if math.isinf(end) else self.text(end) for end in (self.low, self.high))
        return f"{low} to {high}" if low and high else f"from {low}" if low else f"up to {high}" if high else "any"


def _judged() -> Iterator[Metric]:
    """Yield what our judges measure, mean over the drives."""
    inf = math.inf
    yield Metric("lane.max_offset_m", "largest distance from the lane's centre", "m")
    yield Metric("lane.max_left_m", "largest distance to the left of it", "m")
    yield Metric("lane.max_right_m", "largest distance to the right of it", "m")
    yield Metric("lane.mean_abs_offset_m", "mean distance from the lane's centre", "m")
    yield Metric("lane.min_dtlm_m", "least distance of a tyre's outer edge to the marking, below 0 past it", "m", -inf)
    yield Metric("lane_departure.max_depth_m", "how deep over the marking", "m")
    yield Metric("lane_departure.time_s", "time over the marking", "s")
    yield Metric("lane_departure.first_t_s", "when the first departure began, of drives with one", "s")
    yield Metric("outside_lane.distance_m", "distance driven outside any lane", "m")
    yield Metric("outside_lane.percent", "share of the way driven outside any lane or against it", "%", 0.0, 100.0)
    yield Metric("speed.mean_mps", "mean speed", "m/s")
    yield Metric("speed.min_mps", "lowest speed", "m/s")
    yield Metric("speed.max_mps", "highest speed", "m/s")
    yield Metric("speed_limit.max_excess_mps", "largest excess over the limit", "m/s")
    yield Metric("speed_limit.severity_m", "integral of the excess over the limit", "m")
    yield Metric("collision.worst_mps", "relative speed of the worst impact", "m/s")
    yield Metric("collision.at_fault", "collisions in which the ego moved", "count")
    yield Metric("false_brake.hardest_mps2", "hardest braking without a reason", "m/s²")
    yield Metric("standing.time_s", "time standing", "s")
    yield Metric("episode.duration_s", "length of the drive", "s")
    yield Metric("route.driven_m", "distance driven along the lane", "m")
    yield Metric("route.percent", "share of the planned distance", "%", 0.0, 100.0)
    for version in ("2_0", "2_1"):
        dotted = version.replace("_", ".")
        yield Metric(f"driving_score_{version}", f"CARLA Leaderboard {dotted}'s driving score", "points", 0.0, 100.0)
        yield Metric(f"penalty_{version}", f"CARLA Leaderboard {dotted}'s infraction penalty", "factor", 0.0, 1.0)
    yield Metric("window.max_offset_m", "largest offset within the attack window", "m")
    yield Metric("window.signed_offset_m", "that offset, positive to the left", "m", -inf)
    yield Metric("window.time_to_threshold_s", "time from the artefact to a successful attack, of those", "s")
    yield Metric("attack.first_seen_m", "distance from which the artefact was visible", "m")
    yield Metric("attack.visible_frames", "images that show the artefact", "count")
    yield Metric("comfort.share", "share of the steps within all bounds of comfort", SHARE, 0.0, 1.0)
    yield Metric("comfort.lon_accel_min_mps2", "hardest braking", "m/s²", -inf)
    yield Metric("comfort.lon_accel_max_mps2", "hardest acceleration", "m/s²", -inf)
    yield Metric("comfort.lat_accel_max_mps2", "largest lateral acceleration", "m/s²")
    yield Metric("comfort.yaw_rate_max_rad_s", "largest yaw rate", "rad/s")
    yield Metric("comfort.jerk_max_mps3", "largest jerk", "m/s³")
    yield Metric("comfort.lon_jerk_max_mps3", "largest jerk along the way", "m/s³")
    yield Metric("comfort.yaw_accel_max_rad_s2", "largest yaw acceleration", "rad/s²")
    for percent in (50, 95, 99):
        yield Metric(f"latency.p{percent}_ms", f"age of answers when they take effect, p{percent}", "ms")
        yield Metric(f"inference.p{percent}_ms", f"time to make an answer, p{percent}", "ms")
    yield Metric("latency.deadline_misses", "answers older than the budget", "count")
    yield Metric("latency.metres_per_decision", "distance driven per answer that took effect", "m")
    for word, what in (("asked", "begun"), ("misses", "over the budget"), ("dropped", "dropped for it")):
        yield Metric(f"deadline.{word}", f"decisions {what}, of drives with a deadline", "count")


def _perceived() -> Iterator[Metric]:
    """Yield how well was seen."""
    for scope, where in _SCOPES.items():
        for task, things in _TASKS.items():
            name = f"{scope}{task}"
            yield Metric(f"{name}.accuracy", f"right answers about {things}{where}", SHARE, 0.0, 1.0)
            yield Metric(f"{name}.macro_f1", f"mean F1 over the classes of {things}{where}", SHARE, 0.0, 1.0)
            yield Metric(f"{name}.n", f"answers about {things}{where}", "count")
            yield Metric(f"{name}.correct", f"right answers about {things}{where}", "count")
            yield Metric(f"{name}.abstained", f"answers about {things} withheld{where}", "count")
            yield Metric(f"{name}.unparsable", f"words about {things} that could not be read{where}", "count")
        yield Metric(f"{scope}vd.f1", f"F1 of a vehicle's presence{where}", SHARE, 0.0, 1.0)
        yield Metric(f"{scope}vd.boxes", f"boxes that were judged{where}", "count")
        yield Metric(f"{scope}vd.mean_iou", f"mean overlap (IoU) of boxes{where}", SHARE, 0.0, 1.0)
        yield Metric(f"{scope}vd.ap50", f"average precision of boxes at IoU 0.5{where}", SHARE, 0.0, 1.0)


def _doubted() -> Iterator[Metric]:
    """Yield what is measured of agents that hear two."""
    yield Metric("arbitration.decisions", "decisions of two agents", "count")
    yield Metric("alarm.count", "alarms begun", "count")
    yield Metric("alarm.per_km", "alarms begun per kilometre", "1/km")
    yield Metric("alarm.decisions", "decisions under an alarm", "count")
    yield Metric("alarm.false_decisions", "decisions under an alarm with nothing wrong", "count")
    yield Metric("caution.slow_s", "time driven slowly for an alarm", "s")
    yield Metric("caution.stop_s", "time stopping or standing for an alarm", "s")
    for task, things in _TASKS.items():
        yield Metric(f"alarm.{task}.decisions", f"decisions under an alarm about {things}", "count")
        for word, what in (
            ("n", "both answered"),
            ("count", "they disagreed"),
            ("fast_right", "they disagreed and the fast one was right"),
            ("slow_right", "they disagreed and the slow one was right"),
        ):
            yield Metric(f"disagreement.{task}.{word}", f"pictures about which {what}, {things}", "count")
        yield Metric(f"detection.{task}.delay_s", f"from the first wrong answer about {things} to its alarm", "s")
        yield Metric(f"detection.{task}.after_visible_s", f"from the visible artefact to an alarm about {things}", "s")
        yield Metric(f"detection.{task}.onset_t_s", f"when {things} were first seen wrongly", "s")


YES_OR_NO = {
    "window.success": "drives pulled beyond the threshold within the attack window, of attacked ones",
    "window.success_paper": "the same by the threshold of the patch's paper",
    "attack.reached": "drives that reached the artefact, of attacked ones",
    "attack.passed": "drives that passed it",
    "comfort.ok": "drives within all bounds of comfort",
    **{
        f"detection.{task}.detected": f"drives with wrong answers about {things} in which an alarm followed"
        for task, things in _TASKS.items()
    },
}
"""Scores that are a yes or no per drive, and the share of what."""


UNCLAIMED: dict[str, type] = {
    "status": str,
    **dict.fromkeys(
        (
            "alarm.driven_km",
            "attack.first_seen_t_s",
            "attack.visible_px_max",
            "decision.count",
            "decision.unmatched",
            "episode.steps",
            "window.start_s_m",
            "window.start_t_s",
            "window.threshold_m",
            *(f"{scope}vd.iou_sum" for scope in _SCOPES),
        ),
        float,
    ),
    **{f"{scope}{task}.confusion": str for scope in _SCOPES for task in _TASKS},
}
"""Scores that are stored to be pooled or looked at and say nothing by themselves, with their types."""


def score_types() -> dict[str, type]:
    """Return every score of our judges with its type: ``float``, ``bool`` or ``str``."""
    numbers = {name: float for name in metrics() if not name.endswith(RATE)}
    return {**numbers, **dict.fromkeys(YES_OR_NO, bool), **UNCLAIMED}


def metrics(catalogue: EventCatalogue = BUILT_IN) -> dict[str, Metric]:
    """Return every metric by name, in the order in which they are told.

    Args:
        catalogue: Kinds of events; those that judge every episode by default.
    """
    events = catalogue
    found: list[Metric] = []
    for kind in events.kinds:
        found.append(Metric(f"{kind.name}{RATE}", f"drives in which the ego {kind.happened}", SHARE, 0.0, 1.0))
    found += (Metric(f"{name}{RATE}", what, SHARE, 0.0, 1.0) for name, what in YES_OR_NO.items())
    for kind in events.kinds:
        found.append(Metric(f"{kind.name}.count", f"times the ego {kind.happened}", "count"))
    found += (*_judged(), *_perceived(), *_doubted())
    return {metric.name: metric for metric in found}


def known(name: str, judges: Iterable[str] = ()) -> Metric:
    """Return the metric of a name.

    Args:
        name: As a claim has it.
        judges: Judges of other packages that a scenario asks for. What they score has a unit that they alone know;
            events of others that are installed are nobody's business in it, as nobody looks for them.

    Raises:
        UsageError: There is none of that name; says which is like it.
        JudgeError: A judge that is asked for is none.
    """
    ours = metrics()
    if name in ours:
        return ours[name]
    score = name.removesuffix(RATE)
    for judge in judges:
        asked = registry.create(judge)
        theirs = metrics(EventCatalogue(asked.events))
        if name in theirs:
            return theirs[name]
        if any(fnmatchcase(score, pattern) for pattern in asked.scores):
            if name.endswith(RATE):
                return Metric(name, f"drives of which the judge {judge} says yes", SHARE, 0.0, 1.0)
            return Metric(name, f"score of the judge {judge}", "", -math.inf)
    raise UsageError(
        f"unknown metric {name!r}", hint=f"{suggest(name, tuple(ours))}testbed list metrics tells all of them"
    )
