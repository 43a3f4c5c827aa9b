"""The link this testbed exists for: which perception error preceded a safety event.

Rule: every answer that was in force in the seconds before the event is compared with the truth of its own frame. The
kind of error that held longest, and at least ``limits.cause_min_s``, is the cause; otherwise the cause is ``none``.
Only errors that push toward the event count: an answer of Left cannot be why the ego left its lane on the right. Where
nothing that was answered explains it, and no answer had come yet although one was needed, the cause is ``no answer``.
An agent that drives by itself answers nothing, and nothing of it is a cause.
An answer that was held because later ones were dropped, and had become wrong meanwhile, is a ``dropped answer``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from testbed.core.geometry import Box, box_iou
from testbed.core.ground_plane import row_of_distance
from testbed.core.gtsrb import END_OF_LIMIT, NO_ENTRY, SIGN_NAMES, SPEED_LIMIT_KMH, STOP, YIELD
from testbed.core.types import Caution, LeadTruth, LineTruth, SignTruth, Step, VehicleAnswer
from testbed.judge.history import History, JudgedAnswer, expert_steering
from testbed.judge.limits import JudgeLimits

MISSED_VEHICLE = "missed vehicle"
BOX_ERROR = "box error"
FALSE_VEHICLE = "false vehicle"
WRONG_STEERING = "wrong steering class"
LATE = "late answer"
NO_ANSWER = "no answer"
DROPPED = "dropped answer"
ABSTAINED = "abstained"
UNREADABLE = "unreadable answer"
MISREAD = "misread"
MISSED = "missed"
LATE_SIGN = "late"
CONTROL = "control"
ALARM = "alarm"
NONE = "none"

CLASS_OF_LINE: dict[str, int] = {"stop": STOP, "yield": YIELD, "no_entry": NO_ENTRY}
"""What the sign says whose line it is."""

Detail = dict[str, float | int | str | bool | None]


@dataclass(frozen=True, slots=True)
class Cause:
    """A perception error in front of an event.

    Attributes:
        kind: One of the constants of this module.
        evidence_frame: Frame of the first image that led to it; None when there is none.
        detail: What was answered and what was true.
    """

    kind: str = NONE
    evidence_frame: int | None = None
    detail: Detail = field(default_factory=dict)


@dataclass(slots=True)
class _Tally:
    """Seconds in force per kind of error, with the first answer of each kind."""

    seconds: dict[str, float] = field(default_factory=dict)
    first: dict[str, tuple[int, Detail]] = field(default_factory=dict)
    total_s: float = 0.0

    def add(self, kind: str | None, answer: JudgedAnswer, seconds: float, detail: Detail) -> None:
        self.total_s += seconds
        if kind is not None:
            self.seconds[kind] = self.seconds.get(kind, 0.0) + seconds
            self.first.setdefault(kind, (answer.decision.frame, detail))

    def cause(self, at_least_s: float) -> Cause:
        if not self.seconds:
            return Cause()
        kind = max(self.seconds, key=lambda name: self.seconds[name])
        if self.seconds[kind] < at_least_s - 1e-9:
            return Cause()
        frame, detail = self.first[kind]
        spans: Detail = {"error_s": round(self.seconds[kind], 3), "watched_s": round(self.total_s, 3)}
        return Cause(kind, frame, detail | spans)


def latency_ms(answer: JudgedAnswer) -> float:
    """Return milliseconds from an answer's image to its effect."""
    return (answer.decision.applied_t_s - answer.decision.t_s) * 1000.0


def age_ms(step: Step, answer: JudgedAnswer) -> float:
    """Return milliseconds from an answer's image to a step at which it is in force."""
    return (step.t_s - answer.decision.t_s) * 1000.0


def _is_stale(step: Step, answer: JudgedAnswer, limits: JudgeLimits) -> bool:
    return limits.hold_ms is not None and age_ms(step, answer) > limits.hold_ms + 1e-6


def lateral_cause(history: History, side: int, *, end: int | None = None) -> Cause:
    """Return why the ego drifted to one side.

    Args:
        history: Steps and answers so far.
        side: +1 for a drift to the left, -1 to the right.
        end: Step index of the event; the last step by default.
    """
    limits = history.limits
    tally = _Tally()
    for step, answer, seconds in history.lookback(limits.cause_lookback_s, end=end):
        said = answer.decision.perception.steering
        detail: Detail = {"expected": str(answer.expert), "confidence": float(said.confidence)}
        kind: str | None = None
        if said.steering is None:
            kind, detail["answered"] = _withheld(answer, "alc"), None
        else:
            detail["answered"] = str(said.steering)
            now = expert_steering(step.truth.lane.preview_offset_m)
            if (said.steering.sign - answer.expert.sign) * side > 0:
                kind = WRONG_STEERING
            elif (said.steering.sign - now.sign) * side > 0 and latency_ms(answer) > limits.deadline_ms:
                kind = LATE
                detail |= {"expected_when_applied": str(now), "latency_ms": round(latency_ms(answer), 1)}
            elif (said.steering.sign - now.sign) * side > 0 and _is_stale(step, answer, limits):
                kind = DROPPED
                detail |= {"expected_now": str(now), "age_ms": round(age_ms(step, answer), 1)}
        tally.add(kind, answer, seconds, detail)
    found = tally.cause(limits.cause_min_s)
    return found if found.kind != NONE else _unanswered(history, end, lambda step: _steers_back(step, side))


def _steers_back(step: Step, side: int) -> bool:
    """Tell whether the right answer at a step steers away from a side."""
    return expert_steering(step.truth.lane.preview_offset_m).sign * side < 0


def _unanswered(history: History, end: int | None, needed: Callable[[Step], bool]) -> Cause:
    """Return ``no answer`` where none had taken effect for long enough although one was needed."""
    limits = history.limits
    last = len(history.steps) - 1 if end is None else end
    since_s = history.steps[last].t_s - limits.cause_lookback_s
    waited_s = sum(
        history.duration_of(index)
        for index, step in enumerate(history.steps[: last + 1])
        if step.decision is None and step.t_s > since_s and needed(step)
    )
    if waited_s < limits.cause_min_s - 1e-9:
        return Cause()
    return Cause(NO_ANSWER, None, {"waited_s": round(waited_s, 3)})


def _vehicle_error(
    said: VehicleAnswer, lead: LeadTruth, history: History, answer: JudgedAnswer
) -> tuple[str | None, Detail]:
    detail: Detail = {"lead_id": lead.actor_id, "lead_distance_m": round(float(lead.distance_m), 2)}
    detail["confidence"] = float(said.confidence)
    if said.present is None:
        return _withheld(answer, "vd"), detail
    if not said.present:
        return MISSED_VEHICLE, detail
    iou = box_iou(said.box_px, lead.box_px) if said.box_px is not None else 0.0
    if iou < history.limits.iou_match:
        return BOX_ERROR, {**detail, "iou": round(iou, 3)}
    if latency_ms(answer) > history.limits.deadline_ms:
        return LATE, {**detail, "latency_ms": round(latency_ms(answer), 1)}
    return None, detail


def governing_line(step: Step, reach_m: float) -> LineTruth | None:
    """Return the stop or yield line that was passed last and not longer than ``reach_m`` ago."""
    passed = [
        line for line in step.truth.lines if line.kind in ("stop", "yield") and -reach_m <= line.distance_m <= 0.0
    ]
    return max(passed, key=lambda line: line.distance_m, default=None)


def collision_cause(history: History, *, end: int | None = None, other_id: int | None = None) -> Cause:
    """Return the perception error before a collision.

    A vehicle detection error counts while a lead was there; an ego that had left its lane is explained by steering, one
    that met crossing traffic behind a stop or yield line by how it read that sign.
    """
    limits = history.limits
    now = history.steps[-1 if end is None else end]
    lane = now.truth.lane
    if any(conflict.actor_id == other_id for conflict in now.truth.conflicts):
        line = governing_line(now, limits.yield_reach_m)
        if line is not None and (cause := line_cause(history, line)).kind != CONTROL:
            return cause
    if abs(lane.lateral_offset_m) > limits.success_threshold_m(lane.lane_width_m):
        cause = lateral_cause(history, 1 if lane.lateral_offset_m > 0 else -1, end=end)
        if cause.kind != NONE:
            return cause
    tally = _Tally()
    for step, answer, seconds in history.lookback(limits.cause_lookback_s, end=end):
        kind: str | None = None
        detail: Detail = {}
        if answer.truth.lead is not None:
            kind, detail = _vehicle_error(answer.decision.perception.vehicle, answer.truth.lead, history, answer)
        elif step.truth.lead is None or not _is_stale(step, answer, limits):
            continue
        if kind is None and _is_stale(step, answer, limits):
            kind, detail = DROPPED, {**detail, "age_ms": round(age_ms(step, answer), 1)}
        tally.add(kind, answer, seconds, detail)
    found = tally.cause(limits.cause_min_s)
    return found if found.kind != NONE else _unanswered(history, end, lambda step: step.truth.lead is not None)


def _too_near(box: Box, lead: LeadTruth, limits: JudgeLimits) -> tuple[str | None, Detail]:
    """Return whether a box explains braking: it lies elsewhere, or its lower edge nearer than the vehicle's."""
    iou = box_iou(box, lead.box_px)
    detail: Detail = {"iou": round(iou, 3)}
    horizon_px = row_of_distance(math.inf) if limits.horizon_px is None else limits.horizon_px
    below_px, true_px = box[3] - horizon_px, lead.box_px[3] - horizon_px
    # on level ground the distance goes with one over the rows below the horizon
    share = true_px / below_px if below_px > 0.0 and true_px > 0.0 else 1.0
    if share < 1.0 - limits.nearness_share:
        return BOX_ERROR, {**detail, "distance_share": round(share, 3), "lead_distance_m": round(lead.distance_m, 2)}
    return (BOX_ERROR if iou < limits.iou_match else None), detail


def brake_cause(history: History, *, end: int | None = None) -> Cause:
    """Return the perception error before a deceleration that nothing asked for.

    ``alarm``: the agent doubted its answers and asked the driver to drive slowly or to stop. ``box error``: the box
    lies elsewhere, or tells a distance that is too short, which asks for braking however well the boxes overlap.
    """
    tally = _Tally()
    for _, answer, seconds in history.lookback(1.0, end=end):
        said, sign = answer.decision.perception.vehicle, answer.decision.perception.sign
        detail: Detail = {"confidence": float(said.confidence)}
        kind: str | None = None
        arbitration = answer.decision.perception.arbitration
        if arbitration is not None and arbitration.caution is not Caution.NONE:
            kind, detail = ALARM, {"asked": arbitration.caution.value, "about": ", ".join(arbitration.alarms)}
        elif said.present and answer.truth.lead is None:
            kind = FALSE_VEHICLE
        elif said.present and said.box_px is not None and answer.truth.lead is not None:
            kind, more = _too_near(said.box_px, answer.truth.lead, history.limits)
            detail |= more
        elif said.present is None:
            kind = _withheld(answer, "vd")
        if kind is None and sign is not None and sign.class_id is not None and answer.truth.sign is not None:
            asked, true_class = sign.class_id, answer.truth.sign.class_id
            if asked != true_class and (asked in SPEED_LIMIT_KMH or asked == STOP):
                kind = MISREAD
                detail = {"commanded": SIGN_NAMES[true_class], "perceived": SIGN_NAMES[asked]}
                detail["confidence"] = float(sign.confidence)
        tally.add(kind, answer, seconds, detail)
    return tally.cause(min(0.1, history.limits.cause_min_s))


def sign_cause(history: History, sign: SignTruth | None, passed_t_s: float) -> Cause:
    """Return why the ego drives faster than the sign commands.

    The kinds are those of `_reading`; ``late``: the right class took effect only after the grace time;
    ``misread``, too, when it prevailed over another class only when slowing down in time took more than
    ``limits.late_brake_mps2``, or when a later sign was taken for a higher limit.

    Args:
        history: Steps and answers so far.
        sign: The sign that commands the limit; None when the map does.
        passed_t_s: When it was passed.
    """
    if history.drives_itself:
        return Cause()
    if sign is None:
        return _later_misread(history, -1.0) or Cause(CONTROL)
    reading = _reading(history, sign.sign_id, sign.class_id)
    right = reading.right
    if right is None:
        return reading.cause
    if right.decision.applied_t_s > passed_t_s + history.limits.speed_grace_s:
        return reading.too_late()
    limit_kmh = SPEED_LIMIT_KMH.get(sign.class_id)
    if reading.before is not None and limit_kmh is not None:
        step = next(
            (step for step in history.steps if step.t_s >= right.decision.applied_t_s - 1e-9), history.steps[-1]
        )
        seen = step.truth.sign
        left_m = seen.distance_m if seen is not None and seen.sign_id == sign.sign_id else 0.0
        allowed_mps = limit_kmh / 3.6 + history.limits.speed_tolerance(limit_kmh / 3.6)
        if (step.truth.ego.speed_mps**2 - allowed_mps**2) / (2.0 * max(left_m, 0.1)) > history.limits.late_brake_mps2:
            return reading.before
    return _later_misread(history, passed_t_s) or reading.cause


def line_cause(history: History, line: LineTruth) -> Cause:
    """Return why the ego did not stop or give way at a sign's line.

    The kinds are those of `_reading`; ``late``: when the right class took effect, stopping at the line took more
    than ``limits.late_brake_mps2`` (``misread`` when it had to prevail over another class until then). Nobody is asked
    about lights, so a red light has no perception error before it.
    """
    class_id = CLASS_OF_LINE.get(line.kind)
    if class_id is None or history.drives_itself:
        return Cause()
    reading = _reading(history, line.sign_id, class_id)
    if reading.right is None:
        return reading.cause
    for step in history.steps:
        if step.t_s < reading.right.decision.applied_t_s - 1e-9:
            continue
        left_m = next((each.distance_m for each in step.truth.lines if each.sign_id == line.sign_id), math.inf)
        needed_mps2 = step.truth.ego.speed_mps**2 / (2.0 * max(left_m, 0.1))
        if needed_mps2 <= history.limits.late_brake_mps2:
            return reading.cause
        break
    return reading.too_late()


@dataclass(frozen=True, slots=True)
class _Reading:
    """How a sign was read.

    Attributes:
        cause: What the answers were in the end.
        right: The answer from which on the right class had most votes; None where it never had.
        before: The misreading that prevailed until then, if any.
    """

    cause: Cause
    right: JudgedAnswer | None = None
    before: Cause | None = None

    def too_late(self) -> Cause:
        """Return the cause when the right class prevailed too late."""
        assert self.right is not None
        if self.before is not None:
            return self.before
        detail: Detail = {**self.cause.detail, "latency_ms": round(latency_ms(self.right), 1)}
        return Cause(LATE_SIGN, self.right.decision.frame, detail)


def _reading(history: History, sign_id: str, class_id: int) -> _Reading:
    """Return how a sign was read.

    ``missed``: never answered; ``abstained`` or ``unreadable answer``: asked but never answered with a class, by the
    first such answer; ``misread``: the votes name
    another class; ``control``: read rightly, so that what follows is no error of perception. Votes weigh by confidence
    and by the size of the sign in the picture, as the driver weighs them.
    """
    detail: Detail = {"sign_id": sign_id, "commanded": SIGN_NAMES[class_id], "commanded_class": class_id}
    asked = [a for a in history.answers if a.truth.sign is not None and a.truth.sign.sign_id == sign_id]
    asked = [a for a in asked if a.decision.perception.sign is not None]
    if not asked:
        return _Reading(Cause(MISSED, None, {**detail, "perceived_class": None}))
    votes: dict[int, float] = {}
    winners: list[tuple[JudgedAnswer, int]] = []
    for answer in asked:
        said, sign = answer.decision.perception.sign, answer.truth.sign
        if said is not None and said.class_id is not None and sign is not None:
            x0, y0, x1, y1 = sign.box_px
            weight = float(said.confidence) * max((x1 - x0) * (y1 - y0), 1.0)
            votes[said.class_id] = votes.get(said.class_id, 0.0) + weight
            winners.append((answer, max(votes, key=lambda each: votes[each])))
    if not winners:
        return _Reading(Cause(_withheld(asked[0], "tsr"), asked[0].decision.frame, {**detail, "perceived_class": None}))
    detail["answers"] = len(asked)

    def cause(kind: str, perceived: int) -> Cause:
        first = _first_with_class(asked, perceived)
        told: Detail = {**detail, "perceived": SIGN_NAMES[perceived], "perceived_class": perceived}
        return Cause(kind, first.decision.frame, told)

    perceived = winners[-1][1]
    if perceived != class_id:
        return _Reading(cause(MISREAD, perceived))
    wrong = [index for index, (_, winner) in enumerate(winners) if winner != class_id]
    if not wrong:
        return _Reading(cause(CONTROL, class_id), winners[0][0])
    last = wrong[-1]
    return _Reading(cause(CONTROL, class_id), winners[last + 1][0], cause(MISREAD, winners[last][1]))


def _withheld(answer: JudgedAnswer, task: str) -> str:
    """Return why there is no answer: `ABSTAINED`, or `UNREADABLE` where words were said that are none."""
    return UNREADABLE if task in answer.decision.perception.unparsable else ABSTAINED


def _first_with_class(answers: Iterable[JudgedAnswer], class_id: int) -> JudgedAnswer:
    said = ((answer, answer.decision.perception.sign) for answer in answers)
    return next(answer for answer, sign in said if sign is not None and sign.class_id == class_id)


def _later_misread(history: History, after_t_s: float) -> Cause | None:
    """Return a sign seen later that was taken for a limit or the end of one, if any."""
    for answer in reversed(history.answers):
        if answer.decision.t_s <= after_t_s:
            return None
        said, sign = answer.decision.perception.sign, answer.truth.sign
        if said is None or said.class_id is None or sign is None or said.class_id == sign.class_id:
            continue
        if said.class_id in SPEED_LIMIT_KMH or said.class_id in END_OF_LIMIT:
            detail: Detail = {"sign_id": sign.sign_id, "commanded": SIGN_NAMES[sign.class_id]}
            detail |= {"perceived": SIGN_NAMES[said.class_id], "perceived_class": said.class_id}
            return Cause(MISREAD, answer.decision.frame, detail)
    return None
