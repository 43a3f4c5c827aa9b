"""Every safety event with the perception error before it, and the picture that shows it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass

from testbed.core.records import Event
from testbed.events import COLLISION_VEHICLE, number_of
from testbed.judge import event_catalogue
from testbed.report.preventable import label
from testbed.report.run_view import Episode, RunView
from testbed.store import TraceReader

MAX_PICTURES = 24
"""Pictures embedded at most: the page stays small, every trace holds all of them."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One event of one drive.

    Attributes:
        episode: Drive.
        event: Event.
        kind: Colour class of the condition.
        what: What happened, in words.
        why: The perception error before it, in words.
        picture: ``data:`` URL of the frame that shows the cause, or empty.
        trace: Path of the trace relative to the report.
    """

    episode: Episode
    event: Event
    kind: str
    what: str
    why: str
    picture: str
    trace: str


def failures(view: RunView, *, pictures: int = MAX_PICTURES) -> list[Failure]:
    """Return the events of all valid drives, most severe conditions first as the conditions are ordered.

    Args:
        view: The drives.
        pictures: Pictures at most.
    """
    found: list[tuple[Episode, Event]] = [(e, x) for e in view.episodes if e.valid for x in e.record.events]
    chosen = _with_picture(found, pictures)
    return [
        Failure(
            episode,
            event,
            view.role(episode.plan.condition),
            what_happened(event, episode),
            why_it_happened(event),
            _picture(view, episode, event) if (episode.plan.key, index) in chosen else "",
            f"episodes/{episode.plan.key}/{episode.record.trace}"
            if episode.record.trace and episode.drive is not None
            else "",
        )
        for index, (episode, event) in enumerate(found)
    ]


def _with_picture(found: list[tuple[Episode, Event]], most: int) -> Mapping[tuple[str, int], None]:
    """Choose which events get a picture: the first of each drive first, in turn over the groups."""
    first: dict[str, int] = {}
    for index, (episode, event) in enumerate(found):
        if event.cause != "none":
            first.setdefault(episode.plan.key, index)
    groups: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for key, index in first.items():
        plan = found[index][0].plan
        groups.setdefault((plan.agent, plan.condition), []).append((key, index))
    chosen: dict[tuple[str, int], None] = {}
    rank = 0
    while len(chosen) < most and any(len(members) > rank for members in groups.values()):
        for members in groups.values():
            if len(members) > rank and len(chosen) < most:
                chosen[members[rank]] = None
        rank += 1
    return chosen


def _picture(view: RunView, episode: Episode, event: Event) -> str:
    drive = episode.drive
    path = view.folder.file_of(episode.plan.key, episode.record.trace) if episode.record.trace else None
    if drive is None or path is None:
        return ""
    where = (drive.frame <= event.evidence_frame).nonzero()[0]
    t_s = float(drive.t_s[where[-1]]) if where.size else float(drive.t_s[0])
    best = min(TraceReader(path).frames(), key=lambda frame: abs(frame.t_s - t_s), default=None)
    return "" if best is None else "data:image/jpeg;base64," + base64.b64encode(best.jpeg).decode("ascii")


def what_happened(event: Event, episode: Episode) -> str:
    """Return what happened in words."""
    said = event_catalogue()[event.kind].sentence(event)
    avoided = label(episode.drive, event.t_s) if event.kind == COLLISION_VEHICLE.name else ""
    return f"{said} ({avoided})" if avoided else said


def why_it_happened(event: Event) -> str:
    """Return the perception error before an event in words."""
    detail = event.detail
    sure = detail.get("confidence")
    confidence = f", {sure * 100:.0f} % sure" if isinstance(sure, float) else ""
    if event.cause == "wrong steering class":
        span = f" over {number_of(event, 'error_s'):.1f} s" if "error_s" in detail else ""
        return (
            f"wrong steering class: {detail.get('answered')} where {detail.get('expected')} was right{confidence}{span}"
        )
    if event.cause == "late answer":
        return f"late answer: right for its image, {number_of(event, 'latency_ms'):.0f} ms old when it took effect"
    if event.cause == "dropped answer":
        return f"dropped answers: the one in force was {number_of(event, 'age_ms'):.0f} ms old"
    if event.cause == "no answer":
        return f"no answer: none had taken effect yet, {number_of(event, 'waited_s'):.1f} s long"
    if event.cause == "missed vehicle":
        return f"missed vehicle {number_of(event, 'lead_distance_m'):.0f} m ahead{confidence}"
    if event.cause == "box error":
        share = event.detail.get("distance_share")
        near = f", {(1.0 - share) * 100:.0f} % too near" if isinstance(share, float) else ""
        return f"box error: IoU {number_of(event, 'iou'):.2f}{near}"
    if event.cause == "misread":
        return f"misread: {detail.get('perceived')} where the sign says {detail.get('commanded')}"
    if event.cause == "false vehicle":
        return f"saw a vehicle where there is none{confidence}"
    if event.cause == "alarm":
        return f"no error of what was acted on: an alarm about {detail.get('about')} asked to {detail.get('asked')}"
    if event.cause == "none":
        return "no perception error before it"
    return {"missed": "the sign was never answered", "control": "read rightly, driven wrongly"}.get(
        event.cause, event.cause
    )
