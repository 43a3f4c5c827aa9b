"""What a reader can watch: per agent one drive of each condition, side by side, with what the agent answered over time.

The drive shown is the median one under the attack by what the attack aims at: neither the best nor the worst case.
"""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from testbed.events import SPEED_LIMIT, Chart, EventKind
from testbed.judge import JudgeLimits, event_catalogue
from testbed.report.answer_spans import answer_strips, telemetry
from testbed.report.attack_aim import aim_of
from testbed.report.charts import Curve, offset_chart, strip_chart, value_chart
from testbed.report.drive_trace import DriveTrace
from testbed.report.measures import badness, least_gaps_m
from testbed.report.run_view import BENIGN, Episode, RunView
from testbed.scenario.schema import Limits
from testbed.store import TraceReader, write_video

VIDEO_FPS = 10.0


@dataclass(frozen=True, slots=True)
class Clip:
    """One video.

    Attributes:
        key: Of the episode.
        condition: Condition driven.
        kind: ``benign``, ``attack`` or ``control``.
        title: Caption.
        source: ``data:`` URL of the WebM clip, empty when the trace holds no picture.
        telemetry: JSON that the page's script draws over the video.
        strips: SVG of the answers over time.
        outcome: What came of it, in a few words.
        size_px: Width and height.
    """

    key: str
    condition: str
    kind: str
    title: str
    source: str
    telemetry: str
    strips: str
    outcome: str
    size_px: tuple[int, int]


@dataclass(frozen=True, slots=True)
class ExampleDrives:
    """All that is shown of one agent in one world."""

    agent: str
    world: str
    seed: int
    why: str
    clips: tuple[Clip, ...]
    chart: str
    start_s: float
    end_s: float
    others: bool
    attacked: bool
    limited: bool


def example_drives(view: RunView, *, videos: bool = True, clips: int | None = None) -> list[ExampleDrives]:
    """Return one showcase per agent: the world and seed of its median attacked drive.

    Args:
        view: One scenario's drives.
        videos: Whether to embed videos.
        clips: Videos at most, over all agents; agents beyond are shown without; None for all.
    """
    shown: list[ExampleDrives] = []
    left = clips
    for agent in view.agents:
        chosen = _chosen(view, agent)
        if chosen is None:
            continue
        shown.append(_example(view, agent, chosen, videos and (left is None or left > 0)))
        left = None if left is None else left - len(shown[-1].clips)
    return shown


def _chosen(view: RunView, agent: str) -> Episode | None:
    for conditions in (view.attacks[:1], view.attacks, sorted(view.controls), [BENIGN]):
        found = [e for e in view.episodes if e.plan.agent == agent and e.plan.condition in conditions and e.drive]
        found = [e for e in found if e.valid] or found
        if found:
            ranked = sorted(found, key=lambda e: (badness(e, aim_of(view, e.plan.condition)), e.plan.seed))
            return ranked[len(ranked) // 2]
    return None


def _example(view: RunView, agent: str, chosen: Episode, videos: bool) -> ExampleDrives:
    world = chosen.world
    same = [e for e in view.episodes if e.plan.agent == agent and e.world == world and e.drive is not None]
    drives = [e for e in same if e.plan.seed == chosen.plan.seed]
    drives.sort(key=lambda e: view.conditions.index(e.plan.condition))
    drive = chosen.drive
    patch_s = drive.patch_s if drive is not None else None
    shown_s = drive.shown_s if drive is not None else None
    aims = [aim_of(view, condition) for condition in view.attacks] or [aim_of(view, BENIGN)]
    kinds = list(dict.fromkeys(aim.chart for aim in aims))
    charts = [drive_chart(view, kind, agent, same, chosen) for kind in kinds]
    aim = aim_of(view, chosen.plan.condition)
    order = {"offset": "largest offset", "gap": "smallest gap", "speed": "excess of speed"}[aim.chart]
    count = sum(1 for e in same if e.plan.condition == chosen.plan.condition)
    why = (
        f"the median of {count} drives under {chosen.plan.condition} by {order}"
        if count > 1
        else f"its only drive under {chosen.plan.condition}"
    )
    band_s = patch_s if "offset" in kinds else shown_s
    clips = tuple(_clip(view, episode, band_s, videos, aim) for episode in drives)
    end_s = max((float(e.drive.t_s[-1]) for e in same if e.drive is not None), default=0.0)
    # the still picture a reader sees first: just before the artefact, where the videos begin to differ
    start_s = 0.0
    if aim.chart == "offset" and patch_s is not None:
        start_s = max(patch_s[0] - 0.5, 0.0)
    elif shown_s is not None:
        start_s = shown_s[0] + 0.8 * (shown_s[1] - shown_s[0])
    return ExampleDrives(
        agent,
        world,
        chosen.plan.seed,
        why,
        clips,
        "".join(charts),
        round(start_s, 2),
        round(end_s, 2),
        len(same) > len(clips),
        shown_s is not None,
        "speed" in kinds and drive is not None and not bool(np.isnan(drive.limit_mps).all()),
    )


def drive_chart(view: RunView, kind: Chart, agent: str, same: Sequence[Episode], chosen: Episode) -> str:
    """Return one quantity over time for all drives of an agent in one world."""
    drawn = [(e, e.drive) for e in same if e.drive is not None]
    shown_s = chosen.drive.shown_s if chosen.drive is not None else None

    def lines(values: Callable[[DriveTrace], NDArray[np.float64]]) -> list[Curve]:
        seed = chosen.plan.seed
        return [Curve(t.t_s, values(t), view.role(e.plan.condition), e.plan.seed == seed) for e, t in drawn]

    if kind == "speed":
        limit = None
        if chosen.drive is not None and not np.isnan(chosen.drive.limit_mps).all():
            limit = Curve(chosen.drive.t_s, 3.6 * chosen.drive.limit_mps, "")
        title = f"Speed of {agent} over time"
        found = lines(lambda drive: 3.6 * drive.speed_mps)
        return value_chart(found, unit="km/h", title=title, shown_s=shown_s, limit=limit, floor="standing")
    if kind == "gap":
        title = f"Distance of {agent} to the vehicle ahead over time"
        found = lines(lambda drive: np.maximum(drive.gap_m, 0.0))
        return value_chart(found, unit="m to the vehicle ahead", title=title, shown_s=shown_s, floor="contact")
    limits = view.scenario.limits if view.scenario is not None else Limits()
    return offset_chart(
        lines(lambda drive: drive.offset_m),
        threshold_m=chosen.number("window.threshold_m") or JudgeLimits().success_threshold_m(3.6),
        patch_s=chosen.drive.patch_s if chosen.drive is not None else None,
        window_s=limits.attack_window_s,
        title=f"Lateral offset of {agent} over time",
    )


def outcome_words(episode: Episode, aim: EventKind | None = None) -> str:
    """Return what came of a drive in a few words, with the number that its aim is about."""
    kinds = list(dict.fromkeys(event_catalogue()[e.kind].noun for e in episode.record.events))
    offset, drive = episode.number("lane.max_offset_m"), episode.drive
    side = f"at most {offset:.2f} m off the lane centre" if offset is not None else ""
    if aim is not None and aim.chart == "gap":
        gaps = least_gaps_m([episode])
        side = f"smallest gap {gaps[0]:.1f} m" if gaps else "no vehicle ahead"
    elif aim is not None and aim.chart == "speed" and drive is not None:
        over = 3.6 * badness(episode, aim)
        side = f"at most {over:+.0f} km/h against the limit" if aim == SPEED_LIMIT else ""
        if not side and drive.line_s is not None:
            side = f"{over:.0f} km/h at the line"
    return f"{', '.join(kinds) if kinds else 'nothing went wrong'}; {side}".rstrip("; ")


def _clip(view: RunView, episode: Episode, patch_s: tuple[float, float] | None, videos: bool, aim: EventKind) -> Clip:
    key = episode.plan.key
    path = view.folder.file_of(key, episode.record.trace)
    assert path is not None, "an episode with a track has a trace"
    steps = TraceReader(path).steps()
    source, size = _video(view, episode, path) if videos else ("", (320, 160))
    kind = view.role(episode.plan.condition)
    said = outcome_words(episode, aim)
    name = {"benign": "benign", "control": f"control: {episode.plan.condition}"}.get(kind, episode.plan.condition)
    strips = strip_chart(
        answer_strips(steps),
        steps[-1].t_s,
        f"What {episode.plan.agent} answered, {name}",
        patch_s if kind != "benign" else None,
    )
    return Clip(key, episode.plan.condition, kind, name, source, telemetry(steps, size), strips, said, size)


def _video(view: RunView, episode: Episode, trace: Path) -> tuple[str, tuple[int, int]]:
    stored = view.folder.file_of(episode.plan.key, episode.record.video) if episode.record.video else None
    frames = [] if stored is not None else [(frame.t_s, frame.image()) for frame in TraceReader(trace).frames()]
    if stored is not None:
        content = stored.read_bytes()
        size = (320, 160)
    elif frames:
        span_s = frames[-1][0] - frames[0][0]
        fps = (len(frames) - 1) / span_s if span_s > 0 else VIDEO_FPS
        with tempfile.TemporaryDirectory() as folder:
            clip = Path(folder) / "clip.webm"
            write_video(clip, [image for _, image in frames], fps)
            content = clip.read_bytes()
        size = (int(frames[0][1].shape[1]), int(frames[0][1].shape[0]))
    else:
        return "", (320, 160)
    return "data:video/webm;base64," + base64.b64encode(content).decode("ascii"), size
