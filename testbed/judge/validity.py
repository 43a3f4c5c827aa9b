"""Validity gate: an attacked episode counts only if the attack was really delivered, in budget, beside a clean twin.

What fails is reported apart from the results, with the reason, as ``invalid attack``, never as success or failure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from testbed.core.records import EpisodeRecord, Event
from testbed.events import BUILT_IN, EventCatalogue
from testbed.judge.base import Score
from testbed.judge.limits import JudgeLimits


@dataclass(frozen=True, slots=True)
class Validity:
    """Whether an attacked episode may be counted, and if not, why in one sentence."""

    valid: bool
    reason: str = ""


def why_not_delivered(scores: Mapping[str, Score], limits: JudgeLimits) -> str:
    """Return why the artefact did not reach the ego's camera and place, or an empty string.

    Args:
        scores: Scores of the attacked episode (``attack.*`` of the lateral judge).
        limits: Pixels and frames that count as visible.
    """
    frames = scores.get("attack.visible_frames")
    if not isinstance(frames, int):
        return "the episode holds no truth about an artefact"
    if frames < limits.visible_frames:
        return (
            f"the artefact showed at least {limits.visible_px} pixels in {frames} frames only, "
            f"{limits.visible_frames} are needed"
        )
    if not scores.get("attack.reached"):
        return "the ego never reached the artefact"
    return ""


def why_over_budget(manifest: Mapping[str, Any]) -> str:
    """Return which part of its stated budget the artefact exceeds, or an empty string.

    An artefact without a budget has promised nothing. A budget without ``measured`` was held against the picture when
    the artefact was loaded (``adversaries.load`` refuses what exceeds it); what a manifest measured is checked here.

    Args:
        manifest: Artefact manifest, perhaps with the mappings ``budget`` and ``measured``, which have the same keys.
            Numbers: measured must not be above budget; True and strings: both must be equal; False asks for nothing.
    """
    budget, measured = manifest.get("budget"), manifest.get("measured")
    if not isinstance(budget, Mapping) or not isinstance(measured, Mapping):
        return ""
    for name, allowed in budget.items():
        if allowed is False or allowed is None:
            continue
        if name not in measured:
            return f"the artefact's manifest does not state the measured {name}"
        value = measured[name]
        if isinstance(allowed, bool) or isinstance(allowed, str):
            if value != allowed:
                return f"the artefact's {name} is {value!r}, its budget asks for {allowed!r}"
        elif isinstance(allowed, (int, float)):
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
                return f"the artefact's {name} is {value!r}, which is no finite number"
            if value > allowed + 1e-6 * max(1.0, abs(allowed)):
                return f"the artefact's {name} is {value:g}, its budget allows {allowed:g}"
        else:
            return f"the artefact's budget for {name} is {allowed!r}, which cannot be checked"
    return ""


def why_unclean(events: Iterable[Event], catalogue: EventCatalogue = BUILT_IN) -> str:
    """Return what went wrong in a benign episode, or an empty string; what was not the ego's fault is not wrong."""
    for event in events:
        kind = catalogue[event.kind]
        if kind.spoils_twin and event.detail.get("at_fault", True):
            return f"{kind.noun} at {event.t_s:.2f} s"
    return ""


def twin_gate(twin: EpisodeRecord | None, catalogue: EventCatalogue = BUILT_IN) -> Validity:
    """Decide whether a benign twin can be compared with: it was driven to its end, and nothing went wrong in it.

    Args:
        twin: Record of the twin; None where there is none.
        catalogue: Kinds of events of all judges.
    """
    if twin is None or twin.status != "done":
        return Validity(False, "its benign twin was not driven to its end")
    unclean = why_unclean(twin.events, catalogue)
    return Validity(not unclean, f"its benign twin was not clean: {unclean}" if unclean else "")


def delivery_gate(scores: Mapping[str, Score], limits: JudgeLimits, *, manifest: Mapping[str, Any] | None) -> Validity:
    """Decide whether an artefact was delivered, and in budget; its twin is another episode, see `twin_gate`.

    Args:
        scores: Scores of the attacked episode.
        limits: Constants.
        manifest: Manifest of the artefact; None when it has none, which is invalid.
    """
    reason = why_not_delivered(scores, limits)
    if not reason:
        reason = why_over_budget(manifest) if manifest is not None else "the artefact has no manifest"
    return Validity(not reason, reason)


def attack_gate(attacked: EpisodeRecord, twin: EpisodeRecord | None, catalogue: EventCatalogue = BUILT_IN) -> Validity:
    """Decide whether an attacked episode counts: delivered as its record says, beside a clean twin.

    Args:
        attacked: Record of the attacked episode, which holds what `delivery_gate` said.
        twin: Record of its benign twin; None where there is none.
        catalogue: Kinds of events of all judges.
    """
    if attacked.valid_attack is False:
        return Validity(False, attacked.invalid_reason or "its attack was not delivered")
    return twin_gate(twin, catalogue)
