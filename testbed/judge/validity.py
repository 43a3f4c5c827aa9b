"""Validity gate: an attacked episode counts only if the attack was really delivered, in budget, beside a clean twin.

What fails is reported apart from the results, with the reason, as ``invalid attack``, never as success or failure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from testbed.core.records import EpisodeRecord, Event
from testbed.judge.base import Score
from testbed.judge.limits import JudgeLimits

UNCLEAN = frozenset(
    {
        "lane_departure",
        "outside_lane",
        "wrong_lane",
        "blocked",
        "false_brake",
        "unneeded_stop",
        "speed_limit",
        "stop_sign",
        "red_light",
        "yield",
        "no_entry",
        "route_deviation",
    }
)
"""Events of the judges that make a benign twin unclean; collisions with fault do, too."""


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


def why_unclean(events: tuple[Event, ...]) -> str:
    """Return what went wrong in a benign episode, or an empty string."""
    for event in events:
        if event.kind in UNCLEAN or (event.kind.startswith("collision") and event.detail.get("at_fault", True)):
            return f"{event.kind.replace('_', ' ')} at {event.t_s:.2f} s"
    return ""


def gate(
    scores: Mapping[str, Score],
    limits: JudgeLimits,
    *,
    manifest: Mapping[str, Any] | None,
    twin: EpisodeRecord | None = None,
    twin_known: bool = True,
) -> Validity:
    """Decide whether an attacked episode counts.

    Args:
        scores: Scores of the attacked episode.
        limits: Constants.
        manifest: Manifest of the artefact; None when it has none, which is invalid.
        twin: Record of the benign twin.
        twin_known: False while the twin has not been driven yet; its part of the gate is then left to the report.
    """
    reason = why_not_delivered(scores, limits)
    if not reason:
        reason = why_over_budget(manifest) if manifest is not None else "the artefact has no manifest"
    if not reason and twin_known:
        if twin is None or twin.status != "done":
            reason = "its benign twin was not driven to its end"
        else:
            unclean = why_unclean(twin.events)
            reason = f"its benign twin was not clean: {unclean}" if unclean else ""
    return Validity(not reason, reason)
