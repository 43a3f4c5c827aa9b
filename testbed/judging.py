"""From what the judges found to a record: right after the drive, and again later from the stored trace.

A trace holds every step as the judges saw it, so that other limits and other judges need no simulator. What a judge
does not find is kept: how the artefact was delivered, deadlines, the plan and its key. Judged with the limits of its
record, an episode is the same, byte by byte.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from testbed.core.errors import StoreError
from testbed.core.records import EpisodeRecord
from testbed.judge import Judge, JudgeLimits, JudgePanel, Verdict, delivery_gate, judges_for, why_not_delivered
from testbed.scenario.concrete import ConcreteScenario, concretise
from testbed.scenario.schema import Camera
from testbed.store import TraceReader, with_events

FOUND_ELSEWHERE = ("deadline.",)
"""Beginnings of the scores that no judge returns."""


def limits_for(concrete: ConcreteScenario, width_m: float | None = None, length_m: float | None = None) -> JudgeLimits:
    """Return the judges' constants for an episode.

    Args:
        concrete: The episode's scenario, which may change any of them.
        width_m: Of the ego; None for that of the embedded server's.
        length_m: The same.
    """
    limits = JudgeLimits(
        planned_distance_m=concrete.ego.route_m or concrete.ego.cruise_mps * concrete.steps * concrete.step_s,
        attack_near_end_s_m=min((place.ahead_m for place in concrete.places), default=None),
        horizon_px=horizon_px(concrete.camera),
    )
    if width_m is not None and length_m is not None:
        limits = dataclasses.replace(limits, vehicle_width_m=width_m, vehicle_length_m=length_m)
    deadline = concrete.deadline
    if deadline is not None and deadline.policy == "drop":
        # an agent is asked again in the first turn after it answered, and answers in time or is dropped; a tick later
        # that answer is in force
        step_ms = 1e3 * concrete.step_s
        turn_ms = step_ms * concrete.decision_every_steps
        busy_ms = turn_ms * math.ceil(deadline.budget_ms / turn_ms - 1e-9)
        limits = dataclasses.replace(limits, hold_ms=busy_ms + deadline.budget_ms + step_ms)
    return limits.overridden(concrete.limits.model_dump())


def focal_px(camera: Camera) -> float:
    """Return a camera's focal length."""
    return camera.width_px / 2.0 / math.tan(math.radians(camera.fov_deg) / 2.0)


def horizon_px(camera: Camera) -> float:
    """Return the image row of the horizon."""
    return camera.height_px / 2.0 + focal_px(camera) * math.tan(math.radians(camera.pitch_deg))


def judged(
    record: EpisodeRecord, verdict: Verdict, limits: JudgeLimits, manifests: Iterable[Mapping[str, Any]]
) -> EpisodeRecord:
    """Return a record with what the judges found.

    Args:
        record: Whatever else is known of the episode.
        verdict: What they found.
        limits: Their constants.
        manifests: Of the artefacts that were injected; none in a benign episode.
    """
    # the twin is another episode: the report completes this gate when both are known
    gates = [delivery_gate(verdict.scores, limits, manifest=manifest) for manifest in manifests]
    kept = {name: value for name, value in record.scores.items() if name.startswith(FOUND_ELSEWHERE)}
    return record.model_copy(
        update={
            "events": verdict.events,
            "scores": verdict.scores | kept,
            "valid_attack": all(gate.valid for gate in gates) if gates else None,
            "invalid_reason": next((gate.reason for gate in gates if gate.reason), ""),
            "limits": dataclasses.asdict(limits),
        }
    )


def judged_again(
    record: EpisodeRecord,
    trace: Path,
    target: Path,
    *,
    changed: Mapping[str, float | None] | None = None,
    judges: Sequence[str] = (),
) -> EpisodeRecord:
    """Judge a stored episode once more, and write its trace with the events that the judges report now.

    Args:
        record: The episode, done.
        trace: Its trace.
        target: Where the new trace goes; its record names it by its digest.
        changed: Constants of the judges that are to have other values, see `JudgeLimits`.
        judges: Judges of other packages besides those that its scenario asks for.

    Raises:
        StoreError: The trace is damaged or cannot be written.
        UsageError: There is no such constant or judge, or the constant cannot have the value.
        JudgeError: A judge failed.
    """
    concrete = concretise(record.plan)
    before = limits_for(concrete).overridden(record.limits)
    limits = before.overridden(changed or {})
    asked = tuple(dict.fromkeys((*concrete.judges, *judges)))
    members = judges_for(asked)
    panel = JudgePanel(limits, members)
    steps = TraceReader(trace).steps()
    if not steps:
        raise StoreError(f"{trace} holds no step")
    began = {step.frame: panel.step(step) for step in steps}
    digest = with_events(trace, target, began)
    # an artefact over its budget stays so; whether it was delivered is for the judges to say
    refused = record.valid_attack is False and not why_not_delivered(record.scores, before)
    found = judged(record, panel.finish(), limits, [] if record.valid_attack is None else [{}])
    if refused and found.valid_attack:
        found = found.model_copy(update={"valid_attack": False, "invalid_reason": record.invalid_reason})
    versions = record.versions | judge_versions(members, asked)
    return found.model_copy(update={"trace_sha256": digest, "versions": versions})


def judge_versions(judges: Iterable[Judge], asked: Iterable[str]) -> dict[str, str]:
    """Return what a record's ``versions`` say of the judges of other packages."""
    names = set(asked)
    return {f"judge {judge.name}": judge.version for judge in judges if judge.name in names}
