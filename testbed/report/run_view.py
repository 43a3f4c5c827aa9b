"""From a run folder to what a report talks about: episodes, twins, groups by agent and condition, what is missing.

Three things are kept apart from results: attacks that were not validly delivered, episodes that failed for reasons of
infrastructure or because an agent broke its protocol, and episodes that were planned but never run.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from testbed.core.agent_names import agent_name
from testbed.core.deadline import Deadline
from testbed.core.errors import StoreError, is_infrastructure
from testbed.core.records import EpisodePlan, EpisodeRecord
from testbed.judge import attack_gate, event_catalogue
from testbed.report.drive_trace import DriveTrace, read_drive_trace
from testbed.scenario.schema import Scenario, Weather
from testbed.store import PlannedEpisode, RunFolder, RunManifest

BENIGN = "benign"


@dataclass(slots=True)
class Episode:
    """A stored episode in the light of its twin.

    Attributes:
        record: As stored.
        valid: Whether it counts as a result.
        reason: Why not.
        twin: Benign episode with the same everything but the adversary; None for benign ones or where it is missing.
        drive: Its trace, condensed; None where it has none.
        world: Scenario, weather, latency and deadline in a few words.
    """

    record: EpisodeRecord
    valid: bool = True
    reason: str = ""
    twin: Episode | None = None
    drive: DriveTrace | None = None
    world: str = field(init=False)

    def __post_init__(self) -> None:
        """Name the world."""
        self.world = world_of(self.record.plan)

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

    def outcomes(self) -> list[str]:
        """Return the columns of the table of outcomes in which it counts."""
        return [name for name, kinds in event_catalogue().outcomes().items() if any(map(self.had, kinds))]


@dataclass(slots=True)
class EpisodeGroup:
    """All episodes of one agent under one condition."""

    agent: str
    condition: str
    control: bool
    episodes: list[Episode] = field(default_factory=list)
    invalid: list[Episode] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class LostEpisode:
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
    scenarios: dict[str, Scenario]
    episodes: list[Episode]
    groups: list[EpisodeGroup]
    agents: list[str]
    conditions: list[str]
    controls: set[str]
    lost: list[LostEpisode]
    not_run: list[PlannedEpisode]

    @property
    def name(self) -> str:
        """Scenario name, or the run's name when several scenarios were run."""
        names = list(self.manifest.scenarios)
        return names[0] if len(names) == 1 else self.manifest.run_id

    @property
    def scenario(self) -> Scenario | None:
        """The first scenario; None when the manifest holds none."""
        return next(iter(self.scenarios.values()), None)

    @property
    def question(self) -> str:
        """The question the run was to answer."""
        asked = self.scenario.question if self.scenario is not None else f"What happened in {self.manifest.run_id}?"
        return self.manifest.notes or asked

    @property
    def damaged(self) -> list[LostEpisode]:
        """Episodes whose stored files cannot be read."""
        return [one for one in self.lost if one.code == StoreError.code]

    def group(self, agent: str, condition: str) -> EpisodeGroup | None:
        """Return the episodes of an agent under a condition, None when nothing of it was planned."""
        return next((g for g in self.groups if g.agent == agent and g.condition == condition), None)

    def role(self, condition: str) -> str:
        """Return what a condition is: ``benign``, ``attack`` or ``control``."""
        if condition == BENIGN:
            return BENIGN
        return "control" if condition in self.controls else "attack"

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
            {scenario: self.scenarios[scenario]},
            [e for e in self.episodes if e.plan.scenario == scenario],
            [t for t in self.lost if t.planned.scenario == scenario],
            [p for p in self.not_run if p.scenario == scenario],
            planned,
        )

    def worlds(self) -> list[str]:
        """Labels of all worlds in the run."""
        return list(dict.fromkeys(e.world for e in self.episodes))


def world_of(plan: EpisodePlan) -> str:
    """Return scenario, weather, latency and deadline of a plan in a few words."""
    parts = [plan.scenario]
    if isinstance(plan.scene.get("weather"), dict):
        weather = Weather.model_validate(plan.scene["weather"])
        changed = weather.model_dump(exclude={"preset", "vary"}, exclude_unset=True, exclude_none=True)
        parts += [weather.preset, *(f"{name} {value:g}" for name, value in sorted(changed.items()))]
    parts.append(f"latency {plan.latency}")
    if isinstance(plan.scene.get("deadline"), dict):
        parts.append(f"deadline {Deadline.model_validate(plan.scene['deadline'])}")
    return " · ".join(part for part in parts if part)


def _twin_identity(plan: EpisodePlan) -> str:
    # digests may differ between twins when only one of them carries an artefact
    parts = [plan.scenario, plan.agent, plan.seed, plan.latency, plan.scene]
    return json.dumps(parts, sort_keys=True)


def read_run(path: Path, *, drives: bool = True, keys: Collection[str] | None = None) -> RunView:
    """Read a run folder.

    Args:
        path: Run folder.
        drives: Whether to read the traces too.
        keys: Of the episodes to read; None for all.

    Raises:
        StoreError: It is no run folder or its manifest is damaged; damaged episodes are listed, not raised.
    """
    folder = RunFolder.open(path)
    manifest = folder.manifest()
    scenarios = {name: stored_scenario(scene, name) for name, scene in manifest.scenarios.items()}
    planned = {episode.key: episode for episode in manifest.planned}
    episodes: list[Episode] = []
    lost: list[LostEpisode] = []
    stored = [key for key in folder.keys() if keys is None or key in keys]
    for key in stored:
        try:
            record = folder.read_episode(key)
            known = planned.setdefault(key, _planned(key, record.plan))
            if record.status != "done":
                infrastructure = is_infrastructure(record.error_code)
                lost.append(LostEpisode(known, record.error_code, record.error, infrastructure, record.attempts))
                continue
            episode = Episode(record)
            if drives and record.trace:
                trace = folder.file_of(key, record.trace)
                episode.drive = read_drive_trace(trace) if trace is not None else None
            episodes.append(episode)
        except StoreError as error:
            unknown = PlannedEpisode(key=key, scenario="?", agent="?", condition="?", seed=0)
            lost.append(LostEpisode(planned.get(key, unknown), error.code, _portable(str(error), path), True))
        except (TypeError, ValueError, ArithmeticError, AttributeError) as error:
            # checksums hold, and yet the trace is none of ours
            unknown = PlannedEpisode(key=key, scenario="?", agent="?", condition="?", seed=0)
            reason = f"its trace makes no sense: {type(error).__name__}: {error}"
            lost.append(LostEpisode(planned.get(key, unknown), "TB200", reason, True))
    done = set(stored)
    not_run = [episode for episode in manifest.planned if episode.key not in done]
    _pair(episodes)
    return _view(folder, manifest, scenarios, episodes, lost, not_run, list(planned.values()))


def _view(
    folder: RunFolder,
    manifest: RunManifest,
    scenarios: dict[str, Scenario],
    episodes: list[Episode],
    lost: list[LostEpisode],
    not_run: list[PlannedEpisode],
    planned: Sequence[PlannedEpisode],
) -> RunView:
    """Sort episodes into groups, in the order in which the scenarios name agents and conditions."""
    controls = control_conditions(scenarios.values())
    agents = _order((p.agent for p in planned), _agents(scenarios.values()))
    conditions = _order(
        (p.condition for p in planned),
        [BENIGN, *(name for name in _conditions(scenarios.values()) if name not in controls), *sorted(controls)],
    )
    ranks = {name: rank for rank, name in enumerate(conditions)}
    episodes.sort(key=lambda e: (agents.index(e.plan.agent), ranks[e.plan.condition], e.world, e.plan.seed))
    groups = [EpisodeGroup(a, c, c in controls) for a in agents for c in conditions]
    for group in groups:
        mine = [e for e in episodes if e.plan.agent == group.agent and e.plan.condition == group.condition]
        group.episodes = [e for e in mine if e.valid]
        group.invalid = [e for e in mine if not e.valid]
    return RunView(folder, manifest, scenarios, episodes, groups, agents, conditions, controls, lost, not_run)


def _planned(key: str, plan: EpisodePlan) -> PlannedEpisode:
    return PlannedEpisode(key=key, scenario=plan.scenario, agent=plan.agent, condition=plan.condition, seed=plan.seed)


def _portable(text: str, root: Path) -> str:
    return text.replace(f"{root}/", "")


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


def _agents(scenarios: Iterable[Scenario]) -> list[str]:
    # a scene out of a plan names no agents: its default says nothing about the order
    return [name for one in scenarios if "agents" in one.model_fields_set for name in map(agent_name, one.agents)]


def _conditions(scenarios: Iterable[Scenario]) -> list[str]:
    scenarios = list(scenarios)
    named = [condition.id for one in scenarios for condition in one.conditions or []]
    return named or [adversary.id for one in scenarios for adversary in one.adversaries]


def control_conditions(scenarios: Iterable[Scenario]) -> set[str]:
    """Return conditions that inject controls only."""
    scenarios = list(scenarios)
    control = {adversary.id: adversary.control for one in scenarios for adversary in one.adversaries}
    result = {name for name, is_control in control.items() if is_control}
    for one in scenarios:
        for condition in one.conditions or []:
            if all(control[name] for name in condition.inject):
                result.add(condition.id)
    return result


def stored_scenario(document: Mapping[str, Any], name: str) -> Scenario:
    """Return a scenario as a manifest holds it; keys that only a later version knows are left out.

    Args:
        document: Its dump, or what a plan keeps of it.
        name: What the manifest calls it.

    Raises:
        StoreError: It makes no sense; names the place.
    """
    content: Any = dict(document)
    while True:
        try:
            return Scenario.model_validate(content)
        except ValidationError as error:
            found = error.errors()
            unknown = [item["loc"] for item in found if item["type"] == "extra_forbidden"]
            kept = content
            for place in unknown:
                kept = _without(kept, place)
            if kept == content:
                where = ".".join(str(part) for part in found[0]["loc"])
                message = f"manifest.json: scenario {name!r} makes no sense: {where}: {found[0]['msg']}"
                raise StoreError(message) from error
            content = kept


def _without(content: Any, place: Sequence[int | str]) -> Any:
    """Return JSON without the key at a place; the place may name members of unions, which the document does not."""
    if not place:
        return content
    first, rest = place[0], place[1:]
    if isinstance(content, dict) and first in content:
        if not rest:
            return {key: value for key, value in content.items() if key != first}
        return {key: _without(value, rest) if key == first else value for key, value in content.items()}
    if isinstance(content, list) and isinstance(first, int) and first < len(content):
        return [_without(value, rest) if index == first else value for index, value in enumerate(content)]
    return _without(content, rest)


def _order(found: Iterable[str], first: Sequence[str]) -> list[str]:
    names = list(dict.fromkeys(found))
    head = [name for name in dict.fromkeys(first) if name in names]
    return head + sorted(name for name in names if name not in head)
