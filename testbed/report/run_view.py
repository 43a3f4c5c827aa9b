"""From a run folder to what a report talks about: episodes, their twins, cells of agent and condition, what is missing.

Three things are kept apart from results: attacks that were not validly delivered, episodes that failed for reasons of
infrastructure or because an agent broke its protocol, and episodes that were planned but never run.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbed.core.errors import StoreError
from testbed.core.records import EpisodePlan, EpisodeRecord
from testbed.core.types import Decision, Truth
from testbed.judge import attack_gate, event_catalogue
from testbed.store import PlannedEpisode, RunFolder, RunManifest, TraceReader

BENIGN = "benign"


@dataclass(frozen=True, slots=True)
class Right:
    """What would have been right to answer to one image.

    Attributes:
        steering: The expert's class; empty where the image is older than the trace.
        sign: GTSRB class of the sign in view, None without one.
        vehicle: Whether a vehicle is ahead.
    """

    steering: str
    sign: int | None
    vehicle: bool


@dataclass(frozen=True, slots=True)
class Track:
    """What charts and paired scores need of one trace.

    Attributes:
        frame: Frame numbers, shape (steps,).
        t_s: Simulation time, shape (steps,).
        offset_m: Lateral offset, positive left, shape (steps,).
        s_m: Distance along the lane, shape (steps,).
        speed_mps: Speed, shape (steps,).
        limit_mps: Speed limit, NaN where there is none, shape (steps,).
        gap_m: Distance to the vehicle ahead in the lane, NaN without one, shape (steps,).
        lead_mps: Speed of that vehicle, NaN without one, shape (steps,).
        visible_px: Artefact pixels, shape (steps,); 0 without an artefact.
        patch_s: When the front bumper reached the artefact and when the rear left it; None where never.
        shown_s: When the artefact first and last showed; None where never.
        line_s: When the front bumper passed the first line that commands something; None where it passed none.
        decisions: Answers of the agent.
        rights: What would have been right, one per decision.
    """

    frame: NDArray[np.int64]
    t_s: NDArray[np.float64]
    offset_m: NDArray[np.float64]
    s_m: NDArray[np.float64]
    speed_mps: NDArray[np.float64]
    limit_mps: NDArray[np.float64]
    gap_m: NDArray[np.float64]
    lead_mps: NDArray[np.float64]
    visible_px: NDArray[np.float64]
    patch_s: tuple[float, float] | None
    shown_s: tuple[float, float] | None
    line_s: float | None
    decisions: tuple[Decision, ...]
    rights: tuple[Right, ...]

    @property
    def least_gap_m(self) -> float | None:
        """Smallest distance to a vehicle ahead; None where none was ahead."""
        return None if np.isnan(self.gap_m).all() else float(np.nanmin(self.gap_m))


@dataclass(slots=True)
class Episode:
    """A stored episode in the light of its twin.

    Attributes:
        record: As stored.
        valid: Whether it counts as a result.
        reason: Why not.
        twin: Benign episode with the same everything but the adversary; None for benign ones or where it is missing.
        track: Its trace, condensed; None where it has none.
    """

    record: EpisodeRecord
    valid: bool = True
    reason: str = ""
    twin: Episode | None = None
    track: Track | None = None

    @property
    def plan(self) -> EpisodePlan:
        """The plan that was carried out."""
        return self.record.plan

    def number(self, name: str) -> float | None:
        """Return a score as a number, None where it is missing or no number."""
        value = self.record.scores.get(name)
        return float(value) if isinstance(value, (int, float)) else None

    def had(self, kind: str) -> bool:
        """Tell whether an event of this kind happened; ``collision`` stands for all its kinds."""
        events = event_catalogue()
        return any(events.is_a(event.kind, kind) for event in self.record.events)


@dataclass(slots=True)
class Cell:
    """All episodes of one agent under one condition."""

    agent: str
    condition: str
    control: bool
    episodes: list[Episode] = field(default_factory=list)
    invalid: list[Episode] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Trouble:
    """An episode that is no result.

    Attributes:
        planned: Which one.
        code: Stable error code, or a word.
        reason: One sentence.
        infrastructure: Whether the simulator, a worker or the disk is to blame, never the agent.
    """

    planned: PlannedEpisode
    code: str
    reason: str
    infrastructure: bool
    attempts: int = 1


@dataclass(slots=True)
class RunView:
    """Everything a report says, before it is said."""

    folder: RunFolder
    manifest: RunManifest
    episodes: list[Episode]
    cells: list[Cell]
    agents: list[str]
    conditions: list[str]
    controls: set[str]
    troubles: list[Trouble]
    not_run: list[PlannedEpisode]

    @property
    def name(self) -> str:
        """Scenario name, or the run's name when several scenarios were run."""
        names = list(self.manifest.scenarios)
        return names[0] if len(names) == 1 else self.manifest.run_id

    @property
    def scene(self) -> dict[str, Any]:
        """Scene of the first scenario, an empty dict when the manifest holds none."""
        return next(iter(self.manifest.scenarios.values()), {})

    @property
    def question(self) -> str:
        """The question the run was to answer."""
        return self.manifest.notes or str(self.scene.get("question", f"What happened in {self.manifest.run_id}?"))

    def cell(self, agent: str, condition: str) -> Cell | None:
        """Return the cell of an agent under a condition, None when nothing of it was planned."""
        return next((c for c in self.cells if c.agent == agent and c.condition == condition), None)

    @property
    def attacks(self) -> list[str]:
        """Conditions that are neither benign nor controls, in order."""
        return [c for c in self.conditions if c != BENIGN and c not in self.controls]

    def parts(self) -> list[RunView]:
        """Return the run scenario by scenario, in order; the run itself where there is only one."""
        if len(self.manifest.scenarios) < 2:
            return [self]
        return [self._part(name) for name in self.manifest.scenarios]

    def _part(self, scenario: str) -> RunView:
        planned = [p for p in self.manifest.planned if p.scenario == scenario]
        manifest = self.manifest.model_copy(
            update={
                "scenarios": {scenario: self.manifest.scenarios[scenario]},
                "planned": tuple(planned),
                "notes": "",
            }
        )
        return _view(
            self.folder,
            manifest,
            [e for e in self.episodes if e.plan.scenario == scenario],
            [t for t in self.troubles if t.planned.scenario == scenario],
            [p for p in self.not_run if p.scenario == scenario],
            planned,
        )

    def worlds(self) -> list[str]:
        """Labels of all worlds in the run."""
        return list(dict.fromkeys(world_of(e.plan) for e in self.episodes))


def world_of(plan: EpisodePlan) -> str:
    """Return scenario, weather and latency of a plan in a few words."""
    weather = plan.scene.get("weather")
    parts = [plan.scenario]
    if isinstance(weather, dict):
        parts.append(str(weather.get("preset", "")))
        extra = {k: v for k, v in weather.items() if k not in ("preset", "vary") and v is not None}
        parts += [f"{name} {value:g}" for name, value in extra.items() if isinstance(value, (int, float))]
    parts.append(f"latency {plan.latency}")
    return " · ".join(part for part in parts if part)


def _twin_identity(plan: EpisodePlan) -> str:
    # digests may differ between twins when only one of them carries an artefact
    parts = [plan.scenario, plan.agent, plan.seed, plan.latency, plan.scene]
    return json.dumps(parts, sort_keys=True)


def read_run(path: Path, *, tracks: bool = True) -> RunView:
    """Read a run folder.

    Args:
        path: Run folder.
        tracks: Whether to read the traces too.

    Raises:
        StoreError: It is no run folder or its manifest is damaged; damaged episodes are listed, not raised.
    """
    folder = RunFolder.open(path)
    manifest = folder.manifest()
    planned = {episode.key: episode for episode in manifest.planned}
    episodes: list[Episode] = []
    troubles: list[Trouble] = []
    stored = folder.keys()
    for key in stored:
        try:
            record = folder.read_episode(key)
            known = planned.setdefault(key, _planned(key, record.plan))
            if record.status != "done":
                infrastructure = is_infrastructure(record.error_code)
                troubles.append(Trouble(known, record.error_code, record.error, infrastructure, record.attempts))
                continue
            episode = Episode(record)
            if tracks and record.trace:
                trace = folder.file_of(key, record.trace)
                episode.track = track_of(trace) if trace is not None else None
            episodes.append(episode)
        except StoreError as error:
            unknown = PlannedEpisode(key=key, scenario="?", agent="?", condition="?", seed=0)
            troubles.append(Trouble(planned.get(key, unknown), error.code, _portable(str(error), path), True))
        except (TypeError, ValueError, ArithmeticError, AttributeError) as error:
            # checksums hold, and yet the trace is none of ours
            unknown = PlannedEpisode(key=key, scenario="?", agent="?", condition="?", seed=0)
            reason = f"its trace makes no sense: {type(error).__name__}: {error}"
            troubles.append(Trouble(planned.get(key, unknown), "TB200", reason, True))
    done = set(stored)
    not_run = [episode for episode in manifest.planned if episode.key not in done]
    _pair(episodes)
    return _view(folder, manifest, episodes, troubles, not_run, list(planned.values()))


def _view(
    folder: RunFolder,
    manifest: RunManifest,
    episodes: list[Episode],
    troubles: list[Trouble],
    not_run: list[PlannedEpisode],
    planned: Sequence[PlannedEpisode],
) -> RunView:
    """Sort episodes into cells, in the order in which the scenarios name agents and conditions."""
    controls = _controls(manifest)
    agents = _order((p.agent for p in planned), _listed(manifest, "agents"))
    conditions = _order(
        (p.condition for p in planned),
        [BENIGN, *(name for name in _conditions(manifest) if name not in controls), *sorted(controls)],
    )
    ranks = {name: rank for rank, name in enumerate(conditions)}
    episodes.sort(key=lambda e: (agents.index(e.plan.agent), ranks[e.plan.condition], world_of(e.plan), e.plan.seed))
    cells = [Cell(a, c, c in controls) for a in agents for c in conditions]
    for cell in cells:
        mine = [e for e in episodes if e.plan.agent == cell.agent and e.plan.condition == cell.condition]
        cell.episodes = [e for e in mine if e.valid]
        cell.invalid = [e for e in mine if not e.valid]
    return RunView(folder, manifest, episodes, cells, agents, conditions, controls, troubles, not_run)


def _planned(key: str, plan: EpisodePlan) -> PlannedEpisode:
    return PlannedEpisode(key=key, scenario=plan.scenario, agent=plan.agent, condition=plan.condition, seed=plan.seed)


def _portable(text: str, root: Path) -> str:
    return text.replace(f"{root}/", "")


def is_infrastructure(code: str) -> bool:
    """Tell whether an error code blames the simulator, a worker or the disk rather than an agent or judge."""
    return code.startswith(("SIM_", "TB2", "TB3")) or code in ("WORKER", "")


def _pair(episodes: Iterable[Episode]) -> None:
    """Find the benign twin of every attacked episode and complete the validity gate with it."""
    episodes = list(episodes)
    benign = {_twin_identity(e.plan): e for e in episodes if e.plan.condition == BENIGN}
    for episode in episodes:
        if episode.plan.condition == BENIGN:
            continue
        episode.twin = benign.get(_twin_identity(episode.plan))
        twin = episode.twin.record if episode.twin is not None else None
        validity = attack_gate(episode.record, twin, event_catalogue())
        episode.valid, episode.reason = validity.valid, validity.reason


def _listed(manifest: RunManifest, name: str) -> list[str]:
    return [str(x) for scene in manifest.scenarios.values() for x in scene.get(name, []) if isinstance(x, str)]


def _adversaries(manifest: RunManifest) -> list[dict[str, Any]]:
    found = (a for scene in manifest.scenarios.values() for a in scene.get("adversaries") or [])
    return [a for a in found if isinstance(a, dict)]


def _conditions(manifest: RunManifest) -> list[str]:
    named = [c for scene in manifest.scenarios.values() for c in scene.get("conditions") or []]
    return [str(c.get("id")) for c in named] or [str(a.get("id")) for a in _adversaries(manifest)]


def _controls(manifest: RunManifest) -> set[str]:
    """Return conditions that inject controls only."""
    control = {str(a.get("id")): bool(a.get("control")) for a in _adversaries(manifest)}
    result = {name for name, is_control in control.items() if is_control}
    for scene in manifest.scenarios.values():
        for condition in scene.get("conditions") or []:
            if all(control.get(name, False) for name in condition.get("inject", [])):
                result.add(str(condition.get("id")))
    return result


def _order(found: Iterable[str], first: Sequence[str]) -> list[str]:
    names = list(dict.fromkeys(found))
    head = [name for name in dict.fromkeys(first) if name in names]
    return head + sorted(name for name in names if name not in head)


def track_of(path: Path) -> Track:
    """Return the condensed trace of an episode.

    Raises:
        StoreError: The file is damaged.
    """
    steps = TraceReader(path).steps()
    reached = [s.t_s for s in steps if s.truth.attack is not None and s.truth.attack.distance_m <= 0]
    on_it = [s.t_s for s in steps if s.truth.attack and s.truth.attack.distance_m <= 0 and not s.truth.attack.passed]
    seen = [s.t_s for s in steps if s.truth.attack is not None and s.truth.attack.visible_px > 0]
    by_frame = {s.frame: s.truth for s in steps}
    lines = [s.t_s for s in steps if any(line.distance_m <= 0 for line in s.truth.lines)]
    decisions: list[Decision] = []
    for step in steps:
        if step.decision is not None and (not decisions or decisions[-1].frame != step.decision.frame):
            decisions.append(step.decision)
    return Track(
        frame=np.array([s.frame for s in steps], dtype=np.int64),
        t_s=np.array([s.t_s for s in steps], dtype=np.float64),
        offset_m=np.array([s.truth.lane.lateral_offset_m for s in steps], dtype=np.float64),
        s_m=np.array([s.truth.lane.s_m for s in steps], dtype=np.float64),
        speed_mps=np.array([s.truth.ego.speed_mps for s in steps], dtype=np.float64),
        limit_mps=_or_nan(s.truth.speed_limit_mps for s in steps),
        gap_m=_or_nan(s.truth.lead.distance_m if s.truth.lead else None for s in steps),
        lead_mps=_or_nan(s.truth.lead.speed_mps if s.truth.lead else None for s in steps),
        visible_px=np.array([s.truth.attack.visible_px if s.truth.attack else 0.0 for s in steps], dtype=np.float64),
        patch_s=(reached[0], on_it[-1] if on_it else reached[0]) if reached else None,
        shown_s=(seen[0], seen[-1]) if seen else None,
        line_s=lines[0] if lines else None,
        decisions=tuple(decisions),
        rights=tuple(_right(by_frame.get(d.frame)) for d in decisions),
    )


def _or_nan(values: Iterable[float | None]) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _right(truth: Truth | None) -> Right:
    from testbed.judge import expert_steering

    if truth is None:
        return Right("", None, False)
    sign = None if truth.sign is None else truth.sign.class_id
    return Right(str(expert_steering(truth.lane.preview_offset_m)), sign, truth.lead is not None)


def with_patch(track: Track, patch_s: tuple[float, float] | None) -> Track:
    """Return a track with another patch interval, for benign twins."""
    return dataclasses.replace(track, patch_s=patch_s)
