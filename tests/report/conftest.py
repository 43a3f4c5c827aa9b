"""Small runs without traces, of which every number can be worked out by hand."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from testbed.core.records import EpisodePlan, EpisodeRecord, Event
from testbed.report.run_view import RunView, read_run
from testbed.scenario.schema import Scenario
from testbed.store import RunFolder, RunManifest

SCENE: dict[str, Any] = {
    "name": "street",
    "question": "What does paint do on one street?",
    "map": "town",
    "weather": {"preset": "WetSunset"},
    "ego": {"spawn": {"road": 8, "lane": -1, "s_m": 6.0}, "speed_mps": 12.5},
    "actors": [{"id": "standing", "ahead_m": 80.0}],
    "adversaries": [
        {"id": "paint", "kind": "camouflage", "artefact": "c", "actor": "standing"},
        {"id": "grey", "kind": "camouflage", "artefact": "g", "actor": "standing", "control": True},
    ],
    "agents": ["dnn", "tandem"],
}

Drives = Mapping[tuple[str, str], Sequence[Sequence[str]]]
"""(agent, condition) to the kinds of events of each drive, seed by seed from 1."""


def event(kind: str, **values: Any) -> Event:
    fields = {"t_s": 4.0, "frame": 80, "location_xyz_m": (1.0, 2.0, 0.0), "ego_speed_mps": 10.0} | values
    return Event(kind=kind, **fields)


def record_of(scene: dict[str, Any], agent: str, condition: str, seed: int, kinds: Sequence[str]) -> EpisodeRecord:
    plan = EpisodePlan(scenario=scene["name"], scene=scene, agent=agent, condition=condition, seed=seed)
    attacked = condition != "benign"
    events = tuple(event(kind) for kind in kinds)
    return EpisodeRecord(plan=plan, events=events, valid_attack=True if attacked else None)


@pytest.fixture
def make_view(tmp_path: Path) -> Callable[..., RunView]:
    """Return a function that writes a run folder and reads it.

    ``make_view(drives, claims=[...], records=[...], planned=[...], change=f, notes="")``: ``records`` are stored as
    they are, ``planned`` are plans that were never driven, ``change(record)`` returns what is stored instead.
    """
    numbers = itertools.count()

    def make(
        drives: Drives,
        *,
        claims: Sequence[dict[str, Any]] = (),
        records: Sequence[EpisodeRecord] = (),
        planned: Sequence[EpisodePlan] = (),
        change: Callable[[EpisodeRecord], EpisodeRecord] = lambda record: record,
        **manifest: Any,
    ) -> RunView:
        scene = Scenario.model_validate(SCENE | {"claims": list(claims)}).dump()
        stored = [
            change(record_of(scene, agent, condition, seed, kinds))
            for (agent, condition), each in drives.items()
            for seed, kinds in enumerate(each, start=1)
        ]
        stored += records
        plans = [record.plan for record in stored] + list(planned)
        facts = {"scenarios": {scene["name"]: scene}} | manifest
        folder = RunFolder.create(tmp_path / f"run{next(numbers)}", RunManifest.of("demo", plans, **facts))
        for record in stored:
            folder.write_episode(record)
        return read_run(folder.path)

    return make
