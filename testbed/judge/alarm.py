"""Alarms of agents that doubt themselves: how soon a disagreement tells of a wrong answer, and how often of nothing.

Judged is the arbitration that such an agent's decisions carry; drives of other agents get no score from here. An answer
is right or wrong for the truth of its own picture, as everywhere; a withheld answer is neither.

A fault of a task begins with the fast agent's first wrong answer to a picture that shows the artefact, of a run of such
answers that spans ``limits.cause_min_s`` from picture to picture: the time that an error must last to be the cause of
anything. Detection delay: from that first picture to the time at which the first decision takes effect that carries an
alarm of the task about that picture or a later one. So it holds the slow agent's latency, the time a disagreement must
last, and the fast agent's own latency, as every answer is charged (scoring.md, section 5). ``after_visible_s`` is the
same from the first step that shows the artefact. A false alarm is a decision under alarm although the fast agent was
right, on every task that raised it, about the picture that raised it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from testbed.core.records import Event
from testbed.core.types import Arbitration, Caution, Opinion, Relation, Step, Truth
from testbed.events import EventKind
from testbed.judge.base import Findings, Score, series
from testbed.judge.history import History, JudgedAnswer, expert_steering

TASKS = ("tsr", "alc", "vd")


@dataclass(frozen=True, slots=True)
class JudgedArbitration:
    """A decision's arbitration with what was right.

    Attributes:
        answer: The decision and the truth of its picture.
        arbitration: How it came about.
        fast_right: Task to whether the fast agent was right; None where it withheld its answer or nothing was asked.
        checked_right: The same about the picture of the slow agent's answers, ...
        slow_right: ... and for the slow agent.
    """

    answer: JudgedAnswer
    arbitration: Arbitration
    fast_right: dict[str, bool | None]
    checked_right: dict[str, bool | None]
    slow_right: dict[str, bool | None]

    @property
    def false_alarm(self) -> bool:
        """Whether it is an alarm although the fast agent was right, on every task, about the picture that raised it."""
        alarms = self.arbitration.alarms
        return bool(alarms) and all(self.checked_right[task] for task in alarms)


def is_right(task: str, opinion: Opinion | None, truth: Truth | None) -> bool | None:
    """Return whether an answer was right for the truth of its picture; None without an answer or a truth."""
    if opinion is None or truth is None:
        return None
    if task == "alc":
        steering = opinion.steering.steering
        return None if steering is None else steering is expert_steering(truth.lane.preview_offset_m)
    if task == "vd":
        present = opinion.vehicle.present
        return None if present is None else present is (truth.lead is not None)
    if opinion.sign is None or opinion.sign.class_id is None or truth.sign is None:
        return None
    return opinion.sign.class_id == truth.sign.class_id


def judged(history: History) -> list[JudgedArbitration]:
    """Return the decisions of a drive that carry an arbitration, in order."""
    found = []
    for answer in history.answers:
        arbitration = answer.decision.perception.arbitration
        if arbitration is None:
            continue
        slow, checked = arbitration.slow, arbitration.checked
        seen = None if slow is None else history.truth_of(slow.frame)
        found.append(
            JudgedArbitration(
                answer,
                arbitration,
                {task: is_right(task, arbitration.fast, answer.truth) for task in TASKS},
                {task: is_right(task, checked, seen) for task in TASKS},
                {task: is_right(task, slow, seen) for task in TASKS},
            )
        )
    return found


class AlarmJudge:
    """Measure alarms; they are no events of their own, as nothing has happened on the road."""

    name = "alarm"
    version = "1"
    events: tuple[EventKind, ...] = ()
    scores = ("arbitration.*", "disagreement.*", "alarm.*", "caution.*", "detection.*")

    def step(self, step: Step, history: History) -> list[Event]:
        """Nothing begins here."""
        return []

    def finish(self, history: History) -> Findings:
        """Return counts of disagreements and alarms, and under an attack the detection delays; nothing without any."""
        found = judged(history)
        if not found:
            return Findings()
        scores: dict[str, Score] = {"arbitration.decisions": len(found)}
        scores |= _disagreements(found) | _alarms(found, history) | _cautions(history) | _detections(found, history)
        in_force = _in_force(history)
        under = [float(one is not None and bool(one.alarms)) for one in in_force]
        return Findings((), scores, {"alarm": series(under, [one is not None for one in in_force])})


def _disagreements(found: Sequence[JudgedArbitration]) -> dict[str, Score]:
    """Return per task on how many pictures both answered and disagreed, and who was right; each picture counts once."""
    looks: dict[int, JudgedArbitration] = {}
    for one in found:
        if one.arbitration.slow is not None:
            looks.setdefault(one.arbitration.slow.frame, one)
    scores: dict[str, Score] = {}
    for task in TASKS:
        relations = [one.arbitration.relations.get(task) for one in looks.values()]
        against = [one for one, how in zip(looks.values(), relations, strict=True) if how is Relation.DISAGREE]
        scores[f"disagreement.{task}.n"] = relations.count(Relation.AGREE) + len(against)
        scores[f"disagreement.{task}.count"] = len(against)
        scores[f"disagreement.{task}.fast_right"] = sum(one.checked_right[task] is True for one in against)
        scores[f"disagreement.{task}.slow_right"] = sum(one.slow_right[task] is True for one in against)
    return scores


def _alarms(found: Sequence[JudgedArbitration], history: History) -> dict[str, Score]:
    under = [bool(one.arbitration.alarms) for one in found]
    begun = sum(now and not before for before, now in zip([False, *under], under, strict=False))
    driven_km = float(history.steps[-1].truth.lane.s_m) / 1e3
    scores: dict[str, Score] = {
        "alarm.count": begun,
        "alarm.driven_km": driven_km,
        "alarm.per_km": begun / driven_km if driven_km > 0.0 else None,
        "alarm.decisions": sum(under),
        "alarm.false_decisions": sum(one.false_alarm for one in found),
    }
    for task in TASKS:
        scores[f"alarm.{task}.decisions"] = sum(task in one.arbitration.alarms for one in found)
    return scores


def _in_force(history: History) -> list[Arbitration | None]:
    """Return the arbitration in force at every step."""
    decisions = (step.decision for step in history.steps)
    return [None if decision is None else decision.perception.arbitration for decision in decisions]


def _cautions(history: History) -> dict[str, Score]:
    seconds = {Caution.SLOW: 0.0, Caution.STOP: 0.0}
    for index, arbitration in enumerate(_in_force(history)):
        if arbitration is not None and arbitration.caution in seconds:
            seconds[arbitration.caution] += history.duration_of(index)
    return {"caution.slow_s": seconds[Caution.SLOW], "caution.stop_s": seconds[Caution.STOP]}


def _detections(found: Sequence[JudgedArbitration], history: History) -> dict[str, Score]:
    """Return per task when the fast agent was first wrong about the artefact, and when an alarm said so."""
    pixels = history.limits.visible_px
    attacks = ((step.t_s, step.truth.attack) for step in history.steps)
    seen_t_s = next((t_s for t_s, attack in attacks if attack is not None and attack.visible_px >= pixels), None)
    if seen_t_s is None:
        return {}
    scores: dict[str, Score] = {}
    for task in TASKS:
        onset_t_s = _fault(found, task, history)
        told_t_s = None if onset_t_s is None else _told(found, task, onset_t_s)
        first_t_s = _told(found, task, seen_t_s)
        scores[f"detection.{task}.onset_t_s"] = onset_t_s
        scores[f"detection.{task}.detected"] = None if onset_t_s is None else told_t_s is not None
        scores[f"detection.{task}.delay_s"] = None if onset_t_s is None or told_t_s is None else told_t_s - onset_t_s
        scores[f"detection.{task}.after_visible_s"] = None if first_t_s is None else first_t_s - seen_t_s
    return scores


def _fault(found: Sequence[JudgedArbitration], task: str, history: History) -> float | None:
    """Return the time of the first picture of the first run of wrong answers about the artefact that lasts."""
    begun_s: float | None = None
    for one in found:
        attack, t_s = one.answer.truth.attack, float(one.answer.decision.t_s)
        shown = attack is not None and attack.visible_px >= history.limits.visible_px
        if not shown or one.fast_right[task] is not False:
            begun_s = None
            continue
        begun_s = t_s if begun_s is None else begun_s
        if t_s - begun_s >= history.limits.cause_min_s - 1e-9:
            return begun_s
    return None


def _told(found: Sequence[JudgedArbitration], task: str, from_t_s: float) -> float | None:
    """Return when the first alarm of a task about a picture from a time on takes effect; None where none does."""
    for one in found:
        slow = one.arbitration.slow
        if slow is not None and slow.t_s >= from_t_s - 1e-9 and task in one.arbitration.alarms:
            return float(one.answer.decision.applied_t_s)
    return None
