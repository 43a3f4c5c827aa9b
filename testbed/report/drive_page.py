"""A page for every drive: its pictures, what was answered and what was true, charts, events and what preceded them.

Pages lie in the folder ``drives`` beside the report, whose page stays small; a page that still says what is stored is
not made again.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from testbed import __version__
from testbed.core.types import Step
from testbed.events import Chart
from testbed.report.addresses import DRIVE_PAGES, drives_where
from testbed.report.answer_spans import answer_of, answer_strips, in_force, rounded
from testbed.report.attack_aim import aim_of
from testbed.report.charts import Curve, strip_chart, value_chart
from testbed.report.example_drives import drive_chart, outcome_words
from testbed.report.failures import what_happened, why_it_happened
from testbed.report.page import asset, data_block, environment, style_and_script
from testbed.report.run_view import BENIGN, Episode, RunView
from testbed.store import TraceReader
from testbed.store.run_folder import SUMS

if TYPE_CHECKING:
    import jinja2

MARK = "testbed-drive-made-from"
_HEAD_BYTES = 2048
_CHARTS: dict[Chart, str] = {"offset": "From the lane's centre", "speed": "Speed", "gap": "To the vehicle ahead"}


def write_drive_pages(view: RunView, *, pictures: bool = True) -> int:
    """Write the page of every drive of a run that has none or another one, and return how many were written.

    Args:
        view: The drives.
        pictures: Whether pages hold the pictures of the traces, which are most of what they weigh.

    Raises:
        StoreError: A trace is damaged, or nothing can be written.
    """
    together: dict[tuple[str, int], list[Episode]] = {}
    for episode in view.episodes:
        together.setdefault((episode.world, episode.plan.seed), []).append(episode)
    pages = view.folder.path / DRIVE_PAGES
    written = 0
    for episode in view.episodes:
        siblings = [
            other
            for other in together[episode.world, episode.plan.seed]
            if other is not episode
            and (other.plan.agent == episode.plan.agent or other.plan.condition == episode.plan.condition)
        ]
        made_from = _made_from(view, episode, siblings, pictures)
        name = f"{episode.plan.key}.html"
        try:
            with (pages / name).open("rb") as file:
                current = f'content="{made_from}"'.encode() in file.read(_HEAD_BYTES)
        except OSError:
            current = False
        if not current:
            view.folder.write_text(name, _render(view, episode, siblings, made_from, pictures), below=[DRIVE_PAGES])
            written += 1
    known = {f"{episode.plan.key}.html" for episode in view.episodes}
    for stale in pages.glob("*.html"):
        if stale.name not in known:
            stale.unlink()
    return written


def _made_from(view: RunView, episode: Episode, siblings: Sequence[Episode], pictures: bool) -> str:
    digest = hashlib.sha256(f"{__version__} {_assets_sha256()} {pictures} {episode.valid} {episode.reason}".encode())
    digest.update(f"{view.manifest.run_id} {view.role(episode.plan.condition)}".encode())
    for one in (episode, episode.twin):
        if one is not None:
            digest.update((view.folder.episodes_path / one.plan.key / SUMS).read_bytes())
    digest.update(f"{episode.drive is not None} ".encode())
    digest.update(" ".join(other.plan.key for other in siblings).encode())
    return digest.hexdigest()


@cache
def _assets_sha256() -> str:
    names = ("drive.html", "frame.html", "page.css", "replay.js", "drive.js")
    return hashlib.sha256("".join(map(asset, names)).encode()).hexdigest()


def _render(view: RunView, episode: Episode, siblings: Sequence[Episode], made_from: str, pictures: bool) -> str:
    from markupsafe import Markup

    plan, record = episode.plan, episode.record
    path = view.folder.file_of(plan.key, record.trace) if record.trace and episode.drive is not None else None
    trace = TraceReader(path) if path is not None else None
    steps = trace.steps() if trace is not None else []
    frames = list(trace.frames()) if trace is not None and pictures else []
    size_px = (int(frames[0].image().shape[1]), int(frames[0].image().shape[0])) if frames else (320, 160)
    shown_s = episode.drive.shown_s if episode.drive is not None else None
    context: dict[str, Any] = {
        "mark": MARK,
        "made_from": made_from,
        **_style_and_script(),
        "run_id": view.manifest.run_id,
        "episode": episode,
        "plan": plan,
        "kind": view.role(plan.condition),
        "alike": drives_where(agent=plan.agent, condition=plan.condition),
        "outcome": outcome_words(episode, aim_of(view, plan.condition)),
        "siblings": [(_sibling_words(episode, other), f"{other.plan.key}.html") for other in siblings],
        "twin": episode.twin is not None and episode.twin.drive is not None,
        "events": [
            (event, what_happened(event, episode), why_it_happened(event), _time_of(event.evidence_frame, steps))
            for event in record.events
        ],
        "facts": _facts(episode),
        "scores": [(name, _said(value)) for name, value in sorted(record.scores.items())],
        "data": "",
        "pictures": bool(frames),
        "size_px": size_px,
    }
    if steps:
        frame_list = [[round(frame.t_s, 3), base64.b64encode(frame.jpeg).decode("ascii")] for frame in frames]
        replay = {"frames": frame_list, **_replay(steps), "start_s": _start_s(episode)}
        title = f"What {plan.agent} answered, {plan.condition}"
        context |= {
            "data": data_block(json.dumps(replay, separators=(",", ":"), allow_nan=False)),
            "end_s": round(steps[-1].t_s, 3),
            "strips": Markup(strip_chart(answer_strips(steps), steps[-1].t_s, title, shown_s)),
            "charts": [(name, Markup(svg)) for name, svg in _charts(view, episode, steps)],
        }
    return _template().render(context)


@cache
def _template() -> jinja2.Template:
    """Return the template, which is compiled once for all drives."""
    return environment().from_string(asset("drive.html"))


@cache
def _style_and_script() -> dict[str, Any]:
    return style_and_script(asset("page.css"), asset("replay.js") + asset("drive.js"))


def _sibling_words(episode: Episode, other: Episode) -> str:
    if other.plan.agent != episode.plan.agent:
        return f"{other.plan.agent}, {other.plan.condition}"
    return "benign twin" if other.plan.condition == BENIGN else other.plan.condition


def _charts(view: RunView, episode: Episode, steps: Sequence[Step]) -> list[tuple[str, str]]:
    """Return titles and pictures of what the drive did and its twin, and of what its controller demanded."""
    drawn = [one for one in (episode, episode.twin) if one is not None]
    kinds: list[Chart] = ["offset", "speed"]
    if any(one.drive is not None and not np.isnan(one.drive.gap_m).all() for one in drawn):
        kinds.append("gap")
    agent, kind = episode.plan.agent, view.role(episode.plan.condition)
    found = [(_CHARTS[name], drive_chart(view, name, agent, drawn, episode)) for name in kinds]
    t_s = np.array([step.t_s for step in steps])
    shown_s = episode.drive.shown_s if episode.drive is not None else None
    demands = (
        ("Demanded acceleration", "m/s², below 0 brakes", [step.command.acceleration_mps2 for step in steps]),
        ("Demanded steering", "wheel, right above 0", [step.command.steer for step in steps]),
    )
    for title, unit, values in demands:
        curve = Curve(t_s, np.array(values, dtype=np.float64), kind, bold=True)
        found.append((title, value_chart([curve], unit=unit, title=f"{title} of {agent}", shown_s=shown_s)))
    return found


def _replay(steps: Sequence[Step]) -> dict[str, Any]:
    """Return what the page's script shows at each time: truth and demand of each step, answers from when they hold."""
    answers = [
        answer_of(decision, seen) | {"t": round(begin_s, 3), "seen_t": round(decision.t_s, 3)}
        for begin_s, _, decision, seen in in_force(steps)
    ]
    return {
        "answers": answers,
        "steps": [_step(step) for step in steps],
        "step_s": round(steps[1].t_s - steps[0].t_s, 4) if len(steps) > 1 else 0.1,
    }


def _step(step: Step) -> dict[str, Any]:
    truth = step.truth
    return {
        "t": round(step.t_s, 3),
        "frame": step.frame,
        "offset_m": round(truth.lane.lateral_offset_m, 3),
        "speed_kmh": round(3.6 * truth.ego.speed_mps, 1),
        "limit_kmh": None if truth.speed_limit_mps is None else round(3.6 * truth.speed_limit_mps, 1),
        "gap_m": None if truth.lead is None else round(truth.lead.distance_m, 2),
        "acceleration_mps2": round(step.command.acceleration_mps2, 3),
        "steer": round(step.command.steer, 4),
        "lead": None if truth.lead is None else rounded(truth.lead.box_px),
        "sign": None if truth.sign is None else rounded(truth.sign.box_px),
    }


def _start_s(episode: Episode) -> float:
    """Return the time that a reader sees first: of the first event, else when the artefact has come into view."""
    if episode.record.events:
        return round(episode.record.events[0].t_s, 3)
    shown_s = episode.drive.shown_s if episode.drive is not None else None
    return 0.0 if shown_s is None else round(shown_s[0] + 0.8 * (shown_s[1] - shown_s[0]), 3)


def _time_of(frame: int, steps: Sequence[Step]) -> float | None:
    """Return when a frame was seen; None where it is older than the trace."""
    return next((step.t_s for step in reversed(steps) if step.frame <= frame), None)


def _facts(episode: Episode) -> list[tuple[str, str]]:
    record, plan = episode.record, episode.plan
    facts = [("key", plan.key), ("world", episode.world), ("sha256 of the trace", record.trace_sha256)]
    facts += [(f"how {name} reached the camera", way) for name, way in sorted(record.injection.items())]
    facts += [(f"sha256 of {name}", value) for name, value in sorted(plan.digests.items())]
    facts += [(f"limit {name}", _said(value)) for name, value in sorted(record.limits.items())]
    facts += [(f"version of {name}", value) for name, value in sorted(record.versions.items())]
    return [(name, value) for name, value in facts if value]


def _said(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
