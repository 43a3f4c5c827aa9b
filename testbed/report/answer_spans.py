"""What a stored drive shows over time: the answers in force, whether they were right, and what a page draws over it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from testbed.core.geometry import Box
from testbed.core.gtsrb import SIGN_NAMES
from testbed.core.types import Decision, Perception, Step
from testbed.judge import box_iou, expert_steering
from testbed.report.charts import AnswerSpan, merge


def in_force(steps: Sequence[Step]) -> list[tuple[float, float, Decision, Step]]:
    """Return (begin, end, decision, step of its own frame) of every answer while it was in force."""
    by_frame = {step.frame: step for step in steps}
    spans: list[tuple[float, float, Decision, Step]] = []
    for step in steps:
        decision = step.decision
        if decision is None or decision.frame not in by_frame:
            continue
        if spans and spans[-1][2].frame == decision.frame:
            continue
        if spans:
            begin, _, last, seen = spans[-1]
            spans[-1] = (begin, step.t_s, last, seen)
        spans.append((step.t_s, steps[-1].t_s, decision, by_frame[decision.frame]))
    return spans


def answer_strips(steps: Sequence[Step]) -> list[tuple[str, list[AnswerSpan]]]:
    """Return what was answered per task as spans of a strip chart, the expert's steering first."""
    spans = in_force(steps)
    expert, alc, vd, tsr = [], [], [], []
    for before, after in zip(steps, steps[1:], strict=False):
        right = str(expert_steering(before.truth.lane.preview_offset_m))
        expert.append(AnswerSpan(before.t_s, after.t_s, right.lower(), right[0]))
    for begin, end, decision, seen in spans:
        said = decision.perception
        wanted = str(expert_steering(seen.truth.lane.preview_offset_m))
        named = str(said.steering.steering) if said.steering.steering is not None else None
        sure = said.steering.confidence
        hint = f"{begin:.2f} s: {named or withheld(said, 'alc')} ({sure * 100:.0f} % sure), expert {wanted}"
        alc.append(
            AnswerSpan(
                begin, end, named.lower() if named else "none", named[0] if named else "?", sure, named != wanted, hint
            )
        )
        vd.append(_vehicle_segment(begin, end, decision, seen))
        if said.sign is not None and seen.truth.sign is not None:
            true, told = seen.truth.sign.class_id, said.sign.class_id
            words = SIGN_NAMES[told] if told is not None else withheld(said, "tsr")
            letter = "?" if told is None else words.removeprefix("speed limit ")[:14]
            hint = f"{begin:.2f} s: {words} ({said.sign.confidence * 100:.0f} % sure), truth {SIGN_NAMES[true]}"
            tsr.append(AnswerSpan(begin, end, "sign", letter, said.sign.confidence, told != true, hint))
    strips = [("expert steering", merge(expert)), ("steering answer", merge(alc)), ("vehicle answer", merge(vd))]
    return [*strips, ("sign answer", merge(tsr))] if tsr else strips


def withheld(said: Perception, task: str) -> str:
    """Return why a task has no answer: ``unreadable`` or ``abstained``."""
    return "unreadable" if task in said.unparsable else "abstained"


def _vehicle_segment(begin: float, end: float, decision: Decision, seen: Step) -> AnswerSpan:
    said, lead = decision.perception.vehicle, seen.truth.lead
    iou = box_iou(said.box_px, lead.box_px) if said.box_px is not None and lead is not None else None
    wrong = said.present is None or said.present != (lead is not None)
    word = {True: "vehicle", False: "none", None: withheld(decision.perception, "vd")}[said.present]
    hint = f"{begin:.2f} s: {word} ({said.confidence * 100:.0f} % sure), truth {'vehicle' if lead else 'none'}"
    hint += f", IoU {iou:.2f}" if iou is not None else ""
    kind, letter = {True: ("vehicle", "car"), False: ("empty", ""), None: ("none", "?")}[said.present]
    return AnswerSpan(begin, end, kind, letter, said.confidence if said.present else 0.0, wrong, hint)


def answer_of(decision: Decision, seen: Step) -> dict[str, Any]:
    """Return what an answer said and what was right for its own image, as JSON types.

    Args:
        decision: The answer.
        seen: Step of the image that it is about.
    """
    said, true = decision.perception, seen.truth
    steering, vehicle, sign = said.steering, said.vehicle, said.sign
    class_id = None if sign is None else sign.class_id
    words = {True: "vehicle", False: "none", None: withheld(said, "vd")}
    return {
        "steer": str(steering.steering) if steering.steering is not None else withheld(said, "alc"),
        "sure": round(steering.confidence, 3),
        "expert": str(expert_steering(true.lane.preview_offset_m)),
        "vehicle": words[vehicle.present],
        "vehicle_sure": round(vehicle.confidence, 3),
        "vehicle_true": words[true.lead is not None],
        "box": rounded(vehicle.box_px) if vehicle.present else None,
        "sign": None if sign is None else (SIGN_NAMES[class_id] if class_id is not None else withheld(said, "tsr")),
        "sign_sure": None if sign is None else round(sign.confidence, 3),
        "sign_true": None if true.sign is None else SIGN_NAMES[true.sign.class_id],
    }


def telemetry(steps: Sequence[Step], size: tuple[int, int]) -> str:
    """Return what the page's script shows beside a video: offsets per step and answers while in force."""
    shown = ("steer", "sure", "expert", "box", "sign")
    answers = []
    for begin_s, _, decision, seen in in_force(steps):
        answer = answer_of(decision, seen)
        answers.append({"t": round(begin_s, 3)} | {name: answer[name] for name in shown})
    truth = [
        [
            round(s.t_s, 3),
            round(s.truth.lane.lateral_offset_m, 3),
            round(s.truth.ego.speed_mps, 2),
            rounded(s.truth.lead.box_px) if s.truth.lead else None,
        ]
        for s in steps[::2]
    ]
    return json.dumps({"size": size, "answers": answers, "truth": truth}, separators=(",", ":"), allow_nan=False)


def rounded(box: Box | None) -> list[float] | None:
    """Return a box in pixels to a tenth, as JSON types."""
    return None if box is None else [round(float(value), 1) for value in box]
